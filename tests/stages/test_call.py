import random
import re
from collections.abc import Sequence

import numpy as np
import pytest

from ctdna.model.annotation import CommonSnp, Hotspot
from ctdna.model.errors import InputError
from ctdna.model.variants import CalledVariant, LocusTable
from ctdna.stages.call import CallResult, call
from ctdna.stages.evidence import REASONS
from tests.builders import Read
from tests.consensus_molecules import (
    CONTIG,
    DUPLEX,
    PARAMS,
    REFERENCE,
    SIMPLEX3,
    SINGLE,
    Edit,
    crowd,
    evidence,
    flip,
    molecule,
)
from tests.naive_evidence import site_counts

pytestmark = pytest.mark.timeout(60)
SNV = Edit(520, REFERENCE[520], flip(REFERENCE[520]))
OTHER_SNV = Edit(523, REFERENCE[523], flip(REFERENCE[523], 2))
DELETION = Edit(501, REFERENCE[501:517], REFERENCE[501])
INSERTION = Edit(510, REFERENCE[510], REFERENCE[510] + "ACGTTGCAA")


def called(reads: Sequence[Read], hotspots: Sequence[Hotspot] = (), snps: Sequence[CommonSnp] = ()) -> CallResult:
    return call(evidence(reads), PARAMS, hotspots, snps, None, "s")


def passed(result: CallResult) -> list[CalledVariant]:
    return [variant for variant in result.variants if not variant.filters]


def row(loci: LocusTable, pos1: int, alt: str, label: str = ".") -> int:
    return next(
        i for i in range(len(loci.pos1)) if (loci.pos1[i], loci.alt[i]) == (pos1, alt) and loci.hotspot[i] == label
    )


def applied(variant: CalledVariant) -> str:
    start = variant.pos1 - 1
    assert REFERENCE[start : start + len(variant.ref)] == variant.ref
    return REFERENCE[:start] + variant.alt + REFERENCE[start + len(variant.ref) :]


def planted(edits: Sequence[Edit]) -> str:
    text = REFERENCE
    for edit in sorted(edits, reverse=True):
        text = text[: edit.pos0] + edit.alt + text[edit.pos0 + len(edit.ref) :]
    return text


def clip_behind(read: Read, pos0: int) -> Read:
    """Return the read with all behind a deletion at `pos0` clipped, as aligners do near a read's end."""
    lengths = [int(n) for n in re.findall(r"(\d+)[MDIS]", read.cigar)]
    if "D" not in read.cigar or read.pos0 + lengths[0] != pos0:
        return read
    return read._replace(cigar=f"{lengths[0]}M{sum(lengths[2:])}S")


@pytest.mark.req("REQ-CAL-009")
@pytest.mark.parametrize(
    ("edits", "kind"),
    [
        ([SNV], "snv"),
        ([DELETION], "indel"),
        ([INSERTION], "indel"),
        ([SNV, OTHER_SNV], "mnv"),
        ([DELETION, Edit(519, REFERENCE[519], flip(REFERENCE[519]))], "indel"),
    ],
)
def test_planted_allele_is_found_with_its_count(edits: list[Edit], kind: str) -> None:
    result = called(crowd(1500, 1, [(15, edits)]))
    (variant,) = passed(result)
    assert variant.variant_class == kind
    assert applied(variant) == planted(edits)
    assert variant.n_alt == 15
    assert [alt for _, alt in variant.tiers] == [11, 2, 1, 1]
    assert variant.vaf_low < variant.vaf < variant.vaf_high
    assert variant.p_value < 1e-10


@pytest.mark.req("REQ-CAL-012")
def test_parts_of_an_mnv_are_shown_and_marked() -> None:
    result = called(crowd(1500, 1, [(15, [SNV, OTHER_SNV])]))
    parts = [variant for variant in result.variants if variant.filters == ("part_of_mnv",)]
    assert [variant.pos1 for variant in parts] == [521, 524]
    (joint,) = passed(result)
    assert joint.parts == tuple(f"{edit.pos0 + 1}:{edit.ref}>{edit.alt}" for edit in (SNV, OTHER_SNV))
    i = row(result.loci, 521, SNV.alt)
    assert (result.loci.state[i], result.loci.reason[i]) == ("NO_CALL", "part_of_mnv")


