"""What could be seen: each reportable variant in its state, and the rest of the panel by target."""

from ctdna.model.result import ReportableLocus, Result, TargetSummary
from ctdna.report.numbers import percent, plain
from ctdna.report.texts import Language, code, words
from ctdna.report.view import Cell, Column, Section, Table, Tone

_TONES: dict[str, Tone] = {"DETECTED": "strong", "NOT_DETECTED": "mute", "NO_CALL": "warn"}
MAX_RUNS = 4


def _reason(name: str, language: Language) -> str:
    found = code(language, "reason", name)
    return code(language, "filter", name) if found == name else found


def _reasons(locus: ReportableLocus, language: Language) -> str:
    if locus.reason is None:
        return ""
    names = [name for name in locus.reason.replace(";", ",").split(",") if name]
    shown = [_reason(name, language) for name in names]
    return ("; " if language == "en" else "；").join(shown)


def _locus(locus: ReportableLocus, language: Language) -> tuple[Cell, ...]:
    limit, blank = "", ""
    if locus.state == "NOT_DETECTED" and locus.lod95 is not None:
        limit = words(language, "loci.above", limit=percent(locus.lod95, language))
        blank = words(language, "loci.blank", lob=percent(locus.lob, language)) if locus.lob is not None else ""
    elif locus.lod95 is not None and locus.lob is not None:
        shown = {"lod": percent(locus.lod95, language), "lob": percent(locus.lob, language)}
        blank = words(language, "loci.limits", **shown)
    name = f"{locus.contig}:{locus.pos1} {_short(locus.ref)}>{_short(locus.alt)}"
    return (
        Cell(text=locus.gene, tone="strong"),
        Cell(text=locus.label.removeprefix(f"{locus.gene} "), sub=name),
        Cell(text=code(language, "state", locus.state), tone=_TONES[locus.state], chip=True),
        Cell(text=limit or "–", sub=blank, tone="" if limit else "mute"),
        Cell(text=f"{plain(locus.alt_molecules)} / {plain(locus.depth)}"),
        Cell(text=_reasons(locus, language), tone="mute"),
    )


def _short(bases: str) -> str:
    return bases if len(bases) <= 8 else f"{bases[:3]}…({len(bases)})"


def loci_section(result: Result, language: Language) -> Section | None:
    """Return the three-state answer for every hotspot; None where the kit names none, or without template."""
    if not result.hotspots or result.sample.role == "no_template_control":
        return None
    shares = {"gene": 1.1, "variant": 3.2, "result": 1.7, "limit": 1.8, "depth": 1.5, "reason": 2.6}
    columns = tuple(Column(title=words(language, f"col.{name}"), share=share) for name, share in shares.items())
    rows = tuple(_locus(locus, language) for locus in result.hotspots)
    table = Table(columns=columns, rows=rows, dense=True)
    title, lead = words(language, "section.loci"), words(language, "loci.lead")
    return Section(id="loci", title=title, lead=lead, blocks=(table,))


def _target(target: TargetSummary, language: Language) -> tuple[Cell, ...]:
    runs = [f"{item.start0 + 1:,}–{item.end0:,}" for item in target.uncovered[:MAX_RUNS]]
    rest = len(target.uncovered) - MAX_RUNS
    shown = ", ".join(runs) + (f" (+{rest})" if rest > 0 else "")
    tone: Tone = "" if target.n_callable == target.n_positions else "warn"
    return (
        Cell(text=target.target, sub=f"{target.contig}:{target.start0 + 1:,}–{target.end0:,}"),
        Cell(text=f"{plain(target.n_callable)} / {plain(target.n_positions)}", tone=tone),
        Cell(text=percent(target.lod95_median, language)),
        Cell(text=percent(target.lod95_max, language)),
        Cell(text=plain(round(target.depth_mean)), sub=words(language, "targets.lowest", n=plain(target.depth_min))),
        Cell(text=shown or words(language, "none"), tone="" if shown else "mute"),
    )


def targets_section(result: Result, language: Language) -> Section | None:
    """Return what could be seen over each target; None without a panel table, or without template."""
    if not result.targets or result.sample.role == "no_template_control":
        return None
    shares = {"target": 3.0, "callable": 1.7, "lod_median": 1.4, "lod_max": 1.4, "depth": 1.4, "uncovered": 2.8}
    columns = tuple(Column(title=words(language, f"col.{name}"), share=share) for name, share in shares.items())
    rows = tuple(_target(target, language) for target in result.targets)
    table = Table(columns=columns, rows=rows, dense=True)
    title, lead = words(language, "section.targets"), words(language, "targets.lead")
    return Section(id="targets", title=title, lead=lead, blocks=(table,))
