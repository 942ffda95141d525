"""Grouping within a ceiling of memory gives what grouping in memory gives, whatever the memory and the batches."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.cli.grouping import Grouping
from ctdna.formats.external_sort import OutOfOrderError
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.group import GroupParams
from ctdna.stages.group import ReadGroups, group, tag_records
from tests.builders import Read, records

pytestmark = pytest.mark.timeout(120)
GROUPS = ReadGroups(("a", "b"), ("lib2", "lib1"))


def params(strategy: str = "paired", edits: int = 1, **changes: Any) -> GroupParams:
    values = {"min_mapq": 1, "min_umi_length": None, "allow_inter_contig": True} | changes
    return GroupParams(strategy=strategy, edits=edits, **values)


def twin(some: RawRecords, settings_: GroupParams) -> tuple[bytes, StageMetrics]:
    grouped, metrics = group(some, GROUPS, settings_, "s")
    return tag_records(some, grouped, 0, len(grouped.records)).data.tobytes(), metrics


def external(
    batches: list[RawRecords], settings_: GroupParams, memory: int, folder: Path
) -> tuple[bytes, StageMetrics]:
    with Grouping(settings_, GROUPS, "s", memory, folder) as grouping:
        for batch in batches:
            grouping.add(batch)
        found = b"".join(part.data.tobytes() for part in grouping.batches())
        return found, grouping.metrics()


def cut(some: RawRecords, at: list[int]) -> list[RawRecords]:
    bounds = [0, *sorted({min(i, len(some)) for i in at}), len(some)]
    return [RawRecords(some.data, some.offsets[a : b + 1]) for a, b in pairwise(bounds)]


UMIS = ("AAC-GTA", "AAC-GTC", "GTA-AAC", "TTT-CCC", "AAG-GTA", "CCC-TTT")


@st.composite
def reads_of(draw: st.DrawFn, umis: tuple[str, ...] = UMIS) -> list[Read]:
    """Return pairs at few places, some of them rejected, some with other records between."""
    out = []
    for i in range(draw(st.integers(0, 25))):
        name, umi = f"r{draw(st.integers(0, 9))}.{i}", draw(st.sampled_from(umis))
        start, contig = draw(st.sampled_from((100, 100, 200))), draw(st.sampled_from((0, 0, 1)))
        is_turned, mapq = draw(st.booleans()), draw(st.sampled_from((60, 60, 60, 0)))
        tags: dict[str, Any] = {"RX": umi, "RG": draw(st.sampled_from(("a", "b", "c")))}
        tags |= draw(st.sampled_from(({}, {"MI": "9"}, {"CB": "AC", "MI": "1"}, {"MI": "3/A", "CB": "T", "XX": 3})))
        flags = (0x53, 0xA3) if is_turned else (0x63, 0x93)
        places = (start + 80, start) if is_turned else (start, start + 80)
        for flag, pos in zip(flags, places, strict=True):
            extra = draw(st.sampled_from((0, 0, 0, 0, 0x100, 0x800, 0x200)))
            if extra in (0x100, 0x800):
                out.append(Read(name, flag | extra, contig, pos, 60, "20M", -1, -1, 0, "A" * 20, 30, tags))
            bits = flag | (extra & 0x200)
            out.append(Read(name, bits, contig, pos, mapq, "20M", contig, start, 0, "A" * 20, 30, tags))
    return out


@given(st.data())
@settings(max_examples=60)
def test_same_as_in_memory(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    strategy = data.draw(st.sampled_from(("paired", "adjacency", "edit", "identity")))
    changes: dict[str, Any] = {}
    umis = UMIS
    if strategy != "paired" and data.draw(st.booleans()):
        changes, umis = {"min_umi_length": 2}, (*UMIS, "AACGT", "A-C", "AACG", "-AAC")
    elif data.draw(st.booleans()):
        changes, umis = {"allow_mixed_umi_lengths": True}, (*UMIS, "AACC-GTA", "GTA-AACC", "AAC-GTAA")
    some_reads = data.draw(reads_of(umis))
    if data.draw(st.booleans()):
        some_reads = data.draw(st.permutations(some_reads))
    some = records(some_reads)
    settings_ = params(strategy, 0 if strategy == "identity" else 1, **changes)
    batches = cut(some, data.draw(st.lists(st.integers(0, len(some)), max_size=4)))
    memory = data.draw(st.sampled_from((1, 3000, 40_000, 1 << 24)))
    assert external(batches, settings_, memory, tmp_path_factory.getbasetemp()) == twin(some, settings_)


def pair(name: str, start: int, umi: str = "AAC-GTA", contig: int = 0) -> list[Read]:
    return [
        Read(name, flag, contig, pos, 60, "20M", contig, start, 0, "A" * 20, 30, {"RX": umi})
        for flag, pos in ((0x63, start), (0x93, start + 80))
    ]


def streamed(
    batches: list[RawRecords], settings_: GroupParams, memory: int, folder: Path
) -> tuple[bytes, StageMetrics]:
    with Grouping(settings_, GROUPS, "s", memory, folder) as grouping:
        found = b"".join(piece.records.data.tobytes() for piece in grouping.stream(batches))
        return found, grouping.metrics()


@given(st.data())
@settings(max_examples=40)
def test_records_in_order_of_their_places_are_grouped_as_they_come(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    starts = sorted(data.draw(st.lists(st.integers(100, 110), max_size=25)))
    some = records([read for i, start in enumerate(starts) for read in pair(f"r{i}", start, UMIS[i % 6])])
    batches = cut(some, data.draw(st.lists(st.integers(0, len(some)), max_size=4)))
    memory = data.draw(st.sampled_from((1 << 20, 1 << 24)))
    assert streamed(batches, params(), memory, tmp_path_factory.getbasetemp()) == twin(some, params())


@pytest.mark.parametrize(
    "some",
    [
        [*pair("a", 100), *pair("b", 90)],
        [*pair("a", 100), *pair("b", 110), *pair("a", 120)],
        [pair("a", 100)[0], *pair("b", 100), pair("a", 100)[1]],
    ],
    ids=["places", "names", "mates"],
)
def test_a_stream_out_of_order_is_noticed(tmp_path: Path, some: list[Read]) -> None:
    with pytest.raises(OutOfOrderError):
        streamed([records(some)], params(), 1 << 20, tmp_path)


def test_a_place_too_large_for_a_stream_is_noticed(tmp_path: Path) -> None:
    some = records([read for i in range(400) for read in pair(f"r{i}", 100)])
    with pytest.raises(OutOfOrderError):
        streamed(cut(some, list(range(0, 800, 8))), params(), 20_000, tmp_path)
    assert external([some], params(), 1 << 20, tmp_path) == twin(some, params())


def test_a_lone_mate_in_a_stream_is_rejected(tmp_path: Path) -> None:
    some = records([*pair("a", 100), pair("b", 110)[0], *pair("c", 120)])
    assert streamed([some], params(), 1 << 20, tmp_path) == twin(some, params())


def test_one_large_family_is_never_cut(tmp_path: Path) -> None:
    some = records([read for i in range(60) for read in pair(f"r{i % 7}.{i}", 100)])
    with Grouping(params(), GROUPS, "s", 20_000, tmp_path) as grouping:
        grouping.add(some)
        (whole,) = grouping.batches()
    with Grouping(params(), GROUPS, "s", 20_000, tmp_path) as grouping:
        pieces = list(grouping.pieces([some]))
    assert len(pieces) > 1
    assert [piece.is_end for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert whole.data.tobytes() == b"".join(piece.records.data.tobytes() for piece in pieces)


def test_a_place_with_too_many_templates_for_the_memory(tmp_path: Path) -> None:
    some = records([read for i in range(1500) for read in pair(f"r{i}", 100)])
    with pytest.raises(InputError, match="templates at one place need more than 0 MiB; give more by --max-memory"):
        external([some], params(), 200_000, tmp_path)


@pytest.mark.parametrize("memory", [1, 1 << 20])
def test_a_name_that_comes_twice(tmp_path: Path, memory: int) -> None:
    some = records([*pair("a", 100), *pair("b", 100), *pair("a", 200)])
    with pytest.raises(InputError, match=r"read a, flag 99: more than one primary record of the same end; names must"):
        external([some], params(), memory, tmp_path)
    apart = records([pair("a", 100)[0], pair("b", 100)[0], pair("a", 200)[0]])
    with pytest.raises(InputError, match=r"read a, flag 99: more than one primary record of the same end"):
        external([apart], params(), memory, tmp_path)


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (Read("a", 0x1, 0, 5, 60, "4M", tags={"RX": "A-C"}), "read a, flag 1: neither first nor second of its pair"),
        (Read("a", 0, 0, 5, 60, "4M"), "read a: no UMI"),
        (Read("a", 0, 0, 5, 60, "4M", tags={"RX": "A.C"}), r"read a: found UMI A\.C, a UMI with another character"),
        (Read("a", 0, 0, 5, 60, "4M", tags={"RX": "A-C"}), "read a: a single read, but the paired strategy needs"),
    ],
)
def test_errors_name_the_read(tmp_path: Path, read: Read, message: str) -> None:
    some = records([*pair("x", 100), read])
    with pytest.raises(InputError, match=message):
        external([some], params(), 1 << 20, tmp_path)
    with pytest.raises(InputError, match=message):
        twin(some, params())


def test_umis_of_two_lengths(tmp_path: Path) -> None:
    some = records([*pair("a", 100), *pair("b", 100, "AACC-GTA"), *pair("c", 100, "AACC-GTA"), *pair("d", 100)])
    message = (
        "read b: UMIs of 7 and 8 characters; all must have one length; else give --min-umi-length or --allow-mixed"
    )
    with pytest.raises(InputError, match=message):
        external([some], params(), 1 << 20, tmp_path)
    mixed = params(allow_mixed_umi_lengths=True)
    found, metrics = external([some], mixed, 1 << 20, tmp_path)
    assert (found, metrics) == twin(some, mixed)
    assert metrics.counts["molecules"] == 2


def test_halves_of_two_lengths_meet_their_other_strand(tmp_path: Path) -> None:
    top = pair("top", 100, "AAC-GTAA")
    bottom = [
        Read("low", flag, 0, pos, 60, "20M", 0, 100, 0, "A" * 20, 30, {"RX": "GTAA-AAC"})
        for flag, pos in ((0x53, 180), (0xA3, 100))
    ]
    _, metrics = external([records([*top, *bottom])], params(allow_mixed_umi_lengths=True), 1 << 20, tmp_path)
    assert (metrics.counts["molecules"], metrics.counts["duplex_molecules"]) == (1, 1)


def test_nothing_in_nothing_out(tmp_path: Path) -> None:
    nothing = records([])
    assert external([nothing], params(), 1 << 20, tmp_path) == twin(nothing, params())
    assert external([], params(), 1 << 20, tmp_path) == twin(nothing, params())
