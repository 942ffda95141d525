"""The keys that set-up makes for the walk-through."""

import subprocess
import sys
from pathlib import Path

from ctdna.formats.keys import keys_folder, read_private_key, trusted_keys

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "demo_keys"


def _run() -> str:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=True)
    return done.stdout


def test_demo_keys_are_made_once_and_trusted(home: Path) -> None:
    assert _run().count("made key demo-") == 2
    made = {path.name: path.read_bytes() for path in keys_folder().iterdir()}
    assert sorted(made) == ["demo-manufacturer.key", "demo-manufacturer.pub", "demo-site.key", "demo-site.pub"]
    key = read_private_key(keys_folder() / "demo-manufacturer.key", None)
    assert list(trusted_keys("manufacturer")) == [key.public.key_id]
    assert [one.name for one in trusted_keys("site").values()] == ["demo-site"]
    assert _run() == ""
    assert {path.name: path.read_bytes() for path in keys_folder().iterdir()} == made
    assert keys_folder().parent == home
