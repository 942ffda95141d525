"""The report as PDF/A-3b, with `result.json` attached; the same bytes for the same result."""

import json
from typing import Any

import typst

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


def render_pdf(view: View, result_json: str) -> bytes:
    """Return the report as PDF; `result_json` is attached.

    Texts reach the layout as data, never as markup. A character that the shipped fonts do not hold is written as
    `‹U+XXXX›`, since a missing glyph would be an empty box.
    """
    shown = json.dumps(_shown(view.model_dump(mode="json")), ensure_ascii=False, sort_keys=True)
    made = typst.compile(
        str(TEMPLATES / "report.typ"),
        root=str(TEMPLATES),
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
        format="pdf",
        sys_inputs={"view": shown, "result": result_json},
        pdf_standards=["a-3b"],
        timestamp=CREATED,
    )
    if not isinstance(made, bytes):
        raise TypeError(f"the PDF maker returned {type(made).__name__}, expected bytes")
    return made
