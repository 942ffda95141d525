"""Trials and unmixed samples to bins and a verdict."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.stats import binom

from ctdna.model.calibration import (
    FAILS,
    HOLDS,
    UNKNOWN,
    Blanks,
    Calibration,
    ClassTotal,
    Dilution,
    Judgement,
    RatioBin,
    Trial,
)
from ctdna.model.params.calibrate import CalibrateParams
from ctdna.stats.exact import clopper_pearson

CAUGHT = 0.95
"""The share that LoD95 promises."""
ENOUGH_EXPECTED = 3.0
"""With so many false calls allowed, none at all would be rarer than 5 in 100 if the rate were just as stated."""


def _bin(trials: Sequence[Trial], low: float, high: float | None, params: CalibrateParams) -> RatioBin:
    inside = [t for t in trials if t.ratio >= low and (high is None or t.ratio < high)]
    n, k = len(inside), sum(t.is_detected for t in inside)
    bounds = clopper_pearson(k, n, params.confidence)
    expected = float(np.mean([t.expected for t in inside])) if inside else None
    is_within = None
    if expected is not None and n >= params.min_trials:
        is_within = bounds[0] <= expected <= bounds[1]
    return RatioBin(
        low=low, high=high, trials=n, detected=k, observed=k / n if n else None, observed_low=bounds[0],
        observed_high=bounds[1], expected=expected, is_within=is_within,
    )  # fmt: skip


def _bins(trials: Sequence[Trial], params: CalibrateParams) -> tuple[RatioBin, ...]:
    lows = [0.0, *params.ratio_edges]
    highs = [*params.ratio_edges, None]
    return tuple(_bin(trials, low, high, params) for low, high in zip(lows, highs, strict=True))


def _dilution(key: tuple[str, str, float], trials: Sequence[Trial]) -> Dilution:
    lods = [t.lod95 for t in trials if t.lod95 is not None]
    return Dilution(
        base=key[0], depth=key[1], fraction=key[2], trials=len(trials),
        median_vaf=float(np.median([t.vaf for t in trials])), median_lod95=float(np.median(lods)) if lods else None,
        detected=sum(t.is_detected for t in trials), expected=float(sum(t.expected for t in trials)),
    )  # fmt: skip


def _dilutions(trials: Iterable[Trial]) -> tuple[Dilution, ...]:
    by_key: dict[tuple[str, str, float], list[Trial]] = {}
    for trial in trials:
        by_key.setdefault((trial.base, trial.depth, trial.fraction), []).append(trial)
    return tuple(_dilution(key, some) for key, some in by_key.items())


def _class_total(name: str, trials: Sequence[Trial]) -> ClassTotal:
    chances = np.array([t.expected for t in trials if t.variant_class == name])
    detected = sum(t.is_detected for t in trials if t.variant_class == name)
    return ClassTotal(
        variant_class=name, trials=len(chances), detected=detected, expected=float(chances.sum()),
        expected_sd=float(np.sqrt((chances * (1.0 - chances)).sum())),
    )  # fmt: skip


def judge_limit(bins: Sequence[RatioBin], at_limit: RatioBin, params: CalibrateParams) -> Judgement:
    """Return whether LoD95 is as stated.

    It does not hold where, at and just above it, the interval of the share detected lies below 95 %; nor where more
    bins miss their expected share than 5 in 100 would by chance in 95 of 100 runs.
    """
    judged = [one.is_within for one in bins if one.is_within is not None]
    if at_limit.trials < params.min_trials or not judged:
        return UNKNOWN
    allowed = int(binom.ppf(0.95, len(judged), 1.0 - params.confidence))
    is_short = at_limit.observed_high < CAUGHT
    return FAILS if is_short or judged.count(False) > allowed else HOLDS


def judge_blanks(blanks: Blanks) -> Judgement:
    """Return whether false calls stay under the stated rate.

    Not where the interval of their rate lies above it. Yes where the interval lies below it, or holds it and the
    samples were so many that three false calls were allowed.
    """
    if blanks.per_mb_low > blanks.stated_per_mb:
        return FAILS
    allowed = blanks.stated_per_mb * blanks.bases / 1e6
    return HOLDS if blanks.per_mb_high <= blanks.stated_per_mb or allowed >= ENOUGH_EXPECTED else UNKNOWN


def _worst(judgements: Iterable[Judgement | None]) -> Judgement:
    found = set(judgements)
    return FAILS if FAILS in found else UNKNOWN if UNKNOWN in found else HOLDS


def conclude(
    bases: tuple[str, ...], spike: str | None, followed: dict[str, int], rejected: dict[str, dict[str, int]],
    trials: Sequence[Trial], blanks: Blanks, params: CalibrateParams,
) -> Calibration:  # fmt: skip
    """Return the answer of the stage."""
    bins, at_limit = _bins(trials, params), _bin(trials, 1.0, params.at_limit, params)
    judged = [one.is_within for one in bins if one.is_within is not None]
    chances = np.array([t.expected for t in trials])
    limit = judge_limit(bins, at_limit, params) if spike is not None else None
    blank = judge_blanks(blanks)
    misses = Counter(t.reason for t in trials if t.ratio >= 1.0 and not t.is_detected)
    return Calibration(
        bases=bases, spike=spike, alleles=followed, rejected=rejected, trials=len(trials),
        detected=sum(t.is_detected for t in trials), expected=float(chances.sum()),
        expected_sd=float(np.sqrt((chances * (1.0 - chances)).sum())), missed_by=dict(sorted(misses.items())),
        classes=tuple(_class_total(name, trials) for name in sorted({t.variant_class for t in trials})),
        bins=bins, share_within=judged.count(True) / len(judged) if judged else None, at_limit=at_limit,
        dilutions=_dilutions(trials), blanks=blanks, limit_judgement=limit, blank_judgement=blank,
        judgement=_worst((limit, blank)),
    )  # fmt: skip
