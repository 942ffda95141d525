"""The commands `ctdna ledger`, `user`, `site`: what they print, write and refuse, and by which role."""

import json
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

from ctdna.cli import identity
from ctdna.cli.main import command as ctdna
from ctdna.formats.keys import new_key
from ctdna.ledger.local import anchor_path, read_site, site_path
from ctdna.ledger.open import open_ledger
from ctdna.model import ledger as model
from ctdna.model.errors import AuthorityError, CtdnaError, DefinitionError, InputError
from tests.ledger.world import SITE, World, digest, lot, password

PEOPLE = ("tech", "rev", "dir", "aud", "root")


class Desk(NamedTuple):
    """A folder with a password file of each person, and how a command is given."""

    folder: Path

    def secret(self, text: str, name: str = "secret") -> str:
        """Return a new password file."""
        path = self.folder / name
        path.write_text(text + "\nsecond line\n")
        return str(path)

    def give(self, *words: str, by: str | None = None) -> str:
        """Give a command, as a person if named; return what it prints."""
        who = ("--user", by, "--password-file", self.secret(password(by), by)) if by else ()
        done = CliRunner().invoke(ctdna, [*words, *who], catch_exceptions=True)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    """Return a desk in a world with a ledger."""
    assert world.ledger.head().sequence
    return Desk(tmp_path)


def test_a_ledger_is_made_by_one_command_with_no_account_but_one(home: Path, tmp_path: Path) -> None:
    key = new_key("north-key", b"pass phrase")
    desk = Desk(tmp_path)
    words = ("ledger", "init", "--site", SITE, "--name", "Northern Laboratory", "--key", "north-key")
    phrase = ("--passphrase-file", desk.secret("pass phrase", "phrase"))
    who = ("--administrator", "root", "--full-name", "Rita Root", "--password-file", desk.secret(password("root")))
    limits = ("--min-password-length", "14", "--max-failed-logins", "4", "--lock-minutes", "0")
    told = desk.give(*words, *phrase, *who, *limits)
    assert told == f"{home / 'ledger.sqlite'}\tentries 3\n"
    ledger = open_ledger()
    assert [one.user for one in ledger.users()] == ["root"]
    settings = ledger.settings()
    assert (settings.min_password_length, settings.max_failed_logins, settings.lock_minutes) == (14, 4, 0)
    assert (settings.argon2_passes, settings.argon2_memory_kib, settings.argon2_lanes) == (3, 65536, 4)
    assert read_site().passphrase_file == str(tmp_path / "phrase")
    assert ledger.sites()[0].key_id == key.public.key_id
    add = ("user", "add", "tech", "--full-name", "T", "--role", "technician", "--new-password-file")
    desk.give(*add, desk.secret(password("tech"), "new"), by="root")
    assert desk.give("ledger", "verify").startswith("verified\tentries 4\t")
    (tmp_path / "phrase").unlink()
    with pytest.raises(InputError, match="cannot be read: No such file or directory; see passphrase_file in site"):
        ledger.record(ledger.authenticate("tech", password("tech")), lot("L1"))


def test_verify_head_and_checkpoint(desk: Desk, world: World, home: Path) -> None:
    world.work()
    head = world.ledger.head()
    kept = desk.folder / "kept.json"
    assert desk.give("ledger", "head") == f"{SITE}\t{head.sequence}\t{head.digest}\n"
    assert desk.give("ledger", "head", "--output", str(kept)) == f"{SITE}\t{head.sequence}\t{head.digest}\n"
    verified = f"verified\tentries {head.sequence}\t{head.digest}\n"
    assert desk.give("ledger", "verify", "--checkpoint", str(kept)) == verified
    kept.write_text(kept.read_text().replace(head.digest[:8], "00000000"))
    with pytest.raises(DefinitionError, match=r"does not verify: .* \(and 1 more\); trust nothing after it"):
        desk.give("ledger", "verify", "--checkpoint", str(kept))
    kept.write_text("nothing")
    with pytest.raises(InputError, match="last line: is no checkpoint; see ctdna ledger head and export"):
        desk.give("ledger", "verify", "--checkpoint", str(kept))
    with pytest.raises(InputError, match="cannot be read: No such file"):
        desk.give("ledger", "verify", "--checkpoint", str(desk.folder / "none"))
    assert home.is_dir()


