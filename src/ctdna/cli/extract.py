"""`ctdna extract`: UMIs out of the reads."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli import options
from ctdna.model.errors import InputError
from ctdna.model.params.extract import ExtractParams

if TYPE_CHECKING:
    from ctdna.model.columns import FastqColumns
    from ctdna.stages.extract import Plan, Tally
    from ctdna.stages.umi_correct import FixedUmis

SETTINGS = ("read_structures", "umi_max_mismatches", "umi_min_distance", "adapters", "min_template_bases",
             "overlap_min_bases", "adapter_min_bases", "max_mismatch_rate")  # fmt: skip


def params_of(ctx: click.Context, kit_name: str | None, umis: Path | None) -> tuple[ExtractParams, Path | None]:
    """Return the kit's parameters and UMI list, or those of the options.

    Raises:
        InputError: the options contradict the kit.
    """
    if not kit_name:
        return ExtractParams(**{name: ctx.params[name] for name in SETTINGS}), umis
    from ctdna.kit.load import load_kit

    kit = load_kit(kit_name)
    options.check_against_kit(kit_name, kit.definition.extract, options.given(ctx, *SETTINGS))
    if umis is not None:
        hint = "leave the option out, or leave --kit out for a run outside the kit"
        raise InputError(None, "--umis", f"found {umis.name}, but kit {kit_name} decides the UMIs", hint)
    named = kit.definition.files.umis
    return kit.definition.extract, kit.path(named) if named else None


def check_params(params: ExtractParams, paths: tuple[Path, ...], output_r2: Path | None) -> None:
    """Check that structures, adapters and outputs suit the FASTQ files.

    Raises:
        InputError: they do not, or a value is not allowed.
    """
    n = len(paths)
    if len(params.read_structures) != n:
        what = f"found {len(params.read_structures)} for {n} FASTQ file{'s' * (n > 1)}"
        raise InputError(None, "read structures", what, "give one for each file, as 5M2S+T 5M2S+T")
    if (output_r2 is None) != (n == 1):
        found = "without --r2" if n == 1 else "without --output-r2"
        raise InputError(None, "--output-r2" if n == 1 else "--r2", f"given {found}", "give both or neither")
    if params.adapters and len(params.adapters) != n:
        what = f"found {len(params.adapters)} for {n} FASTQ file{'s' * (n > 1)}"
        raise InputError(None, "adapters", what, "give one for each file, or none")
    for adapter in params.adapters:
        if set(adapter.upper()) - set("ACGT") or len(adapter) < params.adapter_min_bases:
            what = f"found {adapter}; allowed are {params.adapter_min_bases} or more of A, C, G and T"
            raise InputError(None, "adapters", what, "give the adapter as it stands in the read, 5' to 3'")
    if not 0 <= params.max_mismatch_rate < 1:
        raise InputError(None, "max_mismatch_rate", f"found {params.max_mismatch_rate}", "allowed: 0 up to below 1")


def read_umis(path: Path) -> "FixedUmis":
    """Return the UMIs of a list, one a line; empty lines and lines that start with `#` are passed over.

    Raises:
        InputError: the file cannot be read, or is no list of UMIs.
    """
    from ctdna.stages.umi_correct import fixed_umis

    try:
        lines = [line.strip() for line in path.read_bytes().decode("utf-8-sig").splitlines()]
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "", "not a text file", "write one UMI a line") from error
    with options.located(path):
        return fixed_umis([line for line in lines if line and not line.startswith("#")])


def _batches(paths: tuple[Path, ...], threads: int) -> Iterator[tuple["FastqColumns", ...]]:
    from ctdna.formats.fastq import iter_fastq, iter_pairs

    if len(paths) == 1:
        return ((reads,) for reads in iter_fastq(paths[0], threads))
    return iter(iter_pairs(paths[0], paths[1], threads))


def _run(paths: tuple[Path, ...], outputs: tuple[Path, ...], setup: "Plan", threads: int, level: int) -> "Tally":
    from ctdna.formats.fastq import FastqWriter
    from ctdna.stages.extract import extract, no_reads

    tally = no_reads(setup)
    with ExitStack() as stack:
        writers = [stack.enter_context(FastqWriter(path, threads, level)) for path in outputs]
        for reads in _batches(paths, threads):
            with options.located(paths[0]):
                templates, some = extract(reads, setup)
            tally = tally.plus(some)
            for writer, columns in zip(writers, templates, strict=True):
                writer.write(columns)
    return tally


def umi_table(tally: "Tally", fixed: "FixedUmis") -> str:
    """Return the table of corrections: a row a UMI of the list, and one of N for those of none."""
    lines = ["umi\ttotal_matches\tperfect_matches\tone_mismatch_matches\ttwo_mismatch_matches\tother_matches"]
    for name, row in zip((*fixed.texts, "N" * fixed.length), tally.corrections.tolist(), strict=True):
        lines.append("\t".join([name, *map(str, row)]))
    return "\n".join(lines) + "\n"


def _warn_of_list(setup: "Plan") -> None:
    from ctdna.stages.umi_correct import close_pairs

    if setup.fixed is None or not setup.params.umi_min_distance:
        return
    close = close_pairs(setup.fixed, setup.params.umi_min_distance - 1)
    if close:
        first, second, mismatches = close[0]
        text = f"{len(close)} pairs of the UMI list are nearer than the least distance, so that neither is ever matched"
        click.echo(f"ctdna extract: warning: {text}, as {first} and {second} ({mismatches} mismatches)", err=True)


@click.command("extract", cls=options.ManyValues)
@options.input_path("--r1", "FASTQ of read 1, plain or gzipped.")
@options.input_path("--r2", "FASTQ of read 2.", required=False)
@click.option(
    "--read-structures",
    multiple=True,
    metavar="TEXT...",
    help="One for each FASTQ: lengths with T template, M UMI, S skip, B or C barcode (skipped); + is the rest. "
    "As: 5M2S+T 5M2S+T",
)
@options.output_path("--output-r1", "FASTQ of read 1 to write, bgzipped; RX and QX as comment tags.")
@options.output_path("--output-r2", "FASTQ of read 2 to write.", required=False)
@options.output_path("--metrics", "Counts in, out and rejected by reason, as JSON.", required=False)
@click.option("--umis", type=click.Path(path_type=Path), help="List of fixed UMIs, one a line, to correct to.")
@click.option("--umi-max-mismatches", type=click.IntRange(0), help="Most mismatches to the nearest UMI of the list.")
@click.option(
    "--umi-min-distance",
    type=click.IntRange(0),
    help="Mismatches that the second nearest UMI must have more than the nearest.",
)
@options.output_path("--umi-metrics", "Table of corrections by UMI of the list.", required=False)
@click.option(
    "--adapters",
    multiple=True,
    metavar="SEQUENCE...",
    help="Adapter at the 3' end of each FASTQ's reads, for read-through beside the overlap of the mates.",
)
@click.option(
    "--min-template-bases",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Reject reads with a shorter template.",
)
@click.option(
    "--overlap-min-bases",
    type=click.IntRange(8),
    default=20,
    show_default=True,
    help="Fewest bases of an overlap of the mates.",
)
@click.option(
    "--adapter-min-bases",
    type=click.IntRange(3),
    default=6,
    show_default=True,
    help="Fewest bases of an adapter; mismatches are allowed from twice as many on.",
)
@click.option(
    "--max-mismatch-rate",
    type=float,
    default=0.1,
    show_default=True,
    help="Most mismatches a base of an overlap or adapter.",
)
@click.option("--sample", default="", help="Sample id for the metrics.")
@options.kit()
@options.compression_level()
@options.threads()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    r1: Path,
    r2: Path | None,
    output_r1: Path,
    output_r2: Path | None,
    metrics: Path | None,
    umis: Path | None,
    umi_metrics: Path | None,
    sample: str,
    kit_name: str | None,
    compression_level: int,
    threads: int,
    **_: object,
) -> None:
    """Take the UMIs out of the reads.

    Divides each read by its read structure, writes the template, and puts the UMI into the header line as
    RX:Z:<umi1>-<umi2> (QX:Z: its qualities, OX:Z: the UMI before correction), which `bwa mem -C` turns into tags.
    Where the insert is shorter than the read, the mate's UMI and the adapter are cut off. Reads that are too short,
    have no template left, or have a UMI that is not in the list are left out and counted.
    """
    params, listed = params_of(ctx, kit_name, umis)
    paths = (r1,) if r2 is None else (r1, r2)
    outputs = (output_r1,) if output_r2 is None else (output_r1, output_r2)
    check_params(params, paths, output_r2)
    from ctdna.formats.atomic import write_text
    from ctdna.formats.documents import write_json
    from ctdna.stages import extract

    fixed = read_umis(listed) if listed else None
    if umi_metrics and fixed is None:
        raise InputError(None, "--umi-metrics", "there is no list of UMIs", "give --umis")
    setup = extract.plan(params, fixed)
    _warn_of_list(setup)
    tally = _run(paths, outputs, setup, threads, compression_level)
    if umi_metrics and fixed is not None:
        write_text(umi_metrics, umi_table(tally, fixed))
    counts = extract.metrics(tally, setup, sample)
    if metrics:
        write_json(metrics, counts)
    if counts.n_out == 0:
        why = ", ".join(f"{reason} {count}" for reason, count in counts.rejected.items() if count)
        click.echo(f"ctdna extract: warning: no read is left ({why or 'no reads came in'})", err=True)
