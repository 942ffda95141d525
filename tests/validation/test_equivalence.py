"""The comparator finds each planted difference, and its verdict follows the limits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctdna.formats.documents import dump_json
from ctdna.formats.keys import new_key, trust
from ctdna.model.equivalence import CallState, ComparedRun, Equivalence, Side
from ctdna.model.errors import DefinitionError, InputError
from ctdna.validation.compare import AllelePair, Compared, compare_runs
from ctdna.validation.equivalence import Limits, agreements, equivalence_of
from ctdna.validation.equivalence_files import DOCUMENT, HTML, PDF, read_equivalence, write_equivalence
from ctdna.validation.equivalence_page import equivalence_page
from ctdna.validation.rules import load_rules
from tests.report import builders

RUN = "RUN1"
RULES = load_rules()
LIMITS = Limits(RULES.table.acceptance, (), RULES.source)
SIDE = Side(kit="ctdna-demo@1.0.0", kit_digest="a" * 64, software="1", build="b" * 64, reference="r", align="once")
COMPARED = ComparedRun(
    run_id=RUN, baseline=SIDE, candidate=SIDE, start="input", inputs="bundle", failure=None, samples=("P",)
)


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(builders.result().model_dump_json())
    return document


def _run_folder(folder: Path, documents: dict[str, dict[str, Any]]) -> Path:
    for sample, document in documents.items():
        (folder / "reports" / sample).mkdir(parents=True)
        (folder / "reports" / sample / "result.json").write_text(json.dumps(document))
    (folder / "qc").mkdir()
    verdicts = [{"sample_id": name, "verdict": one["verdict"]} for name, one in documents.items()]
    run = {
        "verdict": "pass",
        "samples": verdicts,
        "figures": [{"metric": "pf_fraction", "value": 0.8, "status": "pass"}],
    }
    (folder / "qc" / "run.json").write_text(json.dumps(run))
    return folder


def _compared(tmp_path: Path, change: Callable[[dict[str, Any]], None] | None = None) -> Compared:
    """Return the comparison of a result with itself, or with what a change makes of it."""
    other = _document()
    if change is not None:
        change(other)
    old = _run_folder(tmp_path / "old", {"P": _document()})
    new = _run_folder(tmp_path / "new", {"P": other})
    return compare_runs(RUN, ("P",), old, new)


def _told(found: Compared) -> list[tuple[str, str, str | None, str | None]]:
    return [(one.kind, one.field, one.baseline, one.candidate) for one in found.differences]


@pytest.mark.req("REQ-RPL-002")
def test_a_run_does_not_differ_from_itself(tmp_path: Path) -> None:
    found = _compared(tmp_path)
    assert found.differences == ()
    assert found.samples == ("P",)
    assert len(found.pairs) >= len(builders.loci())
    assert all(pair.baseline == pair.candidate for pair in found.pairs)
    assert found.n_figures == 1 + len(builders.result().qc.figures)


def _first(document: dict[str, Any], state: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["findings"] if one["state"] == state)
    return found


@pytest.mark.req("REQ-RPL-002")
def test_a_lost_finding_is_a_lost_call(tmp_path: Path) -> None:
    def lose(document: dict[str, Any]) -> None:
        one = _first(document, "reported")
        one["state"], one["filters"] = "filtered", ["not_significant"]
        for locus in document["hotspots"]:
            if (locus["contig"], locus["pos1"], locus["alt"]) == (one["contig"], one["pos1"], one["alt"]):
                locus["state"] = "NOT_DETECTED"

    found = _compared(tmp_path, lose)
    assert ("finding", "state", "reported", "filtered") in _told(found)
    assert ("finding", "filters", "none", "not_significant") in _told(found)
    lost = [pair for pair in found.pairs if (pair.baseline, pair.candidate) == ("DETECTED", "NOT_DETECTED")]
    assert len(lost) == 1
    report = equivalence_of((COMPARED,), (found,), LIMITS)
    assert report.verdict == "not_equivalent"
    assert report.agreement[0].ppa.n_agree == report.agreement[0].ppa.n - 1


def test_a_new_finding_counts_against_the_negatives(tmp_path: Path) -> None:
    def add(document: dict[str, Any]) -> None:
        one = {**_first(document, "reported"), "pos1": 7, "ref": "A", "alt": "C"}
        document["findings"].append(one)

    found = _compared(tmp_path, add)
    new = [pair for pair in found.pairs if (pair.baseline, pair.candidate) == ("NOT_DETECTED", "DETECTED")]
    assert len(new) == 1
    assert next(one for one in found.differences if one.field == "record").baseline is None


@pytest.mark.req("REQ-RPL-002")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: _first(d, "reported").update(vaf=0.5), ("finding", "vaf")),
        (lambda d: _first(d, "reported").update(alt_molecules=1), ("finding", "alt_molecules")),
        (lambda d: _first(d, "reported").update(tier="IV"), ("finding", "tier")),
        (lambda d: _first(d, "reported").update(hgvs_p="p.(Other)"), ("finding", "hgvs_p")),
        (lambda d: d["hotspots"][0].update(lod95=0.5), ("locus", "lod95")),
        (lambda d: d["hotspots"][0].update(depth=3), ("locus", "depth")),
        (lambda d: d["targets"][0].update(n_callable=1), ("target", "n_callable")),
        (lambda d: d["qc"]["figures"][0].update(value=0.123), ("figure", "value")),
        (lambda d: d["qc"]["figures"][0].update(status="fail"), ("figure", "status")),
        (lambda d: d.update(verdict="fail"), ("verdict", "verdict")),
        (lambda d: d["classes"][0].update(verdict="fail"), ("verdict", "snv")),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_each_planted_difference_is_listed(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], told: tuple[str, str]
) -> None:
    found = _compared(tmp_path, change)
    assert told in {(one.kind, one.field) for one in found.differences}


def test_a_class_that_fails_turns_its_loci_into_no_calls(tmp_path: Path) -> None:
    def fail(document: dict[str, Any]) -> None:
        for one in document["classes"]:
            if one["variant_class"] == "snv":
                one["verdict"] = "fail"
        for one in document["findings"]:
            if one["variant_class"] == "snv" and one["state"] != "filtered":
                one["state"] = "withheld"

    found = _compared(tmp_path, fail)
    gone = [pair for pair in found.pairs if pair.candidate == "NO_CALL" != pair.baseline]
    assert gone
    assert {pair.variant_class for pair in gone} == {"snv"}
    report = equivalence_of((COMPARED,), (found,), LIMITS)
    loci = report.agreement[0]
    assert loci.n_no_call_candidate == len(gone)
    assert loci.ppa.n_agree == loci.ppa.n
    outcomes = {check.name: check.outcome for check in report.checks}
    assert (outcomes["no_calls"], outcomes["verdicts"]) == ("fail", "fail")


def test_an_allele_that_only_one_kit_asks_for_is_listed_and_is_no_pair(tmp_path: Path) -> None:
    whole = _compared(tmp_path / "a")
    keys = {pair.key for pair in whole.pairs if pair.baseline == "NOT_DETECTED"}
    locus = next(
        one for one in _document()["hotspots"] if f"{one['contig']}:{one['pos1']}:{one['ref']}:{one['alt']}" in keys
    )
    found = _compared(tmp_path / "b", lambda d: d.update(hotspots=[one for one in d["hotspots"] if one != locus]))
    assert len(found.pairs) == len(whole.pairs) - 1
    assert [(one.kind, one.field, one.candidate) for one in found.differences] == [("locus", "record", None)]


@pytest.mark.req("REQ-RPL-004")
def test_a_missing_sample_is_no_equivalence(tmp_path: Path) -> None:
    old = _run_folder(tmp_path / "old", {"P": _document(), "Q": _document()})
    new = _run_folder(tmp_path / "new", {"P": _document()})
    found = compare_runs(RUN, ("P", "Q"), old, new)
    assert (found.samples, found.alone) == (("P",), ("Q",))
    report = equivalence_of((COMPARED,), (found,), LIMITS)
    assert report.checks[0].outcome == "fail"
    assert "Q" in report.checks[0].reason


def _pairs(n: int, old: CallState, new: CallState, factor: float = 1.0) -> list[AllelePair]:
    """Return n pairs of one state each; VAFs from 1 to n per cent, the second ones times a factor."""
    vafs = [(i + 1) / 100 for i in range(n)]
    return [AllelePair(f"{RUN}/S{i}", f"c:{i}:A:C", "snv", old, new, vaf, vaf * factor) for i, vaf in enumerate(vafs)]


def _report(pairs: list[AllelePair], run: ComparedRun = COMPARED) -> Equivalence:
    return equivalence_of((run,), (Compared(("P",), (), tuple(pairs), 1, 0, ()),), LIMITS)


@pytest.mark.req("REQ-RPL-004")
@pytest.mark.parametrize(
    ("pairs", "verdict", "failing"),
    [
        ([("DETECTED", "DETECTED", 40), ("NOT_DETECTED", "NOT_DETECTED", 100)], "equivalent", set()),
        ([("DETECTED", "DETECTED", 20), ("NOT_DETECTED", "NOT_DETECTED", 100)], "not_shown", {"ppa"}),
        ([("DETECTED", "DETECTED", 40), ("NOT_DETECTED", "NOT_DETECTED", 60)], "not_shown", {"npa"}),
        ([("DETECTED", "DETECTED", 40), ("DETECTED", "NOT_DETECTED", 4), ("NOT_DETECTED", "NOT_DETECTED", 100)],
         "not_equivalent", {"ppa"}),
        ([("DETECTED", "DETECTED", 40), ("NOT_DETECTED", "DETECTED", 4), ("NOT_DETECTED", "NOT_DETECTED", 100)],
         "not_equivalent", {"npa"}),
        ([("DETECTED", "DETECTED", 40), ("NOT_DETECTED", "NO_CALL", 4), ("NOT_DETECTED", "NOT_DETECTED", 100)],
         "not_equivalent", {"no_calls"}),
        ([], "not_shown", {"ppa", "npa", "vaf_bias"}),
    ],
    ids=["all", "few positives", "few negatives", "lost", "invented", "no calls", "nothing"],
)  # fmt: skip
def test_the_verdict_follows_the_limits(
    pairs: list[tuple[CallState, CallState, int]], verdict: str, failing: set[str]
) -> None:
    report = _report([pair for old, new, n in pairs for pair in _pairs(n, old, new)])
    assert report.verdict == verdict
    assert {check.name for check in report.checks if check.outcome != "pass"} == failing


@pytest.mark.parametrize(
    ("n", "factor", "outcome"), [(40, 1.2, "fail"), (40, 1.0, "pass"), (5, 1.0, "not_shown"), (40, 1.04, "pass")]
)
def test_a_shift_of_vaf_is_judged(n: int, factor: float, outcome: str) -> None:
    report = _report([*_pairs(n, "DETECTED", "DETECTED", factor), *_pairs(100, "NOT_DETECTED", "NOT_DETECTED")])
    found = {check.name: check.outcome for check in report.checks}
    assert found["vaf_bias"] == outcome


def test_a_detected_allele_that_becomes_a_no_call_is_told() -> None:
    report = _report([*_pairs(40, "DETECTED", "DETECTED"), *_pairs(3, "DETECTED", "NO_CALL")])
    loci = report.agreement[0]
    assert (loci.ppa.n_agree, loci.ppa.n, loci.n_detected_lost_to_no_call) == (40, 40, 3)
    assert next(check for check in report.checks if check.name == "no_calls").reason.startswith("3 of the new ones")


def test_samples_are_counted_once_each() -> None:
    pairs = [
        AllelePair("R/a", "1", "snv", "DETECTED", "DETECTED", 0.1, 0.1),
        AllelePair("R/a", "2", "snv", "DETECTED", "NOT_DETECTED", 0.1, None),
        AllelePair("R/b", "1", "snv", "NOT_DETECTED", "DETECTED", None, 0.1),
        AllelePair("R/c", "1", "snv", "NO_CALL", "NO_CALL", None, None),
    ]
    samples = agreements(tuple(pairs), 0.95)[-1]
    assert (samples.unit, samples.ppa.n_agree, samples.ppa.n) == ("sample", 1, 1)
    assert (samples.npa.n_agree, samples.npa.n, samples.n_no_call_both) == (0, 1, 1)


@pytest.mark.req("REQ-RPL-004")
@pytest.mark.parametrize(
    ("run", "told"),
    [
        (COMPARED.model_copy(update={"candidate": None, "failure": "disk full"}), "could not be compared: RUN1"),
        (
            COMPARED.model_copy(update={"candidate": SIDE.model_copy(update={"reference": "x"})}),
            "another reference: RUN1",
        ),
    ],
)
def test_failed_runs_and_other_references_are_no_equivalence(run: ComparedRun, told: str) -> None:
    report = _report([], run)
    assert (report.verdict, report.checks[0].outcome) == ("not_equivalent", "fail")
    assert told in report.reason


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is not JSON"),
        ("[]", "is no document"),
        ("{}", "is no result of ctdna"),
        ('{"findings": [1]}', "is no result"),
    ],
)
def test_a_damaged_result_is_named(tmp_path: Path, text: str, told: str) -> None:
    for name in ("old", "new"):
        _run_folder(tmp_path / name, {"P": _document()})
    (tmp_path / "new" / "reports" / "P" / "result.json").write_text(text)
    with pytest.raises(InputError, match=told):
        compare_runs(RUN, ("P",), tmp_path / "old", tmp_path / "new")


@pytest.mark.parametrize(("text", "told"), [("{", "is not JSON"), ("{}", "is no verdict of ctdna")])
def test_a_damaged_verdict_is_named(tmp_path: Path, text: str, told: str) -> None:
    for name in ("old", "new"):
        _run_folder(tmp_path / name, {"P": _document()})
    (tmp_path / "new" / "qc" / "run.json").write_text(text)
    with pytest.raises(InputError, match=told):
        compare_runs(RUN, ("P",), tmp_path / "old", tmp_path / "new")


@pytest.fixture
def report(tmp_path: Path) -> Equivalence:
    """Return the comparison of two results that differ in a VAF and a name."""
    found = _compared(tmp_path, lambda d: _first(d, "reported").update(vaf=0.5, hgvs_p="p.(<b>Other</b>)"))
    return equivalence_of((COMPARED,), (found,), LIMITS)


def test_the_files_show_the_same_and_are_the_same_each_time(tmp_path: Path, report: Equivalence) -> None:
    for name in ("one", "two"):
        write_equivalence(tmp_path / name, report, None)
    for name in (DOCUMENT, HTML, PDF):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    html = (tmp_path / "one" / HTML).read_text(encoding="utf-8")
    assert "p.(&lt;b&gt;Other&lt;/b&gt;)" in html
    assert "<script" not in html
    found = read_equivalence(tmp_path / "one" / DOCUMENT)
    assert found.digest in html
    assert (found.signer, dump_json(found.report)) == (None, (tmp_path / "one" / DOCUMENT).read_text(encoding="utf-8"))
    assert (tmp_path / "one" / PDF).read_bytes().startswith(b"%PDF-1.7")


def test_a_long_list_is_cut_in_the_pdf_alone(report: Equivalence) -> None:
    many = report.model_copy(update={"differences": report.differences[:1] * 50})
    assert sum(len(table.rows) for s in equivalence_page(many, "x").sections[3:] for table in s.tables) == 50
    cut = [table for section in equivalence_page(many, "x", 10).sections[3:] for table in section.tables]
    assert [(len(table.rows), table.note) for table in cut] == [(10, "40 further ones stand in the attached document.")]


def test_a_signature_is_checked(tmp_path: Path, report: Equivalence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    key = new_key("north", None)
    write_equivalence(tmp_path / "out", report, key)
    path = tmp_path / "out" / DOCUMENT
    with pytest.raises(DefinitionError, match="which this machine does not trust"):
        read_equivalence(path)
    trust(tmp_path / "home" / "keys" / "north.pub", "site")
    assert read_equivalence(path).signer == "north"
    path.write_text(path.read_text().replace('"n_samples": 1', '"n_samples": 2'))
    with pytest.raises(DefinitionError, match="does not fit the content"):
        read_equivalence(path)
    write_equivalence(tmp_path / "out", report, None)
    assert read_equivalence(path).signer is None
