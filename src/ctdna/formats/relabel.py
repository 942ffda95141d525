"""Copies of a sample's VCF and BAM under other names: what they say of the sample is renamed, nothing else changes."""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pysam

from ctdna.formats.atomic import atomic_path
from ctdna.formats.tables import write_indexed
from ctdna.model.errors import InputError

Rename = Callable[[str], str]


def renamer(names: dict[str, str]) -> Rename:
    """Return what puts the new name for each old one in a text, wherever it stands as a word of its own.

    A word ends where neither letter nor digit, dash, dot nor underscore follows.
    """
    if not names:
        return lambda text: text
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    pattern = re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, longest_first)) + r")(?![\w-])")
    return lambda text: pattern.sub(lambda found: names[found[1]], text)


def _vcf_lines(source: Path, rename: Rename) -> Iterator[str]:
    try:
        with gzip.open(source, "rt", encoding="utf-8", newline="\n") as stream:
            for line in stream:
                text = line.rstrip("\n")
                if text.startswith("#CHROM"):
                    fields = text.split("\t")
                    yield "\t".join([*fields[:9], *map(rename, fields[9:])])
                else:
                    yield rename(text) if text.startswith("#") else text
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InputError(source, "", f"cannot be read: {error}", "restore the file") from error


def relabel_vcf(source: Path, target: Path, rename: Rename) -> None:
    """Write a VCF with the names in its header renamed, indexed.

    Raises:
        InputError: it cannot be read or written.
    """
    write_indexed(target, _vcf_lines(source, rename), "vcf")


def relabel_bam(source: Path, target: Path, rename: Rename) -> None:
    """Write a BAM with the names in its header and before the colon of its read names renamed, indexed.

    Raises:
        InputError: it cannot be read or written.
    """
    index = Path(f"{target}.bai")
    try:
        with atomic_path(index) as temporary_index, atomic_path(target) as temporary:
            with pysam.AlignmentFile(str(source), "rb") as stream:
                text = "\n".join(map(rename, str(stream.header).splitlines())) + "\n"
                header = pysam.AlignmentHeader.from_text(text)
                with pysam.AlignmentFile(str(temporary), "wb", header=header) as out:
                    for read in stream:
                        prefix, colon, rest = (read.query_name or "").partition(":")
                        read.query_name = rename(prefix) + colon + rest
                        out.write(read)
            pysam.index(str(temporary), str(temporary_index))
    except (OSError, ValueError) as error:
        raise InputError(source, "", f"cannot be read: {error}", "restore the file") from error
