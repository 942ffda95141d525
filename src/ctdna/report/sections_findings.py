"""Findings: the table on the first page, the evidence of each, and what was seen but not reported."""

from ctdna.model.result import Amount, Finding, KnowledgeItem, Reads, ReadView, Result
from ctdna.report.charts import vaf_mark
from ctdna.report.numbers import interval, percent, plain, small
from ctdna.report.read_view import read_view
from ctdna.report.texts import Language, code, words
from ctdna.report.view import Block, Cell, Column, Evidence, Paragraph, Section, Table, Tone

_ORDER = ("reported", "possible_germline", "withheld")
SUPPORTS = "Supports"
MAX_KNOWLEDGE = 2
"""Items in the table; the evidence section has them all."""


def change_of(finding: Finding) -> tuple[str, str]:
    """Return the finding's name and its second line: protein first, then coding and genomic names."""
    names = [name.split(":")[-1] for name in (finding.hgvs_p, finding.hgvs_c, finding.hgvs_g) if name]
    place = f"{finding.contig}:{finding.pos1} {finding.ref}>{finding.alt}"
    names = names or [place]
    head = f"{finding.gene} {names[0]}" if finding.gene else names[0]
    return head, " · ".join(names[1:2])


def _flags(finding: Finding, language: Language) -> list[Cell]:
    flags: list[tuple[str, Tone]] = []
    if finding.hotspot:
        flags.append(("flag.hotspot", "mute"))
    if finding.state == "possible_germline":
        flags.append(("flag.germline", "warn"))
    if finding.chip and finding.origin != "tumour":
        flags.append(("flag.chip", "warn"))
    if finding.state == "withheld":
        flags.append(("flag.withheld", "bad"))
    return [Cell(text=words(language, key), tone=tone, chip=True) for key, tone in flags]


def _knowledge(item: KnowledgeItem, language: Language) -> str:
    subject = item.therapy or code(language, "evidence", item.evidence_type)
    said = code(language, "significance", item.significance)
    if item.direction != SUPPORTS:
        said = words(language, "knowledge.against", said=said)
    level = words(language, "knowledge.level", level=item.level)
    return f"{subject}: {said} ({code(language, 'disease', item.disease)}, {level})"


def _ranked(finding: Finding) -> list[KnowledgeItem]:
    """Return the items that support their statement first, then by level."""
    return sorted(finding.knowledge, key=lambda item: (item.direction != SUPPORTS, item.level, item.id))


def _meaning(finding: Finding, language: Language) -> Cell:
    items = list(dict.fromkeys(_knowledge(item, language) for item in _ranked(finding)))
    rest = len(items) - MAX_KNOWLEDGE
    shown = "\n".join(items[:MAX_KNOWLEDGE]) + (f" (+{rest})" if rest > 0 else "")
    flags = " · ".join(cell.text for cell in _flags(finding, language))
    return Cell(text=shown or "–", sub=flags, tone="" if shown else "mute")


def _molecules(finding: Finding, language: Language) -> Cell:
    alts = {item.tier: item.alt for item in finding.tiers}
    counts = {
        "duplex": alts.get("duplex", 0),
        "simplex3": alts.get("simplex3", 0),
        "small": alts.get("pair2", 0) + alts.get("single", 0),
    }
    tiers = [f"{words(language, f'tier_short.{name}')} {plain(n)}" for name, n in counts.items() if n]
    joint = ", " if language == "en" else "、"
    return Cell(text=f"{plain(finding.alt_molecules)} / {plain(finding.depth)}", sub=joint.join(tiers))


def _row(finding: Finding, language: Language) -> tuple[Cell, ...]:
    head, second = change_of(finding)
    consequence = code(language, "consequence", (finding.consequence or "").split("&")[0])
    sub = " · ".join(part for part in (second, consequence) if part)
    span = interval(finding.vaf_low, finding.vaf_high, language)
    mark = vaf_mark(finding.vaf_low, finding.vaf, finding.vaf_high, f"VAF {percent(finding.vaf, language)}")
    return (
        Cell(text=head, sub=sub, tone="strong"),
        Cell(text=percent(finding.vaf, language), sub=span, tone="strong", svg=mark),
        _molecules(finding, language),
        *_judgement(finding, language),
    )


