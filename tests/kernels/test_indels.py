"""Kernels of indels against slow twins on text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctdna.kernels import assembly, candidates
from ctdna.kernels.realign_alleles import (
    ALT,
    FLANK,
    LOOKS_REF,
    MARGIN,
    MAX_MISMATCHES,
    REF,
    Change,
    Rivals,
    Spans,
    alternate_base,
    decisive_spans,
    judge_molecules,
    no_rivals,
    read_verdict,
)
from ctdna.model.evidence import IndelEvents
from tests.naive_indels import (
    Laid,
    changed_window,
    codes,
    fit_of,
    haplotype,
    mismatches,
    normal_form,
    stored,
    text,
)

pytestmark = pytest.mark.timeout(120)
EDGE = 45
NOBODY = no_rivals()


@st.composite
def references(draw: st.DrawFn) -> str:
    """A region with a repeat or a run in its middle, more often than chance would have it."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    edge = ["".join(rng.choice(list("ACGT"), EDGE + 15)) for _ in range(2)]
    unit = draw(st.text("ACGT", min_size=1, max_size=5))
    return edge[0] + unit * draw(st.integers(0, 5)) + draw(st.text("ACGT", max_size=12)) + edge[1]


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, Change]:
    """A region and a change of it, in normal form."""
    reference = draw(references())
    slot = draw(st.integers(EDGE, len(reference) - EDGE - 1))
    n_deleted = draw(st.integers(0, min(12, len(reference) - EDGE - slot)))
    kind = draw(st.sampled_from(["new", "copy", "none"]))
    n = draw(st.integers(1, 12))
    inserted = {"new": draw(st.text("ACGT", min_size=1, max_size=12)), "copy": reference[slot - n : slot], "none": ""}
    sequence = haplotype(reference, slot, n_deleted, inserted[kind])
    if len(sequence) == len(reference):
        sequence = haplotype(reference, slot, 1, "")
    slot, n_deleted, bases = normal_form(reference, sequence)
    change = Change(slot, n_deleted, codes(bases), slot, 0)
    return reference, change._replace(high=changed_window(reference, change)[1])


@pytest.mark.req("REQ-CAL-010")
@given(references(), st.data())
def test_any_way_to_write_a_change_has_one_normal_form(reference: str, data: st.DataObject) -> None:
    slot = data.draw(st.integers(5, len(reference) - 20))
    n_deleted = data.draw(st.integers(0, 12))
    inserted = data.draw(st.text("ACGT", max_size=12))
    sequence = haplotype(reference, slot, n_deleted, inserted)
    array = codes(inserted)
    tail, head = candidates.trim(codes(reference), slot, n_deleted, array)
    array = array[head : len(array) - tail].copy()
    slot, n_deleted = slot + head, n_deleted - head - tail
    slot = candidates.left_align(codes(reference), 0, slot, n_deleted, array)
    assert haplotype(reference, slot, n_deleted, text(array)) == sequence
    expected = normal_form(reference, sequence)
    if sequence != reference and expected[0] > 0:
        assert (slot, n_deleted, text(array)) == expected


@given(changes())
def test_window_and_alternate_sequence_are_those_of_the_text(case: tuple[str, Change]) -> None:
    reference, change = case
    end = candidates.shift_window(codes(reference), len(reference), change.slot, change.n_deleted, change.inserted)
    assert end == change.high
    expected = haplotype(reference, change.slot, change.n_deleted, text(change.inserted))
    got = [
        alternate_base(codes(reference), change.slot, change.n_deleted, change.inserted, at)
        for at in range(len(expected))
    ]
    assert got == codes(expected).tolist()


