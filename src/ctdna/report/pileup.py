"""The molecules around each finding, taken from the consensus BAM."""

from collections.abc import Iterable
from pathlib import Path

from ctdna.formats.htslib import pysam
from ctdna.model.errors import InputError
from ctdna.model.result import TIERS, Finding, MoleculeRow, Reads, ReadView, Tier

FLANK = 20
"""Bases shown on each side of a variant."""
MAX_ALT_ROWS = 24
MAX_OTHER_ROWS = 8
_SKIPPED_FLAGS = 0x4 | 0x100 | 0x200 | 0x800


class _Molecule:
    """One molecule while its reads are laid over the window."""

    def __init__(self, width: int) -> None:
        self.bases = [" "] * width
        self.insertions: dict[int, str] = {}
        self.tier: Tier = "single"


def _tier(read: pysam.AlignedSegment, at: int) -> Tier:
    """Return the tier of a consensus base: by its per-base depths, else by the read's greatest."""
    depths = []
    for per_base, per_read in (("ad", "aD"), ("bd", "bD"), ("cd", "cD")):
        if read.has_tag(per_base):
            stored = read.get_tag(per_base)
            depths.append(int(stored[at]) if at < len(stored) else 0)  # type: ignore[index,arg-type]
        else:
            depths.append(int(read.get_tag(per_read)) if read.has_tag(per_read) else 0)
    top, bottom, both = depths
    if top > 0 and bottom > 0:
        return "duplex"
    depth = max(top, bottom, both)
    return "simplex3" if depth >= 3 else "pair2" if depth == 2 else "single"


def _lay(read: pysam.AlignedSegment, molecule: _Molecule, start0: int, pos0: int) -> None:
    """Write one read's bases into its molecule's row; mates that disagree leave `*`."""
    bases = read.query_sequence or ""
    width, query, place = len(molecule.bases), 0, read.reference_start - start0
    for operation, length in read.cigartuples or ():
        if operation in (0, 7, 8, 2):
            for offset in range(max(0, -place), min(length, width - place)):
                base = "-" if operation == 2 else bases[query + offset]
                held = molecule.bases[place + offset]
                molecule.bases[place + offset] = base if held in (" ", base) else "*"
                if place + offset == pos0 - start0:
                    found = _tier(read, min(query + offset, len(bases) - 1))
                    molecule.tier = min(found, molecule.tier, key=TIERS.index)
            place += length
        elif operation == 1 and 0 < place <= width:
            molecule.insertions[place - 1] = bases[query : query + length]
        elif operation == 3:
            place += length
        if operation in (0, 1, 4, 7, 8):
            query += length


def _allele(molecule: _Molecule, first: int, n_bases: int) -> str | None:
    """Return what the molecule shows from window base `first` on; None where it does not know all of it."""
    shown = ""
    for at in range(first, first + n_bases):
        base = molecule.bases[at]
        if base in " *N":
            return None
        shown += ("" if base == "-" else base) + molecule.insertions.get(at, "")
    return shown


def _molecules(reads: Iterable[pysam.AlignedSegment], start0: int, width: int, pos0: int) -> dict[str, _Molecule]:
    found: dict[str, _Molecule] = {}
    for read in reads:
        if read.flag & _SKIPPED_FLAGS:
            continue
        name = str(read.get_tag("MI")).split("/")[0] if read.has_tag("MI") else str(read.query_name)
        _lay(read, found.setdefault(name, _Molecule(width)), start0, pos0)
    return found


def _row(molecule: _Molecule, reference: str, is_alt: bool) -> MoleculeRow:
    pairs = zip(molecule.bases, reference, strict=True)
    text = "".join("." if base == expected else base for base, expected in pairs)
    return MoleculeRow(
        tier=molecule.tier, is_alt=is_alt, bases=text, insertions=dict(sorted(molecule.insertions.items()))
    )


def _order(row: MoleculeRow) -> tuple[int, int, int, str, str]:
    blank = len(row.bases) - len(row.bases.lstrip(" "))
    return (0 if row.is_alt else 1, TIERS.index(row.tier), blank, row.bases, str(row.insertions))


def view_of(finding: Finding, reads: Iterable[pysam.AlignedSegment], reference: str, start0: int) -> ReadView:
    """Return the read view of a finding: rows sorted by variant first, tier, start and bases, capped.

    `reference` is the window's sequence from `start0` on. Molecules that do not cover the whole variant are left out.
    """
    pos0 = finding.pos1 - 1
    alt_rows: list[MoleculeRow] = []
    other_rows: list[MoleculeRow] = []
    for molecule in _molecules(reads, start0, len(reference), pos0).values():
        allele = _allele(molecule, pos0 - start0, len(finding.ref))
        if allele is not None:
            is_alt = allele == finding.alt
            (alt_rows if is_alt else other_rows).append(_row(molecule, reference, is_alt))
    rows = sorted(alt_rows, key=_order)[:MAX_ALT_ROWS] + sorted(other_rows, key=_order)[:MAX_OTHER_ROWS]
    return ReadView(
        key=finding.key,
        start0=start0,
        reference=reference,
        n_alt=len(alt_rows),
        n_other=len(other_rows),
        rows=tuple(rows),
    )


def read_views(sample_id: str, findings: tuple[Finding, ...], bam: Path, fasta: Path) -> Reads:
    """Return the read views of every finding of the report's table.

    Raises:
        InputError: the BAM or the reference cannot be read, or they do not belong together.
    """
    for path in (bam, fasta):
        if not path.is_file():
            raise InputError(path, "", "the file does not exist", "check the path, or run the stage that writes it")
    views = []
    path = bam
    try:
        with pysam.AlignmentFile(str(bam), "rb") as alignments:
            path = fasta
            with pysam.FastaFile(str(fasta)) as sequences:
                path = bam
                for finding in findings:
                    if finding.is_shown:
                        views.append(_fetch(finding, alignments, sequences, fasta))
    except (OSError, ValueError) as error:
        hint = "the file or its index is damaged, missing or of another reference: run the stage that writes it again"
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(path, "", f"cannot be read: {why}", hint) from error
    return Reads(schema_version=1, sample_id=sample_id, views=tuple(views))


def _fetch(finding: Finding, alignments: pysam.AlignmentFile, sequences: pysam.FastaFile, fasta: Path) -> ReadView:
    if finding.contig not in sequences.references:
        what = f"has no contig {finding.contig}, which the variants use"
        raise InputError(fasta, "", what, "give the reference that the sample was aligned to")
    pos0 = finding.pos1 - 1
    start0 = max(0, pos0 - FLANK)
    end0 = min(sequences.get_reference_length(finding.contig), pos0 + len(finding.ref) + FLANK)
    reference = sequences.fetch(finding.contig, start0, end0).upper()
    found = reference[pos0 - start0 : pos0 - start0 + len(finding.ref)]
    if found != finding.ref:
        what = f"the reference reads {found}, the variant file {finding.ref}"
        raise InputError(fasta, f"{finding.contig}:{finding.pos1}", what, "give the reference it was called on")
    return view_of(finding, alignments.fetch(finding.contig, pos0, pos0 + len(finding.ref)), reference, start0)
