"""A document for people: title, facts, verdict, sections of tables; rendered as HTML and as PDF."""

import json
from functools import cache
from pathlib import Path
from typing import Literal

import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ctdna.model.base import Frozen
from ctdna.report.printable import FONTS, in_fonts, printable

TEMPLATES = Path(__file__).resolve().parent / "templates"
CREATED = 0
"""PDF/A wants a creation time; outputs hold none, so it is the epoch's start."""
Tone = Literal["good", "warn", "bad", "plain"]


class Table(Frozen):
    """One table."""

    title: str
    columns: tuple[str, ...]
    shares: tuple[int, ...]
    """Widths of the columns against each other."""
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class Section(Frozen):
    """A heading with sentences and tables."""

    title: str
    lines: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


class Page(Frozen):
    """The whole document."""

    title: str
    facts: tuple[tuple[str, str], ...]
    tone: Tone
    headline: str
    lines: tuple[str, ...]
    """Below the headline."""
    sections: tuple[Section, ...]
    footer: str


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    return environment.get_template("page.html.j2")


def page_html(page: Page) -> str:
    """Return the document as one HTML file: styles inside, no script, nothing fetched; every text escaped."""
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    return _template().render(p=page, css=Markup(css))


def _shown(value: object) -> object:
    if isinstance(value, str):
        return in_fonts(value)
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value


def page_pdf(page: Page, attached: tuple[str, str]) -> bytes:
    """Return the document as PDF/A-3b with a file (name, text) attached; the same bytes for the same document.

    A character that the shipped fonts do not hold is written as `‹U+XXXX›`.
    """
    name, text = attached
    shown = json.dumps(_shown(page.model_dump(mode="json")), ensure_ascii=False, sort_keys=True)
    made = typst.compile(
        str(TEMPLATES / "page.typ"),
        root=str(TEMPLATES),
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"page": shown, "name": name, "attached": text},
        pdf_standards=["a-3b"],
        timestamp=CREATED,
    )
    if not isinstance(made, bytes):
        raise TypeError(f"the PDF maker returned {type(made).__name__}, expected bytes")
    return made
