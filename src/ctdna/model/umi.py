"""Read structures: which bases of a read are template, UMI, barcode or nothing of use.

A structure is written as the field writes it, `5M2S+T`: a length and a letter for each segment in the order of
sequencing; `+` in place of one length takes what the other segments leave.
"""

from ctdna.model.base import Frozen
from ctdna.model.errors import InputError

KINDS = {"T": "template", "M": "molecular barcode", "B": "sample barcode", "C": "cell barcode", "S": "skip"}
_ALLOWED = "a length or one + before each of T, M, B, C, S, as in 5M2S+T"


class Segment(Frozen):
    """One stretch of a read."""

    length: int | None
    """Bases; None: whatever the other segments leave."""
    kind: str
    """`T` template, `M` molecular barcode, `B` sample barcode, `C` cell barcode, `S` skip."""

    def __str__(self) -> str:
        return f"{'+' if self.length is None else self.length}{self.kind}"


class ReadStructure(Frozen):
    """The segments of a read, first sequenced first; at most one is of free length."""

    segments: tuple[Segment, ...]

    def __str__(self) -> str:
        return "".join(str(segment) for segment in self.segments)

    @property
    def fixed_length(self) -> int:
        """The bases that the segments of fixed length take together."""
        return sum(segment.length or 0 for segment in self.segments)

    @property
    def is_variable(self) -> bool:
        """Whether one segment is of free length."""
        return any(segment.length is None for segment in self.segments)

    def count(self, kind: str) -> int:
        """Return the number of segments of that kind."""
        return sum(segment.kind == kind for segment in self.segments)

    def fits(self, read_length: int) -> bool:
        """Return whether a read of that many bases can be divided by this structure."""
        if self.is_variable:
            return read_length >= self.fixed_length
        return read_length == self.fixed_length

    def with_variable_last(self) -> "ReadStructure":
        """Return the structure with its last segment of free length; itself where one is free already."""
        if self.is_variable:
            return self
        last = Segment(length=None, kind=self.segments[-1].kind)
        return ReadStructure(segments=(*self.segments[:-1], last))

    def bounds(self, read_length: int) -> tuple[tuple[str, int, int], ...]:
        """Return kind, start0 and end0 of each segment in a read of that many bases.

        Raises:
            InputError: the read does not fit.
        """
        if not self.fits(read_length):
            takes = f"{'at least' if self.is_variable else 'exactly'} {self.fixed_length}"
            raise InputError(
                None, f"read structure {self}", f"found a read of {read_length} bases, it takes {takes}", ""
            )
        found, start0 = [], 0
        for segment in self.segments:
            length = read_length - self.fixed_length if segment.length is None else segment.length
            found.append((segment.kind, start0, start0 + length))
            start0 += length
        return tuple(found)

    def extract(self, bases: str, quals: str | None, with_skips: bool) -> tuple[tuple[str, ...], ...]:
        """Return kind, bases and (where given) qualities of each segment of one read.

        Raises:
            InputError: the read does not fit, or bases and qualities differ in number.
        """
        if quals is not None and len(quals) != len(bases):
            raise InputError(None, f"read structure {self}", f"{len(bases)} bases, but {len(quals)} qualities", "")
        texts = (bases,) if quals is None else (bases, quals)
        return tuple(
            (kind, *(text[start0:end0] for text in texts))
            for kind, start0, end0 in self.bounds(len(bases))
            if with_skips or kind != "S"
        )


def _structure_error(text: str, start: int, end: int, what: str) -> InputError:
    marked = f"{text[:start]}[{text[start:end]}]{text[end:]}"
    return InputError(None, f"read structure {marked}", what, f"allowed: {_ALLOWED}")


def _read_length(text: str, at: int) -> tuple[int | None, int]:
    """Return the length that starts there (None for `+`) and the place after it."""
    if text[at] == "+":
        return None, at + 1
    end = at
    while end < len(text) and text[end].isascii() and text[end].isdigit():
        end += 1
    if end == at:
        found = "no length before it" if text[at] in KINDS else "this is no length"
        raise _structure_error(text, at, at + 1, found)
    if int(text[at:end]) == 0:
        raise _structure_error(text, at, end, "a length of 0")
    return int(text[at:end]), end


def parse_read_structure(text: str) -> ReadStructure:
    """Return the read structure that a text such as `5M2S+T` stands for; spaces and case do not matter.

    Raises:
        InputError: the text is no read structure; the offending part stands in brackets.
    """
    compact = "".join(text.split()).upper()
    if not compact:
        raise _structure_error(compact, 0, 0, "it is empty")
    segments: list[Segment] = []
    at = 0
    while at < len(compact):
        start = at
        length, at = _read_length(compact, at)
        if at == len(compact):
            raise _structure_error(compact, start, at, "a length without a letter")
        if compact[at] not in KINDS:
            raise _structure_error(compact, at, at + 1, "this is no kind of segment")
        if length is None and any(segment.length is None for segment in segments):
            raise _structure_error(compact, start, at, "only one + is possible")
        segments.append(Segment(length=length, kind=compact[at]))
        at += 1
    return ReadStructure(segments=tuple(segments))
