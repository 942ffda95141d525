"""The plot of a background's calibration: p-values of held-out normals against those expected."""

import math

from scipy.stats import beta

from ctdna.model.held_out import HeldOut, HeldOutGroup
from ctdna.report.svg import ACCENT_DARK, GRID, INK, MUTED, circle, drawing, label, line, polyline

_SIDE, _LEFT, _TOP, _GAP = 300.0, 46.0, 34.0, 60.0
_COLOURS = ("#a15c00", "#5d6b76", "#b3261e", "#1b7f3b", "#1f5fbf", "#7b3fa0", "#b3261e", "#1f5fbf")
_BAND = (0.025, 0.975)


class _Axes:
    """A square from p = 1 (lower left) to the smallest p (upper right), on a scale of -log10."""

    def __init__(self, left: float, top: int) -> None:
        self.left, self.top = left, top

    def x(self, p: float) -> float:
        return self.left + _SIDE * min(-math.log10(p), self.top) / self.top

    def y(self, p: float) -> float:
        return _TOP + _SIDE - _SIDE * min(-math.log10(max(p, 1e-300)), self.top) / self.top

    def frame(self, title: str) -> list[str]:
        right, bottom = self.left + _SIDE, _TOP + _SIDE
        parts = [label(self.left, _TOP - 12, title, 12.5, INK, weight=600)]
        for power in range(self.top + 1):
            x, y = self.x(10.0**-power), self.y(10.0**-power)
            parts += [line(x, _TOP, x, bottom, GRID), line(self.left, y, right, y, GRID)]
            parts.append(label(x, bottom + 14, str(power), 9.5, MUTED, "middle"))
            parts.append(label(self.left - 6, y + 3, str(power), 9.5, MUTED, "end"))
        parts.append(label(self.left + _SIDE / 2, bottom + 30, "expected, -log10 p", 10.5, MUTED, "middle"))
        parts.append(label(self.left, _TOP - 1, "observed, -log10 p", 9.5, MUTED))
        return parts


def _expected(rank: int, n: int) -> float:
    return (rank - 0.5) / n


def _band(axes: _Axes, group: HeldOutGroup) -> list[str]:
    """Return the diagonal and the 95 % band of each order statistic, which is a beta law."""
    n = group.n_tests
    parts = [line(axes.x(1.0), axes.y(1.0), axes.x(10.0**-axes.top), axes.y(10.0**-axes.top), MUTED, 0.8)]
    for share in _BAND:
        places = [
            (axes.x(_expected(rank, n)), axes.y(float(beta.ppf(share, rank, n - rank + 1))))
            for rank, _ in group.quantiles
        ]
        parts.append(polyline(places, MUTED, 0.8, "4 3"))
    return parts


def _curve(axes: _Axes, group: HeldOutGroup, colour: str) -> str:
    places = [(axes.x(_expected(rank, group.n_tests)), axes.y(p)) for rank, p in group.quantiles]
    return polyline(places, colour, 1.2)


def _square(left: float, title: str, whole: HeldOutGroup, parts_of: list[HeldOutGroup]) -> list[str]:
    least = min([0.5 / max(1, whole.n_tests), *(p for _, p in whole.quantiles if p > 0)])
    axes = _Axes(left, max(2, min(12, math.ceil(-math.log10(least)))))
    parts = axes.frame(f"{title}: {whole.n_tests:,} tests, KS p = {whole.ks_p:.2g}")
    parts += _band(axes, whole)
    chosen = zip(parts_of, _COLOURS, strict=False)
    for i, (group, colour) in enumerate((group, colour) for group, colour in chosen if group.n_tests):
        parts.append(_curve(axes, group, colour))
        parts.append(label(left + 8, _TOP + 16 + 13 * i, group.name, 10, colour))
    parts += [
        circle(axes.x(_expected(rank, whole.n_tests)), axes.y(p), 1.8, ACCENT_DARK) for rank, p in whole.quantiles
    ]
    return parts


def qq_chart(calibration: HeldOut) -> str:
    """Return quantile against quantile of p-values, substitutions and indels side by side, as SVG."""
    groups = {group.name: group for group in calibration.groups}
    if not groups:
        note = [label(20, 40, "Too few normals to hold one out.", 12)]
        return drawing(_LEFT + _SIDE, 80, note, "Too few normals to hold one out.")
    singles = list(calibration.groups[:-2])
    bases, indels = [g for g in singles if ">" in g.name], [g for g in singles if ">" not in g.name]
    parts = _square(_LEFT, "Substitutions", groups["substitutions"], bases)
    parts += _square(_LEFT + _SIDE + _GAP, "Indels", groups["indels"], indels)
    text = f"P-values of {calibration.n_donors} held-out normals against those expected; 95 % band dashed"
    parts.append(label(_LEFT, _TOP + _SIDE + 52, text, 10.5, MUTED))
    return drawing(_LEFT + 2 * _SIDE + _GAP + 20, _TOP + _SIDE + 64, parts, text)
