"""Indels that only clipped reads show, joint indels, and molecules that decide about either allele alike."""

import random
from collections.abc import Sequence

import numpy as np
import pytest

from ctdna.kernels.realign_alleles import ALT, DISAGREE, LEANS, REF
from ctdna.model.evidence import Allele, AlleleCounts
from ctdna.model.variants import CalledVariant
from ctdna.stages.assembly import assembled_changes
from ctdna.stages.call import CallResult, call
from ctdna.stages.candidates import (
    ReadIndex,
    count_base,
    count_verdicts,
    find_indels,
    judge_base,
    make_allele,
    make_change,
)
from ctdna.stages.evidence import Evidence
from ctdna.stages.joining import IndelAlleles, Phasing
from tests.builders import Read
from tests.consensus_molecules import CONTIG, DUPLEX, PARAMS, REFERENCE, Edit, crowd, evidence, flip, molecule

pytestmark = pytest.mark.timeout(60)
TAIL = 5
"""Shorter overhangs stay aligned, as aligners leave them."""


def insertion(pos0: int, bases: str) -> Edit:
    return Edit(pos0, REFERENCE[pos0], REFERENCE[pos0] + bases)


def deletion(pos0: int, n: int, bases: str = "") -> Edit:
    return Edit(pos0, REFERENCE[pos0 : pos0 + n + 1], REFERENCE[pos0] + bases)


def duplication(pos0: int, n: int) -> Edit:
    return insertion(pos0 + n - 1, REFERENCE[pos0 : pos0 + n])


NOVEL = "".join(random.Random(9).choices("ACGT", k=120))
KINDS = {
    "deletion of 30": deletion(520, 30),
    "deletion of 60": deletion(500, 60),
    "delins of 25": deletion(520, 25, "GATTACA"),
    "delins of 19": deletion(530, 19, flip(REFERENCE[531])),
    "duplication of 12": duplication(540, 12),
    "duplication of 60": duplication(500, 60),
    "duplication of 100": duplication(490, 100),
    "duplication with new bases": insertion(559, "ACGTTG" + REFERENCE[500:560]),
    "new bases": insertion(540, NOVEL[:25]),
}


def _read(bases: str, place: tuple[int, int], edit: Edit) -> tuple[int, str] | None:
    """Return position and CIGAR of a read that the aligner clips at the change; `place`: its bounds on the allele.

    None for a read within new bases, which the aligner cannot place.
    """
    first, last = place
    start, grown = edit.pos0 + 1, len(edit.alt) - len(edit.ref)
    end = start + len(edit.alt) - 1
    copied = 0
    while REFERENCE[start - grown + copied : start + copied] == edit.alt[1:] and grown > 0 and copied == 0:
        copied = len(edit.alt) - 1
    left_end, right_start = start, end - copied
    n_left, n_right = max(0, min(left_end, last) - first), max(0, last - max(right_start, first))
    if last - left_end <= TAIL:
        return first, f"{last - first}M"
    if right_start - first <= TAIL:
        return first - grown, f"{last - first}M"
    if n_left == n_right == 0:
        return None
    if n_left >= n_right:
        return first, f"{n_left}M{last - first - n_left}S"
    return max(right_start, first) - grown, f"{last - first - n_right}S{n_right}M"


def tumour_molecule(name: int, start: int, size: int, edit: Edit, length: int = 100) -> list[Read]:
    """Return both reads of a fragment of the allele; `start` counts on the allele."""
    sequence = REFERENCE[: edit.pos0] + edit.alt + REFERENCE[edit.pos0 + len(edit.ref) :]
    spans = [(start, start + min(length, size)), (start + size - min(length, size), start + size)]
    places = [_read(sequence[a:b], (a, b), edit) for a, b in spans]
    reads = []
    for k, ((a, b), place) in enumerate(zip(spans, places, strict=True)):
        n, mate = b - a, places[1 - k]
        tags = {"MI": str(name), "aD": 3, "bD": 3, "ad": [3] * n, "bd": [3] * n}
        flag = 3 | (16 | 128 if k else 32 | 64)
        if place is not None:
            reads.append(
                Read(f"m:{name}", flag, 0, place[0], 60, place[1], 0, (mate or place)[0], 0, sequence[a:b], 40, tags)
            )
    return reads


def tumour(n: int, edit: Edit, seed: int = 2) -> list[Read]:
    """Return molecules of 167 bases over the change, at random places."""
    rng = random.Random(seed)
    is_copy = planted(edit).count(edit.alt[-20:]) > 1
    middle = edit.pos0 + 1 if is_copy else edit.pos0 + len(edit.alt) // 2
    return [read for k in range(n) for read in tumour_molecule(90000 + k, middle - rng.randint(40, 120), 167, edit)]


