"""The chart of `calibrate`: the share of known alleles that is called, over VAF in units of the stated LoD95."""

import math

from ctdna.model.calibration import Calibration, RatioBin
from ctdna.report.charts import WIDTH
from ctdna.report.numbers import plain
from ctdna.report.svg import ACCENT_DARK, AMBER, GRID, INK, MUTED, RED, circle, drawing, label, line, polyline

_LEFT, _RIGHT, _TOP, _BASE, _HEIGHT = 56.0, 24.0, 62.0, 320.0, 372.0
_TITLE = "Known alleles called, by VAF over stated LoD95"


def _middle(one: RatioBin) -> float:
    """Return where a bin is drawn: the geometric middle of its edges, half an edge beyond the outermost."""
    if one.high is None:
        return one.low * 1.25
    return math.sqrt(one.low * one.high) if one.low > 0 else one.high * 0.75


class _Frame:
    """Places VAF over LoD95 (logarithmic) and shares on the drawing."""

    def __init__(self, report: Calibration) -> None:
        edges = [one.low for one in report.bins if one.low > 0]
        self._low, self._high = math.log(min([*edges, 1.0]) * 0.6), math.log(max([*edges, 1.0]) * 1.5)

    def x(self, ratio: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (math.log(ratio) - self._low) / (self._high - self._low)

    def y(self, share: float) -> float:
        return _BASE - (_BASE - _TOP) * share


def _axes(frame: _Frame, report: Calibration) -> list[str]:
    parts = []
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        y = frame.y(share)
        parts.append(line(_LEFT, y, WIDTH - _RIGHT, y, GRID))
        parts.append(label(_LEFT - 6, y + 3.5, f"{share:.0%}", 10, MUTED, "end"))
    for one in report.bins[1:]:
        x = frame.x(one.low)
        parts.append(line(x, _BASE, x, _BASE + 4, MUTED))
        parts.append(label(x, _BASE + 15, f"{one.low:g}", 9.5, MUTED, "middle"))
    parts.append(line(_LEFT, frame.y(0.95), WIDTH - _RIGHT, frame.y(0.95), AMBER, 1.2))
    parts.append(line(frame.x(1.0), _TOP, frame.x(1.0), _BASE, AMBER, 1.2))
    middle = _LEFT + (WIDTH - _LEFT - _RIGHT) / 2
    parts.append(label(middle, _HEIGHT - 6, "true VAF / stated LoD95", 10.5, INK, "middle"))
    return parts


def _bin(frame: _Frame, one: RatioBin) -> list[str]:
    if one.observed is None:
        return []
    x, colour = frame.x(_middle(one)), RED if one.is_within is False else ACCENT_DARK
    parts = [line(x, frame.y(one.observed_low), x, frame.y(one.observed_high), colour, 2)]
    parts += [
        circle(x, frame.y(one.observed), 4, colour),
        label(x, _BASE + 28, f"n={one.trials}", 8.5, MUTED, "middle"),
    ]
    return parts


def _legend(report: Calibration) -> list[str]:
    blanks = report.blanks
    stated = f"{plain(round(blanks.per_mb, 3))} false calls per Mb ({blanks.samples} unmixed samples), "
    stated += f"interval {blanks.per_mb_low:.3g} to {blanks.per_mb_high:.3g}, stated {blanks.stated_per_mb:.3g}"
    limit = f"LoD95 {report.limit_judgement}; " if report.limit_judgement else ""
    return [
        label(_LEFT, 16, f"{limit}false calls: {report.blank_judgement}", 12, INK, weight=600),
        label(_LEFT, 32, stated, 10, MUTED),
        circle(_LEFT + 4, 46, 4, ACCENT_DARK),
        label(_LEFT + 14, 49.5, "called, with exact interval (red: the model's share lies outside)", 10),
        polyline(((_LEFT + 360, 46), (_LEFT + 380, 46)), INK, 1.6, "5 4"),
        label(_LEFT + 386, 49.5, "share that the model expects", 10),
    ]


def detection_chart(report: Calibration) -> str:
    """Return the chart as SVG."""
    frame = _Frame(report)
    expected = [(frame.x(_middle(b)), frame.y(b.expected)) for b in report.bins if b.expected is not None]
    parts = [*_legend(report), *_axes(frame, report)]
    parts.append(polyline(expected, INK, 1.6, "5 4"))
    for one in report.bins:
        parts += _bin(frame, one)
    return drawing(WIDTH, _HEIGHT, parts, _TITLE)
