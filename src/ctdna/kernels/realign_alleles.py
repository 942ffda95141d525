"""What each molecule says about one allele: its reads held against the reference and all alternates of the place.

A read is laid without gaps on the reference and on each alternate sequence, once as its first aligned block near the
change lies and once as its last one does; clipped bases are compared like the rest. It counts only where it covers the
span in which the two sequences cannot be confused (`decisive_spans`). Both spans are equally long, so that molecules
of either allele have the same chance to count.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.evidence import IS_END, IS_LOW_MAPQ, class_of, join_cells, strands_of, tiny_reads
from ctdna.kernels.jit import kernel, lean_kernel
from ctdna.model.evidence import Regions, StoredReads

Ints = NDArray[np.int64]
Int = int | np.int64
Bytes = NDArray[np.uint8]

FLANK = 20
"""Bases compared beyond the window of the change."""
MARGIN = 2
"""Least difference of mismatches that decides."""
MAX_MISMATCHES = 3
"""Most mismatches of a read with the sequence it is given to."""
MANY = 32
"""More mismatches are not told apart."""
SPACING = 64
"""One mismatch more is allowed for so many bases compared."""
EXACT_BASES = 20
"""Inserted bases up to so many must be the allele's own, each; longer ones may hold mismatches like the rest."""
SHORT_REPEAT = 6
"""A repeat whose changed bases are no more must be spanned whole, with one base on each side."""
NOTHING, REF, ALT, OTHER, DISAGREE, LEANS, LOOKS_REF = 0, 1, 2, 3, 4, 5, 6
"""LEANS: fits the allele better, but does not cover what decides. LOOKS_REF (of a read): fits both equally."""


class Change(NamedTuple):
    """One allele and the window in which it can be written, in slots."""

    slot: int
    n_deleted: int
    inserted: Bytes
    low: int
    """First slot of the window: the change cannot be written before it."""
    high: int
    """Past the window."""


class Rivals(NamedTuple):
    """Other alleles of the place: `inserted[offsets[r] : offsets[r + 1]]` for `n_deleted[r]` bases at `slot[r]`."""

    slot: Ints
    n_deleted: Ints
    offsets: Ints
    inserted: Bytes


class Spans(NamedTuple):
    """What a read must cover: half-open, on the alternate sequence and on the reference; slots left of the change."""

    alt_low: Int
    alt_high: Int
    ref_low: Int
    ref_high: Int


@lean_kernel
def alternate_base(reference: Bytes, slot: Int, n_deleted: Int, inserted: Bytes, at: Int) -> Int:
    """Return the base of the alternate sequence at a slot; slots right of the change are shifted by it. 4: unknown."""
    n = len(inserted)
    if slot <= at < slot + n:
        return np.int64(inserted[at - slot])
    k = at if at < slot else at - n + n_deleted
    return np.int64(reference[k]) if 0 <= k < len(reference) else np.int64(4)


@lean_kernel
def _reach(reference: Bytes, change: Change, is_left: bool) -> Int:
    """Return how far a read must reach past the end of the change to differ by `MARGIN` from the shifted reference.

    From the left: the slot on the alternate sequence past the last base needed; from the right: the first one.
    """
    shift = len(change.inserted) - change.n_deleted
    at = change.slot if is_left else change.slot + len(change.inserted) - 1
    found, room = np.int64(0), change.high - change.low + len(change.inserted) + FLANK
    for _ in range(room):
        k = at if is_left else at - shift
        here = np.int64(reference[k]) if 0 <= k < len(reference) else np.int64(4)
        found += here != alternate_base(reference, change.slot, change.n_deleted, change.inserted, at)
        at += 1 if is_left else -1
        if found == MARGIN:
            break
    return at if is_left else at + 1


