"""MultiQC's custom content: the documented keys, one file a section, none for what is empty."""

import json
from pathlib import Path

from ctdna.formats.multiqc import write_multiqc
from ctdna.model.base import Text
from ctdna.model.qc import Figure, LibraryYield, SampleQc, StageLoss, TargetDepth


def _library(**changes: object) -> LibraryYield:
    values: dict[str, object] = {
        **dict.fromkeys(LibraryYield.model_fields, 0.5),
        "templates": 200,
        "molecules": 90,
        "duplex_molecules": 30,
        "molecule_sizes": {1: 50, 3: 40},
        "molecules_at_percent": {50: 60, 100: 90},
        "duplex_molecules_at_percent": {50: 10, 100: 30},
        "ideal_duplex_molecules_at_percent": {50: 15, 100: 40},
        "targets": (),
    }
    return LibraryYield.model_validate({**values, **changes})


def _document(name: str, sizes: dict[int, int], n_lost: int, library: LibraryYield | None = None) -> SampleQc:
    figure = Figure(
        metric="mean_family_size",
        title=Text(en="Reads per molecule, mean", zh="每分子平均读段数"),
        value=3.25,
        unit="count",
        min=None,
        max=None,
        status="pass",
        classes=(),
        reason=None,
        next_step=None,
    )
    target = TargetDepth(target="EGFR:exon19", contig="c", start0=0, end0=10, mean=12.5, min=3, duplex_mean=4.0)
    return SampleQc(
        schema_version=1,
        sample_id=name,
        role="patient",
        kit="k@1.0.0",
        kit_digest="0",
        verdict="pass",
        classes=(),
        figures=(figure,),
        targets=(target,) if sizes else (),
        family_sizes=sizes,
        tiers={"single": 4, "duplex": 5} if sizes else {},
        losses=(_loss(n_lost),),
        library=library,
    )


def _loss(n_lost: int) -> StageLoss:
    rejected = {"low_mapq": n_lost, "unmapped": 0}
    return StageLoss(stage="group", unit="reads", n_in=10, n_out=10 - n_lost, rejected=rejected, counts={})


def test_sections_hold_each_samples_figures(tmp_path: Path) -> None:
    write_multiqc(tmp_path, {"a": _document("a", {1: 5, 10: 2, 2: 3}, 4, _library())})
    sections = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert sorted(sections) == [
        "ctdna_duplex_yield_mqc.json",
        "ctdna_family_sizes_mqc.json",
        "ctdna_losses_mqc.json",
        "ctdna_molecule_sizes_mqc.json",
        "ctdna_samples_mqc.json",
        "ctdna_saturation_mqc.json",
        "ctdna_target_depth_mqc.json",
        "ctdna_tiers_mqc.json",
    ]
    for name, section in sections.items():
        assert {"id", "section_name", "description", "plot_type", "pconfig", "data"} <= section.keys(), name
        assert section["pconfig"]["id"] != section["id"]
    assert sections["ctdna_samples_mqc.json"]["data"] == {"a": {"mean_family_size": 3.25, "verdict": "pass"}}
    assert sections["ctdna_samples_mqc.json"]["headers"]["mean_family_size"]["title"] == "Reads per molecule, mean"
    assert sections["ctdna_family_sizes_mqc.json"]["data"] == {"a": [[1, 5], [2, 3], [10, 2]]}
    assert sections["ctdna_molecule_sizes_mqc.json"]["data"] == {"a": [[1, 50], [3, 40]]}
    assert sections["ctdna_saturation_mqc.json"]["data"] == {"a": [[0, 0], [100, 60], [200, 90]]}
    assert sections["ctdna_duplex_yield_mqc.json"]["data"] == {
        "a": [[0, 0], [100, 10], [200, 30]],
        "a (ideal)": [[0, 0], [100, 15], [200, 40]],
    }
    assert sections["ctdna_tiers_mqc.json"]["data"] == {"a": {"duplex": 5, "single": 4}}
    assert sections["ctdna_target_depth_mqc.json"]["data"] == {"a": {"EGFR:exon19": 12.5}}
    assert sections["ctdna_losses_mqc.json"]["data"] == {"a": {"group: low_mapq": 4}}


def test_a_section_without_data_is_left_out(tmp_path: Path) -> None:
    write_multiqc(tmp_path, {"a": _document("a", {}, 0, _library(molecules=0))})
    assert [path.name for path in tmp_path.iterdir()] == ["ctdna_samples_mqc.json"]


def test_a_library_without_strands_has_no_duplex_yield(tmp_path: Path) -> None:
    library = _library(duplex_molecules_at_percent={}, ideal_duplex_molecules_at_percent={})
    write_multiqc(tmp_path, {"a": _document("a", {1: 1}, 1, library)})
    assert (tmp_path / "ctdna_saturation_mqc.json").is_file()
    assert not (tmp_path / "ctdna_duplex_yield_mqc.json").exists()
