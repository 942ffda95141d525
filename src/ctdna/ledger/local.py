"""What this machine's home holds for its ledger: which site it is, and the head that it last saw (the anchor)."""

import threading
from pathlib import Path

from ctdna.formats.atomic import make_folder, write_text
from ctdna.formats.documents import read_json, write_json
from ctdna.formats.home import home
from ctdna.formats.keys import (
    PRIVATE,
    PUBLIC,
    PrivateKey,
    PublicKey,
    keys_folder,
    read_private_key,
    read_public_key,
    trusted_keys,
)
from ctdna.ledger.chain import canonical
from ctdna.model.base import Frozen
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.ledger import Checkpoint

_ANCHOR_LOCK = threading.Lock()


class LocalSite(Frozen):
    """Document `site.json`: whose entries this machine makes."""

    site: str
    key: str
    """Name of the site's key among this machine's own."""
    passphrase_file: str | None = None
    """File whose first line opens the key; None: it has no passphrase."""


def site_path() -> Path:
    """Return where `site.json` is."""
    return home() / "site.json"


def anchor_path() -> Path:
    """Return where the anchor is: the last signed head that this machine wrote."""
    return home() / "ledger.head.json"


def read_site() -> LocalSite:
    """Return which site this machine is.

    Raises:
        InputError: it is none, or `site.json` is not well formed.
    """
    if not site_path().is_file():
        raise InputError(site_path(), "", "this machine has no ledger", "make one by ctdna ledger init, or join one")
    return read_json(site_path(), LocalSite)


def write_site(site: LocalSite) -> None:
    """Write `site.json`."""
    make_folder(site_path().parent)
    write_json(site_path(), site)


def site_key() -> PrivateKey:
    """Return the private key of this machine's site.

    Raises:
        InputError: there is no site here, or its key cannot be opened.
    """
    site = read_site()
    return read_private_key(keys_folder() / f"{site.key}{PRIVATE}", _passphrase(site))


def _passphrase(site: LocalSite) -> bytes | None:
    if site.passphrase_file is None:
        return None
    path = Path(site.passphrase_file)
    try:
        return path.read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "see passphrase_file in site.json") from error


def site_keys() -> dict[str, PublicKey]:
    """Return the keys whose signatures count in a ledger, by key id: those trusted as sites', and this machine's."""
    own = (read_public_key(path) for path in sorted(keys_folder().glob(f"*{PUBLIC}")))
    return {**{key.key_id: key for key in own}, **trusted_keys("site")}


def read_checkpoint(path: Path) -> Checkpoint:
    """Return the checkpoint in a file, or in the last line of an export.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    try:
        lines = path.read_bytes().strip().splitlines()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    try:
        return Checkpoint.model_validate_json(lines[-1] if lines else b"")
    except ValueError as error:
        raise InputError(path, "last line", "is no checkpoint", "see ctdna ledger head and export") from error


def read_anchor() -> Checkpoint | None:
    """Return the anchor; None where there is none.

    Raises:
        DefinitionError: it is not well formed.
    """
    if not anchor_path().is_file():
        return None
    try:
        return read_checkpoint(anchor_path())
    except InputError as error:
        raise DefinitionError(anchor_path(), "", error.what, "compare with checkpoints kept elsewhere") from error


def write_anchor(checkpoint: Checkpoint) -> None:
    """Write the anchor, unless it is of a later head already.

    Raises:
        InputError: it cannot be written.
    """
    with _ANCHOR_LOCK:
        before = read_anchor()
        if before is None or before.head.sequence <= checkpoint.head.sequence:
            make_folder(anchor_path().parent)
            write_text(anchor_path(), canonical(checkpoint) + "\n")
