"""Entries as text: a line of canonical JSON each, or a table; an export checked without any database."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from ctdna.formats.atomic import atomic_path, refuse_folder
from ctdna.formats.keys import PublicKey
from ctdna.ledger.chain import canonical, row_of
from ctdna.ledger.local import read_checkpoint, site_keys
from ctdna.ledger.replay import Problem, Replay
from ctdna.model.ledger import Checkpoint, Entry

Format = Literal["jsonl", "tsv"]
TSV_COLUMNS = (
    *("sequence", "at", "site", "user", "role", "kind", "subject", "old_payload", "new_payload", "why"),
    *("previous", "digest", "signer", "key_id", "signature"),
)


def _escaped(value: object) -> str:
    """Return a cell of a table: no tab, no line feed, no lone backslash; empty for nothing."""
    text = "" if value is None else str(value)
    for raw, shown in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        text = text.replace(raw, shown)
    return text


def lines_of(entries: Iterable[Entry], form: Format) -> Iterator[str]:
    """Yield the lines of entries; a table has a heading of column names with `#`."""
    if form == "tsv":
        yield "#" + "\t".join(TSV_COLUMNS)
    for entry in entries:
        if form == "jsonl":
            yield canonical(entry)
        else:
            row = row_of(entry)
            yield "\t".join(_escaped(row[column]) for column in TSV_COLUMNS)


def write_export(path: Path, entries: Iterable[Entry], checkpoint: Checkpoint, form: Format) -> None:
    """Write entries and, as the last line, the signed head; the same ledger gives the same bytes.

    Raises:
        InputError: the file cannot be written.
    """
    refuse_folder(path)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        upto = checkpoint.head.sequence  # what another writer adds meanwhile is not part of it
        for line in lines_of((entry for entry in entries if entry.sequence <= upto), form):
            stream.write(line + "\n")
        stream.write(("#checkpoint\t" if form == "tsv" else "") + canonical(checkpoint) + "\n")


def verify_export(
    path: Path, checkpoints: tuple[Path, ...] = (), trusted: dict[str, PublicKey] | None = None
) -> tuple[Problem, ...]:
    """Return what is wrong with an export of JSON lines: its chain, its head, the chain before other checkpoints.

    Raises:
        InputError: a file cannot be read, or is no export.
    """
    replay = Replay(site_keys() if trusted is None else trusted)
    own, others = read_checkpoint(path), [(str(other), read_checkpoint(other)) for other in checkpoints]
    n_lines = 0
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        for line in stream:
            n_lines += 1
            _take(line.removesuffix("\n"), n_lines, own, replay)
    if own.head.sequence != n_lines - 1:
        what = f"is of entry {own.head.sequence}, before it stand {n_lines - 1}"
        replay.problems.append(Problem("last line", what))
    for where, checkpoint in (("last line", own), *others):
        replay.check_head(checkpoint, where)
    return tuple(replay.problems)


def _take(line: str, number: int, own: Checkpoint, replay: Replay) -> None:
    if line == canonical(own):
        return
    try:
        entry = Entry.model_validate_json(line)
    except (ValueError, UnicodeError):
        replay.problems.append(Problem(f"line {number}", "is no entry, and not the checkpoint of the last line"))
        return
    if canonical(entry) != line:
        replay.problems.append(Problem(f"line {number}", "is not in the canonical form: it was edited"))
    replay.take(entry)
