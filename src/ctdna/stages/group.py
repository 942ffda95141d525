"""Group: which reads come from one molecule, told by the template's two outer ends and its UMI."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.cigar import five_prime0, unclipped_bounds
from ctdna.kernels.grouping import (
    NO_UMI,
    REASONS,
    SECONDARY,
    SUPPLEMENTARY,
    UNKNOWN,
    Ends,
    match_texts,
    name_groups,
    padded_texts,
    pair_templates,
    runs,
    sort_by_name,
    template_ends,
    template_status,
    with_molecules,
)
from ctdna.kernels.order import radix_order
from ctdna.kernels.record import find_tag, kind_code, record_fields, tag_code
from ctdna.kernels.tags import text_lengths
from ctdna.kernels.umi import (
    ADJACENCY,
    BASE_TABLE,
    EDIT,
    IDENTITY,
    cluster_umis,
    encode_umis,
    swapped_shapes,
    turned_umis,
)
from ctdna.model.columns import RawRecords, RecordFields
from ctdna.model.errors import InputError
from ctdna.model.evidence import Targets
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.group import GroupParams
from ctdna.stages.group_errors import length_error, needs_one_length, paired_errors, pairing_error, umi_error
from ctdna.stages.saturation import Molecules, MoleculeSums, molecule_sums, strand_sizes, yield_histograms, yield_values

RULES = {"identity": IDENTITY, "edit": EDIT, "adjacency": ADJACENCY, "paired": ADJACENCY}
MAX_CELL_BARCODE = 254


class ReadGroups(NamedTuple):
    """The read groups of a header, and the library of each."""

    identifiers: tuple[str, ...]
    libraries: tuple[str, ...]


class Templates(NamedTuple):
    """n templates to group."""

    r1: NDArray[np.int64]
    """Record of read 1, or of the only read."""
    r2: NDArray[np.int64]
    """Record of read 2; -1 for a single read."""
    ends: Ends
    library: NDArray[np.int64]
    """Rank of the library's name."""
    cell: NDArray[np.int64]
    """Rank of the cell barcode."""
    first: NDArray[np.int64]
    """Code of the UMI's first half; with the paired strategy that of the earlier end."""
    second: NDArray[np.int64]
    """Code of the UMI's second half."""
    shape: NDArray[np.int32]
    """Lengths of the halves (see `kernels.umi`)."""


class Grouped(NamedTuple):
    """The records to write, in order, with the molecule of each."""

    records: NDArray[np.int64]
    """Indices into the input's records."""
    tags_at: NDArray[np.int64]
    """Where the tags of each start."""
    molecule: NDArray[np.int64]
    """The number of the molecule, from 0 in the order of the genome."""
    strand: NDArray[np.uint8]
    """0 without strands; with the paired strategy 1 for /A (read 1 has the earlier end), 2 for /B."""
    sums: MoleculeSums
    """What the molecules add up to."""


def _name(records: RawRecords, fields: RecordFields, record: int) -> str:
    at = int(fields.name_at[record])
    return "read " + records.data[at : at + int(fields.n_name[record])].tobytes().decode(errors="replace")


def _umi_text(records: RawRecords, at: int) -> str:
    return records.data[at : at + 80].tobytes().split(b"\0")[0].decode(errors="replace")


def _primary_templates(
    records: RawRecords, fields: RecordFields
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, int]]:
    """Return the records of read 1 and read 2 of every template, and the records left out by reason.

    Raises:
        InputError: a template has two first or two second reads, or a paired read is neither.
    """
    is_secondary = (fields.flag & SECONDARY) != 0
    is_supplementary = ~is_secondary & ((fields.flag & SUPPLEMENTARY) != 0)
    primary = np.flatnonzero(~is_secondary & ~is_supplementary)
    names, n_names = name_groups(records.data, fields.name_at[primary], fields.n_name[primary])
    r1, r2, fault, kind = pair_templates(names, n_names, primary, fields.flag)
    if fault >= 0:
        raise pairing_error(_name(records, fields, int(fault)), int(fields.flag[fault]), int(kind))
    return r1, r2, {"secondary": int(is_secondary.sum()), "supplementary": int(is_supplementary.sum())}


