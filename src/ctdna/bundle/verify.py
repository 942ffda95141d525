"""The chain from a bundle's signature to every byte that it speaks of, walked link by link, without any network."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from ctdna.bundle.canonical import parse
from ctdna.bundle.hashing import digest_of_bytes
from ctdna.bundle.inputs import digest_of_inputs, digests_of
from ctdna.bundle.layout import (
    BUNDLE,
    PROVENANCE,
    SEAL,
    SEAL_SIGNATURE,
    SIGNATURE,
    counts,
    is_of_sample,
    is_own,
    own_folder,
    version_of,
)
from ctdna.bundle.make import bundle_of_sample
from ctdna.bundle.source import Source, digest_of, read
from ctdna.formats.keys import PublicKey, check_signature
from ctdna.model.bundle import Bundle, BundledFile, Seal
from ctdna.model.errors import DefinitionError
from ctdna.model.ledger import Head
from ctdna.model.signature import Purpose, Signature

_HINT = "restore the file from its source"
Unsigned = Literal["refuse", "let pass"]


class Link(NamedTuple):
    """One link of the chain that holds, or a note on one that cannot be walked here."""

    name: str
    what: str
    is_note: bool = False


class Case(NamedTuple):
    """What is verified, and against what."""

    source: Source
    folder: str
    """Where the bundle's own documents lie in it: `""` or `reports/<sample>/`."""
    trusted: dict[str, PublicKey]
    """Keys of sites that this machine trusts, by key id."""
    unsigned: Unsigned
    """What becomes of a bundle of a run without a site."""


class Opened(NamedTuple):
    """A bundle whose own documents hold."""

    bundle: Bundle
    seal: Seal
    samples: dict[str, Bundle]
    """The bundles of its samples, by id; of a sample's bundle: itself."""
    key: PublicKey | None
    """Of the site; None: unsigned."""


def require_signature(case: Case, path: str, content: bytes, purpose: Purpose) -> PublicKey:
    """Return the trusted key that signed the file at `path`, whose bytes are `content`.

    Raises:
        DefinitionError: the signature is missing, malformed, of another purpose, of no trusted key, does not hold, or
            bears another name than the key.
    """
    beside = f"{path}.sig"
    if beside not in case.source.sizes:
        raise DefinitionError(case.source.place(beside), "", "the signature is missing", _HINT)
    signature = parse(case.source.place(beside), read(case.source, beside), Signature)
    key = check_signature(Path(case.source.place(path)), signature, purpose, content, case.trusted)
    if signature.signer != key.name:
        what = f"names the signer {signature.signer!r}, but key {key.key_id} is trusted here as {key.name}"
        raise DefinitionError(case.source.place(beside), "signer", what, _HINT)
    return key


def _key_of(case: Case, path: str, content: bytes, site: str | None) -> PublicKey | None:
    if site is not None or f"{path}.sig" in case.source.sizes:
        return require_signature(case, path, content, "bundle")
    if case.unsigned == "refuse":
        what = "is unsigned: a research run without a site; its files can be compared, but nobody vouches for them"
        raise DefinitionError(case.source.place(path), "signature", what, "give --unsigned to go on without")
    return None


def _open_one(case: Case, folder: str) -> tuple[Bundle, Seal, PublicKey | None]:
    source = case.source
    content = read(source, folder + BUNDLE)
    bundle = parse(source.place(folder + BUNDLE), content, Bundle)
    if own_folder(bundle.sample) != folder:
        what = f"speaks of {bundle.sample or 'a whole run'}, which does not belong here"
        raise DefinitionError(source.place(folder + BUNDLE), "sample", what, _HINT)
    key = _key_of(case, folder + BUNDLE, content, bundle.site)
    sealed = read(source, folder + SEAL)
    seal = parse(source.place(folder + SEAL), sealed, Seal)
    if _key_of(case, folder + SEAL, sealed, bundle.site) != key:
        raise DefinitionError(source.place(folder + SEAL), "signature", "is of another key than the bundle's", _HINT)
    if seal.bundle != digest_of_bytes(content):
        raise DefinitionError(source.place(folder + SEAL), "bundle", f"does not fit {BUNDLE}", _HINT)
    return bundle, seal, key


def open_bundle(case: Case) -> Opened:
    """Return the bundle, its seal and the bundles of its samples: all signed, and each fitting the others.

    Raises:
        DefinitionError: the first that does not hold.
    """
    bundle, seal, key = _open_one(case, case.folder)
    if bundle.kind == "sample":
        return Opened(bundle, seal, {str(bundle.sample): bundle}, key)
    samples = {}
    for sample, digest in bundle.samples.items():
        folder = own_folder(sample)
        part, part_seal, part_key = _open_one(case, folder)
        place = case.source.place(folder + BUNDLE)
        if part_seal.bundle != digest or part != bundle_of_sample(bundle, sample):
            raise DefinitionError(place, "", "is not the one that the run's bundle names", _HINT)
        if part_key != key:
            raise DefinitionError(place, "signature", "is of another key than the run's bundle", _HINT)
        if part_seal.ledger != seal.ledger:
            raise DefinitionError(case.source.place(folder + SEAL), "ledger", "differs from the run's seal", _HINT)
        samples[sample] = part
    return Opened(bundle, seal, samples, key)


