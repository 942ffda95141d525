"""Records walked once, templates and their keys, against the field-by-field kernels and plain Python."""

from itertools import groupby
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctdna.kernels import packed, templates
from ctdna.kernels.cigar import five_prime0, unclipped_bounds
from ctdna.kernels.grouping import template_ends, template_status, with_molecules
from ctdna.kernels.order import radix_order
from ctdna.kernels.record import find_tag, kind_code, record_fields, tag_code
from ctdna.kernels.tags import text_lengths
from ctdna.kernels.umi import BASE_TABLE, encode_umis
from ctdna.model.columns import RawRecords
from tests.builders import Read, records

pytestmark = pytest.mark.timeout(120)

CIGARS = ("4M", "1S3M", "2H1S2M1S", "1S2M1D1M2H", "1M1I2M3S", "4S", "*", "2M5N2M1H", "1H4S")
UMIS = (
    "ACG-TTA",
    "acg-tt",
    "ANG-TTA",
    "-ACG",
    "AC-",
    "A.C",
    "A-C-G",
    "ACGT" * 9,
    "ACGT" * 8 + "-AC",
    "-",
    "A" * 40 + "-" + "C" * 9,
)
TAGS = {"RX": UMIS, "MI": ("1", "77/A"), "RG": ("a", "b"), "CB": ("ACT", ""), "ZZ": ("x",)}
FLAGS = (0x63, 0x93, 0x53, 0xA3, 0x0, 0x10, 0x4, 0x45, 0x8D, 0x263, 0x163, 0x893)


@st.composite
def reads(draw: st.DrawFn) -> list[Read]:
    """Return records of few names, mates mostly side by side."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        tags: dict[str, Any] = {"NM": 3}
        for name, values in (
            ("RX", UMIS),
            ("MI", ("1", "77/A")),
            ("RG", ("a", "b")),
            ("CB", ("ACT", "")),
            ("ZZ", ("x",)),
        ):
            if draw(st.booleans()):
                tags[name] = draw(st.sampled_from(values))
        contig = draw(st.sampled_from((-1, 0, 0, 1)))
        found.append(
            Read(
                draw(st.sampled_from(("a", "b", "bb", "c"))), draw(st.sampled_from(FLAGS)), contig,
                10 if contig >= 0 else -1, draw(st.sampled_from((0, 20, 60))), draw(st.sampled_from(CIGARS)), tags=tags,
            )
        )  # fmt: skip
    return found


@given(reads())
def test_one_walk_finds_what_many_find(some: list[Read]) -> None:
    raw = records(some)
    found, fields = templates.scan_reads(raw.data, raw.offsets), record_fields(raw.data, raw.offsets)
    start0, end0 = unclipped_bounds(raw.data, fields.cigar_at, fields.n_cigar, fields.pos0)
    assert found.five0.tolist() == five_prime0(start0, end0, fields.flag).tolist()
    for name in ("flag", "ref_id", "mapq", "n_name", "tags_at"):
        assert getattr(found, name).tolist() == getattr(fields, name).tolist()
    is_primary = (fields.flag & 0x900) == 0
    for k, name in enumerate(("RX", "RG", "CB")):
        at = find_tag(raw.data, fields.tags_at, fields.tags_end, tag_code(name), kind_code("Z"))
        assert found.texts_at[:, k].tolist() == np.where(is_primary, at, -1).tolist()
        assert found.n_texts[:, k].tolist() == np.where(is_primary, text_lengths(raw.data, at), 0).tolist()
    assert found.has_mi.tolist() == [bool(read.flag & 0x900 == 0 and "MI" in read.tags) for read in some]


def _pairs(some: list[Read]) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Return templates, strays and counts as `pair_neighbours` does, the plain way."""
    whole: list[tuple[int, int]] = []
    strays: list[int] = []
    counts = [0, 0, -1, 0]
    for _, members in groupby(range(len(some)), key=lambda i: some[i].name):
        ends: dict[int, int] = {}
        for i in members:
            flag = some[i].flag
            if flag & 0x100:
                counts[0] += 1
            elif flag & 0x800:
                counts[1] += 1
            else:
                end = 1 if flag & 1 and flag & 0x80 else 0
                if end in ends:
                    return whole, strays, [*counts[:2], i, 1]
                ends[end] = i
        pair = (ends.get(0, -1), ends.get(1, -1))
        if ends and min(pair) < 0 and some[max(pair)].flag & 1:
            strays.append(max(pair))
        elif ends:
            whole.append(pair)
    return whole, strays, counts


@given(reads())
def test_neighbours_are_paired(some: list[Read]) -> None:
    raw = records(some)
    found = templates.scan_reads(raw.data, raw.offsets)
    r1, r2, strays, counts = templates.pair_neighbours(raw.data, raw.offsets, found.flag, found.n_name)
    assert (list(zip(r1.tolist(), r2.tolist(), strict=True)), strays.tolist(), counts.tolist()) == _pairs(some)


def test_a_read_that_is_neither_first_nor_second() -> None:
    raw = records([Read("a", 0x63), Read("b", 0x1)])
    found = templates.scan_reads(raw.data, raw.offsets)
    assert templates.pair_neighbours(raw.data, raw.offsets, found.flag, found.n_name)[3].tolist() == [0, 0, 1, 2]


