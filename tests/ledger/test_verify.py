"""Attacks on a ledger, each of which `verify` must find: edited rows, cut and forged chains, exchanged databases."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ctdna.formats.keys import PrivateKey, new_key, read_private_key, trust
from ctdna.ledger.chain import FIRST_PREVIOUS, canonical, entry_of, row_of, sealed
from ctdna.ledger.local import anchor_path, read_anchor
from ctdna.ledger.open import open_ledger
from ctdna.ledger.replay import Problem
from ctdna.ledger.state import KEYS
from ctdna.model import ledger as model
from ctdna.model.errors import CtdnaError, DefinitionError
from ctdna.model.ledger import Entry, EntryBody
from tests.ledger.conftest import folder_in_memory
from tests.ledger.world import QUICK, RUN, SITE, World, digest, lot, make_world, password

GUARDS = ("entries_no_update", "entries_no_delete", "entries_no_gaps")
TABLES = ("entries", "credentials", "alembic_version", *KEYS)


@pytest.fixture(scope="module")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a home whose ledger has rows in every table; it is CTDNA_HOME for this module."""
    with folder_in_memory(tmp_path_factory.mktemp("full")) as place, pytest.MonkeyPatch.context() as patch:
        folder = place / "home"
        patch.setenv("CTDNA_HOME", str(folder))
        patch.delenv("CTDNA_LEDGER", raising=False)
        world = make_world()
        world.work()
        with pytest.raises(CtdnaError):
            world.ledger.authenticate("aud", "not the password")
        yield folder


@pytest.fixture
def attacked(full_home: Path, quick_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the full home, which is CTDNA_HOME of this test: to be attacked."""
    folder = quick_folder / "home"
    shutil.copytree(full_home, folder)
    monkeypatch.setenv("CTDNA_HOME", str(folder))
    return folder


def _edit(database: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    """Change a database behind the ledger's back, and put its guards back as they were."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        guards = connection.execute(query).fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement, values)
        for _, text in guards:
            connection.execute(text)


def _faults() -> list[str]:
    """Return the faults of the ledger; one that cannot be opened or read is one."""
    try:
        return [str(problem) for problem in open_ledger().verify() if problem.is_fault]
    except CtdnaError as error:
        return [str(error)]


@pytest.mark.req("REQ-LED-001")
def test_the_full_ledger_has_no_fault_and_rows_in_every_table(full_home: Path) -> None:
    assert _faults() == []
    with closing(sqlite3.connect(full_home / "ledger.sqlite")) as connection:
        rows = {table: connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] for table in TABLES}
        others = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert min(rows.values()) > 0
    assert {name for (name,) in others} == set(TABLES)


@pytest.mark.req("REQ-LED-002")
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (
            "UPDATE user_roles SET role = 'director' WHERE user = 'tech'",
            "table user_roles, user tech, role director: no entry has made this row",
        ),
        (
            "UPDATE results SET verdict = 'fail' WHERE sample = 's2'",
            f"table results, run {RUN}, sample s2, version 1: column verdict: found 'fail', expected 'pass'",
        ),
        (
            "UPDATE lots SET expires = '2035-12-31'",
            "table lots, lot L1, kit ctdna-demo@1.0.0: column expires: found '2035-12-31', expected '2030-12-31'",
        ),
        ("DELETE FROM signatures WHERE user = 'rev'", "user rev: the row is missing"),
        (
            "UPDATE users SET password_by = 'tech' WHERE user = 'tech'",
            "table users, user tech: column password_by: found 'tech', expected 'root'",
        ),
        ("UPDATE users SET n_failed = 0", "table users, user aud: column n_failed: found 0, expected 1"),
        ("UPDATE overrides SET used_by = NULL", f"column used_by: found None, expected '{RUN}'"),
        ("UPDATE entries SET at = '2020' WHERE sequence = 9", "entry 9: digest: found "),
        ("UPDATE entries SET why = 'x' WHERE sequence = 9", "entry 9: digest: found "),
        ("UPDATE entries SET new_payload = replace(new_payload, ':', ': ') WHERE sequence = 9", "column new_payload"),
        ("UPDATE entries SET kind = 'x' WHERE sequence = 9", "entry 9: is not well formed: kind is x"),
        ("UPDATE entries SET sequence = 900 WHERE sequence = 9", "entry 10: found where entry 9 is due"),
        ("DELETE FROM entries WHERE sequence = 9", "entry 10: found where entry 9 is due"),
        ("DELETE FROM credentials WHERE user = 'dir'", "table credentials, user dir: the row is missing"),
        ("UPDATE credentials SET user = 'x' WHERE user = 'dir'", "table credentials, user x: no entry has made this"),
        ("UPDATE alembic_version SET version_num = '0001'", "found version 0001, known is 0002"),
        ("UPDATE alembic_version SET version_num = '0009'", "found version 0009, known is 0002; use the ctdna"),
        ("DELETE FROM alembic_version", "found version None"),
        ("INSERT INTO alembic_version VALUES ('0001')", "alembic_version"),
        ("CREATE TABLE more (a)", "database: table more is not the ledger's"),
        ("DROP TABLE exports", "exports"),
    ],
)
def test_an_edited_database_is_found_and_the_place_is_named(attacked: Path, statement: str, fault: str) -> None:
    _edit(attacked / "ledger.sqlite", statement)
    assert [line for line in _faults() if fault in line] != []


