"""Options that several commands share, and the kit-or-options rule."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from ctdna.model.errors import CtdnaError, InputError

F = TypeVar("F", bound=Callable[..., Any])


def input_path(name: str, text: str, required: bool = True) -> Callable[[F], F]:
    """Return an option that names one input file; whether it can be read is checked where it is read."""
    return click.option(name, type=click.Path(path_type=Path), required=required, help=text)


def output_path(name: str, text: str, required: bool = True) -> Callable[[F], F]:
    """Return an option that names one output file or folder."""
    return click.option(name, type=click.Path(path_type=Path), required=required, help=text)


def threads(default: int = 1) -> Callable[[F], F]:
    """Return the option `--threads`; the result never depends on it."""
    return click.option(
        "--threads",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        help="Threads; the result is the same for any number.",
    )


def compression_level() -> Callable[[F], F]:
    """Return the option `--compression-level` of the BAM or FASTQ files that a command writes."""
    return click.option(
        "--compression-level",
        type=click.IntRange(0, 12),
        default=1,
        show_default=True,
        help="How hard to deflate, 0 (not at all) to 12; the content is the same.",
    )


def kit() -> Callable[[F], F]:
    """Return the option `--kit`: all parameters of the stage come from that kit version."""
    return click.option("--kit", "kit_name", metavar="NAME@VERSION", help="Take every parameter from this kit version.")


def align() -> Callable[[F], F]:
    """Return the option `--align`: which reads the aligner gets."""
    return click.option(
        "--align",
        type=click.Choice(("once", "all")),
        default="once",
        show_default=True,
        help="once: one read pair of each distinct template is aligned, in one step from FASTQ to consensus. all: "
        "every read, and every consensus read again; each stage's files are kept.",
    )


_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}
LEAST_MEMORY = 320 << 20
RESERVED_MEMORY = 216 << 20
"""What the program itself takes: interpreter, libraries, compiled kernels, buffers of reading and writing."""


class _Size(click.ParamType[int]):
    """A number of bytes, as `512M` or `2G`."""

    name = "size"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT])(?:i?B)?", str(value), re.IGNORECASE)
        if not found:
            self.fail(f"'{value}' is not a size such as 512M or 2G", param, ctx)
        size = int(float(found[1]) * (1 << _UNITS[found[2].upper()]))
        if size < self._least:
            self.fail(f"{value} is too little: at least {self._least >> 20}M", param, ctx)
        return size


def max_memory(least: int = LEAST_MEMORY) -> Callable[[F], F]:
    """Return the option `--max-memory`, in bytes; the result never depends on it."""
    return click.option(
        "--max-memory",
        type=_Size(least),
        metavar="SIZE",
        default="2G",
        show_default=True,
        help=f"Most memory of the whole process, as 512M or 2G, at least {least >> 20}M. What does not fit goes to "
        "temporary files beside the output; the result is the same for any size.",
    )


def working_memory(max_memory: int, threads: int) -> int:
    """Return what is left of a ceiling for a command's data, in bytes."""
    return max(max_memory - RESERVED_MEMORY - threads * 2 * batch_bytes(max_memory), max_memory // 16)


def batch_bytes(max_memory: int) -> int:
    """Return the bytes of records to read at once under a ceiling."""
    return max(min(max_memory // 128, 4 << 20), 1 << 20)


class ManyValues(click.Command):
    """A command whose repeatable options also take several values in a row: `--min-reads 3 2 1`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the option's name before each further value, then parse as usual."""
        repeatable = {
            name for param in self.params if isinstance(param, click.Option) and param.multiple for name in param.opts
        }
        spread: list[str] = []
        current: str | None = None
        for at, arg in enumerate(args):
            if arg.startswith("-") and len(arg) > 1:
                name = arg.split("=")[0]
                current = name if name in repeatable else None
            elif current is not None and args[at - 1] != current:
                spread.append(current)
            spread.append(arg)
        return super().parse_args(ctx, spread)


def given(ctx: click.Context, *names: str) -> dict[str, object]:
    """Return those parameters that the user wrote on the command line, by name."""
    return {name: ctx.params[name] for name in names if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE}


def check_against_kit(kit_name: str, settings: object, options: dict[str, object]) -> None:
    """Refuse options that contradict the kit's settings of the stage; `options` by the settings' field names.

    Raises:
        InputError: an option differs from what the kit says.
    """
    for name, value in options.items():
        fixed = getattr(settings, name)
        if value != fixed:
            option = "--" + name.replace("_", "-")
            what = f"found {value}, but kit {kit_name} sets {fixed}"
            raise InputError(None, option, what, "leave the option out, or leave --kit out for a run outside the kit")


@contextmanager
def located(path: Path) -> Iterator[None]:
    """Name the file in an error of a stage that knows only the record."""
    try:
        yield
    except CtdnaError as error:
        if error.path:
            raise
        raise type(error)(path, error.where, error.what, error.hint) from error
