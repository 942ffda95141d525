"""Grouping within a ceiling of memory gives what grouping in memory gives, whatever the memory and the batches."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.cli.grouping import Grouping
from ctdna.model.columns import RawRecords
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
