"""Candidates and what speaks against them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.evidence import N_CLASSES, Allele, AlleleCounts
from ctdna.model.params.call import CallParams
from ctdna.model.variants import DETECTED, FILTERS, NO_CALL, NOT_DETECTED, ORIGIN_FILTERS, WhiteCells
from ctdna.stages.rates import p_values
from ctdna.stats.intervals import plain_interval
from ctdna.stats.tests import fisher_more, fisher_two_sided

_DAMAGE = {("C", "T"): "deamination", ("G", "A"): "deamination", ("G", "T"): "oxidation", ("C", "A"): "oxidation"}
_WEAK = frozenset({"not_significant", "low_evidence"})


class Estimate(NamedTuple):
    """A VAF less the background, with its 95 % interval."""

    vaf: float
    low: float
    high: float


class NormalsSeen(NamedTuple):
    """What the background's donors show of an allele."""

    n_with: int
    """Donors with 2 molecules of it or more, not as germline."""
    n_donors: int
    rate: float
    """Over all donors, per molecule."""


class Candidate(NamedTuple):
    """An allele with its molecules and its null rates."""

    allele: Allele
    key: tuple[int, int, bytes]
    """Slot, deleted bases and inserted codes of its normal form."""
    counts: AlleleCounts
    mean: NDArray[np.float64]
    """(8,) null rate by class."""
    size: NDArray[np.float64]
    p_value: float
    alpha: float
    """The level it is held to."""
    label: str
    """The kit's hotspot label; empty elsewhere."""
    is_common_snp: bool
    run: tuple[int, int] = (0, 1)
    """Unit and copies of the repeat it stands in."""
    parts: tuple[Allele, ...] = ()
    is_part: bool = False
    estimate: Estimate | None = None
    is_misaligned: bool = False
    """An indel beside it explains its molecules better."""
    is_clustered: bool = False
    """Its molecules carry other rare changes near by."""
    is_elsewhere: bool = False
    """Most of its molecules fit another place as well."""
    normals: NormalsSeen | None = None
    """None: not known."""
    white: WhiteCells | None = None
    """None: no white cells were given."""
    origin: str = "unresolved"
    identifier: str = ""
    """Of a listed allele: its ID in the list; empty elsewhere."""

    @property
    def n_alt(self) -> int:
        """Return the alternate molecules."""
        return int(self.counts.alt.sum())

    @property
    def depth(self) -> int:
        """Return the informative molecules."""
        return int(self.counts.depth.sum())

    @property
    def vaf(self) -> float:
        """Return alternate over informative molecules, 0 without any."""
        return self.n_alt / self.depth if self.depth else 0.0

    @property
    def background(self) -> float:
        """Return the null rate of a molecule as the classes are mixed here."""
        depth = self.counts.depth
        return float((depth * self.mean).sum() / max(1, depth.sum()))


def _is_strand_biased(candidate: Candidate, params: CallParams) -> bool:
    (ref_top, ref_bottom), (alt_top, alt_bottom) = candidate.counts.strands.tolist()
    alt, ref = alt_top + alt_bottom, ref_top + ref_bottom
    if alt == 0 or ref == 0 or min(alt_top, alt_bottom) / alt >= 0.5 * min(ref_top, ref_bottom) / ref:
        return False
    return fisher_two_sided(ref_top, ref_bottom, alt_top, alt_bottom) < params.strand_bias_p


def _is_at_ends(candidate: Candidate, params: CallParams) -> bool:
    alt, ref = candidate.counts.alt, candidate.counts.ref
    at_end, inner = int(alt[1::2].sum()), int(alt[0::2].sum())
    if at_end <= inner:
        return False
    return fisher_more(at_end, inner, int(ref[1::2].sum()), int(ref[0::2].sum())) < params.artefact_p


def _damage(candidate: Candidate, params: CallParams) -> str:
    """Return the filter of an allele that duplex molecules do not bear out, empty where they do or cannot tell.

    Damage of one strand explains no duplex molecules: where these are significant alone, it is no damage.
    """
    alt, depth = candidate.counts.alt, candidate.counts.depth
    alt_duplex, n_duplex = int(alt[:2].sum()), int(depth[:2].sum())
    alt_other, n_other = int(alt[2:].sum()), int(depth[2:].sum())
    if n_duplex == 0 or alt_other == 0:
        return ""
    if fisher_more(alt_other, n_other - alt_other, alt_duplex, n_duplex - alt_duplex) >= params.artefact_p:
        return ""
    if _duplex_p(candidate, params) <= candidate.alpha:
        return ""
    return _DAMAGE.get((candidate.allele.ref, candidate.allele.alt), "background")


