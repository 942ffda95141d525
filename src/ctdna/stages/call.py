"""Variants, and per locus what could have been seen."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.annotation import CommonSnp, Hotspot
from ctdna.model.background import TrainedBackground
from ctdna.model.errors import InputError
from ctdna.model.evidence import BASES, TIERS, Allele, AlleleCounts, Panel
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.call import CallParams
from ctdna.model.variants import DETECTED, NO_CALL, NOT_DETECTED, CalledVariant, LocusTable
from ctdna.stages.candidates import (
    IndelTable,
    ReadIndex,
    Verdicts,
    count_verdicts,
    find_indels,
    indel_context,
    make_change,
    on_target,
    repeat_of,
)
from ctdna.stages.evidence import Evidence
from ctdna.stages.joining import Phasing, join_candidates
from ctdna.stages.judging import Candidate, filters_of
from ctdna.stages.lesions import lesion_counts, lesion_rates
from ctdna.stages.loci import HotspotRow, LociInput, locus_table
from ctdna.stages.rates import SiteTable, p_values, sample_rates, site_table, tested
from ctdna.stats.background import PRIOR_SHAPE, Rates
from ctdna.stats.intervals import jeffreys
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


class Listed(NamedTuple):
    """The kit's alleles by their normal form."""

    hotspots: dict[Key, Hotspot]
    common_snps: frozenset[Key]


class _Caller:
    """Holds what every candidate of one sample is judged by."""

    def __init__(self, evidence: Evidence, params: CallParams, listed: Listed, trained: TrainedBackground | None):
        self.evidence, self.params, self.listed = evidence, params, listed
        self.panel = evidence.panel
        self.sites: SiteTable = site_table(evidence)
        self.indels: IndelTable = find_indels(evidence, params.fragment_end_bases)
        self.rates: Rates = sample_rates(evidence, self.sites, self.indels, trained, params)
        self.phasing = Phasing(evidence, ReadIndex(evidence), params.fragment_end_bases)
        self.n_tests = max(1, TESTS_PER_SITE * len(self.sites.slots))
        self.alpha = params.false_positives_per_panel / self.n_tests

    def alpha_of(self, key: Key) -> float:
        return max(self.alpha, self.params.hotspot_alpha) if key in self.listed.hotspots else self.alpha

    def candidate(
        self, allele: Allele, counts: AlleleCounts, rates: tuple[NDArray[np.float64], NDArray[np.float64]]
    ) -> Candidate:
        change = make_change(self.panel, allele)
        key = (change.slot, change.n_deleted, change.inserted.tobytes())
        mean, size = rates
        rows = [np.atleast_2d(column).astype(np.int64) for column in (counts.alt, counts.depth)]
        p = float(p_values(rows[0], rows[1], np.atleast_2d(mean), np.atleast_2d(size), self.params.claimed_lod)[0])
        hotspot = self.listed.hotspots.get(key)
        run = repeat_of(self.panel, change) if allele.variant_class == "indel" else (0, 1)
        label = hotspot.label if hotspot else ""
        return Candidate(
            allele, key, counts, mean, size, p, self.alpha_of(key), label, key in self.listed.common_snps, run
        )

    def substitution(self, allele: Allele) -> Candidate:
        i = int(np.searchsorted(self.sites.slots, allele.slot))
        counts = count_verdicts(self.phasing.verdicts(allele))
        alt = BASES.index(allele.alt)
        return self.candidate(allele, counts, (self.rates.mean[i, alt], self.rates.size[i, alt]))

    def other(self, allele: Allele) -> Candidate:
        """Return the candidate of an indel, or of a joint change that a hotspot names."""
        if allele.variant_class == "mnv":
            return self.joint(allele, self.phasing.verdicts(allele), self._parts_of(allele))
        change = make_change(self.panel, allele)
        context = indel_context(change, repeat_of(self.panel, change))
        rates = self.rates.indel_mean[context], self.rates.indel_size[context]
        return self.candidate(allele, count_verdicts(self.phasing.verdicts(allele)), rates)

    def _parts_of(self, allele: Allele) -> list[Candidate]:
        pairs = enumerate(zip(allele.ref, allele.alt, strict=True))
        return [self.substitution(Allele(allele.slot + k, ref, alt)) for k, (ref, alt) in pairs if ref != alt]

    def joint(self, allele: Allele, verdicts: Verdicts, parts: list[Candidate]) -> Candidate:
        """Return the candidate of a joint change: as rare in the background as the rarest of its parts."""
        mean = np.min([part.mean for part in parts], axis=0)
        found = self.candidate(allele, count_verdicts(verdicts), (mean, PRIOR_SHAPE / mean))
        return found._replace(parts=tuple(part.allele for part in parts))

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
        some = [e for e in self.indels.events if e.n_molecules >= floor and on_target(self.panel, e.change)]
        found = [self.other(event.allele) for event in some]
        return [candidate for candidate in found if candidate.n_alt >= floor]


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


