"""The sources of one sample's result, read from their files and checked against each other."""

from pathlib import Path
from typing import NamedTuple

from ctdna import __version__
from ctdna.formats.digest import sha256_of
from ctdna.formats.documents import read_json
from ctdna.model import annotation
from ctdna.model.annotation import Hotspot
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.kit import KitDefinition
from ctdna.model.manifest import RunManifest
from ctdna.model.qc import RunQc, SampleQc
from ctdna.model.result import KnowledgeItem
from ctdna.report.builder import Sources
from ctdna.report.sources import locus_rows, program_versions, read_variants


class Files(NamedTuple):
    """Where the sources of one sample lie."""

    run_json: Path
    vcf: Path
    loci: Path
    qc: Path
    run_qc: Path | None
    bam: Path | None


class KitParts(NamedTuple):
    """What the report needs of a kit."""

    definition: KitDefinition
    address: str
    digest: str
    hotspots: tuple[Hotspot, ...]
    knowledge: tuple[annotation.KnowledgeItem, ...]


def _check_kit(path: Path, address: str, digest: str, kit: KitParts) -> None:
    if address != kit.address:
        hint = f"report with --kit {address}"
        raise InputError(path, "kit", f"was made with {address}, not with {kit.address}", hint)
    if digest != kit.digest:
        what = f"was made with the kit digest {digest[:12]}..., the kit now has {kit.digest[:12]}..."
        raise DefinitionError(path, "kit_digest", what, "restore the kit's files, or run the sample again")


def _check_sample(files: Files, manifest: RunManifest, qc: SampleQc, sample_id: str) -> None:
    if qc.sample_id != sample_id:
        what = f"found {qc.sample_id}, expected {sample_id}"
        raise InputError(files.qc, "sample_id", what, "give this sample's own file")
    found = {sample.sample_id: sample.role for sample in manifest.samples}
    if sample_id not in found:
        what = f"the run has no sample {sample_id}; it has {', '.join(found) or 'none'}"
        raise InputError(files.run_json, "samples", what, "give one of these")
    if found[sample_id] != qc.role:
        what = f"found the role {qc.role}, the run says {found[sample_id]}"
        raise InputError(files.qc, "role", what, "run `ctdna qc` again")


def _item(item: annotation.KnowledgeItem) -> KnowledgeItem:
    named = item._asdict()
    return KnowledgeItem(**{name: named[name] for name in KnowledgeItem.model_fields})


def collect(files: Files, sample_id: str | None, kit: KitParts) -> Sources:
    """Return all sources of one sample's result; without a sample id, that of the QC document is taken.

    Raises:
        InputError: a file is missing, damaged, or of another sample or kit.
        DefinitionError: the kit's files are not those that the run was made with.
    """
    manifest, qc = read_json(files.run_json, RunManifest), read_json(files.qc, SampleQc)
    _check_kit(files.run_json, manifest.kit, manifest.kit_digest, kit)
    _check_kit(files.qc, qc.kit, qc.kit_digest, kit)
    _check_sample(files, manifest, qc, sample_id or qc.sample_id)
    run_qc = None
    if files.run_qc:
        run_qc = read_json(files.run_qc, RunQc)
        _check_kit(files.run_qc, run_qc.kit, run_qc.kit_digest, kit)
        if qc.sample_id not in {item.sample_id for item in run_qc.samples}:
            what = f"has no verdict for the sample {qc.sample_id}"
            raise InputError(files.run_qc, "samples", what, "run `ctdna qc run` again")
    named = {
        "run.json": files.run_json,
        "annotate.vcf.gz": files.vcf,
        "call.loci.tsv.gz": files.loci,
        "qc.json": files.qc,
        "qc/run.json": files.run_qc,
        "filter.bam": files.bam,
    }
    software = program_versions(files.bam) if files.bam else {}
    software["ctdna"] = manifest.software
    if __version__ != manifest.software:
        software["ctdna report"] = __version__
    return Sources(
        manifest=manifest,
        kit=kit.definition,
        kit_digest=kit.digest,
        hotspots=kit.hotspots,
        knowledge={item.id: _item(item) for item in kit.knowledge},
        variants=read_variants(files.vcf, qc.sample_id),
        loci=locus_rows(files.loci),
        qc=qc,
        run_qc=run_qc,
        software=software,
        inputs={name: sha256_of(path) for name, path in named.items() if path},
    )
