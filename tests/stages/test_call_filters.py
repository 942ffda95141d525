"""Each filter on a planted artefact, and on a true variant that it must not hit."""

import random
from collections.abc import Sequence

import numba
import numpy as np
import pytest

from ctdna.model.annotation import CommonSnp
from ctdna.model.background import TrainedBackground
from ctdna.model.evidence import Allele, AlleleCounts
from ctdna.model.variants import CalledVariant
from ctdna.stages.background import read_donor, train
from ctdna.stages.call import call
from ctdna.stages.judging import Candidate
from ctdna.stages.marking import normals_seen
from ctdna.stages.rates import site_table
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
    panel,
)
from tests.donors import PARAMS as TRAINING
from tests.donors import training

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="whole calls; their kernels have tests of their own"),
]


def snv(pos0: int, by: int = 1) -> Edit:
    return Edit(pos0, REFERENCE[pos0], flip(REFERENCE[pos0], by))


SNV = snv(520)


def filters(
    reads: Sequence[Read], edit: Edit = SNV, trained: TrainedBackground | None = None, snps: Sequence[CommonSnp] = ()
) -> tuple[str, ...]:
    return found(reads, edit, trained, snps).filters


def found(
    reads: Sequence[Read], edit: Edit = SNV, trained: TrainedBackground | None = None, snps: Sequence[CommonSnp] = ()
) -> CalledVariant:
    variants = call(evidence(reads), PARAMS, (), snps, trained, "s").variants
    return next(v for v in variants if (v.pos1, v.ref, v.alt) == (edit.pos0 + 1, edit.ref, edit.alt))


def astray(n: int, edits: Sequence[Edit], first: int = 9000) -> list[Read]:
    return [read for k in range(n) for read in molecule(first + k, 445 + k % 10, 170, DUPLEX, edits)]


@pytest.mark.req("REQ-CAL-013")
def test_molecules_of_another_place_are_a_cluster() -> None:
    """A paralogue: six differences over 100 bases, always together, too far apart to be one change."""
    edits = [snv(pos0) for pos0 in (470, 487, 504, 521, 538, 555)]
    variants = call(evidence(crowd(1200, 1) + astray(8, edits)), PARAMS, (), (), None, "s").variants
    inner = [v for v in variants if v.n_alt >= 4 and not v.parts and "part_of_mnv" not in v.filters]
    assert len(inner) >= 4
    assert all("cluster" in v.filters for v in inner)


def test_damage_along_a_fragment_is_a_cluster() -> None:
    """Each of 6 molecules has the allele and, elsewhere, its own two or three changes: no other candidate near by."""
    rng = random.Random(3)
    reads = crowd(1200, 1)
    for k in range(6):
        places = rng.sample([*range(465, 500), *range(540, 580)], 3)
        reads += molecule(9000 + k, 450, 160, SINGLE, [SNV, *(snv(p, rng.randint(1, 3)) for p in places)])
    assert "cluster" in filters(reads)


@pytest.mark.req("REQ-CAL-014")
@pytest.mark.parametrize(
    "plan",
    [
        [(8, [SNV]), (8, [snv(521)]), (7, [snv(522)]), (9, [snv(523)])],  # KRAS-like: many clones at one place
        [(8, [SNV, snv(524), snv(530)])],  # one joint change
        [(8, [SNV, snv(550)])],  # two true variants of one clone in the same molecules
        [(8, [SNV]), (8, [Edit(540, REFERENCE[540:552], REFERENCE[540])])],
    ],
)
def test_true_neighbours_are_no_cluster(plan: list[tuple[int, list[Edit]]]) -> None:
    variants = call(evidence(crowd(1200, 1, plan)), PARAMS, (), (), None, "s").variants
    assert [v for v in variants if not v.filters]
    assert not [v for v in variants if "cluster" in v.filters]


def test_inherited_neighbours_make_no_cluster() -> None:
    """A tumour's variant on a chromosome that also carries three inherited alleles."""
    inherited = [snv(470), snv(495), snv(555)]
    reads = crowd(600, 1, [(10, [SNV, *inherited]), (290, inherited)])
    assert filters(reads) == ()


def also_elsewhere(reads: Sequence[Read]) -> list[Read]:
    return [read._replace(tags=read.tags | {"XA": "chrT,+10,100M,1;"}) for read in reads]


@pytest.mark.req("REQ-CAL-013")
def test_molecules_that_fit_another_place() -> None:
    crowded, true = crowd(900, 1), crowd(9, 2, [(9, [SNV])], first=20000)
    assert "other_place" in filters(crowded + also_elsewhere(astray(6, [SNV])))
    assert filters(crowded + true) == ()
    assert filters(also_elsewhere(crowded + true)) == ()  # the whole target is not unique
    assert filters(crowded + true + also_elsewhere(astray(4, [SNV]))) == ()


