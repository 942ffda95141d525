"""Small inputs made in code: BAM records of plain values or SAM text, FASTQ text, and readers of what came out."""

import gzip
import re
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ctdna.formats.bam import BamHeader, BamWriter
from ctdna.model.columns import RawRecords

CONTIGS = (("chr1", 10_000), ("chr2", 5_000))
_OPERATIONS = "MIDNSHP=X"
_NIBBLES = "=ACMGRSVTWYHKDBN"
_ARRAYS = {"c": "b", "C": "B", "s": "h", "S": "H", "i": "i", "I": "I", "f": "f"}


class Tag(NamedTuple):
    """A tag of an explicit BAM type: `Tag("s", -3)`, `Tag("B:s", [1, 2])`."""

    kind: str
    value: Any


class Read(NamedTuple):
    """One BAM record in plain values; a tag's value is a str (Z), int (i), float (f), list of int (B:s) or a `Tag`."""

    name: str = "read"
    flag: int = 4
    contig: int = -1
    pos0: int = -1
    mapq: int = 0
    cigar: str = "*"
    mate_contig: int = -1
    mate_pos0: int = -1
    insert_size: int = 0
    bases: str = "ACGT"
    quals: Sequence[int] | int = 30
    tags: dict[str, Any] = {}


def _cigar_operations(text: str) -> list[int]:
    found = re.findall(r"(\d+)([MIDNSHP=X])", text)
    return [int(size) << 4 | _OPERATIONS.index(letter) for size, letter in found]


def tag_bytes(name: str, value: Any) -> bytes:
    """Return one tag as BAM stores it."""
    kinds: dict[type, str] = {str: "Z", int: "i", float: "f", list: "B:s"}
    kind, plain = (value.kind, value.value) if isinstance(value, Tag) else (kinds[type(value)], value)
    head = name.encode() + kind[:1].encode()
    if kind in ("Z", "H"):
        return head + str(plain).encode() + b"\0"
    if kind == "A":
        return head + str(plain).encode()
    if kind.startswith("B:"):
        code = _ARRAYS[kind[2]]
        return head + kind[2].encode() + struct.pack(f"<i{len(plain)}{code}", len(plain), *plain)
    return head + struct.pack("<" + _ARRAYS[kind], plain)


def record_bytes(read: Read) -> bytes:
    """Return one record as BAM stores it, its size first (its bin is left 0)."""
    name = read.name.encode() + b"\0"
    operations = _cigar_operations(read.cigar)
    codes = [_NIBBLES.index(base) for base in read.bases] + [0] * (len(read.bases) % 2)
    packed = bytes(high << 4 | low for high, low in zip(codes[::2], codes[1::2], strict=True))
    quals = bytes([read.quals] * len(read.bases) if isinstance(read.quals, int) else read.quals)
    tags = b"".join(tag_bytes(tag, value) for tag, value in read.tags.items())
    fixed = struct.pack(
        "<iiBBHHHiiii", read.contig, read.pos0, len(name), read.mapq, 0, len(operations), read.flag, len(read.bases),
        read.mate_contig, read.mate_pos0, read.insert_size,
    )  # fmt: skip
    body = fixed + name + struct.pack(f"<{len(operations)}I", *operations) + packed + quals + tags
    return struct.pack("<i", len(body)) + body


def writable(content: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return bytes as an array that may be written, as kernels take them."""
    return np.frombuffer(content, dtype=np.uint8).copy()


def records(reads: Iterable[Read]) -> RawRecords:
    """Return raw records of plain values."""
    items = [record_bytes(read) for read in reads]
    offsets = np.cumsum([0, *(len(item) for item in items)]).astype(np.int64)
    return RawRecords(writable(b"".join(items)), offsets)


def _sam_tag(text: str) -> tuple[str, Any]:
    name, kind, value = text.split(":", 2)
    if kind == "i":
        return name, int(value) if int(value) < 1 << 31 else Tag("I", int(value))
    if kind == "f":
        return name, float(value)
    if kind == "B":
        subtype, *numbers = value.split(",")
        return name, Tag(f"B:{subtype}", [float(x) if subtype == "f" else int(x) for x in numbers])
    return name, Tag(kind, value)


def sam_read(line: str, contigs: Sequence[tuple[str, int]] = CONTIGS) -> Read:
    """Return the read of one SAM line (fields apart by white space; tag values hold none)."""
    name, flag, contig, pos, mapq, cigar, mate, mate_pos, size, letters, quals, *tags = line.split()
    bases = "" if letters == "*" else letters
    ids = {known: i for i, (known, _) in enumerate(contigs)} | {"*": -1}
    return Read(
        name, int(flag), ids[contig], int(pos) - 1, int(mapq), cigar, ids[contig if mate == "=" else mate],
        int(mate_pos) - 1, int(size), bases,
        [255] * len(bases) if quals == "*" else [ord(letter) - 33 for letter in quals], dict(map(_sam_tag, tags)),
    )  # fmt: skip


def sam_records(text: str, contigs: Sequence[tuple[str, int]] = CONTIGS) -> RawRecords:
    """Return raw records of SAM lines."""
    return records(sam_read(line, contigs) for line in text.strip().splitlines())


def write_bam(path: Path, reads: Iterable[Read] | RawRecords, header: BamHeader | None = None) -> Path:
    """Write a BAM file of plain reads or raw records, and return its path."""
    with BamWriter(path, header or BamHeader.of_contigs(CONTIGS)) as writer:
        writer.write(reads if isinstance(reads, RawRecords) else records(reads))
    return path


def fastq_text(reads: Iterable[tuple[str, str, str]]) -> str:
    """Return FASTQ text of (header line without `@`, bases, qualities in ASCII)."""
    return "".join(f"@{name}\n{bases}\n+\n{quals}\n" for name, bases, quals in reads)


def write_fastq(path: Path, reads: Iterable[tuple[str, str, str]]) -> Path:
    """Write a FASTQ file, gzipped where the name ends in `.gz`, and return its path."""
    content = fastq_text(reads).encode()
    path.write_bytes(gzip.compress(content, 1, mtime=0) if path.suffix == ".gz" else content)
    return path


def write_fasta(path: Path, contigs: dict[str, str], width: int = 60) -> Path:
    """Write a FASTA file with its `.fai` index, and return its path."""
    lines: list[str] = []
    index: list[str] = []
    at = 0
    for name, bases in contigs.items():
        at += len(name) + 2
        index.append(f"{name}\t{len(bases)}\t{at}\t{width}\t{width + 1}\n")
        rows = [bases[i : i + width] for i in range(0, len(bases), width)]
        lines += [f">{name}", *rows]
        at += len(bases) + len(rows)
    path.write_text("\n".join(lines) + "\n")
    path.with_name(path.name + ".fai").write_text("".join(index))
    return path
