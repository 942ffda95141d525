import os

import numpy as np
import pytest
from scipy.stats import nbinom

from ctdna.model.annotation import Hotspot
from ctdna.model.background import TrainedBackground
from ctdna.model.evidence import BASES
from ctdna.model.held_out import LEVELS
from ctdna.stages.background import Donor, hotspot_mask, train, training_metrics
from ctdna.stages.held_out import calibrate
from ctdna.stages.rates import base_rates, noisy_places, own_rates, site_p_values
from ctdna.stages.rates import tested as alternates
from tests.consensus_molecules import PARAMS as CALL
from tests.donors import DEPTH, PARAMS, World, donor, training, with_allele, world

pytestmark = pytest.mark.timeout(60)
compiled_only = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="too many tests for plain Python")
N_SITES = 240
NONE = np.zeros(8, np.int64)


@pytest.fixture(scope="module")
def source() -> World:
    return world(N_SITES)


@pytest.fixture(scope="module")
def donors(source: World) -> list[Donor]:
    return [donor(source, seed) for seed in range(12)]


@pytest.fixture(scope="module")
def trained(source: World, donors: list[Donor]) -> TrainedBackground:
    return train(donors, training(source.panel))


def alt_of(given: Donor, site: int, by: int = 1) -> int:
    return (int(given.sites.ref[site]) + by) % 4


def rates(given: Donor, source: World, background: TrainedBackground | None) -> tuple[np.ndarray, np.ndarray]:
    return own_rates(given.sites, source.panel, background, CALL)


def molecules(*some: int) -> np.ndarray:
    out = NONE.copy()
    out[: len(some)] = some
    return out


@pytest.mark.req("REQ-BKG-001")
def test_rates_and_shapes_are_those_drawn_from(source: World, trained: TrainedBackground, donors: list[Donor]) -> None:
    base = base_rates(donors[0].sites, source.panel, trained)
    is_alt = alternates(donors[0].sites)
    seen = source.mean[is_alt][:, 6].sum()
    assert base.mean[is_alt][:, 6].sum() == pytest.approx(seen, rel=0.05)
    error = np.abs(np.log(base.mean[is_alt] / source.mean[is_alt]))
    assert np.median(error[:, 6]) < 0.45
    assert trained.site_shape[6] == pytest.approx(3.0, rel=0.7)
    assert trained.factor_shape[:, 6].max() > 10
    assert 5 < trained.donor_shape[6] < 80


@pytest.mark.req("REQ-BKG-002")
@compiled_only
def test_held_out_p_values_are_uniform(source: World, donors: list[Donor]) -> None:
    found = calibrate(donors, training(source.panel), CALL)
    groups = {group.name: group for group in found.groups}
    assert found.n_donors == len(donors)
    whole = groups["substitutions"]
    assert whole.n_tests == len(donors) * 3 * N_SITES
    assert whole.n_tests == sum(g.n_tests for g in found.groups if ">" in g.name)
    for group in found.groups:
        assert group.ks_p > 1e-3, group
        # Three Poisson standard deviations, and half as much again.
        for level, n in zip(LEVELS, group.observed, strict=True):
            expected = group.n_tests * level
            assert n <= 1.5 * expected + 3 * np.sqrt(expected) + 2, (group.name, level)
            assert n >= 0.5 * expected - 3 * np.sqrt(expected) - 1, (group.name, level)
    assert 0 < whole.expected_calls <= CALL.false_positives_per_panel
    assert whole.observed_calls <= whole.expected_calls + 3 * np.sqrt(whole.expected_calls / len(donors))
    assert found.summary()["substitutions_tests"] == whole.n_tests
    again = calibrate(donors[::-1], training(source.panel), CALL, threads=2)
    assert again == found, "neither order nor threads change a digit"


@pytest.mark.req("REQ-BKG-002")
@compiled_only
def test_calibration_shows_a_wrong_model(source: World, donors: list[Donor]) -> None:
    """Donors of other sites' rates: what they show is not what the others let expect."""
    other = world(N_SITES, site_shape=0.3, seed=99)
    odd = [donor(other._replace(donor_shape=0.2), seed) for seed in range(50, 53)]
    found = calibrate([*donors[:3], *odd], training(source.panel), CALL)
    right = calibrate(donors[:6], training(source.panel), CALL)
    assert found.groups[-2].ks_p < 0.01 < right.groups[-2].ks_p
    assert found.groups[-2].observed[3] > 5 * 1e-4 * found.groups[-2].n_tests


def test_few_donors_are_not_held_out(source: World, donors: list[Donor]) -> None:
    found = calibrate(donors[:2], training(source.panel), CALL)
    assert (found.groups, found.n_donors, found.summary()) == ((), 0, {})


