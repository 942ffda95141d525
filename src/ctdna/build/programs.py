"""External programs that a result passes through: the aligner and Python."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ctdna.formats.digest import sha256_of
from ctdna.model.build import BuildItem


def platform_name() -> str:
    """Return system and processor, as `linux-x86_64`."""
    return f"{platform.system()}-{platform.machine()}".lower()


def bwa_version(program: str) -> str:
    """Return the version that a bwa says it is; `unknown` where it says none or does not start."""
    try:
        said = subprocess.run([program], capture_output=True, check=False, timeout=60).stderr
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    found = re.search(rb"^Version: (\S+)", said, re.MULTILINE)
    return found[1].decode("utf-8", "replace") if found else "unknown"


def _bwa() -> list[BuildItem]:
    """Return the bwa that the workflow starts, and that of the PATH where it is another."""
    path = os.environ.get("PATH", os.defpath)
    beside = str(Path(sys.executable).parent)
    found: dict[str, BuildItem] = {}
    for name, searched in (("bwa", os.pathsep.join((beside, path))), ("bwa of the PATH", path)):
        program = shutil.which("bwa", path=searched)
        if program and (digest := sha256_of(Path(program).resolve())) not in found:
            found[digest] = BuildItem(name=name, version=bwa_version(program), sha256=digest)
    return list(found.values())


def _python() -> BuildItem:
    """Return the interpreter by implementation and version: its files are the operating system's to patch."""
    version = f"{platform.python_implementation()} {platform.python_version()}"
    return BuildItem(name="python", version=version, sha256=hashlib.sha256(version.encode()).hexdigest())


def program_items() -> tuple[BuildItem, ...]:
    """Return bwa with the digest of its binary, wherever it lies, and Python; what is absent is left out.

    Raises:
        InputError: the program's file cannot be read.
    """
    return (*_bwa(), _python())
