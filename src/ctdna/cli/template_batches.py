"""Batches of records cut anew so that records of one name that stand together stay together."""

from collections.abc import Iterator

import numpy as np

from ctdna.kernels.record import FIXED_BYTES
from ctdna.model.columns import RawRecords

_NO_RECORDS = RawRecords(np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64))


def join_records(parts: list[RawRecords]) -> RawRecords:
    """Return records one after the other."""
    data, offsets, end = [_NO_RECORDS.data], [_NO_RECORDS.offsets], 0
    for part in parts:
        data.append(part.data[part.offsets[0] : part.offsets[-1]])
        offsets.append(part.offsets[1:] - part.offsets[0] + end)
        end += len(data[-1])
    return RawRecords(np.concatenate(data), np.concatenate(offsets))


def _name(records: RawRecords, i: int) -> bytes:
    at = int(records.offsets[i])
    return records.data[at + FIXED_BYTES : at + FIXED_BYTES + int(records.data[at + 12]) - 1].tobytes()


def _part(records: RawRecords, start: int, stop: int) -> RawRecords:
    return RawRecords(records.data, records.offsets[start : stop + 1])


class TemplateBatches:
    """Batches of records in, batches that cut no run of records of one name out."""

    def __init__(self) -> None:
        """Start without records."""
        self._held: RawRecords | None = None

    def add(self, records: RawRecords) -> Iterator[RawRecords]:
        """Yield what is whole once these records are there; the records of their last name are held."""
        n, first = len(records), 0
        if not n:
            return
        if self._held is not None:
            name = _name(self._held, 0)
            while first < n and _name(records, first) == name:
                first += 1
            held = join_records([self._held, _part(records, 0, first)]) if first else self._held
            if first == n:
                self._held = held
                return
            yield held
        last, name = n - 1, _name(records, n - 1)
        while last > first and _name(records, last - 1) == name:
            last -= 1
        self._held = join_records([_part(records, last, n)])
        if last > first:
            yield _part(records, first, last)

    def rest(self) -> Iterator[RawRecords]:
        """Yield what is held."""
        if self._held is not None:
            yield self._held
            self._held = None
