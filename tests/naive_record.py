"""BAM records taken apart the slow, obvious way: `struct` and plain Python, one record at a time."""

import struct
from typing import Any, NamedTuple

_SIZES = {"A": 1, "c": 1, "C": 1, "s": 2, "S": 2, "i": 4, "I": 4, "f": 4}
_CODES = {"c": "b", "C": "B", "s": "h", "S": "H", "i": "i", "I": "I", "f": "f"}


class Plain(NamedTuple):
    """One record in plain values."""

    name: bytes
    flag: int
    contig: int
    pos0: int
    mapq: int
    cigar: list[tuple[int, str]]
    mate: tuple[int, int, int]
    bases: str
    quals: bytes
    tags: list[tuple[str, str, Any]]


def _tag(body: bytes, at: int) -> tuple[tuple[str, str, Any], int]:
    name, kind = body[at : at + 2].decode("latin1"), chr(body[at + 2])
    at += 3
    if kind in "ZH":
        end = body.index(b"\0", at)
        return (name, kind, body[at:end]), end + 1
    if kind == "A":
        return (name, kind, body[at : at + 1]), at + 1
    if kind == "B":
        subtype = chr(body[at])
        n = struct.unpack_from("<I", body, at + 1)[0]
        values = list(struct.unpack_from(f"<{n}{_CODES[subtype]}", body, at + 5))
        return (name, f"B{subtype}", values), at + 5 + n * _SIZES[subtype]
    value = struct.unpack_from("<" + _CODES[kind], body, at)[0]
    return (name, kind, value), at + _SIZES[kind]


def parse(item: bytes) -> Plain:
    """Return one record (its size first) in plain values; any exception where it is malformed."""
    size = struct.unpack_from("<i", item)[0]
    if size != len(item) - 4:
        raise ValueError("size")
    body = item[4:]
    contig, pos0, n_name, mapq, _, n_cigar, flag, n_bases, *mate = struct.unpack_from("<iiBBHHHiiii", body)
    at = 32
    name = body[at : at + n_name]
    if n_name < 1 or len(name) < n_name or name[-1] != 0:
        raise ValueError("name")
    at += n_name
    operations = struct.unpack_from(f"<{n_cigar}I", body, at)
    cigar = [(operation >> 4, "MIDNSHP=X"[operation & 15]) for operation in operations]
    at += 4 * n_cigar
    if n_bases < 0 or at + (n_bases + 1) // 2 + n_bases > len(body):
        raise ValueError("bases")
    packed = body[at : at + (n_bases + 1) // 2]
    bases = "".join("=ACMGRSVTWYHKDBN"[byte >> 4] + "=ACMGRSVTWYHKDBN"[byte & 15] for byte in packed)[:n_bases]
    at += len(packed)
    quals = body[at : at + n_bases]
    at += n_bases
    tags = []
    while at < len(body):
        found, at = _tag(body, at)
        if at > len(body):
            raise ValueError("tag")
        tags.append(found)
    return Plain(name[:-1], flag, contig, pos0, mapq, cigar, (mate[0], mate[1], mate[2]), bases, quals, tags)


def is_sound(item: bytes, lengths: list[int]) -> bool:
    """Return whether a record is well formed and may be trusted, as `check_records` says it."""
    try:
        plain = parse(item)
    except (ValueError, IndexError, struct.error, KeyError):
        return False
    query = sum(size for size, letter in plain.cigar if letter in "MIS=X")
    span = sum(size for size, letter in plain.cigar if letter in "MDN=X")
    places = ((plain.contig, plain.pos0), plain.mate[:2])
    is_placed = all(
        -1 <= contig < len(lengths) and pos0 >= -1 and (contig < 0 or pos0 < lengths[contig]) for contig, pos0 in places
    )
    is_fitting = not (plain.cigar and plain.bases) or query == len(plain.bases)
    has_quals = plain.quals[:1] == b"\xff" or all(qual <= 93 for qual in plain.quals)
    has_kinds = all(len(body) < 2 or body[1] != "A" for _, body, _ in plain.tags)
    return is_placed and is_fitting and plain.pos0 + span < 1 << 31 and has_quals and has_kinds


def bounds(plain: Plain) -> tuple[int, int, int]:
    """Return reference length, unclipped start and unclipped end of a record."""
    span = sum(size for size, letter in plain.cigar if letter in "MDN=X")
    cigar = list(plain.cigar)
    lead = trail = 0
    while cigar and cigar[0][1] in "SH":
        lead += cigar.pop(0)[0]
    while cigar and cigar[-1][1] in "SH":
        trail += cigar.pop()[0]
    return span, plain.pos0 - lead, plain.pos0 + span + trail