def _duplex_p(candidate: Candidate, params: CallParams) -> float:
    """Return the p-value of the duplex molecules alone."""
    is_duplex = np.arange(N_CLASSES) < 2
    alt, depth = (np.atleast_2d(column * is_duplex).astype(np.int64)
                  for column in (candidate.counts.alt, candidate.counts.depth))  # fmt: skip
    mean, size = np.atleast_2d(candidate.mean), np.atleast_2d(candidate.size)
    return float(p_values(alt, depth, mean, size, params.claimed_lod)[0])


def _place_filters(candidate: Candidate, params: CallParams) -> set[str]:
    unit, copies = candidate.run
    found = set()
    if unit == 1 and copies >= params.homopolymer_bases:
        found.add("homopolymer")
    if unit > 1 and copies >= params.low_complexity_copies:
        found.add("low_complexity")
    if candidate.background > params.claimed_lod:
        found.add("background")
    return found


def zygosity_of(candidate: Candidate, params: CallParams) -> str:
    """Return `hom` or `het` where the VAF's interval comes within `germline_balance` of 1 or 0.5, else `unbalanced`."""
    low, high = candidate.estimate[1:] if candidate.estimate else plain_interval(candidate.n_alt, candidate.depth)
    if candidate.n_alt == 0:
        return "unbalanced"
    if high >= 1.0 - params.germline_balance:
        return "hom"
    return "het" if high >= 0.5 - params.germline_balance and low <= 0.5 + params.germline_balance else "unbalanced"


def looks_germline(candidate: Candidate, params: CallParams) -> bool:
    """Return whether the VAF alone fits an inherited allele: high, balanced, or of a common SNP."""
    vaf = candidate.vaf
    if vaf >= params.germline_vaf or (candidate.is_common_snp and vaf >= params.germline_snp_vaf):
        return True
    return candidate.n_alt >= params.min_alt_molecules and zygosity_of(candidate, params) != "unbalanced"


def _is_germline(candidate: Candidate, params: CallParams) -> bool:
    """Return what white cells say, or else what the VAF alone says."""
    if candidate.white is not None and candidate.origin != "unresolved":
        return candidate.origin == "germline"
    return looks_germline(candidate, params)


def is_known_in_normals(normals: NormalsSeen | None, params: CallParams) -> bool:
    """Return whether enough of the background's donors show the allele."""
    if normals is None or normals.n_donors == 0:
        return False
    return normals.n_with >= max(params.normals_min_donors, params.normals_min_share * normals.n_donors)


def _is_in_normals(candidate: Candidate, params: CallParams) -> bool:
    normals = candidate.normals
    if normals is None or not is_known_in_normals(normals, params):
        return False
    return candidate.vaf < params.normals_excess * normals.rate


def _fell(n_fallen: int, n_left: int, params: CallParams) -> bool:
    return n_fallen > params.low_quality_share * (n_fallen + n_left)


def filters_of(candidate: Candidate, params: CallParams) -> tuple[str, ...]:
    """Return every filter that holds, in the order of `FILTERS`."""
    n_alt = candidate.n_alt
    held = {
        "not_significant": candidate.p_value > candidate.alpha,
        "low_evidence": n_alt < params.min_alt_molecules,
        "strand_bias": _is_strand_biased(candidate, params),
        "fragment_end": _is_at_ends(candidate, params),
        "low_mapq": _fell(candidate.counts.low_mapq, n_alt, params),
        "low_base_quality": _fell(candidate.counts.low_quality, n_alt, params),
        "germline": _is_germline(candidate, params),
        "part_of_mnv": candidate.is_part,
        "cluster": candidate.is_clustered,
        "misaligned": candidate.is_misaligned,
        "other_place": candidate.is_elsewhere,
        "panel_of_normals": _is_in_normals(candidate, params),
        "chip": candidate.origin == "chip",
        _damage(candidate, params): True,
    }
    found = {name for name, holds in held.items() if holds} | _place_filters(candidate, params)
    return tuple(name for name in FILTERS if name in found)


def state_of(depth: int, n_alt: int, filters: tuple[str, ...], lod95: float, params: CallParams) -> tuple[str, str]:
    """Return the state of an allele and its reason, `.` for none.

    Without filters, or with those of its origin alone (germline, chip), it is DETECTED. A significant allele with
    other filters, or one whose
    VAF lies above its own LoD95, is a NO_CALL with the filters as reason. What else is not seen is NOT_DETECTED, unless
    its LoD95 is above the claimed one.
    """
    if depth == 0:
        return NO_CALL, "no_coverage"
    if not set(filters) - ORIGIN_FILTERS:
        return DETECTED, ",".join(filters) or "."
    against = tuple(name for name in filters if n_alt > 0)
    if against and ("not_significant" not in filters or not n_alt / depth <= lod95):
        return NO_CALL, ",".join(against)
    if not lod95 <= params.claimed_lod:
        return NO_CALL, "lod_above_claim"
    if set(against) - _WEAK and "not_significant" not in filters:
        return NO_CALL, ",".join(against)
    return NOT_DETECTED, "."
