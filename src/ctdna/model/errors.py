"""What can go wrong, with the exit code of each kind.

A message is one line: where, what was found, what is allowed, what to do. The command line prints it and leaves with
`exit_code`; the traceback is at `--debug`.
"""

from pathlib import Path

EXIT_DONE = 0
EXIT_INPUT = 2
EXIT_DEFINITION = 3
EXIT_QC = 4
EXIT_PROGRAM = 5
EXIT_AUTHORITY = 6
EXIT_STOPPED = 130


class CtdnaError(Exception):
    """Any failure that the user can act on; printed as one line."""

    exit_code = EXIT_INPUT

    def __init__(self, path: str | Path | None, where: str, what: str, hint: str) -> None:
        """Take the file, the record in it, what is wrong (found and allowed) and the remedy; any may be empty."""
        self.path, self.where, self.what, self.hint = str(path or ""), where, what, hint
        place = ": ".join(part for part in (self.path, where) if part)
        sentence = f"{place}: {what}" if place else what
        super().__init__(" ".join(f"{sentence}; {hint}".split()) if hint else " ".join(sentence.split()))


class InputError(CtdnaError):
    """An input file, record or option is wrong (exit 2)."""


class DefinitionError(CtdnaError):
    """A kit, reference or build is not what it claims to be (exit 3)."""

    exit_code = EXIT_DEFINITION


class QcError(CtdnaError):
    """The work is done, but quality control failed (exit 4)."""

    exit_code = EXIT_QC


class ProgramError(CtdnaError):
    """An outside program is missing or failed (exit 5)."""

    exit_code = EXIT_PROGRAM


class AuthorityError(CtdnaError):
    """The person is not who they say, or may not do this (exit 6)."""

    exit_code = EXIT_AUTHORITY
