"""Listed alleles: each is answered, and so is the whole list."""

import numba
import numpy as np
import pytest
from scipy.stats import binom

from ctdna.model.evidence import Allele, AlleleCounts
from ctdna.model.forced import ListedAllele
from ctdna.model.variants import CalledVariant
from ctdna.stages.call import CallResult, Extras, call
from ctdna.stages.forced import Answer, summarise
from ctdna.stages.judging import Candidate, NormalsSeen
from tests.builders import Read
from tests.consensus_molecules import CONTIG, PARAMS, REFERENCE, SINGLE, Edit, crowd, evidence, flip, molecule

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="whole calls; their kernels have tests of their own"),
]
SNV = Edit(520, REFERENCE[520], flip(REFERENCE[520]))
ABSENT = Edit(540, REFERENCE[540], flip(REFERENCE[540], 2))
DELETION = Edit(501, REFERENCE[501:517], REFERENCE[501])
MNV = Edit(550, REFERENCE[550:552], flip(REFERENCE[550]) + flip(REFERENCE[551]))
OUTSIDE = Edit(1100, REFERENCE[1100], flip(REFERENCE[1100]))
MARGIN = Edit(720, REFERENCE[720], flip(REFERENCE[720]))


def listed(edit: Edit, label: str) -> ListedAllele:
    return ListedAllele(CONTIG, edit.pos0 + 1, edit.ref, edit.alt, label)


def answered(reads: list[Read], *alleles: ListedAllele) -> CallResult:
    return call(evidence(reads), PARAMS, (), (), None, "s", extras=Extras(alleles))


def by_label(result: CallResult) -> dict[str, CalledVariant]:
    return {v.identifier: v for v in result.variants if v.is_forced}


@pytest.mark.req("REQ-CAL-018")
def test_every_listed_allele_has_a_record_with_its_state() -> None:
    edits = {"snv": SNV, "none": ABSENT, "del": DELETION, "mnv": MNV, "off": OUTSIDE, "beside": MARGIN}
    result = answered(crowd(1500, 1, [(12, [DELETION]), (9, [SNV])]), *(listed(e, n) for n, e in edits.items()))
    found = by_label(result)
    assert {name: (v.state, v.reason, v.n_alt) for name, v in found.items()} == {
        "snv": ("DETECTED", ".", 9),
        "none": ("NOT_DETECTED", ".", 0),
        "del": ("DETECTED", ".", 12),
        "mnv": ("NOT_DETECTED", ".", 0),
        "off": ("NO_CALL", "off_panel", 0),
        "beside": ("NO_CALL", "off_panel", 0),
    }
    for name in ("snv", "none", "del", "mnv"):
        assert found[name].lod95 is not None
        assert found[name].depth > 800
    assert found["none"].vaf_estimate == 0.0
    assert 0 < found["none"].vaf_high < 0.006
    places = [(v.pos1, v.ref, v.alt) for v in result.variants]
    assert places == sorted(places)
    rows = zip(result.loci.hotspot, result.loci.state, result.loci.reason, strict=True)
    assert {row[0]: row[1:] for row in rows if row[0] != "."} == {
        name: (v.state, v.reason) for name, v in found.items()
    }


@pytest.mark.req("REQ-CAL-018")
def test_listed_alleles_are_held_to_their_own_level() -> None:
    reads = crowd(1500, 1)
    for k in range(2):
        reads += molecule(9000 + k, 450, 160, SINGLE, [SNV])
    strict = PARAMS.model_copy(update={"false_positives_per_panel": 1e-3})
    got, extras = evidence(reads), Extras((listed(SNV, "x"),))
    alone = next(v for v in call(got, strict, (), (), None, "s").variants if v.pos1 == 521)
    on_list = by_label(call(got, strict, (), (), None, "s", extras=extras))["x"]
    assert alone.p_value == on_list.p_value
    assert "not_significant" in alone.filters
    assert "not_significant" not in on_list.filters
    assert on_list.lod95 is not None
    assert alone.lod95 is not None
    assert on_list.lod95 < alone.lod95
    assert on_list.posterior > alone.posterior


@pytest.mark.req("REQ-CAL-018")
def test_the_list_changes_nothing_else() -> None:
    reads = crowd(1500, 1, [(12, [DELETION]), (9, [SNV])])
    plain = call(evidence(reads), PARAMS, (), (), None, "s")
    result = answered(reads, listed(ABSENT, "x"), listed(OUTSIDE, "y"))
    assert plain.variants == tuple(v for v in result.variants if not v.is_forced)
    assert plain.forced is None


def test_one_allele_written_in_two_ways_is_answered_once() -> None:
    padded = Edit(519, REFERENCE[519:522], REFERENCE[519] + SNV.alt + REFERENCE[521])
    result = answered(crowd(1500, 1, [(9, [SNV])]), listed(padded, "padded"), listed(SNV, "plain"))
    (variant,) = [v for v in result.variants if v.is_forced]
    assert (variant.pos1, variant.ref, variant.alt, variant.identifier) == (521, SNV.ref, SNV.alt, "padded")
    assert result.forced is not None
    assert (result.forced.n_listed, result.forced.alt_molecules) == (1, 9)


def test_metrics_hold_the_answer_for_the_list() -> None:
    result = answered(crowd(1500, 1, [(9, [SNV])]), listed(SNV, "x"), listed(ABSENT, "y"), listed(OUTSIDE, "z"))
    summary, metrics = result.forced, result.metrics
    assert summary is not None
    assert [item.reason for item in summary.left_out] == ["off_panel"]
    assert metrics.counts["forced_listed"] == 3
    assert metrics.values["forced_p_value"] == summary.p_value