@given(changes(), st.integers(0, 15), st.integers(0, 15))
def test_a_read_that_covers_the_span_cannot_be_the_reference(case: tuple[str, Change], left: int, right: int) -> None:
    reference, change = case
    spans = Spans(*decisive_spans(codes(reference), change))
    assert spans.alt_high - spans.alt_low == spans.ref_high - spans.ref_low >= 2 * MARGIN
    sequence = haplotype(reference, change.slot, change.n_deleted, text(change.inserted))
    first, last = spans.alt_low - left, spans.alt_high + right
    if first < 0 or last > len(sequence):
        return
    read = sequence[first:last]
    grown = len(change.inserted) - change.n_deleted
    for at in (first, first - grown):
        assert mismatches(read, reference, at, 0, len(read)) >= MARGIN
    n_window = change.high - change.low
    if change.n_deleted * len(change.inserted) == 0 and n_window - change.n_deleted >= 2 * abs(grown):
        assert spans.ref_low < change.low
        assert spans.ref_high > change.high


@given(st.text("ACGT", min_size=40, max_size=60), st.integers(10, 25), st.integers(2, 9))
def test_of_as_many_bases_as_are_there_all_must_be_covered(reference: str, slot: int, n: int) -> None:
    change = Change(slot, n, (codes(reference[slot : slot + n]) + 1) % 4, slot, slot + n)
    assert decisive_spans(codes(reference), change) == (slot, slot + n, slot, slot + n)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, Change, Laid, bool]:
    """A change and a read of one of both sequences, aligned in blocks or clipped at the change."""
    reference, change = draw(changes())
    is_allele = draw(st.booleans())
    sequence = haplotype(reference, change.slot, change.n_deleted, text(change.inserted)) if is_allele else reference
    first = draw(st.integers(0, change.low))
    n = draw(st.integers(min(30, len(sequence) - first), len(sequence) - first))
    bases = list(sequence[first : first + n])
    for at in draw(st.lists(st.integers(0, n - 1), max_size=2)):
        bases[at] = draw(st.sampled_from("ACGT"))
    n_left = min(change.slot - first, n)
    n_right = n - n_left - len(change.inserted)
    left, right = (first, 0, n_left), (change.slot + change.n_deleted, n - n_right, n_right)
    if not is_allele:
        blocks = [(first, 0, n)]
    elif n_left < 1 or n_right < 1:
        blocks = [left if n_left >= 1 else right]
    else:
        blocks = draw(st.sampled_from([[left], [right], [left, right]]))
    return reference, change, Laid("".join(bases), tuple(blocks)), is_allele


@settings(deadline=None)
@given(cases())
def test_a_read_s_verdict_is_what_its_mismatches_say(case: tuple[str, Change, Laid, bool]) -> None:
    reference, change, laid, is_allele = case
    if laid.blocks[0][2] < 1 or not any(
        s < change.high + FLANK and s + n > change.low - FLANK for s, _, n in laid.blocks
    ):
        return
    reads, regions = stored(laid, len(reference), reference)
    spans = Spans(*decisive_spans(codes(reference), change))
    got, cell = read_verdict(reads, regions, np.int64(0), change, spans, NOBODY, 0)
    on_reference, on_allele = fit_of(laid, reference, change)
    assert (cell >> 4) & 3 in (0, 1)
    if got == ALT:
        assert on_allele + MARGIN <= on_reference
        assert on_allele <= MAX_MISMATCHES + len(laid.bases) // 64
    if got in (REF, LOOKS_REF):
        assert on_reference <= on_allele
    first = laid.blocks[0][0] - laid.blocks[0][1]
    is_whole = len(laid.blocks) == 2 or not is_allele
    grown = len(change.inserted) - change.n_deleted
    span = (spans.alt_low, spans.alt_high) if is_allele else (spans.ref_low, spans.ref_high)
    if is_whole and first <= span[0] and first + len(laid.bases) >= span[1] and 0 in (on_reference, on_allele):
        perfect = on_allele == 0 if is_allele else on_reference == 0
        assert not perfect or got in ((ALT,) if is_allele else (REF, LOOKS_REF)), (got, grown)


