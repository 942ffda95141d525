"""The `ctdna` command: finds the sub-command's module, runs it, turns failures into one line and an exit code."""

import importlib
import os
import sys

import click

from ctdna import __version__
from ctdna.model.errors import EXIT_STOPPED, CtdnaError

COMMANDS = {
    "run": "Turn a finished sequencer run into one report per sample.",
    "watch": "Wait for run folders to complete and run them, first in, first out.",
    "demultiplex": "Decode a run folder into FASTQ files per sample.",
    "extract": "Take the UMIs out of the reads.",
    "align": "Align reads to the reference.",
    "group": "Group aligned reads into UMI families.",
    "consensus": "Make one consensus read pair of each family.",
    "realign": "Align consensus reads and carry their tags over.",
    "filter": "Filter consensus reads; sort and index them.",
    "call": "Call variants, and say per locus what could have been seen.",
    "background": "Train the kit's background error model on normal samples.",
    "annotate": "Name variants by HGVS, consequence, knowledge and tier.",
    "qc": "Judge a sample or a run against the kit's thresholds.",
    "report": "Make the result document and its HTML and PDF renderings.",
    "simulate": "Make seeded run folders, FASTQ files and their truth.",
    "kit": "Show and check kit versions.",
    "reference": "Add and list reference genomes.",
    "warm": "Compile every kernel once, so that later starts are quick.",
    "summary": "Print the table of a finished run: samples, verdicts, variants, reports.",
}


class Commands(click.Group):
    """The sub-commands, each imported only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, importing its module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ctdna.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from their one-line texts, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="ctdna")
@click.option("--debug", is_flag=True, envvar="CTDNA_DEBUG", help="Show the traceback of a failure.")
@click.pass_context
def command(ctx: click.Context, debug: bool) -> None:
    """From an Illumina run folder to one clinical ctDNA report per sample.

    Exit codes: 0 done; 2 input wrong; 3 kit or build not what it claims; 4 done, but QC failed;
    5 a program it needs is missing or failed; 130 stopped.
    """
    ctx.obj = debug


def run() -> None:
    """Run the command line; the entry point of the `ctdna` program."""
    debug = "--debug" in sys.argv[1:2] or os.environ.get("CTDNA_DEBUG", "") not in ("", "0")
    try:
        code = command.main(standalone_mode=False)
    except CtdnaError as error:
        if debug:
            raise
        print(f"ctdna: error {error.exit_code}: {error}", file=sys.stderr)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("ctdna: stopped", file=sys.stderr)
        code = EXIT_STOPPED
    except BrokenPipeError:
        sys.stderr.close()
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
