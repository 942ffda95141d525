"""The self-check of calling: dilutions in memory show whether LoD95 and the false positive rate are as stated."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ctdna.kernels.power import detection_chances
from ctdna.model.calibration import Calibration, Trial
from ctdna.model.errors import InputError
from ctdna.model.evidence import Allele
from ctdna.model.params.calibrate import CalibrateParams
from ctdna.model.params.call import CallParams
from ctdna.stages.calibration.blanks import Blank, blanks_of, read_blank
from ctdna.stages.calibration.conclusions import conclude
from ctdna.stages.calibration.dilution import Pool, Weigher, bits_of, chances, draws, mean_depth, mix, pooled
from ctdna.stages.calibration.rules import Rules, allele_of, is_detected, normal_form
from ctdna.stages.candidates import make_change, on_target
from ctdna.stages.evidence import Evidence
from ctdna.stages.judging import Candidate

MOST_LOST = 0.01
"""A mix may lack at most this share of the molecules it wants."""
_DILUTED, _UNMIXED = 1, 2


class Source(NamedTuple):
    """A sample to mix."""

    name: str
    evidence: Evidence


class Calibrated(NamedTuple):
    """The answer, and the trials it rests on."""

    report: Calibration
    trials: tuple[Trial, ...]


class _Arm(NamedTuple):
    """One base at one depth, with the alleles to follow in it."""

    base: str
    depth: str
    kept: float
    """Share of the base's molecules."""
    pool: Pool
    weigher: Weigher
    alleles: list[Allele]


def donor_alleles(spike: Evidence, rules: Rules, truth: Sequence[Allele] | None) -> tuple[list[Allele], dict[str, int]]:
    """Return the alleles to follow, sorted, and how many of `truth` are left out, by reason.

    Those of `truth` on the panel that are called in the spike itself; without `truth` (None), every allele called there
    at the VAF of germline or above.
    """
    panel = spike.panel
    called = {allele_of(panel, variant): variant for variant in rules.call(spike).variants}
    clear = {allele for allele, variant in called.items() if is_detected(variant)}
    if truth is None:
        chosen = {allele for allele in clear if called[allele].vaf >= rules.params.germline_vaf}
        return sorted(chosen), {"off_panel": 0, "not_called_in_spike": 0}
    on_panel = {normal_form(panel, a) for a in truth if a.slot >= 0 and on_target(panel, make_change(panel, a))}
    lost = {"off_panel": len(set(truth)) - len(on_panel), "not_called_in_spike": len(on_panel - clear)}
    return sorted(on_panel & clear), lost


def _depths(evidence: Evidence, params: CalibrateParams, name: str) -> Iterator[tuple[str, float]]:
    """Return the names of the depths and the share of the base's molecules that each keeps."""
    mean = mean_depth(evidence)
    if not params.depths:
        yield "all", 1.0
    for depth in params.depths:
        if depth > mean:
            what = f"found {depth:g}, but {name} has {mean:.6g} molecules per site"
            raise InputError(None, "--depths", what, "give smaller depths")
        yield f"{depth:g}", depth / mean


def _fractions(arm: _Arm, rules: Rules, params: CalibrateParams) -> tuple[float, ...]:
    """Return the given fractions, or those that lay the median allele at the multiples of its LoD95."""
    if params.fractions:
        return params.fractions
    chosen = draws(arm.pool.names, params.seed, _UNMIXED) < arm.kept
    unmixed = mix(arm.pool, chosen & ~arm.pool.is_spike, rules.params)
    limits = rules.limits(rules.judged(unmixed, arm.alleles))
    shares = [n_alt / n for n_alt, n in (arm.weigher.counts(allele, 1) for allele in arm.alleles)]
    at = [lod95 / share for lod95, share in zip(limits, shares, strict=True) if not np.isnan(lod95)]
    if not at:
        return ()
    return tuple(float(f"{min(0.5, multiple * float(np.median(at))):.4g}") for multiple in params.multiples)


def _expected(candidates: Sequence[Candidate], vaf: Sequence[float], params: CallParams) -> list[float]:
    n = np.array([c.counts.depth for c in candidates], dtype=np.int64)
    mean, size = (np.array([getattr(c, name) for c in candidates]) for name in ("mean", "size"))
    alpha, out = np.array([c.alpha for c in candidates]), np.empty(len(candidates))
    detection_chances(n, mean, size, params.claimed_lod, alpha, params.min_alt_molecules, np.array(vaf), out)
    return [float(chance) for chance in out]


