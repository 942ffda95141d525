"""The quality control of the realistic result."""

import random

from ctdna.model.base import Text
from ctdna.model.params.qc import VariantClass
from ctdna.model.qc import (
    ClassVerdict,
    Contamination,
    Figure,
    IdentityPair,
    LibraryYield,
    SampleQc,
    StageLoss,
    TargetDepth,
    TargetYield,
)

DIGEST = "9f2c1e07" * 8
TARGETS = (
    "EGFR:18",
    "EGFR:19",
    "EGFR:20",
    "EGFR:21",
    "KRAS:2",
    "KRAS:3",
    "BRAF:15",
    "PIK3CA:10",
    "PIK3CA:21",
    "TP53:7",
)


def figure(metric: str, en: str, zh: str, value: float | None, unit: str, **more: object) -> Figure:
    values: dict[str, object] = {
        "metric": metric,
        "title": Text(en=en, zh=zh),
        "value": value,
        "unit": unit,
        "min": None,
        "max": None,
        "status": "pass",
        "classes": ("snv", "indel", "mnv"),
        "reason": None,
        "next_step": None,
    }
    return Figure.model_validate({**values, **more})


def figures() -> tuple[Figure, ...]:
    return (
        figure("read_pairs", "Read pairs", "读段对数", 1_284_202.0, "read pairs", min=500_000.0),
        figure("on_target", "Reads on target", "目标区域比例", 0.812, "fraction", min=0.6),
        figure("unique_depth_mean", "Mean unique depth", "平均独立分子深度", 2574.0, "molecules", min=1500.0),
        figure("duplex_fraction", "Duplex molecules", "双链分子比例", 0.541, "fraction", min=0.3),
        figure(
            "unique_depth_min_target",
            "Lowest target's mean depth",
            "最低区域平均深度",
            612.0,
            "molecules",
            min=1000.0,
            status="warn",
            classes=(),
            reason=Text(en="One target is thin.", zh="有一个区域深度偏低。"),
            next_step=Text(
                en="Look at the detection limits of that target; sequence deeper if it matters.",
                zh="查看该区域的检测限；如有需要，增加测序量。",
            ),
        ),
        figure("conversion", "Conversion of input", "文库转化率", None, "fraction", min=0.2, status="not_evaluated"),
    )


def losses() -> tuple[StageLoss, ...]:
    """Figures of the size of a demo patient's; the stage `polish` and the reason `brand_new` are not known."""

    def loss(stage: str, unit: str, n_in: int, rejected: dict[str, int], **counts: int) -> StageLoss:
        n_out = n_in - sum(rejected.values())
        return StageLoss(stage=stage, unit=unit, n_in=n_in, n_out=n_out, rejected=rejected, counts=counts)

    before = {"molecules_in_duplex": 15010, "molecules_in_simplex3": 8210, "molecules_in_pair2": 2804}
    after = {"templates_out_duplex": 14210, "templates_out_simplex3": 7904, "templates_out_pair2": 2710}
    extracted = {"not_pf": 0, "too_short": 12, "n_in_umi": 0, "umi_not_in_list": 0, "no_template": 3120}
    masked = {"bases_in_kept_primary_reads": 7_400_000, "bases_masked_in_kept_primary_reads": 41_300}
    return (
        loss("extract", "read pairs", 95_000, extracted, reads_trimmed=20_410),
        loss("collapse", "read pairs", 91_868, {}, clusters=31_002, representatives=31_002, members=60_866),
        loss("align", "reads", 183_736, {}),
        loss("group", "reads", 183_736, {"secondary": 0, "unmapped": 900, "low_mapq": 2_310, "n_in_umi": 402}),
        loss(
            "consensus", "reads", 180_124, {"minority_alignment": 3_044, "collision": 12}, molecules_in_single=1_500
        ).model_copy(update={"counts": {**before, "molecules_in_single": 1_500}}),
        loss("realign", "reads", 53_000, {}),
        loss("filter", "reads", 53_000, {"high_error_rate": 320, "brand_new": 100}).model_copy(
            update={"counts": {**after, "templates_out_single": 1_466, **masked}}
        ),
        loss("call", "molecules", 26_290, {"off_target": 1_200, "low_mapq": 90}),
        loss("polish", "molecules", 25_000, {"dull": 5}),
    )


