"""Figures held against the kit's limits, and the verdict per variant class that follows."""

from typing import get_args

from ctdna.model.base import Text
from ctdna.model.errors import DefinitionError
from ctdna.model.params.qc import Role, Threshold, VariantClass
from ctdna.model.qc import ClassVerdict, Figure, Status, Verdict, worst

CLASSES: tuple[VariantClass, ...] = get_args(VariantClass)

SAMPLE_FIGURES: dict[str, tuple[str, str, str]] = {
    "raw_read_pairs": ("Read pairs", "读段对数", "count"),
    "q30_fraction": ("Bases of Q30 or better", "Q30 以上碱基比例", "fraction"),
    "mapped_fraction": ("Mapped read pairs", "比对上的读段对比例", "fraction"),
    "on_target_fraction": ("Reads on target", "目标区域读段比例", "fraction"),
    "mean_family_size": ("Read pairs per family, mean", "每家族平均读段对数", "count"),
    "duplex_yield_fraction": ("Molecules seen on both strands", "双链分子比例", "fraction"),
    "saturation_fraction": ("Molecules of the library seen", "文库分子检出比例", "fraction"),
    "sequencing_saturation_fraction": ("Reads that repeat a molecule", "重复读段比例（测序饱和度）", "fraction"),
    "umi_collision_fraction": ("Chance of a shared UMI, mean", "UMI 碰撞概率均值", "fraction"),
    "conversion_fraction": ("Input molecules recovered", "投入分子回收率", "fraction"),
    "median_unique_depth": ("Unique depth, median", "去重深度中位数", "molecules"),
    "min_target_unique_depth": ("Unique depth of the thinnest target", "最低目标的去重深度", "molecules"),
    "uniformity_fold80": ("Uniformity (fold 80)", "均一性（fold 80）", ""),
    "insert_size_median": ("Fragment length, median", "片段长度中位数", "bases"),
    "oxidation_per_million": ("Oxidised G of one strand, per million", "单链 G 氧化（每百万 G）", "per_million"),
    "deamination_per_million": ("Deaminated C of one strand, per million", "单链 C 脱氨（每百万 C）", "per_million"),
    "contamination_fraction": ("DNA of another person", "他人 DNA 污染比例", "fraction"),
    "expected_variants_found_fraction": ("Expected variants found", "检出的预期变异比例", "fraction"),
    "ntc_molecules_on_target": ("Molecules on target without template", "无模板对照的目标分子数", "molecules"),
    "identity_concordance": ("Agreement of the subject's samples", "同一受试者样本的一致性", "fraction"),
}
RUN_FIGURES: dict[str, tuple[str, str, str]] = {
    "pf_fraction": ("Clusters passing filter", "通过过滤的簇比例", "fraction"),
    "q30_fraction": ("Bases of Q30 or better", "Q30 以上碱基比例", "fraction"),
    "undetermined_fraction": ("Reads of no sample", "未归属读段比例", "fraction"),
    "index_hopping_fraction": ("Reads with exchanged indices", "标签跳跃比例", "fraction"),
    "phix_error_fraction": ("Error rate of the phiX control", "phiX 错误率", "fraction"),
}
_ABSENT = Text(en="This could not be computed from the data at hand.", zh="现有数据无法计算该指标。")
_NO_STEP = Text(en="None; it is shown for information.", zh="无需处理，仅供参考。")


def check_thresholds(thresholds: tuple[Threshold, ...], known: dict[str, tuple[str, str, str]], kit: str) -> None:
    """Check that every threshold names a figure that is computed.

    Raises:
        DefinitionError: one does not.
    """
    for threshold in thresholds:
        if threshold.metric not in known:
            what = f"found metric `{threshold.metric}`, allowed are {', '.join(known)}"
            raise DefinitionError(kit, "qc", what, "correct the kit's thresholds")


def _misses(threshold: Threshold, value: float) -> bool:
    too_low = threshold.min is not None and value < threshold.min
    return too_low or (threshold.max is not None and value > threshold.max)


def _applies(threshold: Threshold, metric: str, role: Role | None) -> bool:
    return threshold.metric == metric and (role is None or role in threshold.roles)


def _figure(metric: str, naming: tuple[str, str, str], value: float | None, limits: list[Threshold]) -> Figure:
    title, unit = Text(en=naming[0], zh=naming[1]), naming[2]
    # A `fail` limit speaks before a `warn` limit.
    ordered = sorted(limits, key=lambda limit: limit.severity)
    shown = ordered[0] if ordered else None
    status: Status = "pass"
    reason = next_step = None
    classes: tuple[VariantClass, ...] = shown.classes if shown else ()
    if value is None:
        status, reason, next_step = "not_evaluated", _ABSENT, _NO_STEP
    else:
        for limit in ordered:
            if _misses(limit, value):
                shown, status, classes = limit, limit.severity, limit.classes
                reason, next_step = limit.reason, limit.next_step
                break
    return Figure(
        metric=metric,
        title=title,
        value=value,
        unit=unit,
        min=shown.min if shown else None,
        max=shown.max if shown else None,
        status=status,
        classes=classes,
        reason=reason,
        next_step=next_step,
    )


def judge(
    values: dict[str, float | None],
    known: dict[str, tuple[str, str, str]],
    thresholds: tuple[Threshold, ...],
    role: Role | None,
) -> tuple[Figure, ...]:
    """Return one figure per value, in the order of `known`, held against the limits for this role.

    `role` None means a run's figures, whose limits hold for every role. A figure without value is `not_evaluated`.
    """
    return tuple(
        _figure(metric, naming, values[metric], [limit for limit in thresholds if _applies(limit, metric, role)])
        for metric, naming in known.items()
        if metric in values
    )


def class_verdicts(figures: tuple[Figure, ...]) -> tuple[ClassVerdict, ...]:
    """Return the verdict of each variant class: the worst of the figures that name it, with their reasons."""
    verdicts = []
    for variant_class in CLASSES:
        touching = [figure for figure in figures if variant_class in figure.classes]
        verdict: Verdict = worst(tuple(figure.status for figure in touching))
        reasons = tuple(
            figure.reason for figure in touching if figure.status == verdict != "pass" and figure.reason is not None
        )
        verdicts.append(ClassVerdict(variant_class=variant_class, verdict=verdict, reasons=reasons))
    return tuple(verdicts)
