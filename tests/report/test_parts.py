"""Figures as text, words, notices, charts and read views."""

import re
from xml.etree import ElementTree

import pysam
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ctdna.model.base import Text
from ctdna.model.qc import Figure, worst
from ctdna.model.result import Finding, Interval
from ctdna.report import texts_codes, texts_evidence, texts_knowledge, texts_layout
from ctdna.report.builder import reportable_loci, target_summaries
from ctdna.report.charts import depth_chart, histogram, tier_chart, vaf_mark
from ctdna.report.notices import notices_for
from ctdna.report.numbers import interval, percent, plain, small
from ctdna.report.pileup import MAX_ALT_ROWS, MAX_OTHER_ROWS, view_of
from ctdna.report.printable import in_fonts, is_covered, printable
from ctdna.report.read_view import read_view
from ctdna.report.sections_findings import findings_section
from ctdna.report.sources import LocusRow
from ctdna.report.texts import code
from ctdna.report.view import Table

from . import builders


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0%"),
        (0.00000123, "0.00012%"),
        (0.0005, "0.05%"),
        (0.00853, "0.85%"),
        (0.00996, "1.00%"),
        (0.0312, "3.12%"),
        (0.487, "48.7%"),
        (1.0, "100%"),
    ],
)
def test_percent(value: float | None, text: str) -> None:
    assert percent(value, "zh") == text


def test_interval_names_its_unit_once() -> None:
    assert interval(0.0055, 0.0131, "en") == "0.55–1.31\u00a0%"


@given(st.floats(min_value=1e-6, max_value=1.0))
def test_percent_is_never_off_by_more_than_a_twentieth(value: float) -> None:
    assert float(percent(value, "zh").rstrip("%")) == pytest.approx(100 * value, rel=0.05)


def test_plain_and_small() -> None:
    assert [plain(value) for value in (None, 0, 12.0, 1234567, 1234.56, 0.12345)] == [
        "–",
        "0",
        "12",
        "1,234,567",
        "1,235",
        "0.1235",
    ]
    assert [small(value) for value in (None, 0.0, 0.0456, 3.14e-41)] == ["–", "0", "0.0456", "3.1 × 10⁻⁴¹"]


WORDS = texts_layout.LAYOUT | texts_codes.CODES | texts_knowledge.KNOWLEDGE | texts_evidence.EVIDENCE


def test_both_languages_take_the_same_fields() -> None:
    fields = {key: [set(re.findall(r"{(\w+)}", text)) for text in pair if text] for key, pair in WORDS.items()}
    assert [key for key, sets in fields.items() if any(one != sets[0] for one in sets)] == []


def test_chinese_text_uses_chinese_punctuation() -> None:
    assert [key for key, (_, zh) in WORDS.items() if re.search(r"[\u4e00-\u9fff][,:;()]", zh)] == []


def test_a_code_without_words_is_shown_as_it_stands() -> None:
    assert code("zh", "filter", "brand_new") == "brand_new"


def test_evidence_against_a_statement_is_said_as_such() -> None:
    (item,) = builders.knowledge()
    against = item.model_copy(update={"id": "EID1", "direction": "Does Not Support"})
    result = builders.result(findings=(builders.finding(knowledge=(against, item)),))
    for language, said in (("en", "Osimertinib: not shown to be sensitive"), ("zh", "证据不支持“敏感”")):
        (table,) = findings_section(result, language).blocks  # type: ignore[arg-type]
        assert isinstance(table, Table)
        first, second = table.rows[0][4].text.split("\n")
        assert said not in first
        assert said in second


def test_every_filter_of_the_caller_has_words() -> None:
    from ctdna.model.variants import FILTERS

    assert [name for name in FILTERS if f"filter.{name}" not in texts_codes.CODES] == []


def test_printable_names_what_cannot_be_seen() -> None:
    assert printable("a\u0000b\u202ec\nd") == "a‹U+0000›b‹U+202E›c\nd"
    assert in_fonts("肿瘤 µ α \U0001f600") == "肿瘤 µ α ‹U+1F600›"
    assert is_covered("检")
    assert not is_covered("\u9f98")


def test_worst_verdict() -> None:
    assert worst(()) == "pass"
    assert worst(("not_evaluated",)) == "pass"
    assert worst(("pass", "warn")) == "warn"
    assert worst(("warn", "fail", "pass")) == "fail"


@pytest.mark.req("REQ-QCT-006")
def test_a_failed_figure_must_explain_itself() -> None:
    with pytest.raises(ValidationError, match="needs a reason and a next step"):
        builders.figure("depth", "Depth", "深度", 3.0, "count", status="fail")
    with pytest.raises(ValidationError, match="without a value cannot be pass"):
        builders.figure("depth", "Depth", "深度", None, "count")