def target_yield(name: str, n: int) -> TargetYield:
    return TargetYield(
        target=name,
        contig=name.split(":")[0].lower(),
        start0=100,
        end0=280,
        templates=3 * n,
        molecules=n,
        duplex_molecules=n // 2,
        molecules_estimated=1.06 * n if n else 0.0,
        saturation=1 / 1.06 if n else None,
        sequencing_saturation=2 / 3 if n else None,
        umi_collision=n * 6e-9 if n else None,
        umi_collision_highest=n * 3e-8 if n else None,
        molecules_lost_to_collisions=n * 1e-5,
    )


def library(**changes: object) -> LibraryYield:
    percents = range(5, 101, 5)
    values: dict[str, object] = {
        "templates": 91_868,
        "molecules": 27_524,
        "duplex_molecules": 15_010,
        "molecules_estimated": 29_102.4,
        "saturation": 0.9458,
        "sequencing_saturation": 0.7004,
        "effective_umis": 1_046_000.0,
        "umi_collision": 0.0000173,
        "umi_collision_p95": 0.00004,
        "umi_collision_highest": 0.00009,
        "umi_collision_within_edits": 0.00054,
        "molecules_lost_to_collisions": 0.24,
        "molecule_sizes": {size: int(6000 * 0.8**size * (1.2 if size > 2 else 0.8)) for size in range(1, 30)},
        "molecules_at_percent": {p: round(27_524 * (1 - 2.71828 ** (-p / 30)) / 0.9643) for p in percents},
        "duplex_molecules_at_percent": {p: round(15_010 * (p / 100) ** 1.3) for p in percents},
        "ideal_duplex_molecules_at_percent": {p: round(19_800 * (p / 100) ** 1.1) for p in percents},
        "targets": tuple(target_yield(name, 2_900 - 37 * i) for i, name in enumerate(TARGETS)),
    }
    return LibraryYield.model_validate({**values, **changes})


def sample_qc(**changes: object) -> SampleQc:
    rng = random.Random(7)
    means = [2814, 2511, 2433, 2790, 2310, 2660, 2500, 612, 2650, 2702]
    targets = tuple(
        TargetDepth(
            target=name,
            contig=name.split(":")[0].lower(),
            start0=100 * i,
            end0=100 * i + 180,
            mean=float(mean),
            min=int(mean * rng.uniform(0.4, 0.8)),
            duplex_mean=mean * rng.uniform(0.45, 0.6),
        )
        for i, (name, mean) in enumerate(zip(TARGETS, means, strict=True))
    )
    classes: tuple[VariantClass, ...] = ("snv", "indel", "mnv")
    values: dict[str, object] = {
        "schema_version": 1,
        "sample_id": "P03-plasma",
        "role": "patient",
        "kit": "ctdna-demo@1.0.0",
        "kit_digest": DIGEST,
        "verdict": "warn",
        "classes": tuple(ClassVerdict(variant_class=name, verdict="pass", reasons=()) for name in classes),
        "figures": figures(),
        "contamination": Contamination(fraction=0.0004, low=0.0, high=0.0012, n_snps=24, status="pass"),
        "identity": (
            IdentityPair(
                sample_a="P03-plasma",
                sample_b="P04-plasma",
                n_snps=24,
                concordance=0.42,
                expected="different",
                found="different",
                status="pass",
            ),
        ),
        "targets": targets,
        "family_sizes": {size: int(9000 * 0.75**size * (1.3 if size > 2 else 0.9)) for size in range(1, 22)},
        "tiers": {"duplex": 14210, "simplex3": 7904, "pair2": 2710, "single": 1466},
        "insert_sizes": {length: int(900 * 2.71828 ** (-((length - 167) ** 2) / 700)) for length in range(90, 330)},
        "losses": losses(),
        "library": library(),
    }
    return SampleQc.model_validate({**values, **changes})