@lean_kernel
def decisive_spans(reference: Bytes, change: Change) -> tuple[Int, Int, Int, Int]:
    """Return the spans (see `Spans`) whose cover tells the allele from the reference; both have the same length.

    A read that covers the alternate's span differs from the reference wherever it is laid. In a repeat of short units,
    or of many copies, the span holds the whole repeat and one base on each side. Of as many bases as are there, it is
    these bases, all.
    """
    n = len(change.inserted)
    if n == change.n_deleted:
        return change.slot, change.slot + n, change.slot, change.slot + n
    changed = max(n, change.n_deleted)
    low, high = change.low, change.high + n - change.n_deleted
    room = change.high - change.low - change.n_deleted
    first, last = _reach(reference, change, False), _reach(reference, change, True)
    centre2 = low + high
    n_bases = max(last - first, 2 * MARGIN)
    if room >= changed and (changed <= SHORT_REPEAT or room >= 2 * changed):
        n_bases = max(n_bases, max(high, change.high) - low + 2)
    below, above = centre2 - 2 * first, 2 * last - centre2
    n_bases = max(n_bases, below, above)
    alt_low = (centre2 - n_bases) >> 1
    ref_low = (change.low + change.high - n_bases) >> 1
    return alt_low, alt_low + n_bases, ref_low, ref_low + n_bases


@lean_kernel
def _blocks(reads: StoredReads, i: Int, low: Int, high: Int) -> tuple[Int, Int]:
    """Return slot minus cell of the first and of the last aligned block that touches [low, high); -1, -1 for none.

    Cells are counted from the read's first.
    """
    slot, cell = reads.slot[i], np.int64(0)
    first, last, is_found = np.int64(-1), np.int64(-1), False
    for c in range(np.int64(reads.n_cigar[i])):
        operation = np.int64(reads.cigars[reads.cigar_at[i] + c])
        code, n = operation & 15, operation >> 4
        if code == 0 or code == 7 or code == 8:
            if slot < high and slot + n > low:
                first = first if is_found else slot - cell
                last, is_found = slot - cell, True
            slot += n
            cell += n
        elif code == 2 or code == 3:
            slot += n
        elif code == 1 or code == 4:
            cell += n
    return (first, last) if is_found else (np.int64(-1), np.int64(-1))


@lean_kernel
def _misfits(
    reads: StoredReads, i: Int, reference: Bytes, place: tuple[Int, Int, Int, Int], allele: tuple[Int, Int, Bytes]
) -> tuple[Int, Int]:
    """Return mismatches of cells [first, last) laid with a shift on a sequence: all, and those in inserted bases.

    `place`: first, last, shift, and the mismatches after which no more are counted.
    """
    first, last, shift, most = place
    slot, n_deleted, inserted = allele
    bad, bad_inserted = np.int64(0), np.int64(0)
    n = len(inserted)
    for k in range(first, last):
        code = np.int64(reads.cells[reads.cell_at[i] + k])
        at = k + shift
        if (code & 7) > 3 or code & 8:
            continue
        base = alternate_base(reference, slot, n_deleted, inserted, at)
        if base != (code & 7) and base < 4:
            bad += 1
            bad_inserted += slot <= at < slot + n
            if bad >= most:
                break
    return bad, bad_inserted


@lean_kernel
def _best_fit(
    reads: StoredReads, i: Int, reference: Bytes, range_shifts: tuple[Int, Int, Int, Int],
    allele: tuple[Int, Int, Bytes], most: Int,
) -> tuple[Int, Int, Int]:  # fmt: skip
    """Return the fewest mismatches of two ways to lay the read, those of them in inserted bases, and the way's shift.

    More than `most` are not counted.
    """
    first, last, one, two = range_shifts
    bad, bad_inserted = _misfits(reads, i, reference, (first, last, one, most), allele)
    shift = one
    if two != one and bad > 0:
        other, other_inserted = _misfits(reads, i, reference, (first, last, two, bad), allele)
        if other < bad:
            bad, bad_inserted, shift = other, other_inserted, two
    return bad, bad_inserted, shift


@lean_kernel
def _covers(reads: StoredReads, i: Int, shift: Int, low: Int, high: Int) -> tuple[bool, Int]:
    """Return whether the read covers [low, high), most of it with usable bases, and its least strand depths, packed."""
    first, last = low - shift, high - shift
    if first < 0 or last > np.int64(reads.n_cells[i]):
        return False, np.int64(0)
    a, b, n = np.int64(3), np.int64(3), np.int64(0)
    for k in range(first, last):
        cell = np.int64(reads.cells[reads.cell_at[i] + k])
        if (cell & 7) < 4 and not cell & 8:
            a, b, n = min(a, (cell >> 4) & 3), min(b, (cell >> 6) & 3), n + 1
    return bool(2 * n > high - low), (a << 4 | b << 6 if n > 0 else np.int64(0))


