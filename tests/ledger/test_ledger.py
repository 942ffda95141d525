"""The ledger as the rest of the program uses it: entries, rights, signatures, overrides."""

import json
from pathlib import Path

import pytest

from ctdna.formats.keys import new_key
from ctdna.ledger.current import subject_of
from ctdna.ledger.ledger import Ledger
from ctdna.ledger.open import has_ledger, init_ledger, join_ledger, open_ledger
from ctdna.ledger.records import Actor
from ctdna.model import ledger as model
from ctdna.model.errors import AuthorityError, DefinitionError, InputError
from tests.ledger.world import (
    QUICK,
    RUN,
    RUN_ID,
    SITE,
    World,
    digest,
    evidence,
    exported,
    kit_moved,
    lot,
    password,
    result,
    run_started,
)

PERSON = {"technician": "tech", "reviewer": "rev", "director": "dir", "administrator": "root", "auditor": "aud"}


@pytest.mark.req("REQ-LED-001")
def test_a_days_work_is_in_the_ledger_and_verifies(world: World) -> None:
    world.work()
    ledger = open_ledger()
    assert ledger.verify() == ()
    entries = list(ledger.entries())
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert (ledger.head().sequence, ledger.head().digest) == (len(entries), entries[-1].digest)
    untouched = {"user.changed", "login.failed", "login.succeeded"}
    assert {entry.new.kind for entry in entries} == set(model.RIGHTS) - untouched
    assert [entry.subject for entry in entries] == [subject_of(entry.new) for entry in entries]
    assert {entry.site for entry in entries} == {SITE}
    assert all(entry.at.endswith("+00:00") for entry in entries)


def test_what_the_entries_add_up_to(world: World) -> None:
    world.work()
    ledger = open_ledger()
    assert [(one.site, one.name, one.key_id) for one in ledger.sites()] == [
        (SITE, "Northern Laboratory", world.key.public.key_id)
    ]
    instrument = ledger.instrument("A00001")
    assert instrument is not None
    assert instrument.model == "NovaSeq 6000"
    assert ledger.instruments() == (instrument,)
    assert ledger.instrument("A00002") is None
    known = ledger.lot("L1", "ctdna-demo@1.0.0")
    assert known is not None
    assert (known.kit, known.expires) == ("ctdna-demo@1.0.0", "2030-12-31")
    assert ledger.lots() == (known,)
    kit = ledger.kit("ctdna-demo@1.0.0")
    assert kit is not None
    assert kit.state == "investigational"
    (run,) = ledger.runs()
    assert ledger.run(RUN) == run
    assert (run.operator, run.verdict, run.bundle_digest) == ("tech", "pass", digest("c"))
    assert ledger.samples(RUN) == ("s1", "s2")
    first, second = ledger.results(RUN, "s1")
    assert (first.n_reviewed, first.approved_by, first.why) == (1, "dir", "")
    assert (second.n_reviewed, second.approved_by, second.why) == (0, None, "typing error in the name of the tube")
    signed = ledger.signatures(RUN, "s1", 1)
    assert [(one.user, one.full_name, one.meaning, one.digest) for one in signed] == [
        ("rev", "Rev Person", "reviewed", digest("b")),
        ("dir", "Dir Person", "approved", digest("b")),
    ]
    assert ledger.signatures(RUN, "s1", 2) == ()
    (override,) = ledger.overrides(RUN_ID, "lot_expired")
    assert (override.user, override.why, override.used_by) == ("dir", "last samples of a patient", RUN)
    assert ledger.overrides("another run") == ()
    (found,) = ledger.evidence("ctdna-demo@1.0.0")
    assert json.loads(found.data) == {"lod.tsv": digest("3")}
    assert ledger.evidence("ctdna-demo@9.0.0") == ()
    assert [one.user for one in ledger.users()] == ["aud", "dir", "rev", "root", "tech"]
    assert ledger.user("nobody") is None


def test_entries_by_kind_subject_and_place(world: World) -> None:
    world.work()
    ledger = world.ledger
    assert [entry.user for entry in ledger.entries(kind="result.signed")] == ["rev", "dir"]
    assert {entry.new.kind for entry in ledger.entries(subject=f"result {RUN}/s2")} == {"result.made"}
    last = ledger.head().sequence
    assert [entry.sequence for entry in ledger.entries(after=last - 2)] == [last - 1, last]


