"""Options of the commands that sign: which key, and its passphrase."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ctdna.model.errors import InputError

if TYPE_CHECKING:
    from ctdna.formats.keys import PrivateKey

F = TypeVar("F", bound=Callable[..., Any])


def signing_key(text: str, required: bool = True) -> Callable[[F], F]:
    """Return the options `--key` and `--passphrase-file`."""
    path: type = Path

    def decorate(function: F) -> F:
        passphrase = click.option(
            "--passphrase-file",
            type=click.Path(path_type=path),
            help="File whose first line is the passphrase of the key.",
        )
        key = click.option("--key", "key_name", metavar="NAME|FILE", required=required, help=text)
        return key(passphrase(function))

    return decorate


def read_passphrase(path: Path | None) -> bytes | None:
    """Return the first line of a passphrase file; None without a file.

    Raises:
        InputError: it cannot be read, or its first line is empty.
    """
    if path is None:
        return None
    try:
        line = path.read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    if not line:
        raise InputError(path, "line 1", "is empty", "write the passphrase there")
    return line


def open_key(name: str, passphrase_file: Path | None) -> "PrivateKey":
    """Return a private key by its name among this machine's own, or by its file.

    Raises:
        InputError: no such key, or it cannot be opened.
    """
    from ctdna.formats.keys import PRIVATE, keys_folder, read_private_key

    own = keys_folder() / f"{name}{PRIVATE}"
    return read_private_key(own if own.is_file() else Path(name), read_passphrase(passphrase_file))