def test_a_fault_is_printed_and_leaves_with_code_3(desk: Desk) -> None:
    anchor_path().unlink()
    done = CliRunner().invoke(ctdna, ["ledger", "verify"])
    assert done.output == f"fault\t{anchor_path()}: is missing: without it a cut chain is not noticed here\n"
    assert isinstance(done.exception, DefinitionError)
    assert done.exception.exit_code == 3


@pytest.mark.req("REQ-LED-018")
def test_an_export_is_reproducible_and_verifies_without_the_database(
    desk: Desk, world: World, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.work()
    first, second = desk.folder / "a.jsonl", desk.folder / "b.jsonl"
    n_entries = world.ledger.head().sequence
    assert desk.give("ledger", "export", "--output", str(first), by="aud") == f"entries\t{n_entries}\n"
    desk.give("ledger", "export", "--output", str(second), by="aud")
    assert first.read_bytes() == second.read_bytes()
    lines = first.read_text().splitlines()
    assert len(lines) == n_entries + 1
    assert [json.loads(line)["sequence"] for line in lines[:-1]] == list(range(1, n_entries + 1))
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "elsewhere"))
    shutil.copytree(home / "keys", tmp_path / "elsewhere" / "trust" / "site", ignore=lambda *_: ["north-key.key"])
    assert desk.give("ledger", "verify", "--export", str(first)) == f"verified\t{first}\n"
    assert desk.give("ledger", "verify", "--export", str(first), "--checkpoint", str(second)).startswith("verified")
    for text, fault in (
        ("\n".join([*lines[:5], *lines[6:]]), "entry 7: found where entry 6 is due"),
        ("\n".join([*lines[:-3], *lines[-1:]]), "last line: is of entry"),
        (first.read_text().replace("Rev Person", "Rex Person", 1), "digest: found"),
        (first.read_text().replace('"at":', '"at": ', 1), "line 1: is not in the canonical form"),
        ("x\n" + first.read_text(), "line 1: is no entry, and not the checkpoint"),
    ):
        second.write_text(text)
        done = CliRunner().invoke(ctdna, ["ledger", "verify", "--export", str(second)])
        assert isinstance(done.exception, DefinitionError)
        assert fault in done.output


def test_an_export_as_a_table(desk: Desk, world: World) -> None:
    why = "two\tcells\nand \\ lines"
    world.ledger.change_user(world.actor("root"), "aud", why, roles=("auditor", "reviewer"))
    table = desk.folder / "a.tsv"
    desk.give("ledger", "export", "--format", "tsv", "--output", str(table), by="tech")
    lines = table.read_text().split("\n")
    heading = lines[0].removeprefix("#").split("\t")
    assert lines[-1] == ""
    assert lines[-2].startswith("#checkpoint\t{")
    rows = [dict(zip(heading, line.split("\t"), strict=True)) for line in lines[1:-2]]
    assert len(rows) == world.ledger.head().sequence
    assert rows[-1]["why"] == "two\\tcells\\nand \\\\ lines"
    assert json.loads(rows[-1]["old_payload"])["roles"] == ["auditor"]
    assert json.loads(rows[-1]["new_payload"])["roles"] == ["reviewer", "auditor"]


@pytest.mark.parametrize(
    ("words", "n_found"),
    [
        (("--by", "rev"), 2),
        (("--kind", "result.made"), 3),
        (("--subject", "lot L1"), 1),
        (("--text", "TYPING error"), 1),
        (("--text", "100%"), 0),
        (("--since", "2000-01-01", "--kind", "lot.added"), 1),
        (("--until", "2000-01-01"), 0),
        (("--by", "dir", "--kind", "result.signed", "--text", "approved"), 1),
    ],
)
def test_search(desk: Desk, world: World, words: tuple[str, ...], n_found: int) -> None:
    world.work()
    found = desk.give("ledger", "search", *words, by="aud").splitlines()
    assert found[0].startswith("#sequence\tat\t")
    assert len(found) == n_found + 1
    as_json = desk.give("ledger", "search", *words, "--format", "jsonl", by="aud").splitlines()
    assert [json.loads(line)["sequence"] for line in as_json] == [int(line.split("\t")[0]) for line in found[1:]]


def test_search_for_a_kind_that_there_is_not(desk: Desk) -> None:
    with pytest.raises(InputError, match=r"--kind: found `x`; known are site\.added, "):
        desk.give("ledger", "search", "--kind", "x", by="aud")


