"""Accounts: log-in, lock-out, passwords, and what the ledger keeps of them."""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from argon2.low_level import Type, verify_secret

from ctdna.ledger.ledger import Ledger
from ctdna.model import ledger as model
from ctdna.model.errors import AuthorityError, InputError
from tests.ledger.world import QUICK, SITE, World, lot, make_world, password

REFUSED = "log-in: the user is unknown, the password wrong, or the account locked or disabled"


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> str:
        return self.now.isoformat(timespec="microseconds")

    def step(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)


def _fail(ledger: Ledger, user: str, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(AuthorityError, match=REFUSED):
            ledger.authenticate(user, "not the password")


def _state(ledger: Ledger, user: str) -> tuple[str, int]:
    account = ledger.user(user)
    assert account is not None
    return account.state, account.n_failed


def test_log_in(world: World) -> None:
    actor = world.ledger.authenticate("dir", password("dir"))
    assert actor == ("dir", ("director",), SITE)
    assert [entry for entry in world.ledger.entries() if entry.new.kind.startswith("login")] == []


@pytest.mark.req("REQ-LED-009")
def test_wrong_passwords_are_entries_and_a_right_one_ends_the_count(world: World) -> None:
    _fail(world.ledger, "tech", 2)
    assert _state(world.ledger, "tech") == ("active", 2)
    world.actor("tech")
    world.actor("tech")
    assert _state(world.ledger, "tech") == ("active", 0)
    noted = [entry for entry in world.ledger.entries() if entry.new.kind.startswith("login")]
    assert [(entry.user, entry.role, entry.new.kind) for entry in noted] == [
        ("tech", "system", "login.failed"),
        ("tech", "system", "login.failed"),
        ("tech", "system", "login.succeeded"),
    ]
    _fail(world.ledger, "tech", 2)
    assert _state(world.ledger, "tech") == ("active", 2)
    assert world.ledger.verify() == ()


@pytest.mark.req("REQ-LED-009")
def test_an_account_locks_for_everybody_until_its_time_has_passed(database: str) -> None:
    clock = Clock()
    world = make_world(QUICK, clock)
    tech = world.actor("tech")
    _fail(world.ledger, "tech", 3)
    assert _state(world.ledger, "tech") == ("locked", 3)
    with pytest.raises(AuthorityError, match=REFUSED):
        world.actor("tech")
    with pytest.raises(AuthorityError, match="tech: the account is locked; an administrator unlocks it"):
        world.ledger.record(tech, lot("L1"))
    clock.step(minutes=29.9)
    with pytest.raises(AuthorityError, match=REFUSED):
        world.actor("tech")
    clock.step(minutes=0.2)
    assert world.actor("tech").user == "tech"
    assert _state(world.ledger, "tech") == ("active", 0)
    assert world.ledger.verify() == ()


def test_a_wrong_password_after_the_lock_has_run_out_locks_again(home: Path) -> None:
    clock = Clock()
    world = make_world(QUICK, clock)
    _fail(world.ledger, "tech", 3)
    clock.step(minutes=31)
    _fail(world.ledger, "tech")
    clock.step(minutes=29)
    with pytest.raises(AuthorityError, match=REFUSED):
        world.actor("tech")


@pytest.mark.req("REQ-LED-009")
def test_a_clock_that_goes_back_keeps_the_lock(home: Path) -> None:
    clock = Clock()
    world = make_world(QUICK, clock)
    _fail(world.ledger, "tech", 3)
    clock.step(minutes=-60 * 24)
    with pytest.raises(AuthorityError, match=REFUSED):
        world.actor("tech")
    (note,) = world.ledger.verify()
    assert not note.is_fault
    assert "the clock went back from 2026-01-01" in note.what


def test_without_minutes_only_an_administrator_unlocks(database: str) -> None:
    clock = Clock()
    world = make_world(QUICK.model_copy(update={"lock_minutes": 0}), clock)
    _fail(world.ledger, "tech", 3)
    clock.step(minutes=60 * 24 * 365)
    with pytest.raises(AuthorityError, match=REFUSED):
        world.actor("tech")
    entry = world.ledger.change_user(world.actor("root"), "tech", "called in person", state="active")
    assert isinstance(entry.old, model.UserChanged)
    assert entry.old.state == "locked"
    assert world.actor("tech").user == "tech"


def test_tries_on_a_locked_account_change_nothing_and_tell_nothing(home: Path) -> None:
    world = make_world(QUICK, Clock())
    _fail(world.ledger, "tech", 3)
    with pytest.raises(AuthorityError) as right:
        world.actor("tech")
    with pytest.raises(AuthorityError) as wrong:
        world.ledger.authenticate("tech", "not the password")
    assert str(right.value) == str(wrong.value)
    assert _state(world.ledger, "tech") == ("locked", 3)
    last = [entry.new for entry in world.ledger.entries(kind="login.failed")][-2:]
    assert last == [model.LoginFailed(user="tech", n_failed=3, locks=False)] * 2


def test_an_unknown_name_is_noted_without_what_was_typed_and_costs_as_much(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def counted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            calls.append(name)
            return real(*args, **named)

        return call

    import argon2.low_level
    from argon2 import _password_hasher

    monkeypatch.setattr(_password_hasher, "hash_secret", counted("hash", argon2.low_level.hash_secret))
    monkeypatch.setattr(_password_hasher, "verify_secret", counted("hash", argon2.low_level.verify_secret))
    _fail(world.ledger, "hunter2 my password")
    unknown = len(calls)
    _fail(world.ledger, "tech")
    assert (unknown, len(calls)) == (1, 2)
    entries = list(world.ledger.entries(kind="login.failed"))
    assert [entry.user for entry in entries] == ["(unknown)", "tech"]
    assert "hunter2" not in "".join(entry.model_dump_json() for entry in world.ledger.entries())
    assert world.ledger.verify() == ()


def test_a_disabled_account_logs_in_no_more(world: World) -> None:
    world.ledger.change_user(world.actor("root"), "tech", "left", state="disabled")
    with pytest.raises(AuthorityError, match=REFUSED):
        world.actor("tech")
    world.ledger.change_user(world.actor("root"), "tech", "is back", state="active")
    assert world.actor("tech").roles == ("technician",)


@pytest.mark.req("REQ-LED-006")
def test_changes_of_an_account_keep_old_and_new(world: World) -> None:
    root = world.actor("root")
    entry = world.ledger.change_user(root, "tech", "new duties", roles=("reviewer", "technician"))
    assert isinstance(entry.old, model.UserChanged)
    assert isinstance(entry.new, model.UserChanged)
    assert (entry.old.roles, entry.new.roles) == (("technician",), ("technician", "reviewer"))
    assert entry.old.password_digest == entry.new.password_digest
    reset = world.ledger.change_user(root, "tech", "forgot it", password="quite another phrase")
    assert isinstance(reset.old, model.UserChanged)
    assert isinstance(reset.new, model.UserChanged)
    assert reset.old.password_digest != reset.new.password_digest
    assert world.ledger.authenticate("tech", "quite another phrase").roles == ("technician", "reviewer")
    with pytest.raises(AuthorityError, match=REFUSED):
        world.actor("tech")
    with pytest.raises(InputError, match="user nobody: is not in the ledger; see ctdna user list"):
        world.ledger.change_user(root, "nobody", "x", state="active")
    with pytest.raises(InputError, match="a change of it needs a reason"):
        world.ledger.change_user(root, "tech", " ", state="disabled")
    assert world.ledger.verify() == ()


@pytest.mark.parametrize("user", ["tech", "rev", "dir", "aud"])
def test_only_administrators_make_and_change_accounts(world: World, user: str) -> None:
    actor = world.actor(user)
    with pytest.raises(AuthorityError, match=f"{user}: has .*; entry user.added needs administrator"):
        world.ledger.add_user(actor, "eve", "Eve", ("director",), password("eve"))
    with pytest.raises(AuthorityError, match=f"{user}: has .*; entry user.changed needs administrator"):
        world.ledger.change_user(actor, user, "more rights", roles=("administrator",))
    assert world.ledger.user("eve") is None


@pytest.mark.parametrize("user", ["tech", "rev", "dir", "aud", "root"])
def test_everybody_changes_their_own_password_by_the_old_one(world: World, user: str) -> None:
    with pytest.raises(AuthorityError, match=REFUSED):
        world.ledger.change_password(user, "not the password", "a new long phrase")
    with pytest.raises(InputError, match="the new password is the old one"):
        world.ledger.change_password(user, password(user), password(user))
    entry = world.ledger.change_password(user, password(user), "a new long phrase")
    assert isinstance(entry.old, model.PasswordChanged)
    assert entry.old != entry.new
    assert world.ledger.authenticate(user, "a new long phrase").user == user
    with pytest.raises(AuthorityError, match=REFUSED):
        world.actor(user)
    assert world.ledger.verify() == ()


def test_the_last_administrator_stays(world: World) -> None:
    root = world.actor("root")
    with pytest.raises(InputError, match="user root: is the last administrator; give another person the role first"):
        world.ledger.change_user(root, "root", "x", roles=("auditor",))
    with pytest.raises(InputError, match="is the last administrator"):
        world.ledger.change_user(root, "root", "x", state="disabled")
    world.ledger.add_user(root, "ann", "Ann", ("administrator",), password("ann"))
    world.ledger.change_user(root, "root", "x", state="disabled")
    with pytest.raises(InputError, match="is the last administrator"):
        world.ledger.change_user(world.actor("ann"), "ann", "x", state="disabled")


@pytest.mark.parametrize(
    ("user", "phrase", "message"),
    [
        ("eve", "short", "the new password has 5 characters, needed are 12"),
        ("eve", "ababababababab", "the new password repeats itself or holds the user's name"),
        ("eve", "the password of Eve", "the new password repeats itself or holds the user's name"),
        ("Eve", "a new long phrase", "user Eve: is no name for an account; use small letters"),
        ("tech", "a new long phrase", "tech: is in the ledger's users already"),
    ],
)
def test_names_and_passwords_that_are_refused(world: World, user: str, phrase: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        world.ledger.add_user(world.actor("root"), user, "Eve", ("technician",), phrase)


def test_an_account_has_a_name_a_role_and_a_site_that_exists(world: World) -> None:
    root = world.actor("root")
    with pytest.raises(InputError, match="has no full name; signatures show it"):
        world.ledger.add_user(root, "eve", " ", ("technician",), "a new long phrase")
    with pytest.raises(InputError, match="found no role"):
        world.ledger.add_user(root, "eve", "Eve", (), "a new long phrase")
    with pytest.raises(InputError, match="south: is not in the ledger's sites"):
        world.ledger.add_user(root, "eve", "Eve", ("technician",), "a new long phrase", "south")


@pytest.mark.req("REQ-LED-008")
def test_passwords_are_kept_as_argon2id_at_the_cost_of_the_settings(home: Path) -> None:
    world = make_world(QUICK.model_copy(update={"argon2_passes": 2, "argon2_memory_kib": 32}))
    from ctdna.ledger import tables

    with world.ledger._database.reading() as connection:
        kept = {row.user: row.password_hash for row in connection.execute(tables.credentials.select())}
    assert set(kept) == {"root", "tech", "rev", "dir", "aud"}
    assert all(text.startswith("$argon2id$v=19$m=32,t=2,p=1$") for text in kept.values())
    assert len({text.split("$")[4] for text in kept.values()}) == 5  # a salt of its own each
    assert verify_secret(kept["tech"].encode(), password("tech").encode(), Type.ID)
    said = [entry.new for entry in world.ledger.entries()]
    last = [one for one in said if isinstance(one, (model.UserAdded, model.PasswordChanged))]
    assert {one.user: one.password_digest for one in last} == {
        user: hashlib.sha256(text.encode()).hexdigest() for user, text in kept.items()
    }


def test_settings_change_by_an_entry_and_hold_at_once(world: World) -> None:
    stricter = QUICK.model_copy(update={"max_failed_logins": 1, "min_password_length": 30})
    entry = world.ledger.record(world.actor("root"), stricter, why="policy 7")
    assert entry.old == QUICK
    assert world.ledger.settings() == stricter
    _fail(world.ledger, "tech")
    assert _state(world.ledger, "tech") == ("locked", 1)
    with pytest.raises(InputError, match="has 17 characters, needed are 30"):
        world.ledger.change_password("dir", password("dir"), "a new long phrase")


@pytest.mark.req("REQ-LED-008")
def test_no_password_is_in_any_file_of_the_home(world: World, home: Path) -> None:
    world.ledger.change_password("tech", password("tech"), "a new long phrase")
    _fail(world.ledger, "tech")
    content = b"".join(path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file())
    secrets = ["a new long phrase", "not the password", *(password(user) for user in ("tech", "dir", "root"))]
    assert [secret for secret in secrets if secret.encode() in content] == []


@pytest.mark.req("REQ-LED-008")
def test_the_database_is_readable_by_its_owner_only(home: Path) -> None:
    make_world()
    assert {path.name: path.stat().st_mode & 0o077 for path in home.glob("ledger.sqlite*")} == {"ledger.sqlite": 0}


def test_letters_that_were_composed_otherwise_are_the_same_password(world: World) -> None:
    world.ledger.change_password("tech", password("tech"), "un mot tr\u00e8s cach\u00e9")
    assert world.ledger.authenticate("tech", "un mot tre\u0300s cache\u0301").user == "tech"


def test_names_of_accounts_fit_one_pattern() -> None:
    assert re.match(model.USER_NAME, "ann.b-c_1")
    assert not re.match(model.USER_NAME, model.UNKNOWN_USER)
