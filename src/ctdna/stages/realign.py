"""Realign: consensus reads to FASTQ, and their tags onto the records that the aligner makes of them."""

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.mates import match_templates
from ctdna.kernels.orient import COMPLEMENT, carried_tags
from ctdna.kernels.record import (
    NIBBLES,
    ragged_offsets,
    read_bases,
    read_bytes,
    record_fields,
    same_name_as_previous,
    tag_code,
    take_records,
)
from ctdna.kernels.record_build import replace_tags, set_flags
from ctdna.model.columns import FastqColumns, RawRecords, RecordFields
from ctdna.model.errors import InputError, ProgramError

REVERSED_TAGS = ("cd", "ce", "ad", "ae", "bd", "be", "aq", "bq")
"""Per-base tags reversed on reads aligned to the reverse strand."""
COMPLEMENTED_TAGS = ("ac", "bc")
"""Per-base tags reverse-complemented there."""
ALIGNER_TAGS = ("NM", "MD", "AS", "XS", "SA", "XA", "MC", "MQ", "pa")
"""Tags that only the aligner may give; those of the unaligned reads are dropped."""
_READ1, _READ2, _REVERSE, _NOT_PRIMARY, _FAILED = 0x40, 0x80, 0x10, 0x900, 0x200


def _codes(names: tuple[str, ...]) -> NDArray[np.uint16]:
    return np.array([tag_code(name) for name in names], dtype=np.uint16)


def _is_paired(fields: RecordFields, is_same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each record whether it is one half of an R1, R2 pair that stands together.

    Raises:
        InputError: a paired read stands without its mate, or a name holds more than R1 and R2.
    """
    flag = fields.flag
    is_second = is_same & (flag & _READ2 != 0)
    is_second[1:] &= flag[:-1] & _READ1 != 0
    is_first = np.zeros_like(is_second)
    is_first[:-1] = is_second[1:]
    is_pair: NDArray[np.bool_] = is_first | is_second
    is_odd = (is_same & ~is_second) | (~is_pair & (flag & 0x1 != 0)) | (flag & _NOT_PRIMARY != 0)
    if is_odd.any():
        where = f"record {int(np.argmax(is_odd)) + 1}"
        what = f"flag {int(flag[np.argmax(is_odd)])} where an R1 followed by its R2, or an unpaired read, is expected"
        hint = "give the output of ctdna consensus (R1 then R2 of each molecule), or sort by name"
        raise InputError(None, where, what, hint)
    return is_pair


def pairs_and_fragments(records: RawRecords) -> tuple[RawRecords, RawRecords]:
    """Return the paired records and the unpaired ones of whole templates, each in the order of the input.

    Raises:
        InputError: a paired read stands without its mate, or a name holds more than R1 and R2.
    """
    fields = record_fields(records.data, records.offsets)
    is_pair = _is_paired(fields, same_name_as_previous(records.data, fields.name_at, fields.n_name))
    if is_pair.all():
        return records, take_records(records.data, records.offsets, np.zeros(0, dtype=np.int64))
    return (
        take_records(records.data, records.offsets, np.flatnonzero(is_pair)),
        take_records(records.data, records.offsets, np.flatnonzero(~is_pair)),
    )


def to_reads(records: RawRecords) -> FastqColumns:
    """Return unaligned records as FASTQ reads without comments.

    Raises:
        InputError: a record is aligned, has no bases, or has no qualities.
    """
    fields = record_fields(records.data, records.offsets)
    offsets = ragged_offsets(fields.n_bases)
    name_offsets = ragged_offsets(fields.n_name)
    quals = read_bytes(records.data, fields.quals_at, offsets)
    names = read_bytes(records.data, fields.name_at, name_offsets)
    is_lost = np.zeros(len(records), dtype=np.bool_)
    has_bases = fields.n_bases > 0
    is_lost[has_bases] = quals[offsets[:-1][has_bases]] == 255
    for flaw, mask in (
        ("the read is aligned", fields.flag & 0x4 == 0),
        ("the read has no bases", ~has_bases),
        ("the read has no qualities", is_lost),
    ):
        if mask.any():
            i = int(np.argmax(mask))
            name = names[name_offsets[i] : name_offsets[i + 1]].tobytes().decode("ascii", "replace")
            raise InputError(None, f"read {name}", flaw, "give the unaligned output of ctdna consensus")
    bases = read_bases(records.data, fields.bases_at, offsets, NIBBLES)
    empty = (np.zeros(0, dtype=np.uint8), np.zeros(len(records) + 1, dtype=np.int64))
    return FastqColumns(names, name_offsets, *empty, bases, quals, offsets)


def without_first(records: RawRecords, n: int) -> RawRecords:
    """Return the records from the n-th on."""
    return take_records(records.data, records.offsets, np.arange(n, len(records), dtype=np.int64))


def carry_tags(aligned: RawRecords, source: RawRecords) -> tuple[RawRecords, int]:
    """Return aligned records with the tags of the reads they came from, and how many source records were used.

    Both hold the same templates in the same order; `source` may hold more. Every record of a template, supplementary
    ones too, gets its read's tags; per-base tags are turned for reads on the reverse strand. The flag 0x200 is kept.

    Raises:
        ProgramError: an aligned record has no read it could come from.
    """
    fields = record_fields(aligned.data, aligned.offsets)
    origin = record_fields(source.data, source.offsets)
    index, n_used, bad = match_templates(aligned.data, fields, source.data, origin)
    if bad >= 0:
        at, n = fields.name_at[bad], fields.n_name[bad]
        name = aligned.data[at : at + n].tobytes().decode("ascii", "replace")
        raise ProgramError(None, "bwa mem", f"returned read {name} out of the input's order", "report this")
    tags = carried_tags(
        source.data,
        (origin.tags_at, origin.tags_end),
        index,
        fields.flag & _REVERSE != 0,
        (_codes(ALIGNER_TAGS), _codes(REVERSED_TAGS), _codes(COMPLEMENTED_TAGS)),
        COMPLEMENT,
    )
    set_flags(aligned.data, aligned.offsets, (fields.flag | (origin.flag[index] & _FAILED)).astype(np.uint16))
    return replace_tags(aligned, fields.tags_at, _codes(()), *tags), int(n_used)
