"""`ctdna verify`: whether a result bundle is what its signatures say."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli.options import input_path

if TYPE_CHECKING:
    from ctdna.ledger.ledger import Ledger


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--unsigned", is_flag=True, help="Let an unsigned bundle of a research run pass, with a note.")
@click.option("--no-render", is_flag=True, help="Do not make the reports again to compare them; quicker.")
@input_path("--inputs", "The run folder: compare the inputs too.", required=False)
@click.option("--threads", type=click.IntRange(min=1), help="Files read at once; one a core if absent.")
def command(bundle: Path, unsigned: bool, no_render: bool, inputs: Path | None, threads: int | None) -> int:
    """Walk the chain from a bundle's signature to every byte, and name the first link that fails (exit 3).

    BUNDLE is the output folder of a run, the folder reports/SAMPLE in it, or an archive of `ctdna bundle export`, which
    is read where it is, never unpacked. Nothing is fetched. Each link is printed as it holds; a note says what is not
    at hand here: the kit, the build, the ledger, the inputs.
    """
    from ctdna.bundle.trust import site_trust
    from ctdna.bundle.walk import Wanted, verify

    wanted = Wanted("let pass" if unsigned else "refuse", not no_render, inputs, threads)
    for link in verify(bundle, site_trust(), ledger_here(), wanted):
        click.echo(f"{'note' if link.is_note else 'holds'}\t{link.name}\t{link.what}")
    click.echo("verified")
    return 0


def ledger_here() -> "Ledger | None":
    """Return this machine's ledger, None where it has none."""
    from ctdna.ledger.open import has_ledger, open_ledger

    return open_ledger() if has_ledger() else None
