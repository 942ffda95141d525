"""Bases of the genome behind a reference, whether that holds whole chromosomes or slices."""

from bisect import bisect_right
from collections.abc import Callable

from ctdna.model.annotation import ContigPlace

Fetch = Callable[[str, int, int], str]
_BLOCK = 1 << 12


class Genome:
    """Random access to chromosomes by genome coordinates; what the reference lacks reads as `N`."""

    def __init__(self, fetch: Fetch, places: tuple[ContigPlace, ...]) -> None:
        """Take a function (contig, start0, end0) -> bases in upper case, and where each contig lies."""
        self._fetch = fetch
        self._by_contig = {place.contig: place for place in places}
        self._by_chrom: dict[str, list[ContigPlace]] = {}
        for place in sorted(places, key=lambda item: (item.chrom, item.start0)):
            self._by_chrom.setdefault(place.chrom, []).append(place)
        self._blocks: dict[tuple[str, int], str] = {}

    def place(self, contig: str) -> ContigPlace | None:
        """Return where a contig of the reference lies; None where it is unknown."""
        return self._by_contig.get(contig)

    def bases(self, chrom: str, start0: int, end0: int) -> str:
        """Return the bases of `[start0, end0)` in upper case, `N` outside of what the reference holds."""
        first, last = start0 // _BLOCK, (end0 - 1) // _BLOCK
        text = "".join(self._block(chrom, number) for number in range(first, last + 1))
        return text[start0 - first * _BLOCK : end0 - first * _BLOCK]

    def _block(self, chrom: str, number: int) -> str:
        key = (chrom, number)
        if key not in self._blocks:
            self._blocks[key] = self._read(chrom, number * _BLOCK, (number + 1) * _BLOCK)
        return self._blocks[key]

    def _read(self, chrom: str, start0: int, end0: int) -> str:
        places = self._by_chrom.get(chrom, [])
        parts: list[str] = []
        at = start0
        i = max(0, bisect_right([place.start0 for place in places], start0) - 1)
        for place in places[i:]:
            low, high = max(at, place.start0), min(end0, place.start0 + place.length)
            if low < high:
                parts.append("N" * (low - at))
                parts.append(self._fetch(place.contig, low - place.start0, high - place.start0))
                at = high
        parts.append("N" * (end0 - at))
        return "".join(parts)
