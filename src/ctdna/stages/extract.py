"""Extract: UMIs out of the reads, adapter read-through off them, template reads with the UMI in their comment."""

from collections import Counter
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.extract import (
    FITS,
    TOO_LONG,
    TOO_SHORT,
    Divided,
    comments,
    divide,
    fails_filter,
    holds_n,
    join_halves,
    replace_umis,
    take_templates,
)
from ctdna.kernels.insert import FORWARD, TURNED, inserts_by_adapter, inserts_by_overlap
from ctdna.model.columns import FastqColumns
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.extract import ExtractParams
from ctdna.model.umi import ReadStructure, parse_read_structure
from ctdna.stages.umi_correct import FixedUmis, correct_umis, correction_table

REASONS = ("not_pf", "too_short", "n_in_umi", "umi_not_in_list", "no_template")
COUNTS = ("reads_trimmed", "bases_trimmed", "inserts_by_overlap", "inserts_by_adapter", "umis_corrected")
_HEADS = np.frombuffer(b"RX:Z:QX:Z:OX:Z:", dtype=np.uint8).copy()
_NONE = np.empty(0, dtype=np.uint8)
_NO_OFFSETS = np.empty(0, dtype=np.int64)


class Plan(NamedTuple):
    """What is done to every read of a run of the stage."""

    params: ExtractParams
    structures: tuple[ReadStructure, ...]
    """One a FASTQ file."""
    fixed: FixedUmis | None
    """The kit's UMIs, where they are fixed."""


class Tally(NamedTuple):
    """Counts of a batch, or of several added up."""

    n_in: int
    n_out: int
    rejected: Counter[str]
    counts: Counter[str]
    insert_length: Counter[int]
    """Of those inserts whose end was seen."""
    corrections: NDArray[np.int64]
    """`umi_correct.correction_table`; without rows where there is no list."""

    def plus(self, other: Self) -> "Tally":
        """Return both added up."""
        return Tally(
            self.n_in + other.n_in,
            self.n_out + other.n_out,
            self.rejected + other.rejected,
            self.counts + other.counts,
            self.insert_length + other.insert_length,
            self.corrections + other.corrections,
        )


class Umis(NamedTuple):
    """The UMIs of n reads (pairs), half by half, as read and as corrected."""

    halves: tuple[Divided, ...]
    """Of those reads that carry a UMI."""
    corrected: tuple[NDArray[np.uint8], ...]
    """The halves' bases after correction."""
    reasons: NDArray[np.int8]
    """0, or 1 + the index in `REASONS` for a UMI that cannot be used."""


def plan(params: ExtractParams, fixed: FixedUmis | None) -> Plan:
    """Return the plan for these parameters.

    Raises:
        InputError: a structure cannot be read, has not exactly one T, there is no M, or list and M differ in length.
    """
    structures = tuple(parse_read_structure(text) for text in params.read_structures)
    for structure in structures:
        if structure.count("T") != 1:
            what = f"found {structure.count('T')} segments T, allowed is exactly one"
            raise InputError(None, f"read structure {structure}", what, "name the template once, as in 5M2S+T")
    if not any(structure.count("M") for structure in structures):
        raise InputError(None, "read structures", "no segment M, so there is no UMI", "name the UMI, as in 5M2S+T")
    if fixed is not None:
        _check_list(params, structures, fixed)
    return Plan(params, structures, fixed)


def _check_list(params: ExtractParams, structures: tuple[ReadStructure, ...], fixed: FixedUmis) -> None:
    if params.umi_max_mismatches is None or params.umi_min_distance is None:
        hint = "give --umi-max-mismatches and --umi-min-distance"
        raise InputError(None, "UMI list", "a list needs both limits of correction", hint)
    for structure in structures:
        lengths = [segment.length for segment in structure.segments if segment.kind == "M"]
        total = None if None in lengths else sum(length or 0 for length in lengths)
        if lengths and total != fixed.length:
            what = f"its UMI has {total or 'no fixed number of'} bases, but the list's UMIs have {fixed.length}"
            raise InputError(None, f"read structure {structure}", what, "use the list that belongs to this structure")


