"""`ctdna override`: a director lets one run pass one gate."""

from pathlib import Path
from typing import get_args

import click

from ctdna.cli.identity import identity
from ctdna.model.trace import Gate

_GATES: tuple[Gate, ...] = get_args(Gate)


@click.group("override")
def command() -> None:
    """Let a run pass a gate that stops it, and list what was let pass.

    An override holds for one sequencer run and one gate, and is used once. The report of the run shows it.
    """


@command.command("grant")
@click.option("--run-id", required=True, help="The sequencer run, as RunInfo.xml names it.")
@click.option("--gate", type=click.Choice(_GATES), required=True, help="The gate, as the refused run names it.")
@click.option("--why", required=True, help="Why; the report shows it.")
@identity()
def grant(run_id: str, gate: Gate, why: str, user: str, password_file: Path | None) -> None:
    """Let one run pass one gate, once; print the override's id."""
    from ctdna.cli.authority import authority_of

    authority = authority_of(user, password_file)
    authority.require("override.granted")
    override_id = authority.ledger.grant_override(authority.actor, gate, run_id, why)
    click.echo(f"{override_id}\t{run_id}\t{gate}\t{user}")


@command.command("list")
@click.option("--run-id", default=None, help="Of this sequencer run only.")
@identity()
def list_overrides(run_id: str | None, user: str, password_file: Path | None) -> None:
    """List overrides: id, run, gate, who granted it, the run that used it, why."""
    from ctdna.cli.identity import reader_of
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    reader_of(ledger, user, password_file)
    for one in ledger.overrides(run_id):
        used = one.used_by or "not used"
        click.echo(f"{one.override_id}\t{one.run_id}\t{one.gate}\t{one.user}\t{used}\t{one.why}")
