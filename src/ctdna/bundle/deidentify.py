"""A run's results without what identifies a person: pseudonyms for names, years for dates, no free texts."""

import json
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from ctdna.bundle.hashing import digest_of_bytes
from ctdna.bundle.pseudonyms import pseudonym
from ctdna.formats.atomic import make_folder, write_text
from ctdna.formats.digest import sha256_of
from ctdna.formats.documents import dump_json, read_json
from ctdna.formats.relabel import Rename, relabel_bam, relabel_vcf, renamer
from ctdna.model.errors import InputError
from ctdna.model.manifest import RunManifest
from ctdna.model.metrics import StageMetrics
from ctdna.model.qc import RunQc, SampleQc
from ctdna.model.result import Reads, ReadsFile, Result
from ctdna.model.sample import Sample, Specimen
from ctdna.model.trace import OverrideFacts, TraceFacts
from ctdna.report.builder import own_part

M = TypeVar("M", bound=BaseModel)
_VCFS = ("call.vcf.gz", "annotate.vcf.gz")
_COPIES = ("call.loci.tsv.gz", "call.loci.tsv.gz.tbi")
_BAM = "filter.bam"


class Names(NamedTuple):
    """Every name of a run that identifies, with what stands for it."""

    samples: dict[str, str]
    subjects: dict[str, str]
    run: tuple[str, str]
    removed: tuple[str, ...]
    """Names that nothing stands for: operators, the flow cell."""

    @property
    def all(self) -> dict[str, str]:
        """Return the new name for each old one."""
        gone = dict.fromkeys(self.removed, "removed")
        return {**gone, **self.subjects, **self.samples, self.run[0]: self.run[1]}


def names_of(manifest: RunManifest, secret: bytes) -> Names:
    """Return the names in a run and their pseudonyms."""
    samples = {item.sample_id: pseudonym(secret, "sample", item.sample_id) for item in manifest.samples}
    subjects = {
        item.specimen.subject_id: pseudonym(secret, "subject", item.specimen.subject_id)
        for item in manifest.samples
        if item.specimen.subject_id
    }
    trace = manifest.trace or TraceFacts()
    operators = {item.specimen.operator for item in manifest.samples} | {trace.operator}
    operators |= {item.user for item in trace.overrides}
    removed = sorted(name for name in (*operators, manifest.flow_cell) if name)
    return Names(samples, subjects, (manifest.run_id, pseudonym(secret, "run", manifest.run_id)), tuple(removed))


def _year(at: str | None) -> str | None:
    return at[:4] if at else None


def specimen_of(specimen: Specimen, names: Names) -> Specimen:
    """Return what may be told of a specimen."""
    subject = names.subjects[specimen.subject_id] if specimen.subject_id else None
    changes = {
        "subject_id": subject,
        "treatment": None,
        "operator": None,
        "drawn_at": _year(specimen.drawn_at),
        "plasma_separated_at": _year(specimen.plasma_separated_at),
    }
    return specimen.model_copy(update=changes)


def trace_of(trace: TraceFacts | None) -> TraceFacts | None:
    """Return the trace without people."""
    if trace is None:
        return None
    overrides = tuple(
        OverrideFacts(gate=item.gate, override_id=item.override_id, user="removed", why="removed")
        for item in trace.overrides
    )
    return trace.model_copy(update={"operator": None, "overrides": overrides})


def manifest_of(manifest: RunManifest, names: Names, wanted: tuple[str, ...]) -> RunManifest:
    """Return run.json with the wanted samples only."""
    samples = tuple(
        Sample(
            sample_id=names.samples[item.sample_id],
            role=item.role,
            index="",
            index2="",
            lanes=item.lanes,
            specimen=specimen_of(item.specimen, names),
        )
        for item in manifest.samples
        if item.sample_id in wanted
    )
    changes = {"run_id": names.run[1], "flow_cell": None, "warnings": (), "samples": samples}
    return manifest.model_copy(update={**changes, "trace": trace_of(manifest.trace)})


def _renamed(plain: object, rename: Rename) -> object:
    if isinstance(plain, str):
        return rename(plain)
    if isinstance(plain, list):
        return [_renamed(item, rename) for item in plain]
    if isinstance(plain, dict):
        return {rename(key): _renamed(item, rename) for key, item in plain.items()}
    return plain


