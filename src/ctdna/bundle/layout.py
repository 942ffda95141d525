"""Which files of a run's output folder a bundle speaks of, and where its own documents lie."""

import os
import re
from pathlib import Path

from ctdna.model.errors import DefinitionError

BUNDLE = "bundle.json"
SIGNATURE = "bundle.json.sig"
SEAL = "bundle.seal.json"
SEAL_SIGNATURE = "bundle.seal.json.sig"
PROVENANCE = "provenance.json"
_OWN = (BUNDLE, SIGNATURE, SEAL, SEAL_SIGNATURE)
MAX_DEPTH = 16
"""Of folders; a run has at most four."""
_LOOSE_FOLDERS = ("logs", "benchmarks")
_LOOSE_FILES = ("config.yaml", PROVENANCE)
_COMMON = ("run.json", "lot.json", "lot.json.sig", "fastq/demultiplex.json", "qc/run.json")
_VERSION = re.compile(r"reports/([^/]+)/(v[1-9][0-9]{0,3}(?:-draft)?)/(.+)\Z")


def own_folder(sample: str | None) -> str:
    """Return where a bundle's own documents lie, relative to the run's folder, with a closing slash; `""`: the top."""
    return "" if sample is None else f"reports/{sample}/"


def is_own(path: str) -> bool:
    """Return whether a file is one of the documents of a bundle itself, of the run or of a sample."""
    folder, _, name = path.rpartition("/")
    return name in _OWN and (folder == "" or re.fullmatch(r"reports/[^/]+", folder) is not None)


def version_of(path: str) -> tuple[str, str, str] | None:
    """Return (sample, version folder, name) of a file of a signed-off or amended version; None of any other file."""
    found = _VERSION.match(path)
    return (found[1], found[2], found[3]) if found else None


def counts(path: str) -> bool:
    """Return whether a run's bundle lists the file: the same input gives the same bytes of it."""
    if path in _LOOSE_FILES or path.split("/")[0] in _LOOSE_FOLDERS:
        return False
    return not is_own(path) and version_of(path) is None


def is_of_sample(path: str, sample: str) -> bool:
    """Return whether the bundle of a sample lists this file of the run."""
    if path in (*_COMMON, f"qc/{sample}.json"):
        return True
    if path in (f"fastq/{sample}_R1.fastq.gz", f"fastq/{sample}_R2.fastq.gz"):
        return True
    return path.startswith((f"samples/{sample}/", f"reports/{sample}/"))


def walk_files(root: Path) -> dict[str, int]:
    """Return the size of each file of a folder by its relative path; hidden names are passed over.

    Raises:
        DefinitionError: there is a link, something that is neither file nor folder, or a folder nested too deep.
    """
    found: dict[str, int] = {}

    def look(folder: Path, prefix: str) -> None:
        if prefix.count("/") > MAX_DEPTH:
            raise DefinitionError(folder, "", "lies deeper than any folder of a run", "take it out of the run's folder")
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    look(Path(entry.path), f"{prefix}{entry.name}/")
                elif entry.is_file(follow_symlinks=False):
                    found[prefix + entry.name] = entry.stat(follow_symlinks=False).st_size
                elif prefix.split("/")[0] not in _LOOSE_FOLDERS:
                    hint = "put the file itself there"
                    raise DefinitionError(
                        entry.path, "", "is a link or no plain file: a bundle holds plain files", hint
                    )

    look(root, "")
    return found
