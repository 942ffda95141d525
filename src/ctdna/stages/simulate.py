"""Make the clusters of a simulated run and their truth; see docs/stages/simulate.md for the error process."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.simulate import call_molecules, call_others, draw_molecules
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.simulate import SimulateDesign, SimulatedSample
from ctdna.model.simulated import NO_SAMPLE, Alleles, Amplification, Clusters, Genome, Molecules, Sequencing, Truth
from ctdna.stages.simulation.alleles import Carried, Panel, allele_columns, carried_alleles
from ctdna.stages.simulation.seeds import seed_key, seed_permutation
from ctdna.stages.simulation.tables import (
    amplification_rates,
    capture_columns,
    control_bases,
    sequencing_columns,
)

_SLICES = 8


class Library(NamedTuple):
    """One sample's molecules before sequencing."""

    sample: SimulatedSample
    carried: list[Carried]
    alleles: Alleles
    amplification: Amplification
    molecules: Molecules

    @property
    def n_pairs(self) -> int:
        """Return the read pairs."""
        return int(self.molecules.reads.sum())


class Simulated(NamedTuple):
    """A run: its clusters, and what is known of each sample."""

    clusters: Clusters
    truth: tuple[tuple[Truth, ...], ...]
    """By sample of the design."""
    metrics: tuple[StageMetrics, ...]
    """By sample of the design."""


def _spans(n: int) -> list[tuple[int, int]]:
    edges = [n * i // _SLICES for i in range(_SLICES + 1)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def draw_library(
    seed: int, genome: Genome, panel: Panel, design: SimulateDesign, i_sample: int, threads: int = 1
) -> Library:
    """Return the molecules of one sample of the design; adapter dimers stand at the end.

    Raises:
        InputError: a planted allele does not fit the reference or the kit.
    """
    sample = design.samples[i_sample]
    carried = carried_alleles(seed, panel, design, sample)
    alleles = allele_columns(genome, panel, sample.sample_id, carried)
    capture = capture_columns(seed, genome, panel, design.process, sample)
    amplification = amplification_rates(design.process, sample)
    on_target = sample.molecules_per_target * len(panel.targets)
    n = round(on_target / (1.0 - design.process.off_target_fraction))
    total = n + sample.adapter_dimers
    molecules = Molecules(
        start=np.zeros(total, np.int64),
        n_bases=np.zeros(total, np.int64),
        source=np.zeros(total, np.uint8),
        covers=np.zeros(total, np.uint64),
        carries=np.zeros(total, np.uint64),
        reads=np.zeros((total, 2), np.int64),
    )
    molecules.reads[n:, 0] = 1
    key = seed_key(seed, "molecules", sample.sample_id)

    def work(span: tuple[int, int]) -> None:
        with np.errstate(over="ignore"):
            draw_molecules(key, span[0], span[1], genome, alleles, capture, amplification, molecules)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, _spans(n)))
    return Library(sample, carried, alleles, amplification, molecules)


def _shuffled(seed: int, n: int, n_tiles: int) -> NDArray[np.int64]:
    """Return the row of each cluster; empty wells are added so that all tiles are equally large."""
    total = -(-n // n_tiles) * n_tiles
    return seed_permutation(seed, total, "wells")


def _kinds(design: SimulateDesign, n_pairs: int, n_wells: int) -> NDArray[np.int64]:
    """Return the kinds of the clusters without a sample: shares of the run, then failing ones up to the last well."""
    process = design.process
    n_control = round(process.phix_fraction * n_pairs)
    n_unknown = round(process.undetermined_fraction * n_pairs)
    n_failing = n_wells - n_pairs - n_control - n_unknown
    return np.repeat(np.array([0, 1, 2], dtype=np.int64), [n_control, n_unknown, n_failing])


def _n_clusters(design: SimulateDesign, n_pairs: int) -> int:
    process = design.process
    passing = n_pairs + round(process.phix_fraction * n_pairs) + round(process.undetermined_fraction * n_pairs)
    return max(1, round(passing / (1.0 - process.failed_filter_fraction)))


def _call_library(
    seed: int,
    i_sample: int,
    library: Library,
    genome: Genome,
    sequencing: Sequencing,
    rows: NDArray[np.int64],
    calls: NDArray[np.uint8],
    threads: int,
) -> None:
    key = seed_key(seed, "reads", library.sample.sample_id)

    def work(span: tuple[int, int]) -> None:
        with np.errstate(over="ignore"):
            call_molecules(
                key,
                (span[0], span[1], i_sample),
                genome,
                library.alleles,
                library.amplification,
                sequencing,
                library.molecules,
                rows,
                calls,
            )

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, _spans(len(library.molecules.start))))


def library_truth(library: Library) -> tuple[Truth, ...]:
    """Return each allele of a library with its molecules counted."""
    molecules = library.molecules
    seen = molecules.reads.sum(axis=1) > 0
    rows = []
    for i, one in enumerate(library.carried):
        bit = np.uint64(1) << np.uint64(i)
        covers = (molecules.covers & bit) > 0
        carries = covers & ((molecules.carries & bit) > 0)
        counts = (covers.sum(), carries.sum(), (covers & seen).sum(), (carries & seen).sum())
        rows.append(Truth(*one.allele, one.kind, one.label, one.vaf, *(int(count) for count in counts)))
    return tuple(rows)


def _metrics(library: Library) -> StageMetrics:
    molecules = library.molecules
    is_dimer = molecules.n_bases == 0
    strands = (molecules.reads > 0).sum(axis=1)
    n, n_seen = len(strands), int((strands > 0).sum())
    return StageMetrics(
        stage="simulate",
        sample=library.sample.sample_id,
        unit="molecules",
        n_in=n,
        n_out=n_seen,
        rejected={"not_sequenced": n - n_seen},
        counts={
            "read_pairs": library.n_pairs,
            "adapter_dimers": int(is_dimer.sum()),
            "molecules_both_strands": int((strands == 2).sum()),
        },
    )


def simulate(seed: int, genome: Genome, panel: Panel, design: SimulateDesign, threads: int = 1) -> Simulated:
    """Return all clusters of the designed run, in the order of the flow cell, with the truth of each sample.

    The result depends on the seed, the design and the kit, never on the threads.

    Raises:
        InputError: a planted allele does not fit the reference or the kit.
    """
    libraries = [draw_library(seed, genome, panel, design, i, threads) for i in range(len(design.samples))]
    sequencing = sequencing_columns(design)
    n_pairs = sum(library.n_pairs for library in libraries)
    order = _shuffled(seed, _n_clusters(design, n_pairs), design.run.n_tiles)
    calls = np.zeros((len(order), sequencing.quality.shape[1]), dtype=np.uint8)
    owner = np.full(len(order), NO_SAMPLE, dtype=np.int32)
    at = 0
    for i_sample, library in enumerate(libraries):
        rows = order[at : at + library.n_pairs]
        _call_library(seed, i_sample, library, genome, sequencing, rows, calls, threads)
        owner[rows] = i_sample
        at += library.n_pairs
    kinds = _kinds(design, n_pairs, len(order))
    control = control_bases(seed, sequencing.n_read)
    with np.errstate(over="ignore"):
        call_others(seed_key(seed, "others"), kinds, control, sequencing, order[at:], calls)
    passes = np.ones(len(order), dtype=np.bool_)
    passes[order[at:][kinds == 2]] = False
    truth = tuple(library_truth(library) for library in libraries)
    return Simulated(Clusters(calls, owner, passes), truth, tuple(_metrics(library) for library in libraries))
