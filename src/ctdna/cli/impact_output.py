"""Options and output of the commands that say what a change touches."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ctdna.model.change import ImpactReport

F = TypeVar("F", bound=Callable[..., Any])
FORMATS = ("text", "json", "html")


def report_format() -> Callable[[F], F]:
    """Return the options `--format` and `--output` of a report."""
    path: type = Path

    def decorate(function: F) -> F:
        output = click.option("--output", type=click.Path(path_type=path), help="File to write to; else it is printed.")
        form = click.option(
            "--format",
            "form",
            type=click.Choice(FORMATS),
            default="text",
            show_default=True,
            help="Form of the report.",
        )
        return form(output(function))

    return decorate


def say(text: str, output: Path | None) -> None:
    """Print a report, or write it to a file.

    Raises:
        InputError: the file cannot be written.
    """
    from ctdna.formats.atomic import write_text

    if output is None:
        click.echo(text, nl=False)
    else:
        write_text(output, text)


def say_impact(report: "ImpactReport", form: str, output: Path | None) -> None:
    """Print an impact report, or write it to a file, in one of the forms.

    Raises:
        InputError: the file cannot be written.
    """
    from ctdna.formats.documents import dump_json
    from ctdna.validation.impact_page import impact_page
    from ctdna.validation.impact_text import impact_text
    from ctdna.validation.page import page_html

    if form == "html":
        say(page_html(impact_page(report)), output)
    else:
        say(dump_json(report) if form == "json" else impact_text(report), output)
