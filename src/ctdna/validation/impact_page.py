"""The impact report as a document for people."""

from ctdna.model.change import ImpactedChange, ImpactReport
from ctdna.validation import words
from ctdna.validation.impact_text import by_rule
from ctdna.validation.page import Page, Section, Table, Tone

_LONGEST = 400
_TONES: dict[str, Tone] = {
    "none": "good",
    "local_verification": "good",
    "bridging_replay": "warn",
    "repeat_study": "bad",
}


def _rule(rule: str, changes: list[ImpactedChange]) -> Section:
    first = changes[0]
    asked = [
        f"{words.asked(effect.action, effect.material)}: {words.claims(effect.claims)}"
        f"{' (of the record alone)' if effect.scope == 'record' else ''}."
        for effect in first.effects
    ]
    rows = tuple((one.change.item, one.change.record or "", *_sides(one), one.change.note) for one in changes)
    columns = ("item", "record", "before", "after", "how large")
    return Section(
        title=rule,
        lines=(
            first.reason,
            f"Stages: {', '.join(first.stages) or 'none'}. Classes: {', '.join(first.classes) or 'none'}.",
            *(line[0].upper() + line[1:] for line in asked or ["nothing is to be done: all evidence stands."]),
        ),
        tables=(Table(title="", columns=columns, shares=(5, 4, 4, 4, 5), rows=rows),),
    )


def _sides(one: ImpactedChange) -> tuple[str, str]:
    old, new = one.change.old, one.change.new
    return ("absent" if old is None else words.short(old, _LONGEST)), (
        "absent" if new is None else words.short(new, _LONGEST)
    )


def _claims(report: ImpactReport) -> Section:
    rows = tuple(
        (
            words.CLAIMS[one.claim],
            ", ".join(one.classes) or "-",
            "changed records" if one.scope == "record" else "whole claim",
            words.asked(one.action, one.material),
            ", ".join(one.studies),
            ", ".join(one.rules),
        )
        for one in report.claims
    )
    columns = ("claim", "classes", "what of it", "to do", "studies", "rules")
    note = (
        "Studies beside a replay are repeated only if it does not show equivalence. All other claims are not touched."
    )
    table = Table(title="", columns=columns, shares=(4, 3, 3, 5, 3, 4), rows=rows, note=note)
    return Section(title="What follows, claim by claim", tables=(table,) if rows else ())


def impact_page(report: ImpactReport) -> Page:
    """Return the impact report as a document: what follows claim by claim, then every change by its rule."""
    action = report.claims[0].action if report.claims else "none"
    n = len(report.changes)
    headline = f"{n} item{'s' if n != 1 else ''} changed" if n else "No item differs"
    tail = {
        "none": "Nothing that was shown is touched: all evidence stands.",
        "local_verification": "All evidence stands; each site checks its own output before use.",
        "bridging_replay": "Some claims need a replay of archived runs that shows equivalence.",
        "repeat_study": "Some studies must be repeated.",
    }[action]
    return Page(
        title=f"Change impact: {report.before.address} to {report.after.address}",
        facts=(
            ("before", f"{report.before.address}, digest {report.before.digest}"),
            ("after", f"{report.after.address}, digest {report.after.digest}"),
            (
                "table of rules",
                f"{report.rules.version}, valid from {report.rules.valid_from}, digest {report.rules.digest}",
            ),
        ),
        tone=_TONES[action],
        headline=headline,
        lines=(tail,),
        sections=(_claims(report), *(_rule(rule, changes) for rule, changes in by_rule(report.changes).items())),
        footer=f"Rules {report.rules.version}. They say what is to be shown again; a person decides whether it was.",
    )
