"""Counts of demultiplexing: per sample, per lane, undetermined barcodes, index hopping."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ctdna.kernels.barcode import AMBIGUOUS
from ctdna.model.metrics import StageMetrics
from ctdna.model.run import reverse_complement
from ctdna.stages.demultiplex import Assignment, FastqText, IndexPairs, decode_barcode
from ctdna.stages.demultiplex_plan import LanePlan

Table = list[list[str]]
"""Rows of cells; the first row names the columns."""
_MOST_DISTINCT = 1_000_000
_KEPT_DISTINCT = 100_000
_MAX_MISMATCHES = 2


@dataclass
class SampleCounts:
    """What one sample has received."""

    n_clusters: int = 0
    n_by_mismatches: list[list[int]] = field(default_factory=lambda: [[0] * (_MAX_MISMATCHES + 1) for _ in range(2)])
    """Per index: clusters with 0, 1, 2 mismatches."""
    n_perfect: int = 0
    n_bases: list[int] = field(default_factory=lambda: [0, 0])
    n_q30: list[int] = field(default_factory=lambda: [0, 0])


@dataclass
class LaneCounts:
    """What happened on one lane."""

    n_tiles: int = 0
    n_clusters: int = 0
    n_failed: int = 0
    n_kept: int = 0
    n_assigned: int = 0
    n_undetermined: int = 0
    n_ambiguous: int = 0
    pairs: NDArray[np.int64] | None = None
    """Clusters by known index 1 and known index 2."""
    barcodes: dict[tuple[int, int], int] = field(default_factory=dict)
    """Undetermined clusters by codes of their barcodes."""


class Tally:
    """The counts of a run, added up chunk by chunk."""

    def __init__(self, sample_ids: tuple[str, ...], lanes: tuple[int, ...]) -> None:
        """Start at zero for these samples and lanes."""
        self.samples = {sample_id: SampleCounts() for sample_id in sample_ids}
        self.undetermined = SampleCounts()
        self.lanes = {lane: LaneCounts() for lane in lanes}

    def add_chunk(
        self, plan: LanePlan, assignment: Assignment, is_passing: NDArray[np.uint8], rows: list[NDArray[np.int64]]
    ) -> None:
        """Add one chunk's clusters: `rows` holds the kept ones by sample, the undetermined last."""
        lane = self.lanes[plan.lane]
        lane.n_clusters += len(is_passing)
        lane.n_failed += int((is_passing == 0).sum())
        lane.n_kept += sum(len(some) for some in rows)
        lane.n_assigned += sum(len(some) for some in rows[:-1])
        lane.n_undetermined += len(rows[-1])
        lane.n_ambiguous += int((assignment.i_sample[rows[-1]] == AMBIGUOUS).sum())
        self.undetermined.n_clusters += len(rows[-1])
        for sample, some in zip(plan.samples, rows, strict=False):
            counts = self.samples[sample.sample_id]
            mismatches = assignment.mismatches[some]
            counts.n_clusters += len(some)
            counts.n_perfect += int((mismatches == 0).all(axis=1).sum())
            for i_index in (0, 1):
                found = np.bincount(mismatches[:, i_index], minlength=_MAX_MISMATCHES + 1)
                for n_mismatches in range(_MAX_MISMATCHES + 1):
                    counts.n_by_mismatches[i_index][n_mismatches] += int(found[n_mismatches])

    def add_text(self, sample_id: str | None, text: FastqText) -> None:
        """Add the bases written for a sample, or for none."""
        counts = self.undetermined if sample_id is None else self.samples[sample_id]
        for i_read in range(len(text.texts)):
            counts.n_bases[i_read] += text.n_bases[i_read]
            counts.n_q30[i_read] += text.n_q30[i_read]

    def add_barcodes(self, lane: int, codes: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """Add undetermined barcodes; beyond a million distinct ones the rarest are forgotten."""
        found = self.lanes[lane].barcodes
        for (code1, code2), count in zip(codes.tolist(), counts.tolist(), strict=True):
            found[(code1, code2)] = found.get((code1, code2), 0) + count
        if len(found) > _MOST_DISTINCT:
            ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
            self.lanes[lane].barcodes = dict(ordered[:_KEPT_DISTINCT])

    def add_pairs(self, lane: int, counts: NDArray[np.int64]) -> None:
        """Add undetermined clusters with a known barcode in each index."""
        before = self.lanes[lane].pairs
        self.lanes[lane].pairs = counts if before is None else before + counts

    def metrics(self, run_id: str, is_failed_kept: bool) -> StageMetrics:
        """Return the run's metrics: clusters in, clusters given to samples, and why the others were not."""
        lanes = self.lanes.values()
        counts: dict[str, int] = {
            "tiles": sum(lane.n_tiles for lane in lanes),
            "failed_filter": sum(lane.n_failed for lane in lanes),
            "ambiguous": sum(lane.n_ambiguous for lane in lanes),
        }
        values: dict[str, float] = {}
        total = SampleCounts()
        for sample_id, sample in sorted(self.samples.items()):
            counts[f"sample.{sample_id}.clusters"] = sample.n_clusters
            counts[f"sample.{sample_id}.perfect"] = sample.n_perfect
            total.n_bases[0] += sum(sample.n_bases)
            total.n_q30[0] += sum(sample.n_q30)
            values |= _percent(f"sample.{sample_id}.q30_percent", sum(sample.n_q30), sum(sample.n_bases))
        n_kept = sum(lane.n_kept for lane in lanes)
        n_clusters = sum(lane.n_clusters for lane in lanes)
        n_assigned = sum(lane.n_assigned for lane in lanes)
        values |= _percent("q30_percent", total.n_q30[0], total.n_bases[0])
        values |= _percent("passing_percent", n_clusters - counts["failed_filter"], n_clusters)
        values |= _percent("undetermined_percent", n_kept - n_assigned, n_kept)
        hopped = [int(lane.pairs.sum()) for lane in lanes if lane.pairs is not None]
        if hopped:
            counts["hopped"] = sum(hopped)
            values |= _percent("index_hopping_percent", sum(hopped), sum(hopped) + n_assigned)
        return StageMetrics(
            stage="demultiplex",
            sample=run_id,
            unit="clusters",
            n_in=n_clusters,
            n_out=n_assigned,
            rejected={
                "failed_filter": 0 if is_failed_kept else counts["failed_filter"],
                "undetermined": n_kept - n_assigned,
            },
            counts=counts,
            values=values,
        )


def _percent(name: str, part: int, whole: int) -> dict[str, float]:
    return {name: 100 * part / whole} if whole else {}


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.4g}" if whole else "."


