"""A document for people: title, facts, verdict, sections of tables; rendered as HTML and as PDF."""

from pathlib import Path
from typing import Literal

from markupsafe import Markup

from ctdna.model.base import Frozen
from ctdna.report.html import template
from ctdna.report.pdf import compiled, shown_json

TEMPLATES = Path(__file__).resolve().parent / "templates"
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


def page_html(page: Page) -> str:
    """Return the document as one HTML file: styles inside, no script, nothing fetched; every text escaped."""
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    return template("page.html.j2", TEMPLATES).render(p=page, css=Markup(css))


def page_pdf(page: Page, attached: tuple[str, str]) -> bytes:
    """Return the document as PDF/A-3b with a file (name, text) attached; the same bytes for the same document."""
    name, text = attached
    return compiled(TEMPLATES / "page.typ", {"page": shown_json(page), "name": name, "attached": text})
