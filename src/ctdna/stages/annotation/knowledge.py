"""Which statements of the kit's knowledge speak of a variant."""

import re
from collections.abc import Callable, Iterable

from ctdna.model.annotation import KnowledgeItem
from ctdna.model.errors import InputError
from ctdna.stages.annotation.effect import PROTEIN_ALTERING, TRUNCATING, Effect
from ctdna.stages.annotation.sequence import ONE_LETTER

_THREE = re.compile("|".join(sorted(ONE_LETTER)))
_EXACT = re.compile(r"^p\.([A-Z*]\d+(?:_[A-Z*]\d+)?(?:[A-Z*=]|del|dup|ins[A-Z*]+|delins[A-Z*]+|fs|[A-Z]fs(?:\*\d+)?))$")
_CODON = re.compile(r"^p\.([A-Z])(\d+)$")
_CODING = re.compile(r"^c\.\S+$")
_EXON = re.compile(r"^exon (\d+) (deletion|insertion|mutation|skipping)$")
FORMS = (
    "p.L858R, p.E746_A750del, p.R273fs, p.G12, c.35G>A, exon 19 deletion|insertion|mutation|skipping, truncating, "
    "any mutation"
)

Matcher = Callable[[Effect], bool]


def one_letter(hgvs_p: str) -> str:
    """Return the protein change in one-letter residues without its parentheses: `L858R`; empty for `p.?`."""
    inner = hgvs_p.removeprefix("p.").removeprefix("(").removesuffix(")")
    return "" if inner == "?" else _THREE.sub(lambda found: ONE_LETTER[found.group()], inner)


def matcher(variant: str) -> Matcher | None:
    """Return the test for one form of variant as the knowledge table writes it; None where the form is not known."""
    if variant in ("any mutation", "any"):
        return lambda effect: not PROTEIN_ALTERING.isdisjoint(effect.terms)
    if variant == "truncating":
        return lambda effect: not TRUNCATING.isdisjoint(effect.terms)
    for pattern, make in ((_EXON, _by_exon), (_CODON, _by_codon), (_EXACT, _by_name)):
        found = pattern.match(variant)
        if found:
            return make(found)
    if _CODING.match(variant):
        return lambda effect: effect.hgvs_c == variant
    return None


def _by_name(found: re.Match[str]) -> Matcher:
    wanted = found.group(1)
    if wanted.endswith("fs"):
        start = re.compile(re.escape(wanted.removesuffix("fs").rstrip("*")) + r"[A-Z*]?fs")
        return lambda effect: start.match(one_letter(effect.hgvs_p)) is not None
    return lambda effect: one_letter(effect.hgvs_p) == wanted


def _by_codon(found: re.Match[str]) -> Matcher:
    missense = re.compile(rf"^{found.group(1)}{found.group(2)}[A-Z]$")
    return lambda effect: missense.match(one_letter(effect.hgvs_p)) is not None


def _by_exon(found: re.Match[str]) -> Matcher:
    number, what = int(found.group(1)), found.group(2)
    wanted = {
        "deletion": frozenset({"inframe_deletion"}),
        "insertion": frozenset({"inframe_insertion"}),
        "mutation": PROTEIN_ALTERING,
        "skipping": frozenset({"splice_acceptor_variant", "splice_donor_variant"}),
    }[what]
    refused = {"stop_gained"} if what in ("deletion", "insertion") else set()

    def test(effect: Effect) -> bool:
        terms = set(effect.terms)
        return number in effect.near_exons and bool(wanted & terms) and not refused & terms

    return test


class KnowledgeIndex:
    """The knowledge table by gene."""

    def __init__(self, items: Iterable[KnowledgeItem]) -> None:
        """Take the kit's items.

        Raises:
            InputError: a variant is written in no form that is known.
        """
        self._by_gene: dict[str, list[tuple[Matcher, KnowledgeItem]]] = {}
        for item in items:
            test = matcher(item.variant)
            if test is None:
                raise InputError(None, item.id, f"variant `{item.variant}` has no known form", f"allowed: {FORMS}")
            self._by_gene.setdefault(item.gene, []).append((test, item))

    def about(self, effect: Effect) -> list[KnowledgeItem]:
        """Return the items that speak of this effect, in the table's order."""
        found = self._by_gene.get(effect.mapped.transcript.gene, [])
        return [item for test, item in found if test(effect)]