def test_a_password_that_was_exchanged_in_the_database_opens_nothing(attacked: Path) -> None:
    _edit(
        attacked / "ledger.sqlite",
        "UPDATE credentials SET password_hash = (SELECT password_hash FROM credentials WHERE user = 'tech') "
        "WHERE user = 'dir'",
    )
    with pytest.raises(DefinitionError, match="user dir: the password was exchanged in the database"):
        open_ledger().authenticate("dir", password("tech"))
    assert [line for line in _faults() if "table credentials, user dir: column password_hash" in line] != []


@pytest.mark.req("REQ-LED-005")
@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_is_missing_or_changed_is_found(attacked: Path, guard: str) -> None:
    with closing(sqlite3.connect(attacked / "ledger.sqlite", isolation_level=None)) as connection:
        (text,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (guard,)).fetchone()
        connection.execute(f"DROP TRIGGER {guard}")
        assert _faults() == [f"database: trigger {guard} is missing"]
        connection.execute(text.replace("BEGIN", "WHEN 0 BEGIN") if "WHEN" not in text else text.replace("1", "2"))
    assert [line for line in _faults() if f"trigger {guard} was changed" in line] != []


@pytest.mark.req("REQ-LED-005")
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE entries SET why = 'x' WHERE sequence = 3", "entries of the ledger are never changed"),
        ("DELETE FROM entries WHERE sequence = 3", "entries of the ledger are never changed"),
        ("DELETE FROM entries", "entries of the ledger are never changed"),
        ("INSERT INTO entries SELECT * FROM entries WHERE sequence = 3", "entries of the ledger have no gaps"),
        ("REPLACE INTO entries SELECT * FROM entries WHERE sequence = 3", "entries of the ledger have no gaps"),
    ],
)
def test_the_database_itself_refuses_changes_of_entries(attacked: Path, statement: str, told: str) -> None:
    with (
        closing(sqlite3.connect(attacked / "ledger.sqlite")) as connection,
        pytest.raises(sqlite3.IntegrityError, match=told),
    ):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE entries SET why = 'x' WHERE sequence = (SELECT MAX(sequence) FROM entries)", "was changed after it"),
        ("UPDATE entries SET kind = 'x' WHERE sequence = (SELECT MAX(sequence) FROM entries)", "is not well formed"),
        (
            "UPDATE entries SET digest = previous WHERE sequence = (SELECT MAX(sequence) FROM entries)",
            "that this machine has seen: it was cut or exchanged",
        ),
    ],
)
def test_nothing_is_written_after_an_entry_that_was_changed(attacked: Path, statement: str, told: str) -> None:
    ledger = open_ledger()
    tech = ledger.authenticate("tech", password("tech"))
    _edit(attacked / "ledger.sqlite", statement)
    with pytest.raises(DefinitionError, match=f"{told}.*run ctdna ledger verify"):
        ledger.record(tech, lot("L9"))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE settings SET max_failed_logins = 0", "table settings: is missing or not well formed"),
        ("DELETE FROM settings", "table settings: is missing or not well formed"),
        ("UPDATE users SET password_digest = CAST(x'ff' AS TEXT) WHERE user = 'tech'", "the database is damaged"),
        ("UPDATE users SET password_digest = 'x' WHERE user = 'tech'", "user tech: the password was exchanged"),
    ],
)
def test_nobody_logs_in_by_what_was_edited(attacked: Path, statement: str, told: str) -> None:
    _edit(attacked / "ledger.sqlite", statement)
    with pytest.raises(DefinitionError, match=told):
        open_ledger().authenticate("tech", password("tech"))


