"""The programs to compare with."""

from pathlib import Path

from benchmarks.peers import UMIERRORCORRECT_VERSION, Peer, by_maven, by_pip

FGBIO_VERSION = "4.1.0"
UMI_TOOLS_VERSION = "1.1.6"
FGBIO_CLASS = "com.fulcrumgenomics.cmdline.FgBioMain"


def fgbio(cache: Path) -> Peer:
    """Return fgbio."""
    folder = cache / "fgbio"
    missing = by_maven(folder, "com.fulcrumgenomics:fgbio_2.13", FGBIO_VERSION)
    start = ("java", "-Xmx4g", "-cp", f"{folder}/*", FGBIO_CLASS)
    return Peer("fgbio", FGBIO_VERSION, () if missing else start, missing)


def umi_tools(cache: Path) -> Peer:
    """Return UMI-tools."""
    return by_pip(cache, "umi_tools", UMI_TOOLS_VERSION, "umi_tools")


def umierrorcorrect(cache: Path) -> Peer:
    """Return UMIErrorCorrect's step from an aligned BAM to consensus reads."""
    return by_pip(cache, "umierrorcorrect", UMIERRORCORRECT_VERSION, "umi_error_correct.py")
