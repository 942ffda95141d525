"""The background error model of a kit, trained on normal samples."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ctdna.model.annotation import Hotspot
from ctdna.model.background import TrainedBackground
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.evidence import BASES, N_CLASSES, TIERS, Panel
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.background import BackgroundParams
from ctdna.model.params.call import CallParams
from ctdna.stages.background_fit import donor_shapes, factor_shapes, indel_shapes, site_model
from ctdna.stages.candidates import find_indels
from ctdna.stages.evidence import Evidence, target_sites
from ctdna.stages.indel_background import PlaceErrors, by_context, indel_places, place_depth, place_errors
from ctdna.stages.rates import SiteTable, contexts, own_rates, panel_digest, site_p_values, site_table, tested
from ctdna.stats.indel_background import N_INDEL_CONTEXTS

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
HINT = "train it anew by `ctdna background`"
RULES = ("fragment_end_bases", "min_base_quality", "min_mapq")


class Donor(NamedTuple):
    """What training needs of one normal sample."""

    sites: SiteTable
    n_molecules: int
    n_used: int
    is_clear: Bools
    """(sites, 4) alleles that exceed the donor's own errors."""
    is_germline: Bools
    indels: PlaceErrors
    indel_depth: Ints
    """(indel places, 8)."""
    digest: str
    """Of the molecules at every place; two donors never share it."""


class Training(NamedTuple):
    """What the donors are trained with."""

    panel: Panel
    rules: dict[str, int]
    """Counting rules."""
    params: BackgroundParams
    kit: str
    """`name@version`, or `.` without a kit."""
    facts: dict[str, str]
    """What else the file names: instrument, reference."""


def rules_of(params: CallParams) -> dict[str, int]:
    """Return the counting rules that training and calling must share."""
    return {name: int(getattr(params, name)) for name in RULES}


def hotspot_mask(panel: Panel, hotspots: Sequence[Hotspot]) -> Bools:
    """Return (sites, 4): the substitutions among these alleles."""
    slots = target_sites(panel)
    out = np.zeros((len(slots), len(BASES)), np.bool_)
    for hotspot in hotspots:
        slot = panel.slot(hotspot.contig, hotspot.pos1 - 1)
        at = int(np.searchsorted(slots, slot))
        if len(hotspot.ref) == len(hotspot.alt) == 1 and at < len(slots) and slots[at] == slot:
            out[at, BASES.index(hotspot.alt)] = True
    return out


def read_donor(
    evidence: Evidence, params: CallParams, training: BackgroundParams, is_hotspot: Bools | None = None
) -> Donor:
    """Return what training needs of one normal sample. `is_hotspot`: (sites, 4) alleles where clones are common.

    Raises:
        InputError: its molecules cover too little of the panel.
    """
    sites = site_table(evidence)
    covered = float((sites.n.sum(axis=1) > 0).mean()) if len(sites.slots) else 0.0
    if covered < training.min_covered_share:
        what = f"its molecules cover {covered:.1%} of the panel, expected {training.min_covered_share:.1%} or more"
        raise InputError(None, "", what, "give normals of this panel, or lower --min-covered-share")
    mean, size = own_rates(sites, evidence.panel, None, params)
    depth = np.maximum(1, sites.n.sum(axis=1))[:, None]
    is_germline = tested(sites) & (sites.k.sum(axis=2) >= training.donor_germline_vaf * depth)
    level = np.full(is_germline.shape, training.clonal_p)
    if is_hotspot is not None:
        level[is_hotspot] = training.hotspot_clonal_p
    p = site_p_values(sites, mean, size, params.claimed_lod, min_molecules=2)
    places = indel_places(evidence.panel)
    indel_depth = place_depth(evidence, places)
    indels = place_errors(find_indels(evidence, params.fragment_end_bases), places, indel_depth)
    n_used = evidence.n_molecules - sum(evidence.rejected.values())
    digest = hashlib.sha256(np.ascontiguousarray(sites.k).tobytes()).hexdigest()
    return Donor(
        sites, evidence.n_molecules, n_used, (p < level) & ~is_germline, is_germline, indels, indel_depth, digest
    )


def ordered(donors: Sequence[Donor]) -> list[Donor]:
    """Return the donors in an order of their own, so that sums come out the same for any order given."""
    return sorted(donors, key=lambda donor: donor.digest)


def left_out(donors: Sequence[Donor], params: BackgroundParams) -> list[Bools]:
    """Return (sites, 4) of each donor: alleles that are the donor's own (germline, or clear in few donors)."""
    is_common = np.sum([donor.is_clear for donor in donors], axis=0) > max(1.0, params.max_clonal_share * len(donors))
    return [donor.is_germline | (donor.is_clear & ~is_common) for donor in donors]