def _ids(**changes: object) -> list[str]:
    result = builders.result()
    values: dict[str, object] = {
        "findings": result.findings,
        "hotspots": result.hotspots,
        "qc": result.qc,
        "run_qc": None,
        "classes": result.classes,
        "limits": result.limits,
        "input_ng": 30.0,
        "assembly": "GRCh38",
    }
    return [notice.id for notice in notices_for(**{**values, **changes})]  # type: ignore[arg-type]


@pytest.mark.req("REQ-RPT-010")
def test_notices_follow_from_the_result() -> None:
    assert _ids() == ["germline_alert", "chip", "no_call"]
    assert "low_input" in _ids(input_ng=14.0)
    assert "input_unknown" in _ids(input_ng=None)
    assert "contrived" in _ids(assembly="contrived")
    assert "tissue_reflex" in _ids(findings=())
    low = builders.result().limits.model_copy(update={"low_vaf": 0.05})
    assert "tissue_reflex" in _ids(limits=low)
    off = low.model_copy(update={"low_vaf": None, "low_input_ng": None})
    assert _ids(limits=off, input_ng=1.0) == ["germline_alert", "chip", "no_call"]


def test_a_failed_figure_of_the_sample_is_the_first_notice() -> None:
    said = {"reason": Text(en="Thin.", zh="过浅。"), "next_step": Text(en="Sequence more.", zh="加测。")}
    failed: Figure = builders.figure("depth", "Depth", "深度", 3.0, "count", status="fail", **said)
    assert _ids(qc=builders.sample_qc(figures=(failed,)))[0] == "qc_failed"


def test_loci_are_matched_by_allele_and_the_unknown_is_no_call() -> None:
    from ctdna.model.annotation import Hotspot

    hotspots = (Hotspot("c", 5, "A", "T", "G1", "x"), Hotspot("c", 6, "A", "AT", "G1", "y"))
    row = LocusRow("c", 5, "A", "T", "t", True, 900, 1, 0.002, "NOT_DETECTED", None)
    found, absent = reportable_loci(hotspots, (row,), frozenset())
    assert (found.state, found.lod95, found.reason) == ("NOT_DETECTED", 0.002, None)
    assert (absent.state, absent.variant_class, absent.reason) == ("NO_CALL", "indel", "not_evaluated")
    (withheld, _) = reportable_loci(hotspots, (row,), frozenset({"snv"}))
    assert (withheld.state, withheld.reason) == ("NO_CALL", "qc_failed")


def test_targets_sum_positions_not_rows() -> None:
    def row(pos1: int, alt: str, lod95: float | None, state: str, depth: int) -> LocusRow:
        return LocusRow("c", pos1, "A", alt, "t", False, depth, 0, lod95, state, None)

    rows = [row(pos1, alt, pos1 / 1000, "NOT_DETECTED", 10 * pos1) for pos1 in (1, 2, 5, 6, 7) for alt in "CGT"]
    rows += [row(pos1, alt, None, "NO_CALL" if alt == "T" else "NOT_DETECTED", 0) for pos1 in (3, 4) for alt in "CGT"]
    (target,) = target_summaries(rows)
    assert (target.start0, target.end0, target.n_positions, target.n_callable) == (0, 7, 7, 5)
    assert (target.lod95_median, target.lod95_max) == (0.005, 0.007)
    assert target.uncovered == (Interval(start0=2, end0=4),)
    assert (target.depth_mean, target.depth_min) == (30.0, 0)


