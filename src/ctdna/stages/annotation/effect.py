"""What a change does to one transcript: names, Sequence Ontology terms, exon."""

from typing import NamedTuple

from ctdna.stages.annotation.change import Change, Named, hgvs_c, named
from ctdna.stages.annotation.genome import Genome
from ctdna.stages.annotation.protein import ProteinChange, protein_change
from ctdna.stages.annotation.transcripts import MappedTranscript

SEVERITY = (
    "splice_acceptor_variant",
    "splice_donor_variant",
    "stop_gained",
    "frameshift_variant",
    "stop_lost",
    "start_lost",
    "inframe_insertion",
    "inframe_deletion",
    "missense_variant",
    "coding_sequence_variant",
    "start_retained_variant",
    "splice_region_variant",
    "stop_retained_variant",
    "synonymous_variant",
    "5_prime_UTR_variant",
    "3_prime_UTR_variant",
    "intron_variant",
    "upstream_gene_variant",
    "downstream_gene_variant",
    "intergenic_variant",
)
TRUNCATING = frozenset(SEVERITY[:4]) | {"start_lost"}
PROTEIN_ALTERING = frozenset(SEVERITY[:11])
_EXON_SPLICE_BASES = 3
_SITE_BASES = 2


class Effect(NamedTuple):
    """The effect on one transcript."""

    mapped: MappedTranscript
    hgvs_c: str
    hgvs_p: str
    """Empty where the change touches neither coding bases nor a splice site."""
    terms: tuple[str, ...]
    """Most severe first."""
    exon: str
    """`19/28`; empty outside of exons."""
    near_exons: tuple[int, ...]
    """Numbers of the exons that it touches, their splice sites included."""

    @property
    def severity(self) -> int:
        """Return the rank of the most severe term; 0 is the most severe."""
        return SEVERITY.index(self.terms[0])


def effect(change: Change, mapped: MappedTranscript, genome: Genome, splice_region_bases: int) -> Effect:
    """Return the effect of a change that lies in or near the transcript."""
    name = named(change, genome, mapped.is_minus)
    hgvs = hgvs_c(name, mapped)
    name = _as_insertion(name, mapped)
    protein, terms = _coding(name, mapped)
    terms |= _splice(name, mapped, splice_region_bases) | _regions(name, mapped)
    if terms & {"splice_acceptor_variant", "splice_donor_variant"}:
        protein = "p.?"
        terms -= {"intron_variant"}
    touched = [i + 1 for i, exon in enumerate(mapped.exons) if _overlaps(name, *exon)]
    near = [i + 1 for i, (low, high) in enumerate(mapped.exons) if _overlaps(name, low - 2, high + 2)]
    return Effect(
        mapped,
        hgvs,
        protein,
        tuple(sorted(terms, key=SEVERITY.index)),
        f"{touched[0]}/{len(mapped.exons)}" if touched else "",
        tuple(near),
    )


def _as_insertion(name: Named, mapped: MappedTranscript) -> Named:
    """Return a duplication over an exon's edge as the insertion into that exon that it also is; others as they are.

    Behind the insertion both splice sites are whole, as in EGFR c.2284-5_2290dup, p.(Ala763_Tyr764insPheGlnGluAla).
    """
    if name.kind != "duplication" or mapped.exon_of(name.first) == mapped.exon_of(name.last):
        return name
    for left, right in ((name.last, name.last + 1), (name.first - 1, name.first)):
        if mapped.exon_of(left) == mapped.exon_of(right) >= 0:
            return name._replace(kind="insertion", first=left, last=right)
    return name


def _overlaps(name: Named, low: int, high: int) -> bool:
    """Return whether the change touches `[low, high]`; an insertion must lie between two of its bases."""
    if name.kind == "insertion":
        return low <= name.first and name.last <= high
    return name.first <= high and low <= name.last


