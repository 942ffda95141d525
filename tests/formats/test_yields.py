"""The table of molecules by target: written, read back, and what is wrong with it named by its line."""

from pathlib import Path

import pytest

from ctdna.formats.yields import YIELD_COLUMNS, read_yields, write_yields
from ctdna.model.errors import InputError
from ctdna.model.qc import TargetYield


def _row(**changes: object) -> TargetYield:
    values: dict[str, object] = {
        "target": "EGFR:19",
        "contig": "egfr",
        "start0": 0,
        "end0": 120,
        "templates": 30,
        "molecules": 12,
        "duplex_molecules": 4,
        "molecules_estimated": 14.5,
        "saturation": 0.827586,
        "sequencing_saturation": 0.6,
        "umi_collision": 1.25e-07,
        "umi_collision_highest": 3e-07,
        "molecules_lost_to_collisions": 0.0,
    }
    return TargetYield.model_validate({**values, **changes})


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    missing = dict.fromkeys(("saturation", "sequencing_saturation", "umi_collision", "umi_collision_highest"))
    rows = (_row(), _row(target="none", templates=0, molecules=0, **missing))
    write_yields(tmp_path / "t.tsv", rows)
    lines = (tmp_path / "t.tsv").read_text().splitlines()
    assert lines[0] == "#" + "\t".join(YIELD_COLUMNS)
    assert lines[1].split("\t")[:4] == ["egfr", "0", "120", "EGFR:19"]
    assert lines[2].split("\t")[8:12] == ["."] * 4
    assert read_yields(tmp_path / "t.tsv") == rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1.*is no table of molecules by target"),
        ("#contig\n", "line 1.*is no table of molecules by target"),
        ("HEADER\na\t1\n", "line 2.*found 2 columns, expected 13"),
        ("HEADER\n" + "\t".join(["x"] * 13) + "\n", "line 2.*column start0: Input should be a valid integer"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.tsv").write_text(text.replace("HEADER", "#" + "\t".join(YIELD_COLUMNS)))
    with pytest.raises(InputError, match=message):
        read_yields(tmp_path / "t.tsv")
