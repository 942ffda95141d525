"""Who gives a command: the options that a person shows their identity by."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ctdna.model.errors import AuthorityError, InputError

if TYPE_CHECKING:
    from ctdna.ledger.ledger import Ledger
    from ctdna.ledger.records import Actor

F = TypeVar("F", bound=Callable[..., Any])


def identity(required: bool = True) -> Callable[[F], F]:
    """Return the options `--user` and `--password-file`; the function gets `user` and `password_file`."""
    path: type = Path

    def decorate(function: F) -> F:
        password = click.option(
            "--password-file",
            type=click.Path(path_type=path),
            help="File whose first line is the password of --user; else it is asked for on the terminal.",
        )
        user = click.option(
            "--user", metavar="NAME", required=required, envvar="CTDNA_USER", help="Your account in the ledger."
        )
        return user(password(function))

    return decorate


def read_password(path: Path | None, prompt: str = "Password", twice: bool = False) -> str:
    """Return the first line of a password file; without a file, what is typed unseen on the terminal (new ones twice).

    Raises:
        InputError: the file cannot be read, its first line is empty or no UTF-8, or there is no terminal to ask on.
    """
    if path is None:
        return _ask(prompt, twice)
    try:
        line = path.read_bytes().split(b"\n", 1)[0].rstrip(b"\r").decode()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "line 1", "is no UTF-8 text", "write the password in UTF-8") from error
    if not line:
        raise InputError(path, "line 1", "is empty", "write the password there")
    return line


def _ask(prompt: str, twice: bool) -> str:
    if not os.isatty(0):
        raise InputError(None, "--password-file", "is missing, and there is no terminal to ask on", "give the file")
    typed: str = click.prompt(prompt, hide_input=True, err=True, confirmation_prompt=twice)
    return typed


def actor_of(ledger: "Ledger", user: str, password_file: Path | None) -> "Actor":
    """Return the person that the options name, if they are who they say.

    Raises:
        AuthorityError: the log-in is refused.
        InputError: no password can be read.
    """
    return ledger.authenticate(user, read_password(password_file))


def reader_of(ledger: "Ledger", user: str, password_file: Path | None) -> "Actor":
    """Return the person who wants to read the ledger: any account that has a role, auditors too.

    Raises:
        AuthorityError: the log-in is refused, or the account has no role.
    """
    actor = actor_of(ledger, user, password_file)
    if not actor.roles:
        raise AuthorityError(None, user, "has no role", "an administrator gives one")
    return actor
