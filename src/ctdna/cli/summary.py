"""`ctdna summary`: the table of a finished run."""

from pathlib import Path

import click


@click.command("summary")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="Reasons' language.")
def command(folder: Path, language: str) -> int:
    """Print the table of a finished run: samples, verdicts, state of the reports, variants, and the reports' paths.

    DIR is the output folder of `ctdna run`. Below the table stands what failed or is missing, and the next step. In a
    terminal the table is drawn; elsewhere it is plain text with aligned columns.
    """
    print_summary(folder, language)
    return 0


def print_summary(folder: Path, language: str = "en") -> None:
    """Print the table of the run in that folder to the standard output.

    Raises:
        InputError: it is no run's output folder, or a document in it is damaged.
    """
    import sys

    from ctdna.bundle.states import sign_off_states
    from ctdna.cli.verify import ledger_here
    from ctdna.report.summary import read_summary, summary_text

    states = sign_off_states(folder, ledger_here()) if (folder / "run.json").is_file() else {}
    summary = read_summary(folder, "zh" if language == "zh" else "en", states)
    if not sys.stdout.isatty():
        click.echo(summary_text(summary), nl=False)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*summary.header, title=Text(summary.title))
    for row in summary.rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.print(table)
    for line in summary.lines:
        console.print(Text(line), soft_wrap=True)
