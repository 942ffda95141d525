"""What became of the reads, and how far the library is exhausted."""

from ctdna.model.qc import LibraryYield, StageLoss, TargetYield
from ctdna.model.result import TIERS, Result
from ctdna.report.charts import MAX_TARGETS
from ctdna.report.charts_evidence import CONSENSUS, duplex_chart, losses_chart, saturation_chart
from ctdna.report.numbers import percent, plain
from ctdna.report.texts import Language, code, words
from ctdna.report.view import Block, Cell, Chart, Column, Section, Table


def _columns(language: Language, **shares: float) -> tuple[Column, ...]:
    return tuple(Column(title=words(language, f"col.{name}"), share=share) for name, share in shares.items())


def _reasons(loss: StageLoss, language: Language) -> str:
    lines = [
        f"{code(language, f'loss.{loss.stage}', reason)}{words(language, 'colon')}{plain(n)} "
        f"({percent(n / loss.n_in, language)})"
        for reason, n in sorted(loss.rejected.items(), key=lambda item: (-item[1], item[0]))
        if n > 0
    ]
    return "\n".join(lines) or "–"


def _loss(loss: StageLoss, language: Language) -> tuple[Cell, ...]:
    n_lost = loss.n_in - loss.n_out
    return (
        Cell(text=code(language, "stage", loss.stage), sub=_counted(loss, language)),
        Cell(text=plain(loss.n_in)),
        Cell(text=plain(loss.n_out), tone="strong"),
        Cell(text=plain(n_lost)),
        Cell(text=_reasons(loss, language)),
    )


def _counted(loss: StageLoss, language: Language) -> str:
    return code(language, "counted", "consensus" if loss.stage in CONSENSUS else loss.unit)


def losses_section(result: Result, language: Language) -> Section | None:
    """Return what each stage kept and lost, drawn and with every reason; None where QC does not hold it."""
    losses = result.qc.losses
    if not losses:
        return None
    columns = _columns(language, stage=2.0, came_in=1.1, kept=1.1, lost=1.1, why=5.2)
    table = Table(columns=columns, rows=tuple(_loss(loss, language) for loss in losses), dense=True)
    chart = Chart(title=words(language, "chart.losses"), svg=losses_chart(losses, language))
    title, lead = words(language, "section.losses"), words(language, "losses.lead")
    return Section(id="losses", title=title, lead=lead, blocks=(chart, table))


def _share(part: int, whole: int, language: Language) -> str:
    return f"{plain(part)} ({percent(part / whole, language)})" if whole else plain(part)


def _library_rows(library: LibraryYield, language: Language) -> list[tuple[str, str]]:
    estimated = plain(round(library.molecules_estimated))
    found = {
        "templates": plain(library.templates),
        "molecules": plain(library.molecules),
        "duplex": _share(library.duplex_molecules, library.molecules, language),
        "estimated": words(language, "library.at_least", n=estimated),
        "saturation": percent(library.saturation, language),
        "repeats": percent(library.sequencing_saturation, language),
        "umis": plain(float(f"{library.effective_umis:.3g}")) if library.effective_umis < 1e9 else "> 10⁹",
        "collision": words(
            language,
            "library.collisions",
            mean=percent(library.umi_collision, language),
            p95=percent(library.umi_collision_p95, language),
            highest=percent(library.umi_collision_highest, language),
        ),
        "near": percent(library.umi_collision_within_edits, language),
        "merged": plain(float(f"{library.molecules_lost_to_collisions:.2g}")),
    }
    if not library.duplex_molecules_at_percent:
        del found["duplex"]
    return [(f"library.{name}", value) for name, value in found.items()]


def _stage_rows(losses: dict[str, StageLoss], language: Language) -> list[tuple[str, str]]:
    """Return what single stages counted besides: cut adapters, reads aligned for others, bases masked."""
    rows = []
    if (extract := losses.get("extract")) and "reads_trimmed" in extract.counts:
        reads = extract.n_in * (2 if extract.unit == "read pairs" else 1)
        rows.append(("library.trimmed", _share(extract.counts["reads_trimmed"], reads, language)))
    if (collapse := losses.get("collapse")) and "clusters" in collapse.counts:
        rows.append(("library.clusters", plain(collapse.counts["clusters"])))
    filtered = losses.get("filter")
    if filtered and "bases_masked_in_kept_primary_reads" in filtered.counts:
        masked = filtered.counts["bases_masked_in_kept_primary_reads"]
        kept = filtered.counts["bases_in_kept_primary_reads"]
        rows.append(("library.masked", _share(masked, kept, language)))
    return rows


