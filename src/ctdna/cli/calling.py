"""What the calling commands share: parameter options, the panel, a background, the evidence of one BAM."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from ctdna.cli import options
from ctdna.model.errors import InputError
from ctdna.model.params.call import CallParams

if TYPE_CHECKING:
    from ctdna.kit.load import LoadedKit
    from ctdna.model.annotation import CommonSnp, Hotspot
    from ctdna.model.background import TrainedBackground
    from ctdna.model.evidence import Panel
    from ctdna.stages.evidence import Evidence

F = TypeVar("F", bound=Callable[..., Any])
_FRACTION = click.FloatRange(0, 1, min_open=True)
_COUNT = click.IntRange(min=0)

SETTINGS: dict[str, tuple[click.ParamType[Any], float, str]] = {
    "false_positives_per_panel": (
        click.FloatRange(0, min_open=True),
        0.1,
        "Expected false calls over the whole panel: what all its tests attain at their levels.",
    ),
    "substitution_share": (
        click.FloatRange(0, 1, min_open=True, max_open=True),
        0.75,
        "The substitutions' share of the false calls allowed; the rest is for all other changes.",
    ),
    "hotspot_alpha": (_FRACTION, 1e-4, "Level of significance at hotspots."),
    "min_base_quality": (click.IntRange(0, 93), 20, "Count no consensus base of lower quality."),
    "min_mapq": (click.IntRange(0, 255), 20, "Count no consensus read of lower mapping quality."),
    "min_alt_molecules": (click.IntRange(min=1), 2, "Call nothing on fewer molecules."),
    "fragment_end_bases": (_COUNT, 12, "Bases from a fragment's end that are a class of their own."),
    "claimed_lod": (_FRACTION, 0.005, "VAF to be seen everywhere: loci that cannot are NO_CALL."),
    "evidence_floor": (click.IntRange(min=1), 2, "Write candidates from this many molecules on."),
    "strand_bias_p": (_FRACTION, 1e-4, "Filter strand_bias below this p-value of Fisher's exact test."),
    "artefact_p": (_FRACTION, 1e-3, "Filters fragment_end, oxidation, deamination, background below this p-value."),
    "germline_vaf": (_FRACTION, 0.35, "Filter germline from this VAF on."),
    "germline_snp_vaf": (_FRACTION, 0.1, "Filter germline from this VAF on at common SNPs."),
    "mnv_distance": (_COUNT, 15, "Join changes of the same molecules up to so many bases apart."),
    "mnv_min_share": (_FRACTION, 0.6, "Join them where at least this share of either's molecules has both."),
    "mnv_rate_share": (_FRACTION, 0.1, "Null rate of a joint change over that of its rarest part."),
    "homopolymer_bases": (click.IntRange(min=2), 8, "Filter homopolymer: one-base indels in runs of so many."),
    "low_complexity_copies": (click.IntRange(min=2), 6, "Filter low_complexity: indels in so many copies of a unit."),
    "misaligned_bases": (click.IntRange(0, 20), 3, "Filter misaligned: try indels of up to so many bases."),
    "misaligned_share": (_FRACTION, 0.5, "Filter misaligned: from this share of molecules that fit one better on."),
    "low_quality_share": (
        _FRACTION,
        0.5,
        "Filters low_mapq, low_base_quality: more alternate molecules fell to these.",
    ),
    "germline_balance": (_FRACTION, 0.1, "Filter germline where the VAF's interval is so near to 0.5 or 1."),
    "cluster_window": (_COUNT, 100, "Filter cluster: look so many bases around for changes of the same molecules."),
    "cluster_changes": (click.IntRange(min=1), 2, "Filter cluster: other rare changes that make a molecule doubtful."),
    "cluster_share": (_FRACTION, 0.5, "Filter cluster from this share of doubtful molecules on."),
    "cluster_max_vaf": (_FRACTION, 0.1, "Filter cluster: alleles from this VAF on are neither marked nor counted."),
    "normals_min_donors": (click.IntRange(min=1), 2, "Filter panel_of_normals: seen in so many donors."),
    "normals_min_share": (_FRACTION, 0.1, "Filter panel_of_normals: and in this share of the donors."),
    "normals_excess": (click.FloatRange(min=1), 10.0, "Filter panel_of_normals: not from so many times their rate on."),
    "white_germline_vaf": (_FRACTION, 0.3, "Germline from this VAF in white cells on."),
    "white_chip_vaf": (_FRACTION, 0.2, "Of the white cells' clone below this VAF in them; between the two: open."),
    "white_alpha": (_FRACTION, 1e-3, "White cells show an allele at this level."),
    "prior_hotspot": (_FRACTION, 1e-2, "Prior probability of a hotspot allele, for PP."),
    "prior_elsewhere": (_FRACTION, 1e-5, "Prior probability of any other allele, for PP."),
    "prior_least_vaf": (_FRACTION, 1e-4, "Least VAF that PP weighs."),
    "forced_alpha": (_FRACTION, 1e-3, "Level of significance of listed alleles (--force)."),
    "forced_max_background": (_FRACTION, 1e-3, "Leave noisier alleles out of the answer for the whole list."),
    "mrd_alpha": (_FRACTION, 1e-3, "Level of significance of the whole list."),
    "mrd_min_molecules": (click.IntRange(min=1), 2, "Whole list: no detection on fewer molecules."),
    "mrd_vaf": (_FRACTION, 1e-4, "Whole list: the VAF that its test is weighted for."),
    "mrd_outlier_p": (_FRACTION, 0.01, "Whole list: leave out an allele less likely than this beside the others."),
    "mrd_outlier_min_alleles": (click.IntRange(min=2), 10, "Whole list: look for such alleles in lists of so many."),
}
"""Options of the parameters: type, research default, help."""


def call_settings() -> Callable[[F], F]:
    """Return the options of all parameters of calling."""

    def decorate(function: F) -> F:
        for name, (kind, default, text) in reversed(SETTINGS.items()):
            flag = "--" + name.replace("_", "-")
            function = click.option(flag, name, type=kind, default=default, show_default=True, help=text)(function)
        return function

    return decorate


def call_params(ctx: click.Context, kit: "LoadedKit | None", kit_name: str | None) -> CallParams:
    """Return the kit's parameters, or those of the options.

    Raises:
        InputError: an option contradicts the kit.
    """
    if kit is not None and kit_name is not None:
        options.check_against_kit(kit_name, kit.definition.call, options.given(ctx, *SETTINGS))
        return kit.definition.call
    return CallParams(**{name: ctx.params[name] for name in SETTINGS})


class Files(NamedTuple):
    """The panel, and what goes with it."""

    panel: Path
    hotspots: Path | None = None
    common_snps: Path | None = None
    background: Path | None = None


_FILE_TEXTS = {
    "panel": "BED of the panel: contig, start0, end0, name. Default: the kit's.",
    "background": "Background that `ctdna background` trained. Default: the kit's, else prior rates.",
    "hotspots": "Table of reportable alleles: contig, pos1, ref, alt, gene, label. Default: the kit's.",
    "common_snps": "Table of common SNPs: contig, pos1, ref, alt, frequency. Default: the kit's.",
}


def _option(field: str) -> str:
    return "--targets" if field == "panel" else f"--{field.replace('_', '-')}"


def file_options() -> Callable[[F], F]:
    """Return the options that name the files of `Files`; the panel's is `targets`."""

    def decorate(function: F) -> F:
        for field, text in reversed(_FILE_TEXTS.items()):
            function = options.input_path(_option(field), text, required=False)(function)
        return function

    return decorate


