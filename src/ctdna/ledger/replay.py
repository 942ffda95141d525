"""The chain gone through again from its first entry: links, digests, signatures, rights, and what it adds up to."""

from typing import NamedTuple

from ctdna.formats.keys import PublicKey
from ctdna.ledger.chain import (
    FIRST_PREVIOUS,
    Row,
    checkpoint_holds,
    digest_of,
    entry_of,
    row_of,
    signature_holds,
)
from ctdna.ledger.projection import project
from ctdna.ledger.rules import check
from ctdna.ledger.state import MemoryState
from ctdna.model.errors import CtdnaError
from ctdna.model.ledger import Checkpoint, Entry, SiteAdded


class Problem(NamedTuple):
    """Something that is not as it should be."""

    where: str
    """As `entry 7`, `table users, user alice`, `ledger.head.json`."""
    what: str
    is_fault: bool = True
    """False: worth knowing, but no sign of a change, as a clock that was set back."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Replay:
    """Takes the entries one by one; `problems` says what was found, `state` what they add up to."""

    def __init__(self, trusted: dict[str, PublicKey]) -> None:
        self.state = MemoryState()
        self.problems: list[Problem] = []
        self.digests: dict[int, str] = {}
        """Digest of each entry by sequence, recomputed."""
        self._trusted = trusted
        self._untrusted: set[str] = set()
        self._previous, self._due, self._at = FIRST_PREVIOUS, 1, ""

    def _add(self, sequence: object, what: str, is_fault: bool = True) -> None:
        self.problems.append(Problem(f"entry {sequence}", what, is_fault))

    def take_row(self, row: Row) -> None:
        """Take the next row of table `entries`."""
        try:
            entry = entry_of(row)
        except ValueError as error:
            self._add(row["sequence"], f"is not well formed: {_first_line(error)}")
            self._due, self._previous = self._due + 1, str(row["digest"])
            return
        for column, value in row_of(entry).items():
            if row[column] != value:
                self._add(entry.sequence, f"column {column}: found {row[column]!r}, expected {value!r}")
        self.take(entry)

    def take(self, entry: Entry) -> None:
        """Take the next entry."""
        if entry.sequence != self._due:
            self._add(entry.sequence, f"found where entry {self._due} is due: entries are missing or out of order")
        if entry.previous != self._previous:
            self._add(entry.sequence, f"previous: found {entry.previous}, expected {self._previous}")
        digest = digest_of(entry)
        if entry.digest != digest:
            self._add(entry.sequence, f"digest: found {entry.digest}, expected {digest}: the entry was changed")
        if entry.at < self._at:
            self._add(entry.sequence, f"the clock went back from {self._at} to {entry.at}", is_fault=False)
        self._check_signature(entry)
        try:
            check(entry, self.state)
        except CtdnaError as error:
            self._add(entry.sequence, f"is not allowed here: {error}")
        project(entry, self.state)
        self.digests[entry.sequence] = digest
        self._previous, self._due, self._at = entry.digest, entry.sequence + 1, entry.at

    def _check_signature(self, entry: Entry) -> None:
        site = self.state.get("sites", entry.site)
        if site is None and entry.sequence == 1 and isinstance(entry.new, SiteAdded) and entry.new.site == entry.site:
            site = {"key_id": entry.new.key_id}
        if site is None:
            self._add(entry.sequence, f"is of site {entry.site}, which no entry has added")
        elif entry.signature.key_id != site["key_id"]:
            what = f"is signed by key {entry.signature.key_id}, the key of site {entry.site} is {site['key_id']}"
            self._add(entry.sequence, what)
        key = self._trusted.get(entry.signature.key_id)
        if key is not None:
            if not signature_holds(entry, key):
                self._add(entry.sequence, f"the signature of {entry.signature.signer} does not hold")
        elif entry.signature.key_id not in self._untrusted:
            self._untrusted.add(entry.signature.key_id)
            what = f"is signed by key {entry.signature.key_id} ({entry.signature.signer}), which is not trusted here"
            self._add(entry.sequence, f"{what}: if it is genuine, `ctdna keys trust` it as a site's")

    def check_head(self, checkpoint: Checkpoint, where: str) -> None:
        """Hold the chain against a signed head, after its last entry was taken."""
        head, key = checkpoint.head, self._trusted.get(checkpoint.signature.key_id)
        if key is None:
            self.problems.append(Problem(where, f"is signed by key {checkpoint.signature.key_id}, not trusted here"))
        elif not checkpoint_holds(checkpoint, key):
            self.problems.append(Problem(where, f"the signature of {checkpoint.signature.signer} does not hold"))
        found = self.digests.get(head.sequence)
        if found is None:
            what = f"has seen entry {head.sequence}, the chain ends at {max(self.digests, default=0)}: it was cut"
            self.problems.append(Problem(where, what))
        elif found != head.digest:
            what = f"has seen entry {head.sequence} with digest {head.digest}, in the chain it has {found}"
            self.problems.append(Problem(where, f"{what}: the chain was rewritten or exchanged"))


def _first_line(error: ValueError) -> str:
    return " ".join(str(error).split())[:200]
