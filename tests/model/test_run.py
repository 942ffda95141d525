"""Models of a run: cycles, barcodes, parameters."""

import pytest
from pydantic import ValidationError

from ctdna.model.params.demultiplex import DemultiplexParams
from ctdna.model.run import barcode_distance, parse_cycles, reverse_complement


def test_cycles() -> None:
    assert parse_cycles("U5Y146;I8N2; n2i8 ;Y*".replace(" ", "")) == (
        (("U", 5), ("Y", 146)),
        (("I", 8), ("N", 2)),
        (("N", 2), ("I", 8)),
        (("Y", -1),),
    )


@pytest.mark.parametrize("text", ["", "Y", "5Y", "Y5;", "Y5,I8", "Z5", "Y*U*"])
def test_wrong_cycles(text: str) -> None:
    with pytest.raises(ValueError, match="found read '"):
        parse_cycles(text)


def test_barcodes() -> None:
    assert reverse_complement("AACGTN") == "NACGTT"
    assert barcode_distance("ACGTN", "ACCTA") == 1
    assert barcode_distance("ACGT", "AC") == 0


@pytest.mark.parametrize("mismatches", [(), (3,), (-1, 0), (1, 1, 1)])
def test_mismatches_allowed(mismatches: tuple[int, ...]) -> None:
    values = {"decoder": "ctdna", "barcode_mismatches": mismatches, "index2_orientation": "forward"}
    with pytest.raises(ValidationError, match="barcode_mismatches"):
        DemultiplexParams.model_validate(values)