def test_a_place_that_fits_worse_is_none_of_theirs() -> None:
    """The aligner names it for the alternate's reads alone: their own place fits them worse than the reference's."""
    crowded = [read._replace(tags=read.tags | {"NM": 0}) for read in crowd(900, 1)]
    for other, found in (("100M,0", {"other_place"}), ("97M3S,1", set()), ("100M,4", set())):
        tags = {"XA": f"chrT,+10,90M10S,7;chrT,-200,{other};", "NM": 1}
        some = [read._replace(tags=read.tags | tags) for read in crowd(9, 2, [(9, [SNV])], first=20000)]
        assert set(filters(crowded + some)) == found, other


def test_duplex_molecules_that_are_significant_alone_are_no_damage() -> None:
    """Far fewer of them than of the others show it, but no damage of one strand is on both."""
    edit = [SNV]
    one_strand = [read for i in range(40) for read in molecule(30000 + i, 450, 160, SIMPLEX3, edit)]
    for n_duplex, found in ((0, True), (8, False)):
        duplex = [read for i in range(n_duplex) for read in molecule(31000 + i, 450, 160, DUPLEX, edit)]
        named = filters(crowd(1500, 6) + one_strand + duplex)
        assert bool({"background", "oxidation", "deamination"} & set(named)) == found


def balanced(n: int, edits: Sequence[Edit] = (), first: int = 0) -> list[Read]:
    """Single-strand molecules, by turns from the top and the bottom strand."""
    return [read for k in range(n) for read in stranded(first + k, "AB"[k % 2], edits)]


def stranded(name: int, strand: str, edits: Sequence[Edit] = ()) -> list[Read]:
    reads = molecule(name, 440 + name % 20, 170, edits=edits)
    return [r._replace(tags={"MI": f"{name}/{strand}", "cd": [3] * 100, "cD": 3}) for r in reads]


@pytest.mark.req("REQ-CAL-013")
def test_one_strand_of_origin_is_strand_bias() -> None:
    reads = balanced(1000) + [r for k in range(16) for r in stranded(5000 + k, "A", [SNV])]
    assert "strand_bias" in filters(reads)
    assert "strand_bias" not in filters(balanced(1000) + balanced(16, [SNV], 5000))


def test_duplex_molecules_count_on_both_strands() -> None:
    """A true variant seen by duplex molecules, and by chance on one strand only besides, is not biased."""
    one_sided = [r for k in range(6) for r in stranded(5000 + k, "A", [SNV])]
    reads = balanced(600) + crowd(600, 2, [(10, [SNV])], first=20000) + one_sided
    assert "strand_bias" not in filters(reads)


@pytest.mark.req("REQ-CAL-014")
def test_duplex_molecules_clear_a_change_of_damage() -> None:
    at = next(i for i in range(500, 560) if REFERENCE[i] == "C")
    edit = Edit(at, "C", "T")
    artefact = [r for k in range(40) for r in molecule(5000 + k, 450, 160, SIMPLEX3 if k % 2 else SINGLE, [edit])]
    assert "deamination" in filters(crowd(1500, 6) + artefact, edit)
    assert filters(crowd(1500, 6, [(15, [edit])]), edit) == ()


@pytest.mark.req("REQ-CAL-013")
def test_fragment_ends_and_inner_molecules() -> None:
    at_ends = [r for k in range(12) for r in molecule(5000 + k, 517, 160, DUPLEX, [SNV])]
    assert "fragment_end" in filters(crowd(800, 6) + at_ends)
    assert filters(crowd(800, 6, [(12, [SNV])])) == ()


@pytest.mark.parametrize(("change", "name"), [({"quality": 10}, "low_base_quality"), ({"mapq": 3}, "low_mapq")])
def test_more_than_half_of_low_quality(change: dict[str, int], name: str) -> None:
    def low(n: int) -> list[Read]:
        return [r for k in range(n) for r in molecule(5000 + k, 450, 160, DUPLEX, [SNV], **change)]

    assert name in filters(crowd(600, 6, [(6, [SNV])]) + low(7))
    assert filters(crowd(600, 6, [(6, [SNV])]) + low(6)) == ()


def background(n_with: int, n_donors: int = 3) -> TrainedBackground:
    """Donors of which some show the allele in 3 of about 100 molecules."""
    donors = [crowd(120, 40 + i, [(3, [SNV])] if i < n_with else ()) for i in range(n_donors)]
    return train([read_donor(evidence(reads), PARAMS, TRAINING) for reads in donors], training(panel()))


