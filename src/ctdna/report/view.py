"""The report of one language, ready to be laid out: every text chosen, every figure written, every chart drawn.

HTML and PDF are both layouts of this one value, so they cannot say different things.
"""

from typing import Literal

from ctdna.model.base import Frozen
from ctdna.report.texts import Language

Tone = Literal["", "good", "warn", "bad", "mute", "strong"]


class Cell(Frozen):
    """One cell of a table."""

    text: str
    sub: str = ""
    """A second, quieter line."""
    tone: Tone = ""
    svg: str = ""
    chip: bool = False
    """Drawn as a label of its tone."""
    mono: bool = False


class Column(Frozen):
    """One column of a table."""

    title: str
    share: float
    """Of the table's width."""
    align: Literal["left", "right"] = "left"


class Table(Frozen):
    """A table with an optional caption."""

    kind: Literal["table"] = "table"
    caption: str = ""
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    dense: bool = False


class Chart(Frozen):
    """One drawing."""

    kind: Literal["chart"] = "chart"
    title: str
    svg: str
    note: str = ""
    half: bool = False
    """Takes half of the width."""


class Paragraph(Frozen):
    """A text under a small heading."""

    kind: Literal["paragraph"] = "paragraph"
    title: str = ""
    lines: tuple[str, ...]


class Evidence(Frozen):
    """All that is known of one finding, with its read view."""

    kind: Literal["evidence"] = "evidence"
    title: str
    subtitle: str
    chips: tuple[Cell, ...]
    pairs: tuple[tuple[str, str], ...]
    svg: str
    note: str


Block = Table | Chart | Paragraph | Evidence


class Section(Frozen):
    """One section."""

    id: str
    title: str
    lead: str = ""
    blocks: tuple[Block, ...]


class Banner(Frozen):
    """The verdict in plain words."""

    tone: Tone
    headline: str
    lines: tuple[str, ...]
    n_named: int
    """The first so many lines name findings."""
    badge: Cell
    """The verdict of quality control."""


class NoticeLine(Frozen):
    """A statement that needs attention."""

    level: Literal["alert", "caution", "note"]
    text: str


class View(Frozen):
    """The report of one language."""

    language: Language
    title: str
    kit_title: str
    chips: tuple[str, ...]
    """State of the document and its use."""
    is_draft: bool
    """Not approved."""
    mark: str
    """On every page; empty for a clinical use."""
    use_statement: str
    """The sentence that goes with the mark; empty where there is none."""
    facts: tuple[tuple[str, str], ...]
    banner: Banner
    notices_title: str
    notices: tuple[NoticeLine, ...]
    sections: tuple[Section, ...]
    footer: str
    page_words: tuple[str, str, str]
    """Around the page numbers."""
    tier_legend: tuple[tuple[str, str], ...]
    """Colour and name of the molecules' tiers."""
