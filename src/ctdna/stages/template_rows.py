"""Templates as rows of numbers: what the grouping of a file larger than memory holds of each, and what comes of them.

The rows of one place suffice to tell its molecules; the records' bytes are wanted only to write them. Row by row:
contigs, positions, where the packed records start, their bytes, the bytes of read 1, marks, first and second code of
the UMI, its shape (see `kernels.templates.template_keys`). The marks also hold the library << 8 and the cell << 32.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.grouping import NO_UMI, REASONS, Ends, match_texts, name_groups, padded_texts, pair_templates
from ctdna.kernels.record import FIXED_BYTES
from ctdna.kernels.templates import (
    Reads,
    cut_umis,
    name_fingerprints,
    pair_neighbours,
    scan_reads,
    template_keys,
)
from ctdna.kernels.umi import BASE_TABLE
from ctdna.model.columns import RawRecords
from ctdna.model.errors import InputError
from ctdna.model.evidence import Targets
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.group import GroupParams
from ctdna.stages.group import (
    MAX_CELL_BARCODE,
    ReadGroups,
    Templates,
    assign_molecules,
    cut_to_shortest,
    family_order,
    joined_texts,
    library_ranks,
    orient,
    places_of,
)
from ctdna.stages.group_errors import length_error, needs_one_length, paired_errors, pairing_error, umi_error
from ctdna.stages.saturation import NOTHING, Molecules, molecule_sums, yield_histograms, yield_values

N_COLUMNS = 9
CONTIGS, POSITIONS, AT, SIZE, SIZE1, MARKS, FIRST, SECOND, UMI = range(N_COLUMNS)
N_PLACE_KEYS = 2


class Found(NamedTuple):
    """The primary templates of some records."""

    reads: Reads
    mates: NDArray[np.int64]
    """Read 1 and read 2 (-1: none) of each, as two rows."""
    strays: NDArray[np.int64]
    """Reads of pairs whose mate is not among the records."""
    left_out: tuple[int, int]
    """Secondary and supplementary records."""


class Kept(NamedTuple):
    """The templates to group."""

    mates: NDArray[np.int64]
    keys: NDArray[np.int64]
    """Six rows, as `template_keys` returns them, library and cell added to the marks."""
    by_reason: NDArray[np.int64]
    """Reads of the other templates, by status."""


def name_of(records: RawRecords, reads: Reads, record: int) -> str:
    """Return how errors name a record."""
    at = int(records.offsets[record]) + FIXED_BYTES
    return "read " + records.data[at : at + int(reads.n_name[record])].tobytes().decode(errors="replace")


def name_places(records: RawRecords, of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the names of these records start."""
    return records.offsets[of] + FIXED_BYTES


def find_templates(records: RawRecords) -> Found:
    """Return the templates of records, those whose reads do not stand together left over.

    Raises:
        InputError: a template has two first or two second reads, or a paired read is neither.
    """
    reads = scan_reads(records.data, records.offsets)
    r1, r2, strays, counts = pair_neighbours(records.data, records.offsets, reads.flag, reads.n_name)
    fault = int(counts[2])
    if fault >= 0:
        raise pairing_error(name_of(records, reads, fault), int(reads.flag[fault]), int(counts[3]))
    return Found(reads, np.stack((r1, r2)), strays, (int(counts[0]), int(counts[1])))


def match_strays(records: RawRecords) -> Found:
    """Return the templates of primary records in any order; `strays` are those without a mate.

    Raises:
        InputError: a template has two first or two second reads.
    """
    reads = scan_reads(records.data, records.offsets)
    everything = np.arange(len(records), dtype=np.int64)
    names, n_names = name_groups(records.data, name_places(records, everything), reads.n_name)
    r1, r2, fault, kind = pair_templates(names, n_names, everything, reads.flag.astype(np.uint16))
    if fault >= 0:
        raise pairing_error(name_of(records, reads, int(fault)), int(reads.flag[fault]), int(kind))
    is_whole = (r1 >= 0) & (r2 >= 0)
    alone = np.where(r1 >= 0, r1, r2)[~is_whole]
    return Found(reads, np.stack((r1[is_whole], r2[is_whole])), alone, (0, 0))


def single_reads(found: Found) -> NDArray[np.int64]:
    """Return the strays as templates of one read."""
    is_second = found.reads.flag[found.strays] & 0x80 != 0
    return np.stack((np.where(is_second, -1, found.strays), np.where(is_second, found.strays, -1)))


