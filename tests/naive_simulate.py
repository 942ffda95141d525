"""Slow, obvious twins of the simulator's kernels."""

import math

MATE = {"A": "T", "C": "G", "G": "C", "T": "A"}


def reverse_complement(bases: str) -> str:
    return "".join(MATE[base] for base in reversed(bases))


def template(reference: str, start: int, n_bases: int, alleles: list[tuple[int, str, str]]) -> str:
    """Return `n_bases` from `start` on of the chromosome with alleles (position, ref, alt) put in, last ones first.

    Places are those of the reference up to the first allele.
    """
    chromosome = reference
    for pos, ref, alt in sorted(alleles, reverse=True):
        assert reference[pos : pos + len(ref)] == ref
        chromosome = chromosome[:pos] + alt + chromosome[pos + len(ref) :]
    return chromosome[start : start + n_bases]


def reads(insert: str, umis: tuple[str, str], spacer: str, adapters: tuple[str, str], n: int) -> tuple[str, str]:
    """Return read 1 and read 2 of a fragment's top strand: the library molecule read from either end."""
    molecule = umis[0] + spacer + insert + reverse_complement(umis[1] + spacer)
    tail = "G" * n
    return (molecule + adapters[0] + tail)[:n], (reverse_complement(molecule) + adapters[1] + tail)[:n]


def pack_nibbles(calls: list[int]) -> bytes:
    """Return calls two a byte, the first in the low half."""
    padded = [*calls, 0] if len(calls) % 2 else calls
    return bytes(padded[i] + 16 * padded[i + 1] for i in range(0, len(padded), 2))


class Stream:
    """splitmix64 on whole numbers of Python."""

    def __init__(self, state: int) -> None:
        self.state = state

    def unit(self) -> float:
        """Return the next uniform number."""
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return float((z ^ (z >> 31)) >> 11) / 2.0**53

    def below(self, n: int) -> int:
        """Return the next whole number under n."""
        return int(self.unit() * n)

    def poisson(self, mean: float) -> int:
        """Return a Poisson number: how many exponential waiting times fit into the mean."""
        count, product = 0, self.unit()
        while product > math.exp(-mean):
            count, product = count + 1, product * self.unit()
        return count


def damage_stretch(stream: Stream, bases: str, side: int, n_stretch: int, oxidation: float, deamination: float) -> str:
    """Return the top strand's bases after damage of one strand (1: the bottom one) in one stretch."""
    strand = bases if side == 0 else "".join(MATE[base] for base in bases)
    n_stretch = min(n_stretch, len(bases))
    first = stream.below(len(bases) - n_stretch + 1)
    out = list(strand)
    for at in range(first, first + n_stretch):
        rate = {"G": oxidation, "C": deamination}.get(strand[at], 0.0)
        if rate > 0 and stream.unit() < rate:
            out[at] = "T"
    return "".join(out) if side == 0 else "".join(MATE[base] for base in out)


def jackpots(stream: Stream, bases: str, n_reads: int, rate: float, room: int) -> list[tuple[int, str]]:
    """Return places and new bases of the errors that all reads of a strand share."""
    if rate == 0 or n_reads == 0:
        return []
    found = []
    for _ in range(min(room, stream.poisson(rate * len(bases) / n_reads))):
        at = stream.below(len(bases))
        found.append((at, "ACGT"[("ACGT".index(bases[at]) + 1 + stream.below(3)) % 4]))
    return found


def error_scale(read: str, at: int, cycle: float, after_gg: float, after_run: float) -> float:
    """Return the factor on the error rate of the base at a place of a read."""
    before = read[:at]
    factor = cycle * (after_gg if before.endswith("GG") else 1.0)
    return factor * (after_run if before.endswith(tuple(4 * base for base in "ACGT")) else 1.0)
