"""What became of the reads, as the report says it: charts, tables, words for every reason, parts that are absent."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctdna.formats.documents import dump_json
from ctdna.kernels import grouping
from ctdna.model.qc import SampleQc, TargetYield
from ctdna.model.result import Result
from ctdna.report.charts_evidence import duplex_chart, family_chart, losses_chart, saturation_chart
from ctdna.report.sections_evidence import library_section, losses_section
from ctdna.report.sections_qc import charts_section
from ctdna.report.texts import LANGUAGES, Language
from ctdna.report.texts_evidence import EVIDENCE
from ctdna.report.view import Table
from ctdna.stages import consensus_metrics, evidence, extract, filter

from . import builders_qc
from .builders import result

REASONS = {
    "extract": extract.REASONS,
    "group": ("secondary", "supplementary", *grouping.REASONS[1:]),
    "consensus": consensus_metrics.REASONS[1:],
    "filter": tuple(filter.REASONS.values()),
    "call": evidence.REASONS,
}
sizes = st.dictionaries(st.integers(1, 400), st.integers(1, 10_000), max_size=30)


def _result(**changes: object) -> Result:
    return result(qc=builders_qc.sample_qc(**changes))


def drawn(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def _rows(some: Result, language: Language) -> dict[str, list[str]]:
    section = losses_section(some, language)
    assert section is not None
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


@pytest.mark.parametrize("stage", sorted(REASONS))
def test_every_reason_of_a_stage_has_words(stage: str) -> None:
    assert [reason for reason in REASONS[stage] if f"loss.{stage}.{reason}" not in EVIDENCE] == []


def test_words_are_for_reasons_that_exist() -> None:
    named = {tuple(key.split(".")[1:]) for key in EVIDENCE if key.startswith("loss.")}
    assert named == {(stage, reason) for stage, reasons in REASONS.items() for reason in reasons}


@pytest.mark.req("REQ-BAL-002")
def test_every_stage_says_what_it_lost_and_why() -> None:
    rows = _rows(_result(), "en")
    assert rows["UMIs taken out"][:3] == ["95,000", "91,868", "3,132"]
    assert rows["Voted"][3].splitlines() == [
        "other indels than most reads of the molecule (minority alignment): 3,044 (1.69\u00a0%)",
        "two molecules with one UMI (collision): 12 (0.0067\u00a0%)",
    ]
    assert rows["Collapsed"] == ["91,868", "91,868", "0", "–"]
    assert _rows(_result(), "zh")["一致性判定"][3].startswith("插入/缺失与该分子多数读段不同（少数比对）：3,044")


def test_stages_and_reasons_that_are_not_known_are_shown_by_their_names() -> None:
    for language in LANGUAGES:
        rows = _rows(_result(), language)
        assert "brand_new" in "".join(cells[3] for cells in rows.values())
        assert rows["polish"][3].startswith("dull")


def test_the_losses_are_drawn_over_what_came_into_the_first_stage_of_a_kind() -> None:
    svg = losses_chart(builders_qc.losses(), "en")
    words = drawn(svg)
    assert [word for word in words if word in ("Reads", "Consensus reads", "Molecules")] == [
        "Reads", "Consensus reads", "Molecules",
    ]  # fmt: skip
    assert "183,736 kept, 3.30\u00a0% lost" in words
    bars = [element for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("rect")]
    ends = [float(bar.get("x", 0)) + float(bar.get("width", 0)) for bar in bars]
    assert max(ends) == pytest.approx(128 + 420)


def test_an_empty_sample_is_drawn() -> None:
    nothing = tuple(loss.model_copy(update={"n_in": 0, "n_out": 0, "rejected": {}}) for loss in builders_qc.losses())
    assert "0 kept, 0\u00a0% lost" in drawn(losses_chart(nothing, "en"))
    assert drawn(family_chart({}, {}, "en"))
    empty = _result(losses=nothing, library=builders_qc.library(molecules=0, templates=0, molecule_sizes={}))
    assert losses_section(empty, "zh") is not None
    section = library_section(empty, "en")
    assert section is not None
    assert all(isinstance(block, Table) for block in section.blocks)


def test_the_librarys_figures_are_told_with_what_they_mean() -> None:
    section = library_section(_result(), "en")
    assert section is not None
    text = section.model_dump_json()
    for said in ("at least 29,102", "94.6", "1,050,000", "0.0017", "20,410 (10.7", "31,002", "41,300 (0.56", "0.24"):
        assert said in text
    assert "14,210 (54.1" in text
    assert "8,210 (29.8" in text


def test_very_many_umis_are_not_written_out() -> None:
    section = library_section(_result(library=builders_qc.library(effective_umis=4.0**31)), "en")
    assert section is not None
    assert "> 10⁹" in section.model_dump_json()


def test_a_library_without_strands_has_no_duplex_figures() -> None:
    plain = builders_qc.library(duplex_molecules_at_percent={}, ideal_duplex_molecules_at_percent={})
    section = library_section(_result(library=plain), "en")
    assert section is not None
    text = section.model_dump_json()
    assert "Seen on both strands" not in text
    assert "duplex yield" not in text
    assert "saturation" in text


def test_a_document_of_before_has_neither_section_and_keeps_its_text() -> None:
    old = _result(losses=(), library=None)
    for language in LANGUAGES:
        assert losses_section(old, language) is None
        assert library_section(old, language) is None
        charts = charts_section(old, language)
        assert charts is not None
        assert len(charts.blocks) == 4
    text = dump_json(old.qc)
    assert '"losses"' not in text
    assert '"library"' not in text
    assert dump_json(SampleQc.model_validate_json(text)) == text
    new = dump_json(_result().qc)
    assert dump_json(SampleQc.model_validate_json(new)) == new


@given(sizes, sizes)
def test_family_curves_stay_inside_their_drawing(molecules: dict[int, int], families: dict[int, int]) -> None:
    svg = family_chart(molecules, families, "zh")
    ElementTree.fromstring(svg)
    points = [pair.split(",") for line in re.findall(r'polyline points="([^"]*)"', svg) for pair in line.split()]
    assert all(0 <= float(x) <= 350 and 0 <= float(y) <= 204 for x, y in points)


def test_curves_name_their_axes_and_end_at_what_was_seen() -> None:
    library = builders_qc.library()
    words = drawn(saturation_chart(library, "en"))
    assert {"molecules", "Share of this sample's read pairs", "100%", "in the library: at least 29,102"} <= set(words)
    assert {"双链", "两链均匀", "分子数"} <= set(drawn(duplex_chart(library, "zh")))
    assert "≥20" in drawn(family_chart(library.molecule_sizes, {1: 3}, "en"))
    assert saturation_chart(library, "en") == saturation_chart(library, "en")


def test_each_target_has_its_molecules_the_least_saturated_first_where_they_are_many() -> None:
    def shown(targets: tuple[TargetYield, ...]) -> list[list[str]]:
        section = library_section(_result(library=builders_qc.library(targets=targets)), "en")
        assert section is not None
        tables = [block for block in section.blocks if isinstance(block, Table)]
        (table,) = (table for table in tables if table.caption == "Library over each target")
        return [[cell.text for cell in row] for row in table.rows]

    few = (builders_qc.target_yield("a", 1000), builders_qc.target_yield("b", 0))
    assert [row[:4] for row in shown(few)] == [["a", "1,000", "500 (50.0\u00a0%)", "94.3\u00a0%"], ["b", "0", "0", "–"]]
    many = tuple(builders_qc.target_yield(f"t{i}", 100).model_copy(update={"saturation": i / 100}) for i in range(90))
    names = [row[0] for row in shown(many[::-1])]
    assert names == [f"t{i}" for i in range(40)]
    without = library_section(_result(library=builders_qc.library(targets=())), "en")
    assert without is not None
    assert "Library over each target" not in without.model_dump_json()