def _trials(arm: _Arm, fraction: float, replicate: int, rules: Rules, params: CalibrateParams) -> list[Trial]:
    """Return the trials of one mix."""
    found = chances(arm.pool, fraction, arm.kept)
    u = draws(arm.pool.names, params.seed, _DILUTED, replicate, bits_of(fraction), bits_of(arm.kept))
    mixed = mix(arm.pool, u < found.of_molecule, rules.params)
    called = {allele_of(mixed.panel, variant): variant for variant in rules.call(mixed).variants}
    judged = rules.judged(mixed, arm.alleles)
    vafs = [arm.weigher.vaf(allele, found.of_molecule) for allele in arm.alleles]
    limits, expected = rules.limits(judged), _expected(judged, vafs, rules.params)
    trials = []
    for i, allele in enumerate(arm.alleles):
        variant, lod95 = called.get(allele), limits[i]
        is_found = is_detected(variant)
        reason = "." if is_found else (",".join(variant.filters) if variant else "unseen")
        contig, pos0 = mixed.panel.place(allele.slot)
        trials.append(Trial(
            arm.base, arm.depth, fraction, replicate, mixed.panel.contigs[contig], pos0 + 1, allele.ref, allele.alt,
            allele.variant_class, *arm.weigher.counts(allele, 1), vafs[i], judged[i].n_alt, judged[i].depth,
            None if np.isnan(lod95) else lod95, expected[i], is_found, reason,
        ))  # fmt: skip
    return trials


def _check_supply(arm: _Arm, fraction: float, params: CalibrateParams) -> None:
    found = chances(arm.pool, fraction, arm.kept)
    if found.drawn_share > params.max_drawn_share or found.lost_share > MOST_LOST:
        what = f"fraction {fraction:g} takes {found.drawn_share:.0%} of the spike's molecules"
        what += f" and lacks {found.lost_share:.1%} of those it wants"
        raise InputError(None, "--spike", what, "give smaller --fractions, --multiples or --depths, or a deeper spike")


def _trials_of(arm: _Arm, rules: Rules, params: CalibrateParams) -> list[Trial]:
    """Return the trials of all mixes of an arm."""
    if not arm.alleles:
        return []
    fractions = _fractions(arm, rules, params)
    for fraction in fractions:
        _check_supply(arm, fraction, params)
    mixes = [(fraction, replicate) for fraction in fractions for replicate in range(params.replicates)]
    alone = rules._replace(threads=1)

    def trials_of(one: tuple[float, int]) -> list[Trial]:
        return _trials(arm, one[0], one[1], alone, params)

    with ThreadPoolExecutor(rules.threads) as pool:
        return [trial for trials in pool.map(trials_of, mixes) for trial in trials]


def _blanks(base: Source, pool: Pool, rules: Rules, params: CalibrateParams, known: Sequence[Allele]) -> list[Blank]:
    """Return the unmixed samples of a base: of each depth, so many as share no molecule."""
    out = []
    u = draws(pool.names, params.seed, _UNMIXED)
    for depth, kept in _depths(base.evidence, params, base.name):
        for replicate in range(max(1, min(params.replicates, int(1.0 / kept + 1e-9)))):
            chosen = (u >= replicate * kept) & (u < (replicate + 1) * kept) & ~pool.is_spike
            sample = mix(pool, chosen, rules.params)
            out.append(read_blank((base.name, depth, replicate), sample, rules, known))
    return out


def _arms(base: Source, spike: Source, pool: Pool, alleles: list[Allele], rules: Rules, params: CalibrateParams) -> (
    list[_Arm]
):  # fmt: skip
    weigher = Weigher(base.evidence, spike.evidence, rules.params)
    absent = [a for a in alleles if weigher.counts(a, 0)[0] < max(1, rules.params.evidence_floor)]
    depths = _depths(base.evidence, params, base.name)
    return [_Arm(base.name, depth, kept, pool, weigher, absent) for depth, kept in depths]


def calibrate(
    bases: Sequence[Source],
    spike: Source | None,
    truth: Sequence[Allele] | None,
    known: Sequence[Allele],
    rules: Rules,
    params: CalibrateParams,
) -> Calibrated:
    """Return whether known alleles of the spike, diluted into the bases, are called as often as the model says, and
    how often the unmixed bases give false calls.

    Arguments:
        truth: the spike's alleles; None: its own germline.
        known: alleles that the bases are known to hold; calls of them are not false.

    Raises:
        InputError: a depth is above a base's; the spike has too few molecules for a fraction.
    """
    alleles, lost = donor_alleles(spike.evidence, rules, truth) if spike else ([], {})
    found = [normal_form(bases[0].evidence.panel, allele) for allele in known if allele.slot >= 0]
    trials: list[Trial] = []
    blanks: list[Blank] = []
    followed: dict[str, int] = {}
    rejected: dict[str, dict[str, int]] = {}
    for base in bases:
        pool = pooled(base.evidence, spike.evidence if spike else None)
        blanks += _blanks(base, pool, rules, params, found)
        arms = _arms(base, spike, pool, alleles, rules, params) if spike else []
        for arm in arms:
            followed[base.name] = len(arm.alleles)
            rejected[base.name] = lost | {"in_base": len(alleles) - len(arm.alleles)}
            trials += _trials_of(arm, rules, params)
    names, report_on = tuple(base.name for base in bases), spike.name if spike else None
    report = conclude(names, report_on, followed, rejected, trials, blanks_of(blanks, params), params)
    return Calibrated(report, tuple(trials))
