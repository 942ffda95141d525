"""Tables of the Phred scale for the consensus model.

Every entry is computed with 50 decimal digits and rounded once, so that the tables, and with them every consensus
byte, are equal on any machine. Likelihoods are whole numbers: a natural logarithm times 2**`SCALE_BITS`. Their sums
are exact, whatever the order of the reads.
"""

import math
from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal, localcontext
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SCALE_BITS = 36
"""Fractional bits of a whole-number logarithm; 2**27 nats fit, the evidence of five million reads."""
EXP_STEP_BITS = 6
"""The table of exponentials has 2**6 entries a nat."""
LEAD_BITS = 4
"""The index of `ConsensusTables.leads` has 2**4 entries a nat."""
EXP_NATS = 40
"""Beyond so many nats an exponential counts as 0: it lies far below any threshold."""
MIN_PHRED = 2
MAX_PHRED = 93
_DIGITS = 50
_PRECISION = Decimal("0.001")
_IMPOSSIBLE_NATS = -100
"""Stands for ln 0: what a base of quality 0 says of itself."""
_DOMINANCE = Decimal(6)
"""Where two error rates lie so many nats apart, the larger stands for both."""


class ConsensusTables(NamedTuple):
    """The model's numbers for one pair of error rates."""

    support: NDArray[np.int64]
    """By quality (0 to 127): what a base adds to its own lane over the others, ln(3 (1 - e) / e), as whole number."""
    single: NDArray[np.uint8]
    """By quality (0 to 127): consensus quality of a family of one read."""
    ceiling: NDArray[np.int64]
    """One entry: the quality where the pre-UMI error rate dominates."""
    sure: NDArray[np.int64]
    """One entry: a unanimous lane this far ahead (whole number) has the quality `ceiling`."""
    leads: NDArray[np.int64]
    """Evidence (whole numbers, rising) from which on a unanimous column has the quality of the same entry below."""
    lead_quality: NDArray[np.uint8]
    lead_index: NDArray[np.uint8]
    """By evidence in steps of 2**-`LEAD_BITS` nats: the entry of `leads` that holds at the step's beginning."""
    odds: NDArray[np.float64]
    """Odds of an error: up to [0] the pre-UMI rate dominates, from [1] on the vote's own error does."""
    middle: NDArray[np.float64]
    """By quality (0 to 94): largest odds that still give it where both errors count; -1 where none does."""
    far: NDArray[np.float64]
    """By quality (0 to 94): largest odds that still give it where the vote's own error dominates; -1 at 94."""
    exponentials: NDArray[np.float64]
    """exp(-k / 2**EXP_STEP_BITS)."""


@cache
def _probability(quality: int | Decimal) -> Decimal:
    with localcontext() as context:
        context.prec = _DIGITS
        return Decimal(10) ** (-Decimal(quality) / 10)


@cache
def _dominant_ratio() -> Decimal:
    with localcontext() as context:
        context.prec = _DIGITS
        return _DOMINANCE.exp()


def _two_trials(x: Decimal, y: Decimal) -> Decimal:
    """Return the probability of a visible error after two trials with error probabilities x and y."""
    if max(x, y) >= min(x, y) * _dominant_ratio():
        return max(x, y)
    return x + y - x * y * 4 / 3


def _phred(probability: Decimal) -> int:
    exact = -10 * probability.log10() + _PRECISION
    return min(int(exact.to_integral_value(rounding=ROUND_FLOOR)), MAX_PHRED)


def _whole(nats: Decimal) -> int:
    return int((nats * (1 << SCALE_BITS)).to_integral_value())


def adjusted_quality(quality: int, error_rate: int) -> int:
    """Return the quality of a base that also met an error process of the Phred-scaled rate."""
    with localcontext() as context:
        context.prec = _DIGITS
        return _phred(_two_trials(_probability(quality), _probability(error_rate)))


def _support(quality: int, post_umi: int) -> int:
    error = _two_trials(_probability(quality), _probability(post_umi))
    if error >= 1:
        return _whole(Decimal(_IMPOSSIBLE_NATS))
    return _whole((3 * (1 - error) / error).ln())


def _odds(probability: Decimal) -> float:
    return float(probability / (1 - probability)) if 0 < probability < 1 else (-1.0 if probability <= 0 else np.inf)