def _divide(reads: FastqColumns, structure: ReadStructure) -> Divided:
    segments = [(ord(segment.kind), -1 if segment.length is None else segment.length) for segment in structure.segments]
    n_umi = sum(length for kind, length in segments if kind == ord("M") and length > 0)
    free = sum(kind for kind, length in segments if length < 0)
    totals = np.array([structure.fixed_length, n_umi, free], dtype=np.int64)
    divided: Divided = divide(reads.bases, reads.quals, reads.offsets, np.array(segments, dtype=np.int64), totals)
    too_long = np.flatnonzero(divided.status == TOO_LONG)
    if len(too_long):
        i = int(too_long[0])
        name = reads.names[reads.name_offsets[i] : reads.name_offsets[i + 1]].tobytes().decode(errors="replace")
        length = int(reads.offsets[i + 1] - reads.offsets[i])
        what = f"{length} bases, but read structure {structure} takes exactly {structure.fixed_length}"
        raise InputError(None, f"read {name}", what, "end the structure with a + segment, as in 5M2S+T")
    return divided


def _read_umis(halves: tuple[Divided, ...], is_whole: NDArray[np.bool_], setup: Plan) -> tuple[Umis, Tally]:
    """Return the UMIs, corrected where there is a list, and the counts of the correction."""
    reasons = np.zeros(len(is_whole), dtype=np.int8)
    fixed, params = setup.fixed, setup.params
    if fixed is None or params.umi_max_mismatches is None or params.umi_min_distance is None:
        return Umis(halves, tuple(half.umis for half in halves), reasons), no_reads(setup)
    texts = []
    tally = no_reads(setup)
    for half in halves:
        index = np.full(len(is_whole), -1, dtype=np.int32)
        at = np.ascontiguousarray(half.umi_offsets[:-1][is_whole])
        found = correct_umis(half.umis, at, fixed, params.umi_max_mismatches, params.umi_min_distance)
        index[is_whole] = found.fixed
        is_bad = is_whole & (index < 0)
        has_n = holds_n(half.umis, half.umi_offsets)
        reasons[is_bad & (reasons == 0) & ~has_n] = 1 + REASONS.index("umi_not_in_list")
        reasons[is_bad & has_n] = 1 + REASONS.index("n_in_umi")
        texts.append(replace_umis(half.umis, half.umi_offsets, fixed.letters, index))
        corrections = correction_table(found, len(fixed.texts))
        tally = tally._replace(corrections=tally.corrections + corrections)
        tally.counts["umis_corrected"] += int(corrections[:-1, 2:].sum())
    return Umis(halves, tuple(texts), reasons), tally


def no_reads(setup: Plan) -> Tally:
    """Return the counts of nothing, to add to."""
    rows = 0 if setup.fixed is None else len(setup.fixed.texts) + 1
    return Tally(0, 0, Counter(), Counter(), Counter(), np.zeros((rows, 5), dtype=np.int64))


def _find_inserts(
    reads: tuple[FastqColumns, ...], divided: tuple[Divided, ...], is_whole: NDArray[np.bool_], setup: Plan
) -> tuple[NDArray[np.int32], Counter[str]]:
    """Return the bases of each insert whose end was seen, -1 for the others, and how many each way was found."""
    params = setup.params
    adapters = [np.frombuffer(text.upper().encode(), dtype=np.uint8).copy() for text in params.adapters]
    inserts = np.full(len(is_whole), -1, dtype=np.int32)
    if any(structure.segments[-1].kind != "T" for structure in setup.structures):
        return inserts, Counter()
    if len(reads) == 2:
        limits = np.array([params.overlap_min_bases, params.max_mismatch_rate], dtype=np.float64)
        bases, offsets = (reads[0].bases, reads[1].bases), (reads[0].offsets, reads[1].offsets)
        places = (divided[0].template_at, divided[1].template_at)
        behind = (adapters[0], adapters[1]) if adapters else (_NONE, _NONE)
        inserts = inserts_by_overlap(bases, offsets, places, is_whole, limits, behind, (FORWARD, TURNED))
    n_overlap = int((inserts >= 0).sum())
    open_reads = is_whole & (inserts < 0)
    limits = np.array([params.adapter_min_bases, params.max_mismatch_rate], dtype=np.float64)
    for end, adapter in enumerate(adapters):
        mate = setup.structures[1 - end] if len(reads) == 2 else None
        n_between = sum(part.length or 0 for part in mate.segments if part.kind != "T") if mate else 0
        found = inserts_by_adapter(
            reads[end].bases, reads[end].offsets, divided[end].template_at, open_reads, adapter, n_between, limits
        )
        inserts = np.where((found >= 0) & ((inserts < 0) | (found < inserts)), found, inserts).astype(np.int32)
    n_adapter = int((inserts >= 0).sum()) - n_overlap
    return inserts, Counter(inserts_by_overlap=n_overlap, inserts_by_adapter=n_adapter)


