"""A small maker of aligned consensus molecules with planted alleles, known by count."""

import random
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from ctdna.formats.bam import BamHeader
from ctdna.model.evidence import Panel, Targets
from ctdna.model.params.call import CallParams
from ctdna.stages.evidence import Evidence, gather, lay_panel
from tests.builders import Read, records

CONTIG = "chrT"
REFERENCE = "".join(random.Random(5).choices("ACGT", k=1200))
CONTIGS = ((CONTIG, len(REFERENCE)),)
HEADER = BamHeader.of_contigs(CONTIGS)
TARGET = (400, 700)
PARAMS = CallParams(
    false_positives_per_panel=0.1, substitution_share=0.75, hotspot_alpha=1e-4,
    min_base_quality=20, min_mapq=20, min_alt_molecules=2,
    fragment_end_bases=12, claimed_lod=0.01, evidence_floor=2, strand_bias_p=1e-4, artefact_p=1e-3, germline_vaf=0.35,
    germline_snp_vaf=0.1, mnv_distance=15, mnv_min_share=0.6, mnv_rate_share=0.1, homopolymer_bases=8,
    low_complexity_copies=6,
    misaligned_bases=3, misaligned_share=0.5, low_quality_share=0.5, germline_balance=0.1, cluster_window=100,
    cluster_changes=2, cluster_share=0.5,
    cluster_max_vaf=0.1, normals_min_donors=2, normals_min_share=0.1, normals_excess=10.0, white_germline_vaf=0.3,
    white_chip_vaf=0.2, white_alpha=1e-3, prior_hotspot=1e-2, prior_elsewhere=1e-5, prior_least_vaf=1e-4,
    forced_alpha=1e-3, forced_max_background=1e-3, mrd_alpha=1e-3, mrd_min_molecules=2, mrd_vaf=1e-4,
    mrd_outlier_p=0.01, mrd_outlier_min_alleles=10,
)  # fmt: skip
DUPLEX, SIMPLEX3, PAIR2, SINGLE = (3, 3), (4, 0), (2, 0), (1, 0)


class Edit(NamedTuple):
    """Reference bases at a position replaced by others."""

    pos0: int
    ref: str
    alt: str


def flip(base: str, by: int = 1) -> str:
    """Return another base."""
    return "ACGT"[("ACGT".index(base) + by) % 4]


def _path(start0: int, size: int, edits: Sequence[Edit]) -> list[tuple[int | None, str]]:
    """Return `size` bases from `start0` on with their reference positions (None: inserted)."""
    at: dict[int, Edit] = {edit.pos0: edit for edit in edits}
    path: list[tuple[int | None, str]] = []
    pos0 = start0
    while len(path) < size:
        edit = at.get(pos0)
        if edit is None:
            path.append((pos0, REFERENCE[pos0]))
            pos0 += 1
            continue
        for k, base in enumerate(edit.alt):
            path.append((pos0 + k if k < len(edit.ref) else None, base))
        pos0 += len(edit.ref)
    return path[:size]


def _cigar(path: Sequence[tuple[int | None, str]]) -> tuple[int, str]:
    known = [i for i, (pos0, _) in enumerate(path) if pos0 is not None]
    first, last = known[0], known[-1]
    letters: list[str] = []
    before: int | None = None
    for i, (pos0, _) in enumerate(path):
        if i < first or i > last:
            letters.append("S")
        elif pos0 is None:
            letters.append("I")
        else:
            letters += ["D"] * (pos0 - before - 1 if before is not None else 0) + ["M"]
            before = pos0
    start = path[first][0]
    assert start is not None
    return start, "".join(f"{len(list(run))}{letter}" for letter, run in groupby(letters))


def molecule(
    name: int, start0: int, size: int, depths: tuple[int, int] = DUPLEX, edits: Sequence[Edit] = (), length: int = 100,
    quality: int = 40, mapq: int = 60,
) -> list[Read]:  # fmt: skip
    """Return R1 (forward) and R2 (reverse) of one duplex consensus molecule."""
    path = _path(start0, size, edits)
    ends = [path[:length], path[-length:]]
    places = [_cigar(part) for part in ends]
    span = max(p for p, _ in path if p is not None) + 1 - places[0][0]
    reads = []
    for k, (part, (pos0, cigar)) in enumerate(zip(ends, places, strict=True)):
        n = len(part)
        tags = {"MI": str(name), "aD": depths[0], "bD": depths[1], "ad": [depths[0]] * n, "bd": [depths[1]] * n}
        flag = 3 | (16 | 128 if k else 32 | 64)
        bases = "".join(base for _, base in part)
        insert = -span if k else span
        reads.append(Read(f"m:{name}", flag, 0, pos0, mapq, cigar, 0, places[1 - k][0], insert, bases, quality, tags))
    return reads


def crowd(n: int, seed: int, plan: Sequence[tuple[int, Sequence[Edit]]] = (), first: int = 0) -> list[Read]:
    """Return n molecules over the target; `plan`: how many carry which edits; tiers by turns, 6 in 10 duplex."""
    rng = random.Random(seed)
    carried = [edits for count, edits in plan for _ in range(count)]
    tiers = [DUPLEX] * 6 + [SIMPLEX3] * 2 + [PAIR2, SINGLE]
    reads: list[Read] = []
    for i in range(n):
        edits = carried[i] if i < len(carried) else ()
        start0 = rng.randint(440, 460) if edits else rng.randint(360, 560)
        reads += molecule(first + i, start0, rng.randint(150, 190), tiers[i % 10], edits)
    return reads


def panel() -> Panel:
    """Return the panel of one target."""
    targets = Targets(*(np.array([x], np.int32) for x in (0, *TARGET)), ("GENE:1",))
    bases = np.frombuffer(REFERENCE.encode(), np.uint8)
    return lay_panel(targets, CONTIGS, lambda _, start0, end0: bases[start0:end0])


def evidence(reads: Sequence[Read], params: CallParams = PARAMS) -> Evidence:
    """Return what the reads show on the panel."""
    return gather([records(reads)] if reads else [], panel(), params)
