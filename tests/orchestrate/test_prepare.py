from pathlib import Path

import pytest

from ctdna.model.errors import InputError
from ctdna.model.sample import Sample, Specimen
from ctdna.orchestrate.prepare import check_white_cells


def cells(name: str, subject: str | None) -> Sample:
    specimen = Specimen(subject_id=subject)
    return Sample(sample_id=name, role="white_cells", index="", index2="", lanes=(), specimen=specimen)


@pytest.mark.req("REQ-RUN-010")
def test_white_cells_need_a_subject_of_their_own() -> None:
    sheet = Path("sheet.csv")
    check_white_cells(sheet, (cells("w1", "S1"), cells("w2", "S2")))
    with pytest.raises(InputError, match=r"sheet\.csv: sample w1: is of white cells, but names no Subject_ID"):
        check_white_cells(sheet, (cells("w1", None),))
    with pytest.raises(InputError, match=r"Subject_ID: subject S1 has white cells twice \(w1, w2\)"):
        check_white_cells(sheet, (cells("w1", "S1"), cells("w2", "S1")))
