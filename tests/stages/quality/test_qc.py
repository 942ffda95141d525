"""Verdicts of a sample and of a run, from planted evidence."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from ctdna.kit.load import LoadedKit, load_kit
from ctdna.model.errors import DefinitionError
from ctdna.model.manifest import RunManifest
from ctdna.model.metrics import StageMetrics
from ctdna.model.params.qc import Role
from ctdna.model.qc import SampleQc, SnpCount
from ctdna.model.sample import Sample, Specimen
from ctdna.stages.qc import SampleEvidence, run_qc, sample_qc
from ctdna.stages.quality.controls import Seen
from ctdna.stages.quality.coverage import PanelTarget, panel_depth

PANEL = (PanelTarget("EGFR:exon19", "demo_EGFR", 100, 110), PanelTarget("KRAS:exon2", "demo_KRAS", 0, 5))


@pytest.fixture(scope="module")
def kit() -> LoadedKit:
    return load_kit("ctdna-demo@1.0.0")


def _sample(name: str, role: Role = "patient", subject: str | None = None) -> Sample:
    specimen = Specimen(subject_id=subject, input_ng=10.0)
    return Sample(sample_id=name, role=role, index="", index2="", lanes=(), specimen=specimen)


def _metrics(stage: str, n: int, counts: dict[str, int], values: dict[str, float]) -> StageMetrics:
    return StageMetrics(
        stage=stage, sample="s", unit="read pairs", n_in=n, n_out=n, rejected={}, counts=counts, values=values
    )


def _demultiplex() -> StageMetrics:
    values = {"passing_percent": 90.0, "q30_percent": 91.0, "undetermined_percent": 2.0, "index_hopping_percent": 0.1}
    return _metrics("demultiplex", 10, {}, values | {"sample.p1.q30_percent": 92.0})


def _snps(flip: int = 0) -> tuple[SnpCount, ...]:
    shares = [0.0, 0.5, 1.0] * 8
    return tuple(
        SnpCount(
            contig="c",
            pos1=i + 1,
            frequency=0.4,
            n_ref=round(1000 * (1 - shares[(i + flip) % 24])),
            n_alt=round(1000 * shares[(i + flip) % 24]),
            n_other=0,
        )
        for i in range(24)
    )


def _evidence(
    depth: int = 2000, snps: tuple[SnpCount, ...] = (), alleles: dict[str, float] | None = None
) -> SampleEvidence:
    depths = {
        (target.contig, pos0 + 1): (depth, depth // 2) for target in PANEL for pos0 in range(target.start0, target.end0)
    }
    controls = load_kit("ctdna-demo@1.0.0").definition.controls.positive
    return SampleEvidence(
        metrics={
            "demultiplex": _demultiplex(),
            "extract": _metrics("extract", 100_000, {}, {}),
            "align": _metrics("align", 200_000, {"mapped": 199_000}, {}),
        },
        panel=PANEL,
        depth=panel_depth(PANEL, depths),
        n_reads=200_000,
        n_on_target=160_000,
        n_molecules_on_target=depth,
        family_sizes={2: 100, 4: 100},
        tiers={"duplex": 60, "simplex3": 20, "pair2": 10, "single": 10},
        insert_sizes={160: 5, 170: 5, 180: 1},
        alleles={
            (item.contig, item.pos1, item.ref, item.alt): Seen(alleles[item.label], 40, 2000, True)
            for item in controls
            if alleles is not None and item.label in alleles
        },
        snps=snps,
    )


def _values(document: SampleQc) -> dict[str, float | None]:
    return {figure.metric: figure.value for figure in document.figures}


def test_figures_of_a_good_sample(kit: LoadedKit) -> None:
    document = sample_qc(_sample("p1"), _evidence(snps=_snps()), kit.definition, kit.digest)
    values = _values(document)
    assert values["raw_read_pairs"] == 100_000
    assert values["mapped_fraction"] == pytest.approx(0.995)
    assert values["on_target_fraction"] == pytest.approx(0.8)
    assert values["mean_family_size"] == pytest.approx(3.0)
    assert values["duplex_yield_fraction"] == pytest.approx(0.6)
    assert values["conversion_fraction"] == pytest.approx(2000 / (10 * 303))
    assert values["median_unique_depth"] == 2000
    assert values["uniformity_fold80"] == pytest.approx(1.0)
    assert values["insert_size_median"] == 170
    assert values["q30_fraction"] == pytest.approx(0.92)
    assert values["contamination_fraction"] == pytest.approx(0.0, abs=1e-4)
    assert document.verdict == "pass"
    assert {item.verdict for item in document.classes} == {"pass"}


@pytest.mark.req("REQ-QCT-006")
def test_a_thin_sample_fails_with_reason_and_next_step(kit: LoadedKit) -> None:
    document = sample_qc(_sample("p1"), _evidence(depth=50, snps=_snps()), kit.definition, kit.digest)
    assert document.verdict == "fail"
    failed = [figure for figure in document.figures if figure.status == "fail"]
    assert {figure.metric for figure in failed} >= {"median_unique_depth"}
    assert all(figure.reason and figure.next_step for figure in failed)


def test_an_empty_no_template_control_passes(kit: LoadedKit) -> None:
    none = _evidence(depth=0)
    empty = none._replace(
        metrics={
            **none.metrics,
            "extract": _metrics("extract", 0, {}, {}),
            "align": _metrics("align", 0, {"mapped": 0}, {}),
        },
        n_reads=0,
        n_on_target=0,
        family_sizes={},
        tiers={},
        insert_sizes={},
    )
    document = sample_qc(_sample("ntc", "no_template_control"), empty, kit.definition, kit.digest)
    assert document.no_template is not None
    assert (document.no_template.status, document.verdict) == ("pass", "pass")
    assert _values(document)["mean_family_size"] is None


def _run(kit: LoadedKit, *items: tuple[Sample, SampleEvidence]) -> tuple[RunManifest, dict[str, SampleQc]]:
    manifest = RunManifest(
        align="once",
        run_id="r",
        instrument=None,
        flow_cell=None,
        kit=kit.address,
        kit_digest=kit.digest,
        reference="ctdna-demo",
        software="0",
        samples=tuple(sample for sample, _ in items),
        warnings=(),
    )
    documents = {
        sample.sample_id: sample_qc(sample, evidence, kit.definition, kit.digest) for sample, evidence in items
    }
    return manifest, documents


@pytest.mark.req("REQ-QCT-002")
def test_a_failed_positive_control_fails_every_patient(kit: LoadedKit) -> None:
    manifest, documents = _run(
        kit,
        (_sample("pc", "positive_control"), _evidence(alleles={})),
        (_sample("p1"), _evidence(snps=_snps())),
    )
    document = run_qc(manifest, documents, _demultiplex(), kit.definition, kit.digest)
    assert document.verdict == "fail"
    patient = document.samples[1]
    assert patient.verdict == "fail"
    assert {item.verdict for item in patient.classes} == {"fail"}
    assert "The positive control pc failed." in {reason.en for reason in patient.classes[0].reasons}


@pytest.mark.req("REQ-QCT-003")
def test_a_dirty_no_template_control_fails_the_run(kit: LoadedKit) -> None:
    manifest, documents = _run(
        kit,
        (_sample("ntc", "no_template_control"), _evidence(depth=kit.definition.controls.ntc_max_molecules + 1)),
        (_sample("p1"), _evidence(snps=_snps())),
    )
    document = run_qc(manifest, documents, _demultiplex(), kit.definition, kit.digest)
    assert document.verdict == "fail"
    assert document.no_template[0].status == "fail"
    assert any("no-template control ntc holds" in reason.en for reason in document.samples[1].classes[0].reasons)


@pytest.mark.req("REQ-QCT-004")
@pytest.mark.parametrize(
    ("subjects", "flips", "status"),
    [
        (("S1", "S1"), (0, 0), "pass"),
        (("S1", "S1"), (0, 1), "fail"),
        (("S1", "S2"), (0, 1), "pass"),
        (("S1", "S2"), (0, 0), "fail"),
        ((None, "S2"), (0, 0), "not_evaluated"),
    ],
)
def test_swapped_and_mixed_samples_are_found(
    kit: LoadedKit,
    subjects: tuple[str | None, str],
    flips: tuple[int, int],
    status: Literal["pass", "fail", "not_evaluated"],
) -> None:
    manifest, documents = _run(
        kit,
        (_sample("p1", subject=subjects[0]), _evidence(snps=_snps(flips[0]))),
        (_sample("p2", subject=subjects[1]), _evidence(snps=_snps(flips[1]))),
    )
    document = run_qc(manifest, documents, _demultiplex(), kit.definition, kit.digest)
    (pair,) = document.identity
    assert pair.status == status
    assert [sample.verdict for sample in document.samples] == (["fail"] * 2 if status == "fail" else ["pass"] * 2)


def test_figures_of_the_run(kit: LoadedKit) -> None:
    manifest, documents = _run(kit, (_sample("p1"), _evidence(snps=_snps())))
    document = run_qc(manifest, documents, _demultiplex(), kit.definition, kit.digest)
    by_name = {figure.metric: figure for figure in document.figures}
    assert by_name["undetermined_fraction"].value == pytest.approx(0.02)
    assert by_name["phix_error_fraction"].status == "not_evaluated"
    assert document.verdict == "pass"


@pytest.mark.req("REQ-QCT-007")
def test_a_kit_that_limits_an_unknown_figure_is_refused(kit: LoadedKit) -> None:
    limit = kit.definition.qc.sample[0].model_copy(update={"metric": "luck"})
    definition = kit.definition.model_copy(update={"qc": kit.definition.qc.model_copy(update={"sample": (limit,)})})
    with pytest.raises(DefinitionError, match="found metric `luck`"):
        sample_qc(_sample("p1"), _evidence(), definition, kit.digest)


def test_depths_are_exact(kit: LoadedKit, tmp_path: Path) -> None:
    document = sample_qc(_sample("p1"), _evidence(depth=7), kit.definition, kit.digest)
    assert [(item.mean, item.min, item.duplex_mean) for item in document.targets] == [(7.0, 7, 3.0)] * 2
    assert np.isclose(_values(document)["min_target_unique_depth"] or 0, 7.0)
