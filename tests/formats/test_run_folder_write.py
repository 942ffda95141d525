"""The written run folder against the decoder, the sample-sheet reader and real files of a sequencer."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.formats.interop import read_interop
from ctdna.formats.run_folder import open_run_folder
from ctdna.formats.run_folder_write import (
    cbcl_bytes,
    pack_nibbles,
    sample_sheet_csv,
    tile_numbers,
    well_positions,
    write_run_folder,
)
from ctdna.formats.sample_sheet import read_sample_sheet
from ctdna.formats.tiles import lane_tiles, read_tile
from ctdna.model.params.simulate import SimulateDesign
from ctdna.model.sample import Specimen
from ctdna.model.simulated import BINS, Clusters
from tests import naive_simulate
from tests.simulation import design, sample

PICARD = "run-folders/151T8B8B151T_cbcl/Data/Intensities/BaseCalls/L001"


def _clusters(n: int, n_cycles: int) -> Clusters:
    rng = np.random.default_rng(11)
    bins = rng.integers(0, 4, (n, n_cycles)).astype(np.uint8)
    calls = np.where(bins == 0, 0, rng.integers(0, 4, (n, n_cycles)) | (bins << 2)).astype(np.uint8)
    return Clusters(calls, rng.integers(-1, 2, n).astype(np.int32), rng.random(n) < 0.8)


def _plan(n_tiles: int) -> SimulateDesign:
    plan = design(sample("A"), sample("B"), read_bases=30)
    return plan.model_copy(update={"run": plan.run.model_copy(update={"n_tiles": n_tiles})})


@pytest.mark.parametrize("n_tiles", [1, 2, 5])
def test_decoder_gives_back_every_call_filter_and_position(tmp_path: Path, n_tiles: int) -> None:
    plan = _plan(n_tiles)
    clusters = _clusters(37 * n_tiles, 76)
    write_run_folder(tmp_path, clusters, plan, "ctdna-demo@1.0.0", np.full(76, 0.25), threads=2)
    folder = open_run_folder(tmp_path)
    (lane,) = folder.lanes
    tiles = lane_tiles(folder, lane)
    assert tiles == tile_numbers(n_tiles)
    assert folder.layout.run_id == plan.run.run_id
    assert [(read.n_cycles, read.is_index) for read in folder.layout.reads] == [
        (30, False), (8, True), (8, True), (30, False)
    ]  # fmt: skip
    for i, tile in enumerate(tiles):
        read = read_tile(folder, lane, tile)
        rows = slice(37 * i, 37 * (i + 1))
        calls = clusters.calls[rows].T
        phred = np.where(calls == 0, 0, np.array(BINS, np.uint8)[calls >> 2])
        assert np.array_equal(read.planes, (calls & 3) | (phred << 2))
        assert np.array_equal(read.is_passing.astype(bool), clusters.passes[rows])
        places = np.floor(10 * well_positions(37).astype(np.float64) + 1000.5)
        assert np.array_equal(np.stack((read.x, read.y), axis=1), places)


def test_interop_figures_are_those_of_the_clusters(tmp_path: Path) -> None:
    plan = _plan(2)
    clusters = _clusters(80, 76)
    write_run_folder(tmp_path, clusters, plan, "ctdna-demo@1.0.0", np.full(76, 0.25))
    figures = read_interop(tmp_path / "InterOp")
    assert figures.tiles is not None
    assert figures.tiles.n_clusters.tolist() == [40, 40]
    assert figures.tiles.n_passing.sum() == clusters.passes.sum()
    assert figures.warnings == ()
    assert figures.error_percent is not None
    assert figures.error_percent.value == pytest.approx(np.full(152, 0.25))


def test_sample_sheet_is_read_without_a_warning(tmp_path: Path) -> None:
    plan = _plan(2)
    specimen = Specimen(subject_id="S1", sex="F", diagnosis="Carcinoma, large cell", plasma_ml=4.5, input_ng=20.0)
    plan = plan.model_copy(
        update={"samples": (plan.samples[0].model_copy(update={"specimen": specimen}), plan.samples[1])}
    )
    path = tmp_path / "SampleSheet.csv"
    path.write_text(sample_sheet_csv(plan, "ctdna-demo@1.0.0"))
    sheet = read_sample_sheet(path)
    assert sheet.warnings == ()
    assert sheet.kit == "ctdna-demo@1.0.0"
    assert [one.sample_id for one in sheet.samples] == ["A", "B"]
    assert sheet.samples[0].specimen == specimen
    assert [(one.index, one.index2) for one in sheet.samples] == [(s.index, s.index2) for s in plan.samples]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 15), max_size=40))
def test_calls_are_packed_two_a_byte_the_first_in_the_low_half(calls: list[int]) -> None:
    assert pack_nibbles(np.array(calls, dtype=np.uint8)) == naive_simulate.pack_nibbles(calls)


@pytest.mark.parametrize(("n_tiles", "expected"), [(1, (1101,)), (4, (1101, 1102, 2101, 2102))])
def test_tiles_fill_the_upper_surface_first(n_tiles: int, expected: tuple[int, ...]) -> None:
    assert tile_numbers(n_tiles) == expected


def test_header_is_laid_out_as_a_sequencers(real_data: Path) -> None:
    real = (real_data / PICARD / "C1.1" / "L001_1.cbcl").read_bytes()
    ours = cbcl_bytes([(1101, np.zeros(28, dtype=np.uint8))])
    fields = struct.Struct("<HIBBI8I5I")
    theirs = fields.unpack_from(real)
    mine = fields.unpack_from(ours)
    assert mine[:-1] == theirs[:-1]
    assert mine[-1] == len(ours) - 65
    assert ours[64] == real[64] == 0
    assert ours[65:67] == real[65:67] == b"\x1f\x8b"