def _judgement(finding: Finding, language: Language) -> tuple[Cell, Cell]:
    """Return tier and meaning; of a withheld finding neither is said."""
    if finding.state == "withheld":
        return Cell(text="–", tone="mute"), Cell(text=code(language, "finding", "withheld"), tone="bad")
    tier = Cell(text=finding.tier or "–", chip=finding.tier is not None, tone=_tier_tone(finding))
    return tier, _meaning(finding, language)


def _tier_tone(finding: Finding) -> Tone:
    return "strong" if (finding.tier or "").split("-")[0] in ("I", "II") else "mute"


def _shown(result: Result) -> list[Finding]:
    shown = [item for item in result.findings if item.is_shown]
    return sorted(shown, key=lambda item: _ORDER.index(item.state))


def findings_section(result: Result, language: Language) -> Section:
    """Return the findings: reported first, then possibly germline, then withheld."""
    chosen = _shown(result)
    title = words(language, "section.findings")
    if not chosen:
        lines = (words(language, "findings.none"),)
        return Section(id="findings", title=title, blocks=(Paragraph(lines=lines),))
    shares = {"variant": 3.2, "vaf": 2.1, "molecules": 2.2, "tier": 0.8, "meaning": 3.6}
    columns = tuple(Column(title=words(language, f"col.{name}"), share=share) for name, share in shares.items())
    rows = tuple(_row(item, language) for item in chosen)
    table = Table(columns=columns, rows=rows, note=words(language, "findings.note"))
    return Section(id="findings", title=title, blocks=(table,))


def _statistics(finding: Finding, language: Language) -> str:
    parts = [
        words(language, "evidence.p", p=small(finding.p_value)),
        words(language, "evidence.q", q=small(finding.q_value)),
        words(language, "evidence.background", rate=small(finding.background)),
        words(
            language,
            "evidence.limits",
            lob=percent(finding.lob, language),
            lod=percent(finding.lod95, language),
        ),
    ]
    if finding.posterior is not None:
        parts.append(words(language, "evidence.posterior", p=f"{finding.posterior:.4g}"))
    return "; ".join(parts)


def _origin(finding: Finding, language: Language) -> str:
    """Return where the variant comes from, and what white cells show."""
    white = finding.white_cells
    name = "open" if finding.origin == "unresolved" and white else finding.origin or ""
    said = code(language, "origin", name)
    if white is None:
        return said
    span = interval(white.vaf_low, white.vaf_high, language)
    counts = {"alt": plain(white.alt_molecules), "depth": plain(white.depth), "vaf": percent(white.vaf, language)}
    return f"{said}; {words(language, 'evidence.white', **counts, span=span)}"


def _per_ml(finding: Finding, amount: Amount, language: Language) -> str:
    figures = {name: plain(float(f"{value:.3g}")) for name, value in amount.model_dump().items()}
    return words(language, "evidence.per_ml_value", **figures, alt=plain(finding.alt_molecules))


def _tier_reason(finding: Finding, language: Language) -> str:
    said = code(language, "tier_rule", finding.tier_rule or "")
    return said if language == "zh" and said != finding.tier_rule and said else finding.tier_reason or ""