def _thresholds(pre: Decimal) -> tuple[list[float], list[float]]:
    middle, far = [], []
    for quality in range(MAX_PHRED + 1):
        limit = _probability(quality - _PRECISION)
        far.append(_odds(limit))
        middle.append(_odds((limit - pre) / (1 - pre * 4 / 3)))
    return [*middle, -1.0], [*far, -1.0]


def _least_leads(limits: list[float]) -> list[int]:
    """Return by quality the least evidence whose odds, 3 exp(-evidence), lie within the limit (negative: none)."""
    return [
        1 << 62 if limit < 0 else 0 if limit == np.inf else math.ceil((3 / Decimal(limit)).ln() * (1 << SCALE_BITS))
        for limit in limits
    ]


def _lead_steps(odds: tuple[float, float], middle: list[float], far: list[float], ceiling: int) -> dict[int, int]:
    """Return where the quality of a unanimous column changes: evidence to quality, in rising order.

    The odds of two regimes have limits of their own, so that the quality need not rise throughout.
    """
    in_far, in_middle = _least_leads(far), _least_leads(middle)
    dominant, second = _least_leads([odds[0], odds[1]])
    if Decimal(odds[1]) == 3 / (Decimal(second) / (1 << SCALE_BITS)).exp():
        second += 1
    places = sorted({0, dominant, second, *(lead for lead in in_far + in_middle if 0 < lead < dominant)})
    steps: dict[int, int] = {}
    before = -1
    for lead in places:
        limits = in_middle if lead >= second else in_far
        reached = [quality for quality in range(MIN_PHRED, MAX_PHRED + 1) if limits[quality] <= lead]
        quality = ceiling if lead >= dominant else max(reached, default=MIN_PHRED)
        if quality != before:
            steps[lead] = before = quality
    return steps


def _lead_tables(steps: dict[int, int], sure: int) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    leads = list(steps)
    starts = np.arange((sure >> (SCALE_BITS - LEAD_BITS)) + 1, dtype=np.int64) << (SCALE_BITS - LEAD_BITS)
    index = np.searchsorted(np.array(leads), starts, side="right") - 1
    return np.array([*leads, 1 << 62]), np.array(list(steps.values()), dtype=np.uint8), index.astype(np.uint8)


def _by_quality(figure: Callable[[int], int]) -> list[int]:
    """Return the figure of each quality from 0 to 127; those above the highest count as it."""
    figures = [figure(quality) for quality in range(MAX_PHRED + 1)]
    return figures + figures[-1:] * (127 - MAX_PHRED)


@cache
def _exponentials() -> list[float]:
    """Return exp(-k / 2**EXP_STEP_BITS): powers of the first step, which lose three of the 50 digits at most."""
    step, power = (-Decimal(1) / (1 << EXP_STEP_BITS)).exp(), Decimal(1)
    values = []
    for _ in range((EXP_NATS << EXP_STEP_BITS) + 1):
        values.append(float(power))
        power *= step
    return values


@cache
def consensus_tables(error_rate_pre_umi: int, error_rate_post_umi: int) -> ConsensusTables:
    """Return the tables for these Phred-scaled error rates before and after the UMI was attached."""
    with localcontext() as context:
        context.prec = _DIGITS
        pre = _probability(error_rate_pre_umi)
        floor = min(error_rate_pre_umi, error_rate_post_umi)
        near, distant = pre * (-_DOMINANCE).exp(), pre * _dominant_ratio()
        sure = _whole((3 * (1 - near) / near).ln()) + 1
        middle, far = _thresholds(pre)
        odds, ceiling = (_odds(near), _odds(distant)), max(_phred(pre), MIN_PHRED)
        leads, lead_quality, lead_index = _lead_tables(_lead_steps(odds, middle, far, ceiling), sure)
        return ConsensusTables(
            support=np.array(_by_quality(lambda quality: _support(quality, error_rate_post_umi)), dtype=np.int64),
            single=np.array(_by_quality(lambda quality: max(adjusted_quality(quality, floor), 0)), dtype=np.uint8),
            ceiling=np.array([ceiling], dtype=np.int64),
            sure=np.array([sure], dtype=np.int64),
            leads=leads,
            lead_quality=lead_quality,
            lead_index=lead_index,
            odds=np.array(odds),
            middle=np.array(middle),
            far=np.array(far),
            exponentials=np.array(_exponentials()),
        )
