"""Molecules, damage, amplification and base calling of the simulator.

Every molecule and every cluster has its own stream of random numbers (splitmix64, keyed by the sample's key and the
item's index), so that results do not depend on threads or order.
"""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.damage import (
    MAX_EVENTS,
    add_jackpots,
    damage,
    damage_stretch,
    end_repair,
    error_scale,
    is_damaged,
)
from ctdna.kernels.fragments import build_template, choose_alleles
from ctdna.kernels.jit import kernel
from ctdna.kernels.random_stream import Int, below, draw, poisson, stream, unit
from ctdna.model.simulated import Alleles, Amplification, Capture, Genome, Molecules, Sequencing

_UNIT32 = 2.0**-32
_S32 = np.uint64(32)
_MIN_RUN = 6
_TRIES = 200


@kernel
def _strand_reads(state: NDArray[np.uint64], amplification: Amplification, scale: float) -> Int:
    first, second = unit(state), unit(state)
    lost = unit(state) < amplification.strand_loss
    growth = -0.5 * (np.log(1.0 - first) + np.log(1.0 - second))
    n_reads = poisson(state, amplification.reads_per_strand * scale * growth)
    return 0 if lost else n_reads


@kernel
def _place(state: NDArray[np.uint64], genome: Genome, capture: Capture, n_bases: Int, target: Int) -> Int:
    """Return where a fragment starts, -1 if no try fits; on target, chosen in proportion to its overlap."""
    for _ in range(_TRIES):
        if target < 0:
            start = below(state, len(genome.bases))
            keep = True
        else:
            low, high = capture.start[target], capture.end[target]
            start = low - n_bases + 1 + below(state, high - low + n_bases - 1)
            overlap = min(start + n_bases, high) - max(start, low)
            keep = unit(state) * min(high - low, n_bases) < overlap
        inside = target if target >= 0 else 0
        anchor = start if target < 0 else capture.start[inside]
        contig = np.searchsorted(genome.offsets, anchor, side="right") - 1
        if keep and start >= genome.offsets[contig] and start + n_bases <= genome.offsets[contig + 1]:
            return start
    return -1


@kernel
def draw_molecules(
    key: np.uint64,
    first: int,
    last: int,
    genome: Genome,
    alleles: Alleles,
    capture: Capture,
    amplification: Amplification,
    molecules: Molecules,
) -> None:
    """Fill molecules `first` to `last` (exclusive): place, length, alleles carried, read pairs of each strand."""
    state = np.zeros(1, dtype=np.uint64)
    for i in range(first, last):
        stream(key, i, state)
        n_bases = capture.first_length + np.searchsorted(capture.lengths, unit(state), side="right")
        target: Int = np.searchsorted(capture.share, unit(state), side="right")
        if unit(state) < capture.off_target:
            target = -1
        start = _place(state, genome, capture, n_bases, target)
        normal = np.sqrt(-2.0 * np.log(1.0 - unit(state))) * np.cos(2.0 * np.pi * unit(state))
        sigma = amplification.molecule_sigma
        scale = np.exp(sigma * normal - 0.5 * sigma * sigma)
        foreign = unit(state) < capture.contaminated
        molecules.source[i] = below(state, 2) + (2 if foreign else 0)
        molecules.start[i] = max(start, 0)
        molecules.n_bases[i] = n_bases
        if start >= 0:
            molecules.reads[i, 0] = _strand_reads(state, amplification, scale)
            molecules.reads[i, 1] = _strand_reads(state, amplification, scale)
            choose_alleles(state, genome, alleles, molecules, i)


