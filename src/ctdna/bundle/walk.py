"""`ctdna verify`: every link of the chain in order."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ctdna.bundle.source import ZipSource, open_source
from ctdna.bundle.verify import (
    Case,
    Link,
    Opened,
    Unsigned,
    check_archive,
    check_files,
    check_inputs,
    check_listing,
    open_bundle,
)
from ctdna.bundle.verify_approvals import Signed, check_approvals
from ctdna.bundle.verify_ledger import check_build, check_kit, check_ledger
from ctdna.bundle.verify_results import Rendering, check_manifest, check_results
from ctdna.formats.keys import PublicKey
from ctdna.ledger.ledger import Ledger
from ctdna.model.errors import DefinitionError, InputError


class Wanted(NamedTuple):
    """How far a bundle is to be verified."""

    unsigned: Unsigned = "refuse"
    is_rendered: bool = True
    """Whether renderings are made again and compared."""
    inputs: Path | None = None
    """The run folder, where it is at hand."""
    threads: int | None = None
    """None: one a core."""


def verify(path: Path, trusted: dict[str, PublicKey], ledger: Ledger | None, wanted: Wanted) -> Iterator[Link]:
    """Yield each link of a bundle's chain as it holds; notes where something is not at hand.

    `trusted`: keys of sites by key id; `ledger`: that of this machine, if it has one.

    Raises:
        InputError: there is no bundle at the path.
        DefinitionError: the first link that does not hold; what stood before it was sound.
    """
    source, folder = open_source(path)
    if f"{folder}bundle.json" not in source.sizes:
        raise InputError(path, "", "holds no bundle.json", "give a finished run's folder or an exported bundle")
    try:
        yield from _walk(Case(source, folder, trusted, wanted.unsigned), ledger, wanted)
    except InputError as error:
        raise DefinitionError(error.path, error.where, error.what, error.hint) from error


def _walk(case: Case, ledger: Ledger | None, wanted: Wanted) -> Iterator[Link]:
    opened = open_bundle(case)
    bundle = opened.bundle
    if isinstance(case.source, ZipSource):
        check_archive(case, opened)
        yield Link("archive", f"{len(case.source.sizes)} members, each accounted for")
    whom = f"key {opened.key.name} ({opened.key.key_id}) of site {bundle.site}" if opened.key else ""
    yield Link("signature", whom or "unsigned: a research run", opened.key is None)
    check_listing(case, bundle)
    check_files(case, opened, wanted.threads or len(os.sched_getaffinity(0)))
    yield Link("files", f"{len(bundle.files)}, each with the size and digest that the bundle says; none added")
    check_manifest(case, bundle)
    yield check_kit(case, bundle)
    build, rendering = check_build(bundle)
    yield build
    if bundle.content == "aggregates":
        return
    signed: list[Signed] = []
    yield from _results(case, opened, rendering if wanted.is_rendered else "leave", signed)
    yield from check_ledger(case, opened, signed, ledger)
    yield _inputs(opened, wanted)


def _results(case: Case, opened: Opened, rendering: Rendering, signed: list[Signed]) -> Iterator[Link]:
    if rendering == "leave":
        yield Link("renderings", "not made again, as asked; their digests hold", True)
    for sample, note in check_results(case, opened, rendering):
        yield Link(f"result {sample}", note or "belongs to this run, kit and these files", note is not None)
        if opened.bundle.content != "full":
            continue
        for version in check_approvals(case, opened, sample, rendering):
            signed.append(version)
            yield _link_of(version)


def _link_of(version: Signed) -> Link:
    off = version.sign_off
    name = f"result {version.sample} v{off.version}"
    if version.note is not None:
        return Link(name, version.note, True)
    if not off.is_approved:
        return Link(name, "an amended draft: not reviewed, not signed", True)
    people = ", ".join(f"{item.meaning} by {item.full_name} on {item.at[:19]}" for item in off.signatures)
    return Link(name, people)


def _inputs(opened: Opened, wanted: Wanted) -> Link:
    bundle = opened.bundle
    if wanted.inputs is None or not bundle.inputs:
        return Link("inputs", f"digest {bundle.inputs_digest[:16]}...; not compared (--inputs RUN_FOLDER)", True)
    return Link("inputs", f"{check_inputs(bundle, wanted.inputs)} files of the run folder, as the run read them")
