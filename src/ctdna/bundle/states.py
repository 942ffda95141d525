"""How far the sign-off of a run's results has come, for the table of a run."""

from pathlib import Path

from ctdna.bundle.make import MANIFEST, run_key
from ctdna.bundle.source import FolderSource
from ctdna.bundle.versions import Versions, versions_of
from ctdna.formats.documents import read_json
from ctdna.ledger.ledger import Ledger
from ctdna.model.manifest import RunManifest


def _is_reviewed(run: str, sample: str, version: int, ledger: Ledger) -> bool:
    return any(item.meaning == "reviewed" for item in ledger.signatures(run, sample, version))


def _state(versions: Versions, run: str, sample: str, ledger: Ledger | None) -> str:
    n = versions.n_approved
    if n and not versions.has_draft:
        return f"approved v{n}"
    waiting = n + 1
    is_reviewed = ledger is not None and _is_reviewed(run, sample, waiting, ledger)
    state = "reviewed" if is_reviewed else "draft"
    return state if waiting == 1 else f"{state} v{waiting}"


def sign_off_states(output: Path, ledger: Ledger | None) -> dict[str, str]:
    """Return the state of each sample's report by sample id: `draft`, `reviewed`, `approved v1`, `draft v2`, ...

    By the files that are there, and by the ledger for reviews; nothing is verified: see `ctdna verify`.

    Raises:
        InputError: there is no run in the folder.
        DefinitionError: a version is missing, or there is a link.
    """
    manifest = read_json(output / MANIFEST, RunManifest)
    source, run = FolderSource(output, "reports"), run_key(manifest)
    return {
        item.sample_id: _state(versions_of(source, item.sample_id), run, item.sample_id, ledger)
        for item in manifest.samples
    }
