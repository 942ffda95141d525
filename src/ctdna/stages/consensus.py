"""Families of raw reads to consensus reads, batch by batch."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.call_family import call_families
from ctdna.kernels.consensus import LETTERS_OF_NIBBLES
from ctdna.kernels.consensus_write import MAX_NAME
from ctdna.kernels.family import CELL_BARCODES, UMI_LENGTHS, Input, Settings, Tally
from ctdna.kernels.molecule_keys import find_molecules
from ctdna.kernels.overlap import ADD, BETTER
from ctdna.kernels.read_rows import CIGAR_AT, MI_AT, N_ID, N_NAME, Rows, first_without_quality, read_rows
from ctdna.kernels.record import scan_records
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.consensus import ConsensusParams, three
from ctdna.stages.consensus_metrics import ConsensusCounts
from ctdna.stages.molecule_order import MoleculeOrder
from ctdna.stats.phred import consensus_tables

_GROUP_AGAIN = "group the reads again with `ctdna group`"


class Naming(NamedTuple):
    """What consensus reads are called."""

    prefix: str
    """Read names are `<prefix>:<molecule>`."""
    read_group: str
    """ID of their read group."""


def settings_of(params: ConsensusParams, has_losses: bool = False) -> Settings:
    """Return the parameters as the kernels take them, and whether losses are written as tags."""
    total, major, minor = three(params.min_reads)
    return Settings(
        is_duplex=int(params.mode == "duplex"),
        min_total=total,
        min_major=major,
        min_minor=minor,
        min_input_quality=params.min_input_base_quality,
        min_consensus_quality=params.min_consensus_base_quality,
        max_reads=params.max_reads or 0,
        is_trimmed=int(params.trim),
        overlap_rules=ADD | BETTER << 2 if params.consensus_call_overlapping_bases else -1,
        has_losses=int(has_losses),
    )


def _read_name(records: RawRecords, rows: Rows, i: int) -> str:
    end = int(rows[i, CIGAR_AT]) - 1
    return bytes(records.data[end - int(rows[i, N_NAME]) : end]).decode(errors="replace")


def _check_molecules(records: RawRecords, rows: Rows, bad: int, is_duplex: int) -> None:
    if bad < 0:
        return
    where = f"read {_read_name(records, rows, bad)}"
    if is_duplex:
        raise InputError(
            None, where, "no MI tag ending in /A or /B, as duplex consensus needs", "group with --strategy paired"
        )
    raise InputError(None, where, "no MI tag", _GROUP_AGAIN)


def _check_qualities(records: RawRecords, rows: Rows) -> None:
    missing = int(first_without_quality(records.data, rows))
    if missing >= 0:
        where = f"read {_read_name(records, rows, missing)}"
        raise InputError(None, where, "bases without qualities", "give reads with their base qualities")


def _check_problem(records: RawRecords, rows: Rows, tally: Tally) -> None:
    problem, record = int(tally.problem[0]), int(tally.problem[1])
    if problem == 0:
        return
    where = f"read {_read_name(records, rows, record)}"
    if problem == CELL_BARCODES:
        raise InputError(None, where, "another cell barcode (CB) than its molecule's other reads", _GROUP_AGAIN)
    if problem == UMI_LENGTHS:
        raise InputError(None, where, "a UMI (RX) of another length than its molecule's other reads", _GROUP_AGAIN)
    raise InputError(None, where, "dashes of the UMI (RX) stand elsewhere than in its molecule's others", _GROUP_AGAIN)


def _shares(starts: NDArray[np.int64], low: int, high: int, n_shares: int) -> list[tuple[int, int]]:
    """Return ranges of molecules low to high - 1 with about equally many records each."""
    if n_shares == 1:
        return [(low, high)]
    cuts = np.searchsorted(starts, np.linspace(starts[low], starts[high], n_shares + 1)[1:-1])
    bounds = [low, *np.clip(cuts, low, high).tolist(), high]
    return [(first, last) for first, last in pairwise(bounds) if first < last]


def _writable(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.require(array, requirements=["C", "W"])


class _Batch(NamedTuple):
    """Raw records, their rows, and where each molecule's begin."""

    records: RawRecords
    rows: Rows
    starts: NDArray[np.int64]

    def name(self, i: int) -> bytes:
        """Return the name of read i's molecule."""
        at = int(self.rows[i, MI_AT])
        return bytes(self.records.data[at : at + int(self.rows[i, N_ID])])