def samples_table(tally: Tally, plans: dict[int, LanePlan]) -> Table:
    """Return one row a sample, in the order of the sheet, and last the undetermined clusters."""
    rows = [["sample", "lanes", "index", "index2", "clusters", "percent", "perfect"]]
    rows[0] += [f"{name}_mismatches_{n}" for name in ("index", "index2") for n in range(_MAX_MISMATCHES + 1)]
    rows[0] += [f"r{read}_{figure}" for read in (1, 2) for figure in ("bases", "q30_percent")]
    n_kept = sum(lane.n_kept for lane in tally.lanes.values())
    for sample_id, counts in [*tally.samples.items(), ("Undetermined", tally.undetermined)]:
        placed = [row for plan in plans.values() for row in plan.placements if row.sample_id == sample_id]
        lanes = sorted(plan.lane for plan in plans.values() if any(row in plan.placements for row in placed))
        row = [
            sample_id,
            ",".join(map(str, lanes)) or ".",
            (placed[0].index if placed else "") or ".",
            (placed[0].index2 if placed else "") or ".",
            str(counts.n_clusters),
            _share(counts.n_clusters, n_kept),
            str(counts.n_perfect),
            *(str(count) for by_index in counts.n_by_mismatches for count in by_index),
        ]
        for n_bases, n_q30 in zip(counts.n_bases, counts.n_q30, strict=True):
            row += [str(n_bases), _share(n_q30, n_bases)]
        rows.append(row)
    return rows


def lanes_table(tally: Tally, pairs: dict[int, IndexPairs | None]) -> Table:
    """Return one row a lane."""
    counted = ["lane", "tiles", "clusters", "passing", "passing_percent", "assigned", "undetermined", "ambiguous"]
    rows = [[*counted, "hopped", "hopped_percent"]]
    for number, lane in sorted(tally.lanes.items()):
        known = pairs.get(number)
        hopped = "." if known is None else str(0 if lane.pairs is None else int(lane.pairs.sum()))
        rows.append(
            [
                *(str(n) for n in (number, lane.n_tiles, lane.n_clusters, lane.n_clusters - lane.n_failed)),
                _share(lane.n_clusters - lane.n_failed, lane.n_clusters),
                *(str(n) for n in (lane.n_assigned, lane.n_undetermined, lane.n_ambiguous)),
                hopped,
                "." if hopped == "." else _share(int(hopped), int(hopped) + lane.n_assigned),
            ]
        )
    return rows


def undetermined_table(tally: Tally, plans: dict[int, LanePlan], n_most: int = 100) -> Table:
    """Return each lane's most frequent undetermined barcodes, in the sheet's orientation; ties by spelling."""
    rows = [["lane", "index", "index2", "clusters", "percent"]]
    for number, lane in sorted(tally.lanes.items()):
        plan = plans[number]
        most = sorted(lane.barcodes.items(), key=lambda item: (-item[1], item[0]))[:n_most]
        for (code1, code2), count in most:
            index = decode_barcode(code1, len(plan.counted1))
            index2 = decode_barcode(code2, len(plan.counted2))
            if plan.is_flipped:
                index2 = reverse_complement(index2)
            rows.append([str(number), index or ".", index2 or ".", str(count), _share(count, lane.n_undetermined)])
    return rows


def hopping_table(tally: Tally, plans: dict[int, LanePlan], pairs: dict[int, IndexPairs | None]) -> Table:
    """Return every pair of known barcodes seen in undetermined clusters: the index 1 of one sample, 2 of another."""
    rows = [["lane", "index", "index2", "samples_of_index", "samples_of_index2", "clusters"]]
    for number, lane in sorted(tally.lanes.items()):
        known = pairs.get(number)
        if known is None or lane.pairs is None:
            continue
        placements = plans[number].placements
        by_index = [
            [
                [row for row, place in zip(placements, known.of_sample[:, i], strict=True) if place == j]
                for j in range(n)
            ]
            for i, n in enumerate(lane.pairs.shape)
        ]
        for i, j in zip(*(found.tolist() for found in np.nonzero(lane.pairs)), strict=True):
            ones, twos = by_index[0][i], by_index[1][j]
            names = [",".join(row.sample_id for row in some) for some in (ones, twos)]
            rows.append([str(number), ones[0].index, twos[0].index2, *names, str(int(lane.pairs[i, j]))])
    return rows
