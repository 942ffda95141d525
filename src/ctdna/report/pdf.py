"""The report as PDF/A-3b, with `result.json` attached; the same bytes for the same result."""

import json
from pathlib import Path
from typing import Any

import typst
from pydantic import BaseModel

from ctdna.report.html import TEMPLATES
from ctdna.report.printable import FONTS, in_fonts
from ctdna.report.view import View

CREATED = 0
"""PDF/A wants a creation time; outputs hold none, so it is the epoch's start."""


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return in_fonts(value)
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value


def shown_json(document: BaseModel) -> str:
    """Return what a document shows as JSON; a character that the shipped fonts do not hold is written as `‹U+XXXX›`."""
    return json.dumps(_shown(document.model_dump(mode="json")), ensure_ascii=False, sort_keys=True)


def compiled(layout: Path, inputs: dict[str, str]) -> bytes:
    """Return the PDF/A-3b that a typst layout makes of its inputs; the same bytes for the same inputs.

    Only the layout's own folder is read, and only the shipped fonts are used.
    """
    made = typst.compile(
        str(layout),
        root=str(layout.parent),
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs=inputs,
        pdf_standards=["a-3b"],
        timestamp=CREATED,
    )
    if not isinstance(made, bytes):
        raise TypeError(f"the PDF maker returned {type(made).__name__}, expected bytes")
    return made


def render_pdf(view: View, result_json: str) -> bytes:
    """Return the report as PDF; `result_json` is attached.

    Texts reach the layout as data, never as markup. A missing glyph would be an empty box: see `shown_json`.
    """
    return compiled(TEMPLATES / "report.typ", {"view": shown_json(view), "result": result_json})
