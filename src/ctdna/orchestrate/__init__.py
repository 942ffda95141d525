"""The whole job: preparing a run, driving the workflow, showing its progress, watching for new runs."""
