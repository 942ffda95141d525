"""Whether a reference is that of the reads."""

import numpy as np
import pytest

from ctdna.kernels.record import record_fields
from ctdna.model.errors import InputError
from ctdna.stages.reference_fit import LEAST_COMPARED, ReadsFit
from tests.builders import Read, records

BASES = "ACGTACGGTTCAACGTNACGTACGGTTCAACGTACGTACGGTTCAACGTACGTACGGTTCAACGT"


def _check(reference: str, *reads: Read, place: int = 0) -> None:
    raw = records(reads)
    fields = record_fields(raw.data, raw.offsets)
    places = np.full(len(reads), place, dtype=np.int64)
    fit = ReadsFit()
    fit.add(raw, fields, places, np.frombuffer(reference.encode(), dtype=np.uint8).copy())
    fit.check()


def _read(bases: str, cigar: str = "") -> Read:
    return Read(flag=0, contig=0, pos0=0, cigar=cigar or f"{len(bases)}M", bases=bases)


def test_a_read_of_its_own_reference_fits() -> None:
    _check("TT" + BASES, _read(BASES), place=2)


def test_half_of_the_bases_may_differ_but_no_more() -> None:
    bases = "A" * LEAST_COMPARED
    half = LEAST_COMPARED // 2
    _check("A" * half + "C" * half, _read(bases))
    with pytest.raises(InputError, match=f"{half + 1} of {LEAST_COMPARED} bases differ from the reads"):
        _check("A" * (half - 1) + "C" * (half + 1), _read(bases))


def test_few_bases_unknown_bases_and_clipped_reads_say_nothing() -> None:
    few = "A" * (LEAST_COMPARED - 1)
    _check("C" * len(few), _read(few))
    _check("C" * len(few) + "N" * 100, _read(few + "A" * 100))
    _check("C" * len(few) + "C" * 100, _read(few + "N" * 100))
    _check("C" * 200, _read("A" * 200, "50S150M"))
    _check("C" * 200, _read("A" * 200), place=-1)
