"""The folder where this machine keeps what is its own: references, keys, trusted keys, ledger, lots, build lock."""

import os
from pathlib import Path


def home() -> Path:
    """Return the folder: `CTDNA_HOME`, else `ctdna` in the user's data folder. It may not exist."""
    named = os.environ.get("CTDNA_HOME")
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "ctdna"
