"""False positives: what is called in samples that hold nothing but their own germline."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.calibration import Blanks, FalseCall, LevelCount
from ctdna.model.evidence import Allele
from ctdna.model.params.calibrate import CalibrateParams
from ctdna.stages.calibration.rules import Rules, allele_of, is_detected
from ctdna.stages.evidence import Evidence
from ctdna.stages.rates import CLEAR_VAF, own_rates, site_p_values, site_table, tested
from ctdna.stats.exact import poisson_interval


class Blank(NamedTuple):
    """One unmixed sample."""

    n_sites: int
    calls: tuple[FalseCall, ...]
    p_values: NDArray[np.float64]
    """Of every substitution that is no clear allele."""
    stated: float
    """False calls that the parameters allow in one such sample."""


def _stated(rules: Rules, n_hotspots: int, alpha: float) -> float:
    """Return the false calls allowed in one sample: those of the panel and, at their own level, of the hotspots."""
    more = max(0.0, rules.params.hotspot_alpha - alpha)
    return rules.params.false_positives_per_panel + more * n_hotspots


def _p_values(sample: Evidence, rules: Rules, known: frozenset[Allele]) -> NDArray[np.float64]:
    sites = site_table(sample)
    mean, size = own_rates(sites, sample.panel, rules.trained, rules.params)
    depth = np.maximum(1, sites.n.sum(axis=1))[:, None]
    is_error = tested(sites) & (sites.k.sum(axis=2) < np.maximum(2.0, CLEAR_VAF * depth))
    for allele in known:
        i = int(np.searchsorted(sites.slots, allele.slot))
        if allele.variant_class == "snv" and i < len(sites.slots) and sites.slots[i] == allele.slot:
            is_error[i, "ACGT".index(allele.alt)] = False
    errors: NDArray[np.float64] = site_p_values(sites, mean, size, rules.params.claimed_lod)[is_error]
    return errors


def read_blank(name: tuple[str, str, int], sample: Evidence, rules: Rules, known: Sequence[Allele]) -> Blank:
    """Return what is called in an unmixed sample; `name`: base, depth, replicate."""
    result = rules.call(sample)
    left_out = frozenset(known)
    found = tuple(
        FalseCall(
            base=name[0], depth=name[1], replicate=name[2], contig=v.contig, pos1=v.pos1, ref=v.ref, alt=v.alt,
            vaf=v.vaf, n_alt=v.n_alt,
        )
        for v in result.variants
        if is_detected(v) and "germline" not in v.filters and allele_of(sample.panel, v) not in left_out
    )  # fmt: skip
    n_hotspots = len(set(result.loci.hotspot) - {"."})
    stated = _stated(rules, n_hotspots, result.metrics.values["alpha"])
    return Blank(result.metrics.counts["sites"], found, _p_values(sample, rules, left_out), stated)


def _level(level: float, samples: Sequence[Blank], params: CalibrateParams) -> LevelCount:
    n = sum(len(sample.p_values) for sample in samples)
    seen = sum(int((sample.p_values <= level).sum()) for sample in samples)
    low, high = poisson_interval(seen, params.confidence)
    return LevelCount(level=level, tests=n, expected=n * level, observed=seen, observed_low=low, observed_high=high)


def blanks_of(samples: Sequence[Blank], params: CalibrateParams) -> Blanks:
    """Return the calls of all unmixed samples per megabase, with what the parameters allow."""
    calls = tuple(found for sample in samples for found in sample.calls)
    low, high = poisson_interval(len(calls), params.confidence)
    n_bases = sum(sample.n_sites for sample in samples)
    per_mb = 1e6 / max(1, n_bases)
    return Blanks(
        samples=len(samples), bases=n_bases, calls=calls, per_mb=len(calls) * per_mb, per_mb_low=low * per_mb,
        per_mb_high=high * per_mb, stated_per_mb=sum(sample.stated for sample in samples) * per_mb,
        levels=tuple(_level(level, samples, params) for level in params.p_levels),
    )  # fmt: skip