def renamed(path: Path, document: M, rename: Rename) -> M:
    """Return a document with every name in it replaced, wherever it stands; `path` names it in errors.

    Raises:
        InputError: a name of the run is a word of the document's own language.
    """
    plain = _renamed(json.loads(dump_json(document)), rename)
    try:
        return type(document).model_validate_json(json.dumps(plain))
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        what = "a sample, subject or operator bears a name that this document uses as a word of its own"
        raise InputError(path, where, what, "give samples names that are no words") from error


class Copy(NamedTuple):
    """A de-identified copy in the making."""

    run: Path
    """The run's folder."""
    target: Path
    names: Names
    rename: Rename


def _write_qc(copy: Copy, sample: str) -> None:
    path = copy.run / "qc" / f"{sample}.json"
    qc = read_json(path, SampleQc).model_copy(update={"identity": ()})
    write_text(copy.target / "qc" / f"{copy.names.samples[sample]}.json", dump_json(renamed(path, qc, copy.rename)))


def _write_run_qc(copy: Copy, wanted: tuple[str, ...]) -> None:
    path = copy.run / "qc" / "run.json"
    qc = read_json(path, RunQc)
    samples = tuple(item for item in qc.samples if item.sample_id in wanted)
    identity = tuple(item for item in qc.identity if {item.sample_a, item.sample_b} <= set(wanted))
    chosen = qc.model_copy(update={"samples": samples, "identity": identity})
    write_text(copy.target / "qc" / "run.json", dump_json(renamed(path, chosen, copy.rename)))


def _write_stages(copy: Copy, sample: str) -> None:
    source, target = copy.run / "samples" / sample, copy.target / "samples" / copy.names.samples[sample]
    make_folder(target)
    for path in sorted(source.glob("*.json")):
        write_text(target / path.name, dump_json(renamed(path, read_json(path, StageMetrics), copy.rename)))
    for name in _VCFS:
        if (source / name).is_file():
            relabel_vcf(source / name, target / name, copy.rename)
    for name in _COPIES:
        if (source / name).is_file():
            (target / name).write_bytes((source / name).read_bytes())
    if (source / _BAM).is_file():
        relabel_bam(source / _BAM, target / _BAM, copy.rename)


def _write_result(copy: Copy, sample: str) -> None:
    """Write result.json and reads.json; the result names its inputs by the digests of the copies."""
    folder, new = copy.run / "reports" / sample, copy.names.samples[sample]
    target = copy.target / "reports" / new
    make_folder(target)
    result = read_json(folder / "result.json", Result)
    reads = None
    if result.reads is not None:
        named = read_json(folder / "reads.json", Reads)
        text = dump_json(renamed(folder / "reads.json", named, copy.rename))
        write_text(target / "reads.json", text)
        reads = ReadsFile(file="reads.json", sha256=digest_of_bytes(text.encode()))
    specimen = specimen_of(result.sample.specimen, copy.names)
    changes = {
        "sample": result.sample.model_copy(update={"specimen": specimen}),
        "run": result.run.model_copy(update={"flow_cell": None}),
        "trace": trace_of(result.trace),
        "qc": result.qc.model_copy(update={"identity": ()}),
        "run_qc": own_part(result.run_qc, sample),
    }
    made = renamed(folder / "result.json", result.model_copy(update=changes), copy.rename)
    inputs = {name: _input_digest(copy, new, name) for name in made.inputs}
    write_text(target / "result.json", dump_json(made.model_copy(update={"inputs": inputs, "reads": reads})))


def _input_digest(copy: Copy, sample: str, name: str) -> str:
    places = {"run.json": "run.json", "qc.json": f"qc/{sample}.json", "qc/run.json": "qc/run.json"}
    return sha256_of(copy.target / places.get(name, f"samples/{sample}/{name}"))


def write_deidentified(run: Path, target: Path, wanted: tuple[str, ...], secret: bytes) -> tuple[RunManifest, Names]:
    """Write a copy of a run's results without what identifies; return its manifest and the names that were replaced.

    Raises:
        InputError: a file cannot be read or written, or a name cannot be told from other words.
    """
    manifest = read_json(run / "run.json", RunManifest)
    names = names_of(manifest, secret)
    copy = Copy(run, target, names, renamer(names.all))
    made = manifest_of(manifest, names, wanted)
    make_folder(target / "qc")
    write_text(target / "run.json", dump_json(made))
    _write_run_qc(copy, wanted)
    for sample in wanted:
        _write_qc(copy, sample)
        _write_stages(copy, sample)
        _write_result(copy, sample)
    return made, names