@pytest.mark.parametrize("kind", ["lot.added", "user.added"])
def test_entries_that_are_not_well_formed_are_not_passed_over(attacked: Path, kind: str) -> None:
    _edit(attacked / "ledger.sqlite", f"UPDATE entries SET new_payload = '{{}}' WHERE kind = '{kind}'")
    with pytest.raises(DefinitionError, match=r"entry \d+: is not well formed; run ctdna ledger verify"):
        list(open_ledger().entries(kind=kind))


_CHANGES = ("replace", "insert", "delete", "swap", "empty", "null", "drop row")


def _changed_text(value: str, how: str, at: int, letter: str) -> str | None:
    place = at % max(len(value), 1)
    forms = {
        "replace": value[:place] + letter + value[place + 1 :],
        "insert": value[:place] + letter + value[place:],
        "delete": value[:place] + value[place + 1 :],
        "swap": value.swapcase(),
        "empty": "",
    }
    return forms.get(how)


def _change_row(path: Path, table: str, which: int, how: str, at: int, letter: str) -> bool:
    """Change a field of a row, or drop the row; return whether the database took it and now holds something else."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for name in GUARDS:
            guard = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
            connection.execute(f"DROP TRIGGER {name}")
            assert guard
        cursor = connection.execute(f"SELECT rowid, * FROM {table} ORDER BY rowid")
        columns, rows = [item[0] for item in cursor.description], cursor.fetchall()
        row = rows[which % len(rows)]
        index = 1 + which // len(rows) % (len(columns) - 1)
        before = row[index]
        try:
            if how == "drop row":
                connection.execute(f"DELETE FROM {table} WHERE rowid = ?", row[:1])
                return True
            after = before + 1 if isinstance(before, int) else _changed_text(before or "", how, at, letter)
            connection.execute(f'UPDATE {table} SET "{columns[index]}" = ? WHERE rowid = ?', (after, row[0]))
        except sqlite3.IntegrityError:
            return False
        return after != before


@pytest.mark.req("REQ-LED-002")
@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=30)
@given(
    which=st.integers(0, 10_000),
    how=st.sampled_from(_CHANGES),
    at=st.integers(0, 500),
    letter=st.characters(codec="utf-8", exclude_characters="\0"),
)
def test_any_change_of_any_field_of_any_table_is_found(
    full_home: Path, table: str, which: int, how: str, at: int, letter: str
) -> None:
    path = full_home / "ledger.sqlite"
    kept = path.read_bytes()
    try:
        assume(_change_row(path, table, which, how, at, letter))
        assert [line for line in _faults() if "trigger" not in line] != []
    finally:
        path.write_bytes(kept)
        for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
            (full_home / name).unlink(missing_ok=True)


def _content(path: Path) -> list[str] | None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            return list(connection.iterdump())
    except sqlite3.Error:
        return None


@settings(max_examples=30)
@given(place=st.integers(0, 10_000_000), bit=st.integers(0, 7))
def test_a_flipped_bit_of_the_file_is_found_or_changes_nothing(full_home: Path, place: int, bit: int) -> None:
    path = full_home / "ledger.sqlite"
    kept = path.read_bytes()
    before = _content(path)
    changed = bytearray(kept)
    changed[place % len(kept)] ^= 1 << bit
    try:
        path.write_bytes(changed)
        assert _faults() != [] or _content(path) == before
    finally:
        path.write_bytes(kept)
        for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
            (full_home / name).unlink(missing_ok=True)


def _cut(path: Path, last: int) -> None:
    """Take every entry after `last` away, and everything that it wrote, as one who knows the tables would."""
    deletes = [f"DELETE FROM {table} WHERE sequence > {last}" for table in ("exports", "evidence_carried", "evidence")]
    _edit(path, "PRAGMA foreign_keys = OFF", *deletes, f"DELETE FROM entries WHERE sequence > {last}")


@pytest.mark.req("REQ-LED-003")
def test_a_cut_chain_is_found_by_the_anchor(attacked: Path) -> None:
    last = open_ledger().head().sequence
    world = World(open_ledger(), read_private_key(attacked / "keys" / "north-key.key", None))
    (attacked / "before.sqlite").write_bytes((attacked / "ledger.sqlite").read_bytes())
    world.ledger.record(world.actor("tech"), lot("L9"))
    (attacked / "ledger.sqlite").write_bytes((attacked / "before.sqlite").read_bytes())
    assert _faults() == [f"{anchor_path()}: has seen entry {last + 1}, the chain ends at {last}: it was cut"]
    with pytest.raises(DefinitionError, match=f"has not the entry {last + 1} that this machine has seen: it was cut"):
        world.ledger.record(world.actor("tech"), lot("L8"))


@pytest.mark.req("REQ-LED-003")
def test_a_chain_that_was_cut_by_one_who_keeps_the_tables_in_step_is_found(attacked: Path) -> None:
    _cut(attacked / "ledger.sqlite", open_ledger().head().sequence - 2)
    assert any(line.startswith(str(anchor_path())) and "it was cut" in line for line in _faults())


def test_an_anchor_that_is_behind_is_no_fault(attacked: Path) -> None:
    early = anchor_path().read_bytes()
    ledger = open_ledger()
    tech = ledger.authenticate("tech", password("tech"))
    for name in ("L5", "L6", "L7"):
        ledger.record(tech, lot(name))
    anchor_path().write_bytes(early)
    assert _faults() == []
    ledger.record(tech, lot("L8"))
    anchor = read_anchor()
    assert anchor is not None
    assert anchor.head.sequence == ledger.head().sequence


@pytest.mark.req("REQ-LED-003")
def test_a_missing_anchor_is_found(attacked: Path) -> None:
    anchor_path().unlink()
    assert _faults() == [f"{anchor_path()}: is missing: without it a cut chain is not noticed here"]


@pytest.mark.req("REQ-LED-003")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda text: text.replace('"sequence":', '"sequence":1'), "has seen entry 1"),
        (lambda text: text.replace('"site":"north', '"site":"south'), "the signature of north-key does not hold"),
        (lambda text: text[:-30], "is no checkpoint; compare with checkpoints kept elsewhere"),
    ],
)
def test_an_edited_anchor_is_found(attacked: Path, change: Callable[[str], str], fault: str) -> None:
    anchor_path().write_text(change(anchor_path().read_text()))
    assert [line for line in _faults() if fault in line] != []


@pytest.mark.req("REQ-LED-003")
def test_another_ledger_in_the_place_of_this_one_is_found(
    attacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attacker makes a chain of their own, with a key of the same name, for the same site."""
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "eve"))
    cloned = make_world()
    cloned.work()
    monkeypatch.setenv("CTDNA_HOME", str(attacked))
    shutil.copy(tmp_path / "eve" / "ledger.sqlite", attacked / "ledger.sqlite")
    faults = _faults()
    assert f"entry 1: is signed by key {cloned.key.public.key_id} (north-key), which is not trusted here" in faults[0]
    assert faults[-1].startswith(f"{anchor_path()}: has seen entry ")


