"""Evidence over a change of kit or stage: what counts, by which rule, what is missing; and the commands."""

from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from ctdna.cli.main import command as ctdna
from ctdna.formats.keys import new_key, trust
from ctdna.formats.signed import write_signed
from ctdna.kit.load import LoadedKit, load_kit, read_kit
from ctdna.model.change import CarryReport, Change, Version
from ctdna.model.equivalence import ComparedRun, EquivalenceVerdict, Side
from ctdna.model.errors import AuthorityError, CtdnaError, DefinitionError, InputError
from ctdna.model.ledger import Bridge, EvidenceAdded, EvidenceCarried, Stage
from ctdna.validation.carry import STAGES, BuildStep, Evidence, Move, carry, default_stage
from ctdna.validation.carry_text import carry_page, carry_text
from ctdna.validation.compare import AllelePair, Compared
from ctdna.validation.equivalence import Limits, equivalence_of
from ctdna.validation.equivalence_files import own_site_key, write_equivalence
from ctdna.validation.evidence import named
from ctdna.validation.kit_diff import kit_impact
from ctdna.validation.page import page_html
from ctdna.validation.rules import impact_of, load_rules, load_stages
from tests.ledger.world import World, make_world, password
from tests.validation.builders import DEMO, copied_kit

OLD = load_kit(DEMO)
TABLES = (load_rules(), load_stages())


def piece(claim: str, study: str, kit: LoadedKit = OLD, **more: object) -> EvidenceAdded:
    """Return a piece of evidence for all classes, made in validation."""
    facts: dict[str, object] = {
        "evidence_id": "",
        "study": study,
        "claim": claim,
        "variant_classes": ("snv", "indel", "mnv"),
        "stage": "validation",
        "kit": kit.address,
        "kit_digest": kit.digest,
        "panel_digest": "2" * 64,
        "lot": "L1",
        "site": "north-lab",
        "instrument": "A00001",
        "build_digest": "1" * 64,
        "data": {"x.tsv": "3" * 64},
        "outcome": "as claimed",
        **more,
    }
    return named(EvidenceAdded.model_validate(facts))


LOD, PRECISION = piece("lod95", "EP17-LoD"), piece("precision", "EP05-precision")
CARRYOVER, NAMES = piece("carryover", "carryover"), piece("naming", "annotation-review")


def _version(kit: LoadedKit) -> Version:
    return Version(address=kit.address, digest=kit.digest)


def _carry(new: LoadedKit, *old: EvidenceAdded, own: tuple[EvidenceAdded, ...] = (), **more: object) -> CarryReport:
    stage: Stage = next(one for one in STAGES if one == more.get("stage", "validation"))
    changes = kit_impact(OLD, new, TABLES[0]).changes
    carried = more.get("carried", frozenset())
    assert isinstance(carried, frozenset)
    build = more.get("build")
    assert build is None or isinstance(build, BuildStep)
    move = Move(_version(OLD), _version(new), changes, build)
    return carry(move, stage, Evidence(old, own, carried), TABLES)


def _reuse(report: CarryReport) -> dict[str, tuple[str, str]]:
    return {one.claim: (one.reuse, one.rules[0]) for one in report.items}


@pytest.mark.req("REQ-EVD-002")
def test_a_changed_threshold_touches_its_claims_alone(tmp_path: Path) -> None:
    new = copied_kit(tmp_path, kit_yaml=("min_alt_molecules: 3", "min_alt_molecules: 4"))
    report = _carry(new, LOD, PRECISION, CARRYOVER, NAMES)
    assert _reuse(report) == {
        "lod95": ("not_reusable", "IMP-CALL-002"),
        "precision": ("after_replay", "IMP-CALL-002"),
        "carryover": ("reusable", "IMP-UNTOUCHED-001"),
        "naming": ("reusable", "IMP-UNTOUCHED-001"),
    }
    assert report.items[0].todo == "Repeat EP17-LoD on its archived inputs."
    assert "call.min_alt_molecules" in report.items[0].reason


@pytest.mark.req("REQ-EVD-002")
def test_a_filter_of_indels_leaves_evidence_of_substitutions(tmp_path: Path) -> None:
    new = copied_kit(tmp_path, kit_yaml=("homopolymer_bases: 7", "homopolymer_bases: 6"))
    snv, indel = (piece("lod95", "EP17-LoD", variant_classes=(one,)) for one in ("snv", "indel"))
    report = _carry(new, snv, indel)
    assert [one.reuse for one in report.items] == ["reusable", "not_reusable"]