def passed(result: CallResult) -> list[CalledVariant]:
    return [variant for variant in result.variants if not variant.filters]


def applied(variant: CalledVariant) -> str:
    start = variant.pos1 - 1
    assert REFERENCE[start : start + len(variant.ref)] == variant.ref
    return REFERENCE[:start] + variant.alt + REFERENCE[start + len(variant.ref) :]


def planted(*edits: Edit) -> str:
    sequence = REFERENCE
    for edit in sorted(edits, reverse=True):
        sequence = sequence[: edit.pos0] + edit.alt + sequence[edit.pos0 + len(edit.ref) :]
    return sequence


def judged(reads: Sequence[Read]) -> dict[str, int]:
    """Return the alternate sequences that clipped reads show, with their molecules."""
    got = evidence(reads)
    assert all(event.n_molecules < PARAMS.evidence_floor for event in find_indels(got, 12).events)
    changes = assembled_changes(got, PARAMS.evidence_floor)
    phasing = Phasing(got, PARAMS.fragment_end_bases, IndelAlleles(tuple(changes), {}))
    found = {}
    for allele in (make_allele(got.panel, change) for change in changes):
        start = got.panel.place(allele.slot)[1]
        n_alt = int(count_verdicts(phasing.verdicts(allele)).alt.sum())
        if n_alt >= PARAMS.evidence_floor:
            found[planted(Edit(start, allele.ref, allele.alt))] = n_alt
    return found


@pytest.mark.req("REQ-CAL-011")
@pytest.mark.parametrize("kind", KINDS)
def test_an_allele_of_clipped_reads_is_found_with_its_molecules(kind: str) -> None:
    assert judged(crowd(60, 1) + tumour(20, KINDS[kind])) == {planted(KINDS[kind]): 20}


def test_an_insertion_longer_than_every_overhang_is_walked_through() -> None:
    long = insertion(540, NOVEL[:90])
    reads = [read for k in range(22) for read in tumour_molecule(90000 + k, 541 - 90 + 8 * k, 167, long)]
    assert list(judged(crowd(60, 1) + reads)) == [planted(long)]


@pytest.mark.req("REQ-CAL-011")
def test_an_allele_of_clipped_reads_is_called() -> None:
    result = call(evidence(crowd(300, 1) + tumour(20, KINDS["duplication of 60"])), PARAMS, (), (), None, "s")
    (variant,) = passed(result)
    assert (applied(variant), variant.n_alt) == (planted(KINDS["duplication of 60"]), 20)


def _counts(reads: Sequence[Read], edit: Edit) -> AlleleCounts:
    got = evidence(reads)
    change = make_change(got.panel, _allele(got, edit))
    phasing = Phasing(got, PARAMS.fragment_end_bases, IndelAlleles((change,), {}))
    return count_verdicts(phasing.verdicts(_allele(got, edit)))


def _allele(got: Evidence, edit: Edit) -> Allele:
    return Allele(got.panel.slot(CONTIG, edit.pos0), edit.ref, edit.alt)


@pytest.mark.req("REQ-CAL-010")
@pytest.mark.parametrize("kind", KINDS)
def test_molecules_of_either_allele_have_the_same_chance_to_count(kind: str) -> None:
    edit = KINDS[kind]
    alt = [r for k, start in enumerate(range(330, 720)) for r in tumour_molecule(k, start, 167, edit, 110)]
    ref = [r for k, start in enumerate(range(330, 720)) for r in molecule(k, start, 167, DUPLEX, length=110)]
    n_alt, n_ref = int(_counts(alt, edit).alt.sum()), int(_counts(ref, edit).ref.sum())
    assert int(_counts(ref, edit).alt.sum()) == 0
    assert abs(n_alt / n_ref - 1) <= 0.02
    assert n_ref >= 120
    ambiguous = int(_counts(alt, edit).ref.sum())
    assert ambiguous <= max(0, len(edit.alt) - len(edit.ref)) + 2


def test_indels_of_the_same_molecules_are_one_variant_with_its_parts() -> None:
    edits = [deletion(520, 3), insertion(528, "TACG")]
    result = call(evidence(crowd(300, 1, [(15, edits)])), PARAMS, (), (), None, "s")
    (variant,) = passed(result)
    assert applied(variant) == planted(*edits)
    assert variant.n_alt == 15
    assert len(variant.parts) == 2
    marked = [v for v in result.variants if v.filters == ("part_of_mnv",)]
    assert {f"{v.pos1}:{v.ref}>{v.alt}" for v in marked} == set(variant.parts)
    assert [v.n_alt for v in marked] == [15, 15]