@pytest.mark.parametrize("is_left", [False, True])
@pytest.mark.compiled
def test_reads_that_end_near_an_mnv_and_are_clipped_there_count(is_left: bool) -> None:
    """An aligner clips two mismatches near an end; of the reference's molecules that end there, each counts."""
    mnv = [SNV, Edit(521, REFERENCE[521], flip(REFERENCE[521]))]
    reads, size, n_beyond = crowd(600, 1, [(10, mnv)]), 164, 3

    def at_end(name: int, edits: Sequence[Edit], beyond: int) -> list[Read]:
        start0 = 520 - beyond if is_left else 522 + beyond - size
        return molecule(name, start0, size, DUPLEX, edits)

    cut = range(520 - n_beyond, 522) if is_left else range(520, 522 + n_beyond)
    junk = [Edit(k, REFERENCE[k], flip(REFERENCE[k], 2)) for k in cut]
    for name in range(1000, 1006):
        reads += [_clipped(read, 2 + n_beyond, is_left) for read in at_end(name, mnv, n_beyond)]
        reads += [_clipped(read, 1, is_left) for read in at_end(name + 100, mnv, -1)]
        reads += [_clipped(read, 2 + n_beyond, is_left) for read in at_end(name + 200, junk, n_beyond)]
    before, after = (called(some).variants for some in (reads[: 2 * 600], reads))
    few, more = (next(v for v in found if v.parts) for found in (before, after))
    assert (few.n_alt, more.n_alt, more.depth - few.depth) == (10, 16, 6)


def _clipped(read: Read, n: int, is_left: bool) -> Read:
    """Return the read with its n outermost bases clipped, if it is the fragment's that ends there."""
    if bool(read.flag & 16) == is_left:
        return read
    rest = len(read.bases) - n
    cigar = f"{n}S{rest}M" if is_left else f"{rest}M{n}S"
    return read._replace(cigar=cigar, pos0=read.pos0 + n if is_left else read.pos0)


@pytest.mark.req("REQ-CAL-012")
@pytest.mark.compiled
def test_neighbours_in_different_molecules_stay_apart() -> None:
    result = called(crowd(1500, 1, [(15, [SNV]), (15, [OTHER_SNV])]))
    assert [variant.variant_class for variant in passed(result)] == ["snv", "snv"]


@pytest.mark.req("REQ-CAL-006")
def test_depths_equal_a_slow_recount() -> None:
    reads = crowd(200, 3, [(4, [SNV]), (3, [DELETION])])
    noise = random.Random(4)
    for i in range(0, len(reads), 3):
        at = noise.randrange(100)
        bases = reads[i].bases[:at] + noise.choice("ACGTN") + reads[i].bases[at + 1 :]
        quals = [40] * 100
        quals[noise.randrange(100)] = 5
        reads[i] = reads[i]._replace(bases=bases, quals=quals, mapq=60 if i % 7 else 3)
    got = evidence(reads)
    start0 = int(got.panel.regions.start0[0])
    expected = site_counts(reads, PARAMS)
    for slot in range(len(got.panel.regions.reference)):
        for code, base in enumerate("ACGT"):
            want = expected.get((start0 + slot, base), np.zeros(8, int))
            assert got.counts.classes[slot, code].tolist() == want.tolist(), (slot, base)