def _acts(world: World) -> dict[str, model.Payload]:
    """Return one entry of each kind that `record` takes, possible after the day's work."""
    granted = world.ledger.grant_override(world.actor("dir"), "lot_unknown", RUN_ID, "new delivery")
    world.ledger.record(world.actor("tech"), run_started("R2:0000000000000000"))
    other = "R3:0000000000000000"
    return {
        "site.added": model.SiteAdded(site="south-lab", name="S", key_id="0" * 16),
        "ledger.settings": QUICK.model_copy(update={"lock_minutes": 5}),
        "instrument.added": model.InstrumentAdded(serial="B1", model="MiSeq", site=SITE),
        "lot.added": lot("L2"),
        "kit.moved": kit_moved("investigational", "released"),
        "run.started": run_started(other),
        "run.finished": model.RunFinished(run="R2:0000000000000000", bundle_digest=digest("0"), verdict="fail"),
        "result.made": result("s2", version=2),
        "override.granted": model.OverrideGranted(override_id="x1", gate="kit_retired", run_id="R3"),
        "override.used": model.OverrideUsed(override_id=granted, run=RUN),
        "evidence.added": evidence("E2"),
        "evidence.carried": model.EvidenceCarried(
            evidence_id="E1", kit="ctdna-demo@1.2.0", kit_digest=digest("e"), stage="validation", rule="R1 of 1.0"
        ),
        "bundle.exported": exported(),
    }


@pytest.mark.req("REQ-LED-007")
@pytest.mark.parametrize("role", PERSON)
def test_each_role_makes_the_entries_of_its_rights_and_no_others(world: World, role: str) -> None:
    world.work()
    actor = world.actor(PERSON[role])
    acts = _acts(world)
    for kind, payload in acts.items():
        before = world.ledger.head()
        if role in model.RIGHTS[kind]:
            assert world.ledger.record(actor, payload, why="for the test").role == role
        else:
            with pytest.raises(AuthorityError, match=rf"has {role}; entry {kind} needs"):
                world.ledger.record(actor, payload, why="for the test")
            assert world.ledger.head() == before
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-LED-007")
def test_every_kind_of_entry_has_rights_and_a_test_of_them(world: World) -> None:
    world.work()
    own = {"user.added", "user.changed", "password.changed", "login.failed", "login.succeeded", "result.signed"}
    assert set(_acts(world)) | own == set(model.RIGHTS)


@pytest.mark.parametrize(
    "payload",
    [
        model.UserAdded(user="eve", full_name="E", roles=("director",), site=SITE, password_digest=digest("0")),
        model.UserChanged(user="aud", roles=("director",), password_digest=digest("0"), state="active"),
        model.PasswordChanged(user="root", password_digest=digest("0")),
        model.LoginFailed(user="dir", n_failed=9, locks=True),
        model.LoginSucceeded(user="root"),
        model.ResultSigned(run=RUN, sample="s1", version=1, digest=digest("b"), meaning="approved"),
    ],
    ids=lambda payload: payload.kind,
)
def test_what_has_a_method_of_its_own_cannot_be_recorded(world: World, payload: model.Payload) -> None:
    for user in PERSON.values():
        with pytest.raises(
            AuthorityError, match=r"are not recorded directly; use (add_user|change_|authenticate|sign_)"
        ):
            world.ledger.record(world.actor(user), payload, why="a try")


@pytest.mark.req("REQ-LED-007")
def test_the_roles_of_the_ledger_count_not_those_that_an_actor_claims(world: World) -> None:
    claimed = Actor("tech", ("director", "administrator"), SITE)
    with pytest.raises(AuthorityError, match=r"tech: has technician; entry kit\.moved needs director"):
        world.ledger.record(claimed, kit_moved(None, "released"))
    with pytest.raises(AuthorityError, match="nobody: has no role"):
        world.ledger.record(Actor("nobody", ("director",), SITE), kit_moved(None, "released"))


