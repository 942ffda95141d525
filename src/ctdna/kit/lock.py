"""The digest over a kit's files, and the lock that holds it."""

import hashlib
from pathlib import Path

from ctdna.formats.atomic import write_text
from ctdna.formats.digest import sha256_of
from ctdna.model.errors import DefinitionError, InputError

LOCK, STATES = "kit.lock", "kit.states.json"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a kit's file, in hex.

    Raises:
        DefinitionError: the file cannot be read.
    """
    try:
        return sha256_of(path)
    except InputError as error:
        raise DefinitionError(path, "", error.what, "restore the kit's folder") from error


def file_digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a kit's folder by its relative path, sorted; lock and states are left out.

    Raises:
        DefinitionError: something there is no plain file or folder, or a file cannot be read.
    """
    digests: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise DefinitionError(path, "", "is a link or no plain file; a kit holds plain files only", "copy the file")
        if path.is_file():
            digests[path.relative_to(folder).as_posix()] = file_digest(path)
    return {name: digest for name, digest in sorted(digests.items()) if name not in (LOCK, STATES)}


def kit_digest(digests: dict[str, str]) -> str:
    """Return the one digest of a kit: SHA-256 over its sorted lines `<sha256>  <relative path>`."""
    return hashlib.sha256(_lines(digests).encode()).hexdigest()


def _lines(digests: dict[str, str]) -> str:
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def lock_text(digests: dict[str, str]) -> str:
    """Return the text of `kit.lock`: the kit's digest, then one line a file, as `sha256sum` writes them."""
    return f"# kit {kit_digest(digests)}\n{_lines(digests)}"


def write_lock(folder: Path) -> str:
    """Write `kit.lock` over the folder as it stands and return the kit's digest.

    Raises:
        InputError: the file cannot be written.
    """
    digests = file_digests(folder)
    write_text(folder / LOCK, lock_text(digests))
    return kit_digest(digests)


def _read_lock(path: Path) -> tuple[str, dict[str, str]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DefinitionError(path, "", f"cannot be read: {error}", "restore the kit's folder") from error
    head = lines[0].split() if lines else []
    if len(head) != 3 or head[:2] != ["#", "kit"]:
        raise DefinitionError(path, "line 1", "expected `# kit <digest>`", "restore the kit's folder")
    digests: dict[str, str] = {}
    for number, line in enumerate(lines[1:], 2):
        digest, gap, name = line.partition("  ")
        if not gap or len(digest) != 64 or not name:
            raise DefinitionError(
                path, f"line {number}", f"found `{line}`, expected `<sha256>  <file>`", "restore the kit's folder"
            )
        digests[name] = digest
    return head[2], digests


def verify_lock(folder: Path, digests: dict[str, str]) -> None:
    """Compare the files of a kit's folder with its lock.

    Raises:
        DefinitionError: a file was changed, added or removed, or the lock itself was; the file is named.
    """
    path = folder / LOCK
    total, locked = _read_lock(path)
    hint = "restore the kit's folder from its source; a locked version is never edited, make the next version"
    for name in sorted(set(locked) | set(digests)):
        if name not in digests:
            raise DefinitionError(folder / name, "", "the kit's lock names this file, but it is missing", hint)
        if name not in locked:
            raise DefinitionError(folder / name, "", "this file is not in the kit's lock", hint)
        if locked[name] != digests[name]:
            what = f"changed since the kit was locked: SHA-256 is {digests[name][:16]}, locked is {locked[name][:16]}"
            raise DefinitionError(folder / name, "", what, hint)
    if total != kit_digest(digests):
        raise DefinitionError(path, "line 1", "the lock's own digest does not fit its lines", hint)
