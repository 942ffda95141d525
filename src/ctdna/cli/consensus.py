"""`ctdna consensus`: one consensus read pair of each family."""

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ctdna import __version__
from ctdna.cli import options
from ctdna.cli.checked import checked
from ctdna.model.errors import InputError
from ctdna.model.params.consensus import ConsensusParams

if TYPE_CHECKING:
    from ctdna.formats.bam import BamHeader
    from ctdna.model.columns import RawRecords

SETTINGS = (
    "error_rate_pre_umi",
    "error_rate_post_umi",
    "min_input_base_quality",
    "min_consensus_base_quality",
    "min_reads",
    "max_reads",
    "trim",
    "consensus_call_overlapping_bases",
)
_PREFIX_LETTERS = 200
_BATCH_BYTES = 4 << 20
"""Raw records called at a time: few enough to stay in the processor's cache, whatever the file's size."""
_READ_GROUP_FIELDS = ("DS", "LB", "SM", "PL", "PM", "PU", "CN")


def name_prefix(header: "BamHeader") -> str:
    """Return what consensus read names begin with: the libraries (or else IDs) of the read groups, by `|`."""
    names = sorted({group.get("LB", group.get("ID", "")) for group in header.lines("RG")}) or ["consensus"]
    if sum(len(name) + 1 for name in names) <= _PREFIX_LETTERS:
        return "|".join(names)
    return hashlib.sha256("|".join(names).encode()).hexdigest()[:16]


def consensus_header(header: "BamHeader", read_group: str) -> "BamHeader":
    """Return the header of consensus reads: one read group that sums up those of the raw reads, and no contigs."""
    from ctdna.formats.bam import BamHeader

    groups = header.lines("RG")
    fields = [f"ID:{read_group}"]
    for name in _READ_GROUP_FIELDS:
        values = dict.fromkeys(
            group[name].upper() if name == "PL" else group[name] for group in groups if name in group
        )
        fields += [f"{name}:{','.join(values)}"] if values else []
    text = "\n".join(
        [
            "@HD\tVN:1.6\tSO:unsorted\tGO:query",
            "\t".join(["@RG", *fields]),
            f"@CO\tRead group {read_group} contains consensus reads generated from {len(groups)} input read groups.",
        ]
    )
    return BamHeader(text + "\n", ()).with_program("ctdna-consensus", "ctdna", __version__)


def _mode(first: "RawRecords") -> str:
    """Return the mode that the first record's MI tag asks for: duplex where it ends in /A or /B."""
    from ctdna.kernels.molecule_keys import find_molecules
    from ctdna.kernels.read_rows import read_rows

    n = min(len(first), 1)
    rows = read_rows(first.data, first.offsets[: n + 1].copy())
    return "duplex" if n and find_molecules(first.data, rows, 1)[1] < 0 else "simplex"


def params_of(ctx: click.Context, kit_name: str | None, first: "RawRecords | None") -> ConsensusParams:
    """Return the kit's parameters, or those of the options.

    Raises:
        InputError: the options contradict the kit, or a value is not allowed.
    """
    mode = ctx.params["mode"]
    if kit_name:
        from ctdna.kit.load import load_kit

        settings = load_kit(kit_name).definition.consensus
        given = options.given(ctx, *SETTINGS) | ({"mode": mode} if mode else {})
        options.check_against_kit(kit_name, settings, given)
        return settings
    values: dict[str, Any] = {name: ctx.params[name] for name in SETTINGS}
    values["mode"] = mode or ("simplex" if first is None else _mode(first))
    return checked(ConsensusParams, values)


def _sample(header: "BamHeader", sample: str | None) -> str:
    return sample or next((group["SM"] for group in header.lines("RG") if "SM" in group), "")


def _write(
    path: Path, header: "BamHeader", parts: Iterator["RawRecords"], source: Path, threads: int, level: int
) -> None:
    from ctdna.formats.bam import BamWriter

    with BamWriter(path, header, threads, level) as writer, options.located(source):
        for part in parts:
            writer.write(part)


