"""Bundles of a finished run and of its samples: made from the output folder, signed, sealed."""

from pathlib import Path
from typing import NamedTuple

from ctdna.bundle.hashing import digest_of_bytes, digest_of_lines, sha256_of_all
from ctdna.bundle.inputs import digest_of_inputs
from ctdna.bundle.layout import BUNDLE, SEAL, counts, is_of_sample, own_folder, walk_files
from ctdna.formats.atomic import write_text
from ctdna.formats.documents import dump_json, read_json
from ctdna.formats.keys import PrivateKey
from ctdna.formats.signed import signature_path, write_signed
from ctdna.kit.reference import DESCRIPTION, StoredReference
from ctdna.model.bundle import Bundle, BundledFile, InputFile, Seal, SealedFile
from ctdna.model.errors import InputError
from ctdna.model.ledger import Head
from ctdna.model.manifest import RunManifest
from ctdna.model.trace import TraceFacts

MANIFEST = "run.json"


class Bundles(NamedTuple):
    """The bundle of a run, and that of each sample with a result by its id."""

    run: Bundle
    samples: dict[str, Bundle]


def run_key(manifest: RunManifest) -> str:
    """Return the run's key: its id and the first 16 hex digits of the SHA-256 of run.json."""
    return f"{manifest.run_id}:{digest_of_bytes(dump_json(manifest).encode())[:16]}"


def reference_digest(fasta: Path) -> str | None:
    """Return the SHA-256 over the lines `<contig>\\t<length>\\t<MD5>` of a stored reference; None of any other FASTA.

    Raises:
        InputError: its description cannot be read.
    """
    path = fasta.parent / DESCRIPTION
    if not path.is_file():
        return None
    contigs = read_json(path, StoredReference).contigs
    return digest_of_lines(f"{item.name}\t{item.length}\t{item.md5}" for item in contigs)


def listed_files(output: Path, threads: int | None = None) -> tuple[BundledFile, ...]:
    """Return size and digest of every file of the output folder that a bundle lists, by path.

    Raises:
        DefinitionError: there is a link.
        InputError: a file cannot be read, or bears a name that no file of a run has.
    """
    sizes = {path: size for path, size in walk_files(output).items() if counts(path)}
    digests = sha256_of_all((output / path for path in sizes), threads)
    made = []
    for (path, size), digest in zip(sizes.items(), digests, strict=True):
        try:
            made.append(BundledFile(path=path, size=size, sha256=digest))
        except ValueError as error:
            hint = "take it out of the run's folder"
            raise InputError(output / path, "", "is no file of a run: its name is not plain", hint) from error
    return tuple(sorted(made, key=lambda item: item.path))


def make_bundles(
    output: Path,
    manifest: RunManifest,
    inputs: tuple[InputFile, ...],
    reference: str | None,
    threads: int | None = None,
) -> Bundles:
    """Return the bundles of a run whose stages are done; `reference` is the digest of the reference's contigs.

    The same inputs, kit, build, site, operator and lot give the same bundles; raises as `listed_files`.
    """
    files = listed_files(output, threads)
    trace = manifest.trace or TraceFacts()
    build = trace.build
    common = Bundle(
        kind="run",
        content="full",
        origin=None,
        run=run_key(manifest),
        run_id=manifest.run_id,
        sample=None,
        kit=manifest.kit,
        kit_digest=manifest.kit_digest,
        kit_state=manifest.kit_state,
        lot=trace.lot.lot if trace.lot else None,
        use=trace.use,
        build=build.digest if build else None,
        build_state=build.state if build else None,
        software=manifest.software,
        reference=manifest.reference,
        reference_digest=reference,
        site=trace.site,
        operator=trace.operator,
        instrument=manifest.instrument,
        inputs_digest=digest_of_inputs(inputs),
        inputs=inputs,
        files=files,
        samples={},
    )
    paths = {item.path for item in files}
    done = [item.sample_id for item in manifest.samples if f"reports/{item.sample_id}/result.json" in paths]
    samples = {sample: bundle_of_sample(common, sample) for sample in done}
    digests = {name: digest_of_bytes(dump_json(bundle).encode()) for name, bundle in samples.items()}
    return Bundles(common.model_copy(update={"samples": digests}), samples)


def bundle_of_sample(run: Bundle, sample: str) -> Bundle:
    """Return the part of a run's bundle that speaks of one sample."""
    files = tuple(item for item in run.files if is_of_sample(item.path, sample))
    changes = {"kind": "sample", "sample": sample, "files": files, "inputs": (), "samples": {}}
    return Bundle.model_validate({**dict(run), **changes})


def _write(path: Path, document: Bundle | Seal, key: PrivateKey | None) -> None:
    """Write a document, signed where there is a key; a signature from before that does not fit must not stay."""
    if key is not None:
        write_signed(path, document, "bundle", key)
        return
    signature_path(path).unlink(missing_ok=True)
    write_text(path, dump_json(document))


def write_bundles(output: Path, bundles: Bundles, key: PrivateKey | None) -> str:
    """Write all bundles of a run, signed where the site has a key; return the SHA-256 of the run's bundle.json.

    Raises:
        InputError: a file cannot be written.
    """
    for sample, bundle in bundles.samples.items():
        _write(output / own_folder(sample) / BUNDLE, bundle, key)
    _write(output / BUNDLE, bundles.run, key)
    return digest_of_bytes(dump_json(bundles.run).encode())


def write_seals(
    output: Path, bundles: Bundles, provenance: str | None, head: Head | None, key: PrivateKey | None
) -> None:
    """Write the seals: they bind each bundle to the end of the ledger, that of the run to provenance.json's text too.

    Raises:
        InputError: a file cannot be written.
    """
    sealed = None
    if provenance is not None:
        content = provenance.encode()
        sealed = SealedFile(size=len(content), sha256=digest_of_bytes(content))
    for sample, digest in bundles.run.samples.items():
        _write(output / own_folder(sample) / SEAL, Seal(bundle=digest, provenance=None, ledger=head), key)
    run = digest_of_bytes(dump_json(bundles.run).encode())
    _write(output / SEAL, Seal(bundle=run, provenance=sealed, ledger=head), key)