def _check_umis(
    records: RawRecords, fields: RecordFields, at: NDArray[np.int64], status: NDArray[np.uint8], r1: NDArray[np.int64]
) -> None:
    faulty = np.flatnonzero(status >= NO_UMI)
    if len(faulty):
        record = int(r1[faulty[0]])
        umi = _umi_text(records, int(at[record]))
        raise umi_error(_name(records, fields, record), int(status[faulty[0]]), umi)


def _check_strategy(
    records: RawRecords, fields: RecordFields, params: GroupParams, templates: Templates, n_chars: NDArray[np.int32]
) -> None:
    """Raise where a template's reads or UMI do not suit the strategy."""
    if params.strategy == "paired":
        for template, what in paired_errors(templates.r2, templates.shape):
            where = _name(records, fields, int(templates.r1[template]))
            raise InputError(None, where, what, "use --strategy adjacency")
    if needs_one_length(params) and len(n_chars):
        other = np.flatnonzero(n_chars != n_chars[0])
        if len(other):
            where = _name(records, fields, int(templates.r1[other[0]]))
            raise length_error(where, int(n_chars[0]), int(n_chars[other[0]]))


def library_ranks(names: Sequence[str]) -> NDArray[np.int64]:
    """Return for each name its rank among the different names; one more entry for a name that is not given."""
    known = [name or "unknown" for name in names]
    order = sorted({*known, "unknown"})
    return np.array([order.index(name) for name in [*known, "unknown"]], dtype=np.int64)


