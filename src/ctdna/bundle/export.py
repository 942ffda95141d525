"""Bundles as archives for others: whole, without what identifies a person, or as figures without sequence."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pysam

from ctdna.bundle.aggregate import AGGREGATES, aggregates_of_run
from ctdna.bundle.deidentify import Names, names_of, write_deidentified
from ctdna.bundle.hashing import digest_of_bytes
from ctdna.bundle.layout import BUNDLE, PROVENANCE, own_folder, version_of
from ctdna.bundle.make import Bundles, bundle_of_sample, listed_files, run_key, write_bundles, write_seals
from ctdna.bundle.pseudonyms import site_secret
from ctdna.bundle.source import FolderSource
from ctdna.bundle.trust import site_trust
from ctdna.bundle.verify import Case, Opened, check_files, open_bundle, own_paths
from ctdna.formats.atomic import make_folder, refuse_folder, work_folder, write_text
from ctdna.formats.digest import sha256_of
from ctdna.formats.documents import dump_json, read_json
from ctdna.formats.keys import PrivateKey
from ctdna.formats.relabel import renamer
from ctdna.formats.stored_zip import write_zip
from ctdna.ledger.ledger import Ledger
from ctdna.ledger.local import site_key
from ctdna.ledger.records import Actor
from ctdna.model.bundle import Bundle, Content
from ctdna.model.errors import InputError
from ctdna.model.ledger import BundleExported, Head
from ctdna.model.manifest import RunManifest


class Purpose(NamedTuple):
    """To whom a bundle goes, for what, and by which approval."""

    recipient: str
    purpose: str
    approval: str


class Request(NamedTuple):
    """What is to be exported."""

    run: Path
    sample: str | None
    """None: the whole run."""
    content: Content
    output: Path


def _members(case: Case, opened: Opened) -> list[str]:
    """Return the files of a bundle as it stands: those that it lists, its own, its samples', and their versions."""
    known = {item.path for item in opened.bundle.files} | own_paths(opened)
    chosen = []
    for path in case.source.sizes:
        version = version_of(path)
        if path in known or (version is not None and version[0] in opened.samples):
            chosen.append(path)
    if opened.seal.provenance is not None:
        chosen.append(PROVENANCE)
    return sorted(chosen)


def write_archive(target: Path, source: FolderSource, members: list[str]) -> None:
    """Write files of a folder as an archive, sorted by name, stored, without times: the same files, the same bytes.

    Raises:
        InputError: it cannot be written, or a file changed meanwhile.
    """
    refuse_folder(target)
    with write_zip(target) as archive:
        for name in sorted(members):
            archive.add(name, source.chunks(name), source.sizes[name])


def _without_names(run: Path, folder: Path, opened: Opened) -> tuple[Bundle, Names]:
    """Write the de-identified files into a folder; return the fields of its bundle that the manifest holds."""
    wanted = tuple(opened.samples)
    manifest, names = write_deidentified(run, folder, wanted, site_secret())
    check_clean(folder, names)
    trace = manifest.trace
    changes = {
        "content": "de-identified",
        "run": run_key(manifest),
        "run_id": manifest.run_id,
        "operator": None,
        "site": trace.site if trace else None,
    }
    return opened.bundle.model_copy(update=changes), names


def _figures_only(run: Path, folder: Path, opened: Opened) -> Bundle:
    names = names_of(read_json(run / "run.json", RunManifest), site_secret())
    samples = {sample: names.samples[sample] for sample in opened.samples}
    make_folder(folder)
    write_text(folder / AGGREGATES, dump_json(aggregates_of_run(run, samples)))
    check_clean(folder, names)
    changes = {"content": "aggregates", "run": names.run[1], "run_id": names.run[1], "operator": None}
    return opened.bundle.model_copy(update=changes)