@pytest.mark.req("REQ-LED-004")
def test_a_chain_rewritten_with_the_sites_key_is_found_by_a_checkpoint_kept_elsewhere(
    attacked: Path, tmp_path: Path
) -> None:
    """The holder of key and database can write a history that agrees with itself and the anchor, not this file."""
    kept = tmp_path / "kept.json"
    kept.write_text(canonical(open_ledger().checkpoint()))
    key = read_private_key(attacked / "keys" / "north-key.key", None)
    (attacked / "ledger.sqlite").unlink()
    (attacked / "site.json").unlink()
    anchor_path().unlink()
    rewritten = _again(key)
    assert rewritten.ledger.verify() == ()
    faults = [str(problem) for problem in rewritten.ledger.verify((kept,))]
    assert len(faults) == 1
    assert faults[0].startswith(f"{kept}: has seen entry ")


def _again(key: PrivateKey) -> World:
    from ctdna.ledger.open import init_ledger

    site = model.SiteAdded(site=SITE, name="Northern Laboratory", key_id=key.public.key_id)
    ledger = init_ledger(site, key, "root", "Rita Root", password("root"), QUICK)
    root = ledger.authenticate("root", password("root"))
    ledger.add_user(root, "tech", "T", ("technician",), password("tech"))
    for number in range(40):
        ledger.record(ledger.authenticate("tech", password("tech")), lot(f"L{number}"))
    return World(ledger, key)


