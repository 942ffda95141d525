"""Lists of known alleles: any VCF, or a table with the columns contig, pos1, ref, alt."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.htslib import pysam
from ctdna.model.errors import InputError

_COLUMNS = ("contig", "pos1", "ref", "alt")
_HINT = "give a VCF, or a tab-separated table with the columns contig, pos1, ref, alt"
_VCF_NAMES = (".vcf", ".vcf.gz", ".vcf.bgz")


class NamedAllele(NamedTuple):
    """An allele as VCF writes it."""

    contig: str
    pos1: int
    ref: str
    alt: str


def _of_vcf(path: Path) -> Iterator[NamedAllele]:
    try:
        with pysam.VariantFile(str(path)) as stream:
            for record in stream:
                for alt in record.alts or ():
                    yield NamedAllele(record.contig, record.pos, str(record.ref).upper(), alt.upper())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(path, "", f"cannot be read: {why}", _HINT) from error


def _of_table(path: Path) -> Iterator[NamedAllele]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(path, f"byte {error.start}", "is not UTF-8 text", _HINT) from error
    header = lines[0].lstrip("#").split("\t") if lines else []
    absent = [name for name in _COLUMNS if name not in header]
    if absent:
        raise InputError(path, "line 1", f"lacks the column {absent[0]}", _HINT)
    at = [header.index(name) for name in _COLUMNS]
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if not line or line.startswith("#"):
            continue
        if len(cells) <= max(at) or not cells[at[1]].isdigit() or int(cells[at[1]]) < 1:
            raise InputError(path, f"line {number}", f"found {line[:60]!r}, expected contig, pos1, ref, alt", _HINT)
        yield NamedAllele(cells[at[0]], int(cells[at[1]]), cells[at[2]].upper(), cells[at[3]].upper())


def read_alleles(path: Path) -> tuple[NamedAllele, ...]:
    """Return the alleles of a file, each once, in its order; those that are not spelled in A, C, G, T are refused.

    Raises:
        InputError: unreadable, without the columns, or an allele is none of bases.
    """
    found = tuple(dict.fromkeys((_of_vcf if path.name.endswith(_VCF_NAMES) else _of_table)(path)))
    for allele in found:
        if not allele.ref or not allele.alt or set(allele.ref + allele.alt) - set("ACGT"):
            where = f"{allele.contig}:{allele.pos1}"
            raise InputError(path, where, f"found {allele.ref}>{allele.alt}, expected bases A, C, G, T", _HINT)
    return found
