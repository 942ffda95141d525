"""Records with bytes changed at random: refused with their place, or called; never read beyond their end.

Uncompiled, every access out of bounds is an IndexError, so that the run with `NUMBA_DISABLE_JIT=1` is the strict one.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctdna.formats.bam import BamHeader, iter_records
from ctdna.formats.bgzf import BgzfWriter
from ctdna.kernels.record import FLAWS, check_records, scan_records
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError
from ctdna.stages.consensus import ConsensusCaller, Naming
from tests.builders import Read
from tests.consensus_cases import params, raw

pytestmark = pytest.mark.timeout(180)
HOSTILE = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
LENGTHS = np.array([1000], dtype=np.int64)
EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from([0, 1, 15, 64, 127, 128, 255])), max_size=4
)


def _molecules() -> RawRecords:
    reads = []
    for k in range(3):
        for strand, flags in (("A", (99, 147)), ("B", (163, 83))):
            tags = {"MI": f"{k}/{strand}", "RX": "ACG-TTA", "MC": "2S8M", "CB": "AC"}
            for flag, pos0, cigar in zip(flags, (10, 14), ("2S8M", "4M1I1D5M"), strict=True):
                reads.append(Read(f"r{k}{strand}", flag, 0, pos0, 60, cigar, 0, 24 - pos0, 0, "ACGTACGTAN", 30, tags))
    return raw(reads)


SOUND = _molecules().data.tobytes()


def edited(edits: list[tuple[float, int]]) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return the records' bytes with some set to other values."""
    content = np.frombuffer(SOUND, dtype=np.uint8).copy()
    for at, value in edits:
        content[int(at * len(content))] = value
    return content


@pytest.mark.req("REQ-CNS-006")
@HOSTILE
@given(EDITS, st.sampled_from(["simplex", "duplex"]), st.booleans())
def test_records_that_pass_the_check_are_called_within_their_bounds(
    edits: list[tuple[float, int]], mode: str, is_trimmed: bool
) -> None:
    content = edited(edits)
    offsets, status = scan_records(content)
    bad, flaw = check_records(content, offsets, LENGTHS)
    if status or bad >= 0:
        assert bad < 0 or FLAWS[int(flaw)]
        return
    wanted = params(mode, trim=is_trimmed, consensus_call_overlapping_bases=True, max_reads=2)
    caller = ConsensusCaller(wanted, Naming("lib", "A"), has_losses=True)
    refused: list[InputError] = []
    called: list[RawRecords] = []
    try:
        called = list(caller.call([RawRecords(content[: offsets[-1]].copy(), offsets)]))
    except InputError as error:
        refused.append(error)
    assert all(error.where.startswith("read ") for error in refused)
    if refused:
        return
    for part in called:
        assert check_records(part.data, part.offsets, LENGTHS)[0] == -1
    assert caller.metrics("s").n_in == len(offsets) - 1


@pytest.mark.req("REQ-CNS-006")
@HOSTILE
@given(edits=EDITS, cut=st.integers(0, 60), batch_bytes=st.sampled_from([1, 1 << 20]))
def test_a_file_of_them_is_read_or_refused_with_the_place(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[float, int]], cut: int, batch_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "x.bam"
    content = edited(edits)
    header = BamHeader.of_contigs((("c", 1000),))
    with BgzfWriter(path) as writer:
        writer.write(header.encode())
        writer.write(content[: len(content) - cut])
    refused: list[InputError] = []
    n = 0
    try:
        n = sum(len(part) for part in iter_records(path, batch_bytes=batch_bytes)[1])
    except InputError as error:
        refused.append(error)
    assert all((error.path, error.where[:7]) == (str(path), "record ") for error in refused)
    assert n == 12 or refused or cut > 0 or edits
