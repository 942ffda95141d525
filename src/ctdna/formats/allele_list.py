"""A list of alleles as VCF: contig, position, ID, REF and ALT; other columns are not read."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.bgzf import open_input
from ctdna.model.errors import InputError
from ctdna.model.forced import ListedAllele

Fetch = Callable[[str, int, int], NDArray[np.uint8]]
NO_LABEL = "forced"
_HINT = "correct the list of alleles"
_LABEL_BREAKERS = str.maketrans({character: "_" for character in "\t ;,"})


class AlleleList(NamedTuple):
    """The alleles of a list, each once."""

    alleles: tuple[ListedAllele, ...]
    """In the order of the list; records of several alternate alleles are split."""
    repeats: tuple[str, ...]
    """One text for each allele that stands there again."""


def _text(path: Path) -> str:
    with open_input(path) as stream:
        content = stream.read()
    try:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        return plain.decode("utf-8-sig")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(path, "", "is cut off or damaged gzip", "give the whole file") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "", "is not text", "give a VCF, plain or gzipped") from error


def _bases(path: Path, where: str, name: str, text: str) -> str:
    upper = text.upper()
    if not upper or set(upper) - set("ACGT"):
        kind = "is symbolic or has other letters than A, C, G, T"
        raise InputError(path, where, f"{name} `{text[:30]}` {kind}", "write the bases out, or take the record out")
    return upper


def _check_place(path: Path, where: str, place: tuple[str, int, str], lengths: dict[str, int], fetch: Fetch) -> None:
    contig, pos1, ref = place
    if contig not in lengths:
        raise InputError(path, where, f"contig {contig} is not in the reference", _HINT)
    if pos1 + len(ref) - 1 > lengths[contig]:
        raise InputError(path, where, f"REF ends behind {contig}, which has {lengths[contig]} bases", _HINT)
    found = fetch(contig, pos1 - 1, pos1 - 1 + len(ref)).tobytes().decode().upper()
    if found != ref:
        raise InputError(path, where, f"REF is {ref[:30]}, the reference has {found[:30]} there", _HINT)


def _records(path: Path, lengths: dict[str, int], fetch: Fetch) -> Iterator[tuple[str, ListedAllele]]:
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) < 5:
            raise InputError(path, f"line {number}", f"found {len(fields)} columns, at least 5 are needed", _HINT)
        contig, pos, name, ref, alts = (field.strip() for field in fields[:5])
        where = f"line {number}, {contig}:{pos}"
        if not pos.isascii() or not pos.isdigit() or int(pos) < 1:
            raise InputError(path, where, f"POS is `{pos}`, a whole number from 1 on is allowed", _HINT)
        ref = _bases(path, where, "REF", ref)
        _check_place(path, where, (contig, int(pos), ref), lengths, fetch)
        label = NO_LABEL if name in ("", ".") else name.translate(_LABEL_BREAKERS)
        for text in alts.split(","):
            alt = _bases(path, where, "ALT", text)
            if alt == ref:
                raise InputError(path, where, "ALT is the reference itself", _HINT)
            yield where, ListedAllele(contig, int(pos), ref, alt, label)


def read_alleles(path: Path, contigs: Sequence[tuple[str, int]], fetch: Fetch) -> AlleleList:
    """Return the alleles of a VCF, plain, gzip or blocked gzip, in any order; the header is not needed.

    Arguments:
        contigs: names and lengths of the reference.
        fetch: gives reference bases, ASCII, of contig, start0, end0.

    Raises:
        InputError: unreadable or without alleles; a record has too few columns, an unknown contig, a REF that is not
            the reference's, or a symbolic allele. Names the line.
    """
    seen: dict[tuple[str, int, str, str], ListedAllele] = {}
    repeats = []
    for where, allele in _records(path, dict(contigs), fetch):
        if allele[:4] in seen:
            repeats.append(f"{where}: {allele.ref[:30]}>{allele.alt[:30]} stands there again and is answered once")
        seen.setdefault(allele[:4], allele)
    if not seen:
        raise InputError(path, "", "lists no allele", _HINT)
    return AlleleList(tuple(seen.values()), tuple(repeats))
