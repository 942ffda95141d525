"""`ctdna bundle`: results as archives for others, and what left the site so far."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli.identity import identity
from ctdna.cli.options import output_path
from ctdna.model.errors import InputError

if TYPE_CHECKING:
    from ctdna.bundle.export import Witness
    from ctdna.model.bundle import Content


@click.group("bundle")
def command() -> None:
    """Export result bundles, and list the exports.

    A bundle names every file of a run or a sample by its digest, with kit, lot, build, reference, operator and
    instrument; `ctdna run` makes it, `ctdna verify` checks it.
    """


@command.command("export")
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--sample", "sample_id", help="Export this sample only.")
@output_path("--output", "The archive, FILE.zip.")
@click.option("--de-identified", is_flag=True, help="Pseudonyms for names, years for dates, no free texts, no FASTQ.")
@click.option("--aggregates-only", is_flag=True, help="Figures and counts only: no base, no allele, no read.")
@identity(required=False)
@click.option("--recipient", default="", help="Who receives it; logged.")
@click.option("--purpose", default="", help="What for; logged.")
@click.option("--approval", default="", help="Number of the approval by which it leaves; logged.")
def export_command(
    run_dir: Path,
    sample_id: str | None,
    output: Path,
    de_identified: bool,
    aggregates_only: bool,
    user: str | None,
    password_file: Path | None,
    **logged: str,
) -> int:
    """Write the bundle of a run, or of one sample, as an archive that `ctdna verify` checks where it is.

    RUN_DIR is the output folder of `ctdna run`. The bundle is verified first. The export of a signed bundle is an entry
    of the ledger by a director: --user, --recipient, --purpose and --approval are needed. The same bundle gives the
    same archive; a de-identified one, or one of aggregates, is a signed bundle of its own that names its origin.
    """
    from ctdna.bundle.export import Request, export_bundle

    if de_identified and aggregates_only:
        raise click.UsageError("--de-identified and --aggregates-only: give one of them")
    content: Content = "de-identified" if de_identified else "aggregates" if aggregates_only else "full"
    witness = _witness(user, password_file, logged)
    digest = export_bundle(Request(run_dir, sample_id, content, output), witness)
    click.echo(f"{digest}\t{output}")
    return 0


def _witness(user: str | None, password_file: Path | None, logged: dict[str, str]) -> "Witness | None":
    from ctdna.bundle.export import Purpose, Witness
    from ctdna.cli.identity import actor_of
    from ctdna.ledger.open import has_ledger, open_ledger

    if user is None and not has_ledger():
        return None
    if user is None:
        raise InputError(None, "--user", "is missing", "an export is logged: a director gives it")
    for name, value in logged.items():
        if not value.strip():
            raise InputError(
                None, f"--{name}", "is missing", "an export is logged with recipient, purpose and approval"
            )
    ledger = open_ledger()
    return Witness(ledger, actor_of(ledger, user, password_file), Purpose(**logged))


@command.command("list-exports")
def list_exports() -> int:
    """List every export of this machine's ledger: time, person, run, content, recipient, purpose, approval, digest."""
    from ctdna.ledger.open import open_ledger
    from ctdna.model.ledger import BundleExported

    for entry in open_ledger().entries(kind="bundle.exported"):
        new = entry.new
        if isinstance(new, BundleExported):
            told = (new.run, new.content, new.recipient, new.purpose, new.approval, new.bundle_digest)
            click.echo("\t".join((entry.at, entry.user, *told)))
    return 0