@pytest.mark.req("REQ-CAL-017")
def test_allele_of_several_normals_is_marked_and_a_clear_excess_is_not() -> None:
    known = background(2)
    assert known.site_donors.sum() == 2
    reads = crowd(300, 1, [(5, [SNV]), (5, [snv(560)])])
    variants = call(evidence(reads), PARAMS, (), (), known, "s").variants
    assert {v.pos1: "panel_of_normals" in v.filters for v in variants} == {521: True, 561: False}
    assert "panel_of_normals" not in filters(reads, trained=known._replace(site_donors=known.site_donors // 2))
    assert "panel_of_normals" not in filters(crowd(300, 1, [(150, [SNV])]), trained=known)


def test_donors_whose_clone_training_left_out_still_count() -> None:
    """Of 20 donors two show the allele, as clones: 4 molecules or more of 60,000."""
    got = evidence(crowd(20, 1))
    slot = got.panel.slot(CONTIG, SNV.pos0)
    counts = AlleleCounts(*(np.zeros(8, np.int32) for _ in range(3)), np.zeros((2, 2), np.int32), 0, 0)
    allele = Allele(slot, SNV.ref, SNV.alt)
    candidate = Candidate(allele, (slot, 1, b""), counts, np.ones(8), np.ones(8), 1.0, 1.0, "", False)
    sites = site_table(got)
    shape = (len(sites.slots), 4, 8)
    none = np.zeros(shape, np.int64)
    donors = np.zeros(shape[:2], np.int32)
    donors[np.searchsorted(sites.slots, slot), "ACGT".index(SNV.alt)] = 2
    trained = background(0)._replace(site_k=none, site_n=none + 7500, site_donors=donors, n_donors=20)
    seen = normals_seen(candidate, sites, trained)
    assert seen is not None
    assert (seen.n_with, seen.n_donors, seen.rate) == (2, 20, 4 / 60000)
    assert normals_seen(candidate, sites, None) is None


@pytest.mark.req("REQ-CAL-015")
@pytest.mark.parametrize(
    ("n_alt", "n", "zygosity"), [(150, 300, "het"), (300, 300, "hom"), (210, 300, "unbalanced"), (16, 52, "het")]
)
def test_balanced_vafs_are_germline(n_alt: int, n: int, zygosity: str) -> None:
    reads = [r for k in range(n) for r in molecule(k, 450, 160, DUPLEX, [SNV] if k < n_alt else [])]
    variant = found(reads)
    assert (variant.filters, variant.zygosity, variant.origin) == (("germline",), zygosity, "germline")


def test_subclonal_vafs_are_not_germline() -> None:
    for n_alt in (30, 60, 75):
        reads = [r for k in range(300) for r in molecule(k, 450, 160, DUPLEX, [SNV] if k < n_alt else [])]
        variant = found(reads)
        assert (variant.filters, variant.zygosity, variant.origin) == ((), "", "unresolved")


@pytest.mark.req("REQ-CAL-015")
def test_common_snp_is_germline_from_its_own_vaf_on() -> None:
    snp = [CommonSnp(CONTIG, 521, SNV.ref, SNV.alt, 0.3)]
    carried = found(crowd(600, 5, [(120, [SNV])]), snps=snp)
    assert (carried.filters, carried.origin) == (("germline",), "germline")
    assert filters(crowd(600, 5, [(20, [SNV])]), snps=snp) == ()


@pytest.mark.req("REQ-CAL-020")
def test_every_candidate_above_the_floor_has_a_record() -> None:
    noise = random.Random(8)
    edits = [snv(noise.randint(480, 570), noise.randint(1, 3)) for _ in range(30)]
    reads = crowd(900, 3) + [r for i, e in enumerate(edits) for k in range(2) for r in astray(1, [e], 9000 + 2 * i + k)]
    got = evidence(reads)
    result = call(got, PARAMS, (), (), None, "s")
    written = {(v.pos1, v.alt) for v in result.variants}
    by_base = got.counts.classes.sum(axis=2)
    for slot, base in np.argwhere(by_base >= PARAMS.evidence_floor):
        pos0 = got.panel.place(int(slot))[1]
        if got.panel.regions.target[slot] >= 0 and got.panel.regions.reference[slot] != base:
            assert (pos0 + 1, "ACGT"[base]) in written


def beside_a_pair() -> Edit:
    """Return a change of a base to the next two bases' own, as a lost base shows where reads end on them."""
    for pos0 in range(500, 600):
        one, two, three, four = REFERENCE[pos0 : pos0 + 4]
        if one != two == three != four and REFERENCE[pos0 - 1] != two:
            return Edit(pos0, one, two)
    raise AssertionError("no such place")


@pytest.mark.req("REQ-CAL-013")
def test_a_lost_base_at_the_ends_of_reads_is_misaligned() -> None:
    edit = beside_a_pair()
    reads = [read for k in range(9) for read in molecule(9000 + k, edit.pos0 + 2 - 100, 215, SIMPLEX3, [edit])]
    assert "misaligned" in filters(crowd(1200, 1) + reads, edit)


@pytest.mark.req("REQ-CAL-014")
def test_a_true_variant_before_a_pair_is_not_misaligned() -> None:
    edit = beside_a_pair()
    assert filters(crowd(1200, 1, [(9, [edit])]), edit) == ()


def test_misaligned_is_not_asked_with_no_bases() -> None:
    edit = beside_a_pair()
    reads = [read for k in range(9) for read in molecule(9000 + k, edit.pos0 + 2 - 100, 215, SIMPLEX3, [edit])]
    params = PARAMS.model_copy(update={"misaligned_bases": 0})
    variants = call(evidence(crowd(1200, 1) + reads), params, (), (), None, "s").variants
    found = [v.filters for v in variants if v.pos1 == edit.pos0 + 1 and v.alt == edit.alt]
    assert len(found) == 1
    assert "misaligned" not in found[0]
