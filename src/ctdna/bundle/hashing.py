"""Digests of many files, by several threads."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ctdna.formats.digest import sha256_of


def sha256_of_all(paths: Iterable[Path], threads: int | None = None) -> list[str]:
    """Return the SHA-256 of each file, in hex, in the order given; the threads' number does not matter for it.

    Raises:
        InputError: a file cannot be read.
    """
    with ThreadPoolExecutor(threads or len(os.sched_getaffinity(0))) as pool:
        return list(pool.map(sha256_of, paths))


def digest_of_lines(lines: Iterable[str]) -> str:
    """Return the SHA-256 of lines, each with a closing line feed, in UTF-8."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def digest_of_bytes(content: bytes) -> str:
    """Return the SHA-256 of bytes, in hex."""
    return hashlib.sha256(content).hexdigest()