@pytest.mark.req("REQ-LED-007")
def test_a_role_that_was_taken_away_gives_no_right_to_who_is_logged_in_still(world: World) -> None:
    director = world.actor("dir")
    world.ledger.change_user(world.actor("root"), "dir", "left the laboratory", roles=("auditor",))
    with pytest.raises(AuthorityError, match="dir: has auditor"):
        world.ledger.record(director, kit_moved(None, "released"))
    tech = world.actor("tech")
    world.ledger.change_user(world.actor("root"), "tech", "left", state="disabled")
    with pytest.raises(AuthorityError, match="tech: the account is disabled"):
        world.ledger.record(tech, lot("L1"))


@pytest.mark.req("REQ-LED-007")
def test_people_of_another_site_do_nothing_here(world: World) -> None:
    root = world.actor("root")
    world.ledger.record(root, model.SiteAdded(site="south-lab", name="S", key_id="0" * 16))
    world.ledger.add_user(root, "ann", "Ann South", ("technician",), password("ann"), "south-lab")
    with pytest.raises(AuthorityError, match="ann: is of site south-lab, this is site north-lab"):
        world.ledger.record(world.actor("ann"), lot("L1"))


def _made(world: World) -> None:
    world.ledger.record(world.actor("tech"), run_started())
    world.ledger.record(world.actor("tech"), result())


@pytest.mark.req("REQ-LED-011")
def test_a_result_is_approved_by_another_person_than_reviewed_it(world: World) -> None:
    _made(world)
    with pytest.raises(AuthorityError, match="was not reviewed by a person other than dir; another person reviews"):
        world.sign("dir", "approved")
    world.sign("dir", "reviewed")
    with pytest.raises(AuthorityError, match="was not reviewed by a person other than dir"):
        world.sign("dir", "approved")
    world.sign("rev", "reviewed")
    world.sign("dir", "approved")
    with pytest.raises(InputError, match="version 1 is approved already, by dir; amend it"):
        world.sign("rev", "reviewed")
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-LED-011")
@pytest.mark.parametrize("user", ["tech", "rev", "root", "aud"])
def test_only_a_director_approves(world: World, user: str) -> None:
    _made(world)
    world.sign("dir", "reviewed")
    with pytest.raises(AuthorityError, match=f"{user}: has .*; signing as approved needs director"):
        world.sign(user, "approved")


@pytest.mark.parametrize("user", ["tech", "root", "aud"])
def test_reviewers_and_directors_review(world: World, user: str) -> None:
    _made(world)
    with pytest.raises(AuthorityError, match=f"{user}: has .*; signing as reviewed needs reviewer or director"):
        world.sign(user, "reviewed")


@pytest.mark.req("REQ-LED-011")
def test_each_signature_needs_the_password(world: World) -> None:
    _made(world)
    with pytest.raises(AuthorityError, match="log-in: the user is unknown, the password wrong"):
        world.ledger.sign_result(
            "rev", password("dir"), run=RUN, sample="s1", version=1, digest=digest("b"), meaning="reviewed"
        )
    assert world.ledger.signatures(RUN, "s1", 1) == ()


GIVEN = "a phrase that is given"


def _sign_by(world: World, user: str, phrase: str, meaning: model.Meaning = "reviewed") -> model.Entry:
    return world.ledger.sign_result(user, phrase, run=RUN, sample="s1", version=1, digest=digest("b"), meaning=meaning)