def test_where_the_strands_differ_a_molecule_counts_as_one_strand_of_that_base() -> None:
    reads, at = molecule(1, 450, 90, (3, 2)), 520 - 450
    other = flip(REFERENCE[520])
    for k in (0, 1):
        bases, n = reads[k].bases, len(reads[k].bases)
        changed = bases[:at] + other + bases[at + 1 :]
        tags = reads[k].tags | {"ac": bases, "bc": changed, "aq": "I" * n, "bq": "-" * n}
        reads[k] = reads[k]._replace(tags=tags)
    got = evidence(reads)
    slot = got.panel.slot(CONTIG, 520)
    code = "ACGT".index(REFERENCE[520])
    assert got.counts.classes[slot, code].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    assert got.counts.classes[slot - 1, "ACGT".index(REFERENCE[519])].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]
    flipped = [read._replace(bases=read.tags["bc"]) for read in reads]
    shown = evidence(flipped).counts.classes[slot, "ACGT".index(other)]
    assert shown.tolist() == [0, 0, 0, 0, 1, 0, 0, 0]
    for some in (reads, flipped):
        expected, counts = site_counts(some, PARAMS), evidence(some).counts.classes[slot]
        for code, base in enumerate("ACGT"):
            assert counts[code].tolist() == expected.get((520, base), np.zeros(8, int)).tolist()


@pytest.mark.req("REQ-CAL-006")
def test_disagreeing_mates_count_nowhere() -> None:
    reads = molecule(1, 450, 120)
    at = 500 - reads[0].pos0
    reads[0] = reads[0]._replace(bases=reads[0].bases[:at] + flip(REFERENCE[500]) + reads[0].bases[at + 1 :])
    got = evidence(reads)
    slot = got.panel.slot(CONTIG, 500)
    assert got.counts.classes[slot].sum() == 0
    assert got.counts.discordant[slot] == 1
    assert got.counts.classes[slot + 1].sum() == 1


@pytest.mark.req("REQ-CAL-006")
def test_two_strand_reads_of_one_molecule_count_once_as_duplex() -> None:
    tags = [{"MI": f"9/{strand}", "cD": 3, "cd": [3] * 100} for strand in "AB"]
    pair = molecule(1, 450, 120)
    reads = [read._replace(name=f"m:{k}", tags=tags[k]) for k in range(2) for read in pair]
    got = evidence(reads)
    slot = got.panel.slot(CONTIG, 500)
    assert got.counts.classes[slot].sum() == 1
    assert got.counts.classes[slot, :, :2].sum() == 1
    assert got.counts.strands[slot].sum(axis=0).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("suffix", "swap", "strands"), [("/A", 0, [1, 0]), ("/B", 0, [0, 1]), ("", 0, [1, 0]), ("", 1, [0, 1])]
)
def test_strand_of_origin_of_single_strand_molecules(suffix: str, swap: int, strands: list[int]) -> None:
    reads = [
        read._replace(tags={"MI": f"9{suffix}", "cd": [3] * 100}, flag=read.flag ^ (192 if swap else 0))
        for read in molecule(1, 450, 120)
    ]
    got = evidence(reads)
    assert got.counts.strands[got.panel.slot(CONTIG, 500)].sum(axis=0).tolist() == strands


def test_reads_without_pair_flags_do_not_turn_a_molecule_duplex() -> None:
    reads = [read._replace(tags={"MI": "9", "cd": [3] * 100}, flag=read.flag & 16) for read in molecule(1, 450, 120)]
    got = evidence(reads)
    slot = got.panel.slot(CONTIG, 500)
    assert got.counts.classes[slot, :, 2:4].sum() == 1
    assert got.counts.strands[slot].sum() == 0


@pytest.mark.req("REQ-REP-003")
def test_order_of_input_and_threads_change_nothing() -> None:
    reads = crowd(400, 5, [(8, [SNV]), (6, [DELETION])])
    one = called(reads)
    shuffled = random.Random(1).sample(reads, len(reads))
    other = call(evidence(shuffled), PARAMS, (), (), None, "s", threads=3)
    assert one.variants == other.variants
    assert one.metrics == other.metrics
    assert one.loci.state == other.loci.state
    assert np.array_equal(one.loci.lod95, other.loci.lod95)


