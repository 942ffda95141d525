"""Replay around the runs themselves: what is read, checked, started, kept, and compared; a made-up `ctdna` runs."""

import json
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from ctdna.cli.main import command as ctdna
from ctdna.formats.digest import sha256_of
from ctdna.formats.keys import PublicKey
from ctdna.kit.load import LoadedKit, load_kit
from ctdna.kit.lock import STATES
from ctdna.model.equivalence import Equivalence
from ctdna.model.errors import DefinitionError, InputError, ProgramError
from ctdna.orchestrate.archive import read_archive
from ctdna.orchestrate.replay import copy_kit, sheet_for
from ctdna.validation.equivalence_files import read_equivalence
from tests.ledger.world import make_world
from tests.report import builders
from tests.validation.builders import DEMO, copied_kit

RUN_ID = "240101_A00001_0001_AHXYZ"
SHEET = f"[Header]\nKit,untouched\n[Ctdna_Settings]\nKit,{DEMO}\n[Ctdna_Data]\nSample_ID\nP\n"
PROGRAM = """#!{python}
import json, os, pathlib, shutil, sys
words = sys.argv[1:]
assert words[0] == "run", words
at = {{name: words[words.index(name) + 1] for name in words if name.startswith("--")}}
here = pathlib.Path(at["--output"])
pathlib.Path("{folder}", "asked.json").write_text(json.dumps([words, dict(os.environ)]))
if pathlib.Path("{folder}", "broken").exists():
    print("ctdna: error 2: no space is left\\nctdna: mend the cause", file=sys.stderr)
    sys.exit(2)
shutil.copytree("{folder}/made", here)
"""


class Place(NamedTuple):
    """An archived run, a candidate kit, and a program that makes what lies in `made`."""

    folder: Path
    kit: LoadedKit

    @property
    def old(self) -> Path:
        return self.folder / "old"

    @property
    def program(self) -> Path:
        return self.folder / "other" / "ctdna"

    def replay(self, *words: object) -> Result:
        """Run `ctdna replay` with the candidate and the made-up program into `out`."""
        known = (
            "replay",
            self.old,
            "--kit",
            self.kit.address,
            "--output",
            self.folder / "out",
            "--build",
            self.program,
        )
        return CliRunner().invoke(ctdna, [str(word) for word in (*known, *words)], standalone_mode=False)

    def asked(self) -> tuple[list[str], dict[str, str]]:
        """Return the words and the environment that the program was started with."""
        words, environment = json.loads((self.folder / "asked.json").read_text())
        return words, environment

    @property
    def report(self) -> Equivalence:
        return read_equivalence(self.folder / "out" / "equivalence.json").report


