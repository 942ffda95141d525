"""Assembly and change of records, against the slow twin and pysam's bins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels.record import NIBBLES, ragged_offsets, read_bases, read_bytes, record_fields, tag_code
from ctdna.kernels.record_build import (
    NewRecords,
    bin_of,
    build_records,
    replace_tags,
    set_bins,
    set_flags,
    set_mapqs,
    unmapped_records,
)
from ctdna.kernels.tags_build import TagsBuilder
from ctdna.model.columns import RawRecords
from tests import naive_record
from tests.builders import Read, Tag, records, tag_bytes, writable
from tests.kernels.test_record import items, reads

pytestmark = pytest.mark.timeout(60)


def columns_of(raw: RawRecords) -> NewRecords:
    """Return the columns that make up existing records."""
    fields = record_fields(raw.data, raw.offsets)
    names, bases = ragged_offsets(fields.n_name), ragged_offsets(fields.n_bases)
    cigars = ragged_offsets((4 * fields.n_cigar).astype(np.int32))
    tags = ragged_offsets((fields.tags_end - fields.tags_at).astype(np.int32))
    return NewRecords(
        names=read_bytes(raw.data, fields.name_at, names),
        name_offsets=names,
        flag=fields.flag,
        ref_id=fields.ref_id,
        pos0=fields.pos0,
        mapq=fields.mapq,
        cigar=read_bytes(raw.data, fields.cigar_at, cigars).view(np.uint32),
        cigar_offsets=cigars // 4,
        mate_ref_id=fields.mate_ref_id,
        mate_pos0=fields.mate_pos0,
        insert_size=fields.insert_size,
        bases=read_bases(raw.data, fields.bases_at, bases, NIBBLES),
        quals=read_bytes(raw.data, fields.quals_at, bases),
        base_offsets=bases,
        tags=read_bytes(raw.data, fields.tags_at, tags),
        tag_offsets=tags,
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(reads(), max_size=4))
def test_records_built_of_their_columns_are_the_same(many: list[Read]) -> None:
    raw = records(many)
    built = build_records(columns_of(raw))
    assert [naive_record.parse(item) for item in items(built)] == [naive_record.parse(item) for item in items(raw)]


def test_bins_are_those_of_the_specification() -> None:
    # SAM specification 4.2.1: bin 0 spans 512 Mbp, 1-8 64 Mbp, 9-72 8 Mbp, 73-584 1 Mbp, 585-4680 128 kbp, rest 16 kbp
    assert bin_of(-1, 0) == 4680
    assert bin_of(0, 1) == 4681
    assert bin_of(16383, 16384) == 4681
    assert bin_of(16383, 16385) == 585
    assert bin_of(131071, 131073) == 73
    assert bin_of((1 << 20) - 1, (1 << 20) + 1) == 9
    assert bin_of((1 << 23) - 1, (1 << 23) + 1) == 1
    assert bin_of((1 << 26) - 1, (1 << 26) + 1) == 0


def test_set_bins_follows_the_position() -> None:
    raw = records([Read("r", 0, 0, 16383, cigar="2M", bases="AC"), Read("u")])
    set_bins(raw.data, raw.offsets)
    found = [int.from_bytes(item[14:16], "little") for item in items(raw)]
    assert found == [585, 4680]


def test_unknown_letters_become_n_and_odd_lengths_end_in_a_zero_nibble() -> None:
    none = (np.zeros(0, dtype=np.uint8), np.zeros(2, dtype=np.int64))
    ends = np.array([0, 3], dtype=np.int64)
    built = build_records(
        unmapped_records(
            (writable(b"abc"), ends),
            np.array([4], dtype=np.uint16),
            (writable(b"aZ."), writable(b"\1\2\3"), ends),
            none,
        )
    )
    plain = naive_record.parse(items(built)[0])
    assert (plain.bases, plain.quals, plain.name) == ("ANN", b"\1\2\3", b"abc")
    assert built.data[record_fields(built.data, built.offsets).bases_at[0] + 1] & 15 == 0


def test_flags_and_qualities_are_set_in_place() -> None:
    raw = records([Read("a", 4), Read("b", 4)])
    set_flags(raw.data, raw.offsets, np.array([77, 65535], dtype=np.uint16))
    set_mapqs(raw.data, raw.offsets, np.array([1, 255], dtype=np.uint8))
    fields = record_fields(raw.data, raw.offsets)
    assert fields.flag.tolist() == [77, 65535]
    assert fields.mapq.tolist() == [1, 255]


def test_tags_are_dropped_and_added() -> None:
    raw = records([Read("a", tags={"RX": "AC", "NM": 3, "MI": "7"}), Read("b"), Read("c", tags={"MI": "8", "XX": "y"})])
    fields = record_fields(raw.data, raw.offsets)
    tags = TagsBuilder(3)
    tags.add_text("MI", writable(b"1/A2/B"), np.array([0, 3, 3, 6]), np.array([True, False, True]))
    tags.add_int("cD", np.array([-1, 2, 3], dtype=np.int32))
    tags.add_float("cE", np.array([0.5, 0, 1], dtype=np.float32), np.array([False, True, False]))
    tags.add_shorts("cd", np.array([1, -2, 3], dtype=np.int16), np.array([0, 2, 3, 3]))
    drop = np.array([tag_code("MI"), tag_code("ZZ")], dtype=np.uint16)
    changed = replace_tags(raw, fields.tags_at, drop, *tags.build())
    found = [naive_record.parse(item).tags for item in items(changed)]
    assert found == [
        [("RX", "Z", b"AC"), ("NM", "i", 3), ("MI", "Z", b"1/A"), ("cD", "i", -1), ("cd", "Bs", [1, -2])],
        [("cD", "i", 2), ("cE", "f", 0.0), ("cd", "Bs", [3])],
        [("XX", "Z", b"y"), ("MI", "Z", b"2/B"), ("cD", "i", 3), ("cd", "Bs", [])],
    ]


def test_builder_of_tags_agrees_with_struct() -> None:
    tags = TagsBuilder(1)
    tags.add_shorts("ad", np.array([32767, -32768], dtype=np.int16), np.array([0, 2]))
    tags.add_text("RX", writable(b""), np.array([0, 0]))
    data, offsets = tags.build()
    assert data.tobytes() == tag_bytes("ad", Tag("B:s", [32767, -32768])) + tag_bytes("RX", "")
    assert offsets.tolist() == [0, len(data)]