@pytest.mark.req("REQ-SGN-009")
def test_who_was_just_given_an_account_signs_after_changing_the_password(world: World) -> None:
    _made(world)
    world.ledger.add_user(world.actor("root"), "eve", "Eve New", ("director",), GIVEN)
    before = world.ledger.head()
    told = "eve: the password was set by root, and a signature needs one that eve alone knows; eve changes it first, by"
    with pytest.raises(AuthorityError, match=f"{told} ctdna user password") as refused:
        _sign_by(world, "eve", GIVEN)
    assert refused.value.exit_code == 6
    assert world.ledger.head() == before
    world.ledger.change_password("eve", GIVEN, "a phrase of my own")
    assert _sign_by(world, "eve", "a phrase of my own").user == "eve"
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-SGN-009")
def test_a_password_that_an_administrator_sets_later_signs_nothing(world: World) -> None:
    _made(world)
    root = world.actor("root")
    world.sign("rev", "reviewed")
    world.ledger.change_user(root, "dir", "forgot it", password=GIVEN)
    with pytest.raises(AuthorityError, match="dir: the password was set by root"):
        _sign_by(world, "dir", GIVEN, "approved")
    world.ledger.change_user(root, "dir", "other duties", roles=("reviewer", "director"))
    with pytest.raises(AuthorityError, match="dir: the password was set by root"):
        _sign_by(world, "dir", GIVEN, "approved")
    world.ledger.change_password("dir", GIVEN, password("dir"))
    world.ledger.change_user(root, "dir", "other duties", roles=("director",))
    world.sign("dir", "approved")
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-SGN-009")
def test_the_first_administrator_and_one_who_changes_their_own_account_have_their_own_password(world: World) -> None:
    _made(world)
    root = world.actor("root")
    world.ledger.change_user(root, "root", "both offices in a small laboratory", roles=("director", "administrator"))
    _sign_by(world, "root", password("root"))
    world.ledger.change_user(root, "root", "on a new machine", password=GIVEN)
    assert [one.user for one in world.ledger.users() if one.password_by == one.user] == ["dir", "rev", "root"]
    world.sign("dir", "approved")
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-SGN-009")
def test_with_a_given_password_everything_but_signing_is_done(world: World) -> None:
    world.ledger.add_user(world.actor("root"), "eve", "Eve New", ("technician", "reviewer", "director"), GIVEN)
    eve = world.ledger.authenticate("eve", GIVEN)
    acts = (kit_moved(None, "investigational"), lot("L1"), run_started(), result(), evidence(), exported())
    assert {world.ledger.record(eve, act).user for act in acts} == {"eve"}
    assert world.ledger.grant_override(eve, "lot_expired", RUN_ID, "because")
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-SGN-009")
def test_a_password_that_is_changed_while_it_signs_signs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gave a password waits with it until the person has made the account their own."""
    _made(world)
    world.ledger.change_user(world.actor("root"), "rev", "forgot it", password=GIVEN)
    real = Ledger.authenticate

    def slow(ledger: Ledger, user: str, phrase: str) -> Actor:
        actor = real(ledger, user, phrase)
        monkeypatch.setattr(Ledger, "authenticate", real)
        open_ledger().change_password("rev", GIVEN, password("rev"))
        return actor

    monkeypatch.setattr(Ledger, "authenticate", slow)
    with pytest.raises(AuthorityError, match="log-in: the user is unknown, the password wrong"):
        _sign_by(world, "rev", GIVEN)
    assert world.ledger.signatures(RUN, "s1", 1) == ()
    world.sign("rev", "reviewed")


@pytest.mark.req("REQ-LED-012")
def test_a_signature_serves_no_other_digest_version_or_sample(world: World) -> None:
    _made(world)
    world.sign("rev", "reviewed")
    with pytest.raises(InputError, match="is in the ledger's signatures already"):
        world.sign("rev", "reviewed")
    with pytest.raises(InputError, match=f"found digest {digest('9')}, the result in the ledger has {digest('b')}"):
        world.sign("dir", "approved", of="9")
    with pytest.raises(InputError, match="s2 1: is not in the ledger's results"):
        world.sign("dir", "approved", sample="s2")
    world.ledger.record(world.actor("tech"), result("s1", version=2, of="d"), why="other tumour type")
    with pytest.raises(InputError, match="version 1 was replaced by version 2; sign the latest"):
        world.sign("dir", "approved")
    with pytest.raises(AuthorityError, match="version 2 was not reviewed by a person other than dir"):
        world.sign("dir", "approved", version=2, of="d")


@pytest.mark.req("REQ-LED-010")
def test_results_are_amended_in_order_and_with_a_reason(world: World) -> None:
    _made(world)
    tech = world.actor("tech")
    with pytest.raises(InputError, match="found version 1, the next one is 2"):
        world.ledger.record(tech, result(), why="again")
    with pytest.raises(InputError, match="amends a result without saying why"):
        world.ledger.record(tech, result(version=2))
    with pytest.raises(InputError, match="s9: is not in the ledger's samples"):
        world.ledger.record(tech, result("s9"))


def test_an_override_lets_one_run_pass_one_gate_once(world: World) -> None:
    tech, director = world.actor("tech"), world.actor("dir")
    with pytest.raises(InputError, match="an override needs a reason"):
        world.ledger.grant_override(director, "lot_expired", RUN_ID, " ")
    with pytest.raises(AuthorityError, match=r"tech: has technician; entry override\.granted needs director"):
        world.ledger.grant_override(tech, "lot_expired", RUN_ID, "because")
    granted = world.ledger.grant_override(director, "lot_expired", RUN_ID, "because")
    with pytest.raises(AuthorityError, match="holds at gate lot_expired, not at kit_retired"):
        world.ledger.use_override(tech, granted, "kit_retired", RUN)
    with pytest.raises(AuthorityError, match=f"holds for run {RUN_ID}, not for {RUN_ID}2:"):
        world.ledger.use_override(tech, granted, "lot_expired", f"{RUN_ID}2:0123456789abcdef")
    with pytest.raises(InputError, match="none: is not in the ledger's overrides"):
        world.ledger.use_override(tech, "none", "lot_expired", RUN)
    world.ledger.use_override(tech, granted, "lot_expired", RUN)
    with pytest.raises(AuthorityError, match=f"was used by run {RUN}; each holds once"):
        world.ledger.use_override(tech, granted, "lot_expired", RUN)


@pytest.mark.req("REQ-LED-006")
def test_what_is_there_is_changed_with_a_reason_and_keeps_its_old_value(world: World) -> None:
    tech = world.actor("tech")
    world.ledger.record(tech, lot("L1"))
    with pytest.raises(InputError, match="lot L1: is in the ledger already; a change of it needs a reason"):
        world.ledger.record(tech, lot("L1", "2031-12-31"))
    entry = world.ledger.record(tech, lot("L1", "2031-12-31"), why="stability study extends it")
    assert entry.old == lot("L1")
    with pytest.raises(InputError, match="is in the ledger with other values than this change starts from"):
        world.ledger.record(tech, lot("L1", "2032-12-31"), why="again", old=lot("L1"))
    with pytest.raises(InputError, match="lot L7: is not in the ledger"):
        world.ledger.record(tech, lot("L7"), why="again", old=lot("L7"))


@pytest.mark.req("REQ-LOT-004")
def test_a_lot_stands_in_the_ledger_once_for_each_kit_version(world: World) -> None:
    tech, other = world.actor("tech"), "ctdna-demo@1.1.0"
    world.ledger.record(tech, lot("L1"))
    entry = world.ledger.record(tech, lot("L1", "2029-06-30", other))
    assert (entry.subject, entry.old) == ("lot L1", None)
    with pytest.raises(InputError, match="lot L1: is in the ledger already; a change of it needs a reason"):
        world.ledger.record(tech, lot("L1", "2031-12-31", other))
    assert [(one.lot, one.kit, one.expires) for one in world.ledger.lots()] == [
        ("L1", "ctdna-demo@1.0.0", "2030-12-31"), ("L1", other, "2029-06-30"),
    ]  # fmt: skip
    assert world.ledger.lot("L1", other) == world.ledger.lots()[1]
    assert world.ledger.lot("L1", "ctdna-demo@1.2.0") is None
    assert world.ledger.verify() == ()


def test_runs_and_kits_follow_from_what_is_there(world: World) -> None:
    tech, director = world.actor("tech"), world.actor("dir")
    world.ledger.record(tech, run_started())
    with pytest.raises(InputError, match="is in the ledger's runs already"):
        world.ledger.record(tech, run_started())
    with pytest.raises(InputError, match="names a sample twice"):
        world.ledger.record(tech, run_started("R9:00").model_copy(update={"samples": ("a", "a")}))
    end = model.RunFinished(run=RUN, bundle_digest=digest("0"), verdict="pass")
    world.ledger.record(tech, end)
    with pytest.raises(InputError, match="is finished already; a further end needs a reason"):
        world.ledger.record(tech, end)
    assert world.ledger.record(tech, end, why="amended").why == "amended"
    with pytest.raises(InputError, match="moves from investigational, but the ledger does not know the kit"):
        world.ledger.record(director, kit_moved("investigational", "released"))
    world.ledger.record(director, kit_moved("development", "investigational"))
    with pytest.raises(InputError, match="moves from None, but in the ledger its state is investigational"):
        world.ledger.record(director, kit_moved(None, "released"))
    other = kit_moved("investigational", "released").model_copy(update={"kit_digest": digest("9")})
    with pytest.raises(InputError, match=f"found digest {digest('9')}, in the ledger is {digest('a')}"):
        world.ledger.record(director, other)
    with pytest.raises(InputError, match="south: is not in the ledger's sites"):
        world.ledger.record(world.actor("root"), model.InstrumentAdded(serial="B", model="M", site="south"))
    carried = model.EvidenceCarried(evidence_id="E9", kit="k@1", kit_digest=digest("0"), stage="validation", rule="r")
    with pytest.raises(InputError, match="E9: is not in the ledger's evidence"):
        world.ledger.record(director, carried)


def test_a_ledger_is_made_once(world: World) -> None:
    site = model.SiteAdded(site="x", name="X", key_id=world.key.public.key_id)
    assert has_ledger()
    with pytest.raises(InputError, match="this machine has a ledger already"):
        init_ledger(site, world.key, "eve", "Eve", password("eve"), QUICK)


def test_no_ledger(database: str, home: Path) -> None:
    assert not has_ledger()
    with pytest.raises(InputError, match="there is no ledger; make one by ctdna ledger init"):
        open_ledger()
    assert not home.exists()


def test_a_second_machine_joins_by_the_sites_key(
    world: World, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = world.ledger._database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("CTDNA_LEDGER", url)
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "second"))
    other = new_key("other", None)
    with pytest.raises(InputError, match="this machine has no ledger; make one by ctdna ledger init, or join one"):
        open_ledger().record(world.actor("tech"), lot("L1"))
    site = model.SiteAdded(site="x", name="X", key_id=other.public.key_id)
    with pytest.raises(InputError, match="there is a ledger already; join it"):
        init_ledger(site, other, "eve", "Eve Adams", password("eve"), QUICK)
    with pytest.raises(InputError, match=f"other: is key {other.public.key_id}, the site's is"):
        join_ledger(SITE, other)
    with pytest.raises(InputError, match="does not know site south"):
        join_ledger("south", other)
    with pytest.raises(InputError, match="the site's key is not among this machine's own"):
        join_ledger(SITE, world.key)
    for name in ("north-key.key", "north-key.pub"):
        (tmp_path / "second" / "keys" / name).write_bytes((home / "keys" / name).read_bytes())
    joined = join_ledger(SITE, world.key)
    joined.record(joined.authenticate("tech", password("tech")), lot("L1"))
    assert joined.verify() == ()
    monkeypatch.setenv("CTDNA_HOME", str(home))
    assert open_ledger().verify() == ()
    world.ledger.record(world.actor("tech"), lot("L2"))
    assert open_ledger().verify() == ()


def test_a_sites_key_is_replaced_by_an_entry_that_the_old_one_signs(world: World, home: Path) -> None:
    successor = new_key("north-key-2", None)
    changed = model.SiteAdded(site=SITE, name="Northern Laboratory", key_id=successor.public.key_id)
    world.ledger.record(world.actor("root"), changed, why="the old key's machine is retired")
    tech = world.actor("tech")
    with pytest.raises(InputError, match=f"the ledger knows key {successor.public.key_id} of site north-lab"):
        world.ledger.record(tech, lot("L1"))
    join_ledger(SITE, successor)
    entry = world.ledger.record(tech, lot("L1"))
    assert entry.signature.key_id == successor.public.key_id
    assert world.ledger.verify() == ()


def test_the_address_of_a_ledger(home: Path) -> None:
    with pytest.raises(InputError, match=r"CTDNA_LEDGER: found mysql without a place; use sqlite:////PATH or postgres"):
        open_ledger("mysql://host/x")
    with pytest.raises(InputError, match="CTDNA_LEDGER: is no address of a database"):
        open_ledger("nonsense")
    with pytest.raises(InputError, match=r"CTDNA_LEDGER: no driver for sqlite\+none"):
        open_ledger("sqlite+none:///x")
    with pytest.raises(InputError, match=r"the server db\.lab is reached by a network, and nothing shows that it is"):
        open_ledger("postgresql://ctdna:secret@db.lab/ctdna")
    home.mkdir()
    (home / "text").write_text("this is a text, long enough to be no database at all, by any chance" * 20)
    with pytest.raises(DefinitionError, match="the database is damaged: file is not a database; restore it"):
        open_ledger(f"sqlite:///{home}/text")
