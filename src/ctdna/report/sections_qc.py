"""Quality control: verdicts, figures, controls, identity, and the charts."""

from ctdna.model.qc import ClassVerdict, ControlFinding, Figure, IdentityPair
from ctdna.model.result import Result
from ctdna.report.charts import depth_chart, histogram, tier_chart
from ctdna.report.charts_evidence import family_chart
from ctdna.report.numbers import interval, percent, plain
from ctdna.report.texts import Language, code, pick, words
from ctdna.report.view import Block, Cell, Chart, Column, Paragraph, Section, Table, Tone

TONES: dict[str, Tone] = {"pass": "good", "warn": "warn", "fail": "bad", "not_evaluated": "mute"}


def _status(status: str, language: Language) -> Cell:
    return Cell(text=code(language, "status", status), tone=TONES[status], chip=True)


def _columns(language: Language, **shares: float) -> tuple[Column, ...]:
    return tuple(Column(title=words(language, f"col.{name}"), share=share) for name, share in shares.items())


def _amount(value: float | None, unit: str, language: Language) -> str:
    if value is None:
        return "–"
    if unit == "fraction":
        return percent(value, language)
    name = code(language, "unit", unit)
    name = "" if name == "unit" else name
    return " ".join(part for part in (plain(value), name) if part)


def _allowed(figure: Figure, language: Language) -> str:
    parts = []
    if figure.min is not None:
        parts.append(f"≥ {_amount(figure.min, figure.unit, language)}")
    if figure.max is not None:
        parts.append(f"≤ {_amount(figure.max, figure.unit, language)}")
    return ", ".join(parts) or "–"


def _figure(figure: Figure, language: Language) -> tuple[Cell, ...]:
    lines = []
    if figure.status in ("warn", "fail", "not_evaluated"):
        lines += [pick(language, item) for item in (figure.reason, figure.next_step) if item]
        if figure.classes and figure.status == "fail":
            joint = ", " if language == "en" else "、"
            names = joint.join(code(language, "class_short", name) for name in figure.classes)
            lines.append(words(language, "qc.affects", classes=names))
    return (
        Cell(text=pick(language, figure.title)),
        Cell(text=_amount(figure.value, figure.unit, language), tone="strong"),
        Cell(text=_allowed(figure, language), tone="mute"),
        _status(figure.status, language),
        Cell(text=(" " if language == "en" else "").join(lines)),
    )


def _classes(classes: tuple[ClassVerdict, ...], language: Language) -> Table:
    joint = " " if language == "en" else ""
    rows = tuple(
        (
            Cell(text=code(language, "class", item.variant_class)),
            _status(item.verdict, language),
            Cell(text=joint.join(pick(language, reason) for reason in item.reasons)),
        )
        for item in classes
    )
    columns = _columns(language, **{"class": 3.0, "status": 1.5, "reason": 6.0})
    return Table(caption=words(language, "qc.classes"), columns=columns, rows=rows, dense=True)


def _identity(result: Result, language: Language) -> list[Block]:
    """Return a table of the pairs that matter: of one person, or not as expected; the others are counted."""
    found = {(item.sample_a, item.sample_b): item for item in result.qc.identity}
    if result.run_qc:
        found |= {(item.sample_a, item.sample_b): item for item in result.run_qc.identity}
    if not found:
        return []
    shown = [item for item in found.values() if item.expected == "same" or item.status in ("warn", "fail")]
    if not shown:
        line = words(language, "qc.pairs", n=len(found))
        return [Paragraph(title=words(language, "qc.identity"), lines=(line,))]
    columns = _columns(language, pair=3.0, snps=0.8, concordance=1.2, expectation=1.5, result=1.5, status=1.5)
    rows = tuple(_pair(item, language) for item in shown)
    return [Table(caption=words(language, "qc.identity"), columns=columns, rows=rows, dense=True)]


def _pair(item: IdentityPair, language: Language) -> tuple[Cell, ...]:
    return (
        Cell(text=f"{item.sample_a} – {item.sample_b}"),
        Cell(text=plain(item.n_snps)),
        Cell(text=percent(item.concordance, language)),
        Cell(text=words(language, f"expected.{item.expected}")),
        Cell(text=words(language, f"found.{item.found}")),
        _status(item.status, language),
    )


