"""Candidates as the records that outputs hold."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ctdna.model.evidence import Panel
from ctdna.model.params.call import CallParams
from ctdna.model.variants import CalledVariant
from ctdna.stages.candidates import make_change
from ctdna.stages.judging import Candidate, filters_of, state_of, zygosity_of
from ctdna.stats.posterior import presence


def posteriors(candidates: Sequence[Candidate], params: CallParams) -> NDArray[np.float64]:
    """Return the probability of each candidate that its allele is present."""
    if not candidates:
        return np.empty(0)
    k, n = (np.array([getattr(c.counts, name) for c in candidates], dtype=np.int64) for name in ("alt", "depth"))
    mean, size = (np.array([getattr(c, name) for c in candidates]) for name in ("mean", "size"))
    prior = np.array([params.prior_hotspot if c.label or c.identifier else params.prior_elsewhere for c in candidates])
    return presence(k, n, mean, size, prior, params.prior_least_vaf)


def _target_name(panel: Panel, candidate: Candidate) -> str:
    change = make_change(panel, candidate.allele)
    near = panel.regions.target[change.slot - 1 : change.slot + max(1, change.n_deleted)]
    target = near[near >= 0]
    return panel.targets.names[target[-1 if len(target) == 1 else min(1, len(target) - 1)]] if len(target) else "."


def _parts(panel: Panel, candidate: Candidate) -> tuple[str, ...]:
    return tuple(f"{panel.place(part.slot)[1] + 1}:{part.ref}>{part.alt}" for part in candidate.parts)


def variant_record(
    panel: Panel, candidate: Candidate, q: float, posterior: float, limits: tuple[float, float], params: CallParams
) -> CalledVariant:
    """Return the record of a candidate that is marked; `limits`: LoB and LoD95, NaN where there is none."""
    contig, pos0 = panel.place(candidate.allele.slot)
    counts, ref = candidate.counts, candidate.counts.ref.reshape(-1, 2).sum(axis=1)
    alt = counts.alt.reshape(-1, 2).sum(axis=1)
    strands = counts.strands.ravel().tolist()
    lob, lod95 = limits
    filters = filters_of(candidate, params)
    assert candidate.estimate is not None
    state, reason = state_of(candidate.depth, candidate.n_alt, filters, lod95, params)
    return CalledVariant(
        panel.contigs[contig], pos0 + 1, candidate.allele.ref, candidate.allele.alt, filters,
        _target_name(panel, candidate), bool(candidate.label), candidate.allele.variant_class, candidate.p_value, q,
        candidate.background, None if np.isnan(lob) else lob, None if np.isnan(lod95) else lod95,
        _parts(panel, candidate), candidate.depth, int(counts.ref.sum()), candidate.n_alt, candidate.vaf,
        candidate.estimate.low, candidate.estimate.high,
        tuple((int(r), int(a)) for r, a in zip(ref, alt, strict=True)),
        (strands[0], strands[1], strands[2], strands[3]),
        vaf_estimate=candidate.estimate.vaf, posterior=posterior, origin=candidate.origin,
        zygosity=zygosity_of(candidate, params) if "germline" in filters else "", white=candidate.white,
        state=state, reason=reason, is_forced=bool(candidate.identifier), identifier=candidate.identifier or ".",
    )  # fmt: skip
