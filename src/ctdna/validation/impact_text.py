"""The impact report as plain text."""

from collections.abc import Iterator

from ctdna.model.change import ClaimSummary, ImpactedChange, ImpactReport, Tables, Version
from ctdna.validation import words

_WIDTH = 118


def _wrapped(text: str, indent: str) -> Iterator[str]:
    line = indent
    for word in text.split():
        if len(line) + len(word) > _WIDTH and line.strip():
            yield line.rstrip()
            line = indent
        line += f"{word} "
    if line.strip():
        yield line.rstrip()


def version_line(name: str, version: Version) -> str:
    """Return one of the two that are compared, as a line."""
    return f"{name:<8}{version.address}  {version.digest}"


def rules_line(name: str, tables: Tables) -> str:
    """Return which table decided, as a line."""
    return f"{name:<8}{tables.version}, valid from {tables.valid_from}  {tables.digest}"


def by_rule(changes: tuple[ImpactedChange, ...]) -> dict[str, list[ImpactedChange]]:
    """Return the changes by the rule that holds for them, in the order of the first of each."""
    groups: dict[str, list[ImpactedChange]] = {}
    for change in changes:
        groups.setdefault(change.rule, []).append(change)
    return groups


def _group(rule: str, changes: list[ImpactedChange]) -> Iterator[str]:
    first = changes[0]
    yield f"{rule}"
    for one in changes:
        yield f"  {words.place(one.change)}: {words.move(one.change)}"
        yield from _wrapped(one.change.note, "      ")
    yield from _wrapped(f"Why: {first.reason}", "    ")
    yield f"    Stages: {', '.join(first.stages) or 'none'}. Classes: {', '.join(first.classes) or 'none'}."
    for effect in first.effects:
        where = " (of this record alone)" if effect.scope == "record" else ""
        told = f"{words.asked(effect.action, effect.material)}: {words.claims(effect.claims)}{where}."
        yield from _wrapped(told[0].upper() + told[1:], "    ")
    if not first.effects:
        yield "    Nothing is to be done: all evidence stands."
    yield ""


def _claim(one: ClaimSummary) -> str:
    scope = " (changed records alone)" if one.scope == "record" else ""
    studies = f"; {'else ' if one.action == 'bridging_replay' else ''}{', '.join(one.studies)}" if one.studies else ""
    classes = f" [{', '.join(one.classes)}]" if one.classes else ""
    asked = words.asked(one.action, one.material)
    return f"{words.CLAIMS[one.claim]}{classes}{scope}: {asked}{studies} ({', '.join(one.rules)})"


def impact_text(report: ImpactReport) -> str:
    """Return the impact report as text: what changed by rule, then what follows claim by claim."""
    lines = [
        version_line("before", report.before),
        version_line("after", report.after),
        rules_line("rules", report.rules),
        "",
    ]
    if not report.changes:
        return "\n".join([*lines, "No item differs.", ""])
    n = len(report.changes)
    lines += [f"{n} item{'s' if n > 1 else ''} changed", ""]
    for rule, changes in by_rule(report.changes).items():
        lines += _group(rule, changes)
    lines.append("What follows, claim by claim")
    for claim in report.claims:
        lines += _wrapped(_claim(claim), "  ")
    lines.append("  All other claims are not touched; their evidence stands.")
    return "\n".join(lines) + "\n"
