"""Preparing a run: what stands in the output folder and in the ledger, and what a resumed run finds there."""

import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ctdna.bundle.make import run_key
from ctdna.cli.qc import _controls
from ctdna.formats.documents import dump_json, read_json
from ctdna.formats.signed import signature_path
from ctdna.kit.authority import Authority
from ctdna.kit.load import LoadedKit, load_kit
from ctdna.kit.lots import LOT, add_lot, read_lot, write_lot
from ctdna.model.errors import AuthorityError, DefinitionError, InputError
from ctdna.model.ledger import InstrumentAdded
from ctdna.model.lot import Lot, LotExpectation
from ctdna.model.manifest import RunManifest
from ctdna.model.trace import BuildFacts
from ctdna.orchestrate import gates, job
from ctdna.orchestrate import prepare as preparing
from ctdna.orchestrate.display import Display
from ctdna.orchestrate.job import JobRequest
from ctdna.orchestrate.prepare import Prepared, prepare
from ctdna.orchestrate.progress import Progress
from ctdna.orchestrate.workflow import WorkflowOptions
from tests.builders import write_fastq
from tests.kit import states
from tests.ledger.world import SITE, digest, make_world

SHEET = """[Header]
FileFormatVersion,2
[BCLConvert_Settings]
[BCLConvert_Data]
Sample_ID,Index,Index2
s1,ACGTACGT,TTGGCCAA
s2,GGGGACGT,TTGGAAAA
[Ctdna_Data]
Sample_ID,Sample_Type,Kit_Lot
s1,patient,L1
s2,positive_control,L1
"""
DAY = date(2026, 1, 31)
RUN_ID = "reads"


class Site:
    """A laboratory with a released kit, a lot of it, and a folder of FASTQ files."""

    def __init__(self, root: Path) -> None:
        self.root, self.world, self.key = root, make_world(), states.manufacturer()
        self.kit: LoadedKit = states.move(
            states.copy_demo(root / "kits"), self.key, "investigational", "released", builds=(digest("b"),)
        )
        self.label = self.kit.definition.controls.positive[0].label
        own = LotExpectation(label=self.label, vaf_min=0.5, vaf_max=0.75)
        lot = Lot(
            lot="L1", kit=self.kit.address, kit_digest=self.kit.digest, expires="2026-12-31", controls=(own,)
        )  # fmt: skip
        write_lot(lot, self.kit, root / "L1.json", self.key)
        add_lot(read_lot(root / "L1.json"), self.authority("tech"))
        self.reads = root / RUN_ID
        self.reads.mkdir()
        for name in ("s1_R1", "s1_R2", "s2_R1", "s2_R2"):
            (self.reads / f"{name}.fastq.gz").write_bytes(b"")
        (root / "sheet.csv").write_text(SHEET)

    def authority(self, user: str) -> Authority:
        return Authority(self.world.ledger, self.world.actor(user))

    def prepare(self, output: str = "out", user: str | None = "tech", today: date = DAY) -> Prepared:
        authority = self.authority(user) if user else None
        sheet = self.root / "sheet.csv"
        return prepare(self.reads, self.kit.address, self.root / output, sheet, "once", authority, today)

    def grant(self, gate: Any) -> str:
        return self.world.ledger.grant_override(self.world.actor("dir"), gate, RUN_ID, "FASTQ names no instrument")

    def kinds(self) -> list[str]:
        kinds = [entry.new.kind for entry in self.world.ledger.entries()]
        return [kind for kind in kinds if kind.startswith(("run.", "override."))]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    monkeypatch.delenv("CTDNA_LEDGER", raising=False)
    monkeypatch.setattr(gates, "build_facts", lambda: BuildFacts(digest=digest("b"), state="locked"))
    monkeypatch.setattr(preparing, "resolve_reference", lambda kit: tmp_path / "reference.fa")
    monkeypatch.setattr(preparing, "open_bwa", lambda *_: None)
    return Site(tmp_path)


@pytest.mark.req("REQ-GAT-004")
def test_a_refused_run_leaves_neither_folder_nor_entry(site: Site) -> None:
    with pytest.raises(AuthorityError, match="gate instrument_unknown: the input names no instrument"):
        site.prepare()
    with pytest.raises(AuthorityError, match=r"--user: kit ctdna-demo@1\.0\.0 is released"):
        site.prepare(user=None)
    assert not (site.root / "out").exists()
    assert site.kinds() == []


