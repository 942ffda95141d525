"""Versions of a sample's result in a run's folder: signed-off ones, and the draft of an amended one."""

import re
from typing import NamedTuple

from ctdna.bundle.layout import version_of
from ctdna.bundle.source import Source
from ctdna.model.errors import DefinitionError
from ctdna.report.write import READS, RESULT

APPROVAL = "approval.json"
AMENDMENT = "amendment.json"
_FOLDER = re.compile(r"v([1-9][0-9]*)(-draft)?\Z")
_HINT = "restore the folder from its source"


class Versions(NamedTuple):
    """What is there of one sample."""

    n_approved: int
    """Versions 1 to this one are signed off."""
    has_draft: bool
    """The next one is there as an amended draft."""
    files: dict[str, frozenset[str]]
    """Names of the files by folder, as `v1`."""


def version_folder(sample: str, version: int, is_draft: bool) -> str:
    """Return the folder of a version, with a closing slash."""
    return f"reports/{sample}/v{version}{'-draft' if is_draft else ''}/"


def result_folder(sample: str, version: int, is_draft: bool) -> str:
    """Return where the result of a version lies: that of the first is the run's own."""
    return f"reports/{sample}/" if version == 1 else version_folder(sample, version, is_draft)


def versions_of(source: Source, sample: str) -> Versions:
    """Return the versions of a sample's result.

    Raises:
        DefinitionError: a version between others is missing, or there is a draft of one that is not due.
    """
    files: dict[str, set[str]] = {}
    for path in source.sizes:
        found = version_of(path)
        if found is not None and found[0] == sample:
            files.setdefault(found[1], set()).add(found[2])
    approved: set[int] = set()
    drafts: set[int] = set()
    for folder in files:
        match = _FOLDER.match(folder)
        if match:
            (drafts if match[2] else approved).add(int(match[1]))
    n = len(approved)
    place = source.place(f"reports/{sample}")
    if approved != set(range(1, n + 1)):
        missing = min(set(range(1, max(approved) + 1)) - approved)
        raise DefinitionError(place, f"v{missing}", "this version is missing, but later ones are there", _HINT)
    if drafts - {n + 1} or (drafts and n == 0):
        raise DefinitionError(place, f"v{min(drafts)}-draft", f"is not the version that follows {n}", _HINT)
    return Versions(n, bool(drafts), {folder: frozenset(names) for folder, names in files.items()})


def expected_names(version: int, rendered: frozenset[str], is_draft: bool) -> frozenset[str]:
    """Return the names of the files that a version's folder holds, no more and no less but `reads.json`."""
    names = set(rendered)
    if not is_draft:
        names |= {APPROVAL, f"{APPROVAL}.sig"}
    if version > 1:
        names |= {AMENDMENT, f"{AMENDMENT}.sig", RESULT}
    return frozenset(names)


def check_names(source: Source, folder: str, found: frozenset[str], expected: frozenset[str], version: int) -> None:
    """Check that a version's folder holds what it must, and nothing else.

    Raises:
        DefinitionError: a file is missing or was added.
    """
    for name in sorted(expected - found):
        raise DefinitionError(source.place(folder + name), "", "is missing", _HINT)
    optional = {READS} if version > 1 else set()
    for name in sorted(found - expected - optional):
        raise DefinitionError(
            source.place(folder + name), "", "is no part of this version: it was added", "take it away"
        )
