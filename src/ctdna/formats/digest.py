"""The digest that names a file's content."""

import hashlib
from pathlib import Path

from ctdna.model.errors import InputError

_CHUNK = 1 << 20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex.

    Raises:
        InputError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(_CHUNK):
                digest.update(block)
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    return digest.hexdigest()
