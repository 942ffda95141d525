"""Variants, and per locus what could have been seen."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.realign_alleles import Change
from ctdna.model.annotation import CommonSnp, Hotspot
from ctdna.model.background import TrainedBackground
from ctdna.model.errors import InputError
from ctdna.model.evidence import BASES, TIERS, Allele, AlleleCounts, Panel
from ctdna.model.forced import ForcedSummary, ListedAllele
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.call import CallParams
from ctdna.model.variants import DETECTED, NO_CALL, NOT_DETECTED, ORIGIN_FILTERS, CalledVariant, LocusTable
from ctdna.stages.answering import Found, answers_of, find_listed, listed_rows, off_panel_variants, with_listed
from ctdna.stages.assembly import assembled_changes
from ctdna.stages.candidates import (
    IndelTable,
    Verdicts,
    count_base,
    count_verdicts,
    find_indels,
    indel_context,
    make_allele,
    make_change,
    on_target,
    repeat_of,
)
from ctdna.stages.evidence import Evidence
from ctdna.stages.forced import summarise
from ctdna.stages.haplotypes import OnHaplotype, inherited_bases, on_haplotypes
from ctdna.stages.indel_background import indel_places, indel_rates, place_depth
from ctdna.stages.joining import Phasing, indel_alleles, join_candidates
from ctdna.stages.judging import Candidate
from ctdna.stages.lesions import lesion_counts, lesion_rates
from ctdna.stages.levels import other_alpha, substitution_alpha
from ctdna.stages.loci import HotspotRow, LociInput, locus_table
from ctdna.stages.marking import Marker
from ctdna.stages.neighbours import Neighbourhood
from ctdna.stages.rates import SiteTable, p_values, sample_rates, site_table, tested
from ctdna.stages.variant_records import posteriors, variant_record
from ctdna.stats.background import PRIOR_SHAPE, Rates
from ctdna.stats.limits import panel_limits
from ctdna.stats.tests import q_values

TESTS_PER_SITE = 4
"""Three substitutions and, as one test, every other change that begins there."""
Key = tuple[int, int, bytes]


class CallResult(NamedTuple):
    """What the call stage answers."""

    variants: tuple[CalledVariant, ...]
    """Every candidate, sorted by place and alleles."""
    loci: LocusTable
    metrics: StageMetrics
    forced: ForcedSummary | None = None
    """None: no alleles were listed."""


class Extras(NamedTuple):
    """What a sample may bring besides its own reads."""

    listed: tuple[ListedAllele, ...] = ()
    """Alleles that must be answered."""
    white: Evidence | None = None
    """What the same subject's white cells show on the same panel."""


NO_EXTRAS = Extras()


class Listed(NamedTuple):
    """The kit's alleles by their normal form."""

    hotspots: dict[Key, Hotspot]
    common_snps: frozenset[Key]


