"""Small drawings as SVG text: the same bytes for the same figures, no script, no outside file."""

from collections.abc import Sequence
from html import escape

FONT = "Noto Sans, Noto Sans CJK SC, Noto Sans SC, PingFang SC, Microsoft YaHei, Helvetica Neue, Arial, sans-serif"
INK, MUTED, GRID = "#1d2b36", "#5d6b76", "#d9e0e5"
ACCENT, ACCENT_DARK, AMBER, RED = "#8fb8c9", "#1f6f8b", "#b7791f", "#b3261e"
TIER_COLOURS = {"duplex": "#14506a", "simplex3": "#3f8fae", "pair2": "#9cc4d4", "single": "#cfd8dd"}
BASE_COLOURS = {"A": "#1b7f3b", "C": "#1f5fbf", "G": "#a15c00", "T": "#b3261e", "-": "#444444"}


def number(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def drawing(width: float, height: float, parts: list[str], label: str) -> str:
    """Return a whole SVG, scaled to its place, with its description for readers that cannot see it."""
    size = f'width="{number(width)}" height="{number(height)}" viewBox="0 0 {number(width)} {number(height)}"'
    name = escape(label, quote=True)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{name}" font-family="{FONT}">'
    return head + "".join(parts) + "</svg>"


def rect(x: float, y: float, width: float, height: float, fill: str, radius: float = 0) -> str:
    """Return a filled rectangle."""
    rounded = f' rx="{number(radius)}"' if radius else ""
    place = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    return f'<rect {place} fill="{fill}"{rounded}/>'


def line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float = 1) -> str:
    """Return a straight line."""
    ends = f'x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"'
    return f'<line {ends} stroke="{stroke}" stroke-width="{number(width)}"/>'


def polyline(points: Sequence[tuple[float, float]], stroke: str, width: float, dash: str = "") -> str:
    """Return a line through points; `dash` as SVG writes it, empty for a drawn-out line."""
    places = " ".join(f"{number(x)},{number(y)}" for x, y in points)
    broken = f' stroke-dasharray="{dash}"' if dash else ""
    style = f'fill="none" stroke="{stroke}" stroke-width="{number(width)}" stroke-linejoin="round"'
    return f'<polyline points="{places}" {style}{broken}/>'


def circle(x: float, y: float, radius: float, fill: str) -> str:
    """Return a filled circle."""
    return f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" fill="{fill}"/>'


def label(
    x: float, y: float, words: str, size: float = 11, fill: str = INK, anchor: str = "start", weight: int = 400
) -> str:
    """Return a line of text, escaped; `y` is its baseline."""
    style = f'font-size="{number(size)}" fill="{fill}" text-anchor="{anchor}"'
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return f'<text x="{number(x)}" y="{number(y)}" {style}{bold}>{escape(words)}</text>'
