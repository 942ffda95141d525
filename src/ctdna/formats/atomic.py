"""Files and folders appear under their final name only when they are whole."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ctdna.model.errors import InputError


def writable_error(path: Path, error: OSError) -> InputError:
    """Return the one-line error for a file that cannot be written: full disk, no permission, missing folder."""
    hints = {
        errno.ENOSPC: ("no space is left on the disk", "free space there or choose another output folder"),
        errno.EDQUOT: ("the disk quota is used up", "free space there or choose another output folder"),
        errno.EACCES: (
            "no permission to write",
            "choose another output folder or ask for the right to write there",
        ),
        errno.EPERM: (
            "no permission to write",
            "choose another output folder or ask for the right to write there",
        ),
        errno.EROFS: ("the file system is read-only", "choose another output folder"),
        errno.ENOENT: ("the folder does not exist", "make the folder first"),
        errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another output folder"),
        errno.EFBIG: ("the file would be larger than the system allows", "raise the limit (ulimit -f)"),
        errno.EISDIR: ("found a folder, a file is to be written", "choose another name"),
    }
    code = error.errno or (errno.ENOSPC if _is_full(path.parent) else 0)
    what, hint = hints.get(code, (f"cannot write: {error.strerror or error}", "see the system's message"))
    return InputError(path, "", what, hint)


def _is_full(folder: Path) -> bool:
    """Return whether no block is free there: some libraries report a failed write without its reason."""
    return folder.is_dir() and os.statvfs(folder).f_bavail == 0


def refuse_folder(path: Path) -> None:
    """Refuse a folder where a file is to be written, before any work is done for it.

    Raises:
        InputError: the path is a folder.
    """
    if path.is_dir():
        raise writable_error(path, IsADirectoryError(errno.EISDIR, ""))


def discard(path: Path) -> None:
    """Remove a file or folder, if it can be removed: where it could not be made, the first error counts."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name in the same folder; rename it to `path` when the block ends well, else remove it.

    The temporary name keeps the suffixes of `path`, since some libraries choose a format by them. An operating-system
    error in the block, or in the renaming, leaves as one `InputError`.

    Raises:
        InputError: the file cannot be written.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        if temporary.is_file():
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        told = writable_error(path, error)
        discard(temporary)
        if error.filename is not None and Path(os.fsdecode(error.filename)).name not in (
            temporary.name,
            path.name,
        ):
            raise
        raise told from error
    except BaseException:
        discard(temporary)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all (UTF-8, line feeds as given).

    Raises:
        InputError: the file cannot be written.
    """
    refuse_folder(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode())


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writable_error(path, error) from error


@contextmanager
def work_folder(output: Path) -> Iterator[Path]:
    """Yield a new folder beside an output file for files of passage; it goes when the block ends, however it ends.

    Raises:
        InputError: it cannot be made.
    """
    folder = output.with_name(f".{os.getpid()}.{output.name}.work")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise writable_error(output, error) from error
    try:
        yield folder
    finally:
        discard(folder)
