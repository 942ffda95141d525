"""`ctdna demultiplex`: a run folder becomes FASTQ files per sample."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli import options

if TYPE_CHECKING:
    from ctdna.model.params.demultiplex import DemultiplexParams

_MISMATCHES = click.IntRange(min=0, max=2)
_ORIENTATIONS = click.Choice(["by_instrument", "forward", "reverse_complement"])


def _params(
    kit_name: str | None, mismatches: tuple[int, int] | None, orientation: str | None, decoder: str | None
) -> "DemultiplexParams":
    """Return the stage's parameters: the kit's, or else the options and their documented defaults.

    Raises:
        InputError: an option contradicts the kit.
    """
    from ctdna.model.params.demultiplex import DemultiplexParams

    given = {"barcode_mismatches": mismatches, "index2_orientation": orientation, "decoder": decoder}
    if kit_name is None:
        defaults = {"barcode_mismatches": (1, 1), "index2_orientation": "by_instrument", "decoder": "ctdna"}
        return DemultiplexParams.model_validate(defaults | {name: v for name, v in given.items() if v is not None})
    from ctdna.kit.load import load_kit

    params = load_kit(kit_name).definition.demultiplex
    if mismatches is not None and mismatches == (*params.barcode_mismatches, *params.barcode_mismatches)[:2]:
        given["barcode_mismatches"] = None
    options.check_against_kit(kit_name, params, {name: value for name, value in given.items() if value is not None})
    return params


@click.command("demultiplex")
@click.argument("run_folder", type=click.Path(path_type=Path))
@options.output_path("--output", "Folder for the FASTQ files, metrics and tables; made if it is not there.")
@options.input_path(
    "--sample-sheet", "Sample sheet, version 1 or 2 [default: SampleSheet.csv of the run folder].", required=False
)
@options.kit()
@click.option(
    "--barcode-mismatches",
    type=_MISMATCHES,
    nargs=2,
    default=None,
    help="Most mismatches in index 1 and index 2, 0 to 2 [default: the sheet's, or else 1 1].",
)
@click.option(
    "--index2-orientation",
    type=_ORIENTATIONS,
    default=None,
    help="How the instrument reads index 2, against the sheet [default: by_instrument].",
)
@click.option(
    "--decoder",
    type=click.Choice(["ctdna", "bcl-convert"]),
    default=None,
    help="Program that decodes the base calls [default: ctdna].",
)
@click.option("--lane", "lanes", type=click.IntRange(1, 99), multiple=True, help="Only this lane; may be repeated.")
@click.option(
    "--read-structure",
    metavar="TEXT",
    default=None,
    help="Reads of a folder without RunInfo.xml, as 151T8B8B151T (T template, B index).",
)
@click.option("--include-failed", is_flag=True, help="Write clusters that fail the instrument's filter, marked Y.")
@click.option(
    "--ignore-missing-positions",
    is_flag=True,
    help="Where position files are missing, let x in the read name count the tile's clusters, and y be 0.",
)
@options.threads()
def command(
    run_folder: Path,
    output: Path,
    sample_sheet: Path | None,
    kit_name: str | None,
    barcode_mismatches: tuple[int, int] | None,
    index2_orientation: str | None,
    decoder: str | None,
    lanes: tuple[int, ...],
    read_structure: str | None,
    include_failed: bool,
    ignore_missing_positions: bool,
    threads: int,
) -> None:
    """Decode RUN_FOLDER into FASTQ files per sample.

    RUN_FOLDER is a finished Illumina run folder (.bcl, .bcl.gz, .bcl.bgzf or .cbcl), or a folder of FASTQ files, which
    are collected by sample. Writes <sample>_R1.fastq.gz and _R2.fastq.gz, the same for Undetermined, demultiplex.json,
    samples.tsv, lanes.tsv, undetermined_barcodes.tsv and index_hopping.tsv.
    """
    from ctdna.cli.demultiplex_run import Request, demultiplex

    params = _params(kit_name, barcode_mismatches, index2_orientation, decoder)
    has_own_limits = kit_name is not None or barcode_mismatches is not None
    demultiplex(
        Request(
            run_folder,
            output,
            sample_sheet,
            kit_name,
            params,
            has_own_limits,
            lanes,
            read_structure,
            include_failed,
            ignore_missing_positions,
            threads,
        )
    )
