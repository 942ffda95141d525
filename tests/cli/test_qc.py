"""Which stages' metrics `ctdna qc` reads from a run's folder."""

from pathlib import Path

import pytest

from ctdna.cli.qc import STAGES, _stage_metrics
from ctdna.formats.documents import write_json
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics


def _write(path: Path, stage: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, StageMetrics(stage=stage, sample="s", unit="reads", n_in=1, n_out=1, rejected={}))


def _folder(tmp_path: Path, *stages: str) -> Path:
    _write(tmp_path / "fastq" / "demultiplex.json", "demultiplex")
    for stage in stages:
        _write(tmp_path / "samples" / "s" / f"{stage}.json", stage)
    return tmp_path


def test_either_way_from_reads_to_calls_is_read(tmp_path: Path) -> None:
    for name, left_out in (("long", "collapse"), ("short", "realign")):
        stages = [stage for stage in STAGES if stage != left_out]
        found = _stage_metrics(_folder(tmp_path / name, *stages), "s")
        assert list(found) == ["demultiplex", *stages]


def test_a_stage_that_every_way_has_must_be_there(tmp_path: Path) -> None:
    folder = _folder(tmp_path, *(stage for stage in STAGES if stage != "filter"))
    with pytest.raises(InputError, match=r"filter\.json: cannot be read: No such file"):
        _stage_metrics(folder, "s")
