"""An allele as a change of the genome: trimmed, moved to the 3' end, named."""

from typing import Literal, NamedTuple

from ctdna.model.annotation import Allele
from ctdna.stages.annotation.genome import Genome
from ctdna.stages.annotation.sequence import reverse_complement
from ctdna.stages.annotation.transcripts import MappedTranscript


class Change(NamedTuple):
    """Bases `[start0, end0)` of a chromosome replaced by `alt`; bases of the plus strand."""

    chrom: str
    start0: int
    end0: int
    ref: str
    alt: str

    @property
    def is_shiftable(self) -> bool:
        """Return whether it only inserts or only deletes."""
        return not self.ref or not self.alt


def trimmed(allele: Allele) -> Change:
    """Return the allele without the bases that ref and alt share at their ends, the right end first."""
    ref, alt, start0 = allele.ref, allele.alt, allele.start0
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        ref, alt, start0 = ref[1:], alt[1:], start0 + 1
    return Change(allele.contig, start0, start0 + len(ref), ref, alt)


def shifted(change: Change, genome: Genome, to_right: bool) -> Change:
    """Return an insertion or deletion moved as far as it stays the same change; others as they are."""
    if not change.is_shiftable or change.ref == change.alt:
        return change
    unit, start0 = change.ref or change.alt, change.start0
    width = len(change.ref)
    if to_right:
        while (base := genome.bases(change.chrom, start0 + width, start0 + width + 1)) == unit[0] and base != "N":
            unit, start0 = unit[1:] + unit[0], start0 + 1
    else:
        while start0 > 0 and (base := genome.bases(change.chrom, start0 - 1, start0)) == unit[-1] and base != "N":
            unit, start0 = unit[-1] + unit[:-1], start0 - 1
    return Change(change.chrom, start0, start0 + width, unit if width else "", "" if width else unit)


Kind = Literal["substitution", "deletion", "duplication", "insertion", "delins", "none"]


class Named(NamedTuple):
    """A change in the direction of a strand, as HGVS names it: first and last position and what happens there.

    Of an insertion the two positions are the neighbours; of a duplication the bases that occur twice.
    """

    kind: Kind
    first: int
    last: int
    ref: str
    alt: str

    def text(self, first: str, last: str) -> str:
        """Return the HGVS description behind `g.` or `c.`, with the two positions as given."""
        span = first if first == last else f"{first}_{last}"
        endings = {
            "substitution": f"{self.ref}>{self.alt}",
            "deletion": "del",
            "duplication": "dup",
            "insertion": f"ins{self.alt}",
            "delins": f"delins{self.alt}",
            "none": "=",
        }
        return span + endings[self.kind]


def named(change: Change, genome: Genome, is_minus: bool) -> Named:
    """Return the change as it reads in a strand's direction after the 3' rule of that strand; positions oriented."""
    moved = shifted(change, genome, to_right=not is_minus)
    ref, alt = moved.ref, moved.alt
    first, last = moved.start0, moved.end0 - 1
    copy = ""
    if not ref and alt:
        low = moved.start0 if is_minus else moved.start0 - len(alt)
        copy = genome.bases(moved.chrom, low, low + len(alt)) if low >= 0 else ""
        if copy == alt:
            first, last = low, low + len(alt) - 1
        else:
            first, last = moved.start0 - 1, moved.start0
    if is_minus:
        first, last = -last, -first
        ref, alt = reverse_complement(ref), reverse_complement(alt)
    return Named(_kind(ref, alt, is_copy=bool(copy) and copy == moved.alt), first, last, ref, alt)


def _kind(ref: str, alt: str, is_copy: bool) -> Kind:
    if ref == alt:
        return "none"
    if not ref:
        return "duplication" if is_copy else "insertion"
    if not alt:
        return "deletion"
    return "substitution" if len(ref) == len(alt) == 1 else "delins"


def hgvs_g(change: Change, genome: Genome) -> str:
    """Return the name on the chromosome, as `chr7:g.55191822T>G`."""
    name = named(change, genome, is_minus=False)
    return f"{change.chrom}:g.{name.text(str(name.first + 1), str(name.last + 1))}"


def hgvs_c(name: Named, mapped: MappedTranscript) -> str:
    """Return the name on a transcript, as `c.2573T>G`."""
    return f"c.{name.text(mapped.label(name.first), mapped.label(name.last))}"