def _figures(result: Result, language: Language) -> Table | None:
    library = result.qc.library
    rows = _library_rows(library, language) if library else []
    rows += _stage_rows({loss.stage: loss for loss in result.qc.losses}, language)
    if not rows:
        return None
    cells = tuple(
        (
            Cell(text=words(language, key)),
            Cell(text=value, tone="strong"),
            Cell(text=words(language, f"{key}_means"), tone="mute"),
        )
        for key, value in rows
    )
    return Table(columns=_columns(language, figure=2.6, value=2.4, means=5.0), rows=cells, dense=True)


def _tiers(result: Result, language: Language) -> Table | None:
    """Return the molecules of each tier before the vote and after the filter; None where neither is known."""
    found = []
    for stage, prefix in (("consensus", "molecules_in_"), ("filter", "templates_out_")):
        counts = next((loss.counts for loss in result.qc.losses if loss.stage == stage), {})
        found.append([counts.get(f"{prefix}{tier}") for tier in TIERS])
    if all(n is None for column in found for n in column):
        return None
    totals = [sum(n or 0 for n in column) for column in found]
    rows = tuple(
        (
            Cell(text=words(language, f"tier.{tier}")),
            *(
                Cell(text="–" if column[i] is None else _share(column[i] or 0, total, language))
                for column, total in zip(found, totals, strict=True)
            ),
        )
        for i, tier in enumerate(TIERS)
    )
    columns = _columns(language, tier_name=3.0, grouped=3.0, filtered=3.0)
    return Table(caption=words(language, "library.tiers"), columns=columns, rows=rows, dense=True)


def _collision(row: TargetYield, language: Language) -> str:
    mean, highest = (percent(value, language) for value in (row.umi_collision, row.umi_collision_highest))
    return mean if row.umi_collision is None else f"{mean} (≤ {highest})"


def _target(row: TargetYield, language: Language) -> tuple[Cell, ...]:
    return (
        Cell(text=row.target),
        Cell(text=plain(row.molecules), tone="strong"),
        Cell(text=_share(row.duplex_molecules, row.molecules, language)),
        Cell(text=percent(row.saturation, language)),
        Cell(text=percent(row.sequencing_saturation, language)),
        Cell(text=_collision(row, language)),
    )


def _targets(result: Result, language: Language) -> Table | None:
    """Return the library over each target, the least saturated first where they are many; None without a panel."""
    library = result.qc.library
    if library is None or not library.targets:
        return None
    chosen = list(library.targets)
    if len(chosen) > MAX_TARGETS:
        chosen = sorted(chosen, key=lambda row: (row.saturation or 0.0, row.target))[:MAX_TARGETS]
    columns = _columns(language, target=2.1, molecules=1.1, on_both=1.7, saturation=1.1, repeats=1.3, collision=2.6)
    rows = tuple(_target(row, language) for row in chosen)
    return Table(caption=words(language, "library.targets"), columns=columns, rows=rows, dense=True)


def library_section(result: Result, language: Language) -> Section | None:
    """Return how far the library is exhausted: figures, tiers, and yields at fewer reads; None without any of it."""
    tables = (_figures(result, language), _tiers(result, language), _targets(result, language))
    blocks: list[Block] = [table for table in tables if table]
    library = result.qc.library
    if library and library.molecules:
        svg, note = saturation_chart(library, language), words(language, "chart.saturation_note")
        blocks.append(Chart(title=words(language, "chart.saturation"), svg=svg, note=note, half=True))
        if library.duplex_molecules_at_percent:
            svg, note = duplex_chart(library, language), words(language, "chart.duplex_note")
            blocks.append(Chart(title=words(language, "chart.duplex"), svg=svg, note=note, half=True))
    if not blocks:
        return None
    title, lead = words(language, "section.library"), words(language, "library.lead")
    return Section(id="library", title=title, lead=lead, blocks=tuple(blocks))
