"""`ctdna report` and `ctdna summary` on a small finished run."""

import json
import re
import shutil
from pathlib import Path

import pytest
from click import UsageError

from ctdna.cli.report import command as report
from ctdna.cli.summary import command as summary
from ctdna.formats.documents import dump_json, read_json
from ctdna.model.base import Text
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.qc import RunQc
from ctdna.model.result import Reads, Result

from .run_folder import KIT, N_ALT, N_REF, SAMPLE, Run, fail_class, make_run

FILES = ["reads.json", "report.en.html", "report.en.pdf", "report.zh.html", "report.zh.pdf", "result.json"]


def run_report(run: Run, output: Path, *more: str) -> None:
    arguments = ["--run-dir", run.folder, "--sample", SAMPLE, "--reference", run.reference, "--kit", KIT]
    report.main([*map(str, arguments), "--output", str(output), *more], standalone_mode=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = make_run(tmp_path_factory.mktemp("run"))
    run_report(made, made.folder / "reports" / SAMPLE)
    return made


@pytest.fixture
def broken(run: Run, tmp_path: Path) -> Run:
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    return Run(folder, folder / "reference.fa", run.site)


def result_of(run: Run) -> Result:
    return read_json(run.folder / "reports" / SAMPLE / "result.json", Result)


def test_every_file_is_written_and_nothing_else(run: Run) -> None:
    assert sorted(path.name for path in (run.folder / "reports" / SAMPLE).iterdir()) == FILES


@pytest.mark.req("REQ-RPT-012")
def test_the_planted_variant_is_reported_with_its_evidence(run: Run) -> None:
    result = result_of(run)
    found = [item for item in result.findings if item.state == "reported"]
    assert [(item.gene, item.hgvs_p) for item in found] == [("EGFR", "p.(Leu858Arg)")]
    assert (found[0].alt_molecules, found[0].depth) == (N_ALT, N_ALT + N_REF)
    assert found[0].tier == "I" or found[0].tier == "II"
    assert found[0].knowledge
    assert [item.filters for item in result.findings if item.state == "filtered"] == [("low_evidence", "oxidation")]


@pytest.mark.req("REQ-CAL-001")
def test_each_hotspot_has_one_of_three_states(run: Run) -> None:
    result = result_of(run)
    states = {locus.state for locus in result.hotspots}
    assert states == {"DETECTED", "NOT_DETECTED", "NO_CALL"}
    detected = [locus for locus in result.hotspots if locus.state == "DETECTED"]
    assert [(locus.contig, locus.pos1, locus.ref, locus.alt) for locus in detected] == [run.site]
    assert all(locus.reason == "lod_above_claim" for locus in result.hotspots if locus.state == "NO_CALL")


@pytest.mark.req("REQ-RPT-013")
def test_a_target_without_an_answer_is_summed_as_not_callable(run: Run) -> None:
    targets = {item.target: item for item in result_of(run).targets}
    thin, good = targets["KRAS:exon3"], targets["EGFR:exon21"]
    assert (thin.n_callable, thin.lod95_max) == (0, None)
    assert [(item.start0, item.end0) for item in thin.uncovered] == [(thin.start0, thin.end0)]
    assert (good.n_callable, good.uncovered, good.lod95_max) == (good.n_positions, (), 0.004)


def test_the_read_view_counts_molecules_not_reads(run: Run) -> None:
    reads = read_json(run.folder / "reports" / SAMPLE / "reads.json", Reads)
    (view,) = reads.views
    assert (view.n_alt, view.n_other) == (N_ALT, N_REF)
    assert view.reference[run.site[1] - 1 - view.start0] == run.site[2]
    alts = [row for row in view.rows if row.is_alt]
    assert len(alts) == N_ALT
    assert {row.bases[run.site[1] - 1 - view.start0] for row in alts} == {run.site[3]}
    assert [row.tier for row in alts] == ["duplex"] * 4 + ["pair2"] * 4


@pytest.mark.req("REQ-RPT-005")
def test_the_same_inputs_and_the_result_alone_give_the_same_bytes(run: Run, tmp_path: Path) -> None:
    first = run.folder / "reports" / SAMPLE
    run_report(run, tmp_path / "again")
    report.main(["--from", str(first / "result.json"), "--output", str(tmp_path / "from")], standalone_mode=False)
    for name in FILES:
        expected = (first / name).read_bytes()
        assert (tmp_path / "again" / name).read_bytes() == expected, name
        assert (tmp_path / "from" / name).read_bytes() == expected, name


@pytest.mark.req("REQ-REP-002")
def test_outputs_hold_no_path_of_this_machine(run: Run) -> None:
    for name in FILES:
        assert str(run.folder).encode() not in (run.folder / "reports" / SAMPLE / name).read_bytes()


@pytest.mark.req("REQ-SEC-003")
def test_texts_of_the_sheet_are_escaped(run: Run) -> None:
    html = (run.folder / "reports" / SAMPLE / "report.en.html").read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; #strong[x] $x$ \\ &amp; ‹U+202E›" in html


@pytest.mark.req("REQ-RPT-003")
def test_a_failed_class_withholds_its_findings_and_leaves_no_locus_answered(broken: Run) -> None:
    path = broken.folder / "qc" / "run.json"
    run_qc = read_json(path, RunQc)
    reason = Text(en="The no-template control holds molecules.", zh="无模板对照含有分子。")
    (own,) = run_qc.samples
    qc_classes = fail_class(own, "snv", reason)  # type: ignore[arg-type]
    changed = own.model_copy(update={"classes": qc_classes, "verdict": "fail"})
    path.write_text(dump_json(run_qc.model_copy(update={"samples": (changed,), "verdict": "fail"})))
    run_report(broken, broken.folder / "reports" / SAMPLE)
    result = result_of(broken)
    assert [item.state for item in result.findings] == ["withheld", "filtered"]
    snvs = [locus for locus in result.hotspots if locus.variant_class == "snv"]
    assert {(locus.state, locus.reason) for locus in snvs} == {("NO_CALL", "qc_failed")}
    assert result.notices[0].id == "qc_failed"
    assert "The no-template control holds molecules." in result.notices[0].text.en


@pytest.mark.req("REQ-RUN-009")
def test_summary_names_variants_and_what_is_missing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    summary.main([str(run.folder)], standalone_mode=False)
    text = capsys.readouterr().out
    assert re.search(r"P03-plasma +Patient +Warning +draft +EGFR p\.\(Leu858Arg\) +20\.0 % \(10\.0–34\.0 %\)", text)
    assert re.search(r"P04 +Patient +not finished", text)
    assert "P04: has no report yet; run `ctdna run` again" in text
    assert f"reports/{SAMPLE}/report.zh.html" in text


def test_summary_of_another_folder_says_what_it_wants(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json: the file does not exist; give the output folder of `ctdna run`"):
        summary.main([str(tmp_path)], standalone_mode=False)


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "samples/P03-plasma/annotate.vcf.gz",
        "samples/P03-plasma/call.loci.tsv.gz",
        "samples/P03-plasma/filter.bam",
        "qc/P03-plasma.json",
        "qc/run.json",
    ],
)
@pytest.mark.parametrize("how", ["missing", "cut", "rubbish"])
def test_a_damaged_input_is_named_and_nothing_is_written(broken: Run, name: str, how: str) -> None:
    path = broken.folder / name
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if how == "cut" else b"rubbish\n" * 40)
    output = broken.folder / "new"
    with pytest.raises(InputError, match=re.escape(path.name)) as caught:
        run_report(broken, output)
    assert "\n" not in str(caught.value)
    assert not (output / "result.json").exists()


