"""The person who gives a command, before this machine's ledger."""

from pathlib import Path
from typing import TYPE_CHECKING

from ctdna.model.errors import InputError

if TYPE_CHECKING:
    from ctdna.kit.authority import Authority


def authority_if_named(user: str | None, password_file: Path | None) -> "Authority | None":
    """Return the person that `--user` names; None where nobody is named. Raises as `authority_of`.

    Raises:
        InputError: a password is given, but no user.
    """
    if user is not None:
        return authority_of(user, password_file)
    if password_file is not None:
        raise InputError(None, "--password-file", "is given, but no --user", "name the account")
    return None


def authority_of(user: str, password_file: Path | None) -> "Authority":
    """Return the person that `--user` names, if they are who they say, before this machine's ledger.

    Raises:
        InputError: there is no ledger, or no password can be read.
        AuthorityError: the log-in is refused.
    """
    from ctdna.cli.identity import actor_of
    from ctdna.kit.authority import Authority
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    return Authority(ledger, actor_of(ledger, user, password_file))
