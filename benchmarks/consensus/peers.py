"""The peers: installed by the ordinary clients into a folder outside the repository, and asked for their versions."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

FGUMI_VERSION = "0.7.0"
FGBIO_VERSION = "4.1.0"
UMI_TOOLS_VERSION = "1.1.6"
UMIERRORCORRECT_VERSION = "0.29"
FGBIO_ARTIFACT = f"com.fulcrumgenomics:fgbio_2.13:{FGBIO_VERSION}"
FGBIO_CLASS = "com.fulcrumgenomics.cmdline.FgBioMain"
_POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>peers</artifactId><version>1</version>
<dependencies><dependency><groupId>com.fulcrumgenomics</groupId><artifactId>fgbio_2.13</artifactId>
<version>{version}</version></dependency></dependencies></project>
"""
_BUILD = ("setuptools==75.8.0", "wheel==0.45.1", "cython==3.0.12", "numpy==1.26.4", "pysam==0.22.1")
"""What the set-up scripts of the Python peers import; they want it in their own environment."""


class Peer(NamedTuple):
    """A program to compare with: how to start it, or why it cannot be."""

    name: str
    version: str
    command: tuple[str, ...]
    missing: str
    """Empty where the peer runs; else the error in one line."""


def default_cache() -> Path:
    """Return the folder of the peers: CTDNA_PEERS, or one in the user's cache."""
    return Path(os.environ.get("CTDNA_PEERS", Path.home() / ".cache" / "ctdna-peers"))


def _run(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def _reason(text: str) -> str:
    """Return the line of a failed installation that says why."""
    plain = re.sub(r"\x1b\[[0-9;]*m|\[ERROR\]|https?://\S+", "", text)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"not found|could not|error", line, re.IGNORECASE)]
    line = (told or lines or ["failed without a word"])[0].split(" -> [Help")[0].rstrip(" (")
    return line[max(0, line.find("Could not find")) :][:200]


def fgumi(cache: Path) -> Peer:
    """Return fgumi, built by cargo unless that was done before."""
    program = cache / "fgumi" / "bin" / "fgumi"
    if not program.exists():
        if not shutil.which("cargo"):
            return Peer("fgumi", FGUMI_VERSION, (), "cargo is not installed")
        root = str(cache / "fgumi")
        code, text = _run(["cargo", "install", "fgumi", "--version", FGUMI_VERSION, "--root", root, "--locked"])
        if code:
            return Peer("fgumi", FGUMI_VERSION, (), _reason(text))
    _, text = _run([str(program), "--version"])
    if FGUMI_VERSION not in text:
        return Peer("fgumi", FGUMI_VERSION, (), f"found {text!r}, wanted {FGUMI_VERSION}")
    return Peer("fgumi", FGUMI_VERSION, (str(program),), "")


def fgbio(cache: Path) -> Peer:
    """Return fgbio, fetched by Maven with what it depends on unless that was done before."""
    folder = cache / "fgbio"
    if not list(folder.glob("fgbio_*.jar")):
        if not shutil.which("mvn") or not shutil.which("java"):
            return Peer("fgbio", FGBIO_VERSION, (), "mvn and java are not both installed")
        folder.mkdir(parents=True, exist_ok=True)
        pom = folder / "pom.xml"
        pom.write_text(_POM.format(version=FGBIO_VERSION), encoding="utf-8")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        code, text = _run(["mvn", "-B", "-q", "-U", "-f", str(pom), *goal])
        if code:
            return Peer("fgbio", FGBIO_VERSION, (), _reason(text))
    return Peer("fgbio", FGBIO_VERSION, ("java", "-Xmx4g", "-cp", f"{folder}/*", FGBIO_CLASS), "")


def _in_python(folder: Path, name: str, version: str, program: str) -> Peer:
    """Return a program of a Python package, installed by pip into an environment of the peers' own."""
    path = folder / "bin" / program
    if not path.exists():
        if not folder.exists():
            code, text = _run([sys.executable, "-m", "venv", str(folder)])
            if code:
                return Peer(name, version, (), _reason(text))
        pip = [str(folder / "bin" / "pip"), "install", "-q"]
        for words in ([*pip, *_BUILD], [*pip, "--no-build-isolation", f"{name}=={version}"]):
            code, text = _run(words)
            if code:
                return Peer(name, version, (), _reason(text))
    return Peer(name, version, (str(path),), "")


def umi_tools(cache: Path) -> Peer:
    """Return UMI-tools."""
    return _in_python(cache / "python-peers", "umi_tools", UMI_TOOLS_VERSION, "umi_tools")


def umierrorcorrect(cache: Path) -> Peer:
    """Return UMIErrorCorrect's step from an aligned BAM to consensus reads."""
    return _in_python(cache / "python-peers", "umierrorcorrect", UMIERRORCORRECT_VERSION, "umi_error_correct.py")
