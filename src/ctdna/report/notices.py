"""The statements that a result calls for, each by a rule of its own."""

from ctdna.model.base import Text
from ctdna.model.qc import ClassVerdict, RunQc, SampleQc
from ctdna.model.result import Finding, Limits, Notice, ReportableLocus
from ctdna.report.numbers import percent, plain
from ctdna.report.texts import LANGUAGES, pick, text, words


def name_of(finding: Finding) -> str:
    """Return the shortest full name: gene and protein change, else coding, genomic or plain coordinates."""
    change = finding.hgvs_p or finding.hgvs_c or finding.hgvs_g
    if change is None:
        return f"{finding.contig}:{finding.pos1} {finding.ref}>{finding.alt}"
    change = change.split(":")[-1]
    return f"{finding.gene} {change}" if finding.gene else change


def _named(findings: list[Finding]) -> str:
    return ", ".join(name_of(finding) for finding in findings)


def _percents(key: str, **values: float) -> Text:
    return Text(
        en=words("en", key, **{name: percent(value, "en") for name, value in values.items()}),
        zh=words("zh", key, **{name: percent(value, "zh") for name, value in values.items()}),
    )


def _qc_notices(qc: SampleQc, run_qc: RunQc | None, classes: tuple[ClassVerdict, ...]) -> list[Notice]:
    figures = (*qc.figures, *(run_qc.figures if run_qc else ()))
    failed = [figure for figure in figures if figure.status == "fail"]
    named = [reason for item in classes if item.verdict == "fail" for reason in item.reasons]
    reasons = _once([*named, *(figure.reason for figure in failed if figure.reason)])
    steps = _once([figure.next_step for figure in failed if figure.next_step])
    if not reasons:
        return []
    said = {}
    for language in LANGUAGES:
        joint = " " if language == "en" else ""
        parts = [words(language, "notice.qc", reasons=joint.join(pick(language, item) for item in reasons))]
        if steps:
            parts.append(words(language, "notice.qc_step", steps=joint.join(pick(language, item) for item in steps)))
        said[language] = joint.join(parts)
    return [Notice(id="qc_failed", level="alert", text=Text(en=said["en"], zh=said["zh"]))]


def _once(texts: list[Text]) -> list[Text]:
    return list({(item.en, item.zh): item for item in texts}.values())


def _origin_notices(findings: tuple[Finding, ...]) -> list[Notice]:
    shown = [item for item in findings if item.is_shown]
    alert = [item for item in shown if item.germline_alert]
    germline = [item for item in shown if item.state == "possible_germline" and not item.germline_alert]
    reported = [item for item in shown if item.state == "reported"]
    chip = [item for item in reported if item.chip and item.origin != "tumour" and item.white_cells is None]
    left_open = [item for item in reported if item.white_cells is not None and item.origin == "unresolved"]
    notices = []
    if alert:
        notices.append(Notice(id="germline_alert", level="alert", text=text("notice.germline", variants=_named(alert))))
    if germline:
        words_of = text("notice.germline_vaf", variants=_named(germline))
        notices.append(Notice(id="possible_germline", level="caution", text=words_of))
    if chip:
        notices.append(Notice(id="chip", level="caution", text=text("notice.chip", variants=_named(chip))))
    if left_open:
        words_of = text("notice.origin_open", variants=_named(left_open))
        notices.append(Notice(id="origin_open", level="caution", text=words_of))
    return notices


def _tissue_notices(findings: tuple[Finding, ...], limits: Limits, is_reportable: bool) -> list[Notice]:
    tumour = [item.vaf for item in findings if item.state == "reported"]
    if not tumour:
        if not is_reportable:
            return []
        return [Notice(id="tissue_reflex", level="caution", text=text("notice.tissue_none"))]
    if limits.low_vaf is None or max(tumour) >= limits.low_vaf:
        return []
    words_of = _percents("notice.tissue_low", vaf=max(tumour), limit=limits.low_vaf)
    return [Notice(id="tissue_reflex", level="caution", text=words_of)]


def _input_notices(input_ng: float | None, limits: Limits) -> list[Notice]:
    if input_ng is None:
        return [Notice(id="input_unknown", level="note", text=text("notice.input_unknown"))]
    if limits.low_input_ng is None or input_ng >= limits.low_input_ng:
        return []
    words_of = text("notice.low_input", input=plain(input_ng), limit=plain(limits.low_input_ng))
    return [Notice(id="low_input", level="caution", text=words_of)]


def notices_for(
    findings: tuple[Finding, ...],
    hotspots: tuple[ReportableLocus, ...],
    qc: SampleQc,
    run_qc: RunQc | None,
    classes: tuple[ClassVerdict, ...],
    limits: Limits,
    input_ng: float | None,
    assembly: str,
) -> tuple[Notice, ...]:
    """Return every statement that holds for this result, alerts first.

    Advice about the patient (origin, tissue, input) is for patients' samples only.
    """
    notices = _qc_notices(qc, run_qc, classes)
    if qc.role == "patient":
        is_reportable = any(item.verdict != "fail" for item in classes)
        notices += _origin_notices(findings)
        notices += _tissue_notices(findings, limits, is_reportable)
        notices += _input_notices(input_ng, limits)
    missed = sum(locus.state == "NO_CALL" for locus in hotspots)
    if missed and qc.role == "patient":
        words_of = text("notice.no_call", n=missed, total=len(hotspots))
        notices.append(Notice(id="no_call", level="caution", text=words_of))
    if assembly == "contrived":
        notices.append(Notice(id="contrived", level="note", text=text("notice.contrived")))
    rank = {"alert": 0, "caution": 1, "note": 2}
    return tuple(sorted(notices, key=lambda notice: rank[notice.level]))
