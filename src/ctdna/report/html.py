"""The report as one self-contained HTML file."""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from ctdna.report.printable import printable
from ctdna.report.view import View

TEMPLATES = Path(__file__).resolve().parent / "templates"


@cache
def template(name: str, folder: Path = TEMPLATES) -> Template:
    """Return a template of a folder, the report's own if none is named; every text in it is escaped and printable."""
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.filters["drawing"] = lambda svg: Markup(printable(svg))  # our own SVG; its texts are escaped already
    return environment.get_template(name)


def render_html(view: View) -> str:
    """Return the report as HTML: styles and drawings inside, no script, nothing fetched; every text escaped."""
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return template("report.html.j2").render(v=view, css=Markup(css))
