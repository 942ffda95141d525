"""Differences of kits: each is found where it is, none is made up; the report's forms."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ctdna.cli.main import command as ctdna
from ctdna.formats.background_file import read_background, write_background
from ctdna.kit.load import LoadedKit, load_kit, read_kit
from ctdna.model.change import Change, ImpactReport
from ctdna.model.errors import DefinitionError
from ctdna.validation.background_items import rate_shift
from ctdna.validation.impact_page import impact_page
from ctdna.validation.impact_text import impact_text
from ctdna.validation.kit_diff import kit_changes, kit_impact
from ctdna.validation.page import page_html, page_pdf
from ctdna.validation.rules import load_rules
from tests.validation.builders import DEMO, copied_kit, edit

OLD = load_kit(DEMO)
VERSION = ("version", None, "changed", "1.0.0", "1.1.0")
GOLDEN = Path(__file__).parent / "golden_diff.txt"


def _told(changes: list[Change]) -> list[tuple[str, str | None, str, str | None, str | None]]:
    return [(one.item, one.record, one.kind, one.old, one.new) for one in changes]


def _found(new: LoadedKit) -> list[tuple[str, str | None, str, str | None, str | None]]:
    told = _told(kit_changes(OLD, new))
    assert told[0] == VERSION
    return told[1:]


def test_a_kit_does_not_differ_from_itself() -> None:
    assert kit_changes(OLD, OLD) == []
    report = kit_impact(OLD, OLD, load_rules())
    assert "No item differs." in impact_text(report)
    assert impact_page(report).headline == "No item differs"


@pytest.mark.req("REQ-IMP-001")
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("min_alt_molecules: 3", "min_alt_molecules: 4", ("call.min_alt_molecules", None, "changed", "3", "4")),
        ("options: [-Y]", "options: [-Y, -K, '1']", ("align.options", None, "changed", '["-Y"]', '["-Y", "-K", "1"]')),
        ("germline_alert_genes: [TP53]", "germline_alert_genes: []", None),
        ("ntc_max_molecules: 50", "ntc_max_molecules: 60", ("controls.ntc_max_molecules", None, "changed", "50", "60")),
        ("min: 800", "min: 700", ("qc.sample.min", None, "changed", "800.0", "700.0")),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_changed_key_is_found(tmp_path: Path, old: str, new: str, told: tuple[str | None, ...] | None) -> None:
    found = _found(copied_kit(tmp_path, kit_yaml=(old, new)))
    assert len(found) == 1
    if told is not None:
        assert (found[0][0], *found[0][2:]) == (told[0], *told[2:])


def test_a_threshold_is_named_by_its_metric_and_by_more_where_the_metric_stands_twice(tmp_path: Path) -> None:
    found = _found(copied_kit(tmp_path, kit_yaml=("min: 800", "min: 700")))
    assert found[0][1] == "median_unique_depth (patient, normal, white_cells; fail)"


def test_a_threshold_whose_metric_stands_once_is_named_by_it(tmp_path: Path) -> None:
    found = _found(copied_kit(tmp_path, kit_yaml=("max: 2.0", "max: 2.5")))
    assert found[0][:2] == ("qc.sample.max", "uniformity_fold80")


def test_rows_of_tables_are_found(tmp_path: Path) -> None:
    kit = copied_kit(
        tmp_path,
        hotspots_tsv=("EGFR\tEGFR p.(Glu746_Ala750del)", "EGFR\tEGFR del19"),
        panel_bed=("demo_EGFR\t4471\t4594\t", "demo_EGFR\t4470\t4594\t"),
        knowledge_tsv=("\tPoor Outcome\t", "\tBetter Outcome\t"),
        common_snps_tsv=("\t0.34\n", "\t0.35\n"),
        transcripts_tsv=("\tDEMOP_EGFR.1\n", "\tDEMOP_EGFR.2\n"),
    )
    assert [(item, old, new) for item, _, _, old, new in _found(kit)] == [
        ("table.panel.start0", "4471", "4470"),
        ("table.hotspots.label", "EGFR p.(Glu746_Ala750del)", "EGFR del19"),
        ("table.transcripts.protein", "DEMOP_EGFR.1", "DEMOP_EGFR.2"),
        ("table.knowledge.significance", "Poor Outcome", "Better Outcome"),
        ("table.common_snps.frequency", "0.34", "0.35"),
    ]


@pytest.mark.req("REQ-IMP-001")
def test_added_and_removed_rows_are_found(tmp_path: Path) -> None:
    kit = copied_kit(tmp_path)
    rows = (kit.folder / "hotspots.tsv").read_text().splitlines(keepends=True)
    (kit.folder / "hotspots.tsv").write_text("".join([rows[0], *rows[2:], "demo_KRAS\t900\tA\tC\tKRAS\tKRAS new\n"]))
    found = _found(read_kit(kit.folder))
    assert [(item, kind) for item, _, kind, _, _ in found] == [
        ("table.hotspots", "removed"),
        ("table.hotspots", "added"),
    ]
    assert found[1][1] == "demo_KRAS:900 A>C"


def test_a_target_that_is_only_renamed_is_no_new_target(tmp_path: Path) -> None:
    kit = copied_kit(tmp_path, panel_bed=("EGFR:exon19", "EGFR:del19"))
    assert _found(kit) == [("table.panel.target", "EGFR:exon19", "changed", "EGFR:exon19", "EGFR:del19")]


def test_another_order_and_another_writing_are_told_from_other_rows(tmp_path: Path) -> None:
    kit = copied_kit(tmp_path)
    rows = (kit.folder / "hotspots.tsv").read_text().splitlines(keepends=True)
    (kit.folder / "hotspots.tsv").write_text("".join([rows[0], rows[2], rows[1], *rows[3:]]))
    edit(kit.folder / "knowledge.tsv", "id\tgene", "#id\tgene")
    found = kit_changes(OLD, read_kit(kit.folder))[1:]
    assert [one.item for one in found] == ["table.hotspots.order", "table.knowledge.form"]
    assert found[0].note.startswith("2 records stand elsewhere: ")


@pytest.mark.req("REQ-IMP-001")
def test_files_beside_the_tables_are_compared(tmp_path: Path) -> None:
    kit = copied_kit(tmp_path)
    (kit.folder / "notes.txt").write_text("x")
    fasta = kit.folder / "reference.fa"
    fasta.write_text(fasta.read_text().lower())
    found = _found(read_kit(kit.folder))
    assert [(item, record, kind) for item, record, kind, _, _ in found] == [
        ("file.reference", "reference", "changed"),
        ("file.other", "notes.txt", "added"),
    ]


def test_a_list_of_umis_is_compared_line_by_line(tmp_path: Path) -> None:
    kit = copied_kit(tmp_path, kit_yaml=("umis: null", "umis: umis.txt"))
    (kit.folder / "umis.txt").write_text("ACGTA\nTTGCA\n")
    found = _found(read_kit(kit.folder))
    assert [one[:3] for one in found] == [
        ("files.umis", None, "changed"),
        ("table.umis", "ACGTA", "added"),
        ("table.umis", "TTGCA", "added"),
    ]


@pytest.mark.req("REQ-IMP-001")
def test_a_background_is_compared_by_class(tmp_path: Path) -> None:
    kit = copied_kit(tmp_path)
    path = kit.folder / "background.gz"
    trained = read_background(path)
    mean = trained.context_mean.copy()
    mean[:, :, 0] *= 4
    write_background(path, trained._replace(context_mean=mean, n_donors=trained.n_donors + 1))
    found = kit_changes(OLD, read_kit(kit.folder))[1:]
    assert [(one.item, one.record) for one in found] == [
        ("background.n_donors", None),
        ("background.substitutions", "duplex"),
        ("background.form", None),
    ]
    assert "median +2.00, 5 % to 95 % +2.00 to +2.00; 192 of 192 contexts change more than 2-fold" in found[1].note


def test_a_background_that_is_gone_is_found(tmp_path: Path) -> None:
    found = _found(copied_kit(tmp_path, kit_yaml=("background: background.gz", "background: null")))
    assert [one[:3] for one in found] == [
        ("files.background", None, "changed"),
        ("background", None, "removed"),
        ("file.other", "background.gz", "added"),
    ]


def test_a_damaged_background_is_the_kits_fault(tmp_path: Path) -> None:
    kit = copied_kit(tmp_path)
    (kit.folder / "background.gz").write_bytes(b"no background")
    with pytest.raises(DefinitionError, match="damaged or no background"):
        kit_changes(OLD, read_kit(kit.folder))


def test_rates_of_zero_have_no_ratio() -> None:
    old = read_background(OLD.path("background.gz")).context_mean
    assert rate_shift(old * 0, old) is None
    shift = rate_shift(old, old)
    assert shift is not None
    assert (shift.median, shift.low, shift.high, shift.n_moved) == (0, 0, 0, 0)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> ImpactReport:
    """Return the impact of a version with a threshold, a text and a row changed."""
    kit = copied_kit(
        tmp_path_factory.mktemp("kits"),
        kit_yaml=("min_alt_molecules: 3", "min_alt_molecules: 4"),
        knowledge_tsv=("\tPoor Outcome\t", "\tBetter Outcome\t"),
        panel_bed=("demo_EGFR\t4471\t4594\t", "demo_EGFR\t4470\t4594\t"),
    )
    return kit_impact(OLD, kit, load_rules())


def test_the_text_is_the_golden_one(report: ImpactReport) -> None:
    text = impact_text(report)
    for digest, name in (
        (report.before.digest, "BEFORE"),
        (report.after.digest, "AFTER"),
        (report.rules.digest, "RULES"),
    ):
        text = text.replace(digest, name)
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.req("REQ-IMP-006")
def test_html_and_pdf_show_the_same_and_are_the_same_each_time(report: ImpactReport) -> None:
    page = impact_page(report)
    html = page_html(page)
    for words in ("call.min_alt_molecules", "IMP-CALL-002", "repeat the study on its archived inputs", "Poor Outcome"):
        assert words in html
    assert "<script" not in html
    assert html == page_html(page)
    pdf = page_pdf(page, ("impact.json", "{}"))
    assert pdf.startswith(b"%PDF-1.7")
    assert pdf == page_pdf(page, ("impact.json", "{}"))


def test_texts_are_escaped(report: ImpactReport) -> None:
    change = report.changes[1].change.model_copy(update={"new": "<b onload=x>\u202e"})
    other = report.model_copy(update={"changes": (report.changes[1].model_copy(update={"change": change}),)})
    html = page_html(impact_page(other))
    assert "&lt;b onload=x&gt;‹U+202E›" in html
    assert "<b " not in html


def test_the_command_prints_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied_kit(tmp_path, kit_yaml=("min_alt_molecules: 3", "min_alt_molecules: 4"))
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path))
    words = ["kit", "diff", DEMO, "ctdna-demo@1.1.0"]
    printed = CliRunner().invoke(ctdna, words)
    assert printed.exit_code == 0, printed.output
    assert "call.min_alt_molecules: 3 -> 4" in printed.output
    written = CliRunner().invoke(ctdna, [*words, "--format", "json", "--output", str(tmp_path / "diff.json")])
    assert (written.exit_code, written.output) == (0, "")
    document = ImpactReport.model_validate_json((tmp_path / "diff.json").read_bytes())
    assert [one.rule for one in document.changes] == ["IMP-KIT-001", "IMP-CALL-002"]
    assert json.loads((tmp_path / "diff.json").read_text())["subject"] == "kit"
    html = CliRunner().invoke(ctdna, [*words, "--format", "html"])
    assert html.output.startswith("<!DOCTYPE html>")
