"""Method, limits, trace, versions and digests."""

from ctdna.model.result import Result
from ctdna.report.numbers import percent, plain
from ctdna.report.sections_trace import trace_blocks
from ctdna.report.texts import Language, code, pick, words
from ctdna.report.view import Block, Cell, Column, Paragraph, Section, Table


def method_section(result: Result, language: Language) -> Section:
    """Return what the test does, what it covers, and what it cannot say."""
    kit, limits = result.kit, result.limits
    claim, molecules = percent(limits.claimed_lod, language), plain(limits.min_alt_molecules)
    state = code(language, "kit_state", kit.state)
    texts = {
        "kit": (f"{pick(language, kit.title)} ({kit.address}, {state})",),
        "use": (pick(language, kit.intended_use),),
        "method": (pick(language, kit.method),),
        "classes": (words(language, "method.classes_text"),),
        "limit": (words(language, "method.limit_text", claim=claim, molecules=molecules),),
        "tissue": (words(language, "method.tissue_text"),),
        "limitations": tuple(pick(language, item) for item in kit.limitations),
    }
    blocks: tuple[Block, ...] = tuple(
        Paragraph(title=words(language, f"method.{name}"), lines=lines) for name, lines in texts.items() if lines
    )
    return Section(id="method", title=words(language, "section.method"), blocks=blocks)


def record_section(result: Result, language: Language) -> Section:
    """Return the trace, programs with versions, and digests of the kit and of the files behind the result."""
    programs = tuple((Cell(text=name), Cell(text=version)) for name, version in result.software.items())
    digests = [(words(language, "record.kit", kit=result.kit.address), result.kit.digest), *result.inputs.items()]
    if result.reads:
        digests.append((result.reads.file, result.reads.sha256))
    rows = tuple((Cell(text=name), Cell(text=digest, mono=True)) for name, digest in digests)
    item, version = words(language, "col.item"), words(language, "col.version")
    run = result.run
    reference = f"{result.reference.name} ({result.reference.assembly})"
    facts = " · ".join(part for part in (run.run_id, run.instrument, run.flow_cell) if part)
    lines = (f"{words(language, 'fact.run')}: {facts}", f"{words(language, 'fact.reference')}: {reference}")
    software = Table(
        caption=words(language, "record.software"),
        columns=(Column(title=item, share=3), Column(title=version, share=7)),
        rows=programs,
        dense=True,
    )
    files = Table(
        caption=words(language, "record.inputs"),
        columns=(Column(title=item, share=3), Column(title="SHA-256", share=7)),
        rows=rows,
        dense=True,
    )
    blocks: tuple[Block, ...] = (Paragraph(lines=lines), *trace_blocks(result, language), software, files)
    return Section(id="record", title=words(language, "section.record"), blocks=blocks)
