"""The drawing of the molecules around one finding."""

from ctdna.model.result import MoleculeRow, ReadView
from ctdna.report.numbers import plain
from ctdna.report.svg import BASE_COLOURS, INK, MUTED, TIER_COLOURS, drawing, label, line, rect
from ctdna.report.texts import Language, words

CELL, ROW, LEFT = 11.0, 10.0, 12.0
_SPAN, _MATE, _MARK = "#e8eef1", "#777777", "#fff3d6"


def _spans(bases: str) -> list[tuple[int, int]]:
    spans, start = [], -1
    for at, base in enumerate(bases + " "):
        if base != " " and start < 0:
            start = at
        elif base == " " and start >= 0:
            spans.append((start, at))
            start = -1
    return spans


def _row(row: MoleculeRow, y: float) -> list[str]:
    parts = [rect(2, y + 1, 5, ROW - 2, TIER_COLOURS[row.tier])]
    for start, end in _spans(row.bases):
        parts.append(rect(LEFT + CELL * start, y + 1, CELL * (end - start), ROW - 2, _SPAN))
    for at, base in enumerate(row.bases):
        x = LEFT + CELL * at
        if base == "-":
            parts.append(line(x, y + ROW / 2, x + CELL, y + ROW / 2, INK, 1.6))
        elif base not in " .":
            parts.append(rect(x, y + 0.5, CELL, ROW - 1, BASE_COLOURS.get(base, _MATE)))
            parts.append(label(x + CELL / 2, y + ROW - 1.8, base, 8.5, "#ffffff", "middle", 700))
    for at, bases in row.insertions.items():
        x = LEFT + CELL * (at + 1)
        parts.append(rect(x - 1.2, y, 2.4, ROW, "#7b2d8e"))
        parts.append(label(x + 2.5, y + ROW - 1.8, f"+{bases}", 8, "#7b2d8e", "start", 700))
    return parts


def read_view(view: ReadView, language: Language) -> str:
    """Return the drawing: reference above, one row a molecule, the variant's molecules first, counts said."""
    contig, pos1, ref, alt = view.key.rsplit(":", 3)
    width = LEFT + CELL * len(view.reference) + 6
    alts = [row for row in view.rows if row.is_alt]
    others = [row for row in view.rows if not row.is_alt]
    top = 32.0
    height = top + ROW * len(view.rows) + 42
    x = LEFT + CELL * (int(pos1) - 1 - view.start0)
    parts = [rect(x, 14, CELL * len(ref), height - 14, _MARK)]
    parts.append(label(LEFT, 10, f"{contig}:{view.start0 + 1:,}", 9, MUTED))
    parts.append(label(width - 6, 10, f"{view.start0 + len(view.reference):,}", 9, MUTED, "end"))
    for at, base in enumerate(view.reference):
        colour = BASE_COLOURS.get(base, MUTED)
        parts.append(label(LEFT + CELL * (at + 0.5), 26, base, 9.5, colour, "middle", 700))
    y = top
    for key, n, rows in (("reads.alt", view.n_alt, alts), ("reads.other", view.n_other, others)):
        parts.append(label(LEFT, y + 12, words(language, key, n=plain(n), shown=len(rows)), 10, INK))
        y += 17
        for row in rows:
            parts += _row(row, y)
            y += ROW
        y += 3
    return drawing(width, height, parts, f"{contig}:{pos1} {ref}>{alt}")
