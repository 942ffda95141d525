"""The parts of the benchmark: what was measured, as rows of `results.json`."""

import csv
import gzip
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from scipy import stats

from benchmarks.calling.alleles import Found, Verdict
from benchmarks.calling.bench import Bench
from benchmarks.calling.callers import OUR_SETTING
from benchmarks.calling.panel import FALSE_POSITIVES, PANEL_BASES
from benchmarks.calling.roc import Curve, Level, curve, level_of
from benchmarks.calling.samples import Sample

Row = dict[str, Any]
SNV_TARGETS = {0.001: 0.70, 0.002: 0.95, 0.005: 0.99, 0.01: 1.00}
OTHER_TARGETS = {0.0025: 0.90, 0.005: 0.97, 0.01: 0.99}
TARGETS: dict[Level, float] = {("snv", vaf): least for vaf, least in SNV_TARGETS.items()} | {
    ("other", vaf): least for vaf, least in OTHER_TARGETS.items()
}
NAMES = {"snv": "SNV", "other": "indel and MNV"}
BIAS, COVERAGE = 0.03, (0.93, 0.97)
SURE_FROM = 0.005
"""VAF from which nearly all variants are found, so that those found are no selection."""
LOD_BINS = (0.0, 0.5, 0.75, 1.0, 1.5, 2.5, float("inf"))
DETECTED = 0.95
SET_ON = (21, 22, 23)
"""Seeds of samples that rules were set on."""
FEW_AT = (0.001, 0.002)
"""VAFs at which some variants are in one sequenced molecule, or in none."""


def row(part: str, process: str, what: str, **figures: Any) -> Row:
    """Return a row; every row has the same first keys."""
    first = {"part": part, "process": process, "what": what, "peer": None, "vaf": None, "ours": None, "theirs": None}
    return {**first, "target": None, "met": None, **figures}


def share_interval(k: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper and Pearson 1934)."""
    found = stats.binomtest(k, n).proportion_ci(method="exact")
    return round(float(found.low), 4), round(float(found.high), 4)


def rate_interval(k: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a Poisson mean (Garwood 1936)."""
    low = float(stats.chi2.ppf(0.025, 2 * k) / 2) if k else 0.0
    return low, float(stats.chi2.ppf(0.975, 2 * k + 2) / 2)


def our_verdicts(bench: Bench, process: str) -> list[Verdict]:
    """Return our verdicts on the planted samples."""
    return [bench.verdict(OUR_SETTING, sample) for sample in bench.patients[process]]


def our_curve(bench: Bench, samples: list[Sample]) -> Curve:
    """Return our curve on some samples, by our own score alone."""
    return curve((bench.verdict(OUR_SETTING, sample) for sample in samples), by_support=False)


def sensitivity(bench: Bench) -> list[Row]:
    """Return the share of planted variants that is called, by level and by class."""
    rows = []
    for process in bench.processes:
        found = [one for verdict in our_verdicts(bench, process) for one in verdict.found]
        for level, target in TARGETS.items():
            of_level = [one for one in found if level_of(one) == level]
            rows.append(_share(process, f"sensitivity, {NAMES[level[0]]}", level[1], of_level, target))
        rows += _sequenced(bench, process)
        for kind in sorted({one.kind for one in found if one.kind != "snv"}):
            of_kind = [one for one in found if one.kind == kind]
            rows.append(_share(process, f"sensitivity, {kind}, all VAFs", None, of_kind, None))
    return rows


def _sequenced(bench: Bench, process: str) -> list[Row]:
    """Return the sensitivity at the lowest VAFs among variants that sequencing gave molecules enough to be called."""
    least = bench.panel.rules["min_alt_molecules"]
    found = []
    for sample in bench.patients[process]:
        n_of = bench.sequenced(sample)
        found += [one for one in bench.verdict(OUR_SETTING, sample).found if n_of[one.key] >= least]
    what = f"sensitivity, SNV, of those in {least:g} sequenced molecules or more"
    return [_share(process, what, vaf, [one for one in found if level_of(one) == ("snv", vaf)], None) for vaf in FEW_AT]


def earlier(bench: Bench) -> list[Row]:
    """Return sensitivity, false calls and VAF on the samples that rules were set on."""
    before = bench.on(SET_ON)
    some = [one for part in (sensitivity, vaf) for one in part(before)]
    for process in before.processes:
        k = sum(call.is_called for verdict in our_verdicts(before, process) for call in verdict.false)
        some.append(row("earlier", process, "false calls beside the planted variants", ours=k, n=len(SET_ON)))
    return [one | {"part": "earlier"} for one in some]


def _share(process: str, what: str, vaf: float | None, found: list[Found], target: float | None) -> Row:
    k, n = sum(one.is_called for one in found), len(found)
    met = None if target is None else k / n >= target
    figures = {"ours": round(k / n, 4), "target": target, "met": met, "k": k, "n": n, "interval": share_interval(k, n)}
    return row("sensitivity", process, what, vaf=vaf, **figures)


def false(bench: Bench) -> list[Row]:
    """Return false calls over a panel of 100 kb, a sample: planted samples and held-out normals together."""
    rows = []
    for process in bench.processes:
        samples = [*bench.patients[process], *bench.held_out[process]]
        calls = [call for one in samples for call in bench.verdict(OUR_SETTING, one).false if call.is_called]
        panels = len(samples) * bench.panel.n_bases / PANEL_BASES
        for kind in ("all", "snv", "indel", "mnv"):
            k = sum(kind in ("all", call.kind) for call in calls)
            low, high = rate_interval(k)
            name = "all classes" if kind == "all" else kind
            target = FALSE_POSITIVES if kind == "all" else None
            figures = {
                "ours": round(k / panels, 4),
                "target": target,
                "met": None if target is None else k / panels <= target,
                "k": k,
                "n": len(samples),
                "interval": (round(low / panels, 3), round(high / panels, 3)),
            }
            rows.append(row("false", process, f"false calls over 100 kb, {name}", **figures))
    return rows


