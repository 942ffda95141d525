"""Fields, bases, qualities, tags and soundness of raw records, against a slow twin."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctdna.kernels import record
from ctdna.kernels.cigar import clips, five_prime0, reference_lengths, text_bounds, unclipped_bounds
from ctdna.kernels.record import (
    CODES,
    FLAWS,
    NIBBLES,
    check_records,
    find_tag,
    kind_code,
    ragged_offsets,
    read_bases,
    read_bytes,
    record_fields,
    same_name_as_previous,
    scan_records,
    tag_code,
    take_records,
)
from ctdna.kernels.tags import array_lengths, array_values, float_values, int_values, text_lengths
from ctdna.model.columns import RawRecords
from tests import naive_record
from tests.builders import CONTIGS, Read, Tag, record_bytes, records, writable

pytestmark = pytest.mark.timeout(60)
LENGTHS = np.array([length for _, length in CONTIGS], dtype=np.int64)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def reads(draw: st.DrawFn) -> Read:
    n = draw(st.integers(0, 12))
    bases = draw(st.text(alphabet="=ACMGRSVTWYHKDBN", min_size=n, max_size=n))
    lead, trail = draw(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    is_mapped = n > 0 and draw(st.booleans())
    cigar = "".join((f"{lead}H" if lead else "", f"{n}{draw(st.sampled_from('M=X'))}", f"{trail}H" if trail else ""))
    tags: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "RX": st.text(alphabet="ACGT-", max_size=8),
                "NM": st.integers(-(2**31), 2**31 - 1),
                "cD": st.integers(-128, 127).map(lambda x: Tag("c", x)),
                "aD": st.integers(0, 65535).map(lambda x: Tag("S", x)),
                "cE": st.floats(width=32, allow_nan=False),
                "cd": st.lists(st.integers(-(2**15), 2**15 - 1), max_size=5),
                "XA": st.sampled_from("xyz").map(lambda x: Tag("A", x)),
            },
        )
    )
    return Read(
        name=draw(st.text(alphabet="abc:1", min_size=1, max_size=6)),
        flag=draw(st.integers(0, 4095)),
        contig=draw(st.integers(0, 1)) if is_mapped else -1,
        pos0=draw(st.integers(0, 4000)) if is_mapped else -1,
        mapq=draw(st.integers(0, 255)),
        cigar=cigar if is_mapped else "*",
        mate_contig=draw(st.integers(-1, 1)),
        mate_pos0=draw(st.integers(-1, 4000)),
        insert_size=draw(st.integers(-5000, 5000)),
        bases=bases,
        quals=draw(st.lists(st.integers(0, 93), min_size=n, max_size=n)),
        tags=tags,
    )


def items(raw: RawRecords) -> list[bytes]:
    pairs = zip(raw.offsets[:-1], raw.offsets[1:], strict=True)
    return [raw.data[start:end].tobytes() for start, end in pairs]


@QUICK
@given(st.lists(reads(), max_size=4))
def test_fields_bases_and_tags_agree_with_the_twin(many: list[Read]) -> None:
    raw = records(many)
    plain = [naive_record.parse(item) for item in items(raw)]
    offsets, status = scan_records(raw.data)
    assert status == 0
    assert offsets.tolist() == raw.offsets.tolist()
    assert check_records(raw.data, raw.offsets, LENGTHS) == (-1, 0)
    fields = record_fields(raw.data, raw.offsets)
    columns = (fields.flag, fields.ref_id, fields.pos0, fields.mapq, fields.n_bases, fields.insert_size)
    found = list(zip(*(column.tolist() for column in columns), strict=True))
    assert found == [(p.flag, p.contig, p.pos0, p.mapq, len(p.bases), p.mate[2]) for p in plain]
    ends = ragged_offsets(fields.n_bases)
    assert read_bases(raw.data, fields.bases_at, ends, NIBBLES).tobytes().decode() == "".join(p.bases for p in plain)
    codes = [{"A": 0, "C": 1, "G": 2, "T": 3}.get(base, 4) for p in plain for base in p.bases]
    assert read_bases(raw.data, fields.bases_at, ends, CODES).tolist() == codes
    assert read_bytes(raw.data, fields.quals_at, ends).tobytes() == b"".join(p.quals for p in plain)
    same = [i > 0 and plain[i].name == plain[i - 1].name for i in range(len(plain))]
    assert same_name_as_previous(raw.data, fields.name_at, fields.n_name).tolist() == same
    _check_tags(raw, plain)


def _check_tags(raw: RawRecords, plain: list[naive_record.Plain]) -> None:
    fields = record_fields(raw.data, raw.offsets)
    tags = [{name: value for name, _, value in p.tags} for p in plain]

    def places(name: str, kind: str) -> Any:
        return find_tag(raw.data, fields.tags_at, fields.tags_end, tag_code(name), kind_code(kind))

    texts = places("RX", "Z")
    sizes = text_lengths(raw.data, texts)
    found = [raw.data[at : at + n].tobytes() if at >= 0 else None for at, n in zip(texts, sizes, strict=True)]
    assert found == [tag.get("RX") for tag in tags]
    for name in ("NM", "cD", "aD"):
        values = int_values(raw.data, places(name, "i"), -(1 << 40)).tolist()
        assert values == [tag.get(name, -(1 << 40)) for tag in tags]
    assert (places("cE", "i") == -1).all()
    rates = float_values(raw.data, places("cE", "f"))
    np.testing.assert_array_equal(rates, np.array([tag.get("cE", np.nan) for tag in tags], dtype=np.float32))
    at = places("cd", "B")
    ends = ragged_offsets(array_lengths(raw.data, at))
    assert array_values(raw.data, at, ends).tolist() == [x for tag in tags for x in tag.get("cd", [])]


@QUICK
@given(st.lists(reads(), min_size=1, max_size=3))
def test_cigar_walks_agree_with_the_twin(many: list[Read]) -> None:
    raw = records(many)
    plain = [naive_record.parse(item) for item in items(raw)]
    fields = record_fields(raw.data, raw.offsets)
    expected = [naive_record.bounds(p) for p in plain]
    assert reference_lengths(raw.data, fields.cigar_at, fields.n_cigar).tolist() == [span for span, _, _ in expected]
    start0, end0 = unclipped_bounds(raw.data, fields.cigar_at, fields.n_cigar, fields.pos0)
    assert list(zip(start0.tolist(), end0.tolist(), strict=True)) == [(start, end) for _, start, end in expected]
    first = [end - 1 if p.flag & 16 else start for p, (_, start, end) in zip(plain, expected, strict=True)]
    assert five_prime0(start0, end0, fields.flag).tolist() == first


def test_clips_by_kind() -> None:
    raw = records([Read(contig=0, pos0=9, cigar="2H3S4M1D2M5S1H", bases="A" * 14, flag=0)])
    fields = record_fields(raw.data, raw.offsets)
    found = [int(part[0]) for part in clips(raw.data, fields.cigar_at, fields.n_cigar)]
    assert found == [3, 2, 5, 1]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("10M", (100, 110, True)),
        ("5S10M2D3M4H", (95, 119, True)),
        ("3H2S1M", (95, 101, True)),
        ("", (100, 100, False)),
        ("M", (100, 100, False)),
        ("10", (100, 100, False)),
        ("4S", (100, 100, False)),
        ("10Z", (100, 100, False)),
        ("999999999999M", (100, 100, False)),
    ],
)
def test_text_cigars(text: str, expected: tuple[int, int, bool]) -> None:
    data = writable(text.encode() + b"\0")
    start0, end0, is_sound = text_bounds(data, np.zeros(1, dtype=np.int64), np.array([100], dtype=np.int32))
    assert (start0[0], end0[0], is_sound[0]) == expected


def test_text_cigar_of_an_absent_tag() -> None:
    start0, _, is_sound = text_bounds(writable(b"\0"), np.array([-1], dtype=np.int64), np.array([7], dtype=np.int32))
    assert (start0[0], is_sound[0]) == (7, False)


@settings(max_examples=150, deadline=None)
@given(reads(), st.data())
def test_a_damaged_record_is_judged_as_the_twin_judges_it(read: Read, data: st.DataObject) -> None:
    item = bytearray(record_bytes(read))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(4, len(item) - 1))
        item[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, 3)) if data.draw(st.booleans()) else 0
    if cut:
        item = item[: max(40, len(item) - cut)]
        item[:4] = (len(item) - 4).to_bytes(4, "little")
    offsets = np.array([0, len(item)], dtype=np.int64)
    bad, flaw = check_records(writable(bytes(item)), offsets, LENGTHS)
    assert (bad == -1) == naive_record.is_sound(bytes(item), LENGTHS.tolist()), FLAWS[flaw]


@pytest.mark.parametrize(
    "change, flaw",
    [
        ((12, 0), 2),
        ((12, 200), 2),
        ((20, 200), 3),
        ((4, 9), 4),
        ((8, 250, 250), 5),
        ((40, 9), 6),
        ((40, 0x30), 7),
        ((47, 94), 8),
        ((52, 33), 9),
    ],
)
def test_every_flaw_is_named(change: tuple[int, ...], flaw: int) -> None:
    item = bytearray(record_bytes(Read("r12", 0, 1, 5, cigar="4M", tags={"NM": 1})))
    at, *values = change
    item[at : at + len(values)] = bytes(values)
    offsets = np.array([0, len(item)], dtype=np.int64)
    assert check_records(writable(bytes(item)), offsets, LENGTHS) == (0, flaw)


def test_scan_stops_at_an_impossible_size_and_at_an_incomplete_record() -> None:
    item = record_bytes(Read())
    offsets, status = scan_records(writable(item + item[:-1]))
    assert (offsets.tolist(), status) == ([0, len(item)], 0)
    offsets, status = scan_records(writable(item + b"\x05\0\0\0" + item))
    assert (offsets.tolist(), status) == ([0, len(item)], 1)
    offsets, status = scan_records(writable(item + b"\xff\xff\xff\xff"))
    assert (offsets.tolist(), status) == ([0, len(item)], 1)


def test_take_records() -> None:
    raw = records([Read("a"), Read("bb"), Read("ccc")])
    taken = take_records(raw.data, raw.offsets, np.array([2, 0, 2], dtype=np.int64))
    assert items(taken) == [items(raw)[2], items(raw)[0], items(raw)[2]]
    assert len(take_records(raw.data, raw.offsets, np.zeros(0, dtype=np.int64))) == 0


def test_flaws_have_texts() -> None:
    assert len(FLAWS) == 10
    assert record.MAX_QUALITY == 93