def _run_controls(result: Result, language: Language) -> list[Block]:
    run = result.run_qc
    if run is None or result.sample.role not in ("patient", "normal"):
        return []
    lines = []
    if run.controls:
        found = sum(item.status == "pass" for item in run.controls)
        lines.append(words(language, "qc.run_positive", found=found, total=len(run.controls)))
    for check in run.no_template:
        found_there, allowed = plain(check.molecules_on_target), plain(check.max_molecules)
        values = {"sample": check.sample_id, "found": found_there, "allowed": allowed}
        lines.append(words(language, "qc.run_ntc", **values))
    return [Paragraph(title=words(language, "qc.run_controls"), lines=tuple(lines))] if lines else []


def _contamination(result: Result, language: Language) -> list[Block]:
    found = result.qc.contamination
    if found is None:
        return []
    if found.fraction is None or found.low is None or found.high is None:
        return [Paragraph(lines=(words(language, "qc.contamination_none", n=found.n_snps),))]
    shares = {name: percent(getattr(found, name), language) for name in ("fraction", "low", "high")}
    return [Paragraph(lines=(words(language, "qc.contamination", n=found.n_snps, **shares),))]


def qc_section(result: Result, language: Language) -> Section:
    """Return the verdicts per class and every figure of the sample and of its run, failures first."""
    figures = (*result.qc.figures, *(result.run_qc.figures if result.run_qc else ()))
    rank = {"fail": 0, "warn": 1, "not_evaluated": 2, "pass": 3}
    ordered = sorted(figures, key=lambda figure: rank[figure.status])
    columns = _columns(language, figure=2.5, value=1.6, allowed=1.6, status=1.5, next=3.8)
    rows = tuple(_figure(figure, language) for figure in ordered)
    blocks: list[Block] = [_classes(result.classes, language)]
    blocks.append(Table(caption=words(language, "qc.figures"), columns=columns, rows=rows, dense=True))
    blocks += _contamination(result, language)
    blocks += _identity(result, language)
    blocks += _run_controls(result, language)
    title, lead = words(language, "section.qc"), words(language, "qc.lead")
    return Section(id="qc", title=title, lead=lead, blocks=tuple(blocks))


def _control(item: ControlFinding, language: Language) -> tuple[Cell, ...]:
    return (
        Cell(text=item.label, tone="strong"),
        Cell(text=interval(item.vaf_min, item.vaf_max, language)),
        Cell(text=percent(item.vaf, language), tone="strong"),
        Cell(text="–" if item.depth is None else f"{plain(item.alt_molecules)} / {plain(item.depth)}"),
        _status(item.status, language),
        Cell(text=pick(language, item.reason) if item.reason else ""),
    )


def controls_section(result: Result, language: Language) -> Section | None:
    """Return what a positive control must show and what was found; None for other samples."""
    if not result.qc.controls:
        return None
    columns = _columns(language, variant=2.4, expected=1.6, found=1.3, molecules=1.6, status=1.5, reason=2.6)
    rows = tuple(_control(item, language) for item in result.qc.controls)
    table = Table(columns=columns, rows=rows, dense=True)
    return Section(id="controls", title=words(language, "section.controls"), blocks=(table,))


def charts_section(result: Result, language: Language) -> Section | None:
    """Return the charts of depth, tiers, families and fragment lengths; None where QC holds no such figures."""
    qc = result.qc
    charts: list[Block] = []
    if qc.targets:
        svg, note = depth_chart(qc.targets, language), words(language, "chart.depth_note")
        charts.append(Chart(title=words(language, "chart.depth"), svg=svg, note=note))
    if qc.tiers:
        charts.append(Chart(title=words(language, "chart.tiers"), svg=tier_chart(qc.tiers, language)))
    if qc.library and qc.library.molecules:
        svg = family_chart(qc.library.molecule_sizes, qc.family_sizes, language)
        charts.append(Chart(title=words(language, "chart.sizes"), svg=svg, half=True))
    elif qc.family_sizes:
        title = words(language, "chart.families")
        svg = histogram(qc.family_sizes, title, words(language, "chart.n_families"))
        charts.append(Chart(title=title, svg=svg, half=True))
    if qc.insert_sizes:
        title = words(language, "chart.inserts")
        svg = histogram(qc.insert_sizes, title, words(language, "chart.molecules"))
        charts.append(Chart(title=title, svg=svg, half=True))
    if not charts:
        return None
    return Section(id="charts", title=words(language, "section.charts"), blocks=tuple(charts))