def test_words_of_the_report_leave_all_evidence(tmp_path: Path) -> None:
    new = copied_kit(tmp_path, kit_yaml=("    en: Circulating", "    en: The circulating"))
    wording = piece("report_text", "report-review")
    report = _carry(new, LOD, wording)
    assert [one.reuse for one in report.items] == ["reusable", "reusable"]
    assert [one.todo for one in report.items] == ["", "Each site checks its own output before use."]


def _replayed(new: LoadedKit, verdict: EquivalenceVerdict, baseline: str = OLD.digest) -> EvidenceAdded:
    bridge = Bridge(kit=OLD.address, kit_digest=baseline, build_digest=None, verdict=verdict)
    return piece("equivalence", "replay-equivalence", new, bridge=bridge)


@pytest.mark.req("REQ-EVD-004")
@pytest.mark.parametrize(
    ("verdict", "baseline", "reuse"),
    [
        ("equivalent", OLD.digest, "reusable"),
        ("not_equivalent", OLD.digest, "after_replay"),
        ("not_shown", OLD.digest, "after_replay"),
        ("equivalent", "f" * 64, "after_replay"),
    ],
)
def test_only_a_replay_of_this_pair_that_showed_equivalence_bridges(
    tmp_path: Path, verdict: EquivalenceVerdict, baseline: str, reuse: str
) -> None:
    new = copied_kit(tmp_path, kit_yaml=("min_alt_molecules: 3", "min_alt_molecules: 4"))
    bridge = _replayed(new, verdict, baseline)
    report = _carry(new, LOD, PRECISION, own=(bridge,))
    found = {one.claim: one for one in report.items}
    assert found["precision"].reuse == reuse
    assert found["lod95"].reuse == "not_reusable"  # a replay is no study of the limit
    assert (bridge.evidence_id in found["precision"].rules) == (reuse == "reusable")
    assert report.equivalence == ((bridge.evidence_id,) if reuse == "reusable" else ())


def test_an_added_hotspot_needs_its_own_and_leaves_the_rest(tmp_path: Path) -> None:
    new = copied_kit(tmp_path)
    with (new.folder / "hotspots.tsv").open("a") as table:
        table.write("demo_KRAS\t900\tA\tC\tKRAS\tKRAS new\n")
    new = read_kit(new.folder)
    report = _carry(new, LOD)
    assert [one.reuse for one in report.items] == ["reusable"]
    assert [(one.record, one.rule, one.material) for one in report.added] == [
        ("table.hotspots [demo_KRAS:900 A>C]", "IMP-HOT-001", "archived")
    ]
    assert "EP17-LoD" in report.added[0].studies


@pytest.mark.req("REQ-EVD-002")
def test_evidence_of_another_content_does_not_count(tmp_path: Path) -> None:
    other = piece("carryover", "carryover", kit_digest="9" * 64)
    new = copied_kit(tmp_path)
    report = _carry(new, other)
    assert _reuse(report)["carryover"] == ("not_reusable", "IMP-CONTENT-001")
    carried = _carry(new, other, carried=frozenset({other.evidence_id}))
    assert _reuse(carried)["carryover"] == ("reusable", "IMP-UNTOUCHED-001")


def test_the_same_kit_keeps_all_that_its_next_stage_accepts() -> None:
    early = piece("lod95", "EP17-LoD", stage="development")
    report = _carry(OLD, LOD, early, CARRYOVER, stage="commercial")
    assert [(one.reuse, one.rules) for one in report.items] == [
        ("reusable", ("IMP-SAME-001",)),
        ("not_reusable", ("STG-COM-002",)),
        ("reusable", ("IMP-SAME-001",)),
    ]


@pytest.mark.req("REQ-EVD-003")
def test_what_a_stage_lacks_is_told_by_class_and_number() -> None:
    two_sites = tuple(piece("precision", "EP05-precision", site=f"s{i}", lot=f"L{i}") for i in range(2))
    report = _carry(OLD, LOD, *two_sites, stage="commercial")
    lacks = {(one.requirement, one.variant_class): (one.found, one.needed) for one in report.missing}
    assert lacks["STG-COM-004", "snv"] == ("2 pieces of 2 sites, 1 instrument", "3 sites, 2 instruments")
    assert lacks["STG-COM-002", "mnv"] == ("1 pieces of 1 lot", "2 lots")
    assert lacks["STG-COM-007", None] == ("none", "EP25-stability made in validation or commercial")
    assert ("STG-COM-004", "mnv") not in lacks
    three = tuple(piece("precision", "EP05-precision", site=f"s{i}", lot=f"L{i}", instrument=f"A{i}") for i in range(3))
    enough = _carry(OLD, *three, stage="commercial")
    assert "STG-COM-004" not in {one.requirement for one in enough.missing}