@kernel
def _amplification_errors(
    state: NDArray[np.uint64],
    template: NDArray[np.uint8],
    n: Int,
    amplification: Amplification,
    events: NDArray[np.int64],
) -> Int:
    """Fill `events` with rows (position, new base or 4 for loss and 5 for gain, cycle); return their number."""
    n_events, cycles = 0, amplification.early_cycles
    copies = 2.0**cycles - 1.0
    for _ in range(poisson(state, amplification.pcr_error * n * copies)):
        if n_events < MAX_EVENTS:
            at = below(state, n)
            events[n_events, 0] = at
            events[n_events, 1] = (np.int64(template[at]) + 1 + below(state, 3)) & 3
            events[n_events, 2] = 1 + np.int64(np.log2(1.0 + unit(state) * copies))
            n_events += 1
    run = 1
    for at in range(1, n + 1):
        if at < n and template[at] == template[at - 1]:
            run += 1
            continue
        chance = min(0.5, amplification.stutter * 2.0 ** (run - _MIN_RUN) * cycles) if run >= _MIN_RUN else 0.0
        if chance > 0.0 and n_events < MAX_EVENTS and unit(state) < chance:
            events[n_events, 0] = at - 1
            events[n_events, 1] = 4 if unit(state) < 0.7 else 5
            events[n_events, 2] = 1 + below(state, cycles)
            n_events += 1
        run = 1
    return n_events


@kernel
def _read_template(
    state: NDArray[np.uint64],
    strand: NDArray[np.uint8],
    n: Int,
    amplification: Amplification,
    events: NDArray[np.int64],
    n_events: Int,
    out: NDArray[np.uint8],
) -> Int:
    """Fill `out` with one read pair's copy of the strand: shared and private errors; return its length."""
    slip, at_slip = 0, n
    out[:n] = strand[:n]
    for event in range(n_events):
        inherited = unit(state) < 2.0 ** -np.float64(events[event, 2])
        if inherited and events[event, 1] < 4:
            out[events[event, 0]] = events[event, 1]
        elif inherited:
            slip, at_slip = events[event, 1], events[event, 0]
    for _ in range(poisson(state, amplification.pcr_error * n * amplification.late_cycles)):
        at = below(state, n)
        out[at] = (np.int64(out[at]) + 1 + below(state, 3)) & 3
    if slip == 4:
        for at in range(at_slip, n - 1):
            out[at] = out[at + 1]
        return n - 1
    if slip == 5:
        for at in range(n, at_slip, -1):
            out[at] = out[at - 1]
        return n + 1
    return n


@kernel
def _call(
    state: NDArray[np.uint64], base: Int, quality: NDArray[np.float64], scale: float, sequencing: Sequencing
) -> Int:
    """Return the call of one base: code and quality bin, 0 for a no-call; `scale` is a factor on its error rate."""
    bits = draw(state)
    u = np.float64(bits >> _S32) * _UNIT32
    quality_bin = 0
    while quality_bin < 3 and u >= quality[quality_bin]:
        quality_bin += 1
    if quality_bin == 0:
        return 0
    if np.float64(bits & np.uint64(0xFFFFFFFF)) * _UNIT32 < min(0.5, sequencing.error[quality_bin] * scale):
        base = (base + 1 + below(state, 3)) & 3
    if sequencing.dark > 0.0 and unit(state) < sequencing.dark:
        base = np.int64(2)
    return base | (quality_bin << 2)


@kernel
def _insert_read(
    template: NDArray[np.uint8],
    n: Int,
    is_reverse: bool,
    umis: NDArray[np.uint8],
    sequencing: Sequencing,
    mate: int,
    out: NDArray[np.uint8],
) -> None:
    """Fill one read's true bases: UMI, spacer, insert, and beyond its end the mate's spacer, UMI and the adapter."""
    near, far = (1, 0) if is_reverse else (0, 1)
    n_umi, n_spacer = sequencing.n_umi, len(sequencing.spacer)
    n_adapter = sequencing.adapters.shape[1]
    for cycle in range(sequencing.n_read):
        at = cycle - n_umi - n_spacer
        beyond = at - n
        if cycle < n_umi:
            base = np.int64(umis[near, cycle])
        elif at < 0:
            base = np.int64(sequencing.spacer[cycle - n_umi])
        elif at < n:
            base = 3 - np.int64(template[n - 1 - at]) if is_reverse else np.int64(template[at])
        elif beyond < n_spacer:
            base = 3 - np.int64(sequencing.spacer[n_spacer - 1 - beyond])
        elif beyond < n_spacer + n_umi:
            base = 3 - np.int64(umis[far, n_umi - 1 - (beyond - n_spacer)])
        elif beyond < n_spacer + n_umi + n_adapter:
            base = np.int64(sequencing.adapters[mate, beyond - n_spacer - n_umi])
        else:
            base = np.int64(2)
        out[cycle] = base


