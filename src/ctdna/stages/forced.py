"""The answer for a whole list of alleles: is anything of it there, at one VAF that all share?

After INVAR (Wan and others, Science Translational Medicine 2020): the likelihood of all listed alleles together, with
null rates by class of molecule. All alleles' classes are classes of one score, whose null law is convolved exactly.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.forced import ForcedSummary, LeftOut, ListedAllele
from ctdna.model.params.call import CallParams
from ctdna.stages.judging import Candidate, filters_of, is_known_in_normals
from ctdna.stages.rates import p_values
from ctdna.stats.intervals import shared_vaf
from ctdna.stats.limits import panel_limits

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_BINOMIAL = 1e12
"""Size of a rate that is certain."""
_KEPT_OUT = ("homopolymer", "low_complexity", "germline", "chip")


class Answer(NamedTuple):
    """A listed allele and its candidate."""

    listed: ListedAllele
    candidate: Candidate | None
    """None: not on the panel."""


class _Stack(NamedTuple):
    """All alleles' classes in one row; each (1, alleles * classes)."""

    k: Ints
    n: Ints
    mean: Floats
    size: Floats


def _stacked(candidates: list[Candidate]) -> _Stack:
    if not candidates:
        none = np.zeros((1, 1))
        return _Stack(none.astype(np.int64), none.astype(np.int64), none + 1e-9, none + 1e9)
    counts = [np.concatenate([getattr(c.counts, name) for c in candidates]) for name in ("alt", "depth")]
    rates = [np.concatenate([getattr(c, name) for c in candidates]) for name in ("mean", "size")]
    rows = [column[None, :] for column in (*counts, *rates)]
    return _Stack(rows[0].astype(np.int64), rows[1].astype(np.int64), rows[2], rows[3])


def _reason_against(candidate: Candidate | None, params: CallParams) -> str:
    """Return why an allele is left out, whatever molecules it has beyond its origin; empty: it is used."""
    if candidate is None:
        return "off_panel"
    if candidate.depth == 0:
        return "no_coverage"
    if candidate.background > params.forced_max_background:
        return "noisy"
    if is_known_in_normals(candidate.normals, params):
        return "panel_of_normals"
    filters = filters_of(candidate, params)
    return next((name for name in _KEPT_OUT if name in filters), "")


def _is_outlier(candidates: list[Candidate], i: int, params: CallParams) -> bool:
    """Return whether one allele has more molecules than the others' highest VAF explains, at `mrd_outlier_p`."""
    one, others = _stacked([candidates[i]]), _stacked(candidates[:i] + candidates[i + 1 :])
    high = float(shared_vaf(others.k, others.n, others.mean).high[0])
    if candidates[i].vaf <= high:
        return False
    expected = one.mean + high * (1.0 - one.mean)
    p = p_values(one.k, one.n, expected, np.full_like(expected, _BINOMIAL), params.mrd_vaf)
    return float(p[0]) < params.mrd_outlier_p / len(candidates)


def _left_out(answers: list[Answer], params: CallParams) -> list[str]:
    reasons = [_reason_against(answer.candidate, params) for answer in answers]
    used = [i for i, reason in enumerate(reasons) if not reason]
    candidates = [c for i in used if (c := answers[i].candidate)]
    for place in _outliers(candidates, params):
        reasons[used[place]] = "outlier"
    return reasons


def _outliers(candidates: list[Candidate], params: CallParams) -> list[int]:
    """Return the alleles that stand out, in lists long enough; none where the others are detected without them."""
    if len(candidates) < params.mrd_outlier_min_alleles:
        return []
    many = [i for i, c in enumerate(candidates) if c.n_alt >= params.mrd_min_molecules]
    found = [i for i in many if _is_outlier(candidates, i, params)]
    others = _stacked([c for i, c in enumerate(candidates) if i not in found])
    return [] if _is_detected(others, float(p_values(*others, params.mrd_vaf)[0]), params) else found


def _is_detected(stack: _Stack, p: float, params: CallParams) -> bool:
    return p <= params.mrd_alpha and int(stack.k.sum()) >= params.mrd_min_molecules


def _figure(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def summarise(answers: list[Answer], params: CallParams, sample: str, threads: int = 1) -> ForcedSummary:
    """Return the answer for the whole list, in its order.

    Left out are alleles off the panel, without molecules, noisy (null rate above `forced_max_background`, seen in the
    background's donors, in long repeats), inherited or of blood cells, and outliers: those with more molecules than the
    highest VAF of all others explains, unless the others alone are a detection. The VAF is that of greatest likelihood
    over all alleles and classes.
    """
    reasons = _left_out(answers, params)
    used = [a.candidate for a, reason in zip(answers, reasons, strict=True) if not reason and a.candidate]
    stack = _stacked(used)
    n_alt, n = int(stack.k.sum()), int(stack.n.sum())
    p = float(p_values(*stack, params.mrd_vaf)[0])
    estimate = [float(column[0]) for column in shared_vaf(stack.k, stack.n, stack.mean)]
    alpha = np.array([params.mrd_alpha])
    limits = panel_limits(
        stack.n, stack.mean, stack.size, alpha, params.mrd_vaf, params.mrd_min_molecules, threads
    )  # fmt: skip
    lob, lod95 = (_figure(float(column[0])) for column in limits)
    vaf, low, high = estimate if n else (None, None, None)
    left_out = tuple(
        LeftOut(**answer.listed._asdict(), reason=reason)
        for answer, reason in zip(answers, reasons, strict=True)
        if reason
    )
    return ForcedSummary(
        sample=sample, n_listed=len(answers), n_used=len(used), left_out=left_out, molecules=n, alt_molecules=n_alt,
        p_value=p, alpha=params.mrd_alpha,
        is_detected=_is_detected(stack, p, params),
        vaf=vaf, vaf_low=low, vaf_high=high, lob=lob, lod95=lod95,
        lod95_ppm=None if lod95 is None else lod95 * 1e6,
    )  # fmt: skip