def kept_indels(donors: Sequence[Donor], params: BackgroundParams) -> list[Bools]:
    """Return, for the indel rows of each donor, whether they are errors: rare, or common to many donors below 20 %."""
    rare, counted = [], np.zeros(len(donors[0].indel_depth), np.int64)
    for donor in donors:
        vaf = donor.indels.k.sum(axis=1) / np.maximum(1, donor.indels.depth)
        rare.append(vaf < params.donor_germline_vaf)
        counted[donor.indels.place[(vaf >= params.donor_germline_vaf) & (vaf < params.slippage_vaf)]] += 1
    is_common = counted > max(1.0, params.max_clonal_share * len(donors))
    kept = []
    for donor, is_rare in zip(donors, rare, strict=True):
        vaf = donor.indels.k.sum(axis=1) / np.maximum(1, donor.indels.depth)
        kept.append(is_rare | (is_common[donor.indels.place] & (vaf < params.slippage_vaf)))
    return kept


def donors_with(donors: Sequence[Donor], params: BackgroundParams) -> NDArray[np.int32]:
    """Return (sites, 4): how many donors show the allele in `donor_molecules` molecules or more, not as germline."""
    least = params.donor_molecules
    has = [(donor.sites.k.sum(axis=2) >= least) & tested(donor.sites) & ~donor.is_germline for donor in donors]
    counts: NDArray[np.int32] = np.sum(has, axis=0, dtype=np.int32)
    return counts


def train(donors: Sequence[Donor], training: Training) -> TrainedBackground:
    """Return the background of these donors, in whatever order they come.

    Rates are shrunk step by step: class and substitution, trinucleotide, site; shapes are those of greatest posterior
    density. A donor's germline alleles, and alleles that exceed the donor's errors in few donors, are left out.
    """
    donors, panel = ordered(donors), training.panel
    sites = donors[0].sites
    keep = [tested(donor.sites) & ~out for donor, out in zip(donors, left_out(donors, training.params), strict=True)]
    model = site_model([donor.sites for donor in donors], keep, contexts(panel, sites.slots))
    factor_shape = factor_shapes([donor.sites for donor in donors], keep, model)
    donor_shape = donor_shapes([donor.sites for donor in donors], keep, model, factor_shape)
    places = indel_places(panel)
    kept = kept_indels(donors, training.params)
    indel_k, indel_n = np.zeros((2, N_INDEL_CONTEXTS, N_CLASSES), np.int64)
    for donor, some in zip(donors, kept, strict=True):
        indel_k += by_context(places.context[donor.indels.place[some]], donor.indels.k[some])
        indel_n += by_context(places.context, donor.indel_depth)
    rows = zip((donor.indels for donor in donors), kept, strict=True)
    errors = [PlaceErrors(d.place[some], d.k[some], d.depth[some]) for d, some in rows]
    shapes = indel_shapes(errors, [donor.indel_depth for donor in donors], places, indel_k, indel_n)
    return TrainedBackground(
        training.kit, panel_digest(panel), training.rules, training.params.model_dump(), training.facts, len(donors),
        model.context_mean, model.site_shape, factor_shape, donor_shape, model.k, model.n, indel_k, indel_n, *shapes,
        donors_with(donors, training.params), {},
    )  # fmt: skip


def training_metrics(donors: Sequence[Donor], trained: TrainedBackground, params: BackgroundParams) -> StageMetrics:
    """Return the counts of molecules and errors, the rates by class, and the calibration's figures."""
    total, used = sum(d.n_molecules for d in donors), sum(d.n_used for d in donors)
    counts = {"donors": len(donors), "sites": len(trained.site_k), "errors": int(trained.site_k.sum())}
    counts["indel_errors"] = int(trained.indel_k.sum())
    counts["alleles_left_out"] = int(sum(out.sum() for out in left_out(donors, params)))
    rates = trained.site_k.sum(axis=(0, 1)) / np.maximum(1, trained.site_n.sum(axis=(0, 1)))
    names = [f"{tier}_{place}" for tier in TIERS for place in ("inner", "end")]
    values = {f"rate_{name}": float(rate) for name, rate in zip(names, rates, strict=True)}
    return StageMetrics(
        stage="background", sample=trained.kit, unit="molecules", n_in=total, n_out=used,
        rejected={"not_counted_on_target": total - used}, counts=counts, values=values | trained.calibration,
    )  # fmt: skip


def check_rules(trained: TrainedBackground, params: CallParams, kit_name: str | None) -> None:
    """Refuse a background of another kit or other counting rules; the panel is not looked at.

    Raises:
        DefinitionError: it does not belong to this kit or these rules.
    """
    if kit_name is not None and trained.kit.partition("@")[0] not in (kit_name, "."):
        raise DefinitionError(None, "kit", f"found {trained.kit}, expected {kit_name}", HINT)
    rules = rules_of(params)
    for name, value in trained.rules.items():
        if rules[name] != value:
            raise DefinitionError(None, name, f"it was trained at {value}, this call uses {rules[name]}", HINT)


def check_background(trained: TrainedBackground, panel: Panel, params: CallParams, kit_name: str | None) -> None:
    """Refuse a background of another kit, another panel or other counting rules.

    Raises:
        DefinitionError: it does not belong to this kit, panel or rules.
    """
    check_rules(trained, params, kit_name)
    if trained.panel_digest != panel_digest(panel):
        raise DefinitionError(None, "panel", "it was trained on another panel or reference", HINT)
