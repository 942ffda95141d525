"""Files that MultiQC reads as custom content (`*_mqc.json`), so that a run shows beside others in a lab's overview."""

from pathlib import Path

from ctdna.formats.documents import write_json
from ctdna.model.evidence import TIERS
from ctdna.model.qc import LibraryYield, SampleQc

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


def _curve(points: dict[int, int]) -> list[list[int]]:
    return [[at, n] for at, n in sorted(points.items())]


def _family_sizes(documents: dict[str, SampleQc]) -> Plain:
    data: Plain = {name: _curve(one.family_sizes) for name, one in documents.items() if one.family_sizes}
    config: Plain = {"xlab": "Read pairs in a family", "ylab": "Families"}
    text = "How many read pairs stand behind a family: a molecule, or with strands one strand of it."
    return _section("family_sizes", "Family sizes", text, "linegraph", config, data)


def _libraries(documents: dict[str, SampleQc]) -> dict[str, LibraryYield]:
    return {name: one.library for name, one in documents.items() if one.library and one.library.molecules}


def _molecule_sizes(libraries: dict[str, LibraryYield]) -> Plain:
    data: Plain = {name: _curve(one.molecule_sizes) for name, one in libraries.items()}
    config: Plain = {"xlab": "Read pairs of a molecule", "ylab": "Molecules"}
    text = "How many read pairs stand behind a molecule, both strands together."
    return _section("molecule_sizes", "Molecule sizes", text, "linegraph", config, data)


def _by_reads(one: LibraryYield, at_percent: dict[int, int]) -> list[list[int]]:
    """Return read pairs -> molecules; where shares come to the same number of read pairs, the larger share counts."""
    return _curve({0: 0} | {round(one.templates * share / 100): n for share, n in sorted(at_percent.items())})


def _saturation(libraries: dict[str, LibraryYield]) -> Plain:
    data: Plain = {name: _by_reads(one, one.molecules_at_percent) for name, one in libraries.items()}
    config: Plain = {"xlab": "Read pairs", "ylab": "Molecules", "ymin": 0}
    text = "Molecules expected if only so many of the sample's grouped read pairs had been sequenced."
    return _section("saturation", "Saturation", text, "linegraph", config, data)


def _duplex_yield(libraries: dict[str, LibraryYield]) -> Plain:
    data: Plain = {}
    for name, one in libraries.items():
        if one.duplex_molecules_at_percent:
            data[name] = _by_reads(one, one.duplex_molecules_at_percent)
            data[f"{name} (ideal)"] = _by_reads(one, one.ideal_duplex_molecules_at_percent)
    config: Plain = {"xlab": "Read pairs", "ylab": "Molecules on both strands", "ymin": 0}
    text = (
        "Molecules expected on both strands if only so many of the sample's grouped read pairs had been sequenced; "
        "ideal: if either strand gave each read pair with a chance of one half."
    )
    return _section("duplex_yield", "Duplex yield", text, "linegraph", config, data)


def _tiers(documents: dict[str, SampleQc]) -> Plain:
    data: Plain = {
        name: {tier: one.tiers[tier] for tier in TIERS if tier in one.tiers}
        for name, one in documents.items()
        if one.tiers
    }
    config: Plain = {"ylab": "Molecules"}
    text = "Filtered consensus molecules by tier: both strands; one strand with 3 or more reads, 2 reads, 1 read."
    return _section("tiers", "Tiers", text, "bargraph", config, data)


def _target_depth(documents: dict[str, SampleQc]) -> Plain:
    data: Plain = {
        name: {target.target: target.mean for target in document.targets}
        for name, document in documents.items()
        if document.targets
    }
    config: Plain = {"ylab": "Unique molecules", "stacking": "group", "cpswitch": False}
    text = "Mean depth of unique molecules over each target."
    return _section("target_depth", "Depth by target", text, "bargraph", config, data)


def _losses(documents: dict[str, SampleQc]) -> Plain:
    data: Plain = {}
    for name, document in documents.items():
        row = {
            f"{one.stage}: {reason}": n
            for one in document.losses
            for reason, n in sorted(one.rejected.items())
            if n > 0
        }
        if row:
            data[name] = row
    config: Plain = {"ylab": "Lost (in each stage's own unit)"}
    text = "What was lost in each stage, by reason; every stage counts in its own unit."
    return _section("losses", "Losses", text, "bargraph", config, data)


def write_multiqc(folder: Path, documents: dict[str, SampleQc]) -> None:
    """Write the custom-content files of a run into a folder; a section without data is left out.

    Raises:
        InputError: a file cannot be written.
    """
    libraries = _libraries(documents)
    sections = [
        *(_samples(documents), _family_sizes(documents), _molecule_sizes(libraries), _saturation(libraries)),
        *(_duplex_yield(libraries), _tiers(documents), _target_depth(documents), _losses(documents)),
    ]
    for section in sections:
        if section["data"]:
            write_json(folder / f"{section['id']}_mqc.json", section)
