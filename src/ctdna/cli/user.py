"""`ctdna user`: the accounts of the ledger."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli.identity import identity
from ctdna.cli.options import input_path

if TYPE_CHECKING:
    from ctdna.model.ledger import Role

_NAME = click.argument("name")
_WHY = click.option("--why", required=True, help="Why; it stands in the ledger.")
_ROLES = ("technician", "reviewer", "director", "administrator", "auditor")
_NEW = input_path("--new-password-file", "File whose first line is the new password; else it is asked for.", False)


def _roles(names: tuple[str, ...]) -> "tuple[Role, ...]":
    from ctdna.model.ledger import ROLES

    return tuple(role for role in ROLES if role in names)


@click.group("user")
def command() -> None:
    """Add, change, lock and list the people who work with the ledger.

    All but `password` and `list` need an administrator. Passwords come from files or the terminal, never from the
    command line.
    """


@command.command("add")
@_NAME
@click.option("--full-name", required=True, help="As signatures show it.")
@click.option("--role", "roles", type=click.Choice(_ROLES), multiple=True, required=True, help="Repeat for several.")
@click.option("--site", default="", help="Id of the person's site; without it, the administrator's.")
@_NEW
@identity()
def add(
    name: str,
    full_name: str,
    roles: tuple[str, ...],
    site: str,
    new_password_file: Path | None,
    user: str,
    password_file: Path | None,
) -> None:
    """Make the account NAME; the person changes the password, by `ctdna user password`, before they sign a result."""
    from ctdna.cli.identity import actor_of, read_password
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    actor = actor_of(ledger, user, password_file)
    password = read_password(new_password_file, f"Password of {name}", twice=True)
    entry = ledger.add_user(actor, name, full_name, _roles(roles), password, site)
    click.echo(f"entry {entry.sequence}\tuser {name}\t{', '.join(_roles(roles))}")


@command.command("change")
@_NAME
@click.option("--role", "roles", type=click.Choice(_ROLES), multiple=True, help="The roles from then on; repeat it.")
@input_path("--new-password-file", "File whose first line is a new password, for one who forgot theirs.", False)
@_WHY
@identity()
def change(
    name: str,
    roles: tuple[str, ...],
    new_password_file: Path | None,
    why: str,
    user: str,
    password_file: Path | None,
) -> None:
    """Give the account NAME other roles or another password; the ledger keeps the old values.

    With a password that you give, the person signs no result until they change it by `ctdna user password`.
    """
    from ctdna.cli.identity import actor_of, read_password
    from ctdna.ledger.open import open_ledger
    from ctdna.model.errors import InputError

    if not roles and new_password_file is None:
        raise InputError(None, f"user {name}", "nothing is to be changed", "give --role or --new-password-file")
    ledger = open_ledger()
    actor = actor_of(ledger, user, password_file)
    password = None if new_password_file is None else read_password(new_password_file)
    entry = ledger.change_user(actor, name, why, roles=_roles(roles) if roles else None, password=password)
    click.echo(f"entry {entry.sequence}\tuser {name}")


@command.command("password")
@_NEW
@identity()
def password(new_password_file: Path | None, user: str, password_file: Path | None) -> None:
    """Change your own password; results are signed with one that you set yourself only."""
    from ctdna.cli.identity import read_password
    from ctdna.ledger.open import open_ledger

    old = read_password(password_file)
    entry = open_ledger().change_password(user, old, read_password(new_password_file, "New password", twice=True))
    click.echo(f"entry {entry.sequence}\tuser {user}")


@command.command("disable")
@_NAME
@_WHY
@identity()
def disable(name: str, why: str, user: str, password_file: Path | None) -> None:
    """Close the account NAME; what it did stays."""
    _set_state(name, why, user, password_file, is_open=False)


@command.command("unlock")
@_NAME
@_WHY
@identity()
def unlock(name: str, why: str, user: str, password_file: Path | None) -> None:
    """Open the account NAME again after wrong passwords, or after `disable`."""
    _set_state(name, why, user, password_file, is_open=True)


def _set_state(name: str, why: str, user: str, password_file: Path | None, is_open: bool) -> None:
    from ctdna.cli.identity import actor_of
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    actor = actor_of(ledger, user, password_file)
    entry = ledger.change_user(actor, name, why, state="active" if is_open else "disabled")
    click.echo(f"entry {entry.sequence}\tuser {name}\t{'active' if is_open else 'disabled'}")


@command.command("list")
@identity()
def list_users(user: str, password_file: Path | None) -> None:
    """List the accounts: name, full name, roles, site, state, wrong passwords in a row, who set the password.

    With a password that another person set nobody signs results. Any role may list.
    """
    from ctdna.cli.identity import reader_of
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    reader_of(ledger, user, password_file)
    for one in ledger.users():
        setter = "own password" if one.password_by == one.user else f"password by {one.password_by}"
        told = (one.user, one.full_name, ",".join(one.roles), one.site, one.state, str(one.n_failed), setter)
        click.echo("\t".join(told))
