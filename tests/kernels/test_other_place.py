"""Other places of a read against a slow twin on text."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ctdna.kernels import other_place
from ctdna.kernels.other_place import fits_elsewhere

places = st.tuples(
    st.sampled_from(["chr1", "KI270.1", "HLA*01:02"]),
    st.sampled_from("+-"),
    st.integers(1, 10**9),
    st.lists(st.tuples(st.integers(1, 200), st.sampled_from("MIDSH")), min_size=1, max_size=5),
    st.integers(0, 120),
)


def fits(text: str, own: int) -> bool:
    """Return what `fits_elsewhere` returns, of one read."""
    found = []
    for place in text.split(";")[:-1]:
        *_, cigar, edits = place.split(",")
        found.append(int(edits) + sum(int(n) for n in re.findall(r"(\d+)[SH]", cigar)))
    return bool(found) and (own < 0 or min(found) <= own)


@given(st.lists(st.tuples(st.lists(places, max_size=4), st.integers(-1, 150)), max_size=5))
def test_other_places_are_read_and_compared(reads: list[tuple[list[tuple], int]]) -> None:  # type: ignore[type-arg]
    data, at, expected = b"x", [], []
    for some, own in reads:
        text = "".join(f"{c},{s}{p},{''.join(f'{n}{o}' for n, o in ops)},{nm};" for c, s, p, ops, nm in some)
        at.append(len(data))
        data += text.encode() + b"\x00"
        expected.append(fits(text, own))
    misfits = np.array([own for _, own in reads], np.int64)
    found = fits_elsewhere(np.frombuffer(data, np.uint8).copy(), np.array(at, np.int64), misfits)
    assert found.tolist() == expected


def test_the_kernel_compiles_once() -> None:
    other_place.warm()
    assert len(getattr(fits_elsewhere, "signatures", [None])) == 1