@kernel
def _call_cluster(
    state: NDArray[np.uint64],
    reads: NDArray[np.uint8],
    index: NDArray[np.uint8],
    sequencing: Sequencing,
    grade: int,
    out: NDArray[np.uint8],
) -> None:
    """Call every cycle of a cluster: read 1, both indexes, read 2; `grade` 2 is a failing cluster."""
    n_read, n_index = sequencing.n_read, len(index)
    for cycle in range(len(out)):
        if cycle == 0 or cycle == n_read or cycle == n_read + n_index:
            poor = 1 if unit(state) < sequencing.poor else 0
            row = max(grade, poor)
        scale = 1.0
        if n_read <= cycle < n_read + n_index:
            base = np.int64(index[cycle - n_read])
        else:
            mate = 0 if cycle < n_read else 1
            at = cycle - mate * (n_read + n_index)
            base = np.int64(reads[mate, at])
            scale = error_scale(reads[mate], at, cycle, sequencing)
        out[cycle] = _call(state, base, sequencing.quality[row, cycle], scale, sequencing)


@kernel
def _hop(state: NDArray[np.uint64], sequencing: Sequencing, sample: int, index: NDArray[np.uint8]) -> None:
    """Fill the cluster's indexes: the sample's, or with one of them from another sample."""
    index[:] = sequencing.barcodes[sample]
    n_samples = sequencing.barcodes.shape[0]
    if n_samples > 1 and unit(state) < sequencing.hopping:
        other = (sample + 1 + below(state, n_samples - 1)) % n_samples
        if unit(state) < 0.5:
            index[: sequencing.n_index1] = sequencing.barcodes[other, : sequencing.n_index1]
        else:
            index[sequencing.n_index1 :] = sequencing.barcodes[other, sequencing.n_index1 :]


@kernel
def call_molecules(
    key: np.uint64,
    span: tuple[int, int, int],
    genome: Genome,
    alleles: Alleles,
    amplification: Amplification,
    sequencing: Sequencing,
    molecules: Molecules,
    rows: NDArray[np.int64],
    calls: NDArray[np.uint8],
) -> None:
    """Fill the clusters of molecules `span[0]` to `span[1]` (exclusive) of sample `span[2]`.

    `rows[offset + k]` is the row of `calls` for the k-th read pair; a molecule's pairs follow those of the molecules
    before it, top strand first.
    """
    first, last, sample = span
    state = np.zeros(1, dtype=np.uint64)
    room = 2048
    template, strand, copy = (np.zeros(room, np.uint8), np.zeros(room, np.uint8), np.zeros(room, np.uint8))
    events = np.zeros((MAX_EVENTS, 3), dtype=np.int64)
    umis = np.zeros((2, sequencing.n_umi), dtype=np.uint8)
    reads = np.zeros((2, sequencing.n_read), dtype=np.uint8)
    index = np.zeros(sequencing.barcodes.shape[1], dtype=np.uint8)
    pair: Int = np.int64(0)
    for i in range(first):
        pair += molecules.reads[i, 0] + molecules.reads[i, 1]
    for i in range(first, last):
        if molecules.reads[i, 0] + molecules.reads[i, 1] == 0:
            continue
        stream(key, i, state)
        for end in range(2):
            for at in range(sequencing.n_umi):
                umis[end, at] = below(state, 4)
        n = build_template(genome, alleles, molecules.start[i], molecules.n_bases[i], molecules.carries[i], template)
        end_repair(state, template, n, amplification)
        damaged = is_damaged(state, amplification)
        for side in range(2):
            strand[:n] = template[:n]
            damage(state, strand, n, amplification.oxidation, 2 if side == 0 else 1, 3 if side == 0 else 0)
            damage(state, strand, n, amplification.deamination, 1 if side == 0 else 2, 3 if side == 0 else 0)
            if damaged:
                damage_stretch(state, strand, n, side, amplification)
            n_events = _amplification_errors(state, strand, n, amplification, events)
            n_events = add_jackpots(state, strand, n, molecules.reads[i, side], amplification, events, n_events)
            for _ in range(molecules.reads[i, side]):
                n_copy = _read_template(state, strand, n, amplification, events, n_events, copy)
                _insert_read(copy, n_copy, side == 1, umis, sequencing, 0, reads[0])
                _insert_read(copy, n_copy, side == 0, umis, sequencing, 1, reads[1])
                _hop(state, sequencing, sample, index)
                _call_cluster(state, reads, index, sequencing, 0, calls[rows[pair]])
                pair += 1


