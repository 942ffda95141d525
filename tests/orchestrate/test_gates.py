"""The gates of a run: each stops it, an override lets it pass once, and what the run may serve for."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ctdna.bundle.make import run_key
from ctdna.formats.keys import PrivateKey
from ctdna.kit.authority import Authority
from ctdna.kit.load import LoadedKit, read_kit
from ctdna.kit.lock import STATES
from ctdna.kit.lots import add_lot, lot_file, lots_folder, read_lot, write_lot
from ctdna.kit.moves import freeze
from ctdna.kit.states import states_text
from ctdna.model.errors import AuthorityError, CtdnaError, DefinitionError, InputError
from ctdna.model.ledger import InstrumentAdded, KitMoved
from ctdna.model.lot import Lot
from ctdna.model.manifest import RunManifest
from ctdna.model.sample import Sample, Specimen
from ctdna.model.trace import BuildFacts, TraceFacts
from ctdna.orchestrate import gates
from ctdna.orchestrate.gates import Gated, check_states, lot_of, pass_gates, use_of
from ctdna.orchestrate.start import record_start
from tests.kit import states
from tests.ledger.world import SITE, World, digest, make_world

BUILD = digest("b")
RUN_ID = "260131_A00001_0001_AHXYZ"
DAY = date(2026, 1, 31)


class Bench(NamedTuple):
    """A site with a released kit, a lot of it, and a registered instrument."""

    world: World
    key: PrivateKey
    kit: LoadedKit

    def authority(self, user: str = "tech") -> Authority:
        return Authority(self.world.ledger, self.world.actor(user))

    def start(self, user: str = "tech", day: date = DAY, resumed: str | None = None, **changes: Any) -> Gated:
        return pass_gates(self.kit, manifest(self.kit, **changes), day, self.authority(user), resumed)

    def grant(self, gate: Any, run_id: str = RUN_ID) -> str:
        return self.world.ledger.grant_override(self.world.actor("dir"), gate, run_id, "a patient waits")

    def add_lot(
        self, folder: Path, name: str = "L1", kit: LoadedKit | None = None, expires: str = "2026-12-31"
    ) -> None:
        kit = kit or self.kit
        folder.mkdir(exist_ok=True)
        path = folder / lot_file(name, kit.address)
        lot = Lot(lot=name, kit=kit.address, kit_digest=kit.digest, expires=expires)
        write_lot(lot, kit, path, self.key)
        add_lot(read_lot(path), self.authority())


def manifest(kit: LoadedKit, **changes: Any) -> RunManifest:
    lots = changes.pop("lots", ("L1", "L1"))
    samples = tuple(
        Sample(sample_id=f"s{i}", role="patient", index="", index2="", lanes=(), specimen=Specimen(kit_lot=lot))
        for i, lot in enumerate(lots, 1)
    )
    facts = {
        "run_id": RUN_ID,
        "instrument": "A00001",
        "flow_cell": "HXYZ",
        "kit": kit.address,
        "kit_digest": kit.digest,
        "kit_state": kit.state,
        "reference": "demo",
        "align": "once",
        "software": "0",
        "samples": samples,
        "warnings": (),
    }
    return RunManifest(**{**facts, **changes})


def build(state: Any = "locked", of: str = BUILD) -> BuildFacts:
    return BuildFacts(digest=of, state=state, difference="code: x" if state == "differs" else None)


OTHER = build(of=digest("c"))


@pytest.fixture(autouse=True)
def _machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CTDNA_LEDGER", raising=False)
    monkeypatch.setattr(gates, "build_facts", build)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    world, key = make_world(), states.manufacturer()
    kit = states.move(states.copy_demo(tmp_path / "kits"), key, "investigational", "released", builds=(BUILD,))
    made = Bench(world, key, kit)
    made.add_lot(tmp_path / "lots")
    world.ledger.record(world.actor("root"), InstrumentAdded(serial="A00001", model="NovaSeq 6000", site=SITE))
    return made


@pytest.mark.req("REQ-GAT-003")
def test_a_run_that_passes_every_gate_is_of_clinical_use(bench: Bench) -> None:
    trace = bench.start().trace
    assert (trace.site, trace.operator, trace.use, trace.use_reasons, trace.overrides) == (
        SITE, "tech", "clinical", (), (),
    )  # fmt: skip
    assert trace.lot is not None
    assert (trace.lot.lot, trace.lot.expires) == ("L1", "2026-12-31")
    assert trace.lot.digest == read_lot(lots_folder() / lot_file("L1", bench.kit.address)).digest
    assert trace.build == build()


@pytest.mark.req("REQ-LOT-002")
def test_the_last_day_of_a_lot_still_counts(bench: Bench) -> None:
    assert bench.start(day=date(2026, 12, 31)).trace.use == "clinical"
    with pytest.raises(
        AuthorityError, match="gate lot_expired: lot L1 expired on 2026-12-31, the run is of 2027-01-01"
    ):
        bench.start(day=date(2027, 1, 1))


CASES: dict[str, tuple[Any, str]] = {
    "lot_expired": (lambda b, p: {"day": date(2027, 2, 1)}, "lot L1 expired on 2026-12-31, the run is of 2027-02-01"),
    "lot_unknown": (lambda b, p: {"lots": ("L9", "L9")}, "lot L9 is not held here; see ctdna lot add"),
    "instrument_unknown": (lambda b, p: {"instrument": "M7"}, "instrument M7 is not registered"),
    "lot_of_other_kit": (
        lambda b, p: (
            b.add_lot(p / "o", "L2", states.move(states.copy_demo(p / "k", "9.0.0"), b.key, "investigational"))
            or {"lots": ("L2", "L2")}
        ),
        "lot L2 is of ctdna-demo@9.0.0 with content",
    ),
}


@pytest.mark.req("REQ-GAT-001", "REQ-LOT-002")
@pytest.mark.parametrize("gate", CASES)
def test_each_gate_stops_and_an_override_lets_pass_once(bench: Bench, tmp_path: Path, gate: str) -> None:
    changes, message = CASES[gate]
    facts = changes(bench, tmp_path)
    with pytest.raises(AuthorityError, match=re.escape(message)) as caught:
        bench.start(**facts)
    assert caught.value.where == f"gate {gate}"
    assert f"ctdna override grant --run-id {RUN_ID} --gate {gate} --why TEXT" in str(caught.value)
    bench.grant(gate, "another_run")
    bench.grant("kit_retired")
    with pytest.raises(AuthorityError, match=gate):
        bench.start(**facts)
    override_id = bench.grant(gate)
    trace = bench.start(**facts).trace
    (used,) = trace.overrides
    assert (used.gate, used.override_id, used.user, used.why) == (gate, override_id, "dir", "a patient waits")
    assert trace.use == "clinical"
    day = facts.pop("day", DAY)
    run = manifest(bench.kit, **facts).model_copy(update={"trace": trace})
    record_start(bench.authority(), bench.kit, run)
    with pytest.raises(AuthorityError, match=f"gate {gate}"):
        bench.start(day=day, **facts)
    assert bench.start(day=day, resumed=run_key(run), **facts).trace == trace


@pytest.mark.req("REQ-GAT-003")
def test_a_retired_kit_passes_by_an_override_for_research(bench: Bench) -> None:
    kit = states.move(bench.kit.folder, bench.key, "investigational", "released", "retired", builds=(BUILD,))
    retired = bench._replace(kit=kit)
    with pytest.raises(AuthorityError, match=r"gate kit_retired: kit ctdna-demo@1\.0\.0 is retired \(test\)"):
        retired.start()
    retired.grant("kit_retired")
    trace = retired.start().trace
    assert (trace.use, trace.use_reasons) == ("research", ("kit_retired",))


def test_every_gate_that_fails_is_named(bench: Bench) -> None:
    with pytest.raises(AuthorityError) as caught:
        bench.start(instrument=None, day=date(2030, 1, 1))
    assert caught.value.where == "gate lot_expired, instrument_unknown"
    assert "the input names no instrument" in str(caught.value)
    bench.grant("lot_expired")
    with pytest.raises(AuthorityError) as caught:
        bench.start(instrument=None, day=date(2030, 1, 1))
    assert caught.value.where == "gate instrument_unknown"


@pytest.mark.req("REQ-GAT-002")
def test_only_technicians_and_directors_start_runs(bench: Bench) -> None:
    assert bench.start("dir").trace.operator == "dir"
    for user in ("rev", "aud", "root"):
        with pytest.raises(AuthorityError, match=rf"{user}: has \w+; entry run\.started needs technician or director"):
            bench.start(user)


@pytest.mark.req("REQ-GAT-002")
def test_a_kit_beyond_development_needs_a_person(bench: Bench) -> None:
    with pytest.raises(AuthorityError, match=r"--user: kit ctdna-demo@1\.0\.0 is released: its runs are recorded"):
        pass_gates(bench.kit, manifest(bench.kit), DAY, None)


def test_a_kit_in_development_runs_for_research(tmp_path: Path) -> None:
    kit = read_kit(states.copy_demo(tmp_path / "kits"))
    trace = pass_gates(kit, manifest(kit, lots=("L1", None), instrument=None), DAY, None).trace
    assert trace == TraceFacts(build=build(), use="research", use_reasons=("no_ledger", "kit_development"))
    named = pass_gates(kit, manifest(kit), DAY, None).trace.lot
    assert named is not None
    assert (named.lot, named.expires, named.digest) == ("L1", None, None)


def test_a_kit_in_development_is_traced_to_a_person_who_is_named(bench: Bench, tmp_path: Path) -> None:
    kit = read_kit(states.copy_demo(tmp_path / "more", "0.9.0"))
    trace = pass_gates(kit, manifest(kit, instrument="M7"), date(2040, 1, 1), bench.authority()).trace
    assert (trace.operator, trace.use, trace.use_reasons, trace.overrides) == (
        "tech", "research", ("kit_development",), (),
    )  # fmt: skip


def test_samples_of_a_run_agree_in_their_lot(bench: Bench) -> None:
    with pytest.raises(
        InputError, match=r"Kit_Lot: samples are of lots L1 \(s1\) and L2 \(s2\); prepare the libraries"
    ):
        bench.start(lots=("L1", "L2"))
    with pytest.raises(AuthorityError, match="gate lot_unknown: sample s2 names no Kit_Lot"):
        bench.start(lots=("L1", None))
    assert lot_of(manifest(bench.kit, lots=("L1", "L1", "L1"))) == "L1"
    assert lot_of(manifest(bench.kit, lots=())) is None


@pytest.mark.req("REQ-LOT-002")
def test_a_lot_that_was_put_there_by_hand_is_unknown(bench: Bench, tmp_path: Path) -> None:
    lot = Lot(lot="L3", kit=bench.kit.address, kit_digest=bench.kit.digest, expires="2030-01-01")
    write_lot(lot, bench.kit, lots_folder() / lot_file("L3", bench.kit.address), bench.key)
    with pytest.raises(AuthorityError, match=r"gate lot_unknown: lot L3 of ctdna-demo@1\.0\.0 is not in the ledger"):
        bench.start(lots=("L3", "L3"))


@pytest.mark.req("REQ-LOT-001")
def test_a_lot_that_was_exchanged_with_its_signature_is_refused(bench: Bench) -> None:
    path = lots_folder() / lot_file("L1", bench.kit.address)
    path.unlink()
    lot = Lot(lot="L1", kit=bench.kit.address, kit_digest=bench.kit.digest, expires="2039-12-31")
    write_lot(lot, bench.kit, path, bench.key)
    with pytest.raises(DefinitionError, match=r"is not the file that the ledger has of lot L1"):
        bench.start()


@pytest.mark.req("REQ-LOT-002")
def test_a_lot_of_the_same_version_but_other_content_is_of_another_kit(bench: Bench, tmp_path: Path) -> None:
    folder = states.copy_demo(tmp_path / "other")
    (folder / "README.md").write_text("other\n")
    bench.add_lot(tmp_path / "o", "L4", states.move(folder, bench.key, "investigational"))
    with pytest.raises(AuthorityError, match=r"gate lot_of_other_kit: lot L4 is of ctdna-demo@1\.0\.0 with content"):
        bench.start(lots=("L4", "L4"))


def _later(bench: Bench, folder: Path, *versions: str) -> list[LoadedKit]:
    return [
        states.move(states.copy_demo(folder, version), bench.key, "investigational", "released", builds=(BUILD,))
        for version in versions
    ]


@pytest.mark.req("REQ-LOT-004")
def test_a_run_has_the_lots_file_of_its_own_kit_version(bench: Bench, tmp_path: Path) -> None:
    (following,) = _later(bench, tmp_path / "k", "1.1.0")
    with pytest.raises(AuthorityError, match=r"gate lot_of_other_kit: lot L1 is of ctdna-demo@1\.0\.0 with content"):
        bench._replace(kit=following).start()
    bench.add_lot(tmp_path / "lots", kit=following, expires="2026-06-30")
    for kit, expires in ((bench.kit, "2026-12-31"), (following, "2026-06-30")):
        gated = bench._replace(kit=kit).start()
        assert (gated.trace.use, gated.trace.overrides) == ("clinical", ())
        assert gated.lot is not None
        assert (gated.lot.lot.kit, gated.lot.lot.expires) == (kit.address, expires)
        assert gated.trace.lot is not None
        assert gated.trace.lot.digest == gated.lot.digest
    summer = date(2026, 7, 1)
    assert bench.start(day=summer).trace.use == "clinical"
    with pytest.raises(AuthorityError, match="gate lot_expired: lot L1 expired on 2026-06-30"):
        bench._replace(kit=following).start(day=summer)


@pytest.mark.req("REQ-LOT-002", "REQ-LOT-004")
def test_a_lot_of_several_other_kit_versions_stops_and_names_them(bench: Bench, tmp_path: Path) -> None:
    second, third = _later(bench, tmp_path / "k", "1.1.0", "1.2.0")
    bench.add_lot(tmp_path / "lots", kit=second, expires="2026-06-30")
    run = bench._replace(kit=third)
    names = r"lot L1 is of ctdna-demo@1\.1\.0 with .* and of ctdna-demo@1\.0\.0 with .*, not of ctdna-demo@1\.2\.0"
    with pytest.raises(AuthorityError, match=f"gate lot_of_other_kit: {names}"):
        run.start()
    bench.grant("lot_of_other_kit")
    trace = run.start().trace
    assert trace.lot is not None
    assert trace.lot.expires == "2026-06-30"


@pytest.mark.req("REQ-LOT-002", "REQ-LOT-004")
def test_a_lot_put_there_by_hand_for_another_kit_version_is_unknown(bench: Bench, tmp_path: Path) -> None:
    (following,) = _later(bench, tmp_path / "k", "1.1.0")
    lot = Lot(lot="L1", kit=following.address, kit_digest=following.digest, expires="2030-01-01")
    write_lot(lot, following, lots_folder() / lot_file("L1", following.address), bench.key)
    with pytest.raises(AuthorityError, match=r"gate lot_unknown: lot L1 of ctdna-demo@1\.1\.0 is not in the ledger"):
        bench._replace(kit=following).start()
    assert bench.start().trace.use == "clinical"


def _cut_last(kit: LoadedKit) -> None:
    (kit.folder / STATES).write_text(states_text(kit.statements[:-1]))


def _cut_all(kit: LoadedKit) -> None:
    (kit.folder / STATES).unlink()


@pytest.mark.req("REQ-KIT-015")
@pytest.mark.parametrize("cut", [_cut_last, _cut_all])
def test_states_that_were_cut_are_refused_once_a_run_has_seen_them(
    bench: Bench, cut: Callable[[LoadedKit], None]
) -> None:
    run = manifest(bench.kit)
    record_start(bench.authority(), bench.kit, run.model_copy(update={"trace": bench.start().trace}))
    cut(bench.kit)
    shorter = read_kit(bench.kit.folder)
    assert shorter.state != "released"
    with pytest.raises(
        DefinitionError, match=rf"{STATES}: lacks the statement of entry \d+ of the ledger \(seen by run"
    ):
        bench._replace(kit=shorter).start()


@pytest.mark.req("REQ-KIT-015")
def test_a_retirement_that_the_ledger_knows_cannot_be_cut_off(bench: Bench) -> None:
    kit = bench.kit
    longer = states.states_of(kit, bench.key, "investigational", "released", "retired", builds=(BUILD,))
    before: Any = None
    for signed in longer:
        moved = KitMoved(
            kit=kit.address,
            kit_digest=kit.digest,
            from_state=before,
            to_state=signed.statement.to_state,
            preconditions={},
            statement_digest=gates.statement_digest(signed.statement),
        )
        bench.world.ledger.record(bench.world.actor("dir"), moved)
        before = signed.statement.to_state
    with pytest.raises(
        DefinitionError, match=r"lacks the statement of entry \d+ of the ledger \(released to retired\)"
    ):
        bench.start()


@pytest.mark.req("REQ-KIT-015")
def test_a_version_whose_content_the_ledger_has_otherwise_is_refused(bench: Bench, tmp_path: Path) -> None:
    folder = states.copy_demo(tmp_path / "more", "1.1.0")
    freeze(read_kit(folder), bench.authority("dir"), "")
    (folder / "kit.lock").unlink()
    (folder / "README.md").write_text("changed after the freeze\n")
    with pytest.raises(DefinitionError, match=r"entry \d+ of the ledger has content \w{16}\.\.\., here is"):
        check_states(read_kit(folder), bench.world.ledger)


@pytest.mark.req("REQ-GAT-003")
@pytest.mark.parametrize(
    ("moves", "builds", "facts", "has_ledger", "use", "reasons"),
    [
        (("investigational", "released"), (BUILD,), build(), True, "clinical", ()),
        (("investigational", "released"), (BUILD,), OTHER, True, "research", ("build_of_other_release",)),
        (("investigational", "released"), (), build(), True, "research", ("build_of_other_release",)),
        (("investigational", "released"), (BUILD,), build("unlocked"), True, "research", ("build_unlocked",)),
        (("investigational", "released"), (BUILD,), build("differs"), True, "research", ("build_differs",)),
        (("investigational", "released"), (BUILD,), build(), False, "research", ("no_ledger",)),
        (("investigational",), (), build(), True, "investigational", ("kit_investigational",)),
        (("investigational",), (BUILD,), OTHER, True, "research", ("build_of_other_release",)),
        (("retired",), (), build(), True, "research", ("kit_retired",)),
        ((), (), build(), True, "research", ("kit_development",)),
    ],
)  # fmt: skip
def test_what_a_run_may_serve_for(
    tmp_path: Path, moves: tuple[Any, ...], builds: tuple[str, ...], facts: BuildFacts, has_ledger: bool, use: str,
    reasons: tuple[str, ...],
) -> None:  # fmt: skip
    folder = states.copy_demo(tmp_path / "kits")
    kit = states.move(folder, states.manufacturer(), *moves, builds=builds) if moves else read_kit(folder)
    assert use_of(kit, facts, has_ledger) == (use, reasons)


@pytest.mark.req("REQ-GAT-004")
def test_a_start_is_recorded_once_with_all_that_it_rests_on(bench: Bench) -> None:
    bench.grant("instrument_unknown")
    facts = {"instrument": None}
    run = manifest(bench.kit, **facts).model_copy(update={"trace": bench.start(**facts).trace})
    for user in ("tech", "dir"):
        record_start(bench.authority(user), bench.kit, run)
    (entry,) = bench.world.ledger.entries(kind="run.started")
    found = json.loads(entry.new.model_dump_json())
    assert (entry.user, found["run"], found["run_id"]) == ("tech", run_key(run), RUN_ID)
    assert (found["kit"], found["kit_digest"], found["lot"]) == ("ctdna-demo@1.0.0", bench.kit.digest, "L1")
    assert (found["use"], found["build_digest"], found["samples"]) == ("clinical", BUILD, ["s1", "s2"])
    assert found["kit_statement"] == gates.statement_digest(bench.kit.statements[-1].statement)
    (used,) = bench.world.ledger.overrides(RUN_ID)
    assert used.used_by == run_key(run)
    assert bench.world.ledger.verify() == ()


def test_an_override_that_another_run_took_meanwhile_stops_the_start(bench: Bench) -> None:
    override_id = bench.grant("instrument_unknown")
    run = manifest(bench.kit, instrument=None).model_copy(update={"trace": bench.start(instrument=None).trace})
    other = f"{RUN_ID}:{'0' * 16}"
    bench.world.ledger.use_override(bench.world.actor("tech"), override_id, "instrument_unknown", other)
    with pytest.raises(AuthorityError, match="was used by run"):
        record_start(bench.authority(), bench.kit, run)
    assert list(bench.world.ledger.entries(kind="run.started")) == []


@pytest.mark.parametrize("exception", [AuthorityError, CtdnaError])
def test_a_failed_gate_leaves_with_six(bench: Bench, exception: type[CtdnaError]) -> None:
    with pytest.raises(exception) as caught:
        bench.start(instrument=None)
    assert caught.value.exit_code == 6