def _rows(path: Path) -> list[dict[str, str | int | None]]:
    with closing(sqlite3.connect(path)) as connection:
        cursor = connection.execute("SELECT * FROM entries ORDER BY sequence")
        names = [item[0] for item in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _forge(attacked: Path, **changes: object) -> Entry:
    """Add an entry that the site's key signs, past all checks of the ledger; return it."""
    path = attacked / "ledger.sqlite"
    last = entry_of(_rows(path)[-1])
    fields = {name: getattr(last, name) for name in EntryBody.model_fields}
    fields |= {"sequence": last.sequence + 1, "previous": last.digest, **changes}
    entry = sealed(EntryBody(**fields), read_private_key(attacked / "keys" / "north-key.key", None))
    row = row_of(entry)
    names = ", ".join(f'"{name}"' for name in row)
    _edit(path, f"INSERT INTO entries ({names}) VALUES ({', '.join('?' * len(row))})", values=tuple(row.values()))
    return entry


@pytest.mark.req("REQ-LED-004")
@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"user": "tech", "role": "technician", "new": lot("L3").model_copy(update={"kind": "lot.added"})},
            "table lots, lot L3, kit ctdna-demo@1.0.0: the row is missing",
        ),
        (
            {
                "user": "tech",
                "role": "director",
                "new": model.KitMoved.model_validate(
                    {
                        "kit": "k@1",
                        "kit_digest": digest("0"),
                        "from_state": None,
                        "to_state": "released",
                        "preconditions": {},
                        "statement_digest": None,
                    }
                ),
            },
            "is not allowed here: tech: has not the role director",
        ),
        (
            {
                "user": "tech",
                "role": "technician",
                "new": model.OverrideGranted(override_id="x", gate="kit_retired", run_id="R"),
            },
            "is not allowed here: tech: as technician has no right to entry override.granted: director has",
        ),
        (
            {"user": "aud", "role": "auditor", "new": lot("L3")},
            "is not allowed here: aud: as auditor has no right to entry lot.added",
        ),
        (
            {
                "user": "dir",
                "role": "director",
                "new": model.ResultSigned(run=RUN, sample="s1", version=2, digest=digest("d"), meaning="approved"),
            },
            "was not reviewed by a person other than dir",
        ),
        (
            {
                "user": "rev",
                "role": "reviewer",
                "new": model.ResultSigned(run=RUN, sample="s1", version=2, digest=digest("d"), meaning="approved"),
            },
            "is not allowed here: rev: as reviewer has no right to signing as approved: director has",
        ),
        (
            {
                "user": "rev",
                "role": "reviewer",
                "new": model.ResultSigned(run=RUN, sample="s1", version=1, digest=digest("b"), meaning="reviewed"),
            },
            "version 1 was replaced by version 2",
        ),
        (
            {
                "user": "root",
                "role": "administrator",
                "new": model.PasswordChanged(user="dir", password_digest=digest("0")),
            },
            "cannot change the password of dir as their own",
        ),
        (
            {"user": "eve", "role": "system", "new": model.LoginSucceeded(user="dir")},
            "the log-in of dir is noted for eve",
        ),
        ({"site": "south-lab"}, "is of site south-lab, which no entry has added"),
    ],
)
def test_an_entry_without_right_is_found_though_the_sites_key_signed_it(
    attacked: Path, changes: dict[str, object], fault: str
) -> None:
    if "new" in changes:
        changes = {**changes, "why": "", "old": None, "subject": "x"}
    _forge(attacked, **changes)
    assert [line for line in _faults() if fault in line] != []