class _Caller:
    """Holds what every candidate of one sample is judged by."""

    def __init__(
        self,
        evidence: Evidence,
        params: CallParams,
        listed: Listed,
        trained: TrainedBackground | None,
        threads: int,
    ) -> None:
        self.evidence, self.params, self.listed = evidence, params, listed
        self.panel = evidence.panel
        self.sites: SiteTable = site_table(evidence)
        self.indels: IndelTable = find_indels(evidence, params.fragment_end_bases, params.mnv_distance)
        self.places = indel_places(self.panel)
        self.place_depth = place_depth(evidence, self.places)
        self.rates: Rates = sample_rates(
            self.panel, self.sites, self.indels, self.places, self.place_depth, trained, params
        )
        floor = max(1, params.evidence_floor)
        self.alleles = indel_alleles(self.indels, assembled_changes(evidence, floor), floor)
        self.phasing = Phasing(evidence, params.fragment_end_bases, self.alleles)
        self.inherited = inherited_bases(evidence, params.germline_snp_vaf)
        self.n_tests = max(1, TESTS_PER_SITE * len(self.sites.slots))
        self.threads = threads

    @cached_property
    def substitution_alpha(self) -> float:
        """Return the level of one substitution's test."""
        return substitution_alpha(self.sites, self.rates.mean, self.rates.size, self.params, self.threads)

    @cached_property
    def other_alpha(self) -> float:
        """Return the level of one indel's or joint change's test."""
        return other_alpha(self.places, self.place_depth, self.rates.indels, self.params, self.threads)

    def alpha_of(self, key: Key, variant_class: str) -> float:
        alpha = self.substitution_alpha if variant_class == "snv" else self.other_alpha
        return max(alpha, self.params.hotspot_alpha) if key in self.listed.hotspots else alpha

    def candidate(
        self, allele: Allele, counts: AlleleCounts, rates: tuple[NDArray[np.float64], NDArray[np.float64]]
    ) -> Candidate:
        change = make_change(self.panel, allele)
        key = (change.slot, change.n_deleted, change.inserted.tobytes())
        mean, size = rates
        rows = [np.atleast_2d(column).astype(np.int64) for column in (counts.alt, counts.depth)]
        p = float(p_values(rows[0], rows[1], np.atleast_2d(mean), np.atleast_2d(size), self.params.claimed_lod)[0])
        hotspot = self.listed.hotspots.get(key)
        label = hotspot.label if hotspot else ""
        return Candidate(
            allele, key, counts, mean, size, p, self.alpha_of(key, allele.variant_class), label,
            key in self.listed.common_snps,
        )  # fmt: skip

    def substitution(self, allele: Allele) -> Candidate:
        i = int(np.searchsorted(self.sites.slots, allele.slot))
        counts = count_base(self.evidence, allele.slot, allele.alt)
        alt = BASES.index(allele.alt)
        return self.candidate(allele, counts, (self.rates.mean[i, alt], self.rates.size[i, alt]))

    def other(self, allele: Allele) -> Candidate:
        """Return the candidate of an indel, or of a joint change that a hotspot names."""
        if allele.variant_class == "mnv":
            return self.joint(allele, self.phasing.verdicts(allele), self._parts_of(allele))
        run, rates = self._noisiest(make_change(self.panel, allele))
        return self.candidate(allele, count_verdicts(self.phasing.verdicts(allele)), rates)._replace(run=run)

    def _noisiest(self, change: Change) -> tuple[tuple[int, int], tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return repeat and null rates of an indel, on whichever of the sample's haplotypes it errs most."""
        ways = [OnHaplotype(change, repeat_of(self.panel, change))]
        ways += on_haplotypes(self.panel, change, self.inherited, self.params.mnv_distance)
        rates = [indel_rates(self.rates.indels, one.change.slot, indel_context(*one)) for one in ways]
        most = max(range(len(ways)), key=lambda i: float(rates[i][0].sum()))
        return ways[most].run, rates[most]

    def _parts_of(self, allele: Allele) -> list[Candidate]:
        pairs = enumerate(zip(allele.ref, allele.alt, strict=True))
        return [self.substitution(Allele(allele.slot + k, ref, alt)) for k, (ref, alt) in pairs if ref != alt]

    def joint(self, allele: Allele, verdicts: Verdicts, parts: list[Candidate]) -> Candidate:
        """Return the candidate of a joint change: rarer in the background than the rarest of its parts."""
        mean = self.params.mnv_rate_share * np.min([part.mean for part in parts], axis=0)
        found = self.candidate(allele, count_verdicts(verdicts), (mean, PRIOR_SHAPE / mean))
        run = repeat_of(self.panel, make_change(self.panel, allele)) if allele.variant_class == "indel" else (0, 1)
        return found._replace(parts=tuple(part.allele for part in parts), run=run)

    def judge(self, allele: Allele) -> Candidate:
        """Return the candidate of any allele, in normal form, whether its reads show it or not."""
        return self.substitution(allele) if allele.variant_class == "snv" else self.other(allele)

    def again(self, candidate: Candidate) -> Candidate:
        """Return the candidate of an allele that another sample showed, judged on this one."""
        if not candidate.parts:
            return self.judge(candidate.allele)
        verdicts = self.phasing.together(candidate.allele, candidate.parts)
        return self.joint(candidate.allele, verdicts, [self.judge(part) for part in candidate.parts])

    def substitutions(self) -> list[Candidate]:
        n_alt = self.sites.k.sum(axis=2)
        is_seen = tested(self.sites) & (n_alt >= max(1, self.params.evidence_floor))
        found = []
        for i, alt in np.argwhere(is_seen):
            ref = BASES[self.sites.ref[i]]
            found.append(self.substitution(Allele(int(self.sites.slots[i]), ref, BASES[alt])))
        return found

    def indel_candidates(self) -> list[Candidate]:
        floor = max(1, self.params.evidence_floor)
        some = [change for change in self.alleles.changes if on_target(self.panel, change)]
        found = [self.other(allele) for allele in (make_allele(self.panel, c) for c in some)
                 if allele.variant_class == "indel"]  # fmt: skip
        return [candidate for candidate in found if candidate.n_alt >= floor]


class _WhiteCaller(_Caller):
    """Judges the subject's white cells, which are held to a level of their own (`stages.origin`)."""

    def alpha_of(self, key: Key, variant_class: str) -> float:
        return self.params.white_alpha


def _listed(panel: Panel, hotspots: Sequence[Hotspot], snps: Sequence[CommonSnp]) -> tuple[Listed, list[HotspotRow]]:
    by_key: dict[Key, Hotspot] = {}
    rows = []
    for hotspot in hotspots:
        allele = _on_panel(panel, hotspot)
        change = make_change(panel, allele) if allele else None
        if allele and change and on_target(panel, change):
            key = (change.slot, change.n_deleted, change.inserted.tobytes())
            by_key[key] = hotspot
            rows.append(HotspotRow(hotspot, allele, key))
        else:
            rows.append(HotspotRow(hotspot, None, (-1, 0, b"")))
    snp_keys = set()
    for snp in snps:
        slot = panel.slot(snp.contig, snp.pos1 - 1)
        if slot >= 0:
            snp_keys.add((slot, 1, bytes([BASES.index(snp.alt)])))
    return Listed(by_key, frozenset(snp_keys)), rows


def _on_panel(panel: Panel, hotspot: Hotspot) -> Allele | None:
    """Return the hotspot's allele by slot, None where no region holds it.

    Raises:
        InputError: its reference bases are not those of the reference.
    """
    slot = panel.slot(hotspot.contig, hotspot.pos1 - 1)
    if slot < 0:
        return None
    found = panel.text(slot, len(hotspot.ref))
    if found != hotspot.ref:
        where = f"hotspot {hotspot.label} at {hotspot.contig}:{hotspot.pos1}"
        raise InputError(None, where, f"its ref is {hotspot.ref}, the reference has {found}", "mend the hotspot table")
    return Allele(slot, hotspot.ref, hotspot.alt)


def _limits_of(candidates: list[Candidate], params: CallParams, threads: int) -> list[tuple[float, float]]:
    if not candidates:
        return []
    depth = np.array([c.counts.depth for c in candidates], dtype=np.int64)
    mean, size = (np.array([getattr(c, name) for c in candidates]) for name in ("mean", "size"))
    alpha = np.array([c.alpha for c in candidates])
    lob, lod95 = panel_limits(depth, mean, size, alpha, params.claimed_lod, params.min_alt_molecules, threads)
    return list(zip(lob.tolist(), lod95.tolist(), strict=True))


def _forced_values(forced: ForcedSummary | None) -> tuple[dict[str, int], dict[str, float]]:
    """Return the counts and figures of the answer for the whole list."""
    if forced is None:
        return {}, {}
    counts = {"listed": forced.n_listed, "used": forced.n_used, "alt_molecules": forced.alt_molecules}
    figures = {"p_value": forced.p_value, "vaf": forced.vaf, "vaf_low": forced.vaf_low, "vaf_high": forced.vaf_high}
    figures |= {"lob": forced.lob, "lod95": forced.lod95}
    values = {f"forced_{name}": value for name, value in figures.items() if value is not None}
    return {f"forced_{name}": n for name, n in counts.items()}, values


def _metrics(
    caller: _Caller, variants: Sequence[CalledVariant], loci: LocusTable, sample: str, forced: ForcedSummary | None
) -> StageMetrics:
    evidence = caller.evidence
    passed = [v for v in variants if not set(v.filters) - ORIGIN_FILTERS]
    counts = {"candidates": len(variants), "sites": len(caller.sites.slots), "tests": caller.n_tests}
    regions = evidence.panel.regions
    counts["sites_without_reference"] = int((regions.reference[regions.target >= 0] >= len(BASES)).sum())
    counts |= {f"called_{name}": sum(v.variant_class == name for v in passed) for name in ("snv", "indel", "mnv")}
    counts |= {f"loci_{state.lower()}": loci.state.count(state) for state in (DETECTED, NOT_DETECTED, NO_CALL)}
    counts["discordant_observations"] = int(evidence.counts.discordant[caller.sites.slots].sum())
    counts |= lesion_counts(evidence.lesions)
    tiers = caller.sites.n.reshape(-1, len(TIERS), 2).sum(axis=2)
    mean_depth = tiers.mean(axis=0) if len(tiers) else np.zeros(len(TIERS))
    values = {f"mean_depth_{tier}": float(n) for tier, n in zip(TIERS, mean_depth, strict=True)}
    values |= {"alpha": caller.substitution_alpha, "alpha_others": caller.other_alpha}
    values |= {"mean_depth": float(mean_depth.sum())}
    values |= lesion_rates(evidence.lesions)
    lods = loci.lod95[~np.isnan(loci.lod95)]
    values |= {"median_lod95": float(np.median(lods))} if len(lods) else {}
    forced_counts, forced_values = _forced_values(forced)
    counts, values = counts | forced_counts, values | forced_values
    n_out = evidence.n_molecules - sum(evidence.rejected.values())
    return StageMetrics(
        stage="call", sample=sample, unit="molecules", n_in=evidence.n_molecules, n_out=n_out,
        rejected=evidence.rejected, counts=counts, values=values,
    )  # fmt: skip


def _marker(caller: _Caller, trained: TrainedBackground | None, white: Evidence | None) -> Marker:
    judge_white = _WhiteCaller(white, caller.params, caller.listed, trained, caller.threads).again if white else None
    around = Neighbourhood(caller.evidence, caller.phasing, caller.params)
    return Marker(caller.params, caller.sites, trained, around, judge_white)


def _candidates(caller: _Caller, marker: Marker, listed: Sequence[Found]) -> list[Candidate]:
    """Return the sample's candidates and those of the listed alleles, marked, by place and alleles."""
    panel = caller.panel
    single = caller.substitutions() + caller.indel_candidates()
    joined = join_candidates(panel, single, caller.phasing, caller.params, caller.joint)
    chosen = with_listed(_best_of_each(joined), listed, caller.judge, caller.params)
    return sorted(marker.mark(chosen), key=lambda c: (*panel.place(c.allele.slot), c.allele.ref, c.allele.alt))


def _variants(caller: _Caller, candidates: list[Candidate], threads: int) -> list[CalledVariant]:
    q = q_values(np.array([c.p_value for c in candidates]), caller.n_tests)
    limits = _limits_of(candidates, caller.params, threads)
    present = posteriors(candidates, caller.params)
    return [
        variant_record(caller.panel, candidate, float(q[i]), float(present[i]), limits[i], caller.params)
        for i, candidate in enumerate(candidates)
    ]


def _in_order(panel: Panel, variants: list[CalledVariant]) -> tuple[CalledVariant, ...]:
    rank = {name: i for i, name in enumerate(panel.contigs)}
    return tuple(sorted(variants, key=lambda v: (rank[v.contig], v.pos1, v.ref, v.alt)))


def call(
    evidence: Evidence,
    params: CallParams,
    hotspots: Sequence[Hotspot],
    common_snps: Sequence[CommonSnp],
    trained: TrainedBackground | None,
    sample: str,
    threads: int = 1,
    extras: Extras = NO_EXTRAS,
) -> CallResult:
    """Return the candidates with their filters, the table of loci and the counts; the same for any `threads`.

    With a list of alleles each of them is answered, and so is the whole list.

    Raises:
        InputError: a hotspot's reference bases are not those of the reference.
    """
    panel = evidence.panel
    listed, hotspot_rows = _listed(panel, hotspots, common_snps)
    caller = _Caller(evidence, params, listed, trained, threads)
    found = find_listed(panel, extras.listed)
    order = _candidates(caller, _marker(caller, trained, extras.white), found)
    variants = _in_order(panel, _variants(caller, order, threads) + off_panel_variants(found))
    by_key = {c.key: c for c in order}
    rows = listed_rows(found, hotspot_rows, params)
    absent = [row.allele for row in rows if row.allele and row.allele.variant_class != "snv"]
    extra = [c for c in map(caller.other, absent) if c.key not in by_key]
    given = LociInput(caller.sites, caller.rates, panel, by_key, rows, extra)
    loci = locus_table(given, params, caller.substitution_alpha, threads)
    forced = summarise(answers_of(found, by_key), params, sample, threads) if found else None
    return CallResult(variants, loci, _metrics(caller, variants, loci, sample, forced), forced)


def _best_of_each(candidates: list[Candidate]) -> list[Candidate]:
    """Return one candidate per normal form: the joint one, or else the first."""
    chosen: dict[Key, Candidate] = {}
    for candidate in candidates:
        if candidate.key not in chosen or candidate.parts:
            chosen[candidate.key] = candidate
    return list(chosen.values())


def judge_alleles(
    evidence: Evidence,
    params: CallParams,
    hotspots: Sequence[Hotspot],
    common_snps: Sequence[CommonSnp],
    trained: TrainedBackground | None,
    alleles: Sequence[Allele],
    threads: int = 1,
) -> list[Candidate]:
    """Return each allele as `call` judges it, whether the sample shows it or not; before neighbours are joined."""
    caller = _Caller(evidence, params, _listed(evidence.panel, hotspots, common_snps)[0], trained, threads)
    return [caller.substitution(a) if a.variant_class == "snv" else caller.other(a) for a in alleles]


def stated_limits(candidates: Sequence[Candidate], params: CallParams, threads: int) -> list[tuple[float, float]]:
    """Return the LoB and LoD95 that `call` states for each; NaN where there is none."""
    return _limits_of(list(candidates), params, threads)
