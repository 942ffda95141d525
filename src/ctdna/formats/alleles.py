"""Lists of alleles: any VCF, or a table with the columns contig, pos1, ref, alt."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.bgzf import open_input
from ctdna.model.errors import InputError
from ctdna.model.forced import ListedAllele

Fetch = Callable[[str, int, int], NDArray[np.uint8]]
NO_LABEL = "forced"
_HINT = "correct the list of alleles"
_FORMS = "give a VCF, or a tab-separated table with the columns contig, pos1, ref, alt"
_COLUMNS = ("contig", "pos1", "ref", "alt")
_LABEL_BREAKERS = str.maketrans({character: "_" for character in "\t ;,"})


class Listed(NamedTuple):
    """An allele, and where in its file it stands."""

    where: str
    allele: ListedAllele


class AlleleList(NamedTuple):
    """The alleles of a list, each once."""

    listed: tuple[Listed, ...]
    """In the order of the list; records of several alternate alleles are split."""
    repeats: tuple[str, ...]
    """One text for each allele that stands there again."""


def _lines(path: Path) -> Iterator[str]:
    with open_input(path) as stream:
        is_gzip = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        plain = cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if is_gzip else stream
        try:
            with io.TextIOWrapper(plain, "utf-8-sig") as text:
                yield from (line.rstrip("\n") for line in text)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(path, "", "is cut off or damaged gzip", "give the whole file") from error
        except UnicodeDecodeError as error:
            raise InputError(path, "", "is not text", "give it plain or gzipped") from error
        except OSError as error:
            raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Return where a record stands, and its contig, position, ID, REF and ALT."""
    lines = enumerate(_lines(path), 1)
    first = next(lines, None)
    if first is None:
        raise InputError(path, "", "is empty", _FORMS)
    header = first[1].lstrip("#").split("\t")
    is_table = not set(_COLUMNS).isdisjoint(header)
    absent = [name for name in _COLUMNS if is_table and name not in header]
    if absent:
        raise InputError(path, "line 1", f"lacks the column {absent[0]}", _FORMS)
    contig, pos1, ref, alt = map(header.index, _COLUMNS) if is_table else (0, 1, 3, 4)
    fewest = max(contig, pos1, ref, alt) + 1
    for number, line in lines if is_table else chain([first], lines):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if len(cells) < fewest:
            what = f"found {len(cells)} columns, at least {fewest} are needed"
            raise InputError(path, f"line {number}", what, _FORMS)
        name = "." if is_table else cells[2]
        yield (
            f"line {number}, {cells[contig]}:{cells[pos1]}",
            [cells[contig], cells[pos1], name, cells[ref], cells[alt]],
        )


def _bases(path: Path, where: str, name: str, text: str) -> str:
    upper = text.upper()
    if not upper or set(upper) - set("ACGT"):
        kind = "is symbolic or has other letters than A, C, G, T"
        raise InputError(path, where, f"{name} `{text[:30]}` {kind}", "write the bases out, or take the record out")
    return upper


def _records(path: Path) -> Iterator[Listed]:
    for where, (contig, pos, name, ref, alts) in _rows(path):
        if not pos.isascii() or not pos.isdigit() or int(pos) < 1:
            raise InputError(path, where, f"POS is `{pos}`, a whole number from 1 on is allowed", _HINT)
        ref = _bases(path, where, "REF", ref)
        label = NO_LABEL if name in ("", ".") else name.translate(_LABEL_BREAKERS)
        for text in alts.split(",") if alts != "." else ():
            alt = _bases(path, where, "ALT", text)
            if alt == ref:
                raise InputError(path, where, "ALT is the reference itself", _HINT)
            yield Listed(where, ListedAllele(contig, int(pos), ref, alt, label))


def read_alleles(path: Path) -> AlleleList:
    """Return the alleles of a VCF or a table, plain, gzip or blocked gzip, in any order.

    A table is known by its first line; a VCF needs no header. A record without alternate allele (`.`) lists none.

    Raises:
        InputError: unreadable or empty; a record has too few columns, no position, or a symbolic allele. Names the
            line.
    """
    seen: dict[tuple[str, int, str, str], Listed] = {}
    repeats = []
    for listed in _records(path):
        allele = listed.allele
        if allele[:4] in seen:
            change = f"{allele.ref[:30]}>{allele.alt[:30]}"
            repeats.append(f"{listed.where}: {change} stands there again and is answered once")
        seen.setdefault(allele[:4], listed)
    return AlleleList(tuple(seen.values()), tuple(repeats))


def check_reference(
    path: Path, some: Iterable[Listed], contigs: Sequence[tuple[str, int]], fetch: Fetch
) -> None:  # fmt: skip
    """Check that alleles of the list `path` are those of a reference.

    Arguments:
        contigs: names and lengths of the reference.
        fetch: gives reference bases, ASCII, of contig, start0, end0.

    Raises:
        InputError: an unknown contig, or a REF that is not the reference's. Names the line.
    """
    lengths = dict(contigs)
    for where, (contig, pos1, ref, *_) in some:
        if contig not in lengths:
            raise InputError(path, where, f"contig {contig} is not in the reference", _HINT)
        if pos1 + len(ref) - 1 > lengths[contig]:
            raise InputError(path, where, f"REF ends behind {contig}, which has {lengths[contig]} bases", _HINT)
        found = fetch(contig, pos1 - 1, pos1 - 1 + len(ref)).tobytes().decode().upper()
        if found != ref:
            raise InputError(path, where, f"REF is {ref[:30]}, the reference has {found[:30]} there", _HINT)
