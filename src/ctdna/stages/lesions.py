"""Damage of single strands as figures: counts and rates by substitution."""

from collections.abc import Iterator

from ctdna.model.evidence import BASES, Lesions

STRANDS = ("top", "bottom")


def _changes() -> Iterator[tuple[int, int, str]]:
    """Return the twelve substitutions, as the changed strand is written, with their names."""
    for base in range(4):
        for other in range(4):
            if base != other:
                yield base, other, f"{BASES[base]}_to_{BASES[other]}".lower()


def lesion_counts(lesions: Lesions) -> dict[str, int]:
    """Return molecules with a changed strand by substitution and strand, and the bases they were seen among."""
    counts = {f"lesions_{name}_{side}": int(lesions.seen[strand, base, other])
              for base, other, name in _changes() for strand, side in enumerate(STRANDS)}  # fmt: skip
    counts |= {f"lesion_bases_{letter.lower()}": int(lesions.strand_bases[k]) for k, letter in enumerate(BASES)}
    return counts | {"lesions_both_strands": lesions.both_changed}


def lesion_rates(lesions: Lesions) -> dict[str, float]:
    """Return changed strands per million of the base, by substitution; none where no strand was read twice."""
    return {
        f"lesions_per_million_{name}": 1e6 * float(lesions.seen[:, base, other].sum() / lesions.strand_bases[base])
        for base, other, name in _changes()
        if lesions.strand_bases[base] > 0
    }
