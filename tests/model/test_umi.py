"""Read structures, against the cases of fgbio's and fgumi's own tests."""

import pytest

from ctdna.model.errors import InputError
from ctdna.model.umi import parse_read_structure
from tests.oracle_cases import Case, case_params


@pytest.mark.parametrize("case", case_params("parse_read_structure"))
def test_parse_as_the_field_does(case: Case) -> None:
    text = case["input"]["structure"]
    if case["expect"].get("error"):
        with pytest.raises(InputError, match="read structure"):
            parse_read_structure(text)
        return
    structure = parse_read_structure(text)
    assert [[segment.length, segment.kind] for segment in structure.segments] == case["expect"]["segments"]
    if "text" in case["expect"]:
        assert str(structure) == case["expect"]["text"]


@pytest.mark.req("REQ-EXT-001")
@pytest.mark.parametrize("case", case_params("extract_segments"))
def test_extract_segments(case: Case) -> None:
    structure = parse_read_structure(case["input"]["structure"])
    if case["options"]["variable_last_segment"]:
        structure = structure.with_variable_last()
    bases, quals = case["input"]["bases"], case["input"]["quals"]
    if case["expect"].get("error"):
        with pytest.raises(InputError):
            structure.extract(bases, quals, case["options"]["include_skips"])
        return
    parts = structure.extract(bases, quals, case["options"]["include_skips"])
    assert [list(part) for part in parts] == case["expect"]["parts"]


@pytest.mark.parametrize("case", case_params("variable_last_segment"))
def test_variable_last_segment(case: Case) -> None:
    assert str(parse_read_structure(case["input"]["structure"]).with_variable_last()) == case["expect"]["text"]


@pytest.mark.parametrize("case", case_params("read_length_ok"))
def test_read_length(case: Case) -> None:
    structure = parse_read_structure(case["input"]["structure"])
    assert structure.fits(case["input"]["read_length"]) is case["expect"]["ok"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("23T2TT23T", r"23T2T\[T\]23T: no length before it; allowed: a length"),
        ("5M2X+T", r"5M2\[X\]\+T: this is no kind"),
        ("5M70+T", r"5M70\[\+\]T: this is no kind"),
        ("+M+T", r"\+M\[\+\]T: only one \+"),
        ("0T", r"\[0\]T: a length of 0"),
        ("8B+", r"8B\[\+\]: a length without a letter"),
        ("5M-T", r"5M\[-\]T: this is no length"),
        ("  ", "it is empty"),
    ],
)
def test_messages_bracket_the_fault(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_read_structure(text)


def test_messages_of_reads_that_do_not_fit() -> None:
    with pytest.raises(InputError, match="found a read of 3 bases, it takes at least 4"):
        parse_read_structure("4M+T").bounds(3)
    with pytest.raises(InputError, match="found a read of 6 bases, it takes exactly 4"):
        parse_read_structure("2T2B").bounds(6)
    with pytest.raises(InputError, match="4 bases, but 3 qualities"):
        parse_read_structure("+T").extract("AACC", "111", with_skips=False)
