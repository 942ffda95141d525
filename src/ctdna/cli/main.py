"""The `ctdna` command: finds the sub-command's module, runs it, turns failures into one line and an exit code."""

import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
from click.exceptions import NoArgsIsHelpError

from ctdna import __version__
from ctdna.model.errors import EXIT_STOPPED, CtdnaError, InputError

COMMANDS = {
    "run": "Turn a finished sequencer run into one report per sample.",
    "watch": "Wait for run folders to complete and run them, first in, first out.",
    "demultiplex": "Decode a run folder into FASTQ files per sample.",
    "consensus-from-fastq": "Make filtered consensus reads of FASTQ in one go, aligning each template once.",
    "extract": "Take the UMIs out of the reads.",
    "align": "Align reads to the reference.",
    "group": "Group aligned reads into UMI families.",
    "consensus": "Make one consensus read pair of each family.",
    "realign": "Align consensus reads and carry their tags over.",
    "filter": "Filter consensus reads; sort and index them.",
    "call": "Call variants, and say per locus what could have been seen.",
    "background": "Train the kit's background error model on normal samples.",
    "calibrate": "Check LoD95 and false positives by dilutions in memory.",
    "annotate": "Name variants by HGVS, consequence, knowledge and tier.",
    "qc": "Judge a sample or a run against the kit's thresholds.",
    "report": "Make the result document and its HTML and PDF renderings.",
    "review": "Sign a result as reviewed.",
    "approve": "Sign a reviewed result as approved; write its signed reports.",
    "amend": "Begin the next version of an approved result.",
    "verify": "Check a result bundle, link by link.",
    "bundle": "Export result bundles; list the exports.",
    "simulate": "Make seeded run folders, FASTQ files and their truth.",
    "kit": "Make, check, freeze, sign, release and retire kit versions.",
    "lot": "Make, add and check lots of kits.",
    "override": "Let a run pass a gate that stops it.",
    "replay": "Run archived runs again under another kit or build, and compare.",
    "evidence": "Keep results of studies, and say which count for another kit or stage.",
    "reference": "Add and list reference genomes.",
    "keys": "Make, trust and list the keys of a manufacturer or a site.",
    "ledger": "Make, verify, search and export the ledger.",
    "user": "Add, change, lock and list the ledger's people.",
    "site": "Add and list the ledger's sites and instruments.",
    "trace": "Make the matrix of requirements, tests and results.",
    "build": "Lock the installed software and check it against its lock.",
    "warm": "Compile every kernel once, so that later starts are quick.",
    "summary": "Print the table of a finished run: samples, verdicts, variants, reports.",
}


_COLLECT_AFTER = 200_000
"""New objects after which Python looks for rings of dead ones; its own 700 mean a hundred looks at each start."""


class Commands(click.Group):
    """The sub-commands, each imported only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, importing its module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"ctdna.cli.{cmd_name.replace('-', '_')}")
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
    5 a program it needs is missing or failed; 6 not known, no right to it, or stopped by a gate; 130 stopped.
    """
    ctx.obj = debug


def _stop(number: int, frame: FrameType | None) -> None:
    """Leave as Ctrl-C does, once, so that what was begun is cleared away undisturbed."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _system_error(error: OSError) -> InputError:
    """Return the one-line error for what the operating system refused, wherever that was."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
    return InputError(names[0] if names else None, "", error.strerror or str(error), "see the system's message")


def _usage_error(error: click.ClickException) -> InputError:
    """Return the one-line error for options that are missing, unknown or not allowed."""
    context = getattr(error, "ctx", None)
    program = context.command_path if context is not None else "ctdna"
    return InputError(None, "", error.format_message().rstrip("."), f"see {program} --help")


def _located(error: CtdnaError | click.ClickException | OSError | MemoryError) -> CtdnaError:
    """Return any failure that the user can act on as the error of one line that it is told as."""
    if isinstance(error, CtdnaError):
        return error
    if isinstance(error, click.ClickException):
        return _usage_error(error)
    if isinstance(error, OSError):
        return _system_error(error)
    return InputError(None, "", "not enough memory", "free memory, or run on a larger machine")


def _outcome(debug: bool) -> object:
    """Return the exit code of the command line, or what the command returned; failures are printed as one line."""
    try:
        return command.main(prog_name="ctdna", standalone_mode=False)
    except NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print("ctdna: stopped", file=sys.stderr)
        return EXIT_STOPPED
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except (CtdnaError, click.ClickException, OSError, MemoryError) as error:
        if debug:
            raise
        told = _located(error)
        print(f"ctdna: error {told.exit_code}: {told}", file=sys.stderr)
        return told.exit_code


def run() -> None:
    """Run the command line; the entry point of the `ctdna` program."""
    gc.set_threshold(_COLLECT_AFTER)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy would start threads for products that nothing here needs
    debug = "--debug" in sys.argv[1:2] or os.environ.get("CTDNA_DEBUG", "") not in ("", "0")
    with _stopped_by_sigterm():
        code = _outcome(debug)
    gc.freeze()  # else the interpreter looks through all that numba has loaded before it ends: a quarter of a short run
    sys.exit(code if isinstance(code, int) else 0)