class TemplateReader:
    """Templates judged and turned into keys, batch after batch; holds what batches have in common."""

    def __init__(self, params: GroupParams, groups: ReadGroups) -> None:
        """Take the stage's parameters and the header's read groups."""
        self._params = params
        self._limits = np.array(
            [params.min_mapq, params.allow_inter_contig, params.min_umi_length or 0], dtype=np.int64
        )
        self._group_texts = joined_texts(groups.identifiers)
        self._library = library_ranks(groups.libraries)
        self._cells: dict[bytes, int] = {b"\0": 0}
        self._n_chars = 0

    def cell_ranks(self) -> NDArray[np.int64]:
        """Return the rank of each cell barcode seen, by length and then text."""
        out = np.empty(len(self._cells), dtype=np.int64)
        out[[self._cells[text] for text in sorted(self._cells)]] = np.arange(len(self._cells))
        return out

    def keep(self, records: RawRecords, reads: Reads, mates: NDArray[np.int64]) -> Kept:
        """Return the templates to group with their keys, and the reads of the others by reason.

        Raises:
            InputError: a UMI is missing, cannot be read, or does not suit the strategy.
        """
        status, keys = template_keys(records.data, reads, mates[0], mates[1], self._limits, BASE_TABLE)
        self._check_umis(records, reads, mates, status)
        n_reads = (mates >= 0).sum(axis=0)
        by_reason = np.bincount(status, weights=n_reads, minlength=len(REASONS)).astype(np.int64)
        if status.any():
            mates, keys = np.ascontiguousarray(mates[:, status == 0]), np.ascontiguousarray(keys[:, status == 0])
        self._check_strategy(records, reads, mates, keys)
        first = mates[0]
        at, n_chars = np.ascontiguousarray(reads.texts_at[first, 1]), np.ascontiguousarray(reads.n_texts[first, 1])
        group = match_texts(records.data, at, n_chars, *self._group_texts)
        keys[2] |= self._library[group] << 8 | self._cell_numbers(records, reads, first) << 32
        return Kept(mates, keys, by_reason)

    def _check_umis(
        self, records: RawRecords, reads: Reads, mates: NDArray[np.int64], status: NDArray[np.uint8]
    ) -> None:
        faulty = np.flatnonzero(status >= NO_UMI)
        if len(faulty):
            record = int(mates[:, faulty[0]][mates[:, faulty[0]] >= 0][0])
            at = int(reads.texts_at[record, 0])
            umi = records.data[at : at + 80].tobytes().split(b"\0")[0].decode(errors="replace")
            raise umi_error(name_of(records, reads, record), int(status[faulty[0]]), umi)

    def _check_strategy(
        self, records: RawRecords, reads: Reads, mates: NDArray[np.int64], keys: NDArray[np.int64]
    ) -> None:
        if self._params.strategy == "paired":
            for template, what in paired_errors(mates[1], (keys[5] & 0xFFFF).astype(np.int32)):
                where = name_of(records, reads, int(mates[0, template]))
                raise InputError(None, where, what, "use --strategy adjacency")
        if needs_one_length(self._params) and keys.shape[1]:
            n_chars = keys[5] >> 16 & 0xFFFF
            self._n_chars = self._n_chars or int(n_chars[0])
            other = np.flatnonzero(n_chars != self._n_chars)
            if len(other):
                where = name_of(records, reads, int(mates[0, other[0]]))
                raise length_error(where, self._n_chars, int(n_chars[other[0]]))

    def _cell_numbers(self, records: RawRecords, reads: Reads, first: NDArray[np.int64]) -> NDArray[np.int64]:
        at = np.ascontiguousarray(reads.texts_at[first, 2])
        if not (at >= 0).any():
            return np.zeros(len(at), dtype=np.int64)
        lengths = np.minimum(reads.n_texts[first, 2], np.int32(MAX_CELL_BARCODE))
        width = int(lengths.max())
        rows = padded_texts(records.data, at, lengths, width)
        distinct, which = np.unique(rows.view(f"S{width + 1}").ravel(), return_inverse=True)
        texts = [bytes(text) or b"\0" for text in distinct]
        return np.array([self._cells.setdefault(text, len(self._cells)) for text in texts], dtype=np.int64)[which]


