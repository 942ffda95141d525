"""Molecules of one sample mixed into another's, in memory: what `calibrate` calls on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.realign_alleles import ALT, OTHER, REF
from ctdna.kernels.tally import empty_counts, tally
from ctdna.model.evidence import TIERS, Allele, StoredReads
from ctdna.model.params.call import CallParams
from ctdna.stages.evidence import NO_LESIONS, REASONS, Evidence, stack_reads, take_reads, target_sites
from ctdna.stages.joining import NO_INDELS, Phasing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Mask = NDArray[np.bool_]
_GOLDEN, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_S30, _S27, _S31, _S11 = (np.uint64(n) for n in (30, 27, 31, 11))


def _mixed(words: Words) -> Words:
    """Return the finaliser of splitmix64 (Steele, Lea and Flood 2014), word by word."""
    z = (words ^ (words >> _S30)) * _FIRST
    z = (z ^ (z >> _S27)) * _SECOND
    out: Words = z ^ (z >> _S31)
    return out


def draws(keys: Words, *parts: int) -> Floats:
    """Return one uniform number, 0 <= u < 1, a molecule: a hash of its name and of the parts (64-bit words)."""
    state = np.zeros(1, np.uint64)
    for part in parts:
        state = _mixed((state ^ _mixed(np.array([part & 0xFFFFFFFFFFFFFFFF], np.uint64))) + _GOLDEN)
    out: Floats = (_mixed(_mixed(keys) ^ state) >> _S11).astype(np.float64) * 2.0**-53
    return out


def bits_of(value: float) -> int:
    """Return the 64 bits of a number, as a part of `draws`."""
    return int(np.array([value]).view(np.uint64)[0])


def _molecule_tiers(reads: StoredReads, molecules: Ints) -> Ints:
    """Return each molecule's tier where its strands are deepest, 0 to 3."""
    if len(molecules) < 2:
        return np.empty(0, np.int64)
    order = np.argsort(reads.cell_at, kind="stable")
    deepest = np.empty((2, len(reads.key)), np.int64)
    for strand, shift in enumerate((4, 6)):
        depth = (reads.cells >> shift) & 3
        deepest[strand, order] = np.maximum.reduceat(depth, reads.cell_at[order])
    one, other = np.maximum.reduceat(deepest, molecules[:-1], axis=1)
    alone = np.maximum(one, other)
    tiers: Ints = np.where((one > 0) & (other > 0), 0, np.where(alone >= 3, 1, np.where(alone == 2, 2, 3)))
    return tiers


def strata_of(evidence: Evidence) -> Ints:
    """Return each molecule's stratum, `region * 4 + tier`: what molecules of the two samples are exchanged within."""
    first = evidence.molecules[:-1]
    return evidence.reads.region[first] * len(TIERS) + _molecule_tiers(evidence.reads, evidence.molecules)


class Pool(NamedTuple):
    """The molecules of a base, then those of a spike."""

    base: Evidence
    reads: StoredReads
    molecules: Ints
    """n + 1 offsets into the reads."""
    is_spike: Mask
    stratum: Ints
    names: Words
    """Hashes of the molecules' names."""


def pooled(base: Evidence, spike: Evidence | None) -> Pool:
    """Return the molecules of both samples together."""
    parts = [base] if spike is None else [base, spike]
    reads = stack_reads([part.reads for part in parts]) if spike is not None else base.reads
    sizes = np.concatenate([np.diff(part.molecules) for part in parts])
    molecules = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    counts = [len(part.molecules) - 1 for part in parts]
    is_spike = np.repeat([False, True][: len(parts)], counts)
    return Pool(
        base, reads, molecules, is_spike, np.concatenate([strata_of(part) for part in parts]), reads.key[molecules[:-1]]
    )


class Chances(NamedTuple):
    """How likely each molecule of a pool is drawn for one mix."""

    of_molecule: Floats
    drawn_share: float
    """Share of the spike's molecules that a mix takes."""
    lost_share: float
    """Share of the wanted molecules that the spike lacks in their strata."""


def chances(pool: Pool, fraction: float, kept: float) -> Chances:
    """Return the chances for a mix in which `fraction` of the molecules come from the spike, of `kept` of the depth.

    Spiked molecules stand in for base molecules of the same region and tier, so that depth and tiers stay.
    """
    n_strata = int(pool.stratum.max(initial=0)) + 1
    n_base = np.bincount(pool.stratum[~pool.is_spike], minlength=n_strata)
    n_spike = np.bincount(pool.stratum[pool.is_spike], minlength=n_strata)
    wanted = kept * fraction * n_base
    drawn = np.minimum(wanted, n_spike)
    share = np.divide(drawn, n_spike, out=np.zeros(n_strata), where=n_spike > 0)
    out = np.where(pool.is_spike, share[pool.stratum], kept * (1.0 - fraction))
    lost = 1.0 - drawn.sum() / wanted.sum() if wanted.sum() > 0 else 0.0
    return Chances(out, float(drawn.sum() / max(1, n_spike.sum())), float(lost))


def mix(pool: Pool, chosen: Mask, params: CallParams) -> Evidence:
    """Return what the chosen molecules show on the panel, counted anew."""
    sizes = np.diff(pool.molecules)
    reads = take_reads(pool.reads, np.repeat(chosen, sizes))
    molecules = np.concatenate([[0], np.cumsum(sizes[chosen])]).astype(np.int64)
    regions = pool.base.panel.regions
    counts = empty_counts(len(regions.reference), len(molecules) - 1)
    tally(reads, molecules, regions, params.fragment_end_bases, counts)
    molecule_of = np.repeat(np.arange(len(molecules) - 1), sizes[chosen])
    return pool.base._replace(
        reads=reads, molecules=molecules, molecule_of=molecule_of, counts=counts,
        n_molecules=int(counts.is_counted.sum()), rejected=dict.fromkeys(REASONS, 0), lesions=NO_LESIONS,
    )  # fmt: skip


def mean_depth(evidence: Evidence) -> float:
    """Return the mean molecules per panel site."""
    slots = target_sites(evidence.panel)
    return float(evidence.counts.classes[slots].sum() / max(1, len(slots)))


class Weigher:
    """Answers what VAF an allele has among molecules drawn with given chances."""

    def __init__(self, base: Evidence, spike: Evidence, params: CallParams) -> None:
        """Keep the molecules of both samples."""
        self._phasing = [Phasing(one, params.fragment_end_bases, NO_INDELS) for one in (base, spike)]
        self._n_base = len(base.molecules) - 1

    def counts(self, allele: Allele, i_sample: int) -> tuple[int, int]:
        """Return the molecules with the allele, and all that decide about it: of the base (0) or the spike (1)."""
        verdict = self._phasing[i_sample].verdicts(allele).verdict
        return int((verdict == ALT).sum()), int(np.isin(verdict, (ALT, REF, OTHER)).sum())

    def vaf(self, allele: Allele, of_molecule: Floats) -> float:
        """Return the spike's molecules with the allele that are to be expected, over all that decide about it."""
        informative, alt = 0.0, 0.0
        for i_sample, phasing in enumerate(self._phasing):
            found = phasing.verdicts(allele)
            chance = of_molecule[found.molecule + i_sample * self._n_base]
            informative += float(chance[np.isin(found.verdict, (ALT, REF, OTHER))].sum())
            alt += float(chance[found.verdict == ALT].sum()) if i_sample else 0.0
        return alt / informative if informative else 0.0