def find_files(kit: "LoadedKit | None", kit_name: str | None, named: dict[str, Path | None]) -> Files:
    """Return the files that options name, by their field of `Files`, or the kit's.

    Raises:
        InputError: no panel is given; an option names another file than the kit's.
        DefinitionError: a file of the kit is missing.
    """
    own, found = kit.definition.files if kit else None, {}
    for field, path in named.items():
        found[field] = _kit_file(kit, kit_name, _option(field), path, getattr(own, field) if own else None)
    panel = found.pop("panel")
    if panel is None:
        raise InputError(None, "--targets", "no panel is given", "give --targets or --kit")
    return Files(panel, **found)


def _kit_file(kit: "LoadedKit | None", kit_name: str | None, option: str, named: Path | None, name: str | None) -> (
    Path | None
):  # fmt: skip
    """Return the file of an option, or the kit's; with a kit, an option must name the kit's own bytes.

    Raises:
        InputError: the option names another file than the kit's, or the kit has none.
        DefinitionError: the kit's file is missing.
    """
    if kit is None:
        return named
    own = kit.path(name) if name else None
    if named is not None and (own is None or _bytes(named) != _bytes(own)):
        what = f"found {named.name}, but kit {kit_name} has {'its own' if own else 'none'}"
        raise InputError(None, option, what, "leave the option out, or leave --kit out for a run outside the kit")
    return own


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error


