"""What became of a sample's reads stage by stage, and how far its library is exhausted, from the stages' metrics."""

from collections.abc import Mapping

from ctdna.model.metrics import StageMetrics
from ctdna.model.qc import LibraryYield, StageLoss, TargetYield

ORDER = ("extract", "collapse", "align", "group", "consensus", "realign", "filter", "call")
_WHOLE_RUN = "demultiplex"
_VALUES = (
    *("molecules_estimated", "saturation", "sequencing_saturation", "effective_umis", "umi_collision"),
    *("umi_collision_p95", "umi_collision_highest", "umi_collision_within_edits", "molecules_lost_to_collisions"),
)
_CURVES = ("molecules_at_percent", "duplex_molecules_at_percent", "ideal_duplex_molecules_at_percent")


def stage_losses(metrics: Mapping[str, StageMetrics]) -> tuple[StageLoss, ...]:
    """Return what each stage kept, lost and counted, in the order of the stages; those not known come last, by name.

    `demultiplex` is left out: it counts the whole run.
    """
    known = [stage for stage in ORDER if stage in metrics]
    others = sorted(metrics.keys() - set(ORDER) - {_WHOLE_RUN})
    return tuple(
        StageLoss(stage=stage, unit=one.unit, n_in=one.n_in, n_out=one.n_out, rejected=one.rejected, counts=one.counts)
        for stage, one in ((stage, metrics[stage]) for stage in (*known, *others))
    )


def library_yield(group: StageMetrics | None, targets: tuple[TargetYield, ...] = ()) -> LibraryYield | None:
    """Return how far the library is exhausted; None where the group stage did not tell."""
    if group is None or any(name not in group.values for name in _VALUES):
        return None
    histograms = group.histograms
    found: dict[str, object] = {
        **{name: group.counts[name] for name in ("templates", "molecules", "duplex_molecules")},
        **{name: group.values[name] for name in _VALUES},
        "molecule_sizes": histograms["molecule_size"],
        **{name: histograms[name] for name in _CURVES if name in histograms},
        "targets": targets,
    }
    return LibraryYield.model_validate(found)
