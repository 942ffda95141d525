"""Kits in their states, made for a test: a copy of the demo kit, its keys, its statements."""

import shutil
from pathlib import Path

from ctdna.formats.keys import PUBLIC, PrivateKey, keys_folder, new_key, trust
from ctdna.kit.load import LoadedKit, read_kit
from ctdna.kit.lock import STATES, write_lock
from ctdna.kit.resources import shipped
from ctdna.kit.states import sign_statement, statement_digest, states_text
from ctdna.model.kit_state import NO_DIGEST, KitStatement, SignedStatement
from ctdna.model.trace import KitState

DEMO = shipped("config") / "kits" / "ctdna-demo" / "1.0.0"
AT = "2026-01-31T09:00:00+00:00"


def copy_demo(root: Path, version: str = "1.0.0", name: str = "ctdna-demo") -> Path:
    """Return a copy of the demo kit under another version or name; its background stays bound to `ctdna-demo`."""
    folder = root / name / version
    shutil.copytree(DEMO, folder)
    text = (folder / "kit.yaml").read_text("utf-8")
    text = text.replace("name: ctdna-demo\nversion: 1.0.0\n", f"name: {name}\nversion: {version}\n", 1)
    (folder / "kit.yaml").write_text(text, "utf-8")
    return folder


def manufacturer(name: str = "acme") -> PrivateKey:
    """Return a new manufacturer's key that this machine trusts."""
    key = new_key(name, None)
    trust(keys_folder() / f"{name}{PUBLIC}", "manufacturer")
    return key


def states_of(
    kit: LoadedKit, key: PrivateKey, *states: KitState, builds: tuple[str, ...] = ()
) -> tuple[SignedStatement, ...]:
    """Return the statements that move a kit from development through the states."""
    chain: list[SignedStatement] = []
    before: KitState = "development"
    for state in states:
        previous = statement_digest(chain[-1].statement) if chain else NO_DIGEST
        statement = KitStatement(
            kit=kit.address,
            kit_digest=kit.digest,
            from_state=before,
            to_state=state,
            at=AT,
            why="test",
            preconditions={},
            builds=builds,
            previous=previous,
        )
        chain.append(sign_statement(statement, key))
        before = state
    return tuple(chain)


def move(folder: Path, key: PrivateKey, *states: KitState, builds: tuple[str, ...] = ()) -> LoadedKit:
    """Freeze a kit, move it through the states by hand, and return it."""
    write_lock(folder)
    (folder / STATES).write_text(states_text(states_of(read_kit(folder), key, *states, builds=builds)), "utf-8")
    return read_kit(folder)