@lean_kernel
def _rival_fit(
    reads: StoredReads, i: Int, reference: Bytes, range_shifts: tuple[Int, Int, Int, Int], rivals: Rivals
) -> Int:
    """Return the fewest mismatches of the read with any rival, laid by its first or by its last block."""
    first, last, left, right = range_shifts
    least: Int = np.int64(MANY)
    for r in range(len(rivals.slot)):
        inserted = rivals.inserted[rivals.offsets[r] : rivals.offsets[r + 1]]
        shifts = (first, last, left, right + len(inserted) - rivals.n_deleted[r])
        allele = (rivals.slot[r], rivals.n_deleted[r], inserted)
        least = min(least, _best_fit(reads, i, reference, shifts, allele, least)[0])
    return least


@lean_kernel
def _is_at_end(reads: StoredReads, i: Int, place: tuple[Int, Int, Int], grown: Int, end_bases: Int) -> bool:
    """Return whether the middle of a span lies near an end of the fragment: of the read, or as far as the mates reach.

    `place`: bounds of the span, and the read's shift; `grown`: bases by which the sequence is longer left of its end.
    """
    low, high, shift = place
    middle = (low + high) >> 1
    left = max(middle - reads.fragment_low[i], middle - shift)
    right = max(reads.fragment_high[i] - 1 - middle + grown, np.int64(reads.n_cells[i]) - 1 - middle + shift)
    return bool(min(left, right) < end_bases)