def _pairs(finding: Finding, language: Language) -> tuple[tuple[str, str], ...]:
    names = [finding.hgvs_g, finding.transcript, finding.hgvs_c, finding.hgvs_p]
    place = finding.genome_pos or f"{finding.contig}:{finding.pos1}"
    names.append(f"{place} {finding.ref}>{finding.alt}")
    tiers = [
        f"{words(language, f'tier_short.{item.tier}')} {plain(item.alt)} / {plain(item.ref)}" for item in finding.tiers
    ]
    pairs = [
        ("evidence.hgvs", " · ".join(name for name in names if name)),
        ("evidence.class", code(language, "class", finding.variant_class)),
        ("evidence.tiers", " · ".join(tiers)),
    ]
    if finding.strands:
        counts = {name: plain(n) for name, n in finding.strands.model_dump().items()}
        pairs.append(("evidence.strands", words(language, "evidence.strand_counts", **counts)))
    pairs.append(("evidence.statistics", _statistics(finding, language)))
    if finding.origin is not None:
        pairs.append(("evidence.origin", _origin(finding, language)))
    if finding.mutant_per_ml is not None:
        pairs.append(("evidence.per_ml", _per_ml(finding, finding.mutant_per_ml, language)))
    if finding.tier_reason and finding.state != "withheld":
        pairs.append(("evidence.reason", _tier_reason(finding, language)))
    if finding.knowledge and finding.state != "withheld":
        items = [
            f"{item.id}: {_knowledge(item, language)}, {item.citation or item.source}" for item in _ranked(finding)
        ]
        pairs.append(("evidence.knowledge", "\n".join(items)))
    return tuple((words(language, key), value) for key, value in pairs)


def _reads_note(finding: Finding, view: ReadView | None, language: Language) -> str:
    if view is None:
        return words(language, "reads.missing")
    if view.n_alt == finding.alt_molecules:
        return ""
    return words(language, "reads.differs", n=plain(finding.alt_molecules))


def _evidence(finding: Finding, reads: Reads | None, language: Language) -> Evidence:
    head, second = change_of(finding)
    view = next((item for item in reads.views if item.key == finding.key), None) if reads else None
    vaf = f"{percent(finding.vaf, language)} ({interval(finding.vaf_low, finding.vaf_high, language)})"
    return Evidence(
        title=head,
        subtitle=" · ".join(part for part in (second, vaf) if part),
        chips=tuple(_flags(finding, language)),
        pairs=_pairs(finding, language),
        svg=read_view(view, language) if view else "",
        note=_reads_note(finding, view, language),
    )


def evidence_section(result: Result, reads: Reads | None, language: Language) -> Section | None:
    """Return the evidence of each finding shown in the table; None without findings."""
    chosen = _shown(result)
    if not chosen:
        return None
    blocks = tuple(_evidence(item, reads, language) for item in chosen)
    lead = words(language, "reads.lead")
    return Section(id="evidence", title=words(language, "section.reads"), lead=lead, blocks=blocks)


def seen_section(result: Result, language: Language) -> Section | None:
    """Return what is not reported: inherited variants without known meaning, and candidates that filters hold back."""
    blocks: list[Block] = []
    for caption, chosen in (
        ("seen.incidental", [item for item in result.findings if item.is_incidental]),
        ("seen.filtered", [item for item in result.findings if item.state == "filtered" and item.alt_molecules]),
    ):
        if chosen:
            blocks.append(_seen(chosen, words(language, caption), language))
    if not blocks:
        return None
    return Section(id="seen", title=words(language, "section.seen"), blocks=tuple(blocks))


def _seen(chosen: list[Finding], caption: str, language: Language) -> Table:
    shares = {"variant": 3.4, "vaf": 2.2, "molecules": 1.6, "filters": 4.0}
    columns = tuple(Column(title=words(language, f"col.{name}"), share=share) for name, share in shares.items())
    rows = []
    for item in chosen:
        span = f"{percent(item.vaf, language)} ({interval(item.vaf_low, item.vaf_high, language)})"
        counts = f"{plain(item.alt_molecules)} / {plain(item.depth)}"
        why = Cell(text=_why(item, language))
        rows.append((Cell(text=change_of(item)[0]), Cell(text=span), Cell(text=counts), why))
    return Table(caption=caption, columns=columns, rows=tuple(rows), dense=True)


def _why(finding: Finding, language: Language) -> str:
    joint = "; " if language == "en" else "；"
    reasons = joint.join(code(language, "filter", name) for name in finding.filters)
    if finding.is_incidental and finding.tier_reason:
        return f"{reasons}{joint}{_tier_reason(finding, language)}"
    return reasons