def write_run(folder: Path, kit: LoadedKit, inputs: Path, run_id: str = RUN_ID, **changes: object) -> Path:
    """Write what a finished run of one sample leaves, with `changes` in its result."""
    document: dict[str, Any] = {**json.loads(builders.result().model_dump_json()), **changes}
    (folder / "reports" / "P").mkdir(parents=True)
    (folder / "reports" / "P" / "result.json").write_text(json.dumps(document))
    (folder / "qc").mkdir()
    (folder / "qc" / "run.json").write_text(json.dumps({"verdict": "pass", "samples": [], "figures": []}))
    build = {"digest": "b" * 64, "state": "unlocked"}
    manifest = {
        "run_id": run_id,
        "instrument": "A00001",
        "kit": kit.address,
        "kit_digest": kit.digest,
        "software": "0.1.0",
        "reference": "ctdna-demo",
        "align": "once",
        "samples": [{"sample_id": "P"}],
        "trace": {"build": build, "lot": {"lot": "L1"}},
    }
    (folder / "run.json").write_text(json.dumps(manifest))
    (folder / "config.yaml").write_text(json.dumps({"sample_sheet": str(inputs / "SampleSheet.csv")}))
    results = {"reports/P/result.json": sha256_of(folder / "reports" / "P" / "result.json")}
    read = {name: sha256_of(inputs / name) for name in ("RunInfo.xml", "SampleSheet.csv")}
    provenance = {"run_folder": str(inputs), "inputs": read, "results": results}
    (folder / "provenance.json").write_text(json.dumps(provenance))
    return folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return an archived run of the demo kit and a candidate that gives the same results."""
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CTDNA_USER", "mei")
    kit = copied_kit(tmp_path / "kits")
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    inputs = tmp_path / "sequencer" / RUN_ID
    inputs.mkdir(parents=True)
    (inputs / "RunInfo.xml").write_text("<RunInfo/>")
    (inputs / "SampleSheet.csv").write_text(SHEET)
    write_run(tmp_path / "old", load_kit(DEMO), inputs)
    write_run(tmp_path / "made", kit, inputs)
    (tmp_path / "other").mkdir()
    made = Place(tmp_path, kit)
    made.program.write_text(PROGRAM.format(python=sys.executable, folder=tmp_path))
    made.program.chmod(0o755)
    return made


def _told(ended: Result, kind: type[Exception]) -> str:
    assert isinstance(ended.exception, kind), (ended.output, ended.exception)
    return str(ended.exception)


@pytest.mark.req("REQ-RPL-001")
def test_the_archived_run_is_run_again_with_the_candidate_and_never_written(place: Place) -> None:
    before = {path: path.read_bytes() for path in place.old.rglob("*") if path.is_file()}
    ended = place.replay("--threads", 3)
    assert ended.return_value == 4, ended.output  # the same, but of one sample
    words, environment = place.asked()
    out = place.folder / "out"
    assert words == [
        *("run", str(place.folder / "sequencer" / RUN_ID), "--kit", "ctdna-demo@1.1.0"),
        *("--output", str(out / "runs" / RUN_ID), "--align", "once", "--threads", "3"),
        *("--sample-sheet", str(out / "sheets" / f"{RUN_ID}.csv")),
    ]
    assert environment["CTDNA_KITS"].split(os.pathsep)[0] == str(out / "kits")
    assert "CTDNA_USER" not in environment
    assert {path: path.read_bytes() for path in place.old.rglob("*") if path.is_file()} == before
    report = place.report
    assert (report.verdict, report.differences, report.n_samples) == ("not_shown", (), 1)
    assert report.runs[0].candidate is not None
    assert (report.runs[0].candidate.kit_digest, report.runs[0].inputs) == (place.kit.digest, "provenance")
    assert "verdict\tnot_shown" in ended.output


def test_own_limits_are_used_and_named(place: Place) -> None:
    ended = place.replay("--min-ppa-low", 0.1, "--min-npa-low", 0.1)
    report = place.report
    assert (report.own_limits, report.limits.min_ppa_low) == (("min_npa_low", "min_ppa_low"), 0.1)
    outcomes = {check.name: check.outcome for check in report.checks}
    assert (outcomes["ppa"], outcomes["npa"], outcomes["vaf_bias"]) == ("pass", "pass", "not_shown")
    assert ended.return_value == 4


def test_a_difference_is_found(place: Place) -> None:
    made = place.folder / "made"
    (made / "reports" / "P" / "result.json").write_text(
        json.dumps({**builders.result().model_dump(mode="json"), "findings": []})
    )
    ended = place.replay()
    assert ended.return_value == 4
    assert place.report.verdict == "not_equivalent"
    assert [one for one in place.report.differences if one.kind == "finding"]


def test_the_sheet_keeps_all_but_the_kit(place: Place) -> None:
    run = read_archive(place.old)
    path = sheet_for(run, "ctdna-demo@1.1.0", place.folder / "out")
    assert path is not None
    assert path.read_text() == SHEET.replace(f"Kit,{DEMO}", "Kit,ctdna-demo@1.1.0")
    assert sheet_for(run, DEMO, place.folder / "out") == run.sheet
    assert sheet_for(run._replace(sheet=None), DEMO, place.folder / "out") is None
    with pytest.raises(InputError, match="restore the archived sample sheet"):
        sheet_for(run._replace(sheet=place.folder / "none.csv"), DEMO, place.folder / "out")


def test_a_finished_replay_is_kept_and_another_kit_refused(place: Place) -> None:
    place.replay()
    (place.folder / "asked.json").unlink()
    place.replay()
    assert not (place.folder / "asked.json").exists()
    other = ("replay", place.old, "--kit", DEMO, "--output", place.folder / "out", "--build", place.program)
    told = _told(CliRunner().invoke(ctdna, [str(word) for word in other], standalone_mode=False), InputError)
    assert "holds a replay with another kit" in told


@pytest.mark.req("REQ-RPL-004")
def test_a_failed_replay_is_told_and_is_no_equivalence(place: Place) -> None:
    (place.folder / "broken").touch()
    ended = place.replay()
    assert ended.return_value == 4
    assert place.report.runs[0].failure == "error 2: no space is left"
    assert place.report.verdict == "not_equivalent"
    (place.folder / "broken").unlink()
    place.replay()
    assert place.report.runs[0].failure is None


@pytest.mark.req("REQ-RPL-001")
def test_an_input_that_changed_is_refused(place: Place) -> None:
    (place.folder / "sequencer" / RUN_ID / "RunInfo.xml").write_text("<RunInfo />")
    told = _told(place.replay(), InputError)
    assert "RunInfo.xml: is not what the run has read or written: its digest differs" in told
    (place.folder / "sequencer" / RUN_ID / "RunInfo.xml").unlink()
    assert "RunInfo.xml: is missing" in _told(place.replay(), InputError)


@pytest.mark.req("REQ-RPL-001")
def test_every_input_that_a_bundle_lists_is_checked(place: Place) -> None:
    inputs = place.folder / "sequencer" / RUN_ID
    (inputs / "1.cbcl").write_text("calls")
    listed = [{"path": name, "sha256": sha256_of(inputs / name)} for name in ("1.cbcl", "SampleSheet.csv")]
    (place.old / "bundle.json").write_text(json.dumps({"inputs": listed}))
    place.replay()
    assert place.report.runs[0].inputs == "bundle"
    (inputs / "1.cbcl").write_text("other")
    assert "1.cbcl: is not what the run has read" in _told(place.replay(), InputError)


def test_a_result_that_changed_is_refused(place: Place) -> None:
    (place.old / "reports" / "P" / "result.json").write_text("{}")
    assert "restore the archived run" in _told(place.replay(), InputError)


def test_a_run_folder_that_moved_is_found_by_its_name(place: Place) -> None:
    (place.folder / "sequencer").rename(place.folder / "archive")
    assert "name the folder that holds it by --archive" in _told(place.replay(), InputError)
    place.replay("--archive", place.folder / "archive")
    assert place.asked()[0][1] == str(place.folder / "archive" / RUN_ID)
    assert (place.folder / "out" / "sheets" / f"{RUN_ID}.csv").is_file()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("provenance.json", None, "give the output folder of a finished run"),
        ("run.json", "{", "is not JSON"),
        ("run.json", "[]", "is no document of ctdna"),
        ("run.json", "{}", "is no run of ctdna"),
    ],
)
def test_what_is_no_finished_run_is_refused(place: Place, name: str, text: str | None, told: str) -> None:
    path = place.old / name
    path.unlink()
    if text is not None:
        path.write_text(text)
    assert told in _told(place.replay(), InputError)


def test_another_installation_must_be_a_program(place: Place) -> None:
    place.program.chmod(0o644)
    assert "--build: is no program" in _told(place.replay(), InputError)
    place.program.chmod(0o755)
    place.program.write_text("#!/no/such/interpreter\n")
    assert "cannot be started" in _told(place.replay(), ProgramError)


def test_the_copy_of_the_kit_has_its_content_and_no_state(place: Place) -> None:
    (place.kit.folder / STATES).write_text("[]")
    root = copy_kit(place.kit, place.folder / "clean")
    copy = root / "ctdna-demo" / "1.1.0"
    assert not (copy / STATES).exists()
    assert {path.name for path in copy.iterdir()} == {path.name for path in place.kit.folder.iterdir()} - {STATES}
    (copy / "README.md").write_text("other")
    with pytest.raises(DefinitionError, match="choose another output folder"):
        copy_kit(place.kit, place.folder / "clean")


def _compare(place: Place, old: Path, new: Path, *words: object) -> Result:
    known = ("replay", old, new, "--compare", "--output", place.folder / "out", *words)
    return CliRunner().invoke(ctdna, [str(word) for word in known], standalone_mode=False)


def test_two_results_of_one_run_are_compared_without_a_rerun(place: Place) -> None:
    ended = _compare(place, place.old, place.folder / "made")
    assert ended.return_value == 4
    assert (place.report.n_samples, place.report.differences) == (1, ())
    assert not (place.folder / "asked.json").exists()
    assert sorted(path.name for path in (place.folder / "out").iterdir()) == [
        "equivalence.html",
        "equivalence.json",
        "equivalence.pdf",
    ]


def test_results_of_different_runs_are_not_compared(place: Place) -> None:
    inputs = place.folder / "sequencer" / RUN_ID
    other = write_run(place.folder / "b", place.kit, inputs, run_id="B")
    assert f"is of run B, but {place.old} of run {RUN_ID}" in _told(_compare(place, place.old, other), InputError)
    (inputs / "RunInfo.xml").write_text("<Other/>")
    third = write_run(place.folder / "c", place.kit, inputs)
    assert "was made from another input" in _told(_compare(place, place.old, third), InputError)


def test_options_that_do_not_fit_are_refused(place: Place) -> None:
    told = _told(_compare(place, place.old, place.old, "--kit", DEMO), InputError)
    assert "takes two output folders" in told
    words = ["replay", str(place.old), "--output", str(place.folder / "out")]
    assert "needs --kit" in _told(CliRunner().invoke(ctdna, words), InputError)


def test_a_site_signs_its_reports(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTDNA_USER")
    world = make_world()
    place.replay()
    found = read_equivalence(place.folder / "out" / "equivalence.json")
    key: PublicKey = world.key.public
    assert found.signer == key.name
    text = (place.folder / "out" / "equivalence.json").read_bytes()
    place.replay()
    assert (place.folder / "out" / "equivalence.json").read_bytes() == text
    assert list(world.ledger.entries(kind="run.started")) == []


def _kept(place: Place) -> Path:
    (place.old / "fastq").mkdir()
    path = place.old / "fastq" / "P_R1.fastq.gz"
    path.write_text("reads")
    listed = [{"path": "fastq/P_R1.fastq.gz", "sha256": sha256_of(path)}]
    (place.old / "bundle.json").write_text(json.dumps({"inputs": [], "files": listed}))
    return path


def test_a_run_without_its_base_calls_starts_from_the_fastq_it_has_kept(place: Place) -> None:
    path = _kept(place)
    (place.folder / "sequencer" / RUN_ID / "RunInfo.xml").unlink()
    (place.folder / "made" / "qc" / "run.json").write_text(
        json.dumps({"verdict": "fail", "samples": [], "figures": []})
    )
    place.replay("--from-fastq")
    assert place.asked()[0][1] == str(path.parent)
    assert (place.report.runs[0].start, place.report.runs[0].inputs) == ("fastq", "bundle")
    assert place.report.differences == ()
    path.write_text("other reads")
    assert "P_R1.fastq.gz: is not what the run has read" in _told(place.replay("--from-fastq"), InputError)


def test_kept_fastq_needs_the_files_and_the_same_sheet(place: Place) -> None:
    assert "holds no FASTQ files" in _told(place.replay("--from-fastq"), InputError)
    _kept(place)
    sheet = place.folder / "sequencer" / RUN_ID / "SampleSheet.csv"
    sheet.write_text(SHEET.replace("P", "Q"))
    assert "SampleSheet.csv: is not what the run has read" in _told(place.replay("--from-fastq"), InputError)
    sheet.unlink()
    assert "restore the archived sample sheet" in _told(place.replay("--from-fastq"), InputError)
    (place.old / "bundle.json").write_text(json.dumps({"inputs": [], "files": [1]}))
    sheet.write_text(SHEET)
    assert "is no list of files" in _told(place.replay("--from-fastq"), InputError)


def test_kept_fastq_without_a_bundle_is_not_verified(place: Place) -> None:
    _kept(place)
    (place.old / "bundle.json").unlink()
    place.replay("--from-fastq")
    assert place.report.runs[0].inputs == "unverified"


@pytest.mark.parametrize("inside", ["old", "old/reports/new", "old/../old"])
def test_nothing_is_written_into_an_archived_run(place: Place, inside: str) -> None:
    before = sorted(place.old.rglob("*"))
    words = ("replay", place.old, "--kit", place.kit.address, "--output", place.folder / inside)
    told = _told(CliRunner().invoke(ctdna, [str(word) for word in words], standalone_mode=False), InputError)
    assert "lies in the archived run" in told
    compared = ("replay", place.old, place.folder / "made", "--compare", "--output", place.folder / inside)
    _told(CliRunner().invoke(ctdna, [str(word) for word in compared], standalone_mode=False), InputError)
    assert sorted(place.old.rglob("*")) == before
