"""`ctdna review`: sign a result as reviewed."""

from pathlib import Path

import click

from ctdna.cli.identity import identity


@click.command("review")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--sample", "sample_id", required=True, help="Sample id.")
@identity()
@click.option("--comment", default="", help="Stands beside the signature, in the report too.")
def command(run_dir: Path, sample_id: str, user: str, password_file: Path | None, comment: str) -> int:
    """Sign a sample's result as reviewed, with your name and password.

    RUN_DIR is the output folder of `ctdna run`. The result and its reports are verified first; the signature in the
    ledger is bound to the digest of result.json. Reviewers and directors may review.
    """
    from ctdna.bundle.sign_off import Signing, review, standing
    from ctdna.cli.identity import read_password
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    at = standing(run_dir, sample_id)
    entry = review(at, ledger, Signing(user, read_password(password_file), "reviewed", comment))
    click.echo(f"{sample_id}: version {at.n_approved + 1} reviewed by {user}, entry {entry.sequence} of the ledger")
    return 0