def peers(bench: Bench) -> list[Row]:
    """Return our calls against each peer's: at its own false calls, at ours, and at our sensitivity."""
    rows = []
    for process in bench.processes:
        for setting, samples in bench.settings(process):
            ours = our_curve(bench, samples)
            theirs = curve(bench.verdict(setting, sample) for sample in samples)
            for level in TARGETS:
                found = _against(process, setting.name, level, ours, theirs)
                rows += [one | {"samples": len(samples)} for one in found]
        for (of, name), reason in bench.failed.items():
            if of == process:
                rows.append(row("peers", process, "not run", peer=name, met=False, skipped=reason))
    return rows


def _against(process: str, peer: str, level: Level, ours: Curve, theirs: Curve) -> list[Row]:
    kind, vaf = NAMES[level[0]], level[1]
    n = theirs.n_false
    at_theirs = ours.sensitivity(level, n), theirs.delivered(level)
    at_ours = ours.delivered(level), theirs.sensitivity(level, ours.n_false)
    needed = theirs.false_at(level, ours.delivered(level))
    both = {"peer": peer, "vaf": vaf}
    return [
        row("peers", process, f"sensitivity, {kind}, at the peer's false calls", **both, **_higher(*at_theirs), n=n),
        row("peers", process, f"sensitivity, {kind}, at our false calls", **both, **_higher(*at_ours), n=ours.n_false),
        row(
            "peers",
            process,
            f"false calls, {kind}, at our sensitivity",
            **both,
            ours=ours.n_false,
            theirs=None if needed == float("inf") else int(needed),
            met=ours.n_false < needed or ours.n_false == 0 == needed,
        ),
    ]


def _higher(ours: float, theirs: float) -> Row:
    return {"ours": round(ours, 4), "theirs": round(theirs, 4), "met": ours > theirs or ours == 1.0 == theirs}


def vaf(bench: Bench) -> list[Row]:
    """Return bias and coverage of the VAF, of variants called."""
    rows = []
    for process in bench.processes:
        found = [one for verdict in our_verdicts(bench, process) for one in verdict.found]
        whole = [one for one in found if one.is_called and len(one.parts) == 1]
        sure = [one for one in whole if one.planted >= SURE_FROM]
        for name, some, counts in (("from 0.5 %", sure, True), ("all VAFs", whole, False)):
            rows += _vaf_rows(process, name, some, counts)
        for kind in ("snv", "other"):
            rows += _vaf_rows(process, f"from 0.5 %, {NAMES[kind]}", [o for o in sure if level_of(o)[0] == kind], False)
    return rows


def _vaf_rows(process: str, name: str, found: list[Found], counts: bool) -> list[Row]:
    if not found:
        return []
    pairs = [(one.parts[0], one.planted) for one in found]
    stated = sum(call.vaf for call, _ in pairs)
    bias = stated / sum(one.carried for one in found) - 1.0
    planted = stated / sum(vaf for _, vaf in pairs) - 1.0
    k, n = sum(call.low <= vaf <= call.high for call, vaf in pairs), len(pairs)
    low, high = share_interval(k, n)
    return [
        row("vaf", process, f"bias, {name}", ours=round(bias, 4), target=BIAS if counts else None, n=n,
            met=abs(bias) <= BIAS if counts else None, against_planted=round(planted, 4)),
        row("vaf", process, f"95 % interval holds, {name}", ours=round(k / n, 4), k=k, n=n, interval=(low, high),
            target=list(COVERAGE) if counts else None, met=COVERAGE[0] <= k / n <= COVERAGE[1] if counts else None),
    ]  # fmt: skip


def _stated(path: Path) -> dict[tuple[str, int, str], float]:
    """Return the LoD95 of each position and base of a table of loci."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return {
        (one["#contig"], int(one["pos1"]), one["alt"]): float(one["lod95"])
        for one in rows
        if one["lod95"] != "." and len(one["ref"]) == len(one["alt"]) == 1
    }


def lod(bench: Bench) -> list[Row]:
    """Return the share of planted SNVs detected, by their VAF over the LoD95 that is stated at their place."""
    rows = []
    for process in bench.processes:
        ratios = [pair for sample in bench.patients[process] for pair in _ratios(bench, sample)]
        for low, high in pairwise(LOD_BINS):
            inside = [detected for ratio, detected in ratios if low <= ratio < high]
            if not inside:
                continue
            k, n = sum(inside), len(inside)
            interval = share_interval(k, n)
            name = f"SNVs detected, VAF over stated LoD95 from {low:g} to {high:g}"
            counts = low >= 1.0
            figures = {"ours": round(k / n, 4), "k": k, "n": n, "interval": interval}
            target, met = (DETECTED, interval[1] >= DETECTED) if counts else (None, None)
            rows.append(row("lod", process, name, **figures, target=target, met=met))
    return rows


def _ratios(bench: Bench, sample: Sample) -> Iterable[tuple[float, bool]]:
    vcf = bench.ours[sample.process, sample.name]
    stated = _stated(vcf.with_name(vcf.name.replace(".vcf.gz", ".loci.tsv.gz")))
    for one in bench.verdict(OUR_SETTING, sample).found:
        contig, pos1, _, alt = one.key
        if one.kind == "snv" and (contig, pos1, alt) in stated:
            yield one.planted / stated[contig, pos1, alt], one.is_called