@pytest.mark.req("REQ-EVD-003")
def test_what_waits_for_a_replay_is_told_with_what_is_missing(tmp_path: Path) -> None:
    new = copied_kit(tmp_path, kit_yaml=("min_alt_molecules: 3", "min_alt_molecules: 4"))
    report = _carry(new, PRECISION)
    lack = next(one for one in report.missing if (one.claim, one.variant_class) == ("precision", "snv"))
    assert lack.found == "none; 1 more after a replay"


def test_evidence_of_the_new_kit_counts_for_its_stage(tmp_path: Path) -> None:
    new = copied_kit(tmp_path, kit_yaml=("min_alt_molecules: 3", "min_alt_molecules: 4"))
    own = tuple(piece("lod95", "EP17-LoD", new, lot=f"L{i}") for i in range(2))
    report = _carry(new, LOD, own=own)
    assert [one for one in report.missing if one.claim == "lod95"] == []


def _build_step() -> BuildStep:
    change = Change(item="code.call", kind="changed", old="a", new="b")
    return BuildStep("1" * 64, "8" * 64, (impact_of(TABLES[0].table, change),))


def test_another_build_counts_like_another_kit() -> None:
    third = piece("lod95", "EP17-LoD", build_digest="7" * 64)
    newer = piece("lod95", "EP17-LoD", build_digest="8" * 64)
    unasked = piece("carryover", "carryover", build_digest="7" * 64)
    report = _carry(OLD, LOD, newer, CARRYOVER, third, unasked, build=_build_step())
    assert [(one.reuse, one.rules) for one in report.items] == [
        ("after_replay", ("IMP-CODE-003",)),
        ("reusable", ("IMP-SAME-001",)),
        ("reusable", ("IMP-UNTOUCHED-001",)),
        ("after_replay", ("IMP-CODE-003",)),
        ("after_replay", ("IMP-BUILD-001",)),
    ]
    assert report.builds == ("1" * 64, "8" * 64)
    bridge = Bridge(kit=OLD.address, kit_digest=OLD.digest, build_digest="1" * 64, verdict="equivalent")
    replay = piece("equivalence", "replay-equivalence", build_digest="8" * 64, bridge=bridge)
    bridged = _carry(OLD, LOD, own=(replay,), build=_build_step())
    assert bridged.items[0].reuse == "reusable"
    other = piece("equivalence", "replay-equivalence", build_digest="7" * 64, bridge=bridge)
    assert _carry(OLD, LOD, own=(other,), build=_build_step()).items[0].reuse == "after_replay"


def test_the_latest_stage_is_that_of_the_evidence() -> None:
    early, late = (piece("lod95", "EP17-LoD", stage=stage) for stage in ("investigational", "development"))
    assert default_stage(Evidence((early, late), (), frozenset())) == "investigational"
    assert default_stage(Evidence((), (), frozenset())) == "development"


def test_text_and_html_say_the_same(tmp_path: Path) -> None:
    new = copied_kit(tmp_path, kit_yaml=("min_alt_molecules: 3", "min_alt_molecules: 4"))
    report = _carry(new, LOD, PRECISION)
    text, html = carry_text(report), page_html(carry_page(report))
    for words in (
        "IMP-CALL-002",
        "not reusable",
        "Repeat EP17-LoD on its archived inputs.",
        LOD.evidence_id,
        "STG-VAL-001",
    ):
        assert words in text
        assert words in html


# --- the commands


