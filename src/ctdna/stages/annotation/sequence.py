"""The genetic code and the turning of strands."""

from itertools import product

_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
_RESIDUES = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
_CODONS = {"".join(codon): _RESIDUES[i] for i, codon in enumerate(product("TCAG", repeat=3))}
THREE_LETTERS = {
    "A": "Ala",
    "C": "Cys",
    "D": "Asp",
    "E": "Glu",
    "F": "Phe",
    "G": "Gly",
    "H": "His",
    "I": "Ile",
    "K": "Lys",
    "L": "Leu",
    "M": "Met",
    "N": "Asn",
    "P": "Pro",
    "Q": "Gln",
    "R": "Arg",
    "S": "Ser",
    "T": "Thr",
    "V": "Val",
    "W": "Trp",
    "Y": "Tyr",
    "*": "Ter",
    "X": "Xaa",
}
ONE_LETTER = {three: one for one, three in THREE_LETTERS.items()}


def reverse_complement(bases: str) -> str:
    """Return the other strand's bases, 5' to 3'."""
    return bases.translate(_COMPLEMENT)[::-1]


def translate(bases: str) -> str:
    """Return one letter a whole codon by the standard code; `*` stop, `X` where a base is unknown."""
    return "".join(_CODONS.get(bases[i : i + 3], "X") for i in range(0, len(bases) - 2, 3))


def to_stop(residues: str) -> str:
    """Return the residues up to and with the first stop; all of them where there is none."""
    end = residues.find("*")
    return residues if end < 0 else residues[: end + 1]


def spelled(residues: str) -> str:
    """Return the residues in three letters each."""
    return "".join(THREE_LETTERS[residue] for residue in residues)
