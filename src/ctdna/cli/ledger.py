"""`ctdna ledger`: the record of who did what, when and why."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli.identity import identity
from ctdna.cli.options import input_path, output_path
from ctdna.cli.signing import signing_key

if TYPE_CHECKING:
    from ctdna.ledger.replay import Problem

_SHOWN = 20
"""Faults that the error's line and the list before it show; a rewritten chain has as many as entries."""


@click.group("ledger")
def command() -> None:
    """Make, verify, search and export the ledger.

    It lies in `ledger.sqlite` of the folder CTDNA_HOME, or where CTDNA_LEDGER says:
    postgresql+pg8000://USER:PASSWORD@HOST/DATABASE or sqlite:////PATH.
    """


@command.command("init")
@click.option("--site", required=True, metavar="ID", help="Id of this laboratory, as `north-lab`.")
@click.option("--name", required=True, help="Its full name.")
@signing_key("The site's key among this machine's own (`ctdna keys new`); it signs every entry.")
@click.option("--administrator", required=True, metavar="USER", help="Account of the first administrator.")
@click.option("--full-name", required=True, help="The administrator's name, as signatures would show it.")
@input_path("--password-file", "File whose first line is the administrator's password; else it is asked for.", False)
@click.option("--min-password-length", type=click.IntRange(8), default=12, show_default=True, help="Letters at least.")
@click.option("--max-failed-logins", type=click.IntRange(1), default=5, show_default=True, help="Then locked.")
@click.option(
    "--lock-minutes", type=click.IntRange(0), default=30, show_default=True, help="0: until an administrator unlocks."
)
def init(
    site: str,
    name: str,
    key_name: str,
    passphrase_file: Path | None,
    administrator: str,
    full_name: str,
    password_file: Path | None,
    min_password_length: int,
    max_failed_logins: int,
    lock_minutes: int,
) -> None:
    """Make a ledger, its site and its first administrator. There are no other accounts."""
    from ctdna.cli.identity import read_password
    from ctdna.cli.signing import open_key
    from ctdna.ledger.open import init_ledger
    from ctdna.model.ledger import LedgerSettings, SiteAdded

    key = open_key(key_name, passphrase_file)
    settings = LedgerSettings(
        min_password_length=min_password_length, max_failed_logins=max_failed_logins, lock_minutes=lock_minutes
    )
    added = SiteAdded(site=site, name=name, key_id=key.public.key_id)
    password = read_password(password_file, f"Password of {administrator}", twice=True)
    ledger = init_ledger(added, key, administrator, full_name, password, settings, passphrase_file=passphrase_file)
    click.echo(f"{ledger.name}\tentries {ledger.head().sequence}")


@command.command("join")
@click.option("--site", required=True, metavar="ID", help="Site of the ledger that this machine belongs to.")
@signing_key("The site's key among this machine's own.")
def join(site: str, key_name: str, passphrase_file: Path | None) -> None:
    """Let this machine write into a ledger that is there: a further machine of a site, or a restored backup."""
    from ctdna.cli.signing import open_key
    from ctdna.ledger.open import join_ledger, open_ledger

    _refuse_faults(open_ledger().name, open_ledger().verify())
    ledger = join_ledger(site, open_key(key_name, passphrase_file), passphrase_file=passphrase_file)
    click.echo(f"{ledger.name}\tentries {ledger.head().sequence}")


@command.command("settings")
@click.option("--min-password-length", type=click.IntRange(8), help="Letters that a new password has at least.")
@click.option("--max-failed-logins", type=click.IntRange(1), help="Wrong passwords in a row that lock an account.")
@click.option("--lock-minutes", type=click.IntRange(0), help="How long; 0: until an administrator unlocks.")
@click.option("--why", required=True, help="Why; it stands in the ledger.")
@identity()
def settings(
    min_password_length: int | None,
    max_failed_logins: int | None,
    lock_minutes: int | None,
    why: str,
    user: str,
    password_file: Path | None,
) -> None:
    """Change the length of passwords and the lock-out; the ledger keeps the old values. An administrator may."""
    from ctdna.cli.identity import actor_of
    from ctdna.ledger.open import open_ledger
    from ctdna.model.errors import InputError

    named = {
        "min_password_length": min_password_length,
        "max_failed_logins": max_failed_logins,
        "lock_minutes": lock_minutes,
    }
    changes = {name: value for name, value in named.items() if value is not None}
    if not changes:
        raise InputError(None, "ledger settings", "nothing is to be changed", "see ctdna ledger settings --help")
    ledger = open_ledger()
    actor = actor_of(ledger, user, password_file)
    entry = ledger.record(actor, ledger.settings().model_copy(update=changes), why=why)
    click.echo(f"entry {entry.sequence}\t" + "\t".join(f"{name} {value}" for name, value in changes.items()))