@pytest.mark.req("REQ-CAL-015")
@pytest.mark.compiled
def test_germline_is_detected_with_its_reason() -> None:
    result = called(crowd(600, 5, [(300, [SNV])]))
    (variant,) = result.variants
    assert variant.filters == ("germline",)
    i = row(result.loci, 521, SNV.alt)
    assert (result.loci.state[i], result.loci.reason[i]) == ("DETECTED", "germline")


@pytest.mark.compiled
def test_common_snp_is_germline_from_a_lower_vaf_on() -> None:
    reads = crowd(600, 5, [(120, [SNV])])
    assert called(reads).variants[0].filters == ()
    snp = CommonSnp(CONTIG, 521, SNV.ref, SNV.alt, 0.3)
    assert called(reads, snps=[snp]).variants[0].filters == ("germline",)


@pytest.mark.req("REQ-CAL-013")
@pytest.mark.compiled
def test_change_that_duplex_does_not_bear_out_is_filtered_not_denied() -> None:
    at = next(i for i in range(500, 560) if REFERENCE[i] == "G")
    reads = crowd(1500, 6)
    for k in range(40):
        reads += molecule(5000 + k, 450, 160, SIMPLEX3 if k % 2 else SINGLE, [Edit(at, "G", "T")])
    result = called(reads)
    (variant,) = [v for v in result.variants if v.pos1 == at + 1]
    assert "oxidation" in variant.filters
    i = row(result.loci, at + 1, "T")
    assert result.loci.state[i] == "NO_CALL"
    assert "oxidation" in result.loci.reason[i]


@pytest.mark.compiled
def test_fragment_end_change_is_filtered() -> None:
    reads = crowd(800, 6)
    for k in range(12):
        reads += molecule(5000 + k, 517, 160, DUPLEX, [SNV])
    (variant,) = [v for v in called(reads).variants if v.pos1 == 521]
    assert "fragment_end" in variant.filters


def test_low_quality_and_mapping_are_shown() -> None:
    reads = crowd(600, 6, [(2, [SNV])])
    for k in range(5):
        reads += molecule(5000 + k, 450, 160, DUPLEX, [SNV], quality=10)
        reads += molecule(6000 + k, 450, 160, DUPLEX, [SNV], mapq=3)
    (variant,) = called(reads).variants
    assert variant.n_alt == 2
    assert {"low_base_quality", "low_mapq"} <= set(variant.filters)


@pytest.mark.req("REQ-CAL-022")
@pytest.mark.compiled
def test_hotspots_have_rows_of_every_class_and_wrong_reference_is_refused() -> None:
    spots = [
        Hotspot(CONTIG, 521, SNV.ref, SNV.alt, "G", "snv spot"),
        Hotspot(CONTIG, DELETION.pos0 + 1, DELETION.ref, DELETION.alt, "G", "deletion spot"),
        Hotspot(CONTIG, DELETION.pos0 + 2, REFERENCE[502:518], REFERENCE[502], "G", "deletion spot"),
        Hotspot(CONTIG, 551, REFERENCE[550:552], flip(REFERENCE[550]) + flip(REFERENCE[551]), "G", "mnv spot"),
        Hotspot(CONTIG, 1101, REFERENCE[1100], flip(REFERENCE[1100]), "G", "far spot"),
    ]
    result = called(crowd(1500, 7, [(12, [DELETION])]), spots)
    loci = result.loci
    spots_at = [int(pos1) for pos1, label in zip(loci.pos1, loci.hotspot, strict=True) if label == "deletion spot"]
    assert spots_at == [DELETION.pos0 + 1, DELETION.pos0 + 2]
    states = {
        loci.hotspot[i]: (loci.state[i], loci.reason[i], int(loci.alt_molecules[i])) for i in range(len(loci.ref))
    }
    assert ("deletion spot", "DETECTED", 12) in set(
        zip(loci.hotspot, loci.state, loci.alt_molecules.tolist(), strict=True)
    )
    assert states["snv spot"] == ("NOT_DETECTED", ".", 0)
    assert states["mnv spot"] == ("NOT_DETECTED", ".", 0)
    assert states["far spot"] == ("NO_CALL", "off_panel", 0)
    assert passed(result)[0].is_hotspot
    wrong = Hotspot(CONTIG, 521, flip(SNV.ref), flip(SNV.ref, 2), "G", "x")
    with pytest.raises(InputError, match=r"hotspot x at chrT:521: its ref is .*, the reference has"):
        called(crowd(10, 1), [wrong])