@pytest.mark.req("REQ-RPT-007")
def test_another_samples_variants_are_refused(broken: Run) -> None:
    path = broken.folder / "qc" / f"{SAMPLE}.json"
    path.write_text(path.read_text().replace(SAMPLE, "P04"))
    with pytest.raises(InputError, match="sample_id: found P04, expected P03-plasma; give this sample's own file"):
        run_report(broken, broken.folder / "new")


@pytest.mark.req("REQ-RPT-008")
def test_a_changed_kit_is_refused(broken: Run) -> None:
    path = broken.folder / "run.json"
    document = json.loads(path.read_text())
    document["kit_digest"] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(DefinitionError, match=r"kit_digest: was made with the kit digest 000000000000"):
        run_report(broken, broken.folder / "new")


@pytest.mark.req("REQ-RPT-008")
def test_another_reference_is_refused(broken: Run) -> None:
    text = broken.reference.read_text().splitlines()
    lines = [line if line.startswith(">") else "A" * len(line) for line in text]
    broken.reference.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="the reference reads A, the variant file T; give the reference it was called"):
        run_report(broken, broken.folder / "new")


@pytest.mark.req("REQ-RPT-006")
def test_changed_molecules_are_refused(broken: Run) -> None:
    folder = broken.folder / "reports" / SAMPLE
    document = json.loads((folder / "reads.json").read_text())
    document["views"][0]["n_alt"] += 1
    (folder / "reads.json").write_text(json.dumps(document))
    with pytest.raises(DefinitionError, match="the result names"):
        report.main(["--from", str(folder / "result.json"), "--output", str(folder)], standalone_mode=False)


def test_a_result_of_another_schema_is_refused(broken: Run) -> None:
    path = broken.folder / "reports" / SAMPLE / "result.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(InputError, match=r"result\.json: .*schema_version"):
        report.main(["--from", str(path), "--output", str(broken.folder / "new")], standalone_mode=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output", "x"], "--kit is needed"),
        (["--output", "x", "--kit", KIT], "--run-json is needed, or --run-dir with --sample"),
        (["--output", "x", "--kit", KIT, "--run-dir", "r"], "--run-dir needs --sample"),
        (["--output", "x", "--kit", KIT, "--run-dir", "r", "--sample-dir", "s"], "not both"),
        (["--output", "x", "--from", "r", "--kit", KIT], "leave the other inputs out"),
    ],
)
def test_options_that_do_not_fit_together(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        report.main(arguments, standalone_mode=False)


@pytest.mark.req("REQ-BLD-007")
def test_the_trace_of_the_run_is_the_results(broken: Run, tmp_path: Path) -> None:
    path = broken.folder / "run.json"
    document = json.loads(path.read_text())
    assert result_of(broken).trace is None
    build = {"digest": "ab" * 32, "state": "locked", "difference": None}
    document["trace"] = {"site": "site-1", "operator": "chen", "build": build, "use": "clinical"}
    path.write_text(json.dumps(document))
    run_report(broken, tmp_path / "traced")
    trace = read_json(tmp_path / "traced" / "result.json", Result).trace
    assert trace is not None
    assert (trace.site, trace.operator, trace.use) == ("site-1", "chen", "clinical")
    assert trace.build is not None
    assert trace.build.digest == "ab" * 32