@kernel
def call_others(
    key: np.uint64,
    kinds: NDArray[np.int64],
    control: NDArray[np.uint8],
    sequencing: Sequencing,
    rows: NDArray[np.int64],
    calls: NDArray[np.uint8],
) -> None:
    """Fill clusters that belong to no sample: kind 0 spiked control without index, 1 unknown index, 2 failing."""
    state = np.zeros(1, dtype=np.uint64)
    reads = np.zeros((2, sequencing.n_read), dtype=np.uint8)
    index = np.zeros(sequencing.barcodes.shape[1], dtype=np.uint8)
    span = 3 * sequencing.n_read
    for i in range(len(kinds)):
        stream(key, i, state)
        start = below(state, len(control) - span)
        for at in range(sequencing.n_read):
            reads[0, at] = control[start + at]
            reads[1, at] = 3 - control[start + span - 1 - at]
        for at in range(len(index)):
            index[at] = 2 if kinds[i] == 0 else below(state, 4)
        _call_cluster(state, reads, index, sequencing, 2 if kinds[i] == 2 else 0, calls[rows[i]])


def warm() -> None:
    """Compile every kernel of this module on one molecule."""
    genome = Genome(np.zeros(400, np.uint8), np.array([0, 400], np.int64))
    alleles = Alleles(
        np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(1, np.int64), np.zeros((4, 0))
    )
    capture = Capture(np.array([100]), np.array([200]), np.zeros(0), np.zeros(1), 60, 0.0, 0.0)
    rates = Amplification(1.0, 0.0, 0.1, 0.0, 0.0, 0.0, 8, 0.0, 6, 8, 0.0, 0.0, 0.0, 0.0, 8, 0.0)
    molecules = Molecules(
        np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(1, np.uint8), np.zeros(1, np.uint64),
        np.zeros(1, np.uint64), np.zeros((1, 2), np.int64),
    )  # fmt: skip
    codes = np.zeros((2, 4), np.uint8)
    sequencing = Sequencing(
        np.ones((3, 24, 4)), np.zeros(4), 0.0, codes[0, :2], codes, codes[:1], 2, 2, 10, 0.0, np.ones(24), 1.0, 1.0, 0.0
    )
    calls, rows = np.zeros((8, 24), np.uint8), np.arange(8)
    with np.errstate(over="ignore"):
        draw_molecules(np.uint64(1), 0, 1, genome, alleles, capture, rates, molecules)
        molecules.reads[0] = 1
        call_molecules(np.uint64(1), (0, 1, 0), genome, alleles, rates, sequencing, molecules, rows, calls)
        call_others(np.uint64(1), np.zeros(1, np.int64), np.zeros(100, np.uint8), sequencing, rows, calls)