def _sequence(site: Site, **instruments: str) -> None:
    """Give each sample's gzipped FASTQ files a pair of an instrument's."""
    for sample, instrument in instruments.items():
        for mate in (1, 2):
            name = f"{instrument}:7:HDEMODSX1:1:1101:{mate}:2 {mate}:N:0:ACGTACGT+TTGGCCAA"
            write_fastq(site.reads / f"{sample}_R{mate}.fastq.gz", [(name, "ACGT", "IIII")])


@pytest.mark.req("REQ-RUN-013")
def test_an_instrument_that_is_registered_passes_for_fastq_too(site: Site) -> None:
    _sequence(site, s1="A00042", s2="A00042", left_out="M9")
    with pytest.raises(AuthorityError, match="gate instrument_unknown: instrument A00042 is not registered"):
        site.prepare()
    serial = InstrumentAdded(serial="A00042", model="NovaSeq 6000", site=SITE)
    site.world.ledger.record(site.world.actor("root"), serial)
    made = site.prepare().manifest
    assert (made.instrument, made.flow_cell, made.warnings) == ("A00042", "HDEMODSX1", ())
    assert made.trace is not None
    assert (made.trace.use, made.trace.overrides) == ("clinical", ())
    run = site.world.ledger.run(run_key(made))
    assert run is not None
    assert run.instrument == "A00042"
    assert site.kinds() == ["run.started"]


@pytest.mark.req("REQ-RUN-013")
def test_fastq_of_two_instruments_names_none_and_says_so(site: Site) -> None:
    _sequence(site, s1="A00042", s2="A00043")
    several = r"read names tell several instruments: A00042 \(s1_R1.fastq.gz\), A00043 \(s2_R1.fastq.gz\)"
    with pytest.raises(AuthorityError, match=f"gate instrument_unknown: the input names no instrument; {several}"):
        site.prepare()
    site.grant("instrument_unknown")
    made = site.prepare().manifest
    assert (made.instrument, made.flow_cell) == (None, "HDEMODSX1")
    assert [warning.split(":")[0] for warning in made.warnings] == ["read names tell several instruments"]


def test_the_reads_of_no_sample_are_no_sample(tmp_path: Path, site: Site) -> None:
    kit = states.copy_demo(tmp_path / "kits", "0.9.0")
    _sequence(site, s1="A00042", s2="A00042", Undetermined="M9")
    made = prepare(site.reads, f"ctdna-demo@{kit.name}", tmp_path / "loose", None).manifest
    assert [sample.sample_id for sample in made.samples] == ["s1", "s2"]
    assert made.instrument == "A00042"
    for path in site.reads.glob("s*"):
        path.unlink()
    with pytest.raises(InputError, match="found no sample but Undetermined; give a folder with samples"):
        prepare(site.reads, f"ctdna-demo@{kit.name}", tmp_path / "none", None)


@pytest.mark.req("REQ-GAT-004")
def test_a_start_stands_in_the_folder_and_in_the_ledger(site: Site) -> None:
    override_id = site.grant("instrument_unknown")
    made = site.prepare().manifest
    out = site.root / "out"
    assert read_json(out / "run.json", RunManifest) == made
    assert made.kit_state == "released"
    assert made.trace is not None
    assert (made.trace.operator, made.trace.use) == ("tech", "clinical")
    assert [one.override_id for one in made.trace.overrides] == [override_id]
    assert (out / LOT).read_bytes() == (site.root / "L1.json").read_bytes()
    assert signature_path(out / LOT).read_bytes() == signature_path(site.root / "L1.json").read_bytes()
    assert site.kinds() == ["override.granted", "override.used", "run.started"]
    run = site.world.ledger.run(run_key(made))
    assert run is not None
    assert (run.run_id, run.operator, run.lot, run.use) == (RUN_ID, "tech", "L1", "clinical")


def test_a_resumed_run_is_the_same_run_whoever_resumes_it(site: Site) -> None:
    site.grant("instrument_unknown")
    first = site.prepare().manifest
    text = (site.root / "out" / "run.json").read_bytes()
    (site.root / "out" / LOT).unlink()
    again = site.prepare(user="dir").manifest
    assert again == first
    assert (site.root / "out" / "run.json").read_bytes() == text
    assert (site.root / "out" / LOT).is_file()
    assert site.kinds() == ["override.granted", "override.used", "run.started"]
    with pytest.raises(AuthorityError, match=r"rev: has reviewer; entry run\.started needs technician or director"):
        site.prepare(user="rev")


@pytest.mark.req("REQ-GAT-001")
def test_an_override_does_not_serve_a_second_folder(site: Site) -> None:
    site.grant("instrument_unknown")
    site.prepare()
    with pytest.raises(AuthorityError, match="gate instrument_unknown"):
        site.prepare("second")


