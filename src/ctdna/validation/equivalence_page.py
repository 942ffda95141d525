"""The equivalence report as a document for people."""

from ctdna.model.equivalence import (
    Agreement,
    ComparedRun,
    Equivalence,
    EquivalenceVerdict,
    Estimate,
    LocusDifference,
    Outcome,
    Rate,
    Side,
)
from ctdna.validation import words
from ctdna.validation.page import Page, Section, Table, Tone

PDF_ROWS = 1000
"""Differences shown in a PDF; the attached document holds all."""
_HEADLINES: dict[EquivalenceVerdict, tuple[str, Tone]] = {
    "equivalent": ("Equivalent", "good"),
    "not_equivalent": ("Not equivalent", "bad"),
    "not_shown": ("Equivalence not shown", "warn"),
}
_CHECKS = {
    "runs": "completeness",
    "ppa": "positive agreement",
    "npa": "negative agreement",
    "no_calls": "no calls",
    "vaf_bias": "bias of VAF",
    "verdicts": "verdicts of quality control",
}
_OUTCOMES: dict[Outcome, str] = {"pass": "kept", "fail": "missed", "not_shown": "too little to show it"}
_STARTS = {"input": "from the archived input", "fastq": "from kept FASTQ files: figures of the run are not compared"}
_INPUTS = {
    "bundle": "every input is the archived one (digests of the bundle)",
    "provenance": "the files that name the run are the archived ones (digests of the provenance)",
    "unverified": "not verified: the archived run holds no digest of its input",
}


def _rate(one: Rate) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "-"
    return f"{one.n_agree}/{one.n} = {100 * one.value:.2f} % ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _estimate(one: Estimate | None) -> str:
    if one is None:
        return "-"
    interval = "" if one.low is None or one.high is None else f" ({one.low:.4g} to {one.high:.4g})"
    return f"{one.value:.4g}{interval}"


def _agreement(one: Agreement) -> tuple[str, ...]:
    unit = "alleles" if one.unit == "locus" else "samples"
    named = f"{unit}, {one.variant_class or 'all'}"
    apart = f"{one.n_no_call_both} / {one.n_no_call_baseline} / {one.n_no_call_candidate}"
    return named, _rate(one.ppa), _rate(one.npa), _rate(one.opa), apart


def _side(side: Side | None) -> str:
    if side is None:
        return "-"
    build = f", build {side.build[:16]}" if side.build else ""
    return f"{side.kit} ({side.kit_digest[:16]}), ctdna {side.software}{build}, {side.reference}, align {side.align}"


def _run(run: ComparedRun) -> tuple[str, ...]:
    told = run.failure or f"{_STARTS[run.start]}; {_INPUTS[run.inputs]}"
    return run.run_id, _side(run.baseline), _side(run.candidate), str(len(run.samples)), told


def _difference(one: LocusDifference) -> tuple[str, ...]:
    sides = ("absent" if value is None else words.short(value, 200) for value in (one.baseline, one.candidate))
    return one.run_id, one.sample or "run", one.kind, one.item, one.field, *sides


def _is_call(one: LocusDifference) -> bool:
    return one.kind in ("locus", "finding", "sample", "verdict") and one.field in (
        "state",
        "record",
        "result",
        "verdict",
    )


def _listed(title: str, found: list[LocusDifference], most: int | None) -> Section:
    shown = found if most is None else found[:most]
    note = f"{len(found) - len(shown)} further ones stand in the attached document." if shown != found else ""
    columns = ("run", "sample", "of", "item", "field", "archived", "replay")
    rows = tuple(_difference(one) for one in shown)
    table = Table(title="", columns=columns, shares=(4, 3, 2, 5, 3, 4, 4), rows=rows, note=note)
    lines = () if found else ("None.",)
    return Section(title=f"{title} ({len(found)})", lines=lines, tables=(table,) if found else ())


def _limits(report: Equivalence) -> Section:
    rows = tuple(
        (_CHECKS[one.name], one.found, one.allowed, _OUTCOMES[one.outcome], one.reason) for one in report.checks
    )
    columns = ("limit", "found", "allowed", "", "meaning")
    note = f"Limits given by option: {', '.join(report.own_limits)}." if report.own_limits else ""
    table = Table(title="", columns=columns, shares=(3, 5, 4, 2, 5), rows=rows, note=note)
    return Section(title="Limits of acceptance", tables=(table,))


def _agreements(report: Equivalence) -> Section:
    columns = ("of", "positive (PPA)", "negative (NPA)", "overall (OPA)", "no calls: both / archived / replay")
    level = f"{100 * report.limits.confidence:g} %"
    note = f"The archived runs are the comparator; Wilson intervals of {level}. No calls are counted apart (CLSI EP12)."
    rows = tuple(_agreement(one) for one in report.agreement)
    table = Table(title="", columns=columns, shares=(3, 5, 5, 5, 4), rows=rows, note=note)
    vaf = report.vaf
    low, high = ("-" if value is None else f"{value:.4g}" for value in (vaf.agreement_low, vaf.agreement_high))
    vafs = (
        ("pairs", str(vaf.n)),
        ("mean relative difference", _estimate(vaf.relative_bias)),
        ("mean difference (Bland and Altman)", _estimate(vaf.absolute_bias)),
        ("limits of agreement", f"{low} to {high}"),
        ("slope (Deming)", _estimate(vaf.slope)),
        ("intercept (Deming)", _estimate(vaf.intercept)),
    )
    figures = Table(title="VAF of alleles detected in both", columns=("figure", "value"), shares=(2, 3), rows=vafs)
    return Section(title="Agreement", tables=(table, figures))


def equivalence_page(report: Equivalence, digest: str, most: int | None = None) -> Page:
    """Return the equivalence report as a document; `digest` is that of equivalence.json, `most` the rows shown."""
    headline, tone = _HEADLINES[report.verdict]
    kits = {side.kit for run in report.runs for side in (run.baseline, run.candidate) if side is not None}
    columns = ("run", "archived", "replay", "samples", "input")
    runs = Table(title="", columns=columns, shares=(4, 6, 6, 2, 5), rows=tuple(_run(run) for run in report.runs))
    return Page(
        title="Equivalence report: archived runs and their replay",
        facts=(
            ("kits", ", ".join(sorted(kits))),
            ("compared", f"{len(report.runs)} runs, {report.n_samples} samples, {report.n_loci} alleles"),
            ("table of rules", f"{report.rules.version}, digest {report.rules.digest}"),
            ("document", f"equivalence.json, SHA-256 {digest}"),
        ),
        tone=tone,
        headline=headline,
        lines=(report.reason,),
        sections=(
            _limits(report),
            _agreements(report),
            Section(title="Runs", tables=(runs,)),
            _listed("Calls and verdicts that differ", [one for one in report.differences if _is_call(one)], most),
            _listed("Further differences", [one for one in report.differences if not _is_call(one)], most),
        ),
        footer="For research use: a replay is no run of a laboratory, and a person decides what it shows.",
    )