def test_accounts_by_commands(desk: Desk, world: World) -> None:
    new = desk.secret("a new long phrase", "new")
    words = ("user", "add", "eve", "--full-name", "Eve E", "--role", "reviewer", "--role", "technician")
    assert desk.give(*words, "--new-password-file", new, by="root") == "entry 8\tuser eve\ttechnician, reviewer\n"
    desk.give("user", "change", "eve", "--role", "auditor", "--why", "other duties", by="root")
    desk.give("user", "disable", "eve", "--why", "left", by="root")
    shown = desk.give("user", "list", by="aud").splitlines()
    assert f"eve\tEve E\tauditor\t{SITE}\tdisabled\t0" in shown
    desk.give("user", "unlock", "eve", "--why", "is back", by="root")
    desk.give("user", "change", "eve", "--new-password-file", new, "--why", "forgot it", by="root")
    assert world.ledger.authenticate("eve", "a new long phrase").roles == ("auditor",)
    desk.give("user", "password", "--new-password-file", new, by="tech")
    assert world.ledger.authenticate("tech", "a new long phrase").user == "tech"
    with pytest.raises(InputError, match="user eve: nothing is to be changed; give --role or --new-password-file"):
        desk.give("user", "change", "eve", "--why", "x", by="root")
    assert world.ledger.verify() == ()


def test_sites_and_instruments_by_commands(desk: Desk, world: World, home: Path) -> None:
    other = new_key("south-key", None, desk.folder / "keys")
    public = str(desk.folder / "keys" / "south-key.pub")
    desk.give("site", "add", "south-lab", "--name", "South", "--public-key", public, by="root")
    desk.give("site", "add-instrument", "B1", "--model", "MiSeq", "--site", "south-lab", by="root")
    desk.give("site", "add-instrument", "B1", "--model", "MiSeq", "--site", SITE, "--why", "moved here", by="root")
    assert desk.give("site", "list", by="tech").splitlines() == [
        f"site\t{SITE}\tNorthern Laboratory\t{world.key.public.key_id}",
        f"site\tsouth-lab\tSouth\t{other.public.key_id}",
        f"instrument\tB1\tMiSeq\t{SITE}",
    ]


def test_join_and_migrate_by_commands(desk: Desk, world: World) -> None:
    assert desk.give("ledger", "migrate") == "tables\t0002 -> 0002\n"
    site_path().unlink()
    told = desk.give("ledger", "join", "--site", SITE, "--key", "north-key")
    assert told.endswith(f"\tentries {world.ledger.head().sequence}\n")
    assert read_site().key == "north-key"


def test_settings_by_command(desk: Desk, world: World) -> None:
    words = ("ledger", "settings", "--max-failed-logins", "2", "--min-password-length", "20", "--why", "policy 7")
    assert desk.give(*words, by="root") == "entry 8\tmin_password_length 20\tmax_failed_logins 2\n"
    settings = world.ledger.settings()
    assert (settings.min_password_length, settings.max_failed_logins, settings.lock_minutes) == (20, 2, 30)
    with pytest.raises(InputError, match="ledger settings: nothing is to be changed"):
        desk.give("ledger", "settings", "--why", "x", by="root")


_NEW = ("--new-password-file", "NEW")
NEEDS_ADMINISTRATOR = [
    ("user", "add", "eve", "--full-name", "E", "--role", "director", *_NEW),
    ("user", "change", "tech", "--role", "director", "--why", "x"),
    ("user", "change", "dir", *_NEW, "--why", "x"),
    ("user", "disable", "dir", "--why", "x"),
    ("user", "unlock", "dir", "--why", "x"),
    ("site", "add", "south-lab", "--name", "S", "--public-key", "KEY"),
    ("site", "add-instrument", "B1", "--model", "M", "--site", SITE),
    ("ledger", "settings", "--lock-minutes", "5", "--why", "x"),
]
READS = [("user", "list"), ("site", "list"), ("ledger", "export", "--output", "OUT"), ("ledger", "search")]


def _filled(words: tuple[str, ...], desk: Desk, home: Path) -> list[str]:
    values = {
        "NEW": desk.secret("a new long phrase", "new"),
        "KEY": str(home / "keys" / "north-key.pub"),
        "OUT": str(desk.folder / "out"),
    }
    return [values.get(word, word) for word in words]


@pytest.mark.req("REQ-LED-020")
@pytest.mark.parametrize("words", NEEDS_ADMINISTRATOR, ids=lambda words: " ".join(words[:3]))
def test_no_role_but_the_administrators_passes_these_commands(desk: Desk, home: Path, words: tuple[str, ...]) -> None:
    before = open_ledger().head()
    for user in PEOPLE[:-1]:
        with pytest.raises(AuthorityError, match=f"{user}: has .* needs administrator") as refused:
            desk.give(*_filled(words, desk, home), by=user)
        assert refused.value.exit_code == 6
    assert open_ledger().head() == before
    desk.give(*_filled(words, desk, home), by="root")


