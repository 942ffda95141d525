"""Families of raw reads to consensus reads, batch by batch."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.call_family import call_families
from ctdna.kernels.consensus_write import MAX_NAME
from ctdna.kernels.family import CELL_BARCODES, UMI_LENGTHS, Input, Settings, Tally
from ctdna.kernels.molecule_keys import find_molecules
from ctdna.kernels.overlap import ADD, BETTER
from ctdna.kernels.prepare import ReadTags, find_read_tags
from ctdna.kernels.record import CODES, record_fields, scan_records
from ctdna.model.columns import RawRecords, RecordFields
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


def settings_of(params: ConsensusParams) -> Settings:
    """Return the parameters as the kernels take them."""
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
    )


def _read_name(records: RawRecords, fields: RecordFields, i: int) -> str:
    at = int(fields.name_at[i])
    return bytes(records.data[at : at + int(fields.n_name[i])]).decode(errors="replace")


def _check_molecules(records: RawRecords, fields: RecordFields, bad: int, is_duplex: int) -> None:
    if bad < 0:
        return
    where = f"read {_read_name(records, fields, bad)}"
    if is_duplex:
        raise InputError(
            None, where, "no MI tag ending in /A or /B, as duplex consensus needs", "group with --strategy paired"
        )
    raise InputError(None, where, "no MI tag", _GROUP_AGAIN)


def _check_qualities(records: RawRecords, fields: RecordFields) -> None:
    has_bases = fields.n_bases > 0
    missing = np.flatnonzero(has_bases)[records.data[fields.quals_at[has_bases]] == 255]
    if len(missing):
        where = f"read {_read_name(records, fields, int(missing[0]))}"
        raise InputError(None, where, "bases without qualities", "give reads with their base qualities")


def _check_problem(records: RawRecords, fields: RecordFields, tally: Tally) -> None:
    problem, record = int(tally.problem[0]), int(tally.problem[1])
    if problem == 0:
        return
    where = f"read {_read_name(records, fields, record)}"
    if problem == CELL_BARCODES:
        raise InputError(None, where, "another cell barcode (CB) than its molecule's other reads", _GROUP_AGAIN)
    if problem == UMI_LENGTHS:
        raise InputError(None, where, "a UMI (RX) of another length than its molecule's other reads", _GROUP_AGAIN)
    raise InputError(None, where, "dashes of the UMI (RX) stand elsewhere than in its molecule's others", _GROUP_AGAIN)


def _shares(starts: NDArray[np.int64], n_molecules: int, n_shares: int) -> list[tuple[int, int]]:
    """Return ranges of molecules with about equally many records each."""
    cuts = np.searchsorted(starts, np.linspace(0, starts[n_molecules], n_shares + 1)[1:-1])
    bounds = [0, *np.minimum(cuts, n_molecules).tolist(), n_molecules]
    return [(low, high) for low, high in pairwise(bounds) if low < high]


def _writable(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.require(array, requirements=["C", "W"])


class ConsensusCaller:
    """Makes consensus reads of a stream of grouped records; the result does not depend on `threads` or batches."""

    def __init__(self, params: ConsensusParams, naming: Naming, threads: int = 1) -> None:
        """Take the parameters and the names to give."""
        self._settings = settings_of(params)
        self._tables = consensus_tables(params.error_rate_pre_umi, params.error_rate_post_umi)
        self._prefix = _writable(np.frombuffer(naming.prefix.encode(), dtype=np.uint8).copy())
        self._read_group = _writable(np.frombuffer(naming.read_group.encode(), dtype=np.uint8).copy())
        self._threads = threads
        self._order = MoleculeOrder()
        self.counts = ConsensusCounts(params.mode)

    def call(self, batches: Iterable[RawRecords]) -> Iterator[RawRecords]:
        """Yield the consensus records of each batch of raw records; all reads of a molecule stand together.

        A batch may be changed: mates' overlaps are corrected in place.

        Raises:
            InputError: a read lacks its molecule (MI) or its qualities, a molecule's reads do not stand together, or
                their UMIs or cell barcodes do not fit each other.
        """
        rest = RawRecords(np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64))
        with ThreadPoolExecutor(self._threads) as pool:
            for batch in batches:
                rest, called = self._call_batch(pool, _joined(rest, batch), is_last=False)
                yield called
            _, called = self._call_batch(pool, rest, is_last=True)
            yield called

    def _call_batch(
        self, pool: ThreadPoolExecutor, records: RawRecords, is_last: bool
    ) -> tuple[RawRecords, RawRecords]:
        """Return the records of the last molecule, unless this is the last batch, and the others' consensus."""
        data = _writable(records.data)
        records = RawRecords(data, np.ascontiguousarray(records.offsets))
        fields = record_fields(records.data, records.offsets)
        tags = find_read_tags(data, fields)
        starts, n_id, bad = find_molecules(data, tags, self._settings.is_duplex)
        _check_molecules(records, fields, int(bad), int(self._settings.is_duplex))
        n_molecules = max(len(starts) - 1 - (0 if is_last else 1), 0)
        first_left = int(starts[n_molecules])
        _check_qualities(records, fields)
        self._check_names(records, fields, tags, n_id, starts, n_molecules)
        source = Input(data, fields, tags, n_id, CODES.copy(), self._settings, self._tables)

        def work(share: tuple[int, int]) -> tuple[NDArray[np.uint8], int, Tally]:
            called, n_called, tally = call_families(source, starts, share[0], share[1], self._prefix, self._read_group)
            return called, int(n_called), tally

        parts = [np.empty(0, dtype=np.uint8)]
        for called, n_called, tally in pool.map(work, _shares(starts, n_molecules, self._threads)):
            _check_problem(records, fields, tally)
            self.counts.add(tally, n_called)
            parts.append(called)
        consensus = np.concatenate(parts)
        at = int(records.offsets[first_left])
        left = RawRecords(data[at:].copy(), records.offsets[first_left:] - at)
        return left, RawRecords(consensus, scan_records(consensus)[0])

    def _check_names(
        self,
        records: RawRecords,
        fields: RecordFields,
        tags: ReadTags,
        n_id: NDArray[np.int32],
        starts: NDArray[np.int64],
        n_molecules: int,
    ) -> None:
        firsts = starts[:n_molecules]
        again = self._order.first_again(records.data, tags.mi_at[firsts], n_id[firsts])
        if again >= 0:
            i = int(firsts[again])
            at = int(tags.mi_at[i])
            found = bytes(records.data[at : at + int(n_id[i])]).decode(errors="replace")
            what = f"molecule {found} comes again after other molecules; all its reads must stand together"
            raise InputError(None, f"read {_read_name(records, fields, i)}", what, _GROUP_AGAIN)
        if n_molecules and int(n_id[firsts].max()) + len(self._prefix) + 1 > MAX_NAME:
            i = int(firsts[int(n_id[firsts].argmax())])
            what = f"a read name of more than {MAX_NAME} letters would come of prefix and MI"
            raise InputError(None, f"read {_read_name(records, fields, i)}", what, "give a shorter --read-name-prefix")

    def metrics(self, sample: str) -> StageMetrics:
        """Return the counts of everything called so far."""
        return self.counts.metrics(sample)


def _joined(first: RawRecords, second: RawRecords) -> RawRecords:
    if len(first) == 0:
        return second
    offsets = np.concatenate((first.offsets[:-1], second.offsets + len(first.data)))
    return RawRecords(np.concatenate((first.data, second.data)), offsets)