@pytest.mark.req("REQ-GAT-001")
def test_a_copied_folder_does_not_carry_the_override_to_another_run(site: Site) -> None:
    site.grant("instrument_unknown")
    made = site.prepare().manifest
    assert made.trace is not None
    other = made.model_copy(update={"warnings": ("another",)})
    (site.root / "second").mkdir()
    (site.root / "second" / "run.json").write_text(dump_json(other))
    with pytest.raises(AuthorityError, match="gate instrument_unknown"):
        site.prepare("second")


@pytest.mark.req("REQ-GAT-005")
def test_a_run_does_not_go_on_with_another_build(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.grant("instrument_unknown")
    site.prepare()
    monkeypatch.setattr(gates, "build_facts", lambda: BuildFacts(digest=digest("c"), state="unlocked"))
    with pytest.raises(InputError, match=r"run\.json: holds a run of reads with .*, prepared differently \(diff"):
        site.prepare()


@pytest.mark.req("REQ-GAT-005")
def test_a_kit_that_moved_meanwhile_does_not_go_on(site: Site) -> None:
    site.grant("instrument_unknown")
    site.prepare()
    states.move(site.kit.folder, site.key, "investigational", "released", "retired", builds=(digest("b"),))
    with pytest.raises(AuthorityError, match="gate kit_retired"):
        site.prepare()
    site.grant("kit_retired")
    with pytest.raises(InputError, match=r"prepared differently \(differs in kit_state, trace\)"):
        site.prepare()


def test_the_day_counts_where_the_input_tells_none(site: Site) -> None:
    site.grant("instrument_unknown")
    with pytest.raises(AuthorityError, match="lot L1 expired on 2026-12-31, the run is of 2027-01-01"):
        site.prepare(today=date(2027, 1, 1))
    assert site.prepare(today=date(2026, 12, 31)).manifest.trace is not None


@pytest.mark.req("REQ-LOT-003")
def test_the_controls_of_the_lot_are_those_that_quality_control_holds(site: Site) -> None:
    site.grant("instrument_unknown")
    manifest, out = site.prepare().manifest, site.root / "out"
    (first, *others) = _controls(out, manifest, site.kit).positive
    assert (first.label, first.vaf_min, first.vaf_max) == (site.label, 0.5, 0.75)
    assert others == list(site.kit.definition.controls.positive[1:])
    untraced = manifest.model_copy(update={"trace": None})
    assert _controls(out, untraced, site.kit) == site.kit.definition.controls
    other_kit = site.kit._replace(digest="0" * 64)
    assert _controls(out, manifest, other_kit) == site.kit.definition.controls


def test_quality_control_refuses_a_lot_file_that_was_changed_or_lost(site: Site) -> None:
    site.grant("instrument_unknown")
    manifest, out = site.prepare().manifest, site.root / "out"
    (out / LOT).write_text((out / LOT).read_text().replace("0.75", "0.85"))
    with pytest.raises(DefinitionError, match=r"lot\.json: SHA-256 is \w{16}\.\.\., run\.json has \w{16}"):
        _controls(out, manifest, site.kit)
    (out / LOT).unlink()
    with pytest.raises(InputError, match=r"lot\.json: cannot be read: No such file"):
        _controls(out, manifest, site.kit)


def test_a_run_whose_manifest_was_changed_meanwhile_does_not_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.grant("instrument_unknown")
    path = site.root / "out" / "run.json"

    def forge(*_: object) -> Progress:
        path.write_text(path.read_text().replace('"operator": "tech"', '"operator": "dir"'))
        return Progress((), (), ())

    monkeypatch.setattr(job, "run_workflow", forge)
    sheet, flow = site.root / "sheet.csv", WorkflowOptions(1, "local")
    request = JobRequest(
        site.reads, site.kit.address, site.root / "out", sheet, flow, "once", site.authority("tech")
    )  # fmt: skip
    with pytest.raises(DefinitionError, match=r"run\.json: was changed while the run went on; run again in a new"):
        job.run_job(request, Display(io.StringIO(), 1))
    assert not (site.root / "out" / "provenance.json").exists()


def test_the_document_of_a_run_without_a_trace_is_still_read(site: Site) -> None:
    site.grant("instrument_unknown")
    document = json.loads(dump_json(site.prepare().manifest))
    del document["trace"], document["kit_state"]
    old = RunManifest.model_validate_json(json.dumps(document))
    assert (old.trace, old.kit_state) == (None, "development")
    assert load_kit(old.kit).state == "released"