@settings(deadline=None)
@given(cases(), st.data())
def test_a_read_that_fits_another_allele_better_is_never_this_one(
    case: tuple[str, Change, Laid, bool], data: st.DataObject
) -> None:
    reference, change, laid, _ = case
    slot = data.draw(st.integers(change.low - 5, change.high + 5))
    bases = codes(data.draw(st.text("ACGT", min_size=1, max_size=6)))
    rivals = Rivals(np.array([slot]), np.array([1]), np.array([0, len(bases)]), bases)
    other = Change(slot, 1, bases, change.low, change.high)
    if laid.blocks[0][2] < 1 or not any(
        s < change.high + FLANK and s + n > change.low - FLANK for s, _, n in laid.blocks
    ):
        return
    reads, regions = stored(laid, len(reference), reference)
    spans = Spans(*decisive_spans(codes(reference), change))
    got = read_verdict(reads, regions, np.int64(0), change, spans, rivals, 0)[0]
    ways = max(len(other.inserted) - 1, len(change.inserted) - change.n_deleted)
    if got == ALT and ways == len(change.inserted) - change.n_deleted == len(other.inserted) - 1:
        assert fit_of(laid, reference, change)[1] < fit_of(laid, reference, other)[1]


def test_mates_of_one_molecule_are_heard_together() -> None:
    rng = np.random.default_rng(3)
    reference = "".join(rng.choice(list("ACGT"), 120))
    change = Change(60, 6, codes(""), 60, 60 + 6)
    change = change._replace(high=changed_window(reference, change)[1])
    sequence = haplotype(reference, 60, 6, "")
    whole = Laid(sequence[30:100], ((30, 0, 30), (66, 30, 40)))
    outside = Laid(reference[80:118], ((80, 0, 38),))
    plain = Laid(reference[30:100], ((30, 0, 70),))
    parts = {"alt": whole, "nothing": outside, "ref": plain}
    for names, expected in [(("alt", "nothing"), [2]), (("alt", "ref"), [4]), (("ref", "ref"), [1])]:
        found = [stored(parts[name], 120, reference)[0] for name in names]
        at, n_cigar = len(found[0].cells), len(found[0].cigars)
        columns = [np.concatenate(pair) for pair in zip(*found, strict=True)]
        reads = type(found[0])(*columns)
        reads.cell_at[1], reads.cigar_at[1] = at, n_cigar
        regions = stored(whole, 120, reference)[1]
        molecule_of, chosen = np.zeros(2, np.int64), np.arange(2)
        molecule, _, verdicts, _ = judge_molecules(reads, regions, chosen, molecule_of, change, NOBODY, 2)
        assert molecule.tolist() == [0]
        assert verdicts.tolist() == expected


def test_events_of_a_read_come_alone_and_together() -> None:
    rng = np.random.default_rng(8)
    reference = "".join(rng.choice(list("ACGT"), 120))
    wrong = "ACGT"[("ACGT".index(reference[57]) + 1) % 4]
    bases = reference[20:50] + reference[53:57] + wrong + reference[58:60] + "ACG" + reference[60:90]
    laid = Laid(bases, ((20, 0, 30), (53, 30, 7), (60, 40, 30)))
    reads, regions = stored(laid, 120, reference)
    n, n_inserted = candidates.count_events(reads)
    longs, ints = (lambda: np.empty(n, np.int64)), (lambda: np.empty(n, np.int32))
    for distance, n_joint in ((0, 0), (15, 2)):
        out = IndelEvents(longs(), longs(), ints(), longs(), ints(), ints(), longs(), np.empty(n_inserted, np.uint8))
        found = candidates.find_events(reads, regions, 2, distance, out)
        texts = []
        for k in range(found):
            at = out.inserted_at[k]
            change = (out.slot[k], out.n_deleted[k], text(out.inserted[at : at + out.n_inserted[k]]))
            texts.append((int(out.first_part[k]), haplotype(reference, *change)))
        joint = [sequence for first, sequence in texts if first >= 0]
        assert len(joint) == n_joint
        assert len(texts) - n_joint == 2
        if joint:
            assert joint[-1] == reference[:20] + bases + reference[90:]
            assert len(set(candidates.inserted_keys(IndelEvents._make([*(c[:found] for c in out[:-1]), out[-1]])))) == 4