@given(reads(), st.sampled_from(((1, 1, 0), (0, 0, 3), (30, 1, 5))))
def test_keys_are_those_of_the_fields(some: list[Read], limits: tuple[int, int, int]) -> None:
    raw = records(some)
    found, fields = templates.scan_reads(raw.data, raw.offsets), record_fields(raw.data, raw.offsets)
    r1, r2, _, _ = templates.pair_neighbours(raw.data, raw.offsets, found.flag, found.n_name)
    numbers = np.array(limits, dtype=np.int64)
    status, keys = templates.template_keys(raw.data, found, r1, r2, numbers, BASE_TABLE)
    at = find_tag(raw.data, fields.tags_at, fields.tags_end, tag_code("RX"), kind_code("Z"))
    n_chars = text_lengths(raw.data, at)
    first, second, shape, umi_status = encode_umis(raw.data, at, n_chars, BASE_TABLE)
    n_bases = ((shape >> 6 & 63) + (shape & 63)).astype(np.int32)
    expected = template_status(r1, r2, fields.ref_id, fields.mapq, fields.flag, n_bases, umi_status, numbers)
    assert status.tolist() == expected.tolist()
    start0, end0 = unclipped_bounds(raw.data, fields.cigar_at, fields.n_cigar, fields.pos0)
    ends = template_ends(r1, r2, fields.ref_id, five_prime0(start0, end0, fields.flag), fields.flag)
    marks = ends.strands | ends.orientation << 2 | ends.is_r1_lower.astype(np.int64) << 4
    kept = np.flatnonzero(status == 0)
    own = r1[kept]
    for row, values in enumerate((ends.contigs[kept], ends.positions[kept], marks[kept], first[own], second[own])):
        assert keys[row, kept].tolist() == values.tolist()
    assert (keys[5, kept] & 0xFFFF).tolist() == shape[own].tolist()
    cut = np.minimum(n_chars[own], 4).astype(np.int32)
    wanted = encode_umis(raw.data, at[own], cut, BASE_TABLE)[:3]
    assert templates.cut_umis(keys[3:, kept], cut).tolist() == [part.tolist() for part in wanted]


@given(st.lists(st.binary(min_size=0, max_size=20), min_size=1, max_size=5))
def test_fingerprints(names: list[bytes]) -> None:
    data = np.frombuffer(b"".join(names) + b"\0", dtype=np.uint8).copy()
    n = np.array([len(name) for name in names], dtype=np.int32)
    found = templates.name_fingerprints(data, (np.cumsum(n) - n).astype(np.int64), n)
    mask = (1 << 32) - 1
    expected = []
    for name in names:
        one, two = 2166136261, 0
        for byte in name:
            one, two = (one ^ byte) * 16777619 & mask, (two + byte + 1) * 0x2C9277B5 & mask
        one, two = (one ^ one >> 15) * 0x2C1B3C6D & mask, (two ^ two >> 16) * 0x297A2D39 & mask
        value = one ^ one >> 12 | (two ^ two >> 15) << 32
        expected.append(value - (1 << 64) if value >> 63 else value)
    assert found.tolist() == expected


@given(reads(), st.data())
def test_packed_templates_become_records_with_their_molecule(some: list[Read], data: st.DataObject) -> None:
    raw = records(some)
    found = templates.scan_reads(raw.data, raw.offsets)
    r1, r2, _, _ = templates.pair_neighbours(raw.data, raw.offsets, found.flag, found.n_name)
    mates = np.stack((r1, r2))
    out = np.zeros(len(raw.data) + 5, dtype=np.uint8)
    places, end = packed.pack_templates(raw.data, raw.offsets, found, mates, out, 5)
    assert end == 5 + places[1].sum()
    order = np.array(data.draw(st.permutations(range(len(r1)))), dtype=np.int64)
    molecule = np.array([10 ** (k % 4) for k in range(len(r1))], dtype=np.int64)
    strand = np.array([k % 3 for k in range(len(r1))], dtype=np.uint8)
    records_ = packed.molecule_records(out, places, order, molecule, strand)
    both = mates[:, order].T.ravel()
    template = np.repeat(order, 2)[both >= 0]
    both = both[both >= 0]
    wanted = with_molecules(raw.data, raw.offsets, found.tags_at[both], both, molecule[template], strand[template])
    assert records_.data.tobytes() == wanted.data.tobytes()
    assert records_.offsets.tolist() == wanted.offsets.tolist()


_NUMBERS = st.one_of(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-2, 2), st.sampled_from((1 << 62, -(1 << 40))))


def _columns(n: int) -> st.SearchStrategy[list[list[int]]]:
    return st.lists(st.lists(_NUMBERS, min_size=n, max_size=n), min_size=1, max_size=3)


@given(st.integers(0, 40).flatmap(_columns))
def test_radix_order(keys: list[list[int]]) -> None:
    columns = np.array(keys, dtype=np.int64).reshape(len(keys), -1)
    assert radix_order(columns).tolist() == np.lexsort(columns[::-1]).tolist()


def test_batches_may_be_slices() -> None:
    raw = records([Read("a", 0x63), Read("b", 0), Read("c", 0)])
    part = RawRecords(raw.data, raw.offsets[1:])
    found = templates.scan_reads(part.data, part.offsets)
    r1, _, _, _ = templates.pair_neighbours(part.data, part.offsets, found.flag, found.n_name)
    assert r1.tolist() == [0, 1]
