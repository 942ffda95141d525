"""MultiQC's custom content: the documented keys, one file a section, none for what is empty."""

import json
from pathlib import Path

from ctdna.formats.multiqc import write_multiqc
from ctdna.model.base import Text
from ctdna.model.metrics import StageMetrics
from ctdna.model.qc import Figure, SampleQc, TargetDepth


def _document(name: str, sizes: dict[int, int]) -> SampleQc:
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
    )


def _metrics(n_lost: int) -> StageMetrics:
    return StageMetrics(
        stage="group", sample="a", unit="reads", n_in=10, n_out=10 - n_lost, rejected={"low_mapq": n_lost}
    )


def test_sections_hold_each_samples_figures(tmp_path: Path) -> None:
    write_multiqc(tmp_path, {"a": _document("a", {1: 5, 10: 2, 2: 3})}, {"a": (_metrics(4),)})
    sections = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    assert sorted(sections) == [
        "ctdna_family_sizes_mqc.json",
        "ctdna_losses_mqc.json",
        "ctdna_samples_mqc.json",
        "ctdna_target_depth_mqc.json",
    ]
    for name, section in sections.items():
        assert {"id", "section_name", "description", "plot_type", "pconfig", "data"} <= section.keys(), name
        assert section["pconfig"]["id"] != section["id"]
    assert sections["ctdna_samples_mqc.json"]["data"] == {"a": {"mean_family_size": 3.25, "verdict": "pass"}}
    assert sections["ctdna_samples_mqc.json"]["headers"]["mean_family_size"]["title"] == "Reads per molecule, mean"
    assert sections["ctdna_family_sizes_mqc.json"]["data"] == {"a": [[1, 5], [2, 3], [10, 2]]}
    assert sections["ctdna_target_depth_mqc.json"]["data"] == {"a": {"EGFR:exon19": 12.5}}
    assert sections["ctdna_losses_mqc.json"]["data"] == {"a": {"group: low_mapq": 4}}


def test_a_section_without_data_is_left_out(tmp_path: Path) -> None:
    write_multiqc(tmp_path, {"a": _document("a", {})}, {"a": (_metrics(0),)})
    assert [path.name for path in tmp_path.iterdir()] == ["ctdna_samples_mqc.json"]
