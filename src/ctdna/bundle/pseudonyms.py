"""Pseudonyms that only the site which gave them can lead back."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Literal

from ctdna.formats.atomic import atomic_path, make_folder
from ctdna.formats.keys import keys_folder
from ctdna.model.errors import InputError

Kind = Literal["sample", "subject", "run"]
_PREFIXES: dict[Kind, str] = {"sample": "S", "subject": "SUBJ-", "run": "RUN-"}
_HEX = 12


def secret_path() -> Path:
    """Return where this machine keeps the secret that its pseudonyms are made with."""
    return keys_folder() / "pseudonyms.secret"


def site_secret() -> bytes:
    """Return the secret, made at its first use: 32 random bytes, readable by its owner only.

    Raises:
        InputError: it cannot be read or written, or was damaged.
    """
    path = secret_path()
    if not path.is_file():
        make_folder(path.parent)
        with atomic_path(path) as temporary:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                stream.write(secrets.token_hex(32) + "\n")
    try:
        secret = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise InputError(path, "", "the secret of the pseudonyms cannot be read", "restore it from its copy") from error
    if len(secret) != 32:
        raise InputError(path, "", f"has {len(secret)} bytes, expected 32", "restore it from its copy")
    return secret


def pseudonym(secret: bytes, kind: Kind, name: str) -> str:
    """Return the pseudonym of a name: HMAC-SHA-256 of kind and name, 12 hex digits; the same name gets the same one."""
    digest = hmac.new(secret, f"{kind}\0{name}".encode(), hashlib.sha256).hexdigest()
    return _PREFIXES[kind] + digest[:_HEX]
