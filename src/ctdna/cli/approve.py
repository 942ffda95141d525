"""`ctdna approve`: sign a reviewed result as approved, and write its signed reports."""

from pathlib import Path

import click

from ctdna.cli.identity import identity
from ctdna.cli.options import input_path


@click.command("approve")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--sample", "sample_id", required=True, help="Sample id.")
@identity()
@click.option("--comment", default="", help="Stands beside the signature, in the report too.")
@input_path("--passphrase-file", "File whose first line protects the site's key for PDFs.", required=False)
def command(
    run_dir: Path,
    sample_id: str,
    user: str,
    password_file: Path | None,
    comment: str,
    passphrase_file: Path | None,
) -> int:
    """Sign a reviewed result as approved, with your name and password, and write reports/SAMPLE/vN.

    RUN_DIR is the output folder of `ctdna run`. Only a director may, and not the person who reviewed it. The folder
    holds approval.json, signed by the site, and the reports with both signatures; each PDF is digitally signed. The
    site's key for PDFs is made at its first use.
    """
    from ctdna.bundle.sign_off import Signing, approve, standing
    from ctdna.cli.identity import read_password
    from ctdna.cli.signing import read_passphrase
    from ctdna.ledger.open import open_ledger

    ledger = open_ledger()
    at = standing(run_dir, sample_id)
    signing = Signing(user, read_password(password_file), "approved", comment)
    folder = approve(at, ledger, signing, read_passphrase(passphrase_file))
    click.echo(f"{sample_id}: version {at.n_approved + 1} approved by {user}: {folder}")
    return 0
