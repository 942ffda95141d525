"""`ctdna site`: the laboratories and instruments of the ledger."""

from pathlib import Path

import click

from ctdna.cli.identity import identity
from ctdna.cli.options import input_path

_WHY = click.option("--why", default="", help="Needed where it changes what is there; it stands in the ledger.")


@click.group("site")
def command() -> None:
    """Add and list the sites of the ledger and their instruments."""


@command.command("add")
@click.argument("site", metavar="ID")
@click.option("--name", required=True, help="Full name of the laboratory.")
@input_path("--public-key", "The site's public key, NAME.pub; its entries are signed by that key.")
@_WHY
@identity()
def add(site: str, name: str, public_key: Path, why: str, user: str, password_file: Path | None) -> None:
    """Add the site ID, or give it another name or key. An administrator may."""
    from ctdna.cli.identity import actor_of
    from ctdna.formats.keys import read_public_key
    from ctdna.ledger.open import open_ledger
    from ctdna.model.ledger import SiteAdded

    key_id = read_public_key(public_key).key_id
    ledger = open_ledger()
    actor = actor_of(ledger, user, password_file)
    entry = ledger.record(actor, SiteAdded(site=site, name=name, key_id=key_id), why=why)
    click.echo(f"entry {entry.sequence}\tsite {site}\t{key_id}")


@command.command("add-instrument")
@click.argument("serial")
@click.option("--model", required=True, help="As `NovaSeq 6000`.")
@click.option("--site", required=True, metavar="ID", help="Where it stands.")
@_WHY
@identity()
def add_instrument(serial: str, model: str, site: str, why: str, user: str, password_file: Path | None) -> None:
    """Add the sequencer SERIAL (as RunInfo.xml names it), or say that it stands elsewhere. An administrator may."""
    from ctdna.cli.identity import actor_of
    from ctdna.ledger.open import open_ledger
    from ctdna.model.ledger import InstrumentAdded

    ledger = open_ledger()
    actor = actor_of(ledger, user, password_file)
    entry = ledger.record(actor, InstrumentAdded(serial=serial, model=model, site=site), why=why)
    click.echo(f"entry {entry.sequence}\tinstrument {serial}\t{site}")


@command.command("list")
@identity()
def list_sites(user: str, password_file: Path | None) -> None:
    """List sites (id, name, key id) and instruments (serial, model, site). Any role may."""
    from ctdna.cli.identity import reader_of
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    reader_of(ledger, user, password_file)
    for site in ledger.sites():
        click.echo(f"site\t{site.site}\t{site.name}\t{site.key_id}")
    for one in ledger.instruments():
        click.echo(f"instrument\t{one.serial}\t{one.model}\t{one.site}")