@pytest.mark.req("REQ-CAL-012")
def test_indels_of_different_molecules_stay_apart() -> None:
    edits = [deletion(520, 3), insertion(528, "TACG")]
    result = call(evidence(crowd(300, 1, [(15, edits[:1]), (12, edits[1:])])), PARAMS, (), (), None, "s")
    assert {applied(v): v.n_alt for v in passed(result)} == {planted(edits[0]): 15, planted(edits[1]): 12}


def test_a_germline_neighbour_does_not_join_a_somatic_deletion() -> None:
    snp = Edit(527, REFERENCE[527], flip(REFERENCE[527]))
    plan = [(15, [deletion(520, 3), snp]), (140, [snp])]
    result = call(evidence(crowd(300, 1, plan)), PARAMS, (), (), None, "s")
    (variant,) = passed(result)
    assert (applied(variant), variant.n_alt) == (planted(deletion(520, 3)), 15)
    assert [v.n_alt for v in result.variants if v.filters == ("germline",)] == [155]


def test_mismatching_tails_of_an_indel_are_no_substitutions_of_their_own() -> None:
    edit = KINDS["duplication of 60"]
    end = edit.pos0 + 1
    tails = [r for k in range(3) for r in tumour_molecule(95000 + k, end + 4 - 60, 240, edit, 60)]
    result = call(evidence(crowd(300, 1) + tumour(60, edit) + tails), PARAMS, (), (), None, "s")
    (variant,) = passed(result)
    assert applied(variant) == planted(edit)
    assert any("part_of_mnv" in v.filters for v in result.variants)


def test_a_molecule_that_ends_within_the_repeat_is_not_counted() -> None:
    slot = next(k for k in range(480, 600) if REFERENCE[k] == REFERENCE[k + 1] == REFERENCE[k + 2])
    run_end = slot
    while REFERENCE[run_end] == REFERENCE[slot]:
        run_end += 1
    edit = deletion(slot - 1, 1)
    short = [r for k in range(8) for r in molecule(k, run_end - 167 - k % 2, 167)]
    whole = [r for k in range(8, 20) for r in molecule(k, run_end + 2 - 167, 167)]
    counts = _counts(short + whole, edit)
    assert (int(counts.ref.sum()), int(counts.alt.sum())) == (12, 0)


def test_counts_of_a_substitution_are_those_of_its_molecules() -> None:
    snv = Edit(520, REFERENCE[520], flip(REFERENCE[520]))
    reads = crowd(400, 3, [(9, [snv]), (4, [deletion(515, 8)])]) + molecule(7000, 450, 160, DUPLEX, [snv], quality=5)
    reads += molecule(7001, 450, 160, DUPLEX, [snv], mapq=2)
    got = evidence(reads)
    slot = got.panel.slot(CONTIG, 520)
    one, other = count_base(got, slot, snv.alt), count_verdicts(judge_base(got, ReadIndex(got), slot, snv.alt, 12))
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a, b)
    assert (one.low_quality, one.low_mapq, int(one.alt.sum())) == (1, 1, 9)


def test_random_clips_and_adapter_ends_make_no_allele() -> None:
    rng = random.Random(5)
    reads = crowd(300, 4)
    for k in range(0, len(reads), 5):
        n = rng.randint(12, 40)
        tail = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCACGATGCAT"[:n] if k % 2 else "".join(rng.choices("ACGT", k=n))
        read = reads[k]
        if read.cigar == "100M":
            reads[k] = read._replace(bases=read.bases[: 100 - n] + tail, cigar=f"{100 - n}M{n}S")
    got = evidence(reads)
    assert assembled_changes(got, 2) == []
    assert passed(call(got, PARAMS, (), (), None, "s")) == []


def test_mates_that_contradict_count_nowhere_and_leaning_ones_are_not_depth() -> None:
    edit = deletion(520, 12)
    one = molecule(1, 450, 160, DUPLEX, [edit])
    other = molecule(1, 450, 160)
    mixed = [one[0], other[1]._replace(name=one[0].name)]
    got = evidence([*mixed, *molecule(2, 450, 160)])
    phasing = Phasing(got, 12, IndelAlleles((), {}))
    verdicts = phasing.verdicts(_allele(got, edit)).verdict
    assert sorted(verdicts.tolist()) == [REF, DISAGREE]
    assert count_verdicts(phasing.verdicts(_allele(got, edit))).depth.sum() == 1
    assert ALT not in verdicts
    assert LEANS not in verdicts
