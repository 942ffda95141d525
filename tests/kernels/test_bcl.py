"""Base calls: kernels against their slow twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ctdna.kernels import bcl
from tests import naive_bcl

CALLS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 12)))


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    bcl.warm()


@pytest.mark.timeout(60)
def test_compiled_once() -> None:
    for name in ("unpack_nibbles", "spread_passing", "clocs_positions", "to_clusters", "spell", "write_fastq"):
        kernel = getattr(bcl, name)
        if hasattr(kernel, "signatures"):
            assert len(kernel.signatures) == 1, name


@settings(max_examples=30, deadline=None)
@given(CALLS, st.data())
def test_records_are_the_twins(calls: np.ndarray, data: st.DataObject) -> None:
    n, n_cycles = calls.shape
    rows = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=5)), dtype=np.int64)
    cycles = np.array(data.draw(st.lists(st.integers(0, n_cycles - 1), max_size=8)), dtype=np.int64)
    places = st.integers(-20000, 2_000_000)
    x, y = (np.array(data.draw(st.lists(places, min_size=n, max_size=n)), dtype=np.int32) for _ in range(2))
    head = np.frombuffer(bytearray(b"M1:7:FC:1:1101:"), dtype=np.uint8)
    umis = np.full((len(rows), 3), ord("A"), dtype=np.uint8)
    offsets = np.empty(len(rows) + 1, dtype=np.int64)
    bcl.name_offsets(rows, x, y, len(head) + 4, offsets)
    names = np.empty(int(offsets[-1]), dtype=np.uint8)
    bcl.write_names(rows, x, y, head, umis, offsets, names)
    tails = np.tile(np.frombuffer(bytearray(b" 1:N:0:AC"), dtype=np.uint8), (len(rows), 1))
    out = np.empty(len(names) + len(rows) * (9 + 2 * len(cycles) + 6), dtype=np.uint8)
    n_q30 = bcl.write_fastq(calls, rows, cycles, names, offsets, np.ascontiguousarray(tails), out)
    expected = ""
    for row in rows.tolist():
        name = f"M1:7:FC:1:1101:{x[row]}:{y[row]}:AAA"
        expected += naive_bcl.fastq_record(name, " 1:N:0:AC", [int(calls[row, c]) for c in cycles])
    assert out.tobytes().decode() == expected
    qualities = "".join(naive_bcl.qualities_of([int(calls[r, c]) for c in cycles]) for r in rows)
    assert n_q30 == sum(ord(q) - 33 >= 30 for q in qualities)


@settings(max_examples=30, deadline=None)
@given(CALLS)
def test_planes_become_clusters(planes: np.ndarray) -> None:
    for start in {0, planes.shape[1] // 2}:
        out = np.empty((planes.shape[1] - start, planes.shape[0]), dtype=np.uint8)
        bcl.to_clusters(planes, start, out)
        assert (out == planes.T[start:]).all()


@settings(max_examples=30, deadline=None)
@given(CALLS)
def test_spelling_and_complement(calls: np.ndarray) -> None:
    n, n_cycles = calls.shape
    forward = list(range(n_cycles))
    layout = [*forward, bcl.PLUS, *(cycle + bcl.COMPLEMENT for cycle in reversed(forward))]
    out = np.empty((n, len(layout)), dtype=np.uint8)
    bcl.spell(calls, np.arange(n, dtype=np.int64), np.array(layout, dtype=np.int64), out)
    turned = str.maketrans("ACGTN", "TGCAN")
    for row in range(n):
        bases = naive_bcl.bases_of(calls[row].tolist())
        assert out[row].tobytes().decode() == f"{bases}+{bases.translate(turned)[::-1]}"


def test_nibbles_low_half_first() -> None:
    calls_of = np.arange(100, 116, dtype=np.uint8)
    out = np.empty(3, dtype=np.uint8)
    bcl.unpack_nibbles(np.array([0x21, 0x0F], dtype=np.uint8), calls_of, out)
    assert out.tolist() == [101, 102, 115]


def test_passing_clusters_go_to_their_places() -> None:
    out = np.full(5, 9, dtype=np.uint8)
    passing = np.array([0, 1, 1, 0, 1], dtype=np.uint8)
    bcl.spread_passing(np.array([5, 6, 7], dtype=np.uint8), passing, out)
    assert out.tolist() == [0, 5, 6, 0, 7]


def test_clocs_blocks_in_rows_of_columns() -> None:
    data = np.array([1, 10, 20, 0, 2, 1, 2, 3, 4], dtype=np.uint8)
    x, y = np.zeros(3, dtype=np.int32), np.zeros(3, dtype=np.int32)
    assert bcl.clocs_positions(data, 3, 2, x, y) == 3
    assert x.tolist() == [1010, 1001, 1003]
    assert y.tolist() == [1020, 1252, 1254]
    assert bcl.clocs_positions(data, 4, 2, x, y) == -1
    assert bcl.clocs_positions(data[:8].copy(), 3, 2, x, y) == -1