@pytest.mark.req("REQ-SGN-009")
@pytest.mark.parametrize("by_whom", ["root", "dir"])
def test_a_signature_by_a_password_that_another_person_set_is_a_fault(attacked: Path, by_whom: str) -> None:
    """Past the ledger's checks, one with the site's key sets a password and signs with it in the person's name."""
    set_by = {
        "root": model.UserChanged(user="rev", roles=("reviewer",), password_digest=digest("7"), state="active"),
        "dir": model.PasswordChanged(user="rev", password_digest=digest("7")),
    }
    signed = model.ResultSigned(run=RUN, sample="s1", version=2, digest=digest("d"), meaning="reviewed")
    common: dict[str, object] = {"why": "", "old": None, "subject": "x"}
    role = model.RIGHTS[set_by[by_whom].kind][0] if by_whom == "root" else "director"
    _forge(attacked, user=by_whom, role=role, new=set_by[by_whom], **common)
    entry = _forge(attacked, user="rev", role="reviewer", new=signed, **common)
    fault = f"entry {entry.sequence}: is not allowed here: rev: the password was set by {by_whom}, and a signature"
    assert [line for line in _faults() if line.startswith(fault)] != []


def test_the_first_entries_are_made_by_the_administrator(home: Path) -> None:
    from ctdna.ledger.replay import Replay

    key = new_key("north-key", None)
    site = model.SiteAdded(site=SITE, name="N", key_id=key.public.key_id)
    common = {"sequence": 1, "at": "2026", "site": SITE, "subject": "x", "why": "", "previous": FIRST_PREVIOUS}
    entry = sealed(EntryBody(**common, user="eve", role="director", new=site), key)
    replay = Replay({key.public.key_id: key.public})
    replay.take(entry)
    assert [problem.what for problem in replay.problems] == [
        "is not allowed here: entry 1: found site.added by a director; entry 1 is site.added by the administrator"
    ]
    added = model.UserAdded(user="x", full_name="X", roles=("administrator",), site=SITE, password_digest=digest("0"))
    third = EntryBody(**{**common, "sequence": 3}, user="eve", role="administrator", new=added)
    replay.take(sealed(third, key))
    assert any("the first user is not the administrator who made it" in one.what for one in replay.problems)


@pytest.mark.req("REQ-LED-004")
def test_a_signature_of_another_key_is_found(attacked: Path) -> None:
    other = new_key("other-key", None)
    path = attacked / "ledger.sqlite"
    last = entry_of(_rows(path)[-1])
    forged = row_of(sealed(last, other))
    _edit(
        path,
        f"UPDATE entries SET signature = '{forged['signature']}', signer = 'other-key', key_id = '{forged['key_id']}' "
        f"WHERE sequence = {last.sequence}",
    )
    (fault,) = _faults()
    assert f"is signed by key {forged['key_id']}, the key of site north-lab is" in fault
    _edit(path, f"UPDATE entries SET key_id = '{last.signature.key_id}' WHERE sequence = {last.sequence}")
    assert _faults() == [f"entry {last.sequence}: the signature of other-key does not hold"]


def test_an_outsider_verifies_with_the_trusted_key_alone(
    attacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "outside"))
    url = f"sqlite:///{attacked}/ledger.sqlite"
    ledger = open_ledger(url)
    (problem,) = (one for one in ledger.verify() if one.is_fault)
    assert "which is not trusted here: if it is genuine, `ctdna keys trust` it as a site's" in problem.what
    trust(attacked / "keys" / "north-key.pub", "site")
    assert ledger.verify() == ()


def test_a_problem_is_one_line() -> None:
    assert str(Problem("entry 7", "is wrong")) == "entry 7: is wrong"
    assert json.loads(canonical(lot("L1")))["lot"] == "L1"