class Place(NamedTuple):
    """A ledger, a folder, and people's password files."""

    world: World
    folder: Path

    def run(self, *words: object, user: str = "rev") -> Result:
        """Run `ctdna evidence ...` as a person."""
        secret = self.folder / f"{user}.txt"
        secret.write_text(password(user) + "\n")
        known = ("evidence", *words, "--user", user, "--password-file", secret)
        return CliRunner().invoke(ctdna, [str(word) for word in known])

    def done(self, *words: object, user: str = "rev") -> str:
        """Run a command that must succeed, and return what it printed."""
        ended = self.run(*words, user=user)
        assert ended.exit_code == 0, (ended.output, ended.exception)
        return ended.output

    def refused(self, kind: type[CtdnaError], *words: object, user: str = "rev") -> str:
        """Run a command that must be refused, and return why."""
        ended = self.run(*words, user=user)
        assert isinstance(ended.exception, kind), (ended.output, ended.exception)
        return str(ended.exception)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return a place with a ledger and a candidate kit."""
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CTDNA_LEDGER", raising=False)
    monkeypatch.delenv("CTDNA_USER", raising=False)
    copied_kit(tmp_path / "kits", kit_yaml=("min_alt_molecules: 3", "min_alt_molecules: 4"))
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    (tmp_path / "ep17.csv").write_text("vaf,hits\n")
    return Place(make_world(), tmp_path)


def _stated(place: Place, **more: object) -> list[object]:
    options: dict[str, object] = {
        "study": "EP17-LoD",
        "claim": "lod95",
        "class": "snv",
        "stage": "validation",
        "kit": DEMO,
        "lot": "L1",
        "instrument": "A00001",
        "build": "c" * 64,
        "data": place.folder / "ep17.csv",
        "outcome": "LoD95 0.4 %",
        **more,
    }
    return [word for name, value in options.items() if value is not None for word in (f"--{name}", value)]


@pytest.mark.req("REQ-EVD-001")
def test_evidence_is_added_once_and_listed(place: Place) -> None:
    found = place.done("add", *_stated(place)).strip()
    assert "is in the ledger's evidence already" in place.refused(InputError, "add", *_stated(place))
    second = place.done("add", *_stated(place, claim="specificity", study="EP12-accuracy")).strip()
    listed = place.done("list", user="aud")
    assert [line.split("\t")[0] for line in listed.splitlines()] == [found, second]
    assert place.done("list", "--claim", "lod95", "--kit", DEMO, "--site", "north-lab").splitlines() == [
        "\t".join((found, DEMO, "validation", "EP17-LoD", "lod95", "snv", "north-lab", "L1", "LoD95 0.4 %"))
    ]
    assert place.done("list", "--stage", "commercial") == ""
    assert '"build_digest": "cccc' in place.done("list", "--study", "EP17-LoD", "--format", "json")
    entry = next(one.new for one in place.world.ledger.entries(kind="evidence.added"))
    assert isinstance(entry, EvidenceAdded)
    assert entry.kit_digest == OLD.digest
    assert set(entry.data) == {"ep17.csv"}


@pytest.mark.req("REQ-EVD-001")
@pytest.mark.parametrize("missing", ["study", "claim", "outcome", "kit", "data"])
def test_what_evidence_needs_is_asked_for(place: Place, missing: str) -> None:
    assert f"--{missing}: is missing" in place.refused(InputError, "add", *_stated(place, **{missing: None}))


@pytest.mark.req("REQ-EVD-001")
def test_only_those_with_the_right_add_and_record(place: Place) -> None:
    for user in ("tech", "aud", "root"):
        place.refused(AuthorityError, "add", *_stated(place), user=user)
    place.done("add", *_stated(place, claim="carryover", study="carryover"))
    words = ("carry", "--from", DEMO, "--to", "ctdna-demo@1.1.0", "--record")
    for user in ("tech", "rev", "aud"):
        place.refused(AuthorityError, *words, user=user)
    assert list(place.world.ledger.entries(kind="evidence.carried")) == []
    assert place.run("list", user="nobody").exit_code != 0


def test_two_files_of_one_name_are_refused(place: Place) -> None:
    (place.folder / "b").mkdir()
    (place.folder / "b" / "ep17.csv").write_text("other")
    told = place.refused(InputError, "add", *_stated(place), "--data", place.folder / "b" / "ep17.csv")
    assert "two files are named ep17.csv" in told


def test_what_is_reusable_is_recorded_once_by_a_director(place: Place) -> None:
    carryover = place.done("add", *_stated(place, claim="carryover", study="carryover")).strip()
    place.done("add", *_stated(place))
    words = ("carry", "--from", DEMO, "--to", "ctdna-demo@1.1.0", "--record")
    assert "Missing for stage validation" in place.done(*words, user="dir")
    place.done(*words, user="dir")
    carried = [one.new for one in place.world.ledger.entries(kind="evidence.carried")]
    assert len(carried) == 1
    entry = carried[0]
    assert isinstance(entry, EvidenceCarried)
    assert (entry.evidence_id, entry.kit, entry.stage) == (carryover, "ctdna-demo@1.1.0", "validation")
    assert entry.rule == "IMP-UNTOUCHED-001 (rules 1.0.0, stages 1.0.0)"
    html = place.done(*words[:-1], "--stage", "commercial", "--format", "html")
    assert html.startswith("<!DOCTYPE html>")
    document = CarryReport.model_validate_json(place.done(*words[:-1], "--format", "json"))
    assert [one.reuse for one in document.items] == ["reusable", "not_reusable"]


def test_build_locks_are_given_together_and_signed(place: Place) -> None:
    from tests.validation.test_build_diff import OLD as BUILD

    key = new_key("acme", None)
    write_signed(place.folder / "build.json", BUILD, "build", key)
    place.done("add", *_stated(place, build=BUILD.digest))
    words = ("carry", "--from", DEMO, "--to", DEMO, "--build-before", place.folder / "build.json")
    assert "give both locks" in place.refused(InputError, *words)
    both = (*words, "--build-after", place.folder / "build.json")
    assert "which this machine does not trust" in place.refused(DefinitionError, *both)
    trust(place.folder / "home" / "keys" / "acme.pub", "manufacturer")
    told = place.done(*both)
    assert f"builds  {BUILD.digest}" in told
    assert "reusable (IMP-SAME-001)" in told


def _equivalence(place: Place, n: int = 40, digest: str | None = None, signed: bool = True) -> Path:
    new = load_kit("ctdna-demo@1.1.0")
    facts = {"software": "1", "build": "b" * 64, "reference": "r", "align": "once"}
    old_side = Side(kit=OLD.address, kit_digest=OLD.digest, **facts)
    new_side = Side(kit=new.address, kit_digest=digest or new.digest, **facts)
    run = ComparedRun(
        run_id="R", baseline=old_side, candidate=new_side, start="input", inputs="bundle", failure=None, samples=("S",)
    )
    pairs = [AllelePair(f"R/S{i}", f"c:{i}:A:C", "snv", "DETECTED", "DETECTED", 0.1, 0.1) for i in range(n)]
    pairs += [AllelePair(f"R/S{i}", f"d:{i}:A:C", "snv", "NOT_DETECTED", "NOT_DETECTED", None, None) for i in range(90)]
    rules = TABLES[0]
    limits = Limits(rules.table.acceptance, (), rules.source)
    report = equivalence_of((run,), (Compared(("S",), (), tuple(pairs), 1, 0, ()),), limits)
    write_equivalence(place.folder / "replay", report, own_site_key() if signed else None)
    return place.folder / "replay" / "equivalence.json"


def test_a_signed_replay_becomes_evidence_and_bridges(place: Place) -> None:
    precision = place.done("add", *_stated(place, claim="precision", study="EP05-precision")).strip()
    words = ("carry", "--from", DEMO, "--to", "ctdna-demo@1.1.0", "--format", "json")
    before = CarryReport.model_validate_json(place.done(*words))
    assert [one.reuse for one in before.items] == ["after_replay"]
    added = place.done("add", "--from-equivalence", _equivalence(place), "--stage", "validation").strip()
    after = CarryReport.model_validate_json(place.done(*words))
    assert [(one.evidence_id, one.reuse) for one in after.items] == [(precision, "reusable")]
    assert after.equivalence == (added,)
    assert "equivalent: PPA 40/40 (91.2 % to 100.0 %)" in place.done("list", "--claim", "equivalence")


@pytest.mark.req("REQ-EVD-004")
def test_a_replay_that_showed_nothing_bridges_nothing(place: Place) -> None:
    place.done("add", *_stated(place, claim="precision", study="EP05-precision"))
    place.done("add", "--from-equivalence", _equivalence(place, n=3), "--stage", "validation")
    words = ("carry", "--from", DEMO, "--to", "ctdna-demo@1.1.0", "--format", "json")
    assert [one.reuse for one in CarryReport.model_validate_json(place.done(*words)).items] == ["after_replay"]


@pytest.mark.req("REQ-EVD-004")
def test_a_replay_without_signature_of_another_kit_or_edited_is_refused(place: Place) -> None:
    words = ("add", "--stage", "validation", "--from-equivalence")
    assert "is not signed" in place.refused(DefinitionError, *words, _equivalence(place, signed=False))
    told = place.refused(InputError, *words, _equivalence(place, digest="9" * 64))
    assert "restore the kit that was replayed" in told
    path = _equivalence(place, n=3)
    path.write_text(path.read_text().replace('"verdict": "not_shown"', '"verdict": "equivalent"'))
    assert "does not fit the content" in place.refused(DefinitionError, *words, path)
