"""`ctdna amend`: begin the next version of an approved result."""

from pathlib import Path

import click

from ctdna.cli.identity import identity
from ctdna.cli.options import input_path


@click.command("amend")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--sample", "sample_id", required=True, help="Sample id.")
@click.option("--why", required=True, help="Why the report is amended; stands on it and in the ledger.")
@input_path("--result", "Output folder of another run of the same data, with the new result.", required=False)
@identity()
def command(run_dir: Path, sample_id: str, why: str, result: Path | None, user: str, password_file: Path | None) -> int:
    """Begin the next version of an approved result: a draft that says what it replaces and why.

    RUN_DIR is the output folder of `ctdna run`. The earlier version stays as it is. Without --result the findings stay
    too. The draft lies in reports/SAMPLE/vN-draft and needs its own review and approval. Technicians and directors may
    amend.
    """
    from ctdna.bundle.sign_off import amend, standing
    from ctdna.cli.identity import actor_of
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    at = standing(run_dir, sample_id)
    folder = amend(at, ledger, actor_of(ledger, user, password_file), why, result)
    click.echo(f"{sample_id}: draft of version {at.n_approved + 1}: {folder}")
    return 0