@pytest.mark.compiled
def test_molecules_of_a_deletion_are_none_of_its_neighbour_s() -> None:
    shifted = Edit(DELETION.pos0 + 1, REFERENCE[502:518], REFERENCE[502])
    inner = Edit(DELETION.pos0 + 3, REFERENCE[504:517], REFERENCE[504])
    spots = [Hotspot(CONTIG, e.pos0 + 1, e.ref, e.alt, "G", f"spot {e.pos0}") for e in (DELETION, shifted, inner)]
    assert planted([shifted]) != planted([DELETION])
    result = called(crowd(1500, 7, [(12, [DELETION])]), spots)
    seen = {
        result.loci.hotspot[i]: (result.loci.state[i], int(result.loci.alt_molecules[i]))
        for i in range(len(result.loci.ref))
    }
    assert seen["spot 501"] == ("DETECTED", 12)
    assert seen["spot 502"] == ("NOT_DETECTED", 0)
    assert seen["spot 504"] == ("NOT_DETECTED", 0)
    assert [applied(variant) for variant in passed(result)] == [planted([DELETION])]


@pytest.mark.compiled
def test_another_insertion_at_the_same_place_does_not_count() -> None:
    other = Edit(INSERTION.pos0, INSERTION.ref, INSERTION.alt[:-1] + flip(INSERTION.alt[-1]))
    spot = Hotspot(CONTIG, other.pos0 + 1, other.ref, other.alt, "G", "other")
    result = called(crowd(1500, 7, [(12, [INSERTION])]), [spot])
    i = row(result.loci, other.pos0 + 1, other.alt, "other")
    assert (result.loci.state[i], int(result.loci.alt_molecules[i])) == ("NOT_DETECTED", 0)


@pytest.mark.compiled
def test_clipped_reads_count_for_the_allele_that_they_fit() -> None:
    shifted = Edit(DELETION.pos0 + 1, REFERENCE[502:518], REFERENCE[502])
    spots = [Hotspot(CONTIG, e.pos0 + 1, e.ref, e.alt, "G", f"spot {e.pos0}") for e in (DELETION, shifted)]
    reads = crowd(1500, 7, [(12, [DELETION])])
    whole = called(reads, spots)
    for name in range(12):
        clipped = [clip_behind(read, 502) for read in molecule(9000 + name, 415, 240, DUPLEX, [DELETION])]
        reads += clipped
    result = called(reads, spots)
    i, j = (
        row(result.loci, DELETION.pos0 + 1, DELETION.alt, "spot 501"),
        row(result.loci, shifted.pos0 + 1, shifted.alt, "spot 502"),
    )
    assert int(whole.loci.alt_molecules[i]) == 12
    assert int(result.loci.alt_molecules[i]) == 24
    assert (result.loci.state[j], int(result.loci.alt_molecules[j])) == ("NOT_DETECTED", 0)


@pytest.mark.req("REQ-CAL-002")
def test_too_few_molecules_are_no_call_not_negative() -> None:
    loci = called(crowd(40, 8)).loci
    assert set(loci.state) == {"NO_CALL"}
    assert set(loci.reason) <= {"lod_above_claim", "no_coverage"}
    assert "lod_above_claim" in loci.reason


@pytest.mark.req("REQ-CAL-001")
def test_empty_input_is_no_coverage_everywhere() -> None:
    result = called([])
    assert result.variants == ()
    assert set(result.loci.reason) == {"no_coverage"}
    assert len(result.loci.pos1) == 900
    assert np.isnan(result.loci.lod95).all()