class ConsensusCaller:
    """Makes consensus reads of a stream of grouped records; the result does not depend on `threads` or batches."""

    def __init__(self, params: ConsensusParams, naming: Naming, threads: int = 1, has_losses: bool = False) -> None:
        """Take the parameters and the names to give; `has_losses` adds the tags of what each read lost."""
        self._settings = settings_of(params, has_losses)
        self._tables = consensus_tables(params.error_rate_pre_umi, params.error_rate_post_umi)
        self._prefix = _writable(np.frombuffer(naming.prefix.encode(), dtype=np.uint8).copy())
        self._read_group = _writable(np.frombuffer(naming.read_group.encode(), dtype=np.uint8).copy())
        self._letters = LETTERS_OF_NIBBLES.copy()
        self._threads = threads
        self._order = MoleculeOrder()
        self.counts = ConsensusCounts(params.mode)

    def call(self, batches: Iterable[RawRecords]) -> Iterator[RawRecords]:
        """Yield the consensus records of raw records, batch by batch; all reads of a molecule stand together.

        A batch may be changed: mates' overlaps are corrected in place.

        Raises:
            InputError: a read lacks its molecule (MI) or its qualities, a molecule's reads do not stand together, or
                their UMIs or cell barcodes do not fit each other.
        """
        waiting: list[RawRecords] = []  # the molecule that the batches so far ended with, in parts
        with ThreadPoolExecutor(self._threads) if self._threads > 1 else nullcontext() as pool:
            for records in batches:
                if len(records) == 0:
                    continue
                batch = self._batch(records)
                low, last = 0, len(batch.starts) - 2
                if waiting and self._goes_on(waiting[0], batch):
                    low = 1
                    waiting.append(_taken(batch.records, 0, int(batch.starts[1])))
                if last >= low:
                    yield from self._call_waiting(waiting)
                    yield self._call_molecules(batch, low, last, pool)
                    waiting = [_taken(batch.records, int(batch.starts[last]), int(batch.starts[-1]))]
            yield from self._call_waiting(waiting)

    def _batch(self, records: RawRecords) -> _Batch:
        """Return the records with their rows and molecules, checked as far as they can be alone."""
        records = RawRecords(_writable(records.data), np.ascontiguousarray(records.offsets))
        rows = read_rows(records.data, records.offsets)
        starts, bad = find_molecules(records.data, rows, self._settings.is_duplex)
        _check_molecules(records, rows, int(bad), int(self._settings.is_duplex))
        _check_qualities(records, rows)
        return _Batch(records, rows, starts)

    def _goes_on(self, waiting: RawRecords, batch: _Batch) -> bool:
        """Return whether a batch begins with the molecule that waits."""
        first = RawRecords(waiting.data, waiting.offsets[:2].copy())
        return self._batch(first).name(0) == batch.name(0)

    def _call_waiting(self, waiting: list[RawRecords]) -> Iterator[RawRecords]:
        if waiting:
            yield self._call_molecules(self._batch(_joined(waiting)), 0, 1, None)

    def _call_molecules(self, batch: _Batch, low: int, high: int, pool: ThreadPoolExecutor | None) -> RawRecords:
        """Return the consensus records of molecules low to high - 1 of a batch."""
        self._check_names(batch, low, high)
        source = Input(batch.records.data, batch.rows, self._letters, self._settings, self._tables)

        def work(share: tuple[int, int]) -> tuple[NDArray[np.uint8], int, Tally]:
            called = call_families(source, batch.starts, share[0], share[1], self._prefix, self._read_group)
            return called[0], int(called[1]), called[2]

        shares = _shares(batch.starts, low, high, self._threads if pool else 1)
        parts = []
        for called, n_called, tally in (pool.map if pool else map)(work, shares):
            _check_problem(batch.records, batch.rows, tally)
            self.counts.add(tally, n_called)
            parts.append(called)
        consensus = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype=np.uint8), *parts])
        return RawRecords(consensus, scan_records(consensus)[0])

    def _check_names(self, batch: _Batch, low: int, high: int) -> None:
        firsts = batch.starts[low:high]
        n_id = batch.rows[firsts, N_ID]
        again = self._order.first_again(batch.records.data, batch.rows[firsts, MI_AT], n_id)
        if again >= 0:
            where = f"read {_read_name(batch.records, batch.rows, int(firsts[again]))}"
            found = batch.name(int(firsts[again])).decode(errors="replace")
            what = f"molecule {found} comes again after other molecules; all its reads must stand together"
            raise InputError(None, where, what, _GROUP_AGAIN)
        if len(firsts) and int(n_id.max()) + len(self._prefix) + 1 > MAX_NAME:
            where = f"read {_read_name(batch.records, batch.rows, int(firsts[int(n_id.argmax())]))}"
            what = f"a read name of more than {MAX_NAME} letters would come of prefix and MI"
            raise InputError(None, where, what, "give a shorter --read-name-prefix")

    def metrics(self, sample: str) -> StageMetrics:
        """Return the counts of everything called so far."""
        return self.counts.metrics(sample)


def _taken(records: RawRecords, low: int, high: int) -> RawRecords:
    """Return a copy of records low to high - 1."""
    offsets = records.offsets[low : high + 1]
    return RawRecords(records.data[offsets[0] : offsets[-1]].copy(), offsets - offsets[0])


def _joined(parts: list[RawRecords]) -> RawRecords:
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.data) for part in parts)])
    offsets = [part.offsets[:-1] + start for part, start in zip(parts, starts[:-1], strict=True)]
    return RawRecords(np.concatenate([part.data for part in parts]), np.concatenate([*offsets, starts[-1:]]))
