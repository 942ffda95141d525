"""Files that MultiQC reads as custom content (`*_mqc.json`), so that a run shows beside others in a lab's overview."""

from pathlib import Path

from ctdna.formats.documents import write_json
from ctdna.model.metrics import StageMetrics
from ctdna.model.qc import SampleQc

Plain = dict[str, object]


def _section(name: str, title: str, description: str, plot: str, config: Plain, data: Plain) -> Plain:
    return {
        "id": f"ctdna_{name}",
        "section_name": title,
        "description": description,
        "parent_id": "ctdna",
        "parent_name": "ctdna",
        "parent_description": "Cell-free DNA, molecule by molecule.",
        "plot_type": plot,
        "pconfig": {"id": f"ctdna_{name}_plot", "title": f"ctdna: {title}", **config},
        "data": data,
    }


def _samples(documents: dict[str, SampleQc]) -> Plain:
    data: Plain = {}
    headers: dict[str, Plain] = {"verdict": {"title": "Verdict", "scale": False}}
    for name, document in documents.items():
        row: Plain = {"verdict": document.verdict}
        for figure in document.figures:
            if figure.value is not None:
                row[figure.metric] = figure.value
                headers[figure.metric] = {"title": figure.title.en, "description": figure.unit}
        data[name] = row
    config: Plain = {"namespace": "ctdna", "save_file": False}
    return {**_section("samples", "Samples", "Figures of each sample.", "table", config, data), "headers": headers}


def _family_sizes(documents: dict[str, SampleQc]) -> Plain:
    data: Plain = {
        name: [[size, n] for size, n in sorted(document.family_sizes.items())]
        for name, document in documents.items()
        if document.family_sizes
    }
    config: Plain = {"xlab": "Read pairs in a family", "ylab": "Families"}
    text = "How many read pairs stand behind a molecule."
    return _section("family_sizes", "Family sizes", text, "linegraph", config, data)


def _target_depth(documents: dict[str, SampleQc]) -> Plain:
    data: Plain = {
        name: {target.target: target.mean for target in document.targets}
        for name, document in documents.items()
        if document.targets
    }
    config: Plain = {"ylab": "Unique molecules", "stacking": "group", "cpswitch": False}
    text = "Mean depth of unique molecules over each target."
    return _section("target_depth", "Depth by target", text, "bargraph", config, data)


def _losses(stages: dict[str, tuple[StageMetrics, ...]]) -> Plain:
    data: Plain = {}
    for name, metrics in stages.items():
        row = {f"{one.stage}: {reason}": n for one in metrics for reason, n in sorted(one.rejected.items()) if n > 0}
        if row:
            data[name] = row
    config: Plain = {"ylab": "Lost (in each stage's own unit)"}
    text = "What was lost in each stage, by reason; every stage counts in its own unit."
    return _section("losses", "Losses", text, "bargraph", config, data)


def write_multiqc(folder: Path, documents: dict[str, SampleQc], stages: dict[str, tuple[StageMetrics, ...]]) -> None:
    """Write the custom-content files of a run into a folder; a section without data is left out.

    Raises:
        InputError: a file cannot be written.
    """
    sections = [_samples(documents), _family_sizes(documents), _target_depth(documents), _losses(stages)]
    for section in sections:
        if section["data"]:
            write_json(folder / f"{section['id']}_mqc.json", section)
