"""ROC plots as SVG, written by hand: found of planted variants against false calls, a line a caller."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.calling.roc import Curve, Level

WIDTH, HEIGHT, LEFT, TOP = 250, 170, 44, 46
COLOURS = ("#d1495b", "#00798c", "#edae49", "#30638e", "#6a4c93", "#66a182", "#8d6a4f", "#777777", "#c77dff")
_TICKS = (0, 1, 3, 10, 30, 100, 300)
_MOST = 300


class Line(NamedTuple):
    """One caller's curve and its name."""

    name: str
    curve: Curve


def _x(n_false: float) -> float:
    """Return the place of a number of false calls: logarithmic, with room for 0."""
    return LEFT + WIDTH * math.log10(1 + min(n_false, _MOST)) / math.log10(1 + _MOST)


def _y(share: float) -> float:
    return TOP + HEIGHT * (1.0 - share)


def _steps(curve: Curve, level: Level) -> str:
    """Return the points of a curve as a staircase."""
    points, last = [], -1.0
    for n_false in range(min(_MOST, len(curve.false)) + 1):
        share = curve.sensitivity(level, n_false)
        if share != last:
            if points:
                points.append(f"{_x(n_false):.1f},{_y(last):.1f}")
            points.append(f"{_x(n_false):.1f},{_y(share):.1f}")
            last = share
    points.append(f"{_x(_MOST):.1f},{_y(last):.1f}")
    return " ".join(points)


def _frame(title: str) -> list[str]:
    parts = [f'<text x="{LEFT}" y="{TOP - 8}" font-weight="bold">{title}</text>']
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share:g}</text>')
    for n in _TICKS:
        x = _x(n)
        parts.append(f'<path d="M{x:.1f} {TOP}v{HEIGHT}" stroke="#eee"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 14}" text-anchor="middle">{n}</text>')
    return parts


def _panel(title: str, level: Level, lines: Sequence[Line]) -> list[str]:
    parts = _frame(title)
    for i, line in reversed(list(enumerate(lines))):
        colour, width = COLOURS[i % len(COLOURS)], 2.6 if i == 0 else 1.3
        points = _steps(line.curve, level)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        x, y = _x(line.curve.n_false), _y(line.curve.delivered(level))
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width + 1:.1f}" fill="{colour}"/>')
    return parts


def _legend(lines: Sequence[Line], y: int) -> list[str]:
    parts, x = [], LEFT
    for i, line in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        parts.append(f'<path d="M{x} {y}h18" stroke="{colour}" stroke-width="3"/>')
        parts.append(f'<text x="{x + 23}" y="{y + 4}">{line.name}</text>')
        x += 48 + 6 * len(line.name)
        if x > 1000:
            x, y = LEFT, y + 18
    return parts


def roc_svg(title: str, lines: Sequence[Line], levels: Sequence[tuple[str, Level]]) -> str:
    """Return the plots of one process: a frame a level; the first line is ours, dots are calls as delivered."""
    columns, pitch_x, pitch_y = 4, WIDTH + LEFT + 26, HEIGHT + TOP + 30
    n_rows = -(-len(levels) // columns)
    width, height = columns * pitch_x, 30 + n_rows * pitch_y + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"',
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{title}</text>',
    ]
    for i, (name, level) in enumerate(levels):
        x, y = (i % columns) * pitch_x, 24 + (i // columns) * pitch_y
        parts += [f'<g transform="translate({x} {y})">', *_panel(name, level, lines), "</g>"]
    return "\n".join([*parts, *_legend(lines, height - 42), "</svg>"]) + "\n"


def write_roc(
    folder: Path, process: str, title: str, lines: Sequence[Line], levels: Sequence[tuple[str, Level]]
) -> None:
    """Write `roc-<process>.svg`."""
    (folder / f"roc-{process}.svg").write_text(roc_svg(title, lines, levels), "utf-8")
