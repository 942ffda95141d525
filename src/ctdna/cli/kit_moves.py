"""`ctdna kit freeze|sign|release|retire`: the moves of a kit version, by a director, into the ledger."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ctdna.cli.identity import identity
from ctdna.cli.signing import signing_key

if TYPE_CHECKING:
    from ctdna.kit.authority import Authority
    from ctdna.kit.load import LoadedKit
    from ctdna.kit.moves import Signing

F = TypeVar("F", bound=Callable[..., Any])
_ADDRESS = click.argument("address", metavar="NAME@VERSION")
_BUILD_LOCKS = click.option(
    "--build-lock",
    "build_locks",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Signed lock of a build that the kit was validated with; may be given again.",
)


def _why(required: bool) -> Callable[[F], F]:
    return click.option("--why", required=required, default=None if required else "", help="Why; it is kept for ever.")


def _key() -> Callable[[F], F]:
    return signing_key("The manufacturer's key that signs the statement.")


def _begin(address: str, user: str, password_file: Path | None) -> "tuple[LoadedKit, Authority]":
    """Return kit and person; a move that a broken machine left half done is first put right."""
    from ctdna.cli.authority import authority_of
    from ctdna.kit.load import kit_folder, load_kit
    from ctdna.kit.moves import mend

    folder = kit_folder(address)
    authority = authority_of(user, password_file)
    authority.require("kit.moved")
    mend(folder, authority)
    return load_kit(address), authority


def _signing(key_name: str, passphrase_file: Path | None, why: str, build_locks: tuple[Path, ...] = ()) -> "Signing":
    from datetime import UTC, datetime

    from ctdna.build.verify import read_lock
    from ctdna.cli.signing import open_key
    from ctdna.kit.moves import Signing

    builds = tuple(dict.fromkeys(read_lock(path)[0].digest for path in build_locks))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return Signing(open_key(key_name, passphrase_file), at, why, builds)


def _tell(kit: "LoadedKit") -> None:
    for name, found in kit.statements[-1].statement.preconditions.items():
        click.echo(f"{name}: {found}")
    click.echo(f"{kit.address}: {kit.state}, digest {kit.digest}")


@click.command("freeze")
@_ADDRESS
@_why(required=False)
@identity()
def freeze(address: str, why: str, user: str, password_file: Path | None) -> None:
    """Lock the content of a kit in development for good.

    Needs: every check of `ctdna kit validate` passes; this version was never frozen before. Writes `kit.lock`; from
    then on any changed byte is refused. For a change, make the next version.
    """
    from ctdna.kit.moves import freeze as move

    kit, authority = _begin(address, user, password_file)
    frozen = move(kit, authority, why)
    click.echo(f"{address}: frozen, digest {frozen.digest}")


@click.command("sign")
@_ADDRESS
@_BUILD_LOCKS
@_why(required=False)
@_key()
@identity()
def sign(
    address: str, build_locks: tuple[Path, ...], why: str, key_name: str, passphrase_file: Path | None, user: str,
    password_file: Path | None,
) -> None:  # fmt: skip
    """Make a frozen kit investigational, by the manufacturer's signature over its digest.

    Needs: it is in development and frozen, as the ledger has it; every check passes. With build locks, runs are of
    investigational use on these builds only; without, on any locked one.
    """
    from ctdna.kit.moves import sign as move

    kit, authority = _begin(address, user, password_file)
    _tell(move(kit, authority, _signing(key_name, passphrase_file, why, build_locks)))


@click.command("release")
@_ADDRESS
@_BUILD_LOCKS
@click.option(
    "--claim",
    "claims",
    multiple=True,
    help="A claim of this kit, which needs evidence in the ledger; may be given again. Default: all that "
    "config/impact/stages.yaml names for the stage `commercial`.",
)
@_why(required=False)
@_key()
@identity()
def release(
    address: str, build_locks: tuple[Path, ...], claims: tuple[str, ...], why: str, key_name: str,
    passphrase_file: Path | None, user: str, password_file: Path | None,
) -> None:  # fmt: skip
    """Release an investigational kit.

    Needs: it is investigational, as the ledger has it; every check passes; it has a background and expected variants
    of its control; the builds that it was validated with are named; the ledger has evidence for each claim, made with
    this very content or carried to it. Claims that --claim leaves out are named in the statement.
    """
    from ctdna.kit.moves import release as move
    from ctdna.validation.rules import load_stages

    kit, authority = _begin(address, user, password_file)
    signing = _signing(key_name, passphrase_file, why, build_locks)
    table = load_stages().table
    usual = tuple(dict.fromkeys(one.claim for one in table.requirements if one.stage == "commercial"))
    asked = tuple(dict.fromkeys(claims)) or usual
    _tell(move(kit, authority, signing, asked, tuple(one for one in usual if one not in asked)))


@click.command("retire")
@_ADDRESS
@_why(required=True)
@_key()
@identity()
def retire(
    address: str, why: str, key_name: str, passphrase_file: Path | None, user: str, password_file: Path | None
) -> None:
    """Retire a frozen kit: no run starts with it, but for research and by an override."""
    from ctdna.kit.moves import retire as move

    kit, authority = _begin(address, user, password_file)
    _tell(move(kit, authority, _signing(key_name, passphrase_file, why)))
