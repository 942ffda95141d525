"""The report's charts."""

import math
from collections.abc import Mapping, Sequence

from ctdna.model.qc import TargetDepth
from ctdna.model.result import TIERS
from ctdna.report.numbers import percent, plain
from ctdna.report.svg import (
    ACCENT,
    ACCENT_DARK,
    GRID,
    INK,
    MUTED,
    RED,
    TIER_COLOURS,
    circle,
    drawing,
    label,
    line,
    rect,
)
from ctdna.report.texts import Language, words

WIDTH = 720.0
HALF = 350.0
MAX_TARGETS = 40
MAX_BARS = 24


def vaf_mark(low: float, vaf: float, high: float, name: str) -> str:
    """Return a VAF and its interval on a log scale from 0.01 % to 100 %."""
    width, height = 132.0, 16.0

    def at(value: float) -> float:
        return 4 + (width - 8) * (math.log10(min(max(value, 1e-4), 1.0)) + 4) / 4

    parts = [line(4, 12, width - 4, 12, GRID)]
    parts += [line(at(10.0**power), 9, at(10.0**power), 15, GRID) for power in range(-4, 1)]
    parts += [line(at(low), 8, at(high), 8, ACCENT_DARK, 2.5), circle(at(vaf), 8, 4, ACCENT_DARK)]
    return drawing(width, height, parts, name)


def ceiling(value: float) -> float:
    """Return the least of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is not below the value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * 0.999999)


def depth_chart(targets: Sequence[TargetDepth], language: Language) -> str:
    """Return mean, duplex mean and lowest unique depth of the targets, thinnest first where they are many."""
    chosen = list(targets)
    if len(chosen) > MAX_TARGETS:
        chosen = sorted(chosen, key=lambda item: (item.mean, item.target))[:MAX_TARGETS]
    top = ceiling(max([item.mean for item in chosen], default=0.0))
    left, row, head = 150.0, 17.0, 6.0
    scale = (WIDTH - left - 64) / top
    bottom = head + row * len(chosen)
    parts = []
    for step in range(5):
        x = left + scale * top * step / 4
        parts.append(line(x, head, x, bottom, GRID))
        parts.append(label(x, bottom + 14, plain(top * step / 4), 9.5, MUTED, "middle"))
    for i, item in enumerate(chosen):
        y = head + row * i
        parts.append(label(left - 8, y + 12, item.target[:26], 10.5, INK, "end"))
        parts.append(rect(left, y + 3, scale * item.mean, row - 6, ACCENT, 2))
        parts.append(rect(left, y + 3, scale * item.duplex_mean, row - 6, ACCENT_DARK, 2))
        parts.append(rect(left + scale * item.min - 0.75, y + 1.5, 1.5, row - 3, RED))
        parts.append(label(left + scale * item.mean + 5, y + 12, plain(round(item.mean)), 10, MUTED))
    return drawing(WIDTH, bottom + 20, parts, words(language, "chart.depth"))


def _binned(counts: Mapping[int, int]) -> list[tuple[str, int]]:
    """Return up to MAX_BARS bars: whole values where they fit (the last one open), else equal bins."""
    low, high = min(counts), max(counts)
    if high - low < MAX_BARS:
        return [(str(value), counts.get(value, 0)) for value in range(low, high + 1)]
    if low <= 2:
        bars = [(str(value), counts.get(value, 0)) for value in range(low, low + MAX_BARS - 1)]
        rest = sum(count for value, count in counts.items() if value >= low + MAX_BARS - 1)
        return [*bars, (f"≥{low + MAX_BARS - 1}", rest)]
    width = math.ceil((high - low + 1) / 60)
    bins: dict[int, int] = {}
    for value, count in counts.items():
        bins[value // width * width] = bins.get(value // width * width, 0) + count
    return [(str(start), bins.get(start, 0)) for start in range(low // width * width, high + 1, width)]


def histogram(counts: Mapping[int, int], title: str, unit: str) -> str:
    """Return the histogram of whole numbers."""
    bars = _binned(counts) if counts else []
    height, left, base = 150.0, 44.0, 124.0
    top = ceiling(max([count for _, count in bars], default=0))
    step = (HALF - left - 6) / max(1, len(bars))
    parts = [
        line(left, base, HALF - 6, base, GRID),
        line(left, 14, HALF - 6, 14, GRID),
        label(left - 5, 18, plain(top), 9.5, MUTED, "end"),
        label(left - 5, base + 3, "0", 9.5, MUTED, "end"),
        label(left, 9, unit, 9.5, MUTED),
    ]
    every = max(1, math.ceil(len(bars) / 8))
    for i, (name, count) in enumerate(bars):
        tall = (base - 14) * count / top
        parts.append(rect(left + step * i + 0.5, base - tall, max(1.0, step - 1), tall, ACCENT_DARK))
        if i % every == 0 or name.startswith("≥"):
            parts.append(label(left + step * (i + 0.5), base + 13, name, 9.5, MUTED, "middle"))
    return drawing(HALF, height, parts, title)


def tier_chart(tiers: Mapping[str, int], language: Language) -> str:
    """Return the shares of the molecules' tiers as one bar with its legend."""
    total = sum(tiers.get(tier, 0) for tier in TIERS)
    parts, x = [], 0.0
    for i, tier in enumerate(TIERS):
        share = tiers.get(tier, 0) / total if total else 0.0
        parts.append(rect(x, 2, WIDTH * share, 18, TIER_COLOURS[tier]))
        x += WIDTH * share
        at = WIDTH / len(TIERS) * i
        parts.append(rect(at, 30, 11, 11, TIER_COLOURS[tier], 2))
        parts.append(label(at + 17, 39.5, words(language, f"tier.{tier}"), 10.5))
        parts.append(label(at + 17, 54, f"{plain(tiers.get(tier, 0))} ({percent(share, language)})", 10.5, MUTED))
    return drawing(WIDTH, 60, parts, words(language, "chart.tiers"))