def joined_texts(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return texts as bytes, one after the other, and their offsets."""
    parts = [text.encode() for text in texts]
    return np.frombuffer(b"".join(parts), dtype=np.uint8).copy(), np.cumsum([0, *map(len, parts)], dtype=np.int64)


def _libraries(records: RawRecords, fields: RecordFields, groups: ReadGroups) -> NDArray[np.int64]:
    at = find_tag(records.data, fields.tags_at, fields.tags_end, tag_code("RG"), kind_code("Z"))
    joined, offsets = joined_texts(groups.identifiers)
    group = match_texts(records.data, at, text_lengths(records.data, at), joined, offsets)
    return library_ranks(groups.libraries)[group]


def _cells(records: RawRecords, fields: RecordFields) -> NDArray[np.int64]:
    """Return the rank of each record's cell barcode, by length and then text; 0 for all where none has one."""
    at = find_tag(records.data, fields.tags_at, fields.tags_end, tag_code("CB"), kind_code("Z"))
    if not (at >= 0).any():
        return np.zeros(len(at), dtype=np.int64)
    lengths = np.minimum(text_lengths(records.data, at), np.int32(MAX_CELL_BARCODE))
    width = int(lengths.max())
    rows = padded_texts(records.data, at, lengths, width)
    _, rank = np.unique(rows.view(f"S{width + 1}").ravel(), return_inverse=True)
    return rank.astype(np.int64)


def cut_to_shortest(places: list[NDArray[np.int64]], n_chars: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for each template the length of the shortest UMI at its place."""
    keys = np.stack(places)
    order = radix_order(keys)
    starts = runs(np.take(keys, order, axis=1))
    shortest = np.minimum.reduceat(n_chars[order], starts[:-1])
    out = np.empty_like(n_chars)
    out[order] = np.repeat(shortest, np.diff(starts)).astype(np.int32)
    return out


def places_of(templates: Templates, params: GroupParams) -> list[NDArray[np.int64]]:
    """Return the keys, most significant first, in which templates of one place agree.

    Only the paired strategy puts the two directions of sequencing a fragment together: they are its two strands.
    """
    ends = templates.ends
    keys = [ends.contigs, ends.positions, ends.strands, templates.cell, templates.library]
    return keys if params.strategy == "paired" else [*keys, ends.orientation]


def orient(templates: Templates, params: GroupParams) -> Templates:
    """Return the templates with the UMI half of the earlier end first, for the paired strategy."""
    if params.strategy != "paired":
        return templates
    is_lower = templates.ends.is_r1_lower
    return templates._replace(
        first=np.where(is_lower, templates.first, templates.second),
        second=np.where(is_lower, templates.second, templates.first),
        shape=np.where(is_lower, templates.shape, swapped_shapes(templates.shape)).astype(np.int32),
    )


def _molecules(
    heads: NDArray[np.int64], place: NDArray[np.int64], molecule: NDArray[np.int64], strand: NDArray[np.uint8]
) -> Molecules:
    """Return the molecules from their founding UMIs' keys (`_places`, then the UMI's three) and places."""
    contig, other = heads[0] >> 32, heads[0] & UNKNOWN
    start0, later0 = (heads[1] >> 32) - (1 << 24), (heads[1] & UNKNOWN) - (1 << 24)
    end0 = np.where(contig == other, later0, start0) + 1
    sizes = strand_sizes(molecule, strand, len(place))
    return Molecules(heads[-3], heads[-2], heads[-1].astype(np.int32), place, sizes, contig, start0, end0)


def assign_molecules(
    templates: Templates, params: GroupParams
) -> tuple[NDArray[np.int64], NDArray[np.uint8], Molecules, dict[str, int]]:
    """Return each template's molecule and strand, the molecules, and counts of places and distinct UMIs.

    Molecules are numbered by place, then by the frequency of the UMI that founded them (most frequent first), then by
    its sequence.
    """
    places = places_of(templates, params)
    keys = [*places, templates.first, templates.second, templates.shape.astype(np.int64)]
    stacked = np.stack(keys)
    order = radix_order(stacked)
    columns = np.take(stacked, order, axis=1)
    starts = runs(columns)
    heads = columns[:, starts[:-1]]
    counts = np.diff(starts)
    place_starts = runs(np.ascontiguousarray(heads[: len(places)]))
    place = np.repeat(np.arange(len(place_starts) - 1), np.diff(place_starts))
    by_count = radix_order(np.stack((place, -counts)))
    first, second = np.ascontiguousarray(heads[-3][by_count]), np.ascontiguousarray(heads[-2][by_count])
    shape = heads[-1][by_count].astype(np.int32)
    root = cluster_umis(first, second, shape, counts[by_count], place_starts, params.edits, RULES[params.strategy])
    is_root = root == np.arange(len(root))
    molecule_by_count = (np.cumsum(is_root) - 1)[root]
    molecule = np.empty(len(order), dtype=np.int64)
    node = np.empty(len(by_count), dtype=np.int64)
    node[by_count] = molecule_by_count
    molecule[order] = np.repeat(node, counts)
    strand = np.zeros(len(order), dtype=np.uint8)
    if params.strategy == "paired":
        turned = np.empty(len(by_count), dtype=np.bool_)
        turned[by_count] = turned_umis(first, second, shape, root, 2 * (params.edits + 1))
        is_turned = np.empty(len(order), dtype=np.bool_)
        is_turned[order] = np.repeat(turned, counts)
        strand = np.where(templates.ends.is_r1_lower != is_turned, 1, 2).astype(np.uint8)
    found = _molecules(heads[:, by_count[is_root]], place[by_count[is_root]], molecule, strand)
    return molecule, strand, found, {"places": len(place_starts) - 1, "umis_at_places": len(counts)}


def family_order(molecule: NDArray[np.int64], strand: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return templates by molecule and strand, and the offsets of the families there."""
    keys = np.stack((molecule, strand.astype(np.int64)))
    items = radix_order(keys)
    return items, runs(np.take(keys, items, axis=1))


def _in_order(
    records: RawRecords,
    fields: RecordFields,
    templates: Templates,
    molecule: NDArray[np.int64],
    strand: NDArray[np.uint8],
    sums: MoleculeSums,
) -> tuple[Grouped, NDArray[np.int64]]:
    """Return the records by molecule, strand and name, read 1 first, and the offsets of the families (templates)."""
    items, offsets = family_order(molecule, strand)
    sort_by_name(items, offsets, templates.r1, records.data, fields.name_at, fields.n_name)
    both = np.stack((templates.r1[items], templates.r2[items]), axis=1).ravel()
    is_there = both >= 0
    of_reads = np.repeat(items, 2)[is_there]
    written = both[is_there]
    return Grouped(written, fields.tags_at[written], molecule[of_reads], strand[of_reads], sums), offsets


def _histogram(values: NDArray[np.int64]) -> dict[int, int]:
    sizes, counts = np.unique(values, return_counts=True)
    return {int(size): int(count) for size, count in zip(sizes, counts, strict=True)}


def _metrics(
    sample: str,
    n_in: int,
    grouped: Grouped,
    rejected: dict[str, int],
    counts: dict[str, int],
    offsets: NDArray[np.int64],
    yields: tuple[dict[str, float], dict[str, dict[int, int]]],
) -> StageMetrics:
    families = np.diff(offsets)
    n_molecules = int(grouped.molecule[-1]) + 1 if len(grouped.molecule) else 0
    strands = np.zeros((2, n_molecules), dtype=np.bool_)
    for letter in (1, 2):
        strands[letter - 1, grouped.molecule[grouped.strand == letter]] = True
    counts = {
        **counts,
        "templates": int(families.sum()),
        "molecules": n_molecules,
        "families": len(families),
        "duplex_molecules": int(strands.all(axis=0).sum()),
    }
    values = {"reads_per_molecule": int(families.sum()) / n_molecules if n_molecules else 0.0, **yields[0]}
    return StageMetrics(
        stage="group",
        sample=sample,
        unit="reads",
        n_in=n_in,
        n_out=len(grouped.records),
        rejected=rejected,
        counts=counts,
        values=values,
        histograms={"family_size": _histogram(families), **yields[1]},
    )


def group(
    records: RawRecords, groups: ReadGroups, params: GroupParams, sample: str, targets: Targets | None = None
) -> tuple[Grouped, StageMetrics]:
    """Return the records to write, by molecule, and the counts (in reads); with a panel the sums are also by target.

    The order of the input does not matter. Records of one template share a name. Output order is the one named
    template-coordinate: place, molecule, strand, read name, read 1 before read 2.

    Raises:
        InputError: a template without a UMI, with one that cannot be read or does not suit the strategy, or with more
            than two primary records.
    """
    fields = record_fields(records.data, records.offsets)
    r1, r2, left_out = _primary_templates(records, fields)
    umi_at = find_tag(records.data, fields.tags_at, fields.tags_end, tag_code("RX"), kind_code("Z"))
    n_chars = text_lengths(records.data, umi_at)
    _, _, shape, umi_status = encode_umis(records.data, umi_at, n_chars, BASE_TABLE)
    start0, end0 = unclipped_bounds(records.data, fields.cigar_at, fields.n_cigar, fields.pos0)
    limits = np.array([params.min_mapq, params.allow_inter_contig, params.min_umi_length or 0], dtype=np.int64)
    n_bases = ((shape >> 6 & 63) + (shape & 63)).astype(np.int32)
    status = template_status(r1, r2, fields.ref_id, fields.mapq, fields.flag, n_bases, umi_status, limits)
    _check_umis(records, fields, umi_at, status, np.where(r1 >= 0, r1, r2))
    n_reads = (r1 >= 0).astype(np.int64) + (r2 >= 0)
    by_status = np.bincount(status, weights=n_reads, minlength=len(REASONS)).astype(np.int64)
    rejected = left_out | {reason: int(by_status[code]) for code, reason in enumerate(REASONS) if code}
    r1, r2 = np.ascontiguousarray(r1[status == 0]), np.ascontiguousarray(r2[status == 0])
    ends = template_ends(r1, r2, fields.ref_id, five_prime0(start0, end0, fields.flag), fields.flag)
    empty = np.zeros(len(r1), dtype=np.int64)
    templates = Templates(
        r1, r2, ends, _libraries(records, fields, groups)[r1], _cells(records, fields)[r1], empty, empty, shape[r1]
    )
    lengths = n_chars[r1]
    _check_strategy(records, fields, params, templates, lengths)
    if params.min_umi_length is not None and len(r1):
        lengths = cut_to_shortest(places_of(templates, params), lengths)
    first, second, shape, _ = encode_umis(records.data, umi_at[r1], lengths, BASE_TABLE)
    templates = orient(templates._replace(first=first, second=second, shape=shape), params)
    molecule, strand, molecules, counts = assign_molecules(templates, params)
    sums = molecule_sums(molecules, targets)
    grouped, offsets = _in_order(records, fields, templates, molecule, strand, sums)
    yields = yield_values(sums, params.edits), yield_histograms(sums, params.strategy == "paired")
    return grouped, _metrics(sample, len(records), grouped, rejected, counts, offsets, yields)


def tag_records(records: RawRecords, grouped: Grouped, start: int, stop: int) -> RawRecords:
    """Return the records `start` to `stop` of the output with their MI tags."""
    part = slice(start, stop)
    return with_molecules(
        records.data,
        records.offsets,
        grouped.tags_at[part],
        grouped.records[part],
        grouped.molecule[part],
        grouped.strand[part],
    )
