"""Origin, white cells, amounts and limits on the report."""

from pathlib import Path

import pytest

from ctdna.model.annotation import Hotspot
from ctdna.model.result import Finding, Result, WhiteCellCount
from ctdna.report.builder import mutant_per_ml, reportable_loci
from ctdna.report.notices import notices_for
from ctdna.report.sections_findings import evidence_section
from ctdna.report.sections_loci import loci_section
from ctdna.report.sources import LocusRow
from ctdna.report.view import Evidence, Table

from . import builders
from .run_folder import SAMPLE, make_run
from .test_command import result_of, run_report

WHITE = WhiteCellCount(
    depth=1500, ref_molecules=1488, alt_molecules=12, vaf=0.008, vaf_low=0.0046, vaf_high=0.0139, p_value=1e-20
)


def with_findings(*findings: Finding) -> Result:
    return builders.result().model_copy(update={"findings": findings})


def pairs(finding: Finding, language: str = "en") -> dict[str, str]:
    section = evidence_section(with_findings(finding), None, language)  # type: ignore[arg-type]
    assert section is not None
    (block,) = section.blocks
    assert isinstance(block, Evidence)
    return dict(block.pairs)


def notices(finding: Finding) -> list[str]:
    result = builders.result()
    found = notices_for(
        (finding,), result.hotspots, result.qc, None, result.classes, result.limits, 30.0, "GRCh38"
    )  # fmt: skip
    return [item.id for item in found]


@pytest.mark.parametrize(
    ("origin", "white", "said"),
    [
        ("unresolved", None, "unresolved: no white cells were sequenced alongside"),
        ("unresolved", WHITE, "unresolved: white cells leave it open; white cells 12 / 1,500 molecules, VAF 0.80"),
        ("tumour", WHITE, "tumour: above what white cells show; white cells 12 / 1,500"),
        ("chip", WHITE, "blood cells (clonal haematopoiesis)"),
        ("germline", None, "possibly germline (inherited)"),
    ],
)
def test_origin_is_said_with_what_white_cells_show(origin: str, white: WhiteCellCount | None, said: str) -> None:
    finding = builders.finding(origin=origin, white_cells=white)
    assert pairs(finding)["Origin"].startswith(said)
    assert "白细胞" in pairs(finding, "zh")["来源"] or origin == "germline"


def test_findings_of_earlier_documents_have_no_origin() -> None:
    assert "Origin" not in pairs(builders.finding())


def test_notices_of_origin() -> None:
    assert "chip" in notices(builders.finding(chip=True, origin="unresolved"))
    assert "chip" not in notices(builders.finding(chip=True, origin="tumour", white_cells=WHITE))
    assert "origin_open" in notices(builders.finding(origin="unresolved", white_cells=WHITE))
    assert "origin_open" not in notices(builders.finding(origin="unresolved"))


def test_mutant_molecules_per_ml() -> None:
    """1 % of 10 ng/mL: 3,030 haploid genomes per mL, 30.3 of them mutant."""
    finding = builders.finding(vaf=0.01, vaf_low=0.005, vaf_high=0.02)
    found = mutant_per_ml(finding, 10.0)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((30.3, 15.15, 60.6))
    assert mutant_per_ml(finding, None) is None
    assert mutant_per_ml(finding.model_copy(update={"filters": ("germline",)}), 10.0) is None
    shown = pairs(finding.model_copy(update={"mutant_per_ml": mutant_per_ml(finding, 10.0)}))
    assert shown["Mutant molecules per mL of plasma"] == "30.3 (15.2–60.6), from 24 molecules counted"


def test_each_reportable_allele_states_its_limits_in_every_state() -> None:
    spots = tuple(Hotspot("c", pos1, "A", "T", "G", f"v{pos1}") for pos1 in (1, 2, 3))
    states = ("DETECTED", "NOT_DETECTED", "NO_CALL")
    rows = [
        LocusRow("c", i, "A", "T", "t", True, 900, 0, 0.004, state, "lod_above_claim" if i == 3 else None, 0.001)
        for i, state in enumerate(states, 1)
    ]
    loci = reportable_loci(spots, rows, frozenset())
    assert [(item.lob, item.lod95) for item in loci] == [(0.001, 0.004)] * 3
    section = loci_section(builders.result().model_copy(update={"hotspots": loci}), "en")
    assert section is not None
    (table,) = section.blocks
    assert isinstance(table, Table)
    cells = [row[3] for row in table.rows]
    blank, limit = "0.10\u00a0%", "0.40\u00a0%"
    assert [cell.text for cell in cells] == ["–", f"above {limit}", "–"]
    assert [cell.sub for cell in cells] == [
        f"LoD\u00a0{limit}, LoB\u00a0{blank}",
        f"LoB\u00a0{blank}",
        f"LoD\u00a0{limit}, LoB\u00a0{blank}",
    ]


def test_result_carries_origin_white_cells_and_amount_from_the_vcf(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    run_report(run, run.folder / "reports" / SAMPLE)
    (found,) = [item for item in result_of(run).findings if item.state == "reported"]
    assert (found.origin, found.posterior, found.zygosity) == ("tumour", 0.99999, None)
    assert found.white_cells is not None
    assert (found.white_cells.alt_molecules, found.white_cells.depth, found.white_cells.vaf_high) == (0, 1500, 0.0025)
    assert found.mutant_per_ml is not None
    assert found.mutant_per_ml.value == pytest.approx(0.2 * 7.0 * 303)