def _bundles(folder: Path, common: Bundle, samples: tuple[str, ...], origin: str) -> Bundles:
    """Return the bundles of what was written into a folder, made from the bundle of digest `origin`."""
    changes: dict[str, object] = {"kind": "run", "sample": None, "origin": origin, "inputs": (), "samples": {}}
    made = common.model_copy(update={**changes, "files": listed_files(folder)})
    parts = {sample: bundle_of_sample(made, sample) for sample in samples}
    digests = {sample: digest_of_bytes(dump_json(part).encode()) for sample, part in parts.items()}
    return Bundles(made.model_copy(update={"samples": digests}), parts)


def check_clean(folder: Path, names: Names) -> None:
    """Check that no name of the run is left in the text of any file: the end of the work must not be taken on trust.

    Raises:
        InputError: one is.
    """
    rename = renamer(names.all)
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        for line in (*path.relative_to(folder).parts, *_text_of(path)):
            if rename(line) != line:
                what = "a name that identifies is left in it"
                raise InputError(
                    path.relative_to(folder), "", what, "export the aggregates only, and tell the developers"
                )


def _text_of(path: Path) -> Iterator[str]:
    if path.suffix == ".bam":
        with pysam.AlignmentFile(str(path), "rb") as stream:
            yield str(stream.header)
            for read_ in stream:
                yield (read_.query_name or "").partition(":")[0]
    elif path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as text:
            yield from text
    elif path.suffix == ".json":
        yield path.read_text(encoding="utf-8")


class Witness(NamedTuple):
    """The ledger that logs an export, and the director who answers for it."""

    ledger: Ledger
    actor: Actor
    purpose: Purpose


def _derive(request: Request, opened: Opened, folder: Path, key: PrivateKey | None, head: Head | None) -> list[str]:
    """Write a bundle of its own, made from a run's, into a folder; return its files."""
    origin = digest_of_bytes((request.run / own_folder(request.sample) / BUNDLE).read_bytes())
    samples: tuple[str, ...] = ()
    if request.content == "de-identified":
        common, names = _without_names(request.run, folder, opened)
        samples = tuple(names.samples[sample] for sample in opened.samples)
    else:
        common = _figures_only(request.run, folder, opened)
    bundles = _bundles(folder, common, samples, origin)
    write_bundles(folder, bundles, key)
    write_seals(folder, bundles, None, head, key)
    return sorted(FolderSource(folder).sizes)


def export_bundle(request: Request, witness: Witness | None) -> str:
    """Write the archive of a verified bundle, log it in the ledger, and return the SHA-256 of the archive.

    The entry in the ledger comes before the file's name: no archive stands there that is not logged.

    Raises:
        InputError: there is no such run or sample, it is of a site with a ledger and there is none here, or a file
            cannot be read or written.
        AuthorityError: the person may not export.
        DefinitionError: the bundle does not hold.
    """
    folder = own_folder(request.sample)
    if not (request.run / folder / BUNDLE).is_file():
        raise InputError(request.run / folder, "", "holds no bundle.json", "check the run's folder and the sample id")
    case = Case(FolderSource(request.run), folder, site_trust(), "let pass")
    opened = open_bundle(case)
    if opened.key is not None and witness is None:
        what = "is a bundle of a site: its exports are logged in the ledger"
        raise InputError(request.run, "", what, "give --user, --recipient, --purpose and --approval")
    check_files(case, opened, 1)
    key, head = (site_key(), witness.ledger.head()) if witness and opened.key else (None, None)
    with work_folder(request.output) as work:
        if request.content == "full":
            source, members = FolderSource(request.run), _members(case, opened)
        else:
            members = _derive(request, opened, work / "bundle", key, head)
            source = FolderSource(work / "bundle")
        made = work / "bundle.zip"
        write_archive(made, source, members)
        digest = sha256_of(made)
        if witness:
            _log(request, opened, digest, witness)
        made.replace(request.output)
    return digest


def _log(request: Request, opened: Opened, digest: str, witness: Witness) -> None:
    purpose = witness.purpose
    exported = BundleExported(
        bundle_digest=digest,
        run=opened.bundle.run,
        recipient=purpose.recipient,
        purpose=purpose.purpose,
        approval=purpose.approval,
        content=request.content,
    )
    witness.ledger.record(witness.actor, exported)
