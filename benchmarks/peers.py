"""Peers: installed by the ordinary clients into a folder outside the repository, or why one cannot be run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

FGUMI_VERSION = "0.7.0"
UMIERRORCORRECT_VERSION = "0.29"
_POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>peers</artifactId><version>1</version>
<dependencies><dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>
<version>{version}</version><exclusions>{absent}</exclusions></dependency></dependencies></project>
"""
_BUILD = ("setuptools==75.8.0", "wheel==0.45.1", "cython==3.0.12", "numpy==1.26.4", "pysam==0.22.1")
"""What the set-up scripts of the Python peers import; they want it in their own environment."""


class Peer(NamedTuple):
    """A program to compare with: how to start it, or why it cannot be."""

    name: str
    version: str
    command: tuple[str, ...]
    missing: str
    """Empty where it runs; else the reason in one line."""

    @property
    def shell(self) -> str:
        """Return the command as words of a shell, which expands variables but no wildcards."""
        return " ".join(f"'{word}'" if "*" in word else word for word in self.command)


def default_cache() -> Path:
    """Return the folder of the peers: CTDNA_PEERS, or one in the user's cache."""
    return Path(os.environ.get("CTDNA_PEERS", Path.home() / ".cache" / "ctdna-peers"))


def run(command: list[str]) -> tuple[int, str]:
    """Return the exit code of a command and what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def _reason(text: str) -> str:
    """Return the line of a failed installation that says why, without addresses and folders."""
    plain = re.sub(r"\x1b\[[0-9;]*m|\[ERROR\]|https?://\S+|/\S*/", "", text)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"not found|could not|error", line, re.IGNORECASE)]
    line = (told or lines or ["failed without a word"])[0].split(" -> [Help")[0].rstrip(" (")
    return line[max(0, line.find("Could not find")) :][:200]


def by_cargo(cache: Path, name: str, version: str) -> Peer:
    """Return a Rust program, built by cargo unless that was done before."""
    program = cache / name / "bin" / name
    if not program.exists():
        if not shutil.which("cargo"):
            return Peer(name, version, (), "cargo is not installed")
        root = str(cache / name)
        code, text = run(["cargo", "install", name, "--version", version, "--root", root, "--locked", "-j", "1"])
        if code:
            return Peer(name, version, (), _reason(text))
    _, text = run([str(program), "--version"])
    if version not in text:
        return Peer(name, version, (), f"found {text!r}, wanted {version}")
    return Peer(name, version, (str(program),), "")


def by_maven(folder: Path, artifact: str, version: str, absent: tuple[str, ...] = ()) -> str:
    """Fetch a Java program, `group:artifact`, with what it depends on unless that was done before; return why not.

    `absent` are dependencies to leave out, written in the same way.
    """
    group, name = artifact.split(":")
    if list(folder.glob(f"{name}-{version}*.jar")):
        return ""
    if not shutil.which("mvn") or not shutil.which("java"):
        return "mvn and java are not both installed"
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [one.split(":") for one in absent]
    left_out = [f"<exclusion><groupId>{g}</groupId><artifactId>{a}</artifactId></exclusion>" for g, a in pairs]
    pom = folder / "pom.xml"
    text = _POM.format(group=group, artifact=name, version=version, absent="".join(left_out))
    pom.write_text(text, encoding="utf-8")
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    code, said = run(["mvn", "-B", "-q", "-U", "-f", str(pom), *goal])
    return _reason(said) if code else ""


def by_pip(cache: Path, package: str, version: str, program: str) -> Peer:
    """Return a program of a Python package, installed by pip into an environment of the peers' own."""
    folder = cache / "python-peers"
    path = folder / "bin" / program
    if not path.exists():
        steps = [] if folder.exists() else [[sys.executable, "-m", "venv", str(folder)]]
        pip = [str(folder / "bin" / "pip"), "install", "-q"]
        steps += [[*pip, *_BUILD], [*pip, "--no-build-isolation", f"{package}=={version}"]]
        for words in steps:
            code, text = run(words)
            if code:
                return Peer(package, version, (), _reason(text))
    return Peer(package, version, (str(path),), "")


def fgumi(cache: Path) -> Peer:
    """Return fgumi."""
    return by_cargo(cache, "fgumi", FGUMI_VERSION)
