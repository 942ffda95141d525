"""The quality control of the realistic result."""

import random

from ctdna.model.base import Text
from ctdna.model.params.qc import VariantClass
from ctdna.model.qc import ClassVerdict, Contamination, Figure, IdentityPair, SampleQc, TargetDepth

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
    }
    return SampleQc.model_validate({**values, **changes})