@command.command("migrate")
def migrate() -> None:
    """Bring the tables of an older ctdna's ledger to the present form; make a backup before."""
    from ctdna.ledger.open import migrate_ledger
    from ctdna.ledger.schema import LATEST

    click.echo(f"tables\t{migrate_ledger()} -> {LATEST}")


@command.command("verify")
@click.option(
    "--checkpoint",
    "checkpoints",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A signed head kept elsewhere (`ctdna ledger head`, or an export); the ledger must continue it.",
)
@input_path("--export", "Verify this export (JSON lines) in place of the database.", required=False)
def verify(checkpoints: tuple[Path, ...], export: Path | None) -> None:
    """Recompute the chain, its signatures and rights, and hold the tables against it.

    Needs no account: the public key of the site is enough (`ctdna keys trust`). Exit code 3 if anything was changed.
    """
    from ctdna.ledger.export import verify_export
    from ctdna.ledger.open import open_ledger

    if export is not None:
        _refuse_faults(str(export), verify_export(export, checkpoints))
        click.echo(f"verified\t{export}")
        return
    ledger = open_ledger()
    _refuse_faults(ledger.name, ledger.verify(checkpoints))
    head = ledger.head()
    click.echo(f"verified\tentries {head.sequence}\t{head.digest}")


def _refuse_faults(name: str, problems: "tuple[Problem, ...]") -> None:
    """Print what was found; refuse a ledger with faults.

    Raises:
        DefinitionError: there is a fault.
    """
    from ctdna.model.errors import DefinitionError

    faults = [problem for problem in problems if problem.is_fault]
    for problem in (*faults[:_SHOWN], *(one for one in problems if not one.is_fault)):
        click.echo(f"{'fault' if problem.is_fault else 'note'}\t{problem}")
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        what = f"does not verify: {faults[0].what}{more}"
        raise DefinitionError(name, faults[0].where, what, "trust nothing after it before it is explained")


@command.command("head")
@output_path("--output", "Write the signed head, to be kept elsewhere, into this file.", required=False)
def head(output: Path | None) -> None:
    """Print the end of the chain: site, number of entries, digest."""
    from ctdna.formats.atomic import write_text
    from ctdna.ledger.chain import canonical
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    end = ledger.head()
    if output is not None:
        checkpoint = ledger.checkpoint()
        write_text(output, canonical(checkpoint) + "\n")
        end = checkpoint.head
    click.echo(f"{end.site}\t{end.sequence}\t{end.digest}")


@command.command("export")
@output_path("--output", "The file.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("jsonl", "tsv")),
    default="jsonl",
    show_default=True,
    help="jsonl: canonical JSON, a line an entry, which `ledger verify --export` checks; tsv: a table.",
)
@identity()
def export(output: Path, form: str, user: str, password_file: Path | None) -> None:
    """Write every entry, and the signed head as the last line. Any role may."""
    from ctdna.cli.identity import reader_of
    from ctdna.ledger.export import write_export
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    reader_of(ledger, user, password_file)
    checkpoint = ledger.checkpoint()
    write_export(output, ledger.entries(), checkpoint, "tsv" if form == "tsv" else "jsonl")
    click.echo(f"entries\t{checkpoint.head.sequence}")


@command.command("search")
@click.option("--by", metavar="NAME", help="Entries of this user.")
@click.option("--kind", help="Of this kind, as `result.signed`.")
@click.option("--subject", help="On exactly this subject, as `user alice`.")
@click.option("--since", metavar="TIME", help="From this time on (ISO 8601, UTC), as `2026-01-31`.")
@click.option("--until", metavar="TIME", help="Before this time.")
@click.option("--text", help="With this text in subject, reason, old or new values; letter case does not count.")
@click.option(
    "--format", "form", type=click.Choice(("tsv", "jsonl")), default="tsv", show_default=True, help="Form of the list."
)
@identity()
def search(
    by: str | None,
    kind: str | None,
    subject: str | None,
    since: str | None,
    until: str | None,
    text: str | None,
    form: str,
    user: str,
    password_file: Path | None,
) -> None:
    """Print the entries that fit every option, in order. Any role may."""
    from ctdna.cli.identity import reader_of
    from ctdna.ledger.export import lines_of
    from ctdna.ledger.open import open_ledger
    from ctdna.ledger.queries import Search
    from ctdna.model.errors import InputError
    from ctdna.model.ledger import RIGHTS

    if kind is not None and kind not in RIGHTS:
        raise InputError(None, "--kind", f"found `{kind}`", f"known are {', '.join(RIGHTS)}")
    ledger = open_ledger()
    reader_of(ledger, user, password_file)
    wanted = Search(by, kind, subject, since, until, text)
    for line in lines_of(ledger.search(wanted), "jsonl" if form == "jsonl" else "tsv"):
        click.echo(line)
