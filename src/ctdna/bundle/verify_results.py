"""The links inside a bundle: run.json, results, the molecules behind them, renderings made again."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from ctdna.bundle.canonical import parse
from ctdna.bundle.hashing import digest_of_bytes
from ctdna.bundle.make import MANIFEST, run_key
from ctdna.bundle.source import Source, read
from ctdna.bundle.verify import Case, Opened
from ctdna.model.bundle import Bundle
from ctdna.model.errors import DefinitionError
from ctdna.model.manifest import RunManifest
from ctdna.model.result import Reads, Result
from ctdna.model.trace import TraceFacts
from ctdna.report.write import READS, RESULT, renderings

_HINT = "restore the run's folder from its source"
Rendering = Literal["compare", "compare, other build", "leave"]


class Documents(NamedTuple):
    """The documents of one version of a result."""

    result: bytes
    reads: bytes | None


def check_manifest(case: Case, bundle: Bundle) -> None:
    """Compare what the bundle says of the run with its run.json.

    Raises:
        DefinitionError: they differ.
    """
    if MANIFEST not in {item.path for item in bundle.files}:
        if bundle.content != "aggregates":
            raise DefinitionError(case.source.place(MANIFEST), "", "is not in the bundle", _HINT)
        return
    manifest = parse(case.source.place(MANIFEST), read(case.source, MANIFEST), RunManifest)
    trace = manifest.trace or TraceFacts()
    said = {
        "run": run_key(manifest),
        "run_id": manifest.run_id,
        "kit": manifest.kit,
        "kit_digest": manifest.kit_digest,
        "kit_state": manifest.kit_state,
        "reference": manifest.reference,
        "software": manifest.software,
        "instrument": manifest.instrument,
        "site": trace.site,
        "operator": trace.operator,
        "use": trace.use,
        "lot": trace.lot.lot if trace.lot else None,
        "build": trace.build.digest if trace.build else None,
        "build_state": trace.build.state if trace.build else None,
    }
    for name, value in said.items():
        if getattr(bundle, name) != value:
            what = f"found {value}, the bundle says {getattr(bundle, name)}"
            raise DefinitionError(case.source.place(MANIFEST), name, what, _HINT)


def read_documents(source: Source, folder: str) -> Documents:
    """Return the documents of a result in a folder (with a closing slash), `reads.json` as the result names it.

    Raises:
        DefinitionError: one is missing or not as ctdna writes it, or they do not belong together.
    """
    content = read(source, folder + RESULT)
    result = parse(source.place(folder + RESULT), content, Result)
    if result.reads is None:
        return Documents(content, None)
    reads = read(source, folder + READS)
    parsed = parse(source.place(folder + READS), reads, Reads)
    if digest_of_bytes(reads) != result.reads.sha256 or parsed.sample_id != result.sample.sample_id:
        what = "is not the file that result.json names"
        raise DefinitionError(source.place(folder + READS), "", what, _HINT)
    return Documents(content, reads)


def check_result(case: Case, opened: Opened, sample: str) -> Documents:
    """Compare the result of a sample with the bundle: whose it is, by which kit, from which files; return it.

    Raises:
        DefinitionError: they differ.
    """
    bundle, folder = opened.samples[sample], f"reports/{sample}/"
    documents = read_documents(case.source, folder)
    result = Result.model_validate_json(documents.result)
    place = case.source.place(folder + RESULT)
    pairs = {
        "sample": (result.sample.sample_id, sample),
        "run": (result.run.run_id, bundle.run_id),
        "kit": (result.kit.address, bundle.kit),
        "kit digest": (result.kit.digest, bundle.kit_digest),
        "reference": (result.reference.name, bundle.reference),
    }
    for name, (found, expected) in pairs.items():
        if found != expected:
            raise DefinitionError(place, name, f"found {found}, the bundle says {expected}", _HINT)
    digests = {item.path: item.sha256 for item in bundle.files}
    for name, digest in result.inputs.items():
        path = _INPUTS.get(name, "samples/{sample}/" + name).format(sample=sample)
        if digests.get(path) != digest:
            raise DefinitionError(place, f"inputs {name}", f"is not the digest of {path} in the bundle", _HINT)
    return documents


_INPUTS = {"run.json": "run.json", "qc.json": "qc/{sample}.json", "qc/run.json": "qc/run.json"}


def check_renderings(case: Case, folder: str, made: dict[str, bytes], rendering: Rendering) -> str | None:
    """Compare renderings with those made again; return a note where they differ and another build made them.

    Raises:
        DefinitionError: one differs, and the same build made it.
    """
    for name, content in made.items():
        path = folder + name
        if path in case.source.sizes and read(case.source, path) == content:
            continue
        if rendering == "compare, other build":
            return f"{path} comes out differently with this build; its digest holds"
        what = "is not what result.json gives when it is rendered again"
        raise DefinitionError(case.source.place(path), "", what, _HINT)
    return None


def draft_renderings(documents: Documents) -> dict[str, bytes]:
    """Return the renderings of a result that is not signed off."""
    return renderings(documents.result.decode(), documents.reads.decode() if documents.reads else None)


def check_results(case: Case, opened: Opened, rendering: Rendering) -> Iterator[tuple[str, str | None]]:
    """Yield each sample's id with a note or None, as its result holds.

    Raises:
        DefinitionError: the first link that does not hold.
    """
    for sample, bundle in opened.samples.items():
        documents = check_result(case, opened, sample)
        note = None
        has_reports = any(item.path.startswith(f"reports/{sample}/report.") for item in bundle.files)
        if has_reports and rendering != "leave":
            note = check_renderings(case, f"reports/{sample}/", draft_renderings(documents), rendering)
        yield sample, note
