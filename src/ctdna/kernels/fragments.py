"""The simulator's fragments: pieces of a chromosome with its alleles, each as long as any other."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.jit import kernel
from ctdna.kernels.random_stream import Int, unit
from ctdna.model.simulated import Alleles, Genome, Molecules

_ONE = np.uint64(1)


@kernel
def _middle(first: Int, n: Int, n_other: Int) -> tuple[Int, Int]:
    """Return the bases that a fragment must hold to cover an allele: all of a substitution, else the middle two.

    `n` bases from `first` stand where the other allele has `n_other`. The middle of both is equally long, so that
    fragments of either allele have the same chance to cover it.
    """
    if n == n_other:
        return first, first + n
    return first + (n >> 1) - 1, first + (n >> 1) + 1


@kernel
def choose_alleles(state: NDArray[np.uint64], genome: Genome, alleles: Alleles, molecules: Molecules, i: int) -> None:
    """Draw the alleles of molecule i: a piece of its haplotype, as long as any other, from its start on.

    Places on the haplotype are counted from the fragment's start. None begins within deleted bases; where one begins
    within inserted bases, its start is as many bases right of the allele's first one.
    """
    start, end = molecules.start[i], molecules.start[i] + molecules.n_bases[i]
    contig_end = genome.offsets[np.searchsorted(genome.offsets, start, side="right")]
    taken_to, grown = np.int64(0), np.int64(0)
    for allele in range(len(alleles.pos)):
        pos, n_ref = alleles.pos[allele], alleles.n_ref[allele]
        first, n_alt = alleles.offsets[allele], alleles.offsets[allele + 1] - alleles.offsets[allele]
        here = pos + grown
        if here >= end or max(here + n_ref, here + n_alt) <= start or pos < taken_to:
            continue
        is_alt = unit(state) < alleles.p_carry[molecules.source[i], allele]
        is_alt &= here + n_alt > start and end - grown - n_alt + n_ref <= contig_end
        common = np.int64(0)
        while common < min(n_ref, n_alt) and alleles.bases[first + common] == genome.bases[pos + common]:
            common += 1
        n, n_other = (n_alt, n_ref) if is_alt else (n_ref, n_alt)
        low, high = _middle(here + common, n - common, n_other - common)
        bit = _ONE << np.uint64(allele)
        if start <= low and high <= end:
            molecules.covers[i] |= bit
        if is_alt:
            molecules.carries[i] |= bit
            taken_to = pos + n_ref
            grown += n_alt - n_ref


@kernel
def build_template(
    genome: Genome, alleles: Alleles, start: int, n_bases: Int, carries: np.uint64, out: NDArray[np.uint8]
) -> Int:
    """Fill `out` with the fragment's top strand, `n_bases` of its haplotype from `start` on, and return its length."""
    n, pos = np.int64(0), np.int64(start)
    for allele in range(len(alleles.pos)):
        if not (carries >> np.uint64(allele)) & _ONE:
            continue
        while pos < alleles.pos[allele] and n < n_bases:
            out[n] = genome.bases[pos]
            n, pos = n + 1, pos + 1
        for at in range(alleles.offsets[allele] + pos - alleles.pos[allele], alleles.offsets[allele + 1]):
            if n < n_bases:
                out[n] = alleles.bases[at]
                n += 1
        pos = alleles.pos[allele] + alleles.n_ref[allele]
    while n < n_bases:
        out[n] = genome.bases[pos]
        n, pos = n + 1, pos + 1
    return n


def warm() -> None:
    """Compile every kernel of this module on one fragment."""
    genome = Genome(np.zeros(40, np.uint8), np.array([0, 40], np.int64))
    none = np.zeros(0, np.int64)
    alleles = Alleles(none, none, np.zeros(0, np.uint8), np.zeros(1, np.int64), np.zeros((4, 0)))
    molecules = Molecules(
        np.zeros(1, np.int64), np.full(1, 20), np.zeros(1, np.uint8), np.zeros(1, np.uint64), np.zeros(1, np.uint64),
        np.zeros((1, 2), np.int64),
    )  # fmt: skip
    with np.errstate(over="ignore"):
        choose_alleles(np.zeros(1, np.uint64), genome, alleles, molecules, 0)
    build_template(genome, alleles, 0, 20, np.uint64(0), np.zeros(40, np.uint8))
