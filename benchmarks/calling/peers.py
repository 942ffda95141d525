"""The callers to compare with."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers import UMIERRORCORRECT_VERSION, Peer, by_cargo, by_maven, by_pip, fgumi, run

GATK_VERSION = "4.6.2.0"
VARLOCIRAPTOR_VERSION = "8.12.0"
_ABSENT = ("org.apache.orc:orc", "com.fasterxml.jackson.module:jackson-module-scala_2.13")
"""What Spark's tools want and Maven Central does not hold in the version that GATK names; Mutect2 uses neither."""
MIGEC = (
    "migec assembles consensus reads by UMI alone, without a place, and calls no variants; 10 bases of UMI do not tell "
    "the 290,000 molecules of a sample apart, and Maven Central does not hold it"
)


def on_path(name: str, program: str, package: str, *helpers: str) -> Peer:
    """Return a peer that lies on the PATH, with the scripts that it needs there."""
    for one in (program, *helpers):
        if not shutil.which(one):
            return Peer(name, "", (program,), f"{one} is not on the PATH; {package}")
    _, text = run([program, "--version"])
    number = re.search(r"\d+\.\d+(\.\d+)*", text)
    return Peer(name, number[0] if number else "", (program,), "")


def mutect2(cache: Path) -> Peer:
    """Return GATK."""
    folder = cache / "gatk"
    missing = by_maven(folder, "org.broadinstitute:gatk", GATK_VERSION, _ABSENT)
    start = ("java", "-Xmx3g", "-cp", f"{folder}/*", "org.broadinstitute.hellbender.Main")
    return Peer("Mutect2", GATK_VERSION, () if missing else start, missing)


def varlociraptor(cache: Path) -> Peer:
    """Return varlociraptor."""
    return by_cargo(cache, "varlociraptor", VARLOCIRAPTOR_VERSION)


def umierrorcorrect(cache: Path) -> Peer:
    """Return UMIErrorCorrect, whose steps start each other by name."""
    found = by_pip(cache, "umierrorcorrect", UMIERRORCORRECT_VERSION, "run_umierrorcorrect.py")
    path = f"PATH={cache / 'python-peers' / 'bin'}:$PATH"
    return found._replace(name="UMIErrorCorrect", command=("env", path, *found.command) if found.command else ())


def all_peers(cache: Path, chosen: tuple[str, ...] | None) -> dict[str, Peer]:
    """Return every peer by name; of the installed ones only those chosen (None: all) are installed."""
    makers: dict[str, Callable[[Path], Peer]] = {
        "Mutect2": mutect2,
        "UMIErrorCorrect": umierrorcorrect,
        "varlociraptor": varlociraptor,
        "fgumi": fgumi,
    }
    found = {name: make(cache) for name, make in makers.items() if chosen is None or name in chosen}
    left = {name: Peer(name, "", (), "left out of this run") for name in makers if name not in found}
    others = [
        on_path("freebayes", "freebayes", "install it by apt"),
        on_path("bcftools", "bcftools", "install it by apt"),
        on_path("VarDict", "vardict-java", "no package registry holds it", "teststrandbias.R", "var2vcf_valid.pl"),
        on_path("LoFreq", "lofreq", "no package registry holds it"),
        Peer("migec", "2.5.1", (), MIGEC),
    ]
    return {**found, **left, **{peer.name: peer for peer in others}}
