"""What `ctdna demultiplex` does with each kind of input."""

import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from ctdna.cli import options
from ctdna.cli.demultiplex_fastq import collect_fastq
from ctdna.formats.atomic import writable_error, write_text
from ctdna.formats.bgzf import BgzfWriter
from ctdna.formats.documents import write_json
from ctdna.formats.fastq_folder import is_fastq_folder
from ctdna.formats.interop import read_interop
from ctdna.formats.run_folder import RunFolder, open_run_folder, require_complete
from ctdna.formats.sample_sheet import check_collisions, read_sample_sheet
from ctdna.formats.tiles import lane_tiles, read_tile
from ctdna.model.clusters import ClusterColumns, TileColumns
from ctdna.model.errors import InputError
from ctdna.model.params.demultiplex import DemultiplexParams
from ctdna.model.run import SampleSheet
from ctdna.stages.demultiplex import (
    FastqText,
    IndexPairs,
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
from ctdna.stages.demultiplex_plan import DemultiplexPlan, LanePlan, ReadPlan, plan_demultiplex
from ctdna.stages.demultiplex_tally import (
    Table,
    Tally,
    hopping_table,
    lanes_table,
    samples_table,
    undetermined_table,
)

_FURTHER_FILES = 64


class Request(NamedTuple):
    """What the command line asks for."""

    run_folder: Path
    output: Path
    sample_sheet: Path | None
    kit_name: str | None
    params: DemultiplexParams
    has_own_limits: bool
    """Whether `params` overrules the mismatch limits of the sheet."""
    lanes: tuple[int, ...]
    read_structure: str | None
    is_failed_kept: bool
    may_miss_positions: bool
    threads: int


def warn(text: str) -> None:
    """Print one line of warning."""
    click.echo(f"ctdna: warning: {text}", err=True)


def make_folder(path: Path) -> None:
    """Make the output folder.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InputError(path, "", "found a file, a folder is to be written", "choose another name") from error
    except OSError as error:
        raise writable_error(path, error) from error


def load_sheet(request: Request) -> tuple[Path, SampleSheet] | None:
    """Return the run's sample sheet and its path, or None where there is none.

    Raises:
        InputError: the named one is wrong or missing, or names another kit than the command line.
    """
    path = request.sample_sheet or request.run_folder / "SampleSheet.csv"
    if request.sample_sheet is None and not path.is_file():
        return None
    sheet = read_sample_sheet(path)
    kit = request.kit_name.partition("#")[0] if request.kit_name else None
    if None not in (sheet.kit, kit) and sheet.kit != kit:
        what = f"found Kit {sheet.kit}, the command line says {kit}"
        raise InputError(path, "[Ctdna_Settings]", what, "correct one of them")
    for text in sheet.warnings:
        warn(f"{path.name}: {text}")
    if request.has_own_limits:
        rows = tuple(row.model_copy(update={"mismatches": (None, None)}) for row in sheet.placements)
        sheet = sheet.model_copy(update={"placements": rows})
    check_collisions(path, sheet, request.params.barcode_mismatches)
    return path, sheet


def allow_open_files(n_files: int) -> None:
    """Raise this process's limit of open files, as far as it may, to hold so many and a few more.

    Raises:
        InputError: the system allows fewer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_files + _FURTHER_FILES
    if hard != resource.RLIM_INFINITY and wanted > hard:
        what = f"found {n_files} FASTQ files to write at once, the system allows {hard} open files"
        raise InputError(None, "", what, "run lane by lane (--lane), or raise the limit (ulimit -n)")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Outputs:
    """The FASTQ files of a run, all open at once; each is written by one thread at a time."""

    def __init__(self, stack: ExitStack, request: Request, sample_ids: tuple[str, ...], n_reads: int) -> None:
        allow_open_files(n_reads * (len(sample_ids) + 1))
        self._files = {
            name: [
                stack.enter_context(BgzfWriter(request.output / f"{name}_R{i_read + 1}.fastq.gz"))
                for i_read in range(n_reads)
            ]
            for name in (*sample_ids, "Undetermined")
        }

    def write(self, name: str, text: FastqText) -> None:
        for file, content in zip(self._files[name], text.texts, strict=True):
            file.write(content)


class _Decoder:
    """Decodes a run folder tile by tile into the outputs and the tally."""

    def __init__(
        self, request: Request, folder: RunFolder, plan: DemultiplexPlan, outputs: _Outputs, tally: Tally
    ) -> None:
        self.request, self.folder, self.plan, self.outputs, self.tally = request, folder, plan, outputs, tally
        self.pairs: dict[int, IndexPairs | None] = {n: index_pairs(lane) for n, lane in plan.lanes.items()}

    def tiles(self) -> Iterator[TileColumns]:
        for lane in self.folder.lanes:
            for tile in lane_tiles(self.folder, lane):
                self.tally.lanes[lane.lane].n_tiles += 1
                yield read_tile(self.folder, lane, tile, self.request.threads, self.request.may_miss_positions)

    def add(self, tile: TileColumns, pool: ThreadPoolExecutor) -> None:
        plan = self.plan.lanes[tile.lane]
        for start, stop in chunks_of(tile):
            clusters = take_clusters(tile, start, stop)
            assignment = assign_samples(clusters, plan)
            is_kept = (clusters.is_passing == 1) | self.request.is_failed_kept
            rows = rows_by_sample(assignment, is_kept, len(plan.samples))
            self.tally.add_chunk(plan, assignment, clusters.is_passing, rows)

            samples = (*plan.samples, plan.undetermined)
            work = [(clusters, some, sample) for some, sample in zip(rows, samples, strict=True) if len(some)]
            for sample, text in pool.map(lambda item: self._write(*item), work):
                self.tally.add_text(None if sample is plan.undetermined else sample.sample_id, text)
            self.tally.add_barcodes(tile.lane, *count_barcodes(clusters, rows[-1], plan))
            pairs = self.pairs[tile.lane]
            if pairs is not None:
                self.tally.add_pairs(tile.lane, count_pairs(clusters, rows[-1], plan, pairs))

    def _write(self, clusters: ClusterColumns, rows: NDArray[np.int64], sample: ReadPlan) -> tuple[ReadPlan, FastqText]:
        text = format_reads(clusters, rows, sample, self.folder.layout)
        self.outputs.write(sample.sample_id, text)
        return sample, text


def _check_orientation(tile: TileColumns, plan: LanePlan, flipped: LanePlan) -> None:
    start, stop = next(iter(chunks_of(tile)), (0, 0))
    if stop > start and is_other_orientation(take_clusters(tile, start, stop), plan, flipped):
        other = "forward" if plan.is_flipped else "reverse_complement"
        what = "index 2 of most clusters fits the sample sheet the other way round, hardly any as planned"
        hint = f"run with --index2-orientation {other}, or turn index2 round in the sample sheet"
        raise InputError(None, f"lane {tile.lane}, tile {tile.tile}", what, hint)


def _write_table(path: Path, table: Table) -> None:
    write_text(path, "".join("\t".join(row) + "\n" for row in table))


def _decode(request: Request, sheet_path: Path, sheet: SampleSheet) -> None:
    folder = open_run_folder(request.run_folder, request.read_structure, request.lanes)
    lanes = tuple(lane.lane for lane in folder.lanes)
    with options.located(sheet_path):
        plan = plan_demultiplex(folder.layout, sheet, request.params, lanes)
        flipped = plan_demultiplex(folder.layout, sheet, request.params, lanes, flip=True)
    for text in plan.warnings:
        warn(text)
    interop = read_interop(folder.path / "InterOp")
    for text in interop.warnings:
        warn(text)
    make_folder(request.output)
    sample_ids = tuple(sample.sample_id for sample in sheet.samples)
    tally = Tally(sample_ids, lanes)
    checked: set[int] = set()
    with ExitStack() as stack, ThreadPoolExecutor(request.threads) as pool:
        decoder = _Decoder(request, folder, plan, _Outputs(stack, request, sample_ids, plan.n_reads), tally)
        for tile in decoder.tiles():
            if tile.lane not in checked:
                _check_orientation(tile, plan.lanes[tile.lane], flipped.lanes[tile.lane])
                checked.add(tile.lane)
            decoder.add(tile, pool)
    metrics = tally.metrics(folder.layout.run_id, request.is_failed_kept)
    metrics = metrics.model_copy(update={"values": metrics.values | interop.values()})
    _write_table(request.output / "samples.tsv", samples_table(tally, plan.lanes))
    _write_table(request.output / "lanes.tsv", lanes_table(tally, decoder.pairs))
    _write_table(request.output / "undetermined_barcodes.tsv", undetermined_table(tally, plan.lanes))
    _write_table(request.output / "index_hopping.tsv", hopping_table(tally, plan.lanes, decoder.pairs))
    write_json(request.output / "demultiplex.json", metrics)


def _demultiplex(request: Request) -> None:
    if not request.run_folder.is_dir():
        raise InputError(request.run_folder, "", "found no folder of this name", "check the path of the run folder")
    is_fastq = is_fastq_folder(request.run_folder)
    if request.output.resolve() == request.run_folder.resolve():
        raise InputError(request.output, "--output", "found the input folder itself", "choose another output folder")
    if not is_fastq and request.read_structure is None:
        require_complete(request.run_folder)
    loaded = load_sheet(request)
    if is_fastq:
        make_folder(request.output)
        collect_fastq(request.run_folder, request.output, loaded[1] if loaded else None, request.threads, warn)
        return
    if loaded is None:
        path = request.run_folder / "SampleSheet.csv"
        raise InputError(path, "", "found no sample sheet", "put it there, or name it by --sample-sheet")
    if request.params.decoder == "bcl-convert":
        from ctdna.cli.demultiplex_bclconvert import convert

        convert(request, *loaded)
        return
    _decode(request, *loaded)


def demultiplex(request: Request) -> None:
    """Do what the command line asks for.

    Raises:
        InputError: any input is wrong or cannot be read; no FASTQ file of this run is left.
        ProgramError: BCL Convert is missing or failed.
    """
    try:
        _demultiplex(request)
    except OSError as error:
        path = error.filename or request.run_folder
        hint = "check the rights to read and whether the disk is there"
        raise InputError(path, "", f"cannot be read: {error.strerror or error}", hint) from error
