"""Columns of the simulator: what its kernels read and fill.

Bases are codes 0 to 3 for A, C, G, T. Positions stand in one coordinate over all contigs, one after the other.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = (2, 12, 23, 37)
"""Phred quality of each quality bin; bin 0 is the no-call."""
NO_SAMPLE = -1
"""Sample of a cluster of the spiked control, of an unknown index, or of an empty well."""


class Genome(NamedTuple):
    """The reference."""

    bases: NDArray[np.uint8]
    """Codes of all contigs, one after the other."""
    offsets: NDArray[np.int64]
    """n + 1 contig starts."""


class Alleles(NamedTuple):
    """The variants that molecules of one sample may carry, at most 64, by position."""

    pos: NDArray[np.int64]
    """First reference base."""
    n_ref: NDArray[np.int64]
    """Reference bases replaced."""
    bases: NDArray[np.uint8]
    """Codes of all alternate alleles, one after the other."""
    offsets: NDArray[np.int64]
    """n + 1 offsets into `bases`."""
    p_carry: NDArray[np.float64]
    """(4, n): chance that a molecule carries it, by source (the sample's haplotypes 0 and 1, the contaminant's)."""


class Capture(NamedTuple):
    """The panel and where molecules come from."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    """Targets, half-open."""
    share: NDArray[np.float64]
    """Cumulative share of the on-target molecules, by target."""
    lengths: NDArray[np.float64]
    """Cumulative share of the fragment lengths, from `first_length` on."""
    first_length: int
    off_target: float
    contaminated: float
    """Share of molecules of the contaminant."""


class Amplification(NamedTuple):
    """Rates of strand loss, amplification and damage; see `model.params.simulate.Process`."""

    reads_per_strand: float
    strand_loss: float
    molecule_sigma: float
    oxidation: float
    deamination: float
    end_repair: float
    end_repair_bases: int
    pcr_error: float
    early_cycles: int
    late_cycles: int
    stutter: float
    damaged: float
    damaged_oxidation: float
    damaged_deamination: float
    damaged_bases: int
    jackpot: float


class Molecules(NamedTuple):
    """n double-stranded molecules."""

    start: NDArray[np.int64]
    """First base; of a fragment that begins within inserted bases, counted from the allele's first one."""
    n_bases: NDArray[np.int64]
    """Length; 0: an adapter dimer."""
    source: NDArray[np.uint8]
    """Row of `Alleles.p_carry`."""
    covers: NDArray[np.uint64]
    """Bit i: the molecule holds allele i, or the reference's bases there, to beyond the middle."""
    carries: NDArray[np.uint64]
    """Bit i: bases of allele i are in the molecule."""
    reads: NDArray[np.int64]
    """(n, 2) read pairs from the top and the bottom strand."""


class Sequencing(NamedTuple):
    """How bases become calls."""

    quality: NDArray[np.float64]
    """(3, n_cycles, 4) cumulative share of each quality bin, for good, poor and failing reads, by cycle of the run."""
    error: NDArray[np.float64]
    """(4,) chance of a wrong base, by bin."""
    poor: float
    spacer: NDArray[np.uint8]
    """Codes of the bases between UMI and insert."""
    adapters: NDArray[np.uint8]
    """(2, n) codes read after the insert's end by read 1 and read 2."""
    barcodes: NDArray[np.uint8]
    """(n_samples, n_index bases) codes of both indexes, one after the other."""
    n_index1: int
    n_umi: int
    n_read: int
    """Cycles of read 1, and of read 2."""
    hopping: float
    cycle_scale: NDArray[np.float64]
    """(n_cycles,) factor on the error rate, by cycle of the run."""
    after_gg: float
    after_run: float
    """Factors on the error rate of a base after GG, and after four equal bases."""
    dark: float
    """Chance that a base gives no signal and is read as G at its quality."""


class Clusters(NamedTuple):
    """n clusters, in the order of the flow cell."""

    calls: NDArray[np.uint8]
    """(n, n_cycles): base code in bits 0 and 1, quality bin in bits 2 and 3; 0 is a no-call. Cycles stand in the order
    of the run: read 1, index 1, index 2, read 2."""
    sample: NDArray[np.int32]
    """The design's sample, or `NO_SAMPLE`."""
    passes: NDArray[np.bool_]
    """Whether the cluster passes the sequencer's filter."""


class Truth(NamedTuple):
    """One allele of a sample, and the molecules that show it."""

    contig: str
    pos1: int
    ref: str
    alt: str
    kind: str
    """`planted`, `germline_het`, `germline_hom` or `contaminant`."""
    label: str
    vaf: float
    """As planted; for germline and contaminant alleles, as expected."""
    n_covering: int
    n_carrying: int
    """Molecules that cover the allele's place, and those of them that carry it."""
    n_seen_covering: int
    n_seen_carrying: int
    """Those of them with at least one read pair."""