@pytest.mark.req("REQ-CAL-004")
@pytest.mark.compiled
def test_never_not_detected_above_its_own_limit() -> None:
    reads = crowd(1200, 9)
    rng = random.Random(3)
    for k in range(150):
        pos0 = rng.randint(460, 590)
        edit = Edit(pos0, REFERENCE[pos0], flip(REFERENCE[pos0], rng.randint(1, 3)))
        reads += molecule(9000 + k, 445, 160, rng.choice([SINGLE, SIMPLEX3, DUPLEX]), [edit])
    loci = called(reads).loci
    depth = loci.tiers.sum(axis=1)
    vaf = np.divide(loci.alt_molecules, depth, out=np.zeros(len(depth)), where=depth > 0)
    negative = np.array([state == "NOT_DETECTED" for state in loci.state])
    assert negative.any()
    assert (vaf[negative] <= loci.lod95[negative]).all()


@pytest.mark.req("REQ-CAL-021")
def test_every_molecule_is_used_or_has_a_reason() -> None:
    reads = crowd(100, 2)
    reads += [read._replace(flag=read.flag | 0x4) for read in molecule(900, 450, 160)]
    reads += [read._replace(flag=read.flag | 0x100) for read in molecule(901, 450, 160)]
    reads += [read._replace(flag=read.flag | 0x400) for read in molecule(902, 450, 160)]
    reads += molecule(903, 450, 160, mapq=1) + molecule(904, 20, 160) + molecule(905, 450, 160, quality=2)
    got = evidence(reads)
    assert got.n_molecules == 106
    assert got.rejected == dict.fromkeys(REASONS, 1)


def test_depth_tag_of_the_wrong_length_is_refused() -> None:
    reads = molecule(1, 450, 160)
    reads[1] = reads[1]._replace(tags=reads[1].tags | {"ad": [1, 2]})
    with pytest.raises(InputError, match=r"record 2: a per-base tag is not as long as the bases"):
        evidence(reads)


@pytest.mark.req("REQ-CAL-005")
@pytest.mark.compiled
def test_clean_normals_give_no_calls() -> None:
    rng = random.Random(12)
    rates = {0: 1e-6, 1: 1.5e-5, 2: 4e-5, 3: 1.5e-4}
    n_called = 0
    for seed in range(4):
        reads = crowd(1500, 100 + seed)
        for i, read in enumerate(reads):
            tier = 0 if read.tags["bD"] else {4: 1, 2: 2, 1: 3}[read.tags["aD"]]
            wrong = [at for at in range(100) if rng.random() < 3 * rates[tier]]
            for at in wrong:
                bases = read.bases[:at] + flip(read.bases[at], rng.randint(1, 3)) + read.bases[at + 1 :]
                reads[i] = read = read._replace(bases=bases)
        n_called += len(passed(called(reads)))
    assert n_called <= 1


@pytest.mark.compiled
def test_a_long_indel_is_looked_at_for_one_molecule_and_counted_once_all_are_laid() -> None:
    """Of another molecule it is clipped away; a short indel of one molecule is no candidate."""
    clipped = [_clipped_behind(read, 511) for read in molecule(1001, 440, 160, DUPLEX, [INSERTION])]
    found = called(crowd(600, 1) + molecule(1000, 450, 160, DUPLEX, [INSERTION]) + clipped).variants
    assert [(applied(v), v.n_alt) for v in found] == [(planted([INSERTION]), 2)]
    short = Edit(520, REFERENCE[520:522], REFERENCE[520])
    assert not called(crowd(600, 1) + molecule(1000, 450, 160, DUPLEX, [short])).variants


def _clipped_behind(read: Read, pos0: int) -> Read:
    """Return the read with all from a position on clipped."""
    n = len(read.bases) - (pos0 - read.pos0)
    return read._replace(cigar=f"{len(read.bases) - n}M{n}S") if n > 0 else read
