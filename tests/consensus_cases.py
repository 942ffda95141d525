"""Reads of the acceptance table as raw records, and consensus records as plain values."""

import re
import struct
from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from ctdna.kernels.read_rows import Rows, read_rows
from ctdna.kernels.record import record_fields
from ctdna.model.columns import RawRecords, RecordFields
from ctdna.model.params.consensus import ConsensusParams
from ctdna.stages.consensus import ConsensusCaller, Naming
from tests.builders import Read, record_bytes, writable

CONTIGS = [f"chr{x}" for x in [*range(1, 23), "X", "Y", "M"]]
OPTION_NAMES = {
    "error_rate_pre_umi": "error_rate_pre_umi",
    "error_rate_post_umi": "error_rate_post_umi",
    "min_input_base_quality": "min_input_base_quality",
    "min_consensus_base_quality": "min_consensus_base_quality",
    "max_reads": "max_reads",
    "overlap_calling": "consensus_call_overlapping_bases",
    "quality_trim": "trim",
}
LETTERS = "ACGTN"


def params(mode: str, options: dict[str, Any] | None = None, **changes: Any) -> ConsensusParams:
    """Return consensus parameters: the peers' defaults without overlap correction, then a case's options."""
    values: dict[str, Any] = {
        "mode": mode,
        "error_rate_pre_umi": 45,
        "error_rate_post_umi": 40,
        "min_input_base_quality": 10,
        "min_consensus_base_quality": 2,
        "min_reads": (1,),
        "max_reads": None,
        "trim": False,
        "consensus_call_overlapping_bases": False,
    }
    for name, value in (options or {}).items():
        if name in OPTION_NAMES:
            values[OPTION_NAMES[name]] = value
    least = (options or {}).get("min_reads", 1)
    values["min_reads"] = tuple(least) if isinstance(least, list) else (least,)
    return ConsensusParams(**(values | changes))


def cigar_length(cigar: str) -> int:
    """Return the read bases of a CIGAR text."""
    return sum(int(n) for n, code in re.findall(r"(\d+)([MIDNSHP=X])", cigar) if code in "MIS=X")


def plain_read(case: dict[str, Any], name: str | None = None) -> Read:
    """Return one read of the table as the builders take it."""
    bases = case["seq"] if case["seq"] is not None else "A" * cigar_length(case["cigar"])
    qual = case["qual"]
    if qual is None:
        qual = [255] * len(bases)
    contig = CONTIGS.index(case["ref"]) if case["ref"] else -1
    mate = CONTIGS.index(case["mate_ref"]) if case["mate_ref"] else -1
    # cE and its like are fractions: BAM holds them as `f` also where the table writes a whole number.
    tags = {key: float(value) if re.fullmatch(r"[abc]E", key) else value for key, value in case["tags"].items()}
    return Read(
        name or case["name"], case["flag"], contig, case["pos"] - 1, case["mapq"], case["cigar"], mate,
        case["mate_pos"] - 1, case["tlen"], bases, qual, tags,
    )  # fmt: skip


def raw(reads: Iterable[Read]) -> RawRecords:
    """Return raw records of reads; equal neighbours are packed once, so that huge families stay quick."""
    known: dict[str, bytes] = {}
    items = []
    for read in reads:
        key = repr(read)
        if key not in known:
            known[key] = record_bytes(read)
        items.append(known[key])
    offsets = np.cumsum([0, *(len(item) for item in items)]).astype(np.int64)
    return RawRecords(writable(b"".join(items)), offsets)


def fields_of(reads: RawRecords) -> RecordFields:
    """Return the fixed fields of raw records."""
    return record_fields(reads.data, reads.offsets)


def rows_of(reads: RawRecords) -> Rows:
    """Return what a consensus needs of raw records."""
    return read_rows(reads.data, reads.offsets)


def _tag_value(content: bytes, at: int) -> tuple[str, Any, int]:
    name, kind = content[at : at + 2].decode(), chr(content[at + 2])
    at += 3
    if kind == "Z":
        end = content.index(b"\0", at)
        return name, content[at:end].decode(), end + 1
    if kind == "B":
        n = struct.unpack_from("<i", content, at + 1)[0]
        code, size = {"s": ("h", 2), "i": ("i", 4), "C": ("B", 1)}[chr(content[at])]
        return name, list(struct.unpack_from(f"<{n}{code}", content, at + 5)), at + 5 + size * n
    code, size = {"i": ("i", 4), "f": ("f", 4), "c": ("b", 1), "C": ("B", 1), "s": ("h", 2), "S": ("H", 2)}[kind]
    return name, struct.unpack_from(f"<{code}", content, at)[0], at + size


def plain_record(content: bytes) -> dict[str, Any]:
    """Return one raw record (its size first) as name, flag, bases, quals and tags."""
    n_name, n_cigar = content[12], struct.unpack_from("<H", content, 16)[0]
    flag, n_bases = struct.unpack_from("<H", content, 18)[0], struct.unpack_from("<i", content, 20)[0]
    at = 36 + n_name + 4 * n_cigar
    packed = content[at : at + (n_bases + 1) // 2]
    nibbles = [nibble for byte in packed for nibble in (byte >> 4, byte & 15)][:n_bases]
    at += len(packed)
    quals = list(content[at : at + n_bases])
    at += n_bases
    tags = {}
    while at < len(content):
        name, value, at = _tag_value(content, at)
        tags[name] = value
    bases = "".join("=ACMGRSVTWYHKDBN"[nibble] for nibble in nibbles)
    name = content[36 : 36 + n_name - 1].decode()
    end = 0 if not flag & 1 else 1 if flag & 64 else 2
    return {"name": name, "flag": flag, "end": end, "bases": bases, "quals": quals, "tags": tags}


def plain_records(found: RawRecords) -> list[dict[str, Any]]:
    """Return raw records as plain values."""
    content, offsets = found.data.tobytes(), found.offsets.tolist()
    return [plain_record(content[a:b]) for a, b in pairwise(offsets)]


def call(
    reads: Iterable[Read] | RawRecords, wanted: ConsensusParams, threads: int = 1, has_losses: bool = False
) -> tuple[list[Any], Any]:
    """Return the consensus records of reads as plain values, and the metrics."""
    caller = ConsensusCaller(wanted, Naming("lib", "A"), threads, has_losses)
    batch = reads if isinstance(reads, RawRecords) else raw(reads)
    found = [record for part in caller.call([batch]) for record in plain_records(part)]
    return found, caller.metrics("sample")


@cache
def fraction(text: str | float) -> float:
    """Return a rate that the table writes as `a/b` or as a number."""
    return float(Fraction(text)) if isinstance(text, str) else float(text)


def codes(bases: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return base codes of letters."""
    return np.array([LETTERS.index(base) for base in bases], dtype=np.uint8)
