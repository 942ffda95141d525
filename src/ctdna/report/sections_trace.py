"""Use and trace: site, operator, lot, build, overrides, and what the report may serve for."""

from ctdna.model.result import Result
from ctdna.model.trace import TraceFacts, Use
from ctdna.report.texts import Language, code, words
from ctdna.report.view import Block, Cell, Column, Paragraph, Table

_UNTRACED = TraceFacts(use="research", use_reasons=("no_trace",))


def use_of(result: Result) -> Use:
    """Return what the result may serve for; without a trace that is research."""
    return (result.trace or _UNTRACED).use


def mark_of(result: Result, language: Language) -> str:
    """Return the mark that stands on every page; a clinical use has none."""
    use = use_of(result)
    return "" if use == "clinical" else words(language, f"use.{use}")


def statement_of(result: Result, language: Language) -> str:
    """Return the sentence that goes with the mark; a clinical use has none."""
    return words(language, f"use_text.{use_of(result)}")


def _facts(trace: TraceFacts, language: Language) -> list[tuple[Cell, Cell]]:
    blank = words(language, "unknown")
    lot, build = trace.lot, trace.build
    named = {
        "use": words(language, f"use.{trace.use}"),
        "site": trace.site or blank,
        "operator": trace.operator or blank,
        "lot": lot.lot if lot else blank,
        "expires": (lot.expires if lot else None) or blank,
        "build_state": code(language, "build_state", build.state) if build else blank,
    }
    rows = [(Cell(text=words(language, f"trace.{name}")), Cell(text=text)) for name, text in named.items()]
    if build and build.difference:
        rows[-1] = (rows[-1][0], rows[-1][1].model_copy(update={"sub": build.difference}))
    for name, digest in (("build", build.digest if build else None), ("lot_digest", lot.digest if lot else None)):
        shown = Cell(text=digest, mono=True) if digest else Cell(text=blank)
        rows.append((Cell(text=words(language, f"trace.{name}")), shown))
    return rows


def _overrides(trace: TraceFacts, language: Language) -> Table:
    shares = {"gate": 3.0, "by": 2.0, "why": 5.0, "override": 2.0}
    return Table(
        caption=words(language, "record.overrides"),
        columns=tuple(Column(title=words(language, f"col.{name}"), share=share) for name, share in shares.items()),
        rows=tuple(
            tuple(Cell(text=text) for text in (code(language, "gate", one.gate), one.user, one.why, one.override_id))
            for one in trace.overrides
        ),
        dense=True,
    )


def trace_blocks(result: Result, language: Language) -> tuple[Block, ...]:
    """Return the trace as tables, and once the reasons why the use is no other.

    A reason is a code with words of its own, or a sentence that is shown as it stands.
    """
    trace = result.trace or _UNTRACED
    item, value = words(language, "col.item"), words(language, "col.value")
    facts = Table(
        caption=words(language, "record.trace"),
        columns=(Column(title=item, share=3), Column(title=value, share=7)),
        rows=tuple(_facts(trace, language)),
        dense=True,
    )
    blocks: list[Block] = [facts]
    if trace.overrides:
        blocks.append(_overrides(trace, language))
    if trace.use_reasons:
        lines = tuple(code(language, "use_reason", reason) for reason in trace.use_reasons)
        blocks.append(Paragraph(title=words(language, "record.use"), lines=lines))
    return tuple(blocks)
