"""Copies of the demo kit with something changed, for the tests of change impact."""

import gzip
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from ctdna.kit.load import LoadedKit, kit_folder, read_kit

DEMO = "ctdna-demo@1.0.0"


def copied_kit(folder: Path, version: str = "1.1.0", **edits: tuple[str, str]) -> LoadedKit:
    """Return a copy of the demo kit in development; each edit replaces a text in a file (`kit_yaml` is kit.yaml)."""
    target = folder / "ctdna-demo" / version
    shutil.copytree(kit_folder(DEMO), target)
    for name in ("kit.lock", "kit.states.json"):
        (target / name).unlink(missing_ok=True)
    edit(target / "kit.yaml", "version: 1.0.0", f"version: {version}")
    for name, (old, new) in edits.items():
        edit(target / ".".join(name.rsplit("_", 1)), old, new)
    return read_kit(target)


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text that must stand in the file."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} holds no {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def edit_background(path: Path, change: Callable[[str], str]) -> None:
    """Change the text of a background and give it the digest that fits."""
    content = change(gzip.decompress(path.read_bytes()).decode().partition("\n")[2])
    digest = hashlib.sha256(content.encode()).hexdigest()
    path.write_bytes(gzip.compress(f"#sha256={digest}\n{content}".encode(), mtime=0))
