"""What the benchmarks say and how their options are read."""

import time
from collections.abc import Callable, Sequence

import click

Callback = Callable[[click.Context, click.Parameter, str | None], tuple[str, ...]]


def say(text: str) -> None:
    """Tell what is being done."""
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


def whole_numbers(_: click.Context, option: click.Parameter, text: str) -> tuple[int, ...]:
    """Return an option's whole numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"found {text}; whole numbers by comma are wanted", param=option) from None


def some_of(what: str, known: Sequence[str], usual: Sequence[str] = ()) -> Callback:
    """Return how an option of names by comma is read: each must be known. None given: `usual`, or all."""

    def read(_: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...]:
        chosen = text.split(",") if text else usual or known
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            raise click.BadParameter(f"found {', '.join(unknown)}; {what} are {', '.join(known)}", param=option)
        return tuple(chosen)

    return read
