"""Use and trace in every rendering: marks on every page, reasons once, lot, build and overrides in the record."""

import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import pytest
from pypdf import PdfReader

from ctdna.model.result import Result
from ctdna.model.trace import BuildFacts, BuildState, Gate, LotFacts, OverrideFacts, TraceFacts, Use
from ctdna.orchestrate import gates
from ctdna.report.printable import in_fonts
from ctdna.report.sections_trace import mark_of, statement_of, use_of
from ctdna.report.texts import LANGUAGES, Language
from ctdna.report.texts_trace import TRACE

from . import builders
from .test_renderings import html_of, outline, pdf_of, squeezed

LOCKED = BuildFacts(digest="ab" * 32, state="locked")
DIFFERS = BuildFacts(digest="cd" * 32, state="differs", difference="programs: bwa: found sha256 480b8cce7ac0...")
LOT = LotFacts(lot="A2603", expires="2026-09-30", digest="ef" * 32)
OVERRIDE = OverrideFacts(gate="lot_expired", override_id="override-7", user="dr.li", why="control run passed")
CLINICAL = TraceFacts(site="site-1", operator="chen", lot=LOT, build=LOCKED, use="clinical")
RESEARCH = CLINICAL.model_copy(
    update={
        "build": DIFFERS,
        "overrides": (OVERRIDE,),
        "use": "research",
        "use_reasons": ("build_differs", "The lot was let pass by dr.li."),
    }
)
INVESTIGATIONAL = CLINICAL.model_copy(update={"use": "investigational", "use_reasons": ("kit_investigational",)})
MARKS = {
    ("research", "en"): "RESEARCH USE ONLY",
    ("research", "zh"): "仅供研究使用",
    ("investigational", "en"): "INVESTIGATIONAL USE ONLY",
    ("investigational", "zh"): "仅供临床试验使用",
}


def pages_of(result: Result, language: Language) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf_of(result, language))).pages]


def _head(text: str) -> str:
    return squeezed(text.splitlines()[0])


def _has_none(texts: Iterable[str], marks: Iterable[str]) -> bool:
    return not [mark for mark in marks for text in texts if squeezed(mark).casefold() in squeezed(text).casefold()]


@pytest.mark.req("REQ-RPT-009", "REQ-RPT-015")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("trace", [RESEARCH, INVESTIGATIONAL, None], ids=["research", "investigational", "no trace"])
def test_the_mark_stands_on_every_page_and_at_both_ends(trace: TraceFacts | None, language: Language) -> None:
    result = builders.result(trace=trace)
    mark = MARKS[trace.use if trace else "research", language]
    pages = pages_of(result, language)
    assert len(pages) > 2
    assert [_head(page) for page in pages] == [squeezed(mark)] * len(pages)
    words = outline(html_of(result, language)).text.split("\n")
    said = [line.strip() for line in words if line.strip() and line.strip() != result.sample.sample_id]
    assert sum(mark == line for line in said) >= 2
    assert mark in said[1]
    assert mark in said[-1]


@pytest.mark.req("REQ-RPT-015")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_clinical_use_bears_no_mark(language: Language) -> None:
    result = builders.result(trace=CLINICAL)
    others = [*MARKS.values(), "research use", "科研"]
    assert _has_none(pages_of(result, language), others)
    assert _has_none([html_of(result, language)], others)
    assert mark_of(result, language) == statement_of(result, language) == ""


@pytest.mark.req("REQ-RPT-015")
def test_without_a_trace_the_use_is_research_and_says_why() -> None:
    assert use_of(builders.result()) == "research"
    text = outline(html_of(builders.result(), "en")).text
    assert text.count("It was not recorded where, by whom and with what build the run was made.") == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_reasons_stand_once_in_words_or_as_given(language: Language) -> None:
    result = builders.result(trace=RESEARCH)
    reason = {"en": "The build is not as locked.", "zh": "软件构建与锁定版本不一致。"}[language]
    for text in (outline(html_of(result, language)).text, "".join(pages_of(result, language))):
        for said in (reason, "The lot was let pass by dr.li."):
            assert squeezed(text).count(squeezed(said)) == 1


@pytest.mark.req("REQ-BLD-007")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_record_names_site_operator_lot_build_and_overrides(language: Language) -> None:
    result = builders.result(trace=RESEARCH)
    state = {"en": "differs from the manufacturer's lock", "zh": "与制造商锁定的版本不一致"}[language]
    gate = {"en": "Lot expired", "zh": "批号已过期"}[language]
    named = ["site-1", "chen", "A2603", "2026-09-30", "ef" * 32, "cd" * 32, state, str(DIFFERS.difference)]
    named += [gate, "override-7", "dr.li", "control run passed"]
    for text in (outline(html_of(result, language)).text, "".join(pages_of(result, language))):
        assert [item for item in named if squeezed(item) not in squeezed(text)] == []


def test_texts_of_the_trace_are_escaped() -> None:
    hostile = OVERRIDE.model_copy(update={"why": "<b>x</b> #strong[y]", "user": "a\u202eb"})
    html = html_of(builders.result(trace=RESEARCH.model_copy(update={"overrides": (hostile,)})), "en")
    assert "&lt;b&gt;x&lt;/b&gt; #strong[y]" in html
    assert "a‹U+202E›b" in html


def test_a_result_of_an_earlier_version_is_read_as_research() -> None:
    document = builders.result().model_dump(mode="json")
    del document["trace"]
    assert use_of(Result.model_validate_json(json.dumps(document))) == "research"


def test_every_gate_state_use_and_reason_has_words_that_the_fonts_hold() -> None:
    source = (Path(gates.__file__)).read_text(encoding="utf-8")
    reasons = {"kit_development", "kit_retired", "build_unlocked", "build_differs", "no_trace"}
    reasons |= set(re.findall(r'"((?:no|build_of|kit_inv)\w+)"', source))
    assert {"no_ledger", "build_of_other_release", "kit_investigational"} <= reasons
    keys = {f"use_reason.{name}" for name in reasons}
    keys |= {f"gate.{name}" for name in get_args(Gate)} | {f"build_state.{name}" for name in get_args(BuildState)}
    keys |= {f"{group}.{name}" for group in ("use", "use_text") for name in get_args(Use)}
    assert keys - set(TRACE) == set()
    assert [text for pair in TRACE.values() for text in pair if in_fonts(text) != text] == []
