"""Slow, obvious twins of the simulator's kernels."""

MATE = {"A": "T", "C": "G", "G": "C", "T": "A"}


def reverse_complement(bases: str) -> str:
    return "".join(MATE[base] for base in reversed(bases))


def template(reference: str, start: int, n_bases: int, alleles: list[tuple[int, str, str]]) -> str:
    """Return the fragment's bases with alleles (position, ref, alt) put in, from the last to the first."""
    bases = reference[start : start + n_bases]
    for pos, ref, alt in sorted(alleles, reverse=True):
        at = pos - start
        assert bases[at : at + len(ref)] == ref
        bases = bases[:at] + alt + bases[at + len(ref) :]
    return bases


def reads(insert: str, umis: tuple[str, str], spacer: str, adapters: tuple[str, str], n: int) -> tuple[str, str]:
    """Return read 1 and read 2 of a fragment's top strand: the library molecule read from either end."""
    molecule = umis[0] + spacer + insert + reverse_complement(umis[1] + spacer)
    tail = "G" * n
    return (molecule + adapters[0] + tail)[:n], (reverse_complement(molecule) + adapters[1] + tail)[:n]


def pack_nibbles(calls: list[int]) -> bytes:
    """Return calls two a byte, the first in the low half."""
    padded = [*calls, 0] if len(calls) % 2 else calls
    return bytes(padded[i] + 16 * padded[i + 1] for i in range(0, len(padded), 2))