def _trim(divided: Divided, inserts: NDArray[np.int32]) -> tuple[NDArray[np.int32], Counter[str]]:
    """Return the template bases of each read up to the insert's end, and the reads and bases trimmed."""
    is_through = (inserts >= 0) & (inserts < divided.n_template)
    left = np.where(is_through, inserts, divided.n_template).astype(np.int32)
    cut = int((divided.n_template - left).sum())
    return left, Counter(reads_trimmed=int(is_through.sum()), bases_trimmed=cut)


def _comments(umis: Umis, keep: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the comments of the kept reads."""
    first, second = umis.halves[0], umis.halves[1] if len(umis.halves) == 2 else None
    second_offsets = _NO_OFFSETS if second is None else second.umi_offsets

    def joined(
        texts: tuple[NDArray[np.uint8], ...], glue: str, shift: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        other = texts[1] if second is not None else _NONE
        pair: tuple[NDArray[np.uint8], NDArray[np.int64]] = join_halves(
            texts[0], first.umi_offsets, other, second_offsets, keep, ord(glue), shift
        )
        return pair

    original, offsets = joined(tuple(half.umis for half in umis.halves), "-", 0)
    bases, _ = joined(umis.corrected, "-", 0)
    quals, _ = joined(tuple(half.umi_quals for half in umis.halves), " ", 33)
    changed = np.concatenate(([0], np.cumsum(original != bases)))
    is_changed = changed[offsets[1:]] > changed[offsets[:-1]]
    text, text_offsets = comments(_HEADS, bases, quals, offsets, original, is_changed)
    return text, text_offsets


def extract(reads: tuple[FastqColumns, ...], setup: Plan) -> tuple[tuple[FastqColumns, ...], Tally]:
    """Return the template reads of a batch (one column set a file, side by side), and its counts.

    A read (pair) is rejected for the first reason of `REASONS` that holds. Names lose `/1` and `/2`; comments are
    replaced by the UMI's tags.

    Raises:
        InputError: a read is longer than its structure, which has no `+`.
    """
    divided = tuple(_divide(some, structure) for some, structure in zip(reads, setup.structures, strict=True))
    is_whole = np.logical_and.reduce([part.status == FITS for part in divided])
    carriers = tuple(part for part, structure in zip(divided, setup.structures, strict=True) if structure.count("M"))
    umis, tally = _read_umis(carriers, is_whole, setup)
    inserts, found = _find_inserts(reads, divided, is_whole, setup)
    reason = umis.reasons.copy()
    reason[np.logical_or.reduce([part.status == TOO_SHORT for part in divided])] = 1 + REASONS.index("too_short")
    not_pf = np.logical_or.reduce([fails_filter(some.comments, some.comment_offsets) for some in reads])
    reason[not_pf] = 1 + REASONS.index("not_pf")
    templates = []
    counts = tally.counts + found
    for part in divided:
        n_template, trimmed = _trim(part, inserts)
        templates.append(n_template)
        counts += trimmed
        reason[(reason == 0) & (n_template < max(1, setup.params.min_template_bases))] = 1 + REASONS.index(
            "no_template"
        )
    keep = np.flatnonzero(reason == 0)
    text, text_offsets = _comments(umis, keep)
    out = tuple(
        take_templates(some, part.template_at, n_template, keep, text, text_offsets)
        for some, part, n_template in zip(reads, divided, templates, strict=True)
    )
    lengths, times = np.unique(inserts[inserts >= 0], return_counts=True)
    return out, Tally(
        len(is_whole),
        len(keep),
        Counter({name: int((reason == 1 + code).sum()) for code, name in enumerate(REASONS)}),
        counts,
        Counter({int(length): int(n) for length, n in zip(lengths, times, strict=True)}),
        tally.corrections,
    )


def metrics(tally: Tally, setup: Plan, sample: str) -> StageMetrics:
    """Return the stage's counts, in reads or read pairs."""
    return StageMetrics(
        stage="extract",
        sample=sample,
        unit="read pairs" if len(setup.structures) == 2 else "reads",
        n_in=tally.n_in,
        n_out=tally.n_out,
        rejected={reason: tally.rejected[reason] for reason in REASONS},
        counts={name: tally.counts[name] for name in COUNTS},
        histograms={"insert_length": dict(sorted(tally.insert_length.items()))},
    )
