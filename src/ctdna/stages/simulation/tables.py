"""The shapes of the error process: fragment lengths, qualities by cycle, capture, adapters."""

import numpy as np
from numpy.typing import NDArray

from ctdna.model.params.simulate import Process, SimulateDesign, SimulatedSample
from ctdna.model.simulated import BINS, Amplification, Capture, Genome, Sequencing
from ctdna.stages.simulation.alleles import Panel
from ctdna.stages.simulation.seeds import seed_normal, seed_unit

FIRST_LENGTH, LAST_LENGTH = 50, 420
_PERIOD = 10.4
UMI_BASES = 5
_SPACER = "CT"
_ADAPTERS = ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCA", "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT")
_CONTROL_BASES = 5386
# Share of the bins 2, 12 and 23 at the first and at the last cycle; the rest is bin 37.
_GRADES = (
    ((0.0002, 0.008, 0.03), (0.001, 0.03, 0.08)),
    ((0.001, 0.04, 0.10), (0.004, 0.25, 0.35)),
    ((0.05, 0.35, 0.40), (0.10, 0.55, 0.30)),
)


def codes(bases: str) -> NDArray[np.uint8]:
    """Return the codes of a sequence of A, C, G and T."""
    table = np.full(256, 255, dtype=np.uint8)
    table[np.frombuffer(b"ACGT", dtype=np.uint8)] = np.arange(4)
    return table[np.frombuffer(bases.encode(), dtype=np.uint8)]


def length_shares(process: Process) -> NDArray[np.float64]:
    """Return the cumulative share of fragment lengths from 50 to 420 bases.

    One nucleosome with its linker is the mode; below it the share falls in waves of 10.4 bases (one turn of the
    helix); a second peak lies at twice the mode.
    """
    length = np.arange(FIRST_LENGTH, LAST_LENGTH + 1, dtype=np.float64)
    below = process.mononucleosome_bases - length
    wave = 1.0 + 0.35 * np.cos(2.0 * np.pi * below / _PERIOD)
    short = np.exp(-np.maximum(below, 0.0) / 22.0) * wave / 1.35
    mono = np.where(below > 0, short, np.exp(-0.5 * (below / 13.0) ** 2))
    double = np.exp(-0.5 * ((length - 2.0 * process.mononucleosome_bases + 6.0) / 24.0) ** 2)
    share = (1.0 - process.dinucleosome_fraction) * mono / mono.sum()
    share += process.dinucleosome_fraction * double / double.sum()
    return np.cumsum(share / share.sum())[:-1]


def capture_columns(seed: int, genome: Genome, panel: Panel, process: Process, sample: SimulatedSample) -> Capture:
    """Return the targets in the genome's coordinate, with their shares of the molecules."""
    starts = [int(genome.offsets[panel.contigs.index(contig)]) for contig, _, _ in panel.targets]
    low = np.array([s + target[1] for s, target in zip(starts, panel.targets, strict=True)], dtype=np.int64)
    high = np.array([s + target[2] for s, target in zip(starts, panel.targets, strict=True)], dtype=np.int64)
    weights = [np.exp(process.capture_sigma * seed_normal(seed, "capture", *target)) for target in panel.targets]
    share = np.cumsum(np.array(weights) / np.sum(weights))[:-1]
    foreign = sample.contamination.fraction if sample.contamination else 0.0
    return Capture(low, high, share, length_shares(process), FIRST_LENGTH, process.off_target_fraction, float(foreign))


def amplification_rates(process: Process, sample: SimulatedSample) -> Amplification:
    """Return the rates that hold for a sample's strands."""
    per_strand = sample.reads_per_molecule / 2.0 / (1.0 - process.strand_loss)
    return Amplification(
        reads_per_strand=per_strand,
        strand_loss=process.strand_loss,
        molecule_sigma=process.molecule_sigma,
        oxidation=process.oxidation,
        deamination=process.deamination,
        end_repair=process.end_repair,
        end_repair_bases=process.end_repair_bases,
        pcr_error=process.pcr_error,
        early_cycles=process.pcr_early_cycles,
        late_cycles=process.pcr_late_cycles,
        stutter=process.stutter,
        damaged=process.damaged_fraction,
        damaged_oxidation=process.damaged_oxidation,
        damaged_deamination=process.damaged_deamination,
        damaged_bases=process.damaged_bases,
        jackpot=process.jackpot,
    )


def _qualities(lengths: tuple[int, ...]) -> NDArray[np.float64]:
    """Return (3, n_cycles, 4) cumulative shares of the bins; each read starts anew."""
    parts = []
    for n in lengths:
        along = (np.arange(n, dtype=np.float64) / max(n - 1, 1)) ** 2
        shape = np.array(_GRADES)
        shares = shape[:, None, 0, :] + (shape[:, None, 1, :] - shape[:, None, 0, :]) * along[None, :, None]
        parts.append(np.concatenate((np.cumsum(shares, axis=2), np.ones((3, n, 1))), axis=2))
    return np.ascontiguousarray(np.concatenate(parts, axis=1))


def _cycle_scale(lengths: tuple[int, ...], late: float) -> NDArray[np.float64]:
    """Return the factor on the error rate by cycle: `late` in the last quarter of read 1 and of read 2."""
    parts = [np.ones(n, dtype=np.float64) for n in lengths]
    for read in (parts[0], parts[-1]):
        read[len(read) - len(read) // 4 :] = late
    return np.concatenate(parts)


def sequencing_columns(design: SimulateDesign) -> Sequencing:
    """Return how the run's bases become calls."""
    first = design.samples[0]
    n_read = design.run.read_bases
    lengths = (n_read, len(first.index), len(first.index2), n_read)
    stated = np.array([10.0 ** (-q / 10.0) for q in BINS])
    return Sequencing(
        quality=_qualities(lengths),
        error=np.minimum(stated * design.process.misreport, 0.5),
        poor=design.process.poor_read_fraction,
        spacer=codes(_SPACER),
        adapters=np.stack([codes(adapter) for adapter in _ADAPTERS]),
        barcodes=np.stack([codes(sample.index + sample.index2) for sample in design.samples]),
        n_index1=len(first.index),
        n_umi=UMI_BASES,
        n_read=n_read,
        hopping=design.process.index_hopping,
        cycle_scale=_cycle_scale(lengths, design.process.misreport_late),
        after_gg=design.process.misreport_after_gg,
        after_run=design.process.misreport_after_run,
        dark=design.process.dark_base,
    )


def control_bases(seed: int, n_read: int) -> NDArray[np.uint8]:
    """Return the contrived sequence of the spiked control."""
    n = max(_CONTROL_BASES, 4 * n_read)
    return np.array([int(4 * seed_unit(seed, "control", i)) for i in range(n)], dtype=np.uint8)


def expected_error_percent(sequencing: Sequencing) -> NDArray[np.float64]:
    """Return the expected share of wrong bases among called ones by cycle, in per cent."""
    cumulative = sequencing.quality[:2]
    shares = np.diff(cumulative, axis=2, prepend=0.0)[:, :, 1:]
    wrong = (shares * sequencing.error[1:]).sum(axis=2) / shares.sum(axis=2)
    mixed: NDArray[np.float64] = (1.0 - sequencing.poor) * wrong[0] + sequencing.poor * wrong[1]
    return 100.0 * mixed * sequencing.cycle_scale
