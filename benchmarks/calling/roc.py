"""Sensitivity against false calls, by score, over all samples of a process."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from benchmarks.calling.alleles import Call, Found, Verdict

Level = tuple[str, float]
"""`snv` or `other`, and the VAF as planted."""
BUDGETS = (0, 1, 3, 10, 30, 100)
"""False calls over all samples at which the ways to rank a caller's calls are compared."""


class Curve(NamedTuple):
    """One caller on all samples of one process."""

    true: dict[Level, list[float]]
    """Scores of the planted variants by level, minus infinity where nothing stands in the VCF; ascending."""
    false: list[float]
    """Scores of the false calls; ascending."""
    called: dict[Level, int]
    """Planted variants that the caller calls, by level."""
    n_false: int
    """False calls that it calls."""

    def sensitivity(self, level: Level, n_false: int) -> float:
        """Return the share found with at most so many false calls."""
        threshold = self.false[-1 - n_false] if n_false < len(self.false) else float("-inf")
        scores = self.true[level]
        return sum(score > threshold for score in scores) / len(scores)

    def delivered(self, level: Level) -> float:
        """Return the share that the caller calls."""
        return self.called[level] / len(self.true[level])

    def false_at(self, level: Level, sensitivity: float) -> float:
        """Return the fewest false calls at which at least this share is found; infinity where no threshold finds it."""
        scores = self.true[level]
        n = -(-round(sensitivity * len(scores) * 1e6) // 1_000_000)
        if n == 0:
            return 0.0
        threshold = scores[-n]
        if threshold == float("-inf"):
            return float("inf")
        return float(len(self.false) - bisect_left(self.false, threshold))


def level_of(found: Found) -> Level:
    """Return the level that a planted variant belongs to."""
    return ("snv" if found.kind == "snv" else "other", found.planted)


def _curve(verdicts: Sequence[Verdict], rank: Callable[[Call], float]) -> Curve:
    true: dict[Level, list[float]] = {}
    called: dict[Level, int] = {}
    for one in (one for verdict in verdicts for one in verdict.found):
        level = level_of(one)
        true.setdefault(level, []).append(min((rank(part) for part in one.parts), default=float("-inf")))
        called[level] = called.get(level, 0) + one.is_called
    false = [call for verdict in verdicts for call in verdict.false]
    return Curve(
        dict(sorted((level, sorted(scores)) for level, scores in true.items())),
        sorted(rank(call) for call in false),
        called,
        sum(call.is_called for call in false),
    )


def curve(verdicts: Iterable[Verdict], by_support: bool = True) -> Curve:
    """Return a caller's curve: by its own score, or by the alternate's reads where these rank its calls better."""
    some = list(verdicts)
    own = _curve(some, lambda call: call.score)
    other = _curve(some, lambda call: call.support)
    return max(own, other, key=_worth) if by_support else own


def _worth(one: Curve) -> float:
    return sum(one.sensitivity(level, budget) for level in one.true for budget in BUDGETS)
