"""What becomes of evidence, as text and as a document for people."""

from collections import Counter
from collections.abc import Iterator

from ctdna.model.change import CarriedItem, CarryReport, MissingItem
from ctdna.validation import words
from ctdna.validation.impact_text import rules_line, version_line
from ctdna.validation.page import Page, Section, Table, Tone


def _of_item(one: CarriedItem) -> str:
    where = ", ".join(part for part in (one.site, one.lot and f"lot {one.lot}", one.instrument) if part)
    return f"{one.study}, {one.claim} [{', '.join(one.classes)}], {one.made_in}, {where}"


def _item_lines(one: CarriedItem) -> Iterator[str]:
    yield f"  {one.evidence_id}  {words.REUSE[one.reuse]} ({', '.join(one.rules)})"
    yield f"      {_of_item(one)}"
    yield f"      {one.reason}"
    if one.todo:
        yield f"      To do: {one.todo}"


def _missing_line(one: MissingItem) -> str:
    named = f"{words.CLAIMS[one.claim]}{f' [{one.variant_class}]' if one.variant_class else ''}"
    return f"  {one.requirement}  {named}: {one.study}; found {one.found}; needed {one.needed}"


def carry_text(report: CarryReport) -> str:
    """Return the report as text."""
    lines = [
        version_line("from", report.before),
        version_line("to", report.after),
        *([f"builds  {report.builds[0]}", f"        {report.builds[1]}"] if report.builds else []),
        f"stage   {report.stage}",
        rules_line("rules", report.rules),
        rules_line("stages", report.stages),
        "",
        f"Evidence ({len(report.items)})",
    ]
    for item in report.items:
        lines += _item_lines(item)
    lines += ["", f"Needed for what was added or changed ({len(report.added)})"]
    for need in report.added:
        asked = f"{', '.join(need.studies)}{f' {words.MATERIALS[need.material]}' if need.material else ''}"
        lines.append(f"  {need.record}: {asked} ({need.rule})")
    lines += ["", f"Missing for stage {report.stage} ({len(report.missing)})"]
    lines += [_missing_line(one) for one in report.missing]
    return "\n".join(lines) + "\n"


def _evidence(report: CarryReport) -> Section:
    rows = tuple(
        (
            one.evidence_id,
            _of_item(one),
            words.REUSE[one.reuse],
            ", ".join(one.rules),
            f"{one.reason} {one.todo}".strip(),
        )
        for one in report.items
    )
    columns = ("evidence", "of", "reuse", "rules", "why, and what is to be done")
    table = Table(title="", columns=columns, shares=(3, 5, 3, 3, 6), rows=rows)
    return Section(title="Evidence", lines=() if rows else ("None.",), tables=(table,) if rows else ())


def _needs(report: CarryReport) -> Section:
    rows = tuple(
        (
            one.record,
            words.claims(one.claims),
            ", ".join(one.studies),
            words.MATERIALS[one.material] if one.material else "if a replay does not show equivalence",
            one.rule,
        )
        for one in report.added
    )
    columns = ("what was added or changed", "claims", "studies", "how", "rule")
    table = Table(title="", columns=columns, shares=(5, 5, 3, 3, 3), rows=rows)
    title = "Needed for single records"
    return Section(title=title, lines=() if rows else ("None.",), tables=(table,) if rows else ())


def _lacks(report: CarryReport) -> Section:
    rows = tuple(
        (
            one.requirement,
            words.CLAIMS[one.claim],
            one.variant_class or "-",
            one.study,
            one.found,
            one.needed,
            one.reason,
        )
        for one in report.missing
    )
    columns = ("requirement", "claim", "class", "study", "found", "needed", "why")
    table = Table(title="", columns=columns, shares=(3, 3, 2, 3, 3, 3, 6), rows=rows)
    title = f"Missing for stage {report.stage}"
    return Section(title=title, lines=() if rows else ("Nothing.",), tables=(table,) if rows else ())


def carry_page(report: CarryReport) -> Page:
    """Return the report as a document."""
    n = Counter(one.reuse for one in report.items)
    tone: Tone = "good" if not report.missing and not report.added else "warn"
    told = f"{n['reusable']} reusable, {n['after_replay']} after a replay, {n['not_reusable']} not reusable"
    lacking = f"{len(report.missing)} requirements of stage {report.stage} are not met" if report.missing else ""
    return Page(
        title=f"Evidence: {report.before.address} to {report.after.address}",
        facts=(
            ("from", f"{report.before.address}, digest {report.before.digest}"),
            ("to", f"{report.after.address}, digest {report.after.digest}"),
            ("builds", " to ".join(report.builds) if report.builds else "not looked at"),
            ("stage", report.stage),
            ("tables", f"rules {report.rules.version}, stages {report.stages.version}"),
            ("replays that showed equivalence", ", ".join(report.equivalence) or "none"),
        ),
        tone=tone,
        headline=lacking or f"The stage {report.stage} lacks nothing that its table asks for",
        lines=(f"{len(report.items)} pieces of evidence: {told}.",),
        sections=(_evidence(report), _needs(report), _lacks(report)),
        footer=f"Rules {report.rules.version} ({report.rules.digest[:16]}), stages {report.stages.version} "
        f"({report.stages.digest[:16]}). They say what counts; a person decides.",
    )