RATES = np.array([1e-6, 3e-6, 1.5e-5, 4.5e-5, 4e-5, 1.2e-4, 1.5e-4, 4.5e-4])
DEPTH = np.array([1500, 100, 450, 50, 200, 20, 250, 30])


def candidate(alt: np.ndarray, depth: np.ndarray = DEPTH, rates: np.ndarray = RATES, **more: object) -> Candidate:
    zero = np.zeros(8, np.int32)
    counts = AlleleCounts(alt.astype(np.int32), (depth - alt).astype(np.int32), zero, np.zeros((2, 2), np.int32), 0, 0)
    made = Candidate(
        Allele(0, "A", "C"), (0, 1, b"\1"), counts, rates, 1.5 / rates, 1.0, 1e-3, "", False,
    )  # fmt: skip
    return made._replace(**more)  # type: ignore[arg-type]


def answer(i: int, alt: np.ndarray, **more: object) -> Answer:
    return Answer(ListedAllele("c", i + 1, "A", "C", f"v{i}"), candidate(alt, **more))  # type: ignore[arg-type]


def samples(vaf: float, n_loci: int, n_samples: int, seed: int) -> list[list[Answer]]:
    rng = np.random.default_rng(seed)
    shape = (n_samples, n_loci, 8)
    rate = rng.gamma(1.5, RATES / 1.5, shape) if vaf == 0 else RATES
    alt = rng.binomial(DEPTH, rate + vaf * (1 - RATES), shape)
    return [[answer(i, counts) for i, counts in enumerate(sample)] for sample in alt]


def test_list_s_estimate_and_interval_on_planted_truth() -> None:
    planted = 2e-4
    found = [summarise(sample, PARAMS, "s") for sample in samples(planted, 20, 100, 1)]
    assert np.mean([s.vaf for s in found]) == pytest.approx(planted, rel=0.1)
    held = np.mean([s.vaf_low <= planted <= s.vaf_high for s in found])  # type: ignore[operator]
    assert held == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / 100))
    assert all(s.is_detected for s in found)


def test_list_s_false_detections_stay_below_the_level_and_its_limit_holds() -> None:
    params = PARAMS.model_copy(update={"mrd_alpha": 0.05})
    clean = [summarise(sample, params, "s") for sample in samples(0.0, 12, 200, 2)]
    assert binom.sf(sum(s.is_detected for s in clean) - 1, 200, 0.05) > 1e-3
    lod95 = clean[0].lod95
    assert lod95 is not None
    assert clean[0].lod95_ppm == pytest.approx(lod95 * 1e6)
    found = [summarise(sample, params, "s").is_detected for sample in samples(lod95, 12, 200, 3)]
    assert 0.92 < np.mean(found) <= 1.0


def test_more_alleles_see_deeper() -> None:
    none = np.zeros(8, int)
    limits = [summarise([answer(i, none) for i in range(n)], PARAMS, "s").lod95 for n in (1, 5, 50)]
    assert limits[0] > limits[1] > limits[2]  # type: ignore[operator]
    assert limits[2] is not None
    assert limits[2] < 7e-5


def test_noisy_and_foreign_alleles_are_left_out_with_their_reason() -> None:
    none = np.zeros(8, int)
    answers = [answer(i, none) for i in (*range(5), *range(20, 25))]
    answers += [
        answer(5, none, rates=np.full(8, 5e-3)),
        answer(6, none, normals=NormalsSeen(5, 20, 1e-4)),
        answer(7, (DEPTH * 0.5).astype(int)),
        answer(8, none, depth=np.zeros(8, int)),
        answer(9, np.array([20, 0, 0, 0, 0, 0, 0, 0])),
        answer(10, none, origin="chip"),
        answer(11, none, run=(1, 9)),
    ]
    answers.append(Answer(ListedAllele("c", 13, "A", "C", "v12"), None))
    summary = summarise(answers, PARAMS, "s")
    assert {item.label: item.reason for item in summary.left_out} == {
        "v5": "noisy", "v6": "panel_of_normals", "v7": "germline", "v8": "no_coverage", "v9": "outlier", "v10": "chip",
        "v11": "homopolymer", "v12": "off_panel",
    }  # fmt: skip
    assert (summary.n_used, summary.alt_molecules, summary.is_detected) == (10, 0, False)
    assert summary.p_value == 1.0


def test_a_short_list_has_no_outliers() -> None:
    """One clear allele of five is a detection, not a suspicion."""
    clear = np.array([20, 0, 0, 0, 0, 0, 0, 0])
    summary = summarise([answer(i, clear * (i == 0)) for i in range(5)], PARAMS, "s")
    assert summary.left_out == ()
    assert summary.is_detected


def test_an_allele_above_the_others_stays_where_they_are_a_detection_themselves() -> None:
    """A clonal allele beside subclonal ones."""
    alt = np.array([2, 0, 0, 0, 0, 0, 0, 0])
    summary = summarise([answer(i, alt * (15 if i == 0 else 1)) for i in range(12)], PARAMS, "s")
    assert summary.left_out == ()
    assert summary.alt_molecules == 52


def test_signal_spread_over_the_list_is_no_outlier() -> None:
    one = np.array([1, 0, 0, 0, 0, 0, 0, 0])
    summary = summarise([answer(i, one * (1 + i % 3)) for i in range(10)], PARAMS, "s")
    assert summary.left_out == ()
    assert summary.is_detected


def test_nothing_usable_says_nothing() -> None:
    summary = summarise([Answer(ListedAllele("c", 1, "A", "C", "x"), None)], PARAMS, "s")
    assert (summary.n_used, summary.vaf, summary.lod95, summary.lod95_ppm, summary.p_value) == (
        0,
        None,
        None,
        None,
        1.0,
    )
    assert not summary.is_detected