@click.command("consensus", cls=options.ManyValues)
@options.input_path("--input", "Grouped BAM: MI set, all reads of a molecule together (ctdna, fgbio or fgumi).")
@options.output_path("--output", "BAM of unmapped consensus reads to write: R1, R2 of each molecule.")
@click.option("--duplex", "mode", flag_value="duplex", default=None, help="Join the strands A and B of each molecule.")
@click.option(
    "--simplex",
    "mode",
    flag_value="simplex",
    help="Call each MI alone. Without --duplex, --simplex and --kit: duplex if the first MI ends in /A or /B.",
)
@click.option(
    "--min-reads",
    type=click.IntRange(0),
    multiple=True,
    default=(1,),
    show_default=True,
    help="Least reads of a molecule. Duplex: 1 to 3 numbers, for both strands together, the stronger, the weaker.",
)
@click.option(
    "--max-reads", type=click.IntRange(1), help="Most reads used per strand and end, chosen by name; else all."
)
@click.option(
    "--error-rate-pre-umi",
    type=click.IntRange(2, 93),
    default=45,
    show_default=True,
    help="Phred-scaled rate of errors before the UMI was attached.",
)
@click.option(
    "--error-rate-post-umi",
    type=click.IntRange(2, 93),
    default=40,
    show_default=True,
    help="Phred-scaled rate of errors after it, the sequencer's own aside.",
)
@click.option(
    "--min-input-base-quality",
    type=click.IntRange(0, 93),
    default=10,
    show_default=True,
    help="Raw bases below this quality do not vote.",
)
@click.option(
    "--min-consensus-base-quality",
    type=click.IntRange(0, 93),
    default=2,
    show_default=True,
    help="Consensus bases below this quality become N.",
)
@click.option("--trim", is_flag=True, help="Trim raw reads' tails at --min-input-base-quality first.")
@click.option(
    "--consensus-call-overlapping-bases/--no-consensus-call-overlapping-bases",
    default=True,
    show_default=True,
    help="Settle the bases that both mates of a template cover before the vote.",
)
@click.option("--loss-tags", is_flag=True, help="Add tags of what each consensus read lost: lm lc lu lp lt.")
@click.option("--read-name-prefix", help="Start of the read names; else the libraries of the read groups.")
@click.option("--read-group-id", default="A", show_default=True, help="ID of the consensus reads' read group.")
@options.output_path("--metrics", "Counts of reads and molecules in, out and rejected, as JSON.", required=False)
@click.option("--sample", help="Sample id for the metrics; else the first read group's SM.")
@options.kit()
@options.compression_level()
@options.threads()
@click.pass_context
def command(
    ctx: click.Context,
    /,
    input: Path,
    output: Path,
    loss_tags: bool,
    read_name_prefix: str | None,
    read_group_id: str,
    metrics: Path | None,
    sample: str | None,
    kit_name: str | None,
    compression_level: int,
    threads: int,
    **_: object,
) -> None:
    """Make one consensus read pair of each family of reads.

    The defaults and the figures are those of fgbio's CallMolecularConsensusReads and CallDuplexConsensusReads.
    Consensus reads are unmapped, named <prefix>:<molecule>, with the tags RG RX MI cD cM cE cd ce, and for duplex
    aD aM aE ad ae ac aq bD bM bE bd be bc bq. Every read that did not vote is counted with its reason in the metrics.
    """
    if not read_group_id or any(letter in read_group_id for letter in "\t\n"):
        raise InputError(None, "--read-group-id", f"found {read_group_id!r}, allowed is text without tabs", "mend it")
    if kit_name or ctx.params["mode"]:
        params_of(ctx, kit_name, None)
    from ctdna.formats.bam import iter_records
    from ctdna.formats.documents import write_json
    from ctdna.stages.consensus import ConsensusCaller, Naming

    header, batches = iter_records(input, threads, _BATCH_BYTES)
    first = next(batches, None)
    params = params_of(ctx, kit_name, first)
    naming = Naming(read_name_prefix or name_prefix(header), read_group_id)
    caller = ConsensusCaller(params, naming, threads, loss_tags)
    parts = caller.call(chain(() if first is None else (first,), batches))
    _write(output, consensus_header(header, read_group_id), parts, input, threads, compression_level)
    counts = caller.metrics(_sample(header, sample))
    if metrics:
        write_json(metrics, counts)
    if counts.counts["consensus_reads"] == 0:
        why = ", ".join(f"{reason} {count}" for reason, count in counts.rejected.items() if count)
        click.echo(f"ctdna consensus: warning: no consensus read came out ({why or 'no reads came in'})", err=True)
