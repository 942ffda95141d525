"""Charts of what became of the reads: losses by stage, yields at fewer reads, family sizes."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ctdna.model.qc import LibraryYield, StageLoss
from ctdna.report.charts import HALF, WIDTH, ceiling
from ctdna.report.numbers import percent, plain
from ctdna.report.svg import (
    ACCENT,
    ACCENT_DARK,
    AMBER,
    GRID,
    INK,
    MUTED,
    RED,
    circle,
    drawing,
    label,
    line,
    polyline,
    rect,
)
from ctdna.report.texts import Language, code, words

MAX_SIZE = 20
"""Larger families stand together at the end of the curve."""
READS = ("extract", "collapse", "align", "group", "consensus")
CONSENSUS = ("realign", "filter")
_LEFT, _RIGHT, _TOP, _BASE, _HEIGHT = 52.0, 20.0, 34.0, 170.0, 204.0


class Series(NamedTuple):
    """One line of a chart."""

    name: str
    points: tuple[tuple[float, float], ...]
    colour: str
    dash: str = ""
    marks: bool = False
    """A dot at every point."""


class Axis(NamedTuple):
    """One axis."""

    title: str
    top: float
    """Its highest value; the lowest is 0."""
    ticks: tuple[tuple[float, str], ...]


def _legend(series: Sequence[Series]) -> list[str]:
    parts, x = [], _LEFT
    step = (HALF - _LEFT) / max(1, len(series))
    for one in series:
        parts.append(polyline(((x, 8), (x + 18, 8)), one.colour, 2.2, one.dash))
        parts.append(label(x + 23, 11.5, one.name, 9.5, INK))
        x += step
    return parts


def line_chart(series: Sequence[Series], across: Axis, up: Axis, title: str) -> str:
    """Return lines over two axes that begin at 0, with a legend above, half of the page wide."""
    width = HALF - _LEFT - _RIGHT

    def at(x: float, y: float) -> tuple[float, float]:
        return _LEFT + width * x / across.top, _BASE - (_BASE - _TOP) * y / up.top

    parts = [*_legend(series), label(_LEFT, _TOP - 8, up.title, 9.5, MUTED)]
    for value, name in up.ticks:
        y = at(0, value)[1]
        parts += [line(_LEFT, y, HALF - _RIGHT, y, GRID), label(_LEFT - 5, y + 3.3, name, 9.5, MUTED, "end")]
    for value, name in across.ticks:
        x = at(value, 0)[0]
        parts += [line(x, _BASE, x, _BASE + 4, MUTED), label(x, _BASE + 15, name, 9.5, MUTED, "middle")]
    parts += [line(_LEFT, _BASE, HALF - _RIGHT, _BASE, MUTED)]
    parts.append(label(_LEFT + width / 2, _HEIGHT - 4, across.title, 9.5, MUTED, "middle"))
    for one in series:
        places = [at(x, y) for x, y in one.points]
        parts.append(polyline(places, one.colour, 2.2, one.dash))
        parts += [circle(x, y, 2.4, one.colour) for x, y in places if one.marks]
    return drawing(HALF, _HEIGHT, parts, title)


def _count_axis(title: str, highest: float) -> Axis:
    top = ceiling(highest)
    return Axis(title, top, tuple((top * k / 4, plain(top * k / 4)) for k in range(5)))


def _percent_axis(language: Language) -> Axis:
    ticks = tuple((float(value), f"{value}%" if value else "0") for value in range(0, 101, 20))
    return Axis(words(language, "chart.of_reads"), 100.0, ticks)


def _curve(at_percent: Mapping[int, int]) -> tuple[tuple[float, float], ...]:
    return ((0.0, 0.0), *((float(share), float(n)) for share, n in sorted(at_percent.items())))


def saturation_chart(library: LibraryYield, language: Language) -> str:
    """Return the molecules expected at fewer reads, and the number that the library is estimated to hold."""
    seen = Series(words(language, "chart.seen"), _curve(library.molecules_at_percent), ACCENT_DARK)
    estimate = library.molecules_estimated
    name = words(language, "chart.in_library", n=plain(round(estimate)))
    bound = Series(name, ((0.0, estimate), (100.0, estimate)), AMBER, "5 4")
    up = _count_axis(words(language, "chart.molecules"), max(estimate, library.molecules))
    return line_chart((seen, bound), _percent_axis(language), up, words(language, "chart.saturation"))


def duplex_chart(library: LibraryYield, language: Language) -> str:
    """Return the molecules expected on both strands at fewer reads, and with evenly drawn strands."""
    found = Series(words(language, "chart.duplex_seen"), _curve(library.duplex_molecules_at_percent), ACCENT_DARK)
    ideal = Series(
        words(language, "chart.duplex_ideal"), _curve(library.ideal_duplex_molecules_at_percent), MUTED, "5 4"
    )
    highest = max(y for one in (found, ideal) for _, y in one.points)
    up = _count_axis(words(language, "chart.molecules"), highest)
    return line_chart((found, ideal), _percent_axis(language), up, words(language, "chart.duplex"))


def _shares(sizes: Mapping[int, int]) -> tuple[tuple[float, float], ...]:
    """Return size -> per cent of all, the large ones together."""
    total = sum(sizes.values())
    if not total:
        return ()
    rest = sum(n for size, n in sizes.items() if size >= MAX_SIZE)
    single = [(size, sizes.get(size, 0)) for size in range(1, min(MAX_SIZE, max(sizes) + 1))]
    points = [*single, (MAX_SIZE, rest)] if rest else single
    return tuple((float(size), 100 * n / total) for size, n in points)


def family_chart(molecules: Mapping[int, int], families: Mapping[int, int], language: Language) -> str:
    """Return the sizes of molecules and of their strands (families), as shares of either."""
    series = [
        Series(words(language, "chart.by_molecule"), _shares(molecules), ACCENT_DARK, marks=True),
        Series(words(language, "chart.by_strand"), _shares(families), AMBER, "5 4"),
    ]
    points = [point for one in series for point in one.points]
    largest = max((x for x, _ in points), default=1.0)
    step = max(1, math.ceil(largest / 10))
    ticks = [(float(size), str(size)) for size in range(step, int(largest) + 1, step)]
    if largest == MAX_SIZE:
        ticks = [*(tick for tick in ticks if tick[0] <= MAX_SIZE - step), (largest, f"≥{MAX_SIZE}")]
    top = ceiling(max((y for _, y in points), default=0.0))
    up = Axis(words(language, "chart.share"), top, tuple((top * k / 4, f"{top * k / 4:g}%") for k in range(5)))
    across = Axis(words(language, "chart.family_axis"), largest + 0.5, tuple(ticks))
    return line_chart(series, across, up, words(language, "chart.sizes"))


def _reads(loss: StageLoss) -> tuple[int, int]:
    """Return what came in and out of a stage; read pairs as two reads, so that the stages compare."""
    times = 2 if loss.unit == "read pairs" else 1
    return times * loss.n_in, times * loss.n_out


def _blocks(losses: Sequence[StageLoss]) -> list[tuple[str, list[StageLoss]]]:
    """Return the stages that count the same things together, each block with the code of what it counts."""
    blocks: list[tuple[str, list[StageLoss]]] = []
    for loss in losses:
        kind = "reads" if loss.stage in READS else "consensus" if loss.stage in CONSENSUS else loss.unit
        if not blocks or blocks[-1][0] != kind:
            blocks.append((kind, []))
        blocks[-1][1].append(loss)
    return blocks


def losses_chart(losses: Sequence[StageLoss], language: Language) -> str:
    """Return one bar a stage: what it kept, and what it lost in red, over what came into the first of its block."""
    left, bar, row, parts, y = 128.0, 420.0, 21.0, [], 0.0
    for kind, stages in _blocks(losses):
        whole = max(1, max(_reads(loss)[0] for loss in stages))
        parts.append(label(0, y + 14, code(language, "counted", kind), 10.5, MUTED, weight=600))
        parts.append(line(left, y + 10, left + bar, y + 10, GRID))
        y += row
        for loss in stages:
            n_in, n_out = _reads(loss)
            kept, all_in = bar * n_out / whole, bar * n_in / whole
            parts.append(label(left - 8, y + 12.5, code(language, "stage", loss.stage), 10.5, INK, "end"))
            parts.append(rect(left, y + 2, kept, row - 6, ACCENT_DARK if kind == "reads" else ACCENT, 2))
            parts.append(rect(left + kept, y + 2, all_in - kept, row - 6, RED, 2))
            share = percent((n_in - n_out) / n_in if n_in else 0.0, language)
            said = words(language, "chart.kept", n=plain(n_out), share=share)
            parts.append(label(left + bar + 8, y + 12.5, said, 10, MUTED))
            y += row
        y += 5
    return drawing(WIDTH, max(y, 1.0), parts, words(language, "chart.losses"))