def _variant(
    panel: Panel, candidate: Candidate, q: float, lob: float, lod95: float, params: CallParams
) -> CalledVariant:
    contig, pos0 = panel.place(candidate.allele.slot)
    low, high = jeffreys(candidate.n_alt, candidate.depth)
    counts, ref = candidate.counts, candidate.counts.ref.reshape(-1, 2).sum(axis=1)
    alt = counts.alt.reshape(-1, 2).sum(axis=1)
    strands = counts.strands.ravel().tolist()
    change = make_change(panel, candidate.allele)
    near = panel.regions.target[change.slot - 1 : change.slot + max(1, change.n_deleted)]
    target = near[near >= 0]
    name = panel.targets.names[target[-1 if len(target) == 1 else min(1, len(target) - 1)]] if len(target) else "."
    parts = []
    for part in candidate.parts:
        part_pos1 = panel.place(part.slot)[1] + 1
        parts.append(f"{part_pos1}:{part.ref}>{part.alt}")
    return CalledVariant(
        panel.contigs[contig], pos0 + 1, candidate.allele.ref, candidate.allele.alt, filters_of(candidate, params),
        name, bool(candidate.label), candidate.allele.variant_class, candidate.p_value, q, candidate.background,
        None if np.isnan(lob) else lob, None if np.isnan(lod95) else lod95, tuple(parts), candidate.depth,
        int(counts.ref.sum()), candidate.n_alt, candidate.vaf, low, high,
        tuple((int(r), int(a)) for r, a in zip(ref, alt, strict=True)),
        (strands[0], strands[1], strands[2], strands[3]),
    )  # fmt: skip


def _limits_of(candidates: list[Candidate], params: CallParams, threads: int) -> list[tuple[float, float]]:
    if not candidates:
        return []
    depth = np.array([c.counts.depth for c in candidates], dtype=np.int64)
    mean, size = (np.array([getattr(c, name) for c in candidates]) for name in ("mean", "size"))
    alpha = np.array([c.alpha for c in candidates])
    lob, lod95 = panel_limits(depth, mean, size, alpha, params.claimed_lod, params.min_alt_molecules, threads)
    return list(zip(lob.tolist(), lod95.tolist(), strict=True))


def _metrics(caller: _Caller, variants: Sequence[CalledVariant], loci: LocusTable, sample: str) -> StageMetrics:
    evidence = caller.evidence
    passed = [v for v in variants if not set(v.filters) - {"germline"}]
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
    values |= {"alpha": caller.alpha, "mean_depth": float(mean_depth.sum())}
    values |= lesion_rates(evidence.lesions)
    lods = loci.lod95[~np.isnan(loci.lod95)]
    values |= {"median_lod95": float(np.median(lods))} if len(lods) else {}
    n_out = evidence.n_molecules - sum(evidence.rejected.values())
    return StageMetrics(
        stage="call", sample=sample, unit="molecules", n_in=evidence.n_molecules, n_out=n_out,
        rejected=evidence.rejected, counts=counts, values=values,
    )  # fmt: skip


def call(
    evidence: Evidence,
    params: CallParams,
    hotspots: Sequence[Hotspot],
    common_snps: Sequence[CommonSnp],
    trained: TrainedBackground | None,
    sample: str,
    threads: int = 1,
) -> CallResult:
    """Return the candidates with their filters, the table of loci and the counts; the same for any `threads`.

    Raises:
        InputError: a hotspot's reference bases are not those of the reference.
    """
    panel = evidence.panel
    listed, rows = _listed(panel, hotspots, common_snps)
    caller = _Caller(evidence, params, listed, trained)
    single = caller.substitutions() + caller.indel_candidates()
    joined = join_candidates(panel, single, caller.phasing, params, caller.joint)
    order = sorted(_best_of_each(joined), key=lambda c: (*panel.place(c.allele.slot), c.allele.ref, c.allele.alt))
    q = q_values(np.array([c.p_value for c in order]), caller.n_tests)
    limits = _limits_of(order, params, threads)
    variants = tuple(_variant(panel, candidate, float(q[i]), *limits[i], params) for i, candidate in enumerate(order))
    by_key = {c.key: c for c in order}
    absent = [row.allele for row in rows if row.allele and row.allele.variant_class != "snv"]
    extra = [c for c in map(caller.other, absent) if c.key not in by_key]
    loci = locus_table(LociInput(caller.sites, caller.rates, panel, by_key, rows, extra), params, caller.alpha, threads)
    return CallResult(variants, loci, _metrics(caller, variants, loci, sample))


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
) -> list[Candidate]:
    """Return each allele as `call` judges it, whether the sample shows it or not; before neighbours are joined."""
    caller = _Caller(evidence, params, _listed(evidence.panel, hotspots, common_snps)[0], trained)
    return [caller.substitution(a) if a.variant_class == "snv" else caller.other(a) for a in alleles]


def stated_limits(candidates: Sequence[Candidate], params: CallParams, threads: int) -> list[tuple[float, float]]:
    """Return the LoB and LoD95 that `call` states for each; NaN where there is none."""
    return _limits_of(list(candidates), params, threads)
