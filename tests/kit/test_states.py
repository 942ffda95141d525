"""The chain of statements that says in which state a kit is, and what is done to it by hand."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctdna.formats.keys import PrivateKey, new_key, trust_folder
from ctdna.kit.load import LoadedKit, read_kit
from ctdna.kit.lock import LOCK, STATES, write_lock
from ctdna.kit.states import sign_statement, states_text
from ctdna.model.errors import DefinitionError
from tests.kit import states


@pytest.fixture
def released(tmp_path: Path, key: PrivateKey) -> LoadedKit:
    return states.move(states.copy_demo(tmp_path / "kits"), key, "investigational", "released")


@pytest.mark.req("REQ-KIT-010")
def test_the_state_is_the_last_statements_and_the_digest_stays(tmp_path: Path, key: PrivateKey) -> None:
    folder = states.copy_demo(tmp_path / "kits")
    before = read_kit(folder)
    assert (before.state, before.is_frozen, before.statements) == ("development", False, ())
    for path in (("investigational",), ("investigational", "released"), ("investigational", "released", "retired")):
        kit = states.move(folder, key, *path)  # type: ignore[arg-type]
        assert (kit.state, kit.is_frozen, kit.digest) == (path[-1], True, before.digest)


def _document(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / STATES).read_text())
    return document


def _write(folder: Path, document: dict[str, Any]) -> None:
    (folder / STATES).write_text(json.dumps(document))


def _cut_start(folder: Path) -> None:
    document = _document(folder)
    _write(folder, {**document, "statements": document["statements"][1:]})


def _cut_all(folder: Path) -> None:
    _write(folder, {**_document(folder), "statements": []})


def _reorder(folder: Path) -> None:
    document = _document(folder)
    _write(folder, {**document, "statements": document["statements"][::-1]})


def _double(folder: Path) -> None:
    document = _document(folder)
    _write(folder, {**document, "statements": [*document["statements"], document["statements"][-1]]})


def _reword(folder: Path) -> None:
    document = _document(folder)
    document["statements"][1]["statement"]["why"] = "because"
    _write(folder, document)


def _add_build(folder: Path) -> None:
    document = _document(folder)
    document["statements"][1]["statement"]["builds"] = ["0" * 64]
    _write(folder, document)


def _unknown_field(folder: Path) -> None:
    document = _document(folder)
    document["statements"][0]["statement"]["note"] = "x"
    _write(folder, document)


def _spoil(folder: Path) -> None:
    (folder / STATES).write_text("{")


def _take_lock(folder: Path) -> None:
    (folder / LOCK).unlink()


def _edit_file_and_lock(folder: Path) -> None:
    text = (folder / "kit.yaml").read_text("utf-8")
    (folder / "kit.yaml").write_text(text.replace("min_alt_molecules: 3", "min_alt_molecules: 2", 1), "utf-8")
    write_lock(folder)


def _distrust(folder: Path) -> None:
    for path in trust_folder("manufacturer").glob("*"):
        path.unlink()


@pytest.mark.req("REQ-KIT-011")
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_cut_start, "kit.states.json: statement 1: does not follow the statement before it: statements were cut out"),
        (_cut_all, "kit.states.json: statements: Tuple should have at least 1 item"),
        (_reorder, "statement 1: does not follow the statement before it"),
        (_double, "statement 3: does not follow the statement before it"),
        (_reword, "statement 2: the signature of acme does not fit the content: one of both was changed"),
        (_add_build, "statement 2: the signature of acme does not fit the content"),
        (_unknown_field, "statements.0.statement.note: Extra inputs are not permitted; restore the file"),
        (_spoil, "kit.states.json: Invalid JSON"),
        (_take_lock, "kit.lock: the kit has kit.states.json, but no kit.lock; restore the kit's folder"),
        (_edit_file_and_lock, "statement 1: was given for the content"),
        (_distrust, "(acme), which this machine does not trust; if the key is genuine, `ctdna keys trust`"),
    ],
)
def test_states_that_do_not_hold_are_refused(released: LoadedKit, harm: Callable[[Path], None], message: str) -> None:
    assert read_kit(released.folder).state == "released"
    harm(released.folder)
    with pytest.raises(DefinitionError, match=re.escape(message)) as caught:
        read_kit(released.folder)
    assert caught.value.exit_code == 3


@pytest.mark.req("REQ-KIT-011")
def test_statements_of_another_version_or_kit_are_refused(tmp_path: Path, key: PrivateKey, released: LoadedKit) -> None:
    text = (released.folder / STATES).read_text()
    for folder in (states.copy_demo(tmp_path / "kits", "1.1.0"), states.copy_demo(tmp_path / "kits", name="my-kit")):
        write_lock(folder)
        (folder / STATES).write_text(text)
        kit = f"{folder.parent.name}@{folder.name}"
        with pytest.raises(DefinitionError, match=re.escape(f"statement 1: is of kit ctdna-demo@1.0.0, not of {kit}")):
            read_kit(folder)


@pytest.mark.req("REQ-KIT-011")
def test_a_statement_of_an_older_content_does_not_serve_a_newer_one(tmp_path: Path, key: PrivateKey) -> None:
    folder = states.copy_demo(tmp_path / "kits")
    old = states.move(folder, key, "investigational")
    (folder / LOCK).unlink()
    (folder / "README.md").write_text("another\n")
    write_lock(folder)
    with pytest.raises(DefinitionError, match=f"was given for the content {old.digest[:16]}"):
        read_kit(folder)


@pytest.mark.req("REQ-KIT-011")
@pytest.mark.parametrize(
    ("moves", "message"),
    [
        (("released",), "moves from development to released, allowed: investigational, retired"),
        (("retired", "released"), "moves from retired to released, allowed: none"),
        (
            ("investigational", "released", "investigational"),
            "moves from released to investigational, allowed: retired",
        ),
    ],
)
def test_signed_moves_that_are_not_legal_are_refused(
    tmp_path: Path, key: PrivateKey, moves: tuple[Any, ...], message: str
) -> None:
    folder = states.copy_demo(tmp_path / "kits")
    with pytest.raises(DefinitionError, match=re.escape(message)):
        states.move(folder, key, *moves)


def test_a_statement_that_starts_elsewhere_than_the_kit_stands_is_refused(tmp_path: Path, key: PrivateKey) -> None:
    folder = states.copy_demo(tmp_path / "kits")
    write_lock(folder)
    first = states.states_of(read_kit(folder), key, "investigational", "released")[0].statement
    forged = first.model_copy(update={"from_state": "investigational", "to_state": "released"})
    (folder / STATES).write_text(states_text((sign_statement(forged, key),)))
    with pytest.raises(DefinitionError, match="moves from investigational, but the kit was development"):
        read_kit(folder)


@pytest.mark.req("REQ-KIT-011")
def test_a_key_that_only_bears_a_trusted_name_is_refused(tmp_path: Path, key: PrivateKey) -> None:
    impostor = new_key("acme", None, tmp_path / "elsewhere")
    with pytest.raises(DefinitionError, match=r"is signed by key \w{16} \(acme\), which this machine does not trust"):
        states.move(states.copy_demo(tmp_path / "kits"), impostor, "investigational")