def fingerprints(records: RawRecords, reads: Reads, mates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for the name of each template; equal names give equal numbers."""
    first = np.where(mates[0] >= 0, mates[0], mates[1])
    return name_fingerprints(records.data, name_places(records, first), np.ascontiguousarray(reads.n_name[first]))


class Families(NamedTuple):
    """The molecules of whole places."""

    molecule: NDArray[np.int64]
    """Of each template, from 0 in the order of the genome."""
    strand: NDArray[np.uint8]
    """0 without strands; 1 for /A, 2 for /B."""
    items: NDArray[np.int64]
    """The templates by molecule and strand."""
    offsets: NDArray[np.int64]
    """Where each family starts there."""
    molecules: Molecules
    counts: dict[str, int]
    """`places` and `umis_at_places`."""


def families_of(rows: NDArray[np.int64], cell_rank: NDArray[np.int64], params: GroupParams) -> Families:
    """Return the molecules of the templates of whole places."""
    marks = rows[MARKS]
    ends = Ends(rows[CONTIGS], rows[POSITIONS], marks & 3, marks >> 2 & 3, (marks >> 4 & 1).astype(np.bool_))
    shape = (rows[UMI] & 0xFFFF).astype(np.int32)
    templates = Templates(
        rows[AT], rows[AT], ends, marks >> 8 & 0xFFFFFF, cell_rank[marks >> 32], rows[FIRST], rows[SECOND], shape
    )
    if params.min_umi_length is not None:
        n_chars = (rows[UMI] >> 16 & 0xFFFF).astype(np.int32)
        shortest = cut_to_shortest(places_of(templates, params), n_chars)
        first, second, cut = cut_umis(rows[FIRST : UMI + 1].copy(), shortest)
        templates = templates._replace(first=first, second=second, shape=cut.astype(np.int32))
    molecule, strand, molecules, counts = assign_molecules(orient(templates, params), params)
    items, offsets = family_order(molecule, strand)
    return Families(molecule, strand, items, offsets, molecules, counts)


class Tally:
    """The counts of the stage, added up over batches."""

    def __init__(self, params: GroupParams, targets: Targets | None) -> None:
        """Start at nought; with a panel, molecules are also counted by target."""
        self._params, self._targets = params, targets
        self.sums = NOTHING
        self.n_in = self.n_out = 0
        self.left_out = np.zeros(2, dtype=np.int64)
        self.by_reason = np.zeros(len(REASONS), dtype=np.int64)
        self.n_molecules = 0
        self._counts = dict.fromkeys(("places", "umis_at_places", "templates", "molecules", "families"), 0)
        self._n_duplex = 0
        self._sizes: dict[int, int] = {}
        self._on_target = {"mapped_reads": 0, "reads_on_target": 0} if targets is not None else {}

    def add_families(self, families: Families, n_records: int) -> None:
        """Count the molecules of whole places and their records."""
        sizes = np.diff(families.offsets)
        heads = families.molecule[families.items[families.offsets[:-1]]]
        n_molecules = int(heads[-1]) + 1
        found = families.counts | {"templates": int(sizes.sum()), "molecules": n_molecules, "families": len(sizes)}
        for name, n in found.items():
            self._counts[name] += n
        self._n_duplex += len(sizes) - n_molecules
        self.sums = self.sums.plus(molecule_sums(families.molecules, self._targets))
        self.n_molecules += n_molecules
        self.n_out += n_records
        for size, n in zip(*(part.tolist() for part in np.unique(sizes, return_counts=True)), strict=True):
            self._sizes[size] = self._sizes.get(size, 0) + n

    def add_on_target(self, n_mapped: int, n_on_target: int) -> None:
        """Count grouped reads that are mapped, and those that overlap a target."""
        self._on_target["mapped_reads"] += n_mapped
        self._on_target["reads_on_target"] += n_on_target

    def metrics(self, sample: str) -> StageMetrics:
        """Return the counts as the stage reports them; with a panel also reads on target."""
        reasons = {reason: int(self.by_reason[code]) for code, reason in enumerate(REASONS) if code}
        return StageMetrics(
            stage="group",
            sample=sample,
            unit="reads",
            n_in=self.n_in,
            n_out=self.n_out,
            rejected={"secondary": int(self.left_out[0]), "supplementary": int(self.left_out[1])} | reasons,
            counts=self._counts | {"duplex_molecules": self._n_duplex} | self._on_target,
            values={
                "reads_per_molecule": self._counts["templates"] / self.n_molecules if self.n_molecules else 0.0,
                **yield_values(self.sums, self._params.edits),
            },
            histograms={
                "family_size": dict(sorted(self._sizes.items())),
                **yield_histograms(self.sums, self._params.strategy == "paired"),
            },
        )