def test_order_of_donors_changes_no_digit(source: World, donors: list[Donor], trained: TrainedBackground) -> None:
    again = train(donors[::-1], training(source.panel))
    for name, value in trained._asdict().items():
        assert np.array_equal(value, getattr(again, name)), name


@pytest.mark.req("REQ-BKG-003")
def test_a_clone_in_one_donor_raises_no_rate(source: World, donors: list[Donor]) -> None:
    site = 77
    alt = alt_of(donors[0], site)
    clone = with_allele(donors[0], site, alt, molecules(6, 0, 3, 0, 1, 0, 1))
    clone.is_clear[site, alt] = True
    found = train([clone, *donors[1:]], training(source.panel))
    without = train(donors[1:], training(source.panel))
    got = base_rates(donors[1].sites, source.panel, found).mean[site, alt]
    assert got == pytest.approx(base_rates(donors[1].sites, source.panel, without).mean[site, alt], rel=0.3)
    assert found.site_donors[site, alt] == without.site_donors[site, alt] + 1
    clone.is_clear[site, alt] = False


@pytest.mark.req("REQ-BKG-003")
def test_germline_alleles_are_no_errors_and_no_donors_of_the_panel(source: World, donors: list[Donor]) -> None:
    site = 33
    alt = alt_of(donors[0], site, 2)
    carriers = []
    for given in donors:
        carrier = with_allele(given, site, alt, given.sites.n[site] // 2)
        carrier = carrier._replace(is_germline=given.is_germline.copy())
        carrier.is_germline[site, alt] = True
        carriers.append(carrier)
    found = train(carriers, training(source.panel))
    assert found.site_donors[site, alt] == 0
    assert found.site_n[site, alt].sum() == 0, "no donor is left there"
    mean = base_rates(donors[0].sites, source.panel, found).mean[site, alt]
    context = found.context_mean[:, alt][:, 6]
    assert context.min() * 0.99 <= mean[6] <= context.max() * 1.01, "then the context's rate holds"


def test_a_place_that_errs_in_all_donors_is_noisy_in_every_class(source: World, donors: list[Donor]) -> None:
    site = 120
    alt = alt_of(donors[0], site, 3)
    noisy = [with_allele(given, site, alt, molecules(0, 0, 8, 1, 6, 0, 9, 1)) for given in donors]
    found = train(noisy, training(source.panel))
    base = base_rates(donors[0].sites, source.panel, found)
    assert base.is_noisy[site, alt]
    assert base.is_noisy.sum() <= 2
    assert base.mean[site, alt, 6] == pytest.approx(9 / DEPTH[6], rel=0.3)
    plain = base_rates(donors[0].sites, source.panel, train(donors, training(source.panel)))
    assert base.mean[site, alt, 0] > plain.mean[site, alt, 0], "duplex molecules there are trusted less"
    assert found.site_donors[site, alt] == len(donors)
    fresh = with_allele(donor(source, 500), site, alt, molecules(0, 0, 8, 1, 6, 0, 9, 1))
    p = site_p_values(fresh.sites, *rates(fresh, source, found), CALL.claimed_lod)
    assert p[site, alt] > 1e-3
    assert found.site_shape[6] > 2.0, "one noisy place does not widen the others"


def test_noisy_places_are_those_of_the_tail() -> None:
    expected, shape = np.full((50, 4, 8), 1e-4), np.full(8, 2.0)
    n = np.full((50, 4, 8), 1000)
    k = np.zeros((50, 4, 8), np.int64)
    least = int(nbinom.isf(1 / k.size, 2.0, 2.0 / 2.1))
    k[3, 1, 2], k[4, 1, 2] = least + 2, max(least - 1, 0)
    found = noisy_places(k, n, expected, shape)
    assert found[3, 1]
    assert found.sum() == 1


@pytest.mark.req("REQ-BKG-004")
@pytest.mark.parametrize("with_background", [True, False])
def test_variants_of_a_sample_do_not_raise_its_null(
    source: World, trained: TrainedBackground, with_background: bool
) -> None:
    background = trained if with_background else None
    plain = donor(source, 700)
    changed = plain
    for site in range(5, 205, 20):
        changed = with_allele(changed, site, alt_of(plain, site), molecules(4, 0, 2, 0, 1))
    before, after = (rates(given, source, background)[0] for given in (plain, changed))
    others = np.setdiff1d(np.arange(N_SITES), np.arange(5, 205, 20))
    assert np.median(after[others] / before[others]) == pytest.approx(1.0, abs=0.03)
    one = with_allele(plain, 9, alt_of(plain, 9), molecules(2))
    own = rates(one, source, background)[0][9, alt_of(plain, 9), 0]
    assert own == pytest.approx(rates(plain, source, background)[0][9, alt_of(plain, 9), 0], rel=5e-3)


def test_two_duplex_molecules_are_significant_where_normals_are_clean(
    source: World, trained: TrainedBackground
) -> None:
    sample = donor(source, 701, depth=2.5)
    site = next(s for s in range(N_SITES) if (int(sample.sites.ref[s]), alt_of(sample, s)) in ((0, 1), (3, 0)))
    changed = with_allele(sample, site, alt_of(sample, site), molecules(2))
    p = site_p_values(changed.sites, *rates(changed, source, trained), CALL.claimed_lod)
    assert p[site, alt_of(sample, site)] < 5e-4


@pytest.mark.parametrize("depth", [0.002, 0.05, 1.0, 20.0])
def test_rates_of_tiny_and_huge_samples_stay_near_the_truth(
    source: World, trained: TrainedBackground, depth: float
) -> None:
    sample = donor(source, 710, depth=depth)
    mean, size = rates(sample, source, trained)
    is_alt = alternates(sample.sites)
    assert np.isfinite(mean).all()
    assert (size >= 2).all()
    ratio = mean[is_alt].sum(axis=0)[[4, 6]] / source.mean[is_alt].sum(axis=0)[[4, 6]]
    assert ratio == pytest.approx(1.0, rel=0.35)


@pytest.mark.req("REQ-BKG-004")
@compiled_only
def test_a_damaged_sample_gets_rates_of_its_own(source: World, trained: TrainedBackground) -> None:
    damage = np.ones((4, 4, 8))
    damage[1, 3] = damage[2, 0] = 25.0
    damage[2, 3] = damage[1, 0] = 12.0
    samples = [donor(source, 720 + i, factor=damage) for i in range(6)]
    values, n_calls, calm_ratio = [], 0, []
    for sample in samples:
        mean, size = rates(sample, source, trained)
        p = site_p_values(sample.sites, mean, size, CALL.claimed_lod)
        n_calls += int((p < CALL.false_positives_per_panel / (3 * N_SITES)).sum())
        values.append(p[alternates(sample.sites)])
        rows = (sample.sites.ref == 1) & (sample.sites.n.sum(axis=1) > 0)
        got = mean[rows, 3, 6].sum() / source.mean[rows, 3, 6].sum()
        assert got == pytest.approx(25.0, rel=0.5)
        calm = sample.sites.ref == 0
        calm_ratio.append(mean[calm, 1, 6].sum() / source.mean[calm, 1, 6].sum())
    assert np.mean(calm_ratio) == pytest.approx(1.0, rel=0.5), "what is not damaged stays as it was"
    assert n_calls <= 4, "0.6 are expected at most"
    assert (np.concatenate(values) < 1e-3).sum() <= 3 * N_SITES * 6 * 1e-3 + 6


def test_hotspots_on_the_panel_are_marked(source: World, donors: list[Donor]) -> None:
    sites = donors[0].sites
    contig, pos0 = source.panel.place(int(sites.slots[40]))
    name, ref = source.panel.contigs[contig], BASES[sites.ref[40]]
    alt = BASES[alt_of(donors[0], 40)]
    listed = [
        Hotspot(name, pos0 + 1, ref, alt, "GENE", "G p.1"),
        Hotspot(name, pos0 + 1, ref, ref + "A", "GENE", "an insertion"),
        Hotspot(name, 1, "A", "C", "GENE", "off target"),
        Hotspot("chrU", 5, "A", "C", "GENE", "on no contig"),
    ]
    found = hotspot_mask(source.panel, listed)
    assert np.argwhere(found).tolist() == [[40, alt_of(donors[0], 40)]]


def test_metrics_count_what_went_in(source: World, donors: list[Donor], trained: TrainedBackground) -> None:
    found = training_metrics(donors, trained._replace(calibration={"calibration_donors": 12.0}), PARAMS)
    assert (found.n_in, found.n_out) == (120_000, 108_000)
    assert found.counts["donors"] == 12
    assert found.counts["errors"] == trained.site_k.sum()
    assert found.values["calibration_donors"] == 12
    rate = trained.site_k[..., 6].sum() / trained.site_n[..., 6].sum()
    assert found.values["rate_single_inner"] == pytest.approx(rate)


def test_p_values_without_a_background_are_not_far_from_uniform(source: World) -> None:
    quiet = source._replace(mean=source.mean / 3.0)
    sample = donor(quiet, 800)
    p = site_p_values(sample.sites, *rates(sample, quiet, None), CALL.claimed_lod)[alternates(sample.sites)]
    assert (p < 1e-3).sum() <= 4
