"""Figures against limits, coverage, contamination, identity and controls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctdna.model.base import Text
from ctdna.model.errors import DefinitionError
from ctdna.model.kit import Controls, ExpectedVariant
from ctdna.model.params.qc import Threshold
from ctdna.model.qc import SnpCount
from ctdna.stages.quality.controls import Seen, no_template, positive_control
from ctdna.stages.quality.coverage import PanelTarget, fold_80, panel_depth, target_depths
from ctdna.stages.quality.figures import RUN_FIGURES, SAMPLE_FIGURES, check_thresholds, class_verdicts, judge
from ctdna.stages.quality.snps import concordance, contamination, genotype

LOW = Text(en="Too low.", zh="过低。")
STEP = Text(en="Do it again.", zh="重做。")


def _limit(metric: str, severity: str = "fail", low: float | None = None, high: float | None = None) -> Threshold:
    return Threshold.model_validate(
        {
            "metric": metric,
            "min": low,
            "max": high,
            "roles": ("patient",),
            "classes": ("indel",),
            "severity": severity,
            "reason": LOW,
            "next_step": STEP,
        }
    )


@pytest.mark.req("REQ-QCT-001")
def test_a_missed_limit_fails_only_its_classes() -> None:
    limits = (_limit("mean_family_size", low=2.0),)
    figures = judge({"mean_family_size": 1.5}, SAMPLE_FIGURES, limits, "patient")
    (figure,) = figures
    assert (figure.status, figure.reason, figure.next_step, figure.min) == ("fail", LOW, STEP, 2.0)
    assert [(item.variant_class, item.verdict) for item in class_verdicts(figures)] == [
        ("snv", "pass"),
        ("indel", "fail"),
        ("mnv", "pass"),
    ]


def test_a_limit_holds_for_its_roles_only() -> None:
    limits = (_limit("mean_family_size", low=2.0),)
    (figure,) = judge({"mean_family_size": 1.5}, SAMPLE_FIGURES, limits, "no_template_control")
    assert figure.status == "pass"


def test_a_fail_limit_speaks_before_a_warn_limit() -> None:
    limits = (_limit("mean_family_size", "warn", low=3.0), _limit("mean_family_size", "fail", low=2.0))
    statuses = [
        judge({"mean_family_size": value}, SAMPLE_FIGURES, limits, "patient")[0].status for value in (1.0, 2.5, 3.0)
    ]
    assert statuses == ["fail", "warn", "pass"]


@pytest.mark.req("REQ-QCT-007")
def test_a_figure_without_value_is_not_evaluated() -> None:
    (figure,) = judge({"mean_family_size": None}, SAMPLE_FIGURES, (_limit("mean_family_size", low=2.0),), "patient")
    assert figure.status == "not_evaluated"


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"found metric `depht`, allowed are pf_fraction"):
        check_thresholds((_limit("depht", low=1.0),), RUN_FIGURES, "kit@1.0.0")


def test_depth_per_target_counts_uncovered_positions_as_zero() -> None:
    targets = (PanelTarget("G:1", "c", 10, 12), PanelTarget("G:2", "c", 20, 21))
    panel = panel_depth(targets, {("c", 11): (100, 40), ("c", 21): (50, 10)})
    assert panel.depth.tolist() == [100, 0, 50]
    first, second = target_depths(targets, panel)
    assert (first.mean, first.min, first.duplex_mean) == (50.0, 0, 20.0)
    assert (second.mean, second.min) == (50.0, 50)


def test_fold_80_of_even_and_uneven_depth() -> None:
    assert fold_80(np.full(10, 7, dtype=np.int64)) == pytest.approx(1.0)
    assert fold_80(np.arange(1, 6, dtype=np.int64) * 10) == pytest.approx(30 / 18)
    assert fold_80(np.zeros(4, dtype=np.int64)) is None
    assert fold_80(np.zeros(0, dtype=np.int64)) is None


def _planted(seed: int, share: float, n_snps: int = 48, depth: int = 2000) -> tuple[SnpCount, ...]:
    random = np.random.default_rng(seed)
    frequency = random.uniform(0.1, 0.6, n_snps)
    own, other = random.binomial(2, frequency), random.binomial(2, frequency)
    p_alt = (1 - share) * own / 2 + share * other / 2
    n_alt = random.binomial(depth, p_alt * (1 - 1e-4) + (1 - p_alt) * 1e-4)
    return tuple(
        SnpCount(
            contig="c",
            pos1=i + 1,
            frequency=float(frequency[i]),
            n_ref=int(depth - n_alt[i]),
            n_alt=int(n_alt[i]),
            n_other=0,
        )
        for i in range(n_snps)
    )


@pytest.mark.req("REQ-QCT-005")
@pytest.mark.parametrize("share", [0.005, 0.02, 0.1])
def test_planted_contamination_lies_in_the_interval(share: float) -> None:
    n_inside = 0
    for seed in range(20):
        found = contamination(_planted(seed, share))
        assert found.fraction == pytest.approx(share, rel=0.5)
        assert found.low is not None
        assert found.high is not None
        n_inside += found.low <= share <= found.high
    # 95 % intervals: 16 of 20 or fewer has a chance of 1.6 %; the seeds are fixed.
    assert n_inside >= 17


@pytest.mark.req("REQ-QCT-005")
def test_a_clean_sample_shows_no_contamination() -> None:
    for seed in range(5):
        found = contamination(_planted(seed, 0.0))
        assert found.fraction is not None
        assert found.fraction < 5e-4


def test_few_snps_say_nothing() -> None:
    found = contamination(_planted(1, 0.1, n_snps=5))
    assert (found.fraction, found.n_snps) == (None, 5)
    assert concordance(_planted(1, 0.0, n_snps=5), _planted(1, 0.0, n_snps=5)) == (5, None)


@given(st.integers(0, 100), st.integers(0, 100))
def test_genotypes_by_share(n_ref: int, n_alt: int) -> None:
    found = genotype(SnpCount(contig="c", pos1=1, frequency=0.3, n_ref=n_ref, n_alt=n_alt, n_other=0))
    if n_ref + n_alt < 30:
        assert found is None
    elif found is not None:
        assert abs(n_alt / (n_ref + n_alt) - found / 2) <= 0.2


def test_one_person_agrees_with_itself_and_not_with_another() -> None:
    assert concordance(_planted(1, 0.0), _planted(1, 0.01)) == (48, 1.0)
    n_snps, share = concordance(_planted(1, 0.0), _planted(2, 0.0))
    assert n_snps == 48
    assert share is not None
    assert share < 0.8


EXPECTED = ExpectedVariant(contig="c", pos1=5, ref="A", alt="T", vaf_min=0.01, vaf_max=0.03, label="G p.(Lys2Met)")


@pytest.mark.req("REQ-QCT-002")
@pytest.mark.parametrize(
    ("seen", "status", "words"),
    [
        (Seen(0.02, 40, 2000, True), "pass", None),
        (Seen(0.02, 40, 2000, False), "fail", "seen, but not called"),
        (Seen(0.05, 100, 2000, True), "fail", "VAF of 5.00% lies outside 1.00% - 3.00%"),
        (None, "fail", "not seen at all"),
    ],
)
def test_the_positive_control(seen: Seen | None, status: str, words: str | None) -> None:
    controls = Controls(positive=(EXPECTED,), ntc_max_molecules=5)
    (finding,) = positive_control(controls, {("c", 5, "A", "T"): seen} if seen else {})
    assert finding.status == status
    assert (finding.reason is None) == (words is None)
    if words and finding.reason:
        assert words in finding.reason.en


@pytest.mark.req("REQ-QCT-003")
def test_the_no_template_control() -> None:
    controls = Controls(positive=(), ntc_max_molecules=5)
    assert no_template("ntc", controls, 5).status == "pass"
    assert no_template("ntc", controls, 6).status == "fail"
