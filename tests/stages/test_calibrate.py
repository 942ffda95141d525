import random
from functools import cache

import numba
import numpy as np
import pytest

from ctdna.kernels.random_stream import mix as splitmix
from ctdna.model.calibration import FAILS, HOLDS, UNKNOWN, Blanks, Trial
from ctdna.model.errors import InputError
from ctdna.model.evidence import Allele
from ctdna.model.params.calibrate import CalibrateParams
from ctdna.stages.calibrate import Calibrated, Source, calibrate
from ctdna.stages.calibration.conclusions import conclude, judge_blanks
from ctdna.stages.calibration.dilution import Weigher, _mixed, chances, draws, mix, pooled
from ctdna.stages.calibration.rules import Rules
from ctdna.stages.evidence import Evidence
from tests.builders import Read
from tests.consensus_molecules import CONTIG, PARAMS, REFERENCE, Edit, crowd, evidence, flip, panel

pytestmark = pytest.mark.timeout(180)
compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="hundreds of molecules, called many times")
SNVS = [Edit(pos0, REFERENCE[pos0], flip(REFERENCE[pos0])) for pos0 in (480, 510, 530)]
DELETION = Edit(495, REFERENCE[495:499], REFERENCE[495])
EDITS = [*SNVS, DELETION]
RULES = Rules(PARAMS, (), (), None, 1)
PLAN = CalibrateParams(
    fractions=(), multiples=(0.4, 1.1), depths=(), replicates=2, seed=3, ratio_edges=(0.5, 1.0, 1.5), at_limit=1.5,
    min_trials=8, confidence=0.95, max_drawn_share=0.5, p_levels=(1e-2, 1e-3),
)  # fmt: skip


