"""HTML and PDF of a realistic result, in both languages."""

import io
import re
from html.parser import HTMLParser

import pytest
from pypdf import PdfReader

from ctdna.formats.documents import dump_json
from ctdna.model.base import Text
from ctdna.model.qc import ClassVerdict, IdentityPair, NoTemplateCheck, RunQc, SampleVerdict
from ctdna.model.result import Result
from ctdna.model.sample import Specimen
from ctdna.report.builder import own_part
from ctdna.report.compose import compose
from ctdna.report.html import render_html
from ctdna.report.pdf import render_pdf
from ctdna.report.printable import in_fonts, printable
from ctdna.report.texts import LANGUAGES, Language

from . import builders

VOID = {"meta", "link", "br", "hr", "img", "input", "col"}
HOSTILE = "<script>x</script> #set $x$ \"q\" 'a' \\u{1} *b* _i_ @c `d` //e \u0007\u202e\u9f98\U0001f600"


class Outline(HTMLParser):
    """Checks that every element is closed, and gathers headings, scopes, attributes and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data + " "


def html_of(result: Result, language: Language) -> str:
    return render_html(compose(result, builders.reads(), "0" * 64, language))


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser


def pdf_of(result: Result, language: Language) -> bytes:
    return render_pdf(compose(result, builders.reads(), "0" * 64, language), dump_json(result))


def pdf_text(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]+", "", text)


@pytest.mark.req("REQ-SEC-003")
@pytest.mark.parametrize("language", LANGUAGES)
def test_html_fetches_nothing_and_runs_nothing(language: Language) -> None:
    html = html_of(builders.result(), language)
    page = outline(html)
    assert set(re.findall(r"https?://[^\"'< ]*", html)) == {"http://www.w3.org/2000/svg"}
    assert not {"script", "link", "img", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    assert not [name for _, names in page.tags for name in names if name.startswith("on") or name in ("src", "href")]
    policy = next(names["content"] for tag, names in page.tags if names.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")


@pytest.mark.req("REQ-RPT-014")
@pytest.mark.parametrize("language", LANGUAGES)
def test_html_is_accessible(language: Language) -> None:
    page = outline(html_of(builders.result(), language))
    assert ("html", {"lang": "zh-Hans" if language == "zh" else "en"}) in page.tags
    assert sum(tag == "h1" for tag, _ in page.tags) == 1
    assert all(names.get("scope") == "col" for tag, names in page.tags if tag == "th")
    assert all(names.get("aria-label") or names.get("aria-hidden") for tag, names in page.tags if tag == "svg")
    ids = [names["id"] for _, names in page.tags if "id" in names]
    assert len(ids) == len(set(ids))


@pytest.mark.req("REQ-RPT-001")
def test_every_state_is_said_in_plain_words_in_both_languages() -> None:
    english = outline(html_of(builders.result(), "en")).text
    chinese = outline(html_of(builders.result(), "zh")).text
    for said in ("3 variants detected", "above 0.31\u00a0%", "No call", "too few molecules", "hotspot of the kit"):
        assert said in english
    for said in ("检出 3 个变异", "高于 0.31%", "无法判定", "分子数不足", "未检出"):
        assert said in chinese
    for said in ("possibly germline (inherited)", "clonal haematopoiesis", "Low input: 14 ng"):
        assert said in english
    assert "negative" not in english.casefold()
    assert "阴性" not in chinese


@pytest.mark.req("REQ-RPT-004")
def test_both_languages_carry_the_same_figures() -> None:
    english, chinese = (outline(html_of(builders.result(), language)).text for language in LANGUAGES)
    for figure in ("0.85", "0.55–1.31", "24 / 2,814", "1,291 / 2,650", "3.1 × 10⁻⁴¹", builders.DIGEST):
        assert figure in english
        assert figure in chinese


@pytest.mark.req("REQ-RPT-005")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_result_gives_the_same_bytes(language: Language) -> None:
    assert html_of(builders.result(), language) == html_of(builders.result(), language)
    assert pdf_of(builders.result(), language) == pdf_of(builders.result(), language)


@pytest.mark.req("REQ-RPT-009")
def test_pdf_holds_the_findings_the_warning_on_every_page_and_the_result_itself() -> None:
    result = builders.result()
    reader = PdfReader(io.BytesIO(pdf_of(result, "en")))
    texts = [squeezed(page.extract_text()) for page in reader.pages]
    assert "EGFRp.(Leu858Arg)" in texts[0]
    assert "EGFRp.(Glu746_Ala750del)" in texts[0]
    assert all("Forresearchuseonly.Notforuseindiagnosticprocedures." in text for text in texts)
    assert all("Draft:notreviewed,notsigned" in text for text in texts)
    assert reader.attachments["result.json"] == [dump_json(result).encode()]


def test_chinese_pdf_holds_chinese_text_in_embedded_fonts() -> None:
    content = pdf_of(builders.result(), "zh")
    reader = PdfReader(io.BytesIO(content))
    text = squeezed(pdf_text(content))
    assert "检出3个变异" in text
    assert "克隆性造血" in text
    fonts = set()
    for page in reader.pages:
        for font in page["/Resources"]["/Font"].values():  # type: ignore[index]
            child = font.get_object()["/DescendantFonts"][0].get_object()
            descriptor = child["/FontDescriptor"].get_object()
            assert "/FontFile2" in descriptor or "/FontFile3" in descriptor
            fonts.add(str(child["/BaseFont"]).split("+")[-1])
    assert any("CJK" in name for name in fonts)
    assert all(name.startswith("NotoSans") for name in fonts)
    assert b"pdfaid:part" in content


@pytest.mark.req("REQ-SEC-003")
def test_texts_from_outside_are_data_in_both_layouts() -> None:
    base = builders.result()
    sample = base.sample.model_copy(update={"specimen": Specimen(diagnosis=HOSTILE, treatment=HOSTILE)})
    result = base.model_copy(update={"sample": sample})
    page = outline(html_of(result, "en"))
    assert printable(HOSTILE) in page.text
    assert not [tag for tag, _ in page.tags if tag == "script"]
    found = squeezed(pdf_text(pdf_of(result, "en")))
    assert squeezed("<script>x</script> #set $x$ \"q\" 'a' \\u{1} *b* _i_ @c `d` //e ‹U+0007›‹U+202E›") in found
    assert "‹U+9F98›‹U+1F600›" in found


def test_every_text_of_the_report_itself_is_in_its_fonts() -> None:
    for language in LANGUAGES:
        text = compose(builders.result(), builders.reads(), "0" * 64, language).model_dump_json()
        assert in_fonts(text) == text


@pytest.mark.req("REQ-RPT-003")
def test_no_result_is_reported_where_every_class_failed() -> None:
    reason = Text(en="Too little DNA.", zh="DNA 过少。")
    base = builders.result()
    classes = tuple(
        ClassVerdict(variant_class=item.variant_class, verdict="fail", reasons=(reason,)) for item in base.classes
    )
    failed = base.model_copy(update={"classes": classes, "verdict": "fail", "findings": ()})
    assert "No result can be reported: quality control failed" in html_of(failed, "en")
    assert "No variant detected above" not in html_of(failed, "en")
    assert "质控未通过，无法报告结果" in html_of(failed, "zh")


@pytest.mark.req("REQ-RPT-003")
def test_a_withheld_finding_shows_its_counts_but_neither_tier_nor_therapy() -> None:
    held = builders.finding(state="withheld")
    view = compose(builders.result(findings=(held,)), builders.reads(), "0" * 64, "en")
    text = next(section.model_dump_json() for section in view.sections if section.id == "findings")
    assert "24 / 2,814" in text
    assert "Withheld: quality control failed" in text
    assert "Osimertinib" not in "".join(section.model_dump_json() for section in view.sections)


@pytest.mark.req("REQ-RPT-011")
def test_controls_are_judged_by_what_they_must_show() -> None:
    positive = outline(html_of(builders.positive_control(), "en")).text
    assert "Positive control: 2 of 3 expected variants found within their range" in positive
    assert "Below its range." in positive
    blank = outline(html_of(builders.no_template(), "en")).text
    assert "No-template control: 3 molecules on target, at most 20 allowed" in blank
    assert "Consider testing tissue" not in blank
    assert "Reportable variants" not in blank


def test_a_common_inherited_variant_is_no_finding_but_is_told() -> None:
    result = builders.result()
    (incidental,) = (item for item in result.findings if item.is_incidental)
    assert not incidental.is_shown
    assert not incidental.model_copy(update={"state": "withheld"}).is_shown
    view = compose(result, builders.reads(), "0" * 64, "en")
    sections = {section.id: section.model_dump_json() for section in view.sections}
    assert "p.(Gln787=)" in sections["seen"]
    assert "Common in the population" in sections["seen"]
    assert "p.(Gln787=)" not in sections["findings"] + sections["evidence"]
    assert not [notice for notice in view.notices if "Gln787" in notice.text]


@pytest.mark.req("REQ-RPT-002")
def test_nothing_detected_is_said_with_its_limits_and_the_advice_to_test_tissue() -> None:
    loci = tuple(item for item in builders.loci() if item.state != "DETECTED")
    text = outline(html_of(builders.result(findings=(), hotspots=loci), "en")).text
    assert "No variant detected above the detection limits stated here" in text
    assert "VAF 0.13\u00a0% to 0.31\u00a0%" in text
    assert "consider testing tissue" in text


@pytest.mark.req("REQ-RPT-011")
def test_the_runs_controls_and_the_samples_identity_are_said() -> None:
    swap = IdentityPair(
        sample_a="P03-plasma",
        sample_b="P09",
        n_snps=30,
        concordance=1.0,
        expected="different",
        found="same",
        status="fail",
    )
    others = swap.model_copy(update={"sample_a": "P07", "sample_b": "P08"})
    own = SampleVerdict(sample_id="P03-plasma", role="patient", verdict="fail", classes=())
    run_qc = RunQc(
        schema_version=1,
        run_id="R",
        kit="ctdna-demo@1.0.0",
        kit_digest=builders.DIGEST,
        verdict="fail",
        figures=(),
        samples=(own, own.model_copy(update={"sample_id": "P07"})),
        controls=builders.positive_control().qc.controls,
        no_template=(NoTemplateCheck(sample_id="NTC-1", molecules_on_target=3, max_molecules=20, status="pass"),),
        identity=(swap, others),
    )
    mine = own_part(run_qc, "P03-plasma")
    text = outline(html_of(builders.result(run_qc=mine), "en")).text
    assert "P03-plasma – P09" in text
    assert "P07" not in text
    assert "Positive control: 2 of 3 expected variants found within their range." in text
    assert "No-template control NTC-1: 3 molecules on target, at most 20 allowed." in text
    quiet = outline(html_of(builders.result(), "en")).text
    assert "Compared by common SNPs with the other samples of the run (1): other persons" in quiet
