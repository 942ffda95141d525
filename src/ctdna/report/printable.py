"""Characters that a report can show: no controls, no direction overrides, and for the PDF only those its fonts hold."""

import unicodedata
from bisect import bisect_right
from functools import cache
from pathlib import Path

FONTS = Path(__file__).resolve().parent / "fonts"
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")


def printable(text: str) -> str:
    """Return the text with every control, format and surrogate character but the line feed written as `‹U+XXXX›`."""
    if text.isprintable():
        return text
    return "".join(_named(mark) if mark != "\n" and unicodedata.category(mark) in _HIDDEN else mark for mark in text)


def _named(mark: str) -> str:
    return f"‹U+{ord(mark):04X}›"


@cache
def _coverage() -> tuple[list[int], list[int]]:
    lines = (FONTS / "coverage.txt").read_text(encoding="ascii").split()
    ranges = [line.split("-") for line in lines]
    return [int(low, 16) for low, _ in ranges], [int(high, 16) for _, high in ranges]


def is_covered(mark: str) -> bool:
    """Return whether the report's fonts hold the character."""
    starts, ends = _coverage()
    at = bisect_right(starts, ord(mark)) - 1
    return at >= 0 and ord(mark) <= ends[at]


def in_fonts(text: str) -> str:
    """Return the text with every character that the report's fonts do not hold written as `‹U+XXXX›`."""
    return "".join(mark if mark == "\n" or is_covered(mark) else _named(mark) for mark in printable(text))
