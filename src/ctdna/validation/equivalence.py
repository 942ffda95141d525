"""Whether a replay shows that results are the same: agreement, bias, limits, verdict."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ctdna.model.change import Tables
from ctdna.model.equivalence import (
    Agreement,
    CallState,
    Check,
    ComparedRun,
    Equivalence,
    EquivalenceVerdict,
    Outcome,
    Rate,
    VafComparison,
)
from ctdna.model.impact import Acceptance
from ctdna.model.params.qc import VariantClass
from ctdna.validation.agreement import compare_vafs, rate
from ctdna.validation.compare import AllelePair, Compared

_CLASSES: tuple[VariantClass | None, ...] = (None, "snv", "indel", "mnv")
_RANK: tuple[Outcome, ...] = ("pass", "not_shown", "fail")
_VERDICTS: dict[Outcome, EquivalenceVerdict] = {
    "pass": "equivalent",
    "not_shown": "not_shown",
    "fail": "not_equivalent",
}


class Limits(NamedTuple):
    """The limits of acceptance, and where they come from."""

    values: Acceptance
    own: tuple[str, ...]
    """Those given by option."""
    rules: Tables


def _states(pairs: Iterable[AllelePair]) -> list[tuple[CallState, CallState]]:
    return [(pair.baseline, pair.candidate) for pair in pairs]


def _sample_states(pairs: Iterable[AllelePair]) -> list[tuple[CallState, CallState]]:
    """Return each sample as one state: detected with any allele, no call where nothing could be said."""
    by_sample: dict[str, tuple[set[CallState], set[CallState]]] = {}
    for pair in pairs:
        seen = by_sample.setdefault(pair.sample, (set(), set()))
        seen[0].add(pair.baseline)
        seen[1].add(pair.candidate)
    order: tuple[CallState, ...] = ("DETECTED", "NOT_DETECTED", "NO_CALL")

    def state(seen: set[CallState]) -> CallState:
        return next(one for one in order if one in seen)

    return [(state(old), state(new)) for old, new in by_sample.values()]


def _agreement(
    states: list[tuple[CallState, CallState]], unit: str, one: VariantClass | None, confidence: float
) -> Agreement:
    valid = [pair for pair in states if "NO_CALL" not in pair]
    positive = [new for old, new in valid if old == "DETECTED"]
    negative = [new for old, new in valid if old == "NOT_DETECTED"]
    n_positive, n_negative = positive.count("DETECTED"), negative.count("NOT_DETECTED")
    return Agreement(
        unit="locus" if unit == "locus" else "sample",
        variant_class=one,
        ppa=rate(n_positive, len(positive), confidence),
        npa=rate(n_negative, len(negative), confidence),
        opa=rate(n_positive + n_negative, len(valid), confidence),
        n_no_call_both=states.count(("NO_CALL", "NO_CALL")),
        n_no_call_baseline=sum(old == "NO_CALL" != new for old, new in states),
        n_no_call_candidate=sum(new == "NO_CALL" != old for old, new in states),
        n_detected_lost_to_no_call=states.count(("DETECTED", "NO_CALL")),
    )


def agreements(pairs: tuple[AllelePair, ...], confidence: float) -> tuple[Agreement, ...]:
    """Return the agreement over loci, all and by class, then over samples, all."""
    loci = [
        _agreement(_states(pair for pair in pairs if one in (None, pair.variant_class)), "locus", one, confidence)
        for one in _CLASSES
    ]
    samples = _agreement(_sample_states(pairs), "sample", None, confidence)
    return (*(one for one in loci if one.variant_class is None or one.n_units), samples)


def vafs_of(pairs: Iterable[AllelePair], confidence: float) -> VafComparison:
    """Return the comparison of VAFs of alleles detected in both."""
    detected = [pair for pair in pairs if pair.baseline == pair.candidate == "DETECTED"]
    both = [(one.vaf_baseline, one.vaf_candidate) for one in detected if one.vaf_baseline and one.vaf_candidate]
    values = np.array(both, dtype=np.float64).reshape(-1, 2)
    return compare_vafs(values[:, 0].copy(), values[:, 1].copy(), confidence)


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{100 * value:.2f} %"


def _rate_check(name: str, found: Rate, least: float, least_low: float) -> Check:
    told = f"{found.n_agree} of {found.n}"
    if found.value is not None:
        told += f" ({_percent(found.value)}, interval from {_percent(found.low)})"
    what = "positive" if name == "ppa" else "negative"
    if found.value is None or found.low is None:
        outcome: Outcome = "not_shown"
        reason = f"No {what} result of the archived runs could be compared."
    elif found.value < least:
        outcome, reason = "fail", f"Fewer {what} results were found again than the limit allows."
    elif found.low < least_low:
        outcome, reason = "not_shown", f"Too few {what} results to show it: compare more runs."
    else:
        outcome, reason = "pass", f"{what.capitalize()} results were found again."
    return Check(
        name="ppa" if name == "ppa" else "npa",
        found=told,
        allowed=f"at least {_percent(least)}, lower end at least {_percent(least_low)}",
        outcome=outcome,
        reason=reason,
    )


def _vaf_check(vaf: VafComparison, limits: Acceptance) -> Check:
    bias, largest = vaf.relative_bias, limits.max_vaf_bias
    found = f"{vaf.n} pairs"
    outcome: Outcome = "pass"
    reason = "VAFs are the same within the limit."
    if bias is not None:
        found += f", mean relative difference {_percent(bias.value)}"
        if bias.low is not None and bias.high is not None:
            found += f" (interval {_percent(bias.low)} to {_percent(bias.high)})"
    if bias is not None and abs(bias.value) > largest:
        outcome, reason = "fail", "VAFs are shifted by more than the limit."
    elif bias is None or vaf.n < limits.min_vaf_pairs:
        outcome, reason = "not_shown", "Too few alleles detected in both: compare more runs."
    elif bias.low is None or bias.high is None or bias.low < -largest or bias.high > largest:
        outcome, reason = "not_shown", "The interval of the mean difference reaches over the limit: compare more runs."
    allowed = f"within {_percent(largest)} with its interval, from {limits.min_vaf_pairs} pairs on"
    return Check(name="vaf_bias", found=found, allowed=allowed, outcome=outcome, reason=reason)


def _no_call_check(all_loci: Agreement, limits: Acceptance) -> Check:
    n = all_loci.n_units
    rise = (all_loci.n_no_call_candidate - all_loci.n_no_call_baseline) / n if n else 0.0
    is_good = rise <= limits.max_invalid_rise
    lost = all_loci.n_detected_lost_to_no_call
    return Check(
        name="no_calls",
        found=f"{all_loci.n_no_call_candidate} new, {all_loci.n_no_call_baseline} gone, of {n} (rise {_percent(rise)})",
        allowed=f"rise of at most {_percent(limits.max_invalid_rise)}",
        outcome="pass" if is_good else "fail",
        reason=f"{lost} of the new ones had been detected." if lost else "None of the new ones had been detected.",
    )


def _verdict_check(n_changed: int, n_samples: int, limits: Acceptance) -> Check:
    is_good = n_changed <= limits.max_changed_verdicts
    return Check(
        name="verdicts",
        found=f"{n_changed} of {n_samples} samples have another verdict of quality control",
        allowed=f"at most {limits.max_changed_verdicts}",
        outcome="pass" if is_good else "fail",
        reason="Samples are accepted and refused alike." if is_good else "Other samples are accepted or refused.",
    )


def _runs_check(runs: tuple[ComparedRun, ...], compared: tuple[Compared, ...]) -> Check:
    failed = [run.run_id for run in runs if run.failure is not None]
    foreign = [run.run_id for run in runs if _is_foreign(run)]
    alone = [sample for one in compared for sample in one.alone]
    n_samples = sum(len(one.samples) for one in compared)
    reasons = [
        *([f"Runs that could not be compared: {', '.join(failed)}."] if failed else []),
        *([f"Runs on another reference: {', '.join(foreign)}."] if foreign else []),
        *([f"Samples with a result on one side only: {', '.join(alone)}."] if alone else []),
    ]
    outcome: Outcome = "fail" if reasons else "pass" if n_samples else "not_shown"
    return Check(
        name="runs",
        found=f"{len(runs)} runs, {n_samples} samples with a result on both sides",
        allowed="every run and every sample of it, on the same reference",
        outcome=outcome,
        reason=" ".join(reasons) or ("Nothing is missing." if n_samples else "No sample has a result."),
    )


def _is_foreign(run: ComparedRun) -> bool:
    return run.candidate is not None and run.candidate.reference != run.baseline.reference


def _checks(
    runs: tuple[ComparedRun, ...],
    compared: tuple[Compared, ...],
    found: tuple[Agreement, ...],
    vaf: VafComparison,
    limits: Acceptance,
) -> Iterator[Check]:
    loci = found[0]
    yield _runs_check(runs, compared)
    yield _rate_check("ppa", loci.ppa, limits.min_ppa, limits.min_ppa_low)
    yield _rate_check("npa", loci.npa, limits.min_npa, limits.min_npa_low)
    yield _no_call_check(loci, limits)
    yield _vaf_check(vaf, limits)
    yield _verdict_check(
        sum(one.n_changed_verdicts for one in compared), sum(len(one.samples) for one in compared), limits
    )


def _reason(checks: tuple[Check, ...], outcome: Outcome, n_differences: int) -> str:
    if outcome == "pass":
        return f"Every limit is kept; {n_differences} differences are listed." if n_differences else "Nothing differs."
    return " ".join(check.reason for check in checks if check.outcome == outcome)


def equivalence_of(runs: tuple[ComparedRun, ...], compared: tuple[Compared, ...], limits: Limits) -> Equivalence:
    """Return the whole comparison with its verdict.

    Not equivalent where a limit is missed; not shown where none is, but there is too little to show it; else
    equivalent. No calls are counted apart and enter no agreement.
    """
    values = limits.values
    pairs = tuple(pair for one in compared for pair in one.pairs)
    found = agreements(pairs, values.confidence)
    vaf = vafs_of(pairs, values.confidence)
    checks = tuple(_checks(runs, compared, found, vaf, values))
    outcome = _RANK[max(_RANK.index(check.outcome) for check in checks)]
    differences = tuple(difference for one in compared for difference in one.differences)
    return Equivalence(
        rules=limits.rules,
        limits=values,
        own_limits=limits.own,
        runs=runs,
        n_samples=sum(len(one.samples) for one in compared),
        n_loci=len(pairs),
        n_figures=sum(one.n_figures for one in compared),
        agreement=found,
        vaf=vaf,
        checks=checks,
        verdict=_VERDICTS[outcome],
        reason=_reason(checks, outcome, len(differences)),
        differences=differences,
    )
