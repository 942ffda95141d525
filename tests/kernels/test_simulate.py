"""The simulator's kernels against published numbers, closed forms and their slow twins."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ctdna.kernels import simulate as kernels
from ctdna.kernels.fragments import build_template
from ctdna.kernels.random_stream import draw, poisson, stream, unit
from ctdna.model.simulated import Alleles, Genome, Sequencing
from ctdna.stages.simulation.tables import codes
from tests import naive_simulate
from tests.simulation import text

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True, scope="module")
def _wrapping() -> Iterator[None]:
    with np.errstate(over="ignore"):
        yield


def test_random_numbers_are_those_published_for_splitmix64() -> None:
    state = np.array([1234567], dtype=np.uint64)
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [int(draw(state)) for _ in published] == published


def test_streams_of_neighbouring_items_do_not_resemble_each_other() -> None:
    state, firsts = np.zeros(1, np.uint64), []
    for item in range(4000):
        stream(np.uint64(5), item, state)
        firsts.append(unit(state))
    assert stats.kstest(firsts, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(firsts[:-1], firsts[1:])[0, 1]) < 0.06


@pytest.mark.parametrize("mean", [0.3, 2.0, 11.0])
def test_poisson_numbers_follow_the_law(mean: float) -> None:
    state = np.array([99], dtype=np.uint64)
    drawn = np.array([poisson(state, mean) for _ in range(6000)])
    edges = [k for k in range(60) if 6000 * stats.poisson.pmf(k, mean) >= 5]
    observed = [int((drawn == k).sum()) for k in edges]
    expected = 6000 * stats.poisson.pmf(edges, mean)
    rest = 6000 - sum(observed), 6000 - float(expected.sum())
    result = stats.chisquare([*observed, rest[0]], [*expected, rest[1]])
    assert result.pvalue > 1e-4


@st.composite
def _fragments(draw_: st.DrawFn) -> tuple[str, int, int, list[tuple[int, str, str]]]:
    """Return a reference, a fragment's start and length, and its alleles; it may begin within the first's bases."""
    reference = draw_(st.text("ACGT", min_size=90, max_size=140))
    start = draw_(st.integers(10, 25))
    n_bases = draw_(st.integers(20, 50))
    alleles, at = [], start - draw_(st.integers(0, 8))
    for i in range(draw_(st.integers(0, 4))):
        pos, n_ref = at + (draw_(st.integers(0, 8)) if i else 0), draw_(st.integers(1, 6))
        alt = draw_(st.text("ACGT", min_size=max(1, start - pos + 1), max_size=12))
        alleles.append((pos, reference[pos : pos + n_ref], alt))
        at = max(pos + n_ref, start)
    return reference, start, n_bases, alleles


@settings(max_examples=60, deadline=None)
@given(_fragments(), st.data())
def test_template_is_the_reference_with_the_carried_alleles(
    fragment: tuple[str, int, int, list[tuple[int, str, str]]], data: st.DataObject
) -> None:
    reference, start, n_bases, alleles = fragment
    carried = [data.draw(st.booleans()) for _ in alleles]
    columns = Alleles(
        np.array([a[0] for a in alleles], np.int64),
        np.array([len(a[1]) for a in alleles], np.int64),
        codes("".join(a[2] for a in alleles)),
        np.concatenate(([0], np.cumsum([len(a[2]) for a in alleles]))).astype(np.int64),
        np.zeros((4, len(alleles))),
    )
    mask = np.uint64(sum(1 << i for i, is_carried in enumerate(carried) if is_carried))
    out = np.zeros(400, np.uint8)
    genome = Genome(codes(reference), np.array([0, len(reference)], np.int64))
    n = build_template(genome, columns, start, n_bases, mask, out)
    chosen = [allele for allele, is_carried in zip(alleles, carried, strict=True) if is_carried]
    expected = naive_simulate.template(reference, start, n_bases, chosen)
    assert "".join("ACGT"[code] for code in out[:n]) == expected


@settings(max_examples=60, deadline=None)
@given(st.text("ACGT", max_size=70), st.text("ACGT", min_size=4, max_size=4), st.text("ACGT", min_size=4, max_size=4))
def test_reads_run_from_umi_through_insert_into_the_adapter(insert: str, left: str, right: str) -> None:
    spacer, adapters, n_read = "CT", ("AGATCGGA", "AGTTCCAA"), 50
    sequencing = Sequencing(
        np.ones((3, 100, 4)), np.zeros(4), 0.0, codes(spacer), np.stack([codes(a) for a in adapters]),
        np.zeros((1, 0), np.uint8), 0, 4, n_read, 0.0, np.ones(100), 1.0, 1.0, 0.0,
    )  # fmt: skip
    template, umis = codes(insert), np.stack((codes(left), codes(right)))
    out = np.zeros((2, n_read), np.uint8)
    expected = naive_simulate.reads(insert, (left, right), spacer, adapters, n_read)
    for mate, is_reverse in ((0, False), (1, True)):
        kernels._insert_read(template, len(template), is_reverse, umis, sequencing, mate, out[mate])
        assert text(out[mate] | np.uint8(12)) == expected[mate]


def test_each_kernel_compiles_once() -> None:
    kernels.warm()
    for name in ("draw_molecules", "call_molecules", "call_others"):
        signatures = getattr(getattr(kernels, name), "signatures", [None])
        assert len(signatures) == 1, name
