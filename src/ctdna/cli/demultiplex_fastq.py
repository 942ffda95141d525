"""FASTQ files that were demultiplexed elsewhere: checked, joined by sample, and written under this product's names."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ctdna.formats.atomic import write_text
from ctdna.formats.documents import write_json
from ctdna.formats.fastq import FastqWriter, iter_fastq, iter_pairs
from ctdna.formats.fastq_folder import UNDETERMINED, FastqSample, read_fastq_folder
from ctdna.model.columns import FastqColumns
from ctdna.model.errors import InputError
from ctdna.model.metrics import StageMetrics
from ctdna.model.run import SampleSheet

_Warn = Callable[[str], None]


def _choose(
    path: Path, found: tuple[FastqSample, ...], sheet: SampleSheet | None, warn: _Warn
) -> list[tuple[str, FastqSample]]:
    """Return the samples to write, by the sheet's ids where there is a sheet."""
    named = [sample for sample in found if sample.sample_id != UNDETERMINED]
    if sheet is None:
        if not named:
            raise InputError(path, "", "found no sample but Undetermined", "give a folder with samples")
        ids = ", ".join(sample.sample_id for sample in named)
        warn(f"no sample sheet: samples by file name, taken as patients: {ids}")
        return [(sample.sample_id, sample) for sample in named]
    by_name: dict[str, FastqSample] = {}
    for sample in named:
        for name in (sample.sample_id, *sample.aliases):
            if name in by_name and by_name[name] is not sample:
                what = f"found files of {by_name[name].sample_id} and of {sample.sample_id} for sample '{name}'"
                raise InputError(path, "", what, "name the samples in full in the sample sheet")
            by_name[name] = sample
    chosen = []
    for listed in sheet.samples:
        if listed.sample_id not in by_name:
            have = ", ".join(sample.sample_id for sample in named) or "none"
            what = f"found no FASTQ file of sample '{listed.sample_id}' of the sample sheet; samples here: {have}"
            raise InputError(path, "", what, "add the files, or correct the sample sheet")
        chosen.append((listed.sample_id, by_name[listed.sample_id]))
    used = {sample.sample_id for _, sample in chosen}
    for sample in named:
        if sample.sample_id not in used:
            warn(f"{sample.sample_id}: files are here, but not in the sample sheet; left out")
    return chosen


def _high(reads: FastqColumns) -> int:
    return int((reads.quals >= 30).sum())


def _write(output: Path, sample_id: str, sample: FastqSample, threads: int) -> tuple[int, list[int], list[int]]:
    """Write one sample; return its clusters, and bases and bases of Q30 or more by read."""
    n_clusters, n_bases, n_q30 = 0, [0, 0], [0, 0]
    with ExitStack() as stack:
        writers = [
            stack.enter_context(FastqWriter(output / f"{sample_id}_R{i_read + 1}.fastq.gz", threads))
            for i_read in range(2 if sample.r2 else 1)
        ]
        for i_lane, r1 in enumerate(sample.r1):
            pairs = (
                iter_pairs(r1, sample.r2[i_lane], threads) if sample.r2 else zip(iter_fastq(r1, threads), strict=True)
            )
            for reads in pairs:
                n_clusters += len(reads[0])
                for i_read, columns in enumerate(reads):
                    writers[i_read].write(columns)
                    n_bases[i_read] += len(columns.bases)
                    n_q30[i_read] += _high(columns)
    return n_clusters, n_bases, n_q30


def collect_fastq(path: Path, output: Path, sheet: SampleSheet | None, threads: int, warn: _Warn) -> None:
    """Write one pair of FASTQ files a sample, lanes joined in order, and the stage's metrics and tables.

    Without a sample sheet the samples are those of the file names, as patients, with a warning.

    Raises:
        InputError: a name or pair is wrong, a file is damaged, or a sample of the sheet has no file.
    """
    chosen = _choose(path, read_fastq_folder(path), sheet, warn)
    index = {sample.sample_id: (sample.index, sample.index2) for sample in sheet.samples} if sheet else {}
    counts: dict[str, int] = {}
    all_bases = all_q30 = 0
    values: dict[str, float] = {}
    rows = [["sample", "index", "index2", "clusters", "r1_bases", "r1_q30_percent", "r2_bases", "r2_q30_percent"]]
    for sample_id, sample in chosen:
        n_clusters, n_bases, n_q30 = _write(output, sample_id, sample, threads)
        counts[f"sample.{sample_id}.clusters"] = n_clusters
        shares = [f"{100 * part / whole:.4g}" if whole else "." for part, whole in zip(n_q30, n_bases, strict=True)]
        all_bases, all_q30 = all_bases + sum(n_bases), all_q30 + sum(n_q30)
        if sum(n_bases):
            values[f"sample.{sample_id}.q30_percent"] = 100 * sum(n_q30) / sum(n_bases)
        barcodes = [barcode or "." for barcode in index.get(sample_id, ("", ""))]
        rows.append([sample_id, *barcodes, str(n_clusters), str(n_bases[0]), shares[0], str(n_bases[1]), shares[1]])
    if all_bases:
        values["q30_percent"] = 100 * all_q30 / all_bases
    total = sum(counts.values())
    metrics = StageMetrics(
        stage="demultiplex",
        sample="fastq",
        unit="clusters",
        n_in=total,
        n_out=total,
        rejected={"failed_filter": 0, "undetermined": 0},
        counts=counts,
        values=values,
    )
    write_text(output / "samples.tsv", "".join("\t".join(row) + "\n" for row in rows))
    write_json(output / "demultiplex.json", metrics)
