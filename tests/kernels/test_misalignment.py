import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels.misalignment import doubtful_molecules, warm
from ctdna.model.evidence import Regions, StoredReads

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    warm()


def stored(read_texts: list[tuple[int, str]]) -> StoredReads:
    """Return straight reads (first slot, bases)."""
    n = len(read_texts)
    sizes = np.array([len(text) for _, text in read_texts])
    at = np.cumsum(sizes) - sizes
    starts = np.array([start for start, _ in read_texts], np.int64)
    cells = np.array([16 | "ACGTN".index(base) for _, text in read_texts for base in text], np.uint8)
    return StoredReads(
        np.arange(n, dtype=np.uint64), np.zeros(n, np.int32), starts, starts + sizes, starts, starts + sizes,
        np.zeros(n, np.uint8), np.arange(n, dtype=np.int64), np.ones(n, np.int32), at.astype(np.int64),
        sizes.astype(np.int32), (sizes << 4).astype(np.uint32), cells,
    )  # fmt: skip


def ground(reference: str) -> Regions:
    n = len(reference)
    codes = np.array(["ACGT".index(base) for base in reference], np.uint8)
    zero = np.zeros(1, np.int32)
    return Regions(np.array([0, 1]), zero, zero, np.array([0, n], np.int64), codes, np.zeros(n, np.int32))


def twin(reference: str, reads: list[tuple[int, str]], slot: int, alt: str, most: int) -> tuple[int, int]:
    n, doubtful = 0, 0
    for start, text in reads:
        k = slot - start
        if not 0 <= k < len(text) or text[k] != alt:
            continue
        n += 1
        ways = [(text[k:], slot), (text[: k + 1], start)]
        better = False
        for tail, first in ways:
            bad = sum(a != b for a, b in zip(tail, reference[first : first + len(tail)], strict=True) if a != "N")
            for shift in range(-most, most + 1):
                low, high = first + shift, first + shift + len(tail)
                if shift and low >= 0 and high <= len(reference):
                    moved = sum(a != b for a, b in zip(tail, reference[low:high], strict=True) if a != "N")
                    better |= moved < bad
        doubtful += better
    return n, doubtful


reference_text = st.text("ACGT", min_size=24, max_size=24)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), reference=reference_text, most=st.integers(0, 3))
def test_doubtful_molecules_are_those_of_the_twin(data: st.DataObject, reference: str, most: int) -> None:
    reads = []
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(4, 12))
        size = data.draw(st.integers(1, 20 - start))
        text = list(reference[start : start + size])
        for _ in range(data.draw(st.integers(0, 2))):
            text[data.draw(st.integers(0, size - 1))] = data.draw(st.sampled_from("ACGTN"))
        reads.append((start, "".join(text)))
    slot, alt = data.draw(st.integers(4, 19)), data.draw(st.sampled_from("ACGT"))
    one_each = np.arange(len(reads), dtype=np.int64)
    got = doubtful_molecules(stored(reads), ground(reference), one_each, one_each, slot, "ACGT".index(alt), most)
    assert got == twin(reference, reads, slot, alt, most)


def test_a_molecule_is_doubtful_only_if_each_of_its_reads_is() -> None:
    reference = "CAGCATGCAGTTACGCATGAACCGGTCA"
    # The G before TT read as T: the short read ends on the two T, the long one reads on.
    chosen = np.array([0, 1], np.int64)
    reads = stored([(2, "GCATGCATT"), (2, "GCATGCATTTACGCATGAA")])
    apart = doubtful_molecules(reads, ground(reference), chosen, chosen, 9, 3, 2)
    together = doubtful_molecules(reads, ground(reference), chosen, np.zeros(2, np.int64), 9, 3, 2)
    assert (apart, together) == ((2, 1), (1, 0))