@lean_kernel
def _alternate_verdict(
    reads: StoredReads, i: Int, reference: Bytes, ways: tuple[Int, Int, Int, Int], change: Change, rivals: Rivals,
    bad: Int,
) -> Int:  # fmt: skip
    """Return ALT, or OTHER or NOTHING where a read nearer to the allele than to the reference shows another one.

    `ways`: cells compared, and the shifts of the first and last block; `bad`: mismatches with the allele.
    """
    first, last, left, right = ways
    nearest = _rival_fit(reads, i, reference, ways, rivals) if len(rivals.slot) > 0 else bad + 1
    if nearest < bad:
        return OTHER
    if nearest == bad:
        return NOTHING
    is_aligned_so = left - right == len(change.inserted) - change.n_deleted
    if bad > 0 and not is_aligned_so and (left != right or bad > 1 + (last - first) // SPACING):
        return OTHER
    return ALT


@lean_kernel
def read_verdict(
    reads: StoredReads, regions: Regions, i: Int, change: Change, spans: Spans, rivals: Rivals, end_bases: Int
) -> tuple[Int, Int]:
    """Return what read i says about the change (NOTHING, REF, ALT, OTHER, LEANS, LOOKS_REF) and its packed cell there.

    Arguments:
        rivals: other alleles that touch the flanks; none may be the change itself.
        end_bases: a change nearer to an end of the fragment is a fragment end.
    """
    left, right = _blocks(reads, i, change.low - FLANK, change.high + FLANK)
    if left == -1:
        return NOTHING, 0
    reference, n = regions.reference, len(change.inserted)
    grown = n - change.n_deleted
    high = change.high + max(grown, 0) + FLANK
    first = max(change.low - FLANK - max(left, right + grown, right), 0)
    last = min(high - min(left, right + grown, right), np.int64(reads.n_cells[i]))
    most = MAX_MISMATCHES + (last - first) // SPACING
    plain = (np.int64(0), np.int64(0), change.inserted[:0])
    bad_ref, _, ref_shift = _best_fit(reads, i, reference, (first, last, left, right), plain, np.int64(MANY))
    allele = (np.int64(change.slot), np.int64(change.n_deleted), change.inserted)
    enough = np.int64(MARGIN) if bad_ref == 0 else np.int64(MANY)
    ways = (first, last, left, right + grown)
    bad_alt, bad_inserted, alt_shift = _best_fit(reads, i, reference, ways, allele, enough)
    weighed = bad_alt + (most * bad_inserted if n <= EXACT_BASES else np.int64(0))
    on_ref, ref_cell = _covers(reads, i, ref_shift, spans.ref_low, spans.ref_high)
    if bad_ref <= bad_alt:
        is_end = _is_at_end(reads, i, (spans.ref_low, spans.ref_high, ref_shift), np.int64(0), end_bases)
        is_clear = bad_ref + MARGIN <= weighed
        verdict: Int = NOTHING if not on_ref else (OTHER if bad_ref > most else (REF if is_clear else LOOKS_REF))
        return verdict, ref_cell | (IS_END if is_end else 0)
    on_alt, alt_cell = _covers(reads, i, alt_shift, spans.alt_low, spans.alt_high)
    is_end = _is_at_end(reads, i, (spans.alt_low, spans.alt_high, alt_shift), grown, end_bases)
    cell = alt_cell | (IS_END if is_end else 0)
    if weighed > most:
        return (OTHER if on_alt and bad_ref > most else NOTHING), cell
    if weighed + MARGIN > bad_ref:
        return LEANS, cell
    verdict = _alternate_verdict(reads, i, reference, (first, last, left, right), change, rivals, bad_alt)
    if verdict == ALT and not on_alt:
        return LEANS, cell
    return (verdict if on_alt or on_ref else NOTHING), cell


@lean_kernel
def _together(one: Int, other: Int) -> Int:
    """Return what two reads of one molecule say together; the stronger word holds, clear ones must agree."""
    if one == other or other == NOTHING:
        return one
    if one == NOTHING:
        return other
    is_weak, is_other_weak = one >= LEANS, other >= LEANS
    if is_weak and is_other_weak:
        return NOTHING
    if is_weak or is_other_weak:
        return other if is_weak else one
    return DISAGREE


@kernel
def judge_molecules(
    reads: StoredReads,
    regions: Regions,
    chosen: Ints,
    molecule_of: Ints,
    change: Change,
    rivals: Rivals,
    end_bases: Int,
) -> tuple[Ints, Ints, Bytes, Int]:
    """Return per molecule that the chosen reads touch: its index, class and strands, and verdict.

    `chosen` are reads in stored order. The second array packs `class | top << 4 | bottom << 5`. A molecule whose reads
    disagree is DISAGREE. The last value counts molecules with the allele in reads of low mapping quality only.
    """
    n = len(chosen)
    molecule, packed, verdicts = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.uint8)
    n_out, n_astray, j = np.int64(0), np.int64(0), np.int64(0)
    one_cell, one_flag = np.zeros(1, np.uint16), np.zeros(1, np.uint8)
    alt_low, alt_high, ref_low, ref_high = decisive_spans(regions.reference, change)
    spans = Spans(alt_low, alt_high, ref_low, ref_high)
    while j < n:
        m = molecule_of[chosen[j]]
        verdict: Int = NOTHING
        cell, flags, is_astray = np.int64(0), np.int64(0), False
        while j < n and molecule_of[chosen[j]] == m:
            i = chosen[j]
            said, here = read_verdict(reads, regions, i, change, spans, rivals, end_bases)
            j += 1
            if said == NOTHING:
                continue
            if np.int64(reads.flags[i]) & IS_LOW_MAPQ:
                is_astray |= said == ALT
                continue
            flags |= np.int64(reads.flags[i])
            a, b = max((cell >> 4) & 3, (here >> 4) & 3), max((cell >> 6) & 3, (here >> 6) & 3)
            cell = ((cell | here) & IS_END) | a << 4 | b << 6
            verdict = _together(verdict, said)
        n_astray += 1 if is_astray and verdict == NOTHING else 0
        if verdict != NOTHING:
            one_cell[0], one_flag[0] = cell, flags
            call = join_cells(one_cell, one_flag, np.int64(1))
            top, bottom = strands_of(call)
            molecule[n_out], verdicts[n_out] = m, REF if verdict == LOOKS_REF else verdict
            packed[n_out] = class_of(call) | top << 4 | bottom << 5
            n_out += 1
    return molecule[:n_out].copy(), packed[:n_out].copy(), verdicts[:n_out].copy(), n_astray


def no_rivals() -> Rivals:
    """Return rivals of which there are none."""
    empty = np.zeros(0, np.int64)
    return Rivals(empty, empty, np.zeros(1, np.int64), np.zeros(0, np.uint8))


def warm() -> None:
    """Compile every kernel of this module on one tiny read."""
    reads, _, regions = tiny_reads()
    one = np.zeros(1, np.int64)
    change = Change(4, 1, np.zeros(0, np.uint8), 4, 5)
    alternate_base(regions.reference, 4, 1, change.inserted, 4)
    spans = Spans(*decisive_spans(regions.reference, change))
    read_verdict(reads, regions, np.int64(0), change, spans, no_rivals(), 2)
    judge_molecules(reads, regions, one, one, change, no_rivals(), 2)
