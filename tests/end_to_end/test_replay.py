"""A real run again: the same under the same kit, and every consequence of a threshold under another."""

import json
from pathlib import Path

import pytest

from ctdna.model.equivalence import Equivalence
from tests.end_to_end.conftest import KIT, contents, ctdna
from tests.validation.builders import copied_kit

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _report(folder: Path) -> Equivalence:
    return Equivalence.model_validate_json((folder / "equivalence.json").read_bytes())


def test_the_same_kit_gives_the_same_results(finished: Path, tmp_path: Path) -> None:
    before = contents(finished)
    env = {"CTDNA_HOME": str(tmp_path / "home")}
    done = ctdna("replay", finished, "--kit", KIT, "--output", tmp_path / "out", "--threads", 2, env=env)
    assert done.returncode == 4, done.stderr  # the tiny run fails its quality control: nothing can be shown
    report = _report(tmp_path / "out")
    assert (report.verdict, report.differences) == ("not_shown", ())
    assert report.n_samples == 3
    assert report.n_figures > 30
    assert report.runs[0].candidate == report.runs[0].baseline
    assert contents(finished) == before
    again = ctdna("replay", finished, "--kit", KIT, "--output", tmp_path / "out", env=env)
    assert again.stdout == done.stdout
    (made,) = (tmp_path / "out" / "runs").iterdir()
    compared = ctdna("replay", finished, made, "--compare", "--output", tmp_path / "compared", env=env)
    assert compared.returncode == 4, compared.stderr
    assert (tmp_path / "compared" / "equivalence.json").read_bytes() == (
        tmp_path / "out" / "equivalence.json"
    ).read_bytes()


def test_a_changed_threshold_shows_at_every_locus(finished: Path, tmp_path: Path) -> None:
    kit = copied_kit(tmp_path / "kits", kit_yaml=("min_alt_molecules: 3", "min_alt_molecules: 12"))
    env = {"CTDNA_HOME": str(tmp_path / "home"), "CTDNA_KITS": str(tmp_path / "kits")}
    done = ctdna("replay", finished, "--kit", kit.address, "--output", tmp_path / "out", "--threads", 2, env=env)
    assert done.returncode == 4, done.stderr
    report = _report(tmp_path / "out")
    assert report.runs[0].candidate is not None
    assert report.runs[0].candidate.kit_digest == kit.digest
    moved = {(one.sample, one.item) for one in report.differences if (one.kind, one.field) == ("locus", "lod95")}
    plan = json.loads((finished / "reports" / "TINY-P1" / "result.json").read_text())["hotspots"]
    assert len([one for one in moved if one[0] == "TINY-P1"]) == len(plan)
    lost = [one for one in report.differences if (one.kind, one.field) == ("finding", "filters")]
    assert any("low_evidence" in (one.candidate or "") for one in lost)
    for name, start in (("equivalence.html", b"<!DOCTYPE html>"), ("equivalence.pdf", b"%PDF-1.7")):
        assert (tmp_path / "out" / name).read_bytes().startswith(start)
