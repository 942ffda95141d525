"""`ctdna report`: the result document of a sample and its renderings."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli.options import input_path, kit, output_path
from ctdna.model.errors import InputError

if TYPE_CHECKING:
    from ctdna.kit.load import LoadedKit
    from ctdna.report.collect import Files, KitParts


@click.command("report")
@input_path("--run-dir", "Output folder of the run; with --sample, every file is found there.", required=False)
@click.option("--sample", "sample_id", help="Sample id; needed with --run-dir.")
@input_path("--sample-dir", "RUN/samples/SAMPLE: the same as --run-dir and --sample in one.", required=False)
@input_path("--run-json", "The run: run.json.", required=False)
@input_path("--vcf", "Annotated variants of `ctdna annotate`.", required=False)
@input_path("--loci", "Locus table of `ctdna call`.", required=False)
@input_path("--qc", "Quality control of the sample.", required=False)
@input_path("--run-qc", "Quality control of the run; without it the sample is judged by itself.", required=False)
@input_path("--bam", "Filtered consensus BAM, indexed; without it the report has no read view.", required=False)
@input_path("--reference", "FASTA of the BAM, indexed.  [default: the kit's own reference]", required=False)
@kit()
@input_path("--from", "Render a result.json again (with its reads.json beside); no other input.", required=False)
@output_path("--output", "Folder to write result.json, reads.json, report.{en,zh}.{html,pdf} into.")
def command(
    run_dir: Path | None,
    sample_id: str | None,
    sample_dir: Path | None,
    kit_name: str | None,
    reference: Path | None,
    output: Path,
    **given: Path | None,
) -> int:
    """Make the result document of one sample, and its HTML and PDF in English and Chinese.

    result.json is the only source of every rendering; reads.json beside it holds the molecules behind the findings.
    Nothing is fetched: the HTML file is self-contained, and the PDF (PDF/A-3b) carries result.json inside. The same
    inputs give the same bytes. The verdict of quality control is part of the report; it is not the exit code.
    """
    from ctdna.report.write import read_report, write_report

    chosen = given.pop("from")
    if chosen:
        others = [run_dir, sample_id, sample_dir, kit_name, reference, *given.values()]
        if any(value is not None for value in others):
            raise click.UsageError("--from takes everything from the result; leave the other inputs out")
        write_report(*read_report(chosen), output)
        return 0
    if kit_name is None:
        raise click.UsageError("--kit is needed: the report says what the kit version claims")
    files, sample_id = _files(run_dir, sample_id, sample_dir, given)
    _make(files, sample_id, kit_name, reference, output)
    return 0


def _make(files: "Files", sample_id: str | None, kit_name: str, reference: Path | None, output: Path) -> None:
    from ctdna.kit.load import load_kit
    from ctdna.kit.reference import resolve_reference
    from ctdna.report.builder import build_result, findings_of
    from ctdna.report.collect import collect
    from ctdna.report.pileup import read_views
    from ctdna.report.write import reads_file, write_report

    loaded = load_kit(kit_name)
    sources = collect(files, sample_id, _kit_parts(loaded))
    findings = findings_of(sources)
    reads = None
    if files.bam:
        reads = read_views(sources.qc.sample_id, findings, files.bam, reference or resolve_reference(loaded))
    result = build_result(sources, findings, reads_file(reads) if reads else None)
    write_report(result, reads, output)


def _kit_parts(loaded: "LoadedKit") -> "KitParts":
    from ctdna.kit.contents import read_contents
    from ctdna.report.collect import KitParts

    contents = read_contents(loaded)
    return KitParts(loaded.definition, loaded.address, loaded.digest, contents.hotspots, contents.knowledge)


def _files(
    run_dir: Path | None, sample_id: str | None, sample_dir: Path | None, given: dict[str, Path | None]
) -> "tuple[Files, str | None]":
    """Return where the sources lie: those given, the others by the layout of a run."""
    from ctdna.report.collect import Files

    found: dict[str, Path | None] = dict.fromkeys(("run_json", "vcf", "loci", "qc", "run_qc", "bam"))
    if sample_dir is not None:
        if run_dir is not None or sample_id is not None:
            raise click.UsageError("give --sample-dir, or --run-dir with --sample, not both")
        folder = sample_dir.resolve()
        run_dir, sample_id = folder.parents[1], folder.name
    if run_dir is not None:
        if sample_id is None:
            raise click.UsageError("--run-dir needs --sample")
        folder = run_dir / "samples" / sample_id
        if not folder.is_dir():
            raise InputError(folder, "", "the folder does not exist", "check the run's folder and the sample id")
        found = {
            "run_json": run_dir / "run.json",
            "vcf": folder / "annotate.vcf.gz",
            "loci": folder / "call.loci.tsv.gz",
            "qc": run_dir / "qc" / f"{sample_id}.json",
            "run_qc": run_dir / "qc" / "run.json",
            "bam": folder / "filter.bam",
        }
    paths = {name: given[name] or path for name, path in found.items()}
    run_json, vcf, loci, qc = (_needed(paths[name], name) for name in ("run_json", "vcf", "loci", "qc"))
    return Files(run_json, vcf, loci, qc, paths["run_qc"], paths["bam"]), sample_id


def _needed(path: Path | None, name: str) -> Path:
    if path is None:
        option = name.replace("_", "-")
        raise click.UsageError(f"--{option} is needed, or --run-dir with --sample, which finds it")
    return path