@pytest.mark.req("REQ-LED-020")
@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_every_role_reads_and_nobody_without_a_password(desk: Desk, home: Path, words: tuple[str, ...]) -> None:
    filled = _filled(words, desk, home)
    for user in PEOPLE:
        assert desk.give(*filled, by=user)
    with pytest.raises(AuthorityError, match="log-in: the user is unknown, the password wrong"):
        desk.give(*filled, "--user", "aud", "--password-file", desk.secret("not the password"))
    with pytest.raises(click.MissingParameter):
        CliRunner().invoke(ctdna, filled, standalone_mode=False, catch_exceptions=False)


@pytest.mark.req("REQ-LED-020")
def test_every_command_stands_in_one_of_the_tests_of_roles() -> None:
    """A new command of these groups must say who may give it."""
    told = {words[:2] for words in (*NEEDS_ADMINISTRATOR, *READS)} | {("user", "password")}
    without_account = {("ledger", name) for name in ("init", "join", "migrate", "verify", "head")}
    found = set()
    for group in ("ledger", "user", "site"):
        command = ctdna.get_command(click.Context(ctdna), group)
        assert isinstance(command, click.Group)
        found |= {(group, name) for name in command.commands}
    assert found == told | without_account


def test_people_without_a_role_read_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from ctdna.ledger import ledger as module

    monkeypatch.setattr(module, "roles_of", lambda user, state: ())
    with pytest.raises(AuthorityError, match="aud: has no role; an administrator gives one"):
        desk.give("user", "list", by="aud")


def test_passwords_come_from_a_file_or_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    assert identity.read_password(Path(desk.secret("a phrase"))) == "a phrase"
    for content, message in ((b"\n", "line 1: is empty"), (b"\xff\n", "line 1: is no UTF-8 text")):
        (tmp_path / "bad").write_bytes(content)
        with pytest.raises(InputError, match=message):
            identity.read_password(tmp_path / "bad")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        identity.read_password(tmp_path / "none")
    monkeypatch.setattr("os.isatty", lambda number: False)
    with pytest.raises(InputError, match="--password-file: is missing, and there is no terminal to ask on"):
        identity.read_password(None)
    monkeypatch.setattr("os.isatty", lambda number: True)
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(click, "prompt", lambda text, **named: asked.append(named) or "typed")
    assert identity.read_password(None, twice=True) == "typed"
    assert asked == [{"hide_input": True, "err": True, "confirmation_prompt": True}]


@pytest.mark.req("REQ-LED-019")
def test_no_command_takes_a_password_as_a_word() -> None:
    for group in ("ledger", "user", "site"):
        command = ctdna.get_command(click.Context(ctdna), group)
        assert isinstance(command, click.Group)
        names = {name for one in command.commands.values() for param in one.params for name in param.opts}
        secret = {name for name in names if "pass" in name}
        assert {name for name in secret if not name.endswith("-file")} <= {"--min-password-length"}


@pytest.mark.req("REQ-LED-019")
def test_nothing_that_is_printed_holds_a_password(desk: Desk, world: World) -> None:
    printed = desk.give("ledger", "search", by="aud") + desk.give("user", "list", by="root")
    done = CliRunner().invoke(
        ctdna, ["user", "list", "--user", "aud", "--password-file", desk.secret("a wrong phrase of mine")]
    )
    assert isinstance(done.exception, CtdnaError)
    printed += done.output + str(done.exception)
    secrets = ["a wrong phrase of mine", *(password(user) for user in PEOPLE)]
    assert [secret for secret in secrets if secret in printed] == []
    assert not re.search(r"\$argon2", printed)
    assert world.ledger.verify() == ()


def test_the_ledger_is_not_loaded_for_help() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from click.testing import CliRunner; from ctdna.cli.main import command\n"
        "for words in (['--help'], ['ledger', '--help'], ['user', 'add', '--help'], ['site', '--help']):\n"
        "    assert CliRunner().invoke(command, words).exit_code == 0\n"
        "print([name for name in ('sqlalchemy', 'alembic', 'argon2', 'cryptography') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert model.RIGHTS["ledger.settings"] == ("administrator",)
    assert digest("a") == "a" * 64