def _beyond(sequence: str, slot: int, is_left: bool) -> np.ndarray:
    return codes(sequence[:slot][::-1][:90] if is_left else sequence[slot:][:90])


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(-100, 60), st.text("ACGT", max_size=20), st.booleans())
def test_a_clipped_sequence_joins_the_reference_where_it_was_cut(seed: int, far: int, new: str, is_left: bool) -> None:
    rng = np.random.default_rng(seed)
    reference = "".join(rng.choice(list("ACGT"), 500))
    start, end = 250, 250 + far
    sequence = reference[:start] + new + reference[end:]
    if sequence == reference:
        return
    slot, at_clip = (end, start + len(new)) if is_left else (start, start)
    beyond = _beyond(sequence, at_clip, is_left)
    n_new, at = assembly.find_anchor(codes(reference), 0, 500, slot, is_left, beyond)
    kept = text(beyond[:n_new][::-1]) if is_left else text(beyond[:n_new])
    got = reference[:at] + kept + reference[slot:] if is_left else reference[:slot] + kept + reference[at:]
    assert got == sequence


def test_a_sequence_that_is_not_of_the_region_joins_nowhere() -> None:
    rng = np.random.default_rng(1)
    reference, foreign = (codes("".join(rng.choice(list("ACGT"), n))) for n in (500, 80))
    assert assembly.find_anchor(reference, 0, 500, 250, False, foreign) == (-1, -1)
    assert assembly.find_anchor(reference, 0, 500, 250, False, foreign[: assembly.ANCHOR - 1]) == (-1, -1)


def _clipped(bases: str, slot: int, n_aligned: int, is_left: bool, reference: str) -> Laid:
    first = len(bases) - n_aligned if is_left else 0
    return Laid(bases, ((slot if is_left else slot - n_aligned, first, n_aligned),))


@pytest.mark.parametrize("is_left", [False, True])
def test_clips_are_found_agreed_on_and_walked_on(is_left: bool) -> None:
    rng = np.random.default_rng(4)
    reference, new = ("".join(rng.choice(list("ACGT"), n)) for n in (200, 120))
    texts = [new[-30 - k :] + reference[100:140] if is_left else reference[60:100] + new[: 30 + k] for k in range(4)]
    found = [stored(_clipped(bases, 100, 40, is_left, reference), 200, reference)[0] for bases in texts]
    reads = type(found[0])(*[np.concatenate(column) for column in zip(*found, strict=True)])
    sizes = [len(part.cells) for part in found]
    reads.cell_at[:] = np.cumsum([0, *sizes[:-1]])
    reads.cigar_at[:] = np.arange(0, 8, 2)
    regions = stored(_clipped(texts[0], 100, 40, is_left, reference), 200, reference)[1]
    empty = [np.empty(8, np.int64) for _ in range(6)]
    clips = assembly.Clips(empty[0], np.empty(8, np.uint8), *empty[1:5])
    n = assembly.find_clips(reads, regions, clips)
    assert (n, clips.slot[:n].tolist(), set(clips.is_left[:n].tolist())) == (4, [100] * 4, {int(is_left)})
    assert clips.n_bases[:n].tolist() == [30, 31, 32, 33]
    assert len(set(clips.seed[:n].tolist())) == 1
    chosen = np.arange(4)
    agreed = text(assembly.agreed_sequence(reads, clips, chosen, 2))
    assert agreed == (new[-32:][::-1] if is_left else new[:32])
    words = assembly.clip_words(reads, clips, chosen)
    naive = sorted(
        sum(int(c) << 2 * (assembly.WORD - 1 - i) for i, c in enumerate(codes(bases[k : k + assembly.WORD])))
        for bases in texts
        for k in range(len(bases) - assembly.WORD + 1)
    )
    assert words.tolist() == naive
    start = texts[3][: assembly.WORD]
    assert text(assembly.walk_on(codes(start), words, 1)) == texts[3]
    depth = 3 if not is_left else 4
    walked = text(assembly.walk_on(codes(texts[0][: assembly.WORD]), words, depth))
    assert texts[0].startswith(walked) or walked.startswith(texts[0])
