"""Which alleles a sample's molecules may carry, with what chance."""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.errors import InputError
from ctdna.model.params.simulate import SimulateDesign, SimulatedSample
from ctdna.model.simulated import Alleles, Genome
from ctdna.stages.simulation.seeds import seed_unit

MAX_ALLELES = 64
MAX_ALLELE_BASES = 200
_ALLELE = re.compile(r"([^:\s]+):([1-9]\d*):([ACGT]+)>([ACGT]+)\Z")
_CODES = {base: code for code, base in enumerate("ACGT")}


class Allele(NamedTuple):
    """One allele, by contig and 1-based position."""

    contig: str
    pos1: int
    ref: str
    alt: str


class Panel(NamedTuple):
    """What the simulator knows of a kit, beside the reference."""

    contigs: tuple[str, ...]
    targets: tuple[tuple[str, int, int], ...]
    """Contig, start0, end0."""
    hotspots: dict[str, Allele]
    """By label."""
    snps: tuple[tuple[Allele, float], ...]
    """Common SNPs and their frequencies."""


class Carried(NamedTuple):
    """An allele of a sample, and the chance that each source carries it."""

    allele: Allele
    kind: str
    label: str
    vaf: float
    chance: tuple[float, float, float, float]


def genotype(seed: int, subject: str, allele: Allele, frequency: float) -> tuple[int, int]:
    """Return a subject's two alleles at a common SNP (0 reference, 1 alternate)."""
    drawn = [seed_unit(seed, "genotype", subject, *allele, haplotype) < frequency for haplotype in (0, 1)]
    return int(drawn[0]), int(drawn[1])


def parse_allele(panel: Panel, sample_id: str, text: str) -> Allele:
    """Return the allele of a hotspot's label or of `contig:pos1:ref>alt`.

    Raises:
        InputError: neither is known; a hint names the labels.
    """
    if text in panel.hotspots:
        return panel.hotspots[text]
    match = _ALLELE.match(text)
    if not match:
        hint = f"use contig:pos1:ref>alt or a hotspot's label, as `{next(iter(panel.hotspots), '')}`"
        raise InputError(None, f"sample {sample_id}", f"found allele `{text}`, which is neither", hint)
    return Allele(match[1], int(match[2]), match[3], match[4])


def _planted(panel: Panel, sample: SimulatedSample) -> dict[Allele, tuple[str, float]]:
    return {parse_allele(panel, sample.sample_id, v.allele): (v.allele, v.vaf) for v in sample.variants}


def carried_alleles(seed: int, panel: Panel, design: SimulateDesign, sample: SimulatedSample) -> list[Carried]:
    """Return the sample's alleles by contig and position: planted, germline, and its contaminant's.

    Raises:
        InputError: a planted allele cannot be read.
    """
    other = next(
        (s for s in design.samples if sample.contamination and s.sample_id == sample.contamination.sample_id), None
    )
    share = sample.contamination.fraction if sample.contamination else 0.0
    own, foreign = _planted(panel, sample), _planted(panel, other) if other else {}
    found: list[Carried] = []
    for allele in {**own, **foreign}:
        label, vaf = own.get(allele, foreign.get(allele, ("", 0.0)))
        mine, theirs = own.get(allele, ("", 0.0))[1], foreign.get(allele, ("", 0.0))[1]
        kind = "planted" if allele in own else "contaminant"
        expected = vaf if allele in own else share * theirs
        found.append(Carried(allele, kind, label, expected, (mine, mine, theirs, theirs)))
    for allele, frequency in panel.snps:
        one = genotype(seed, sample.subject, allele, frequency)
        two = genotype(seed, other.subject, allele, frequency) if other else (0, 0)
        if sum(one) + sum(two):
            kind = ("contaminant", "germline_het", "germline_hom")[sum(one)]
            expected = (1 - share) * sum(one) / 2 + share * sum(two) / 2
            found.append(Carried(allele, kind, "common SNP", expected, (*map(float, one), *map(float, two))))  # type: ignore[arg-type]
    order = {contig: i for i, contig in enumerate(panel.contigs)}
    return sorted(found, key=lambda c: (order.get(c.allele.contig, -1), *c.allele[1:]))


def _check(genome: Genome, panel: Panel, sample_id: str, allele: Allele) -> int:
    """Return the allele's first base in the genome's coordinate; the reference bases must be there."""
    name = f"{allele.contig}:{allele.pos1}:{allele.ref}>{allele.alt}"
    if allele.contig not in panel.contigs:
        known = ", ".join(panel.contigs[:4])
        raise InputError(
            None, f"sample {sample_id}", f"found allele {name} on an unknown contig", f"known: {known}, ..."
        )
    i_contig = panel.contigs.index(allele.contig)
    start, end = int(genome.offsets[i_contig]), int(genome.offsets[i_contig + 1])
    pos = start + allele.pos1 - 1
    there = "".join("ACGT"[code] for code in genome.bases[pos : min(pos + len(allele.ref), end)])
    if there != allele.ref:
        what = f"found allele {name}, but the reference has {there or 'no base'} there"
        raise InputError(None, f"sample {sample_id}", what, "correct the allele in the design")
    if max(len(allele.ref), len(allele.alt)) > MAX_ALLELE_BASES:
        what = f"found allele {name} of more than {MAX_ALLELE_BASES} bases"
        raise InputError(None, f"sample {sample_id}", what, "plant a shorter one")
    return pos


def allele_columns(genome: Genome, panel: Panel, sample_id: str, carried: list[Carried]) -> Alleles:
    """Return the columns that the kernels read.

    Raises:
        InputError: too many alleles, or one that does not fit the reference.
    """
    if len(carried) > MAX_ALLELES:
        what = f"found {len(carried)} alleles, at most {MAX_ALLELES} can be followed"
        raise InputError(None, f"sample {sample_id}", what, "plant fewer variants")
    positions = [_check(genome, panel, sample_id, one.allele) for one in carried]
    codes = [_CODES[base] for one in carried for base in one.allele.alt]
    lengths = [len(one.allele.alt) for one in carried]
    chances: NDArray[np.float64] = np.array([one.chance for one in carried], dtype=np.float64).reshape(-1, 4)
    return Alleles(
        pos=np.array(positions, dtype=np.int64),
        n_ref=np.array([len(one.allele.ref) for one in carried], dtype=np.int64),
        bases=np.array(codes, dtype=np.uint8),
        offsets=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
        p_carry=np.ascontiguousarray(chances.T),
    )