class Ground(NamedTuple):
    """A panel on its reference."""

    reference: Path
    panel: "Panel"
    contigs: tuple[tuple[str, int], ...]


def lay_ground(bam: Path, reference: Path, targets: Path) -> Ground:
    """Return the panel laid out for the contigs of a BAM.

    Raises:
        InputError: a file is unreadable; the BAM is aligned to another reference; a target is off it.
    """
    from ctdna.formats.bam import read_header
    from ctdna.formats.bed import read_bed
    from ctdna.formats.fasta import Reference
    from ctdna.stages.evidence import lay_panel

    header = read_header(bam)
    if not header.contigs:
        raise InputError(
            bam, "header", "names no contig", "give aligned consensus reads, as `ctdna filter` writes them"
        )
    intervals = read_bed(targets, header.contigs)
    with Reference(reference) as sequences:
        lengths = dict(sequences.contigs)
        for contig in sorted({int(c) for c in intervals.contig}):
            name, length = header.contigs[contig]
            found = lengths.get(name)
            if found != length:
                what = f"contig {name} has {length} bases, in the reference {reference.name} {found or 'it is absent'}"
                raise InputError(bam, "header", what, "give the reference that the reads were aligned to")
        return Ground(reference, lay_panel(intervals, header.contigs, sequences.fetch), header.contigs)


def gather_bam(bam: Path, ground: Ground, params: CallParams, threads: int) -> "Evidence":
    """Return what a BAM shows on the panel.

    Raises:
        InputError: the BAM is damaged, has other contigs or wrong depth tags, or the reference is not its own.
    """
    from ctdna.formats.bam import iter_records
    from ctdna.stages.evidence import gather
    from ctdna.stages.reference_fit import check_panel_fit

    header, batches = iter_records(bam, threads)
    if header.contigs != ground.contigs:
        raise InputError(bam, "header", "its contigs differ from those of the first BAM", "align all to one reference")
    with options.located(bam):
        evidence = gather(batches, ground.panel, params, threads)
    with options.located(ground.reference):
        check_panel_fit(ground.panel, evidence.counts)
    return evidence


def read_lists(files: Files) -> "tuple[tuple[Hotspot, ...], tuple[CommonSnp, ...]]":
    """Return the reportable alleles and the common SNPs; none where there is no table.

    Raises:
        InputError: a table is unreadable or wrong.
    """
    from ctdna.formats.kit_tables import read_common_snps, read_hotspots

    hotspots = read_hotspots(files.hotspots) if files.hotspots else ()
    return hotspots, read_common_snps(files.common_snps) if files.common_snps else ()


def sample_name(bam: Path, named: str | None = None) -> str:
    """Return the name given, or the one that the read groups' SM say; `sample` where they say nothing.

    Raises:
        InputError: they say more than one; the name cannot stand in a table.
    """
    from ctdna.formats.bam import read_header

    found = sorted({group["SM"] for group in read_header(bam).lines("RG") if "SM" in group})
    if named is None and len(found) > 1:
        raise InputError(bam, "header", f"holds {len(found)} samples ({', '.join(found[:3])})", "name one by --sample")
    name = named or (found[0] if found else "sample")
    if not name.isprintable() or "\t" in name:
        raise InputError(bam, "header", "the sample name holds a tab or control character", "name it by --sample")
    return name


def read_background(
    path: Path | None, panel: "Panel", params: CallParams, kit: "LoadedKit | None"
) -> "TrainedBackground | None":
    """Return the background of a file, if one is given.

    Raises:
        InputError: unreadable.
        DefinitionError: its content was changed, or it was trained for another kit, panel or rule.
    """
    if path is None:
        return None
    from ctdna.formats import background_file
    from ctdna.stages.background import check_background

    trained = background_file.read_background(path)
    with options.located(path):
        check_background(trained, panel, params, kit.definition.name if kit else None)
    return trained