def _coding_change(name: Named, mapped: MappedTranscript) -> ProteinChange | None:
    """Return the protein's change of what lies in one exon and in the CDS; None for anything else."""
    exon = mapped.exon_of(name.first)
    if exon < 0 or exon != mapped.exon_of(name.last):
        return None
    first = mapped.coordinate(name.first).n - mapped.cds_start_n
    end = mapped.coordinate(name.last).n - mapped.cds_start_n + 1
    if name.kind == "insertion":
        first, end = first + 1, first + 1
    elif name.kind == "duplication":
        end = first
    is_named_before = mapped.coordinate(name.last).n < mapped.cds_start_n or (end == 0 and name.kind == "insertion")
    if is_named_before or first >= mapped.n_coding:
        return None
    if first < 3 and _keeps_coding(mapped, first, end, name.alt):
        return ProteinChange("p.?", "start_retained_variant")
    if first < 0:
        return ProteinChange("p.(Met1?)", "start_lost")
    return protein_change(mapped.coding, mapped.n_coding, first, end, name.alt)


def _keeps_coding(mapped: MappedTranscript, first: int, end: int, alt: str) -> bool:
    """Return whether start codon and all that follows stay as they are, only what lies before them changes."""
    first, end = mapped.cds_start_n + first, mapped.cds_start_n + end
    return (mapped.spliced[:first] + alt + mapped.spliced[end:]).endswith(mapped.coding)


def _coding(name: Named, mapped: MappedTranscript) -> tuple[str, set[str]]:
    change = _coding_change(name, mapped)
    if change is not None:
        return change.hgvs, {change.term} | (_length_terms(name) if change.term == "stop_gained" else set())
    i, j = mapped.exon_of(name.first), mapped.exon_of(name.last)
    if i == j and (i >= 0 or not any(_overlaps(name, *exon) for exon in mapped.exons)):
        return "", set()
    low, high = mapped.coordinate(name.first).n, mapped.coordinate(name.last).n
    if high < mapped.cds_start_n or low >= mapped.cds_end_n:
        return "", set()
    return "p.?", set() if name.kind == "insertion" else {"coding_sequence_variant"}


def _length_terms(name: Named) -> set[str]:
    grown = len(name.alt) - len(name.ref)
    if grown % 3:
        return {"frameshift_variant"}
    return {"inframe_insertion"} if grown > 0 else {"inframe_deletion"} if grown else set()


def _splice(name: Named, mapped: MappedTranscript, width: int) -> set[str]:
    terms = set()
    for (_, last), (first, _) in zip(mapped.exons, mapped.exons[1:], strict=False):
        if _overlaps(name, last + 1, last + _SITE_BASES):
            terms.add("splice_donor_variant")
        if _overlaps(name, first - _SITE_BASES, first - 1):
            terms.add("splice_acceptor_variant")
        near = _overlaps(name, last - _EXON_SPLICE_BASES + 1, last + width)
        if near or _overlaps(name, first - width, first + _EXON_SPLICE_BASES - 1):
            terms.add("splice_region_variant")
    return terms - ({"splice_region_variant"} if len(terms) > 1 else set())


def _regions(name: Named, mapped: MappedTranscript) -> set[str]:
    terms = set()
    start, end = mapped.exons[0][0], mapped.exons[-1][1]
    if name.first < start:
        terms.add("upstream_gene_variant")
    if name.last > end:
        terms.add("downstream_gene_variant")
    if any(_overlaps(name, low[1] + 1, high[0] - 1) for low, high in zip(mapped.exons, mapped.exons[1:], strict=False)):
        terms.add("intron_variant")
    touched = [exon for exon in mapped.exons if _overlaps(name, *exon)]
    if touched and mapped.coordinate(max(name.first, touched[0][0])).n < mapped.cds_start_n:
        terms.add("5_prime_UTR_variant")
    if touched and mapped.coordinate(min(name.last, touched[-1][1])).n >= mapped.cds_end_n:
        terms.add("3_prime_UTR_variant")
    return terms or ({"splice_region_variant"} if not touched else set())
