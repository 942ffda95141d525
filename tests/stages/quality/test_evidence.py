"""What quality control takes from the stages' metrics: losses in order, and the library's yield."""

import pytest

from ctdna.model.metrics import StageMetrics
from ctdna.stages.quality.evidence import ORDER, library_yield, stage_losses
from ctdna.stages.saturation import yield_histograms, yield_values
from tests.stages.test_saturation import some_sums


def _metrics(stage: str, n_lost: int = 0, **more: object) -> StageMetrics:
    values: dict[str, object] = {
        "stage": stage, "sample": "s", "unit": "reads", "n_in": 10, "n_out": 10 - n_lost, "rejected": {"bad": n_lost},
    }  # fmt: skip
    return StageMetrics.model_validate({**values, **more})


def _group(is_duplex: bool = True) -> StageMetrics:
    sums = some_sums()
    return _metrics(
        "group",
        counts={"templates": 130, "molecules": 60, "duplex_molecules": 20},
        values=yield_values(sums, 1),
        histograms=yield_histograms(sums, is_duplex),
    )


def test_stages_stand_in_their_order_whichever_are_there() -> None:
    given = ("demultiplex", "zeta", "call", "collapse", "group", "extract", "beta")
    found = stage_losses({stage: _metrics(stage, 3, counts={"clusters": 4}) for stage in given})
    assert [loss.stage for loss in found] == ["extract", "collapse", "group", "call", "beta", "zeta"]
    assert {(loss.n_in, loss.n_out, loss.rejected["bad"], loss.counts["clusters"]) for loss in found} == {(10, 7, 3, 4)}
    assert stage_losses({}) == ()
    assert len(stage_losses({stage: _metrics(stage) for stage in ORDER})) == len(ORDER)


def test_the_yield_is_what_the_group_stage_told() -> None:
    group = _group()
    found = library_yield(group)
    assert found is not None
    assert (found.templates, found.molecules, found.duplex_molecules) == (130, 60, 20)
    assert found.saturation == pytest.approx(group.values["saturation"])
    assert found.molecules_at_percent == group.histograms["molecules_at_percent"]
    assert found.duplex_molecules_at_percent == group.histograms["duplex_molecules_at_percent"]
    assert found.targets == ()


def test_without_strands_there_is_no_duplex_curve() -> None:
    found = library_yield(_group(is_duplex=False))
    assert found is not None
    assert found.duplex_molecules_at_percent == found.ideal_duplex_molecules_at_percent == {}


def test_metrics_of_before_give_no_yield() -> None:
    assert library_yield(None) is None
    assert library_yield(_metrics("group", values={"reads_per_molecule": 2.0})) is None