def _check_provenance(case: Case, seal: Seal) -> None:
    if seal.provenance is None:
        return
    place = case.source.place(PROVENANCE)
    if PROVENANCE not in case.source.sizes:
        raise DefinitionError(place, "", "is missing", _HINT)
    if digest_of(case.source, PROVENANCE) != (seal.provenance.size, seal.provenance.sha256):
        raise DefinitionError(place, "", "is not the one that was sealed with the bundle: it was changed", _HINT)


def _unlisted(case: Case, bundle: Bundle) -> Iterator[str]:
    """Yield every file that would count, but which the bundle does not list."""
    listed = {item.path for item in bundle.files}
    for path in case.source.sizes:
        is_ours = bundle.sample is None or is_of_sample(path, bundle.sample)
        if counts(path) and is_ours and path not in listed:
            yield path


def own_paths(opened: Opened) -> set[str]:
    """Return the documents of a bundle itself, and of the bundles of its samples."""
    folders = {own_folder(opened.bundle.sample), *(own_folder(sample) for sample in opened.samples)}
    names = {BUNDLE, SEAL} | ({SIGNATURE, SEAL_SIGNATURE} if opened.key else set())
    return {folder + name for folder in folders for name in names}


def _strangers(case: Case, opened: Opened) -> Iterator[str]:
    """Yield every document in a bundle's own folders, and every version, that no link speaks of."""
    allowed = own_paths(opened)
    for path in case.source.sizes:
        if is_own(path) and (opened.bundle.kind == "run" or path.startswith(case.folder)) and path not in allowed:
            yield path
        version = version_of(path)
        if version is not None and opened.bundle.kind == "run" and version[0] not in opened.samples:
            yield path


def check_archive(case: Case, opened: Opened) -> None:
    """Check that an archive holds nothing but what its bundle speaks of.

    Raises:
        DefinitionError: there is another member.
    """
    known = {item.path for item in opened.bundle.files} | own_paths(opened)
    for path in case.source.sizes:
        version = version_of(path)
        is_known = path in known or (version is not None and version[0] in opened.samples)
        if not is_known and not (path == PROVENANCE and opened.seal.provenance is not None):
            raise DefinitionError(case.source.place(path), "", "is not listed in the bundle", "export it again")


def _check_file(case: Case, item: BundledFile) -> None:
    place, found = case.source.place(item.path), case.source.sizes.get(item.path)
    if found is None:
        raise DefinitionError(place, "", "is listed in the bundle, but missing", _HINT)
    if found != item.size:
        raise DefinitionError(place, "", f"has {found} bytes, the bundle says {item.size}: it was changed", _HINT)
    digest = digest_of(case.source, item.path)[1]
    if digest != item.sha256:
        what = f"was changed: SHA-256 is {digest[:16]}..., the bundle says {item.sha256[:16]}..."
        raise DefinitionError(place, "", what, _HINT)


def check_files(case: Case, opened: Opened, threads: int) -> None:
    """Check every file of a bundle by size and digest, and that there is none beside them.

    Raises:
        DefinitionError: the first by path that is missing, changed or not listed.
    """
    _check_provenance(case, opened.seal)
    for path in sorted({*_unlisted(case, opened.bundle), *_strangers(case, opened)}):
        what = "is not listed in the bundle: it was added"
        raise DefinitionError(case.source.place(path), "", what, "take it away")
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda item: _check_file(case, item), opened.bundle.files):
            pass


def check_inputs(bundle: Bundle, run_folder: Path) -> int:
    """Compare the inputs in a run folder with the bundle of a run; return how many there are.

    Raises:
        DefinitionError: one is missing or differs.
    """
    files = {item.path: run_folder / item.path for item in bundle.inputs}
    for name, path in files.items():
        if not path.is_file():
            raise DefinitionError(path, "", f"input {name} is missing", "give the run folder as it was")
    for item, found in zip(bundle.inputs, digests_of(files), strict=True):
        if found != item:
            raise DefinitionError(files[item.path], "", "is not the input that the run read: it was changed", _HINT)
    return len(files)


def check_listing(case: Case, bundle: Bundle) -> None:
    """Check that the list of inputs fits its digest.

    Raises:
        DefinitionError: it does not.
    """
    is_listed = bundle.kind == "run" and bundle.content == "full"
    if is_listed and digest_of_inputs(bundle.inputs) != bundle.inputs_digest:
        place = case.source.place(case.folder + BUNDLE)
        raise DefinitionError(place, "inputs_digest", "does not fit the list of inputs", _HINT)


def head_text(head: Head | None) -> str:
    """Return the end of the ledger that a seal names, in words."""
    return f"entry {head.sequence} of site {head.site}" if head else "no ledger"
