"""What a run of the whole job works on: `run.json`, written before the first stage."""

from typing import Literal

from ctdna.model.base import Frozen
from ctdna.model.sample import Sample
from ctdna.model.trace import KitState, TraceFacts

Alignment = Literal["once", "all"]
"""`once`: one read pair of each distinct template is aligned; `all`: every read, and every consensus read again."""


class RunManifest(Frozen):
    """The run, its kit and its samples; the same for every rerun of the same input."""

    schema_version: Literal[1] = 1
    run_id: str
    """As RunInfo.xml names it, or the folder's name for FASTQ input."""
    instrument: str | None
    flow_cell: str | None
    kit: str
    """`name@version`."""
    kit_digest: str
    """SHA-256 over the kit's files."""
    kit_state: KitState = "development"
    """As it was when the run began."""
    reference: str
    """Name of the reference that the kit stands on."""
    align: Alignment
    """Which reads the aligner gets."""
    software: str
    """ctdna's version."""
    samples: tuple[Sample, ...]
    """In the sample sheet's order."""
    warnings: tuple[str, ...]
    """What the checks of sample sheet and read names found and let pass."""
    trace: TraceFacts | None = None
    """Where, by whom, with what lot and build; None: not known, so of research use only."""

    def sample(self, sample_id: str) -> Sample:
        """Return the sample of that id.

        Raises:
            KeyError: the run has no such sample.
        """
        for sample in self.samples:
            if sample.sample_id == sample_id:
                return sample
        raise KeyError(sample_id)
