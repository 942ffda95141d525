"""White cells tell the tumour's alleles from those of blood cells and of the germline."""

import numba
import pytest

from ctdna.model.annotation import CommonSnp
from ctdna.model.variants import CalledVariant
from ctdna.stages.call import CallResult, Extras, call
from tests.consensus_molecules import CONTIG, PARAMS, REFERENCE, Edit, crowd, evidence, flip

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="whole calls; their kernels have tests of their own"),
]
SNV = Edit(520, REFERENCE[520], flip(REFERENCE[520]))
DELETION = Edit(501, REFERENCE[501:517], REFERENCE[501])
MNV = [SNV, Edit(523, REFERENCE[523], flip(REFERENCE[523]))]


def answered(
    plasma: tuple[int, int], white: tuple[int, int], edits: list[Edit], snps: tuple[CommonSnp, ...] = ()
) -> CallResult:
    """`plasma` and `white`: molecules made, and how many of them carry the edits."""
    cells = evidence(crowd(white[0], 77, [(white[1], edits)] if white[1] else ()))
    return call(
        evidence(crowd(plasma[0], 5, [(plasma[1], edits)])), PARAMS, (), snps, None, "s", extras=Extras((), cells)
    )


def variant(result: CallResult) -> CalledVariant:
    return next(v for v in result.variants if "part_of_mnv" not in v.filters)


@pytest.mark.req("REQ-CAL-016")
@pytest.mark.parametrize(
    ("plasma", "white", "origin", "filters"),
    [
        ((1500, 15), (1500, 0), "tumour", ()),
        ((1500, 60), (1500, 4), "tumour", ()),  # far above the white cells
        ((1500, 15), (1500, 15), "chip", ("chip",)),
        ((1500, 15), (1500, 60), "chip", ("chip",)),  # higher in the white cells
        ((600, 200), (600, 200), "germline", ("germline",)),
        ((600, 330), (600, 180), "germline", ("germline",)),  # the tumour lost the other allele
        ((600, 125), (600, 125), "unresolved", ()),  # 20 to 30 %
        ((1500, 15), (40, 0), "unresolved", ()),  # too few white cells to exclude it
        ((1500, 15), (1500, 1), "tumour", ()),
    ],
)
@pytest.mark.parametrize("edits", [[SNV], [DELETION]], ids=["snv", "deletion"])
def test_origin(
    plasma: tuple[int, int], white: tuple[int, int], origin: str, filters: tuple[str, ...], edits: list[Edit]
) -> None:
    found = variant(answered(plasma, white, edits))
    assert (found.origin, found.filters) == (origin, filters)
    assert found.white is not None
    assert found.white.n_alt == white[1]
    assert found.white.low <= found.white.vaf <= found.white.high


def test_joint_changes_are_counted_in_white_cells_too() -> None:
    found = variant(answered((1500, 15), (1500, 15), MNV))
    assert found.parts
    assert found.white is not None
    assert (found.white.n_alt, found.origin) == (15, "chip")


def test_white_cells_clear_a_high_tumour_vaf_of_the_germline_filter() -> None:
    found = variant(answered((600, 300), (1500, 0), [SNV]))
    assert (found.origin, found.filters) == ("tumour", ())
    snp = CommonSnp(CONTIG, 521, SNV.ref, SNV.alt, 0.3)
    assert variant(answered((600, 100), (1500, 0), [SNV], (snp,))).filters == ()


def test_a_moderate_share_of_the_white_cells_stays_open_however_high_the_plasma() -> None:
    assert variant(answered((600, 300), (600, 125), [SNV])).origin == "unresolved"


def test_thin_white_cells_leave_the_look_of_the_vaf() -> None:
    found = variant(answered((600, 300), (5, 0), [SNV]))
    assert (found.origin, found.filters) == ("unresolved", ("germline",))


@pytest.mark.req("REQ-CAL-016")
def test_chip_is_detected_with_its_reason_in_the_table() -> None:
    result = answered((1500, 15), (1500, 15), [SNV])
    rows = zip(result.loci.pos1, result.loci.alt, result.loci.state, result.loci.reason, strict=True)
    assert [row[2:] for row in rows if row[:2] == (521, SNV.alt)] == [("DETECTED", "chip")]
    assert result.metrics.counts["called_snv"] == 1


@pytest.mark.req("REQ-CAL-016")
def test_without_white_cells_the_origin_is_open() -> None:
    (found,) = call(evidence(crowd(1500, 5, [(15, [SNV])])), PARAMS, (), (), None, "s").variants
    assert (found.origin, found.white) == ("unresolved", None)