def drawn(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_charts_are_sound_svg_and_hold_their_figures() -> None:
    qc = builders.sample_qc()
    assert {"EGFR:18", "2,814", "612"} <= set(drawn(depth_chart(qc.targets, "en")))
    assert "14,210 (54.1%)" in drawn(tier_chart(qc.tiers, "zh"))
    assert "≥24" in drawn(histogram({1: 5, 60: 2}, "t", "u"))
    assert drawn(histogram({}, "t", "u"))
    ElementTree.fromstring(depth_chart((), "en"))
    ElementTree.fromstring(tier_chart({}, "en"))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_the_vaf_mark_stays_inside_its_drawing(low: float, vaf: float, high: float) -> None:
    svg = vaf_mark(low, vaf, high, "x")
    assert all(0 <= float(x) <= 132 for x in re.findall(r'c?x\d?="([-\d.]+)"', svg))


def test_many_targets_are_cut_to_the_thinnest() -> None:
    target = builders.sample_qc().targets[0]
    many = [target.model_copy(update={"target": f"T{i}", "mean": 100.0 + i}) for i in range(90)]
    words = drawn(depth_chart(many, "en"))
    assert "T39" in words
    assert "T40" not in words


def test_texts_in_drawings_are_escaped() -> None:
    assert "<b>" not in vaf_mark(0.1, 0.2, 0.3, "<b>\"'")
    view = builders.reads().views[0].model_copy(update={"key": "<b>&:1573:T:G"})
    assert "<b>&:1,553" in drawn(read_view(view, "en"))


HEADER = pysam.AlignmentHeader.from_dict({"HD": {"VN": "1.6"}, "SQ": [{"SN": "c", "LN": 1000}]})
REFERENCE = "ACGTTGCAAC" * 5


def read(name: str, start0: int, cigar: str, bases: str, **tags: object) -> pysam.AlignedSegment:
    made = pysam.AlignedSegment(HEADER)
    made.query_name, made.flag, made.mapping_quality = name, 0, 60
    made.reference_name, made.reference_start, made.cigarstring = "c", start0, cigar
    made.query_sequence = bases
    for tag, value in tags.items():
        made.set_tag(tag, value)  # type: ignore[arg-type]
    return made


def site(ref: str, alt: str, pos1: int = 25) -> Finding:
    return builders.finding(contig="c", pos1=pos1, ref=ref, alt=alt)


def test_molecules_count_once_and_those_without_an_answer_not_at_all() -> None:
    base = REFERENCE[24]
    alt = "A" if base != "A" else "C"
    with_alt = REFERENCE[20:24] + alt + REFERENCE[25:30]
    plain_read = REFERENCE[20:30]
    reads = [
        read("x", 20, "10M", with_alt, MI="1/A"),
        read("x", 20, "10M", with_alt, MI="1/A"),
        read("y", 20, "10M", plain_read, MI="2"),
        read("z", 20, "10M", with_alt, MI="3"),
        read("z", 20, "10M", plain_read, MI="3"),
        read("w", 26, "4M", REFERENCE[26:30], MI="4"),
        read("n", 20, "10M", REFERENCE[20:24] + "N" + REFERENCE[25:30], MI="5"),
    ]
    view = view_of(site(base, alt), reads, REFERENCE, 0)
    assert (view.n_alt, view.n_other) == (1, 1)
    assert view.rows[0].bases.strip() == "...." + alt + "....."
    assert view.rows[1].bases.strip() == "." * 10


def test_insertions_deletions_and_clips_are_seen() -> None:
    before = REFERENCE[20:25]
    deletion = read("d", 20, "5M2D5M", before + REFERENCE[27:32], MI="1")
    insertion = read("i", 20, "3S5M2I5M", "TTT" + before + "GG" + REFERENCE[25:30], MI="2")
    deleted = view_of(site(REFERENCE[24:27], REFERENCE[24]), [deletion, insertion], REFERENCE, 0)
    assert (deleted.n_alt, deleted.n_other) == (1, 1)
    assert deleted.rows[0].bases.strip() == ".....--....."
    inserted = view_of(site(REFERENCE[24], REFERENCE[24] + "GG"), [deletion, insertion], REFERENCE, 0)
    assert (inserted.n_alt, inserted.n_other) == (1, 1)
    assert inserted.rows[0].insertions == {24: "GG"}
    assert "+GG" in drawn(read_view(inserted, "en"))


def test_tiers_come_from_the_depths_of_the_base_itself() -> None:
    base = REFERENCE[24]
    bases = REFERENCE[20:30]
    reads = [
        read("a", 20, "10M", bases, MI="1", ad=[1] * 10, bd=[0] * 4 + [1] + [0] * 5),
        read("b", 20, "10M", bases, MI="2", ad=[3] * 10, bd=[0] * 10),
        read("c", 20, "10M", bases, MI="3", cd=[2] * 10),
        read("d", 20, "10M", bases, MI="4", cD=1),
    ]
    for made in reads:
        for tag in ("ad", "bd", "cd"):
            if made.has_tag(tag):
                import array

                made.set_tag(tag, array.array("h", made.get_tag(tag)))  # type: ignore[arg-type]
    view = view_of(site(base, "A" if base != "A" else "C"), reads, REFERENCE, 0)
    assert [row.tier for row in view.rows] == ["duplex", "simplex3", "pair2", "single"]


def test_rows_are_capped_and_the_counts_are_said() -> None:
    base = REFERENCE[24]
    alt = "A" if base != "A" else "C"
    texts = [REFERENCE[20:30], REFERENCE[20:24] + alt + REFERENCE[25:30]]
    reads = [read(f"r{i}", 20, "10M", texts[i % 2], MI=str(i)) for i in range(200)]
    view = view_of(site(base, alt), reads, REFERENCE, 0)
    assert (view.n_alt, view.n_other, len(view.rows)) == (100, 100, MAX_ALT_ROWS + MAX_OTHER_ROWS)
    assert f"100 other molecules; {MAX_OTHER_ROWS} shown" in drawn(read_view(view, "en"))
    assert view_of(site(base, alt), reversed(reads), REFERENCE, 0) == view
