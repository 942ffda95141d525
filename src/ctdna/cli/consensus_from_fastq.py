"""`ctdna consensus-from-fastq`: reads to filtered consensus reads in one go, each distinct template aligned once."""

import copy
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

from ctdna.cli import aligner, consensus, extract, filter, group, options

if TYPE_CHECKING:
    from ctdna.cli.short_way import Settings
    from ctdna.kit.load import LoadedKit

LEAST_MEMORY = 1 << 30
"""Bytes that the process needs: half of them for the representatives, if there are as many as it remembers."""
STAGES: tuple[tuple[ModuleType, str, tuple[str, ...]], ...] = (
    (extract, "", extract.SETTINGS),
    (group, "", group.SETTINGS),
    (consensus, "", (*consensus.SETTINGS, "mode", "loss_tags")),
    (filter, "filter_", filter.SETTINGS),
)
"""The stages whose options the command takes over: module, prefix of the options' names here, their names there."""


def _with_stage_options(command: click.Command) -> click.Command:
    """Add the options that decide a stage's result, as the stage's own command has them."""
    for module, prefix, names in STAGES:
        for param in module.command.params:
            if param.name in names:
                option = copy.copy(param)
                option.name = prefix + param.name
                option.opts = [word.replace("--", f"--{prefix.replace('_', '-')}") for word in param.opts]
                option.secondary_opts = list(param.secondary_opts)
                command.params.append(option)
    return command


def _context(ctx: click.Context, module: ModuleType) -> click.Context:
    """Return the context that the stage's own command would have with these options."""
    prefix, names = next((prefix, names) for found, prefix, names in STAGES if found is module)
    own = click.Context(module.command, parent=ctx)
    for name in names:
        source = ctx.get_parameter_source(prefix + name)
        own.params[name] = ctx.params[prefix + name]
        if source is not None:
            own.set_parameter_source(name, source)
    return own


def _settings(ctx: click.Context, kit: "LoadedKit | None", paths: tuple[Path, Path], umis: Path | None) -> "Settings":
    """Return the parameters of every stage: the kit's, or those of the options.

    Raises:
        InputError: options contradict the kit or each other, or a value is not allowed.
    """
    from ctdna.cli.short_way import Settings

    name = kit.address if kit else None
    extracting, listed = extract.params_of(_context(ctx, extract), name, umis)
    extract.check_params(extracting, paths, paths[1])
    grouping = group.params_of(_context(ctx, group), name)
    calling = _context(ctx, consensus)
    if not name and calling.params["mode"] is None:
        calling.params["mode"] = "duplex" if grouping.strategy == "paired" else "simplex"
    return Settings(
        extract=extracting,
        umis=listed,
        align=aligner.settings(ctx, kit),
        group=grouping,
        consensus=consensus.params_of(calling, name, None),
        filter=filter.params_of(_context(ctx, filter), name),
    )


@click.command("consensus-from-fastq", cls=options.ManyValues)
@options.input_path("--r1", "FASTQ of read 1: plain, gzipped or bgzipped.")
@options.input_path("--r2", "FASTQ of read 2, in the same order.")
@options.input_path("--reference", "Reference FASTA with its .fai and the index files of bwa beside it.")
@options.output_path("--output", "BAM of filtered consensus reads to write, in coordinate order, with .bai.")
@options.output_path("--metrics-dir", "Folder for the counts of every stage, as <stage>.json.", required=False)
@click.option("--umis", type=click.Path(path_type=Path), help="List of fixed UMIs, one a line, to correct to.")
@click.option("--sample", default="sample", show_default=True, help="Sample id for the read group and the metrics.")
@aligner.option
@options.max_memory(LEAST_MEMORY)
@options.compression_level()
@options.kit()
@options.threads()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    r1: Path,
    r2: Path,
    reference: Path,
    output: Path,
    metrics_dir: Path | None,
    umis: Path | None,
    sample: str,
    max_memory: int,
    compression_level: int,
    loss_tags: bool,
    kit_name: str | None,
    threads: int,
    **_: object,
) -> None:
    """Make filtered consensus reads of read pairs in one go, aligning each distinct template once.

    Does what extract, align, group, consensus, realign and filter do one after the other, with no files between. Pairs
    with the same UMIs and the same first bases are clustered before the alignment; one of each cluster is aligned, and
    so is every pair that differs from it by more than a few substitutions. Molecules are then told by coordinates and
    UMI, as ever. Consensus reads keep the alignment of their raw reads where aligning again could not change it. The
    options of filter begin with --filter.
    """
    aligner.check_sample(sample)
    kit = aligner.load(kit_name)
    settings = _settings(ctx, kit, (r1, r2), umis)
    bwa = aligner.find_bwa(reference)
    from ctdna.cli.short_way import Files, Run, run
    from ctdna.formats.atomic import make_folder
    from ctdna.formats.documents import write_json
    from ctdna.formats.yields import write_yields

    if metrics_dir:
        make_folder(metrics_dir)
    how = Run(sample, loss_tags, max_memory, threads, compression_level)
    found, yields = run(Files(r1, r2, output), bwa, settings, kit, how)
    if metrics_dir:
        for counts in found:
            write_json(metrics_dir / f"{counts.stage}.json", counts)
        if yields:
            write_yields(metrics_dir / "group.loci.tsv", yields)
    last = found[-1]
    if last.n_out == 0:
        click.echo("ctdna consensus-from-fastq: warning: no consensus read is left", err=True)


_with_stage_options(command)
