"""The demultiplex stage: plans, assignment, FASTQ text, counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels import barcode, bcl
from ctdna.model.clusters import TileColumns
from ctdna.model.errors import InputError
from ctdna.model.params.demultiplex import DemultiplexParams
from ctdna.model.run import Placement, RunLayout, RunRead, SampleSheet
from ctdna.model.sample import Sample, Specimen
from ctdna.stages.demultiplex import (
    assign_samples,
    chunks_of,
    count_barcodes,
    count_pairs,
    format_reads,
    index_pairs,
    is_other_orientation,
    rows_by_sample,
    take_clusters,
)
from ctdna.stages.demultiplex_plan import DemultiplexPlan, is_index2_flipped, plan_demultiplex
from ctdna.stages.demultiplex_tally import (
    Tally,
    hopping_table,
    lanes_table,
    samples_table,
    undetermined_table,
)
from tests.builders_bcl import Tile, tile_of


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    bcl.warm()
    barcode.warm()


def _params(mismatches: tuple[int, ...] = (1, 1), orientation: str = "forward") -> DemultiplexParams:
    return DemultiplexParams.model_validate(
        {"decoder": "ctdna", "barcode_mismatches": mismatches, "index2_orientation": orientation}
    )


def _layout(*reads: tuple[int, bool], **more: object) -> RunLayout:
    numbered = tuple(RunRead(number=i + 1, n_cycles=n, is_index=index) for i, (n, index) in enumerate(reads))
    return RunLayout(run_id="run", run_number="7", instrument="M1", flow_cell="FC", reads=numbered, **more)


def _sheet(*rows: tuple[object, ...], cycles: dict[str, int] | None = None) -> SampleSheet:
    placements = tuple(
        Placement(
            sample_id=str(sample_id),
            lane=int(lane),
            index=str(index),
            index2=str(index2),
            override_cycles=str(override[0]) if override else "",
            mismatches=(None, None),
            line=10 + i,
        )
        for i, (sample_id, lane, index, index2, *override) in enumerate(rows)
    )
    samples = tuple(
        Sample(sample_id=s, role="patient", index="", index2="", lanes=(), specimen=Specimen())
        for s in dict.fromkeys(row.sample_id for row in placements)
    )
    return SampleSheet(
        version=2,
        header={},
        cycles=cycles or {},
        settings={},
        kit=None,
        samples=samples,
        placements=placements,
        warnings=(),
    )


DUAL = _layout((4, False), (4, True), (4, True), (3, False))


def _columns(tile: Tile, lane: int = 1) -> TileColumns:
    n = len(tile.passing)
    x = np.arange(n, dtype=np.int32) + 1000
    return TileColumns(lane, 1101, np.ascontiguousarray(tile.calls.T), tile.passing, x, x + 5)


def _read(index: str, index2: str) -> str:
    return "ACGT" + index + index2 + "TTG"


def _demultiplex(tile: Tile, plan: DemultiplexPlan, sample_ids: tuple[str, ...], layout: RunLayout = DUAL) -> tuple:
    lane = plan.lanes[1]
    tally = Tally(sample_ids, (1,))
    tally.lanes[1].n_tiles += 1
    columns = _columns(tile)
    pairs = {1: index_pairs(lane)}
    texts: dict[str, list[str]] = {}
    for start, stop in chunks_of(columns):
        clusters = take_clusters(columns, start, stop)
        found = assign_samples(clusters, lane)
        rows = rows_by_sample(found, clusters.is_passing == 1, len(lane.samples))
        tally.add_chunk(lane, found, clusters.is_passing, rows)
        for sample, some in zip((*lane.samples, lane.undetermined), rows, strict=True):
            text = format_reads(clusters, some, sample, layout)
            texts[sample.sample_id] = [one.tobytes().decode() for one in text.texts]
            tally.add_text(None if sample is lane.undetermined else sample.sample_id, text)
        tally.add_barcodes(1, *count_barcodes(clusters, rows[-1], lane))
        if pairs[1] is not None:
            tally.add_pairs(1, count_pairs(clusters, rows[-1], lane, pairs[1]))
    return tally, texts, pairs


def test_reads_and_tables_of_a_small_tile() -> None:
    sheet = _sheet(("S1", 0, "AAAA", "CCCC"), ("S2", 0, "GGTT", "TTGG"))
    plan = plan_demultiplex(DUAL, sheet, _params(), (1,))
    reads = [
        _read("AAAA", "CCCC"),
        _read("AAAT", "CCCN"),
        _read("GGTT", "TTGG"),
        _read("AAAA", "TTGG"),
        _read("CCCC", "CCCC"),
        _read("AAAA", "CCCC"),
    ]
    tile = tile_of(reads, [37, 12, 37, 37, 37, 37], [1, 1, 1, 1, 1, 0])
    tally, texts, pairs = _demultiplex(tile, plan, ("S1", "S2"))
    assert texts["S1"][0] == (
        "@M1:7:FC:1:1101:1000:1005 1:N:0:AAAA+CCCC\nACGT\n+\nFFFF\n"
        "@M1:7:FC:1:1101:1001:1006 1:N:0:AAAT+CCCN\nACGT\n+\n----\n"
    )
    assert texts["S2"][1] == "@M1:7:FC:1:1101:1002:1007 2:N:0:GGTT+TTGG\nTTG\n+\nFFF\n"
    metrics = tally.metrics("run", is_failed_kept=False)
    assert (metrics.n_in, metrics.n_out) == (6, 3)
    assert metrics.rejected == {"failed_filter": 1, "undetermined": 2}
    assert metrics.counts["sample.S1.clusters"] == 2
    assert metrics.values["sample.S1.q30_percent"] == 50.0
    assert metrics.values["index_hopping_percent"] == 25.0
    samples = samples_table(tally, plan.lanes)
    named = [dict(zip(samples[0], row, strict=True)) for row in samples[1:]]
    assert [row["sample"] for row in named] == ["S1", "S2", "Undetermined"]
    assert (named[0]["clusters"], named[0]["perfect"], named[0]["index_mismatches_1"]) == ("2", "1", "1")
    assert (named[0]["r1_bases"], named[0]["r1_q30_percent"]) == ("8", "50")
    assert undetermined_table(tally, plan.lanes)[1:] == [
        ["1", "AAAA", "TTGG", "1", "50"],
        ["1", "CCCC", "CCCC", "1", "50"],
    ]
    assert hopping_table(tally, plan.lanes, pairs)[1:] == [["1", "AAAA", "TTGG", "S1", "S2", "1"]]
    lane = dict(zip(*lanes_table(tally, pairs), strict=True))
    assert (lane["clusters"], lane["passing"], lane["assigned"], lane["hopped"]) == ("6", "5", "3", "1")
    assert lane["hopped_percent"] == "25"


@pytest.mark.req("REQ-DMX-002")
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.text("ACGTN", min_size=8, max_size=8), st.integers(0, 1)), max_size=12))
def test_every_cluster_is_counted_once(some: list[tuple[str, int]]) -> None:
    sheet = _sheet(("S1", 0, "AAAA", "CCCC"), ("S2", 0, "GGTT", "TTGG"))
    plan = plan_demultiplex(DUAL, sheet, _params(), (1,))
    reads = [_read(index[:4], index[4:]) for index, _ in some]
    tile = Tile(np.zeros((0, 15), dtype=np.uint8), np.zeros(0, dtype=np.uint8))
    if some:
        tile = tile_of(reads, passing=[flag for _, flag in some])
    tally, texts, _ = _demultiplex(tile, plan, ("S1", "S2"))
    metrics = tally.metrics("run", is_failed_kept=False)
    written = sum(text[0].count("\n") // 4 for text in texts.values())
    assert metrics.n_in == len(some)
    assert written == sum(flag for _, flag in some)
    assert metrics.n_out + metrics.rejected["undetermined"] == written


def test_index2_read_on_the_other_strand() -> None:
    sheet = _sheet(("S1", 0, "AAAA", "CCGT"))
    plan = plan_demultiplex(DUAL, sheet, _params(orientation="reverse_complement"), (1,))
    tile = tile_of([_read("AAAA", "ACGG"), _read("AAAA", "CCGT")])
    tally, texts, _ = _demultiplex(tile, plan, ("S1",))
    assert texts["S1"][0].split("\n")[0].endswith("1:N:0:AAAA+CCGT")
    assert undetermined_table(tally, plan.lanes)[1][1:3] == ["AAAA", "ACGG"]


@pytest.mark.parametrize(
    ("layout", "flipped", "is_guess"),
    [
        ({"instrument_type": "NextSeq 500/550"}, True, False),
        ({"instrument_type": "MiniSeq"}, True, False),
        ({"instrument_type": "HiSeq 3000/4000"}, True, False),
        ({"instrument_type": "MiSeq"}, False, False),
        ({"instrument_type": "HiSeq 2000/2500"}, False, False),
        ({"instrument_type": "NovaSeq 6000", "reagent_version": "1"}, False, False),
        ({"instrument_type": "NovaSeq 6000", "reagent_version": "3"}, True, False),
        ({"instrument_type": "NovaSeq 6000"}, False, True),
        ({}, False, True),
    ],
)
def test_orientation_by_instrument(layout: dict[str, str], flipped: bool, is_guess: bool) -> None:
    found, doubt = is_index2_flipped(DUAL.model_copy(update=layout), _params(orientation="by_instrument"))
    assert found == flipped
    assert (doubt is not None) == is_guess


def test_run_info_speaks_first() -> None:
    reads = list(DUAL.reads)
    reads[2] = reads[2].model_copy(update={"is_reverse_complement": True})
    layout = DUAL.model_copy(update={"reads": tuple(reads), "instrument_type": "MiSeq"})
    assert is_index2_flipped(layout, _params(orientation="by_instrument")) == (True, None)
    assert is_index2_flipped(layout, _params(orientation="forward")) == (False, None)
    single = _layout((4, False), (4, True))
    assert is_index2_flipped(single, _params(orientation="reverse_complement")) == (False, None)


@pytest.mark.req("REQ-DMX-005")
def test_wrong_orientation_is_noticed() -> None:
    sheet = _sheet(("S1", 0, "AAAA", "CCGT"))
    plan, flipped = (plan_demultiplex(DUAL, sheet, _params(), (1,), flip=flip).lanes[1] for flip in (False, True))
    turned = take_clusters(_columns(tile_of([_read("AAAA", "ACGG")] * 150)), 0, 150)
    assert is_other_orientation(turned, plan, flipped)
    assert not is_other_orientation(turned, flipped, plan)
    right = take_clusters(_columns(tile_of([_read("AAAA", "CCGT")] * 150)), 0, 150)
    assert not is_other_orientation(right, plan, flipped)


def test_override_cycles_put_the_umi_into_the_name() -> None:
    layout = _layout((6, False), (4, True), (4, False))
    sheet = _sheet(("S1", 0, "AAA", "", "U2N1Y*;I3N1;U1Y3"))
    plan = plan_demultiplex(layout, sheet, _params((0,)), (1,))
    _, texts, _ = _demultiplex(tile_of(["ACGTGGAAATGTTT"]), plan, ("S1",), layout)
    assert texts["S1"] == [
        "@M1:7:FC:1:1101:1000:1005:AC+G 1:N:0:AAA\nTGG\n+\nFFF\n",
        "@M1:7:FC:1:1101:1000:1005:AC+G 2:N:0:AAA\nTTT\n+\nFFF\n",
    ]


def test_barcodes_of_several_lengths_by_override_cycles() -> None:
    layout = _layout((1, False), (4, True))
    sheet = _sheet(("S1", 0, "ACG", "", "Y1;I3N1"), ("S2", 0, "TTTT", "", "Y1;I4"))
    plan = plan_demultiplex(layout, sheet, _params((1,)), (1,))
    clusters = take_clusters(_columns(tile_of(["AACGT", "AACGA", "ATTTA", "AGGGG"])), 0, 4)
    found = assign_samples(clusters, plan.lanes[1])
    assert found.i_sample.tolist() == [0, 0, 1, -1]
    assert found.mismatches[:, 0].tolist() == [0, 0, 1, 0]


def test_a_sample_without_barcode_takes_the_lane() -> None:
    layout = _layout((2, False))
    plan = plan_demultiplex(layout, _sheet(("S1", 0, "", "")), _params(), (1,))
    _, texts, _ = _demultiplex(tile_of(["AC", "GT"]), plan, ("S1",), layout)
    assert texts["S1"][0].count("@") == 2
    assert texts["Undetermined"] == [""]


@pytest.mark.parametrize(
    ("layout", "rows", "mismatches", "message"),
    [
        (
            DUAL,
            [("A", 0, "AAAA", "CCCC"), ("B", 0, "AATT", "CCCC")],
            (1, 1),
            r"line 11: barcodes of 'B' and 'A' \(line",
        ),
        (DUAL, [("A", 0, "AAAAA", "CCCC")], (0, 0), r"line 10: found index 'AAAAA' of 5 bases .* 4 cycles"),
        (_layout((4, False), (4, True)), [("A", 0, "AAAA", "CCCC")], (0,), r"the run has 1 index reads"),
        (_layout((4, False)), [("A", 0, "AAAA", "")], (0,), r"the run has 0 index reads"),
        (DUAL, [("A", 0, "AAAA", "CCCC", "Y4;I4;Y3")], (0,), r"OverrideCycles for 3 reads, the run has 4"),
        (DUAL, [("A", 0, "AAAA", "CCCC", "Y5;I4;I4;Y3")], (0,), r"found 5 cycles for read 1 in OverrideCycles, the"),
        (DUAL, [("A", 0, "AAAA", "CCCC", "Y2;I4;I4;Y3")], (0,), r"found 2 cycles for read 1 in OverrideCycles, the"),
        (DUAL, [("A", 0, "AAAA", "CCCC", "I4;I4;I4;Y3")], (0,), r"found I in OverrideCycles of template read 1"),
        (DUAL, [("A", 0, "AAAA", "CCCC", "Y4;Y4;I4;Y3")], (0,), r"found Y in OverrideCycles of index read 2"),
        (_layout((1, False), (1, False), (1, False)), [("A", 0, "", "")], (0,), r"found 3 template reads and 0 index"),
    ],
)
def test_sheets_that_do_not_fit(layout: RunLayout, rows: list, mismatches: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_demultiplex(layout, _sheet(*rows), _params(mismatches), (1,))


def test_warnings_of_a_plan() -> None:
    sheet = _sheet(("A", 1, "AAA", "CCCC"), ("B", 3, "AAA", "CCCC"), cycles={"Read1": 151})
    plan = plan_demultiplex(DUAL, sheet, _params(), (1, 2))
    assert plan.warnings == (
        "lane 2: the sample sheet has no sample for it",
        "lane 3: in the sample sheet, but not decoded",
        "index 1 has 4 cycles; of longer reads the first bases count: A, B",
        "Read1: the sample sheet plans 151 cycles, the run has 4",
    )


def test_rare_barcodes_are_forgotten_beyond_a_million() -> None:
    tally = Tally((), (1,))
    codes = np.stack([np.arange(1_000_001), np.zeros(1_000_001, dtype=np.int64)], axis=1)
    counts = np.ones(len(codes), dtype=np.int64)
    counts[777] = 5
    tally.add_barcodes(1, codes, counts)
    assert len(tally.lanes[1].barcodes) == 100_000
    assert tally.lanes[1].barcodes[(777, 0)] == 5
