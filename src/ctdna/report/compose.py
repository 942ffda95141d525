"""A result as the report of one language."""

from ctdna.model.approval import SignOff
from ctdna.model.result import TIERS, Finding, Reads, Result, RunFacts
from ctdna.model.sample import Specimen
from ctdna.report.approval import approval_section, state_of, version_notices
from ctdna.report.notices import name_of
from ctdna.report.numbers import interval, percent, plain
from ctdna.report.sections_evidence import library_section, losses_section
from ctdna.report.sections_findings import evidence_section, findings_section, seen_section
from ctdna.report.sections_loci import loci_section, targets_section
from ctdna.report.sections_qc import charts_section, controls_section, qc_section
from ctdna.report.sections_record import method_section, record_section
from ctdna.report.sections_trace import mark_of, statement_of
from ctdna.report.svg import TIER_COLOURS
from ctdna.report.texts import Language, code, pick, words
from ctdna.report.view import Banner, Cell, NoticeLine, Section, Tone, View

MAX_NAMED = 6
"""Findings named in the banner."""
_TONES: dict[str, Tone] = {"pass": "good", "warn": "warn", "fail": "bad"}


def _facts(result: Result, language: Language) -> tuple[tuple[str, str], ...]:
    specimen: Specimen = result.sample.specimen
    run: RunFacts = result.run
    blank = words(language, "unknown")

    def shown(value: str | None) -> str:
        return value or blank

    def amount(value: float | None, unit: str) -> str:
        return blank if value is None else f"{plain(value)} {unit}"

    sex = words(language, f"sex.{specimen.sex}") if specimen.sex else blank
    chosen = {
        "sample": result.sample.sample_id,
        "role": code(language, "role", result.sample.role),
        "subject": shown(specimen.subject_id),
        "sex": sex,
        "diagnosis": shown(specimen.diagnosis),
        "stage": shown(specimen.stage),
        "treatment": shown(specimen.treatment),
        "tube": shown(specimen.tube),
        "drawn": shown(specimen.drawn_at).replace("T", " "),
        "separated": shown(specimen.plasma_separated_at).replace("T", " "),
        "plasma": amount(specimen.plasma_ml, "mL"),
        "concentration": amount(specimen.cfdna_ng_per_ml, "ng/mL"),
        "input": amount(specimen.input_ng, "ng"),
        "run": run.run_id,
        "kit": result.kit.address,
        "lot": shown(specimen.kit_lot),
        "operator": shown(specimen.operator),
    }
    return tuple((words(language, f"fact.{name}"), value) for name, value in chosen.items())


def _qc_line(result: Result, language: Language) -> list[str]:
    failed = [item.variant_class for item in result.classes if item.verdict == "fail"]
    if failed and len(failed) < len(result.classes):
        joint = ", " if language == "en" else "、"
        names = joint.join(code(language, "class", name) for name in failed)
        return [words(language, "verdict.partial", classes=names)]
    return [words(language, f"verdict.qc_{result.verdict}")]


def _loci_lines(result: Result, language: Language) -> list[str]:
    counts = {state: sum(locus.state == state for locus in result.hotspots) for state in ("DETECTED", "NOT_DETECTED")}
    total = len(result.hotspots)
    if not total:
        return []
    detected, missed = counts["DETECTED"], counts["NOT_DETECTED"]
    rest = total - detected - missed
    values = {"total": total, "detected": detected, "not_detected": missed, "no_call": rest}
    lines = [words(language, "verdict.loci", **values)]
    limits = [item.lod95 for item in result.hotspots if item.state == "NOT_DETECTED" and item.lod95 is not None]
    if limits:
        low, high = percent(min(limits), language), percent(max(limits), language)
        key = "verdict.range" if low != high else "verdict.one_limit"
        lines.append(words(language, key, low=low, high=high))
    return lines


def _headline(result: Result, language: Language) -> tuple[str, Tone]:
    qc = result.qc
    if result.sample.role == "no_template_control" and qc.no_template:
        check = qc.no_template
        found, allowed = plain(check.molecules_on_target), plain(check.max_molecules)
        return words(language, "verdict.ntc", found=found, allowed=allowed), _tone(check.status)
    if result.sample.role == "positive_control" and qc.controls:
        found_within = sum(item.status == "pass" for item in qc.controls)
        line = words(language, "verdict.control", found=found_within, total=len(qc.controls))
        return line, "good" if found_within == len(qc.controls) else "bad"
    if all(item.verdict == "fail" for item in result.classes):
        return words(language, "verdict.no_result"), "bad"
    n = sum(item.state == "reported" for item in result.findings)
    if n == 0:
        return words(language, "verdict.found_none"), "mute"
    return words(language, "verdict.found_one" if n == 1 else "verdict.found_many", n=n), "strong"


def _tone(status: str) -> Tone:
    return _TONES.get(status, "mute")


def _banner(result: Result, language: Language) -> Banner:
    headline, tone = _headline(result, language)
    reported = [item for item in result.findings if item.state == "reported"]
    lines = []
    if tone == "strong":
        lines += [_brief(item, language) for item in reported[:MAX_NAMED]]
        if len(reported) > MAX_NAMED:
            lines.append(words(language, "verdict.more", n=len(reported) - MAX_NAMED))
    n_named = len(lines)
    lines += _qc_line(result, language)
    if result.sample.role in ("patient", "normal"):
        lines += _loci_lines(result, language)
    verdict = code(language, "status", result.verdict)
    badge = Cell(text=f"QC: {verdict}", tone=_tone(result.verdict), chip=True)
    return Banner(tone=tone, headline=headline, lines=tuple(lines), n_named=n_named, badge=badge)


def _brief(finding: Finding, language: Language) -> str:
    vaf = percent(finding.vaf, language)
    return f"{name_of(finding)}   {vaf} ({interval(finding.vaf_low, finding.vaf_high, language)})"


def _sections(result: Result, reads: Reads | None, sign_off: SignOff | None, language: Language) -> tuple[Section, ...]:
    made = (
        approval_section(sign_off, language),
        findings_section(result, language),
        controls_section(result, language),
        loci_section(result, language),
        targets_section(result, language),
        qc_section(result, language),
        charts_section(result, language),
        losses_section(result, language),
        library_section(result, language),
        evidence_section(result, reads, language),
        seen_section(result, language),
        method_section(result, language),
        record_section(result, language),
    )
    return tuple(section for section in made if section is not None)


def compose(
    result: Result, reads: Reads | None, digest: str, language: Language, sign_off: SignOff | None = None
) -> View:
    """Return the report in one language; `digest` is the SHA-256 of `result.json`; without `sign_off` it is a draft."""
    sample, kit = result.sample.sample_id, result.kit.address
    noticed = tuple(NoticeLine(level=item.level, text=pick(language, item.text)) for item in result.notices)
    return View(
        language=language,
        title=pick(language, result.kit.report_title),
        kit_title=pick(language, result.kit.title),
        chips=(state_of(sign_off, language),),
        is_draft=sign_off is None or not sign_off.is_approved,
        mark=mark_of(result, language),
        use_statement=statement_of(result, language),
        facts=_facts(result, language),
        banner=_banner(result, language),
        notices_title=words(language, "section.notices"),
        notices=version_notices(sign_off, language) + noticed,
        sections=_sections(result, reads, sign_off, language),
        footer=f"{sample} · {kit} · result {digest[:16]}",
        page_words=(words(language, "page"), words(language, "of"), words(language, "page_end")),
        tier_legend=tuple((TIER_COLOURS[tier], words(language, f"tier.{tier}")) for tier in TIERS),
    )
