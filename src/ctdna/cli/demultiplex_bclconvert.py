"""BCL Convert in place of the decoder of this package, where the kit names it."""

import subprocess
import sys
import tempfile
from pathlib import Path

from ctdna.cli.demultiplex_run import Request, make_folder, warn
from ctdna.formats.atomic import write_text
from ctdna.formats.bclconvert import ConvertedSample, bclconvert_sheet, read_reports
from ctdna.formats.documents import write_json
from ctdna.formats.interop import read_interop
from ctdna.formats.run_folder import read_layout, require_complete
from ctdna.kit.resources import shipped
from ctdna.model.errors import ProgramError
from ctdna.model.metrics import StageMetrics
from ctdna.model.run import SampleSheet
from ctdna.stages.demultiplex_plan import is_index2_flipped


def _run(request: Request, sheet: Path, work: Path) -> None:
    wrapper = shipped("pipeline") / "bclconvert" / "wrapper.py"
    options = [
        *("--run-folder", str(request.run_folder), "--sample-sheet", str(sheet)),
        *("--work", str(work), "--output", str(request.output), "--threads", str(request.threads)),
    ]
    done = subprocess.run([sys.executable, str(wrapper), *options], stderr=subprocess.PIPE, text=True, check=False)
    *log, last = (done.stderr.splitlines() or [""])[-1000:]
    for line in log:
        print(line, file=sys.stderr)
    if done.returncode != 0:
        raise ProgramError(None, "", last or f"bcl-convert: failed with exit code {done.returncode}", "")


def _metrics(run_id: str, found: dict[str, ConvertedSample], n_failed: int, values: dict[str, float]) -> StageMetrics:
    samples = {name: sample for name, sample in sorted(found.items()) if name != "Undetermined"}
    undetermined = found["Undetermined"].n_clusters if "Undetermined" in found else 0
    n_assigned = sum(sample.n_clusters for sample in samples.values())
    counts = {f"sample.{name}.clusters": sample.n_clusters for name, sample in samples.items()}
    counts |= {f"sample.{name}.perfect": sample.n_perfect for name, sample in samples.items()}
    for name, sample in samples.items():
        if sum(sample.n_bases):
            values[f"sample.{name}.q30_percent"] = 100 * sum(sample.n_q30) / sum(sample.n_bases)
    return StageMetrics(
        stage="demultiplex",
        sample=run_id,
        unit="clusters",
        n_in=n_assigned + undetermined + n_failed,
        n_out=n_assigned,
        rejected={"failed_filter": n_failed, "undetermined": undetermined},
        counts=counts,
        values=values,
    )


def _table(sheet: SampleSheet, found: dict[str, ConvertedSample]) -> str:
    lines = ["sample\tindex\tindex2\tclusters\tperfect\tr1_bases\tr1_q30_percent\tr2_bases\tr2_q30_percent"]
    for sample in sheet.samples:
        figures = found.get(sample.sample_id, ConvertedSample(0, 0, (0, 0), (0, 0)))
        cells = [sample.sample_id, sample.index or ".", sample.index2 or "."]
        cells += [str(figures.n_clusters), str(figures.n_perfect)]
        for n_bases, n_q30 in zip(figures.n_bases, figures.n_q30, strict=True):
            cells += [str(n_bases), f"{100 * n_q30 / n_bases:.4g}" if n_bases else "."]
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def convert(request: Request, path: Path, sheet: SampleSheet) -> None:
    """Run BCL Convert on a run folder, name its output as this product does, and read its figures.

    Clusters that failed the instrument's filter are those of InterOp, or 0 where InterOp is absent.

    Raises:
        InputError: the run folder is not complete, or a report is wrong.
        ProgramError: BCL Convert is missing, of another version, or failed.
    """
    require_complete(request.run_folder)
    layout = read_layout(request.run_folder)
    is_flipped, doubt = is_index2_flipped(layout, request.params)
    if doubt:
        warn(doubt)
    index_reads = [read for read in layout.reads if read.is_index]
    does_itself = len(index_reads) > 1 and bool(index_reads[1].is_reverse_complement)
    limits = (*request.params.barcode_mismatches, *request.params.barcode_mismatches)[:2]
    interop = read_interop(request.run_folder / "InterOp")
    make_folder(request.output)
    with tempfile.TemporaryDirectory(prefix=".bcl-convert.", dir=request.output) as folder:
        text = bclconvert_sheet(sheet, (limits[0], limits[1]), is_flipped != does_itself)
        write_text(Path(folder) / "SampleSheet.csv", text)
        _run(request, Path(folder) / "SampleSheet.csv", Path(folder) / "out")
        found = read_reports(Path(folder) / "out" / "Reports")
    tiles = interop.tiles
    n_failed = int(tiles.n_clusters.sum() - tiles.n_passing.sum()) if tiles is not None else 0
    write_text(request.output / "samples.tsv", _table(sheet, found))
    write_json(request.output / "demultiplex.json", _metrics(layout.run_id, found, n_failed, interop.values()))