def spike_reads(n: int = 700) -> list[Read]:
    return crowd(n, 8, [(n // 5, [edit]) for edit in EDITS])


@cache
def base() -> Evidence:
    return evidence(crowd(700, 7))


@cache
def spike() -> Evidence:
    return evidence(spike_reads())


def allele(edit: Edit) -> Allele:
    return Allele(panel().slot(CONTIG, edit.pos0), edit.ref, edit.alt)


@cache
def checked(threads: int = 1) -> Calibrated:
    more = [Allele(-1, "A", "C"), Allele(panel().slot(CONTIG, 500), REFERENCE[500], flip(REFERENCE[500]))]
    truth = [*map(allele, EDITS), *more]
    sources = [Source("b", base())], Source("s", spike())
    return calibrate(*sources, truth, (), RULES._replace(threads=threads), PLAN)


def test_draws_are_splitmix64_keyed_by_name_and_parts() -> None:
    words = np.array([0, 1, 2**63, 987654321], np.uint64)
    with np.errstate(over="ignore"):
        assert _mixed(words).tolist() == [int(splitmix(word)) for word in words]
    names = np.random.default_rng(1).integers(0, 2**62, 20_000).astype(np.uint64)
    u = draws(names, 5, 1)
    assert np.array_equal(draws(names[::-1].copy(), 5, 1)[::-1], u)
    assert np.histogram(u, 10, (0, 1))[0] == pytest.approx(2000, abs=6 * 2000**0.5)
    other = draws(names, 5, 2)
    assert abs(np.corrcoef(u, other)[0, 1]) < 0.04


@compiled
def test_all_molecules_of_the_base_count_as_the_base() -> None:
    pool = pooled(base(), spike())
    same = mix(pool, ~pool.is_spike, PARAMS)
    for column, expected in zip(same.counts, base().counts, strict=True):
        assert np.array_equal(column, expected)
    assert mix(pool, pool.is_spike, PARAMS).counts.classes.sum() == spike().counts.classes.sum()


@pytest.mark.req("REQ-CLB-003")
@compiled
def test_mixes_keep_depth_and_tiers_and_hold_the_fraction() -> None:
    pool = pooled(base(), evidence(spike_reads(1400)))
    found = chances(pool, 0.2, 1.0)
    chosen = draws(pool.names, 1, 2) < found.of_molecule
    assert found.lost_share == 0
    assert chosen.sum() == pytest.approx(700, abs=4 * (0.2 * 700 * 2) ** 0.5)
    assert chosen[pool.is_spike].sum() == pytest.approx(140, abs=4 * 140**0.5)
    tiers = np.bincount(pool.stratum[chosen] % 4, minlength=4)
    assert tiers == pytest.approx([420, 140, 70, 70], abs=70)
    assert np.bincount(pool.stratum[~pool.is_spike] % 4, minlength=4).tolist() == [420, 140, 70, 70]


@pytest.mark.req("REQ-CLB-003")
@compiled
def test_the_expected_vaf_is_the_mean_of_many_mixes() -> None:
    pool = pooled(base(), spike())
    found, slot = chances(pool, 0.3, 0.8), panel().slot(CONTIG, SNVS[0].pos0)
    k = n = 0
    for replicate in range(60):
        classes = mix(pool, draws(pool.names, replicate) < found.of_molecule, PARAMS).counts.classes[slot]
        k += int(classes["ACGT".index(SNVS[0].alt)].sum())
        n += int(classes.sum())
    assert Weigher(base(), spike(), PARAMS).vaf(allele(SNVS[0]), found.of_molecule) == pytest.approx(k / n, rel=0.03)


@compiled
def test_known_alleles_are_followed_and_others_left_out_for_a_reason() -> None:
    report = checked().report
    assert report.alleles == {"b": 4}
    assert report.rejected == {"b": {"off_panel": 1, "not_called_in_spike": 1, "in_base": 0}}
    assert report.trials == 4 * len(PLAN.multiples) * PLAN.replicates == sum(one.trials for one in report.bins)
    assert [(one.variant_class, one.trials) for one in report.classes] == [("indel", 4), ("snv", 12)]
    assert sum(one.detected for one in report.classes) == report.detected
    assert report.limit_judgement == HOLDS
    assert abs(report.detected - report.expected) < 4 * report.expected_sd + 1
    assert report.blanks.samples == 1
    assert report.blanks.calls == ()
    # The planted molecules crowd around their alleles, so that a fraction of the panel is more there.
    ratios = [trial.ratio for trial in checked().trials]
    assert np.median(ratios[:8]) == pytest.approx(0.5, rel=0.3)
    assert np.median(ratios[8:]) == pytest.approx(1.4, rel=0.3)


@compiled
def test_stated_limit_is_that_of_the_locus_table() -> None:
    pool = pooled(base(), None)
    result = RULES.call(base())
    (stated,) = RULES.limits(RULES.judged(mix(pool, ~pool.is_spike, PARAMS), [allele(SNVS[0])]))
    row = next(i for i in range(len(result.loci.pos1))
               if (result.loci.pos1[i], result.loci.alt[i]) == (SNVS[0].pos0 + 1, SNVS[0].alt))  # fmt: skip
    assert stated == result.loci.lod95[row]


@compiled
def test_threads_and_order_of_the_input_change_nothing() -> None:
    assert checked(2) == checked()
    mixed = random.Random(1).sample(crowd(700, 7), 1400)
    pools = [pooled(one, None) for one in (base(), evidence(mixed))]
    one, other = (mix(pool, draws(pool.names, 9) < 0.5, PARAMS) for pool in pools)
    assert np.array_equal(one.counts.classes, other.counts.classes)


@compiled
def test_alleles_of_the_base_are_left_out_and_germline_is_found() -> None:
    shared = evidence(crowd(300, 9, [(150, [SNVS[0]])]))
    donor = Source("s", evidence(crowd(300, 9, [(150, [SNVS[0]]), (150, [SNVS[2]])])))
    plan = PLAN.model_copy(update={"fractions": (0.05,), "replicates": 1})
    report = calibrate([Source("b", shared)], donor, None, (), RULES, plan).report
    assert report.alleles == {"b": 1}
    assert report.rejected["b"]["in_base"] == 1


@pytest.mark.req("REQ-CLB-002")
@compiled
def test_unmixed_samples_share_no_molecule_and_known_alleles_are_not_false() -> None:
    reads = crowd(900, 9, [(12, [SNVS[0]])])
    plan = PLAN.model_copy(update={"depths": (60.0,), "replicates": 50})
    sample = evidence(reads)
    report = calibrate([Source("b", sample)], None, None, (), RULES, PLAN).report
    assert [(call.pos1, call.n_alt) for call in report.blanks.calls] == [(SNVS[0].pos0 + 1, 12)]
    assert report.limit_judgement is None
    known = calibrate([Source("b", sample)], None, None, [allele(SNVS[0])], RULES, PLAN).report
    assert known.blanks.calls == ()
    assert known.blanks.stated_per_mb == pytest.approx(0.1 / 300 * 1e6)
    thin = calibrate([Source("b", sample)], None, None, [allele(SNVS[0])], RULES, plan).report.blanks
    assert 1 < thin.samples < 50
    assert thin.bases == 300 * thin.samples
    with pytest.raises(InputError, match=r"--depths: found 1e\+06, but b has .* molecules per site"):
        calibrate([Source("b", sample)], None, None, (), RULES, PLAN.model_copy(update={"depths": (1e6,)}))


@compiled
def test_a_spike_with_too_few_molecules_is_refused() -> None:
    few = Source("s", evidence(spike_reads(60)))
    plan = PLAN.model_copy(update={"fractions": (0.2,)})
    with pytest.raises(InputError, match=r"--spike: fraction 0\.2 takes .* of the spike's molecules"):
        calibrate([Source("b", base())], few, [allele(SNVS[0])], (), RULES, plan)


def trial(ratio: float, is_detected: bool, expected: float) -> Trial:
    place = ("b", "all", 0.01, 0, CONTIG, 5, "A", "C", "snv", 50, 100)
    return Trial(*place, ratio * 0.01, 9, 1000, 0.01, expected, is_detected, "." if is_detected else "unseen")


def blanks(n_calls: int, samples: int, stated: float) -> Blanks:
    from ctdna.stages.calibration.blanks import Blank, blanks_of

    one = Blank(1000, (), np.array([0.5, 0.009]), stated)
    found = blanks_of([one] * samples, PLAN)
    low, high = (found.per_mb_low, found.per_mb_high) if n_calls == 0 else (n_calls * 0.5 * 1e3 / samples, 1e9)
    return found.model_copy(update={"per_mb": n_calls * 1e3 / samples, "per_mb_low": low, "per_mb_high": high})


def judged(trials: list[Trial]) -> str | None:
    return conclude(("b",), "s", {}, {}, trials, blanks(0, 50, 0.1), PLAN).limit_judgement


@pytest.mark.req("REQ-CLB-001")
def test_verdict_on_the_limit() -> None:
    good = [trial(1.2, i % 20 > 0, 0.95) for i in range(200)] + [trial(0.7, i % 2 > 0, 0.5) for i in range(100)]
    assert judged(good) == HOLDS
    assert judged([trial(1.2, i % 10 > 1, 0.95) for i in range(200)]) == FAILS
    assert judged(good[:5] + good[200:]) == UNKNOWN
    report = conclude(("b",), "s", {}, {}, good, blanks(0, 50, 0.1), PLAN)
    assert [one.trials for one in report.bins] == [0, 100, 200, 0]
    assert (report.share_within, report.at_limit.detected, report.missed_by) == (1.0, 190, {"unseen": 10})


@pytest.mark.req("REQ-CLB-001")
def test_bins_that_miss_their_share_overrule_the_limit() -> None:
    off = [trial(at, i % 10 > 5, 0.9) for at in (0.2, 0.7) for i in range(100)]
    assert judged(off + [trial(1.2, True, 0.95) for _ in range(50)]) == FAILS


@pytest.mark.req("REQ-CLB-002")
def test_verdict_on_false_calls() -> None:
    assert judge_blanks(blanks(0, 5, 0.1)) == UNKNOWN
    assert judge_blanks(blanks(0, 50, 0.1)) == HOLDS
    assert judge_blanks(blanks(2, 50, 0.1)) == HOLDS
    assert judge_blanks(blanks(40, 50, 0.1)) == FAILS
    level = blanks(0, 50, 0.1).levels[0]
    assert (level.tests, level.observed, level.expected) == (100, 50, pytest.approx(1.0))
