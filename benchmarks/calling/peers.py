"""The peers: installed by the ordinary clients into a folder outside the repository, or why one cannot be run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

GATK_VERSION = "4.6.2.0"
VARLOCIRAPTOR_VERSION = "8.12.0"
UMIERRORCORRECT_VERSION = "0.29"
FGUMI_VERSION = "0.7.0"
_ABSENT = ("org.apache.orc:orc", "com.fasterxml.jackson.module:jackson-module-scala_2.13")
"""What Spark's tools want and Maven Central does not hold in the version that GATK names; Mutect2 uses neither."""
_POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>peers</artifactId><version>1</version>
<dependencies><dependency><groupId>org.broadinstitute</groupId><artifactId>gatk</artifactId>
<version>{version}</version><exclusions>{absent}</exclusions></dependency></dependencies></project>
"""
_BUILD = ("setuptools==75.8.0", "wheel==0.45.1", "cython==3.0.12", "numpy==1.26.4", "pysam==0.22.1")
MIGEC = (
    "migec assembles consensus reads by UMI alone, without a place, and calls no variants; 10 bases of UMI do not tell "
    "the 290,000 molecules of a sample apart"
)


class Peer(NamedTuple):
    """A caller to compare with: how to start it, or why it cannot be."""

    name: str
    version: str
    command: str
    """Shell words."""
    missing: str
    """Empty where it runs; else the reason in one line."""


def default_cache() -> Path:
    """Return the folder of the peers: CTDNA_PEERS, or one in the user's cache."""
    return Path(os.environ.get("CTDNA_PEERS", Path.home() / ".cache" / "ctdna-peers"))


def _run(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def _reason(text: str) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m|\[ERROR\]|https?://\S+|/\S*/", "", text)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"not found|could not|error", line, re.IGNORECASE)]
    return (told or lines or ["failed without a word"])[0][:200]


def on_path(name: str, program: str, package: str) -> Peer:
    """Return a peer that lies on the PATH."""
    if not shutil.which(program):
        return Peer(name, "", program, f"{program} is not on the PATH; {package}")
    _, text = _run([program, "--version"])
    number = re.search(r"\d+\.\d+(\.\d+)*", text)
    return Peer(name, number[0] if number else "", program, "")


def mutect2(cache: Path) -> Peer:
    """Return GATK, fetched by Maven with what it depends on unless that was done before."""
    folder = cache / "gatk"
    if not list(folder.glob("gatk-4*.jar")):
        if not shutil.which("mvn") or not shutil.which("java"):
            return Peer("Mutect2", GATK_VERSION, "", "mvn and java are not both installed")
        folder.mkdir(parents=True, exist_ok=True)
        absent = "".join(
            f"<exclusion><groupId>{group}</groupId><artifactId>{name}</artifactId></exclusion>"
            for group, name in (one.split(":") for one in _ABSENT)
        )
        pom = folder / "pom.xml"
        pom.write_text(_POM.format(version=GATK_VERSION, absent=absent), encoding="utf-8")
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        code, text = _run(["mvn", "-B", "-q", "-U", "-f", str(pom), *goal])
        if code:
            return Peer("Mutect2", GATK_VERSION, "", _reason(text))
    return Peer("Mutect2", GATK_VERSION, f"java -Xmx3g -cp '{folder}/*' org.broadinstitute.hellbender.Main", "")


def _cargo(cache: Path, name: str, version: str) -> Peer:
    """Return a Rust program, built by cargo unless that was done before."""
    program = cache / name / "bin" / name
    if not program.exists():
        if not shutil.which("cargo"):
            return Peer(name, version, "", "cargo is not installed")
        root = str(cache / name)
        code, text = _run(["cargo", "install", name, "--version", version, "--root", root, "--locked", "-j", "1"])
        if code:
            return Peer(name, version, "", _reason(text))
    return Peer(name, version, str(program), "")


def varlociraptor(cache: Path) -> Peer:
    """Return varlociraptor."""
    return _cargo(cache, "varlociraptor", VARLOCIRAPTOR_VERSION)


def fgumi(cache: Path) -> Peer:
    """Return fgumi, whose duplex consensus reads the callers get."""
    return _cargo(cache, "fgumi", FGUMI_VERSION)


def umierrorcorrect(cache: Path) -> Peer:
    """Return UMIErrorCorrect, installed by pip into an environment of the peers' own."""
    folder = cache / "python-peers"
    path = folder / "bin" / "run_umierrorcorrect.py"
    if not path.exists():
        steps = [] if folder.exists() else [[sys.executable, "-m", "venv", str(folder)]]
        pip = [str(folder / "bin" / "pip"), "install", "-q"]
        steps += [[*pip, *_BUILD], [*pip, "--no-build-isolation", f"umierrorcorrect=={UMIERRORCORRECT_VERSION}"]]
        for words in steps:
            code, text = _run(words)
            if code:
                return Peer("UMIErrorCorrect", UMIERRORCORRECT_VERSION, "", _reason(text))
    return Peer("UMIErrorCorrect", UMIERRORCORRECT_VERSION, f"env PATH={folder}/bin:$PATH {path}", "")


def all_peers(cache: Path, chosen: tuple[str, ...] | None) -> dict[str, Peer]:
    """Return every peer by name; of the installed ones only those chosen (None: all) are installed."""
    makers: dict[str, Callable[[Path], Peer]] = {
        "Mutect2": mutect2,
        "UMIErrorCorrect": umierrorcorrect,
        "varlociraptor": varlociraptor,
        "fgumi": fgumi,
    }
    found = {name: make(cache) for name, make in makers.items() if chosen is None or name in chosen}
    left = {name: Peer(name, "", "", "left out of this run") for name in makers if name not in found}
    others = [
        on_path("freebayes", "freebayes", "install it by apt"),
        on_path("bcftools", "bcftools", "install it by apt"),
        on_path("VarDict", "vardict-java", "no package registry holds it"),
        on_path("LoFreq", "lofreq", "no package registry holds it"),
        Peer("migec", "2.5.1", "", MIGEC),
    ]
    return {**found, **left, **{peer.name: peer for peer in others}}
