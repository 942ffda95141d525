"""Variants to plant: drawn from a seed, of every class, each alone in its neighbourhood."""

import random
from typing import NamedTuple

from benchmarks.calling.panel import Panel

SNV_LEVELS = (0.001, 0.002, 0.005, 0.01)
OTHER_LEVELS = (0.0025, 0.005, 0.01)
SNVS_A_LEVEL = 8
OTHERS = ("deletion", "long_deletion", "insertion", "duplication", "delins", "mnv", "mnv")
"""Classes planted at each of `OTHER_LEVELS`."""
_EDGE, _APART, _FROM_SNP = 120, 90, 25
_TRIES = 10_000


class Planted(NamedTuple):
    """A variant as it is given to the simulator."""

    contig: str
    pos1: int
    ref: str
    alt: str
    kind: str
    """`snv` or one of `OTHERS`."""
    vaf: float

    @property
    def name(self) -> str:
        """Return `contig:pos1:ref>alt`."""
        return f"{self.contig}:{self.pos1}:{self.ref}>{self.alt}"


def _other(rng: random.Random, base: str) -> str:
    return rng.choice([one for one in "ACGT" if one != base])


def _bases(rng: random.Random, n: int) -> str:
    return "".join(rng.choice("ACGT") for _ in range(n))


def _delins(rng: random.Random, text: str, at0: int) -> tuple[str, str]:
    """Return some bases and fewer others for them, no end shared."""
    n_ref = rng.randint(4, 14)
    ref, n_alt = text[at0 : at0 + n_ref], rng.randint(2, n_ref - 1)
    alt = _bases(rng, n_alt)
    return ref, _other(rng, ref[0]) + alt[1:-1] + _other(rng, ref[-1])


def draw_allele(rng: random.Random, text: str, at0: int, kind: str) -> tuple[str, str]:
    """Return reference and alternate bases of a class at a place, as in a VCF."""
    base = text[at0]
    if kind == "snv":
        return base, _other(rng, base)
    if kind == "mnv":
        ref = text[at0 : at0 + rng.randint(2, 3)]
        return ref, "".join(_other(rng, one) for one in ref)
    if kind == "delins":
        return _delins(rng, text, at0)
    if kind in ("deletion", "long_deletion"):
        low, high = (1, 5) if kind == "deletion" else (9, 30)
        return text[at0 : at0 + 1 + rng.randint(low, high)], base
    if kind == "insertion":
        return base, base + _bases(rng, rng.randint(3, 12))
    return base, base + text[at0 + 1 : at0 + 1 + rng.randint(20, 60)]


def normalised(text: str, pos1: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Return an allele with as few bases as can be, as far to the left as it goes (Tan et al. 2015)."""
    while not ref or not alt or (ref[-1] == alt[-1] and max(len(ref), len(alt)) > 1):
        if ref and alt:
            ref, alt = ref[:-1], alt[:-1]
        elif pos1 > 1:
            pos1 -= 1
            ref, alt = text[pos1 - 1] + ref, text[pos1 - 1] + alt
        else:
            following = text[pos1 - 1 + len(ref)]
            ref, alt = ref + following, alt + following
            break
    while len(ref) > 1 and len(alt) > 1 and ref[0] == alt[0]:
        pos1, ref, alt = pos1 + 1, ref[1:], alt[1:]
    return pos1, ref, alt


def draw_variants(seed: int, panel: Panel, snvs_a_level: int = SNVS_A_LEVEL) -> list[Planted]:
    """Return the variants of one sample, in the order of the reference."""
    rng = random.Random(f"variants {seed}")
    wanted = [("snv", vaf) for vaf in SNV_LEVELS for _ in range(snvs_a_level)]
    wanted += [(kind, vaf) for vaf in OTHER_LEVELS for kind in OTHERS]
    found: list[Planted] = []
    blocked: list[tuple[str, int, int]] = [(c, pos - _FROM_SNP, pos + _FROM_SNP) for c, pos in sorted(panel.snps)]
    for kind, vaf in wanted:
        one, span = _place(rng, panel, kind, vaf, blocked)
        found.append(one)
        blocked.append(span)
    order = list(panel.sequences)
    return sorted(found, key=lambda one: (order.index(one.contig), one.pos1))


def _place(
    rng: random.Random, panel: Panel, kind: str, vaf: float, blocked: list[tuple[str, int, int]]
) -> tuple[Planted, tuple[str, int, int]]:
    for _ in range(_TRIES):
        contig, start, end = rng.choice(panel.targets)
        text = panel.sequences[contig]
        at0 = rng.randrange(start + _EDGE, end - _EDGE)
        pos1, ref, alt = normalised(text, at0 + 1, *draw_allele(rng, text, at0, kind))
        low, high = pos1 - _APART, pos1 + len(ref) + _APART
        near = any(contig == other and low < top and bottom < high for other, bottom, top in blocked)
        if ref != alt and not near and pos1 > start + _EDGE:
            return Planted(contig, pos1, ref, alt, kind, vaf), (contig, pos1, pos1 + len(ref))
    raise RuntimeError(f"no room for a {kind} at {vaf}")
