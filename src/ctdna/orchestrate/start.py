"""The start of a run in the ledger: its name there, the overrides that it uses up, who began it with what."""

from pathlib import Path

from ctdna.bundle.make import run_key
from ctdna.formats.documents import dump_json
from ctdna.kit.authority import Authority
from ctdna.kit.load import LoadedKit
from ctdna.kit.states import statement_digest
from ctdna.model.errors import DefinitionError
from ctdna.model.ledger import RunStarted
from ctdna.model.manifest import RunManifest


def check_unchanged(path: Path, manifest: RunManifest) -> None:
    """Hold that run.json is still what the run began with: its trace stands on every report.

    Raises:
        DefinitionError: it was changed, or is gone.
    """
    if not path.is_file() or path.read_bytes() != dump_json(manifest).encode():
        raise DefinitionError(path, "", "was changed while the run went on", "run again in a new output folder")


def record_start(authority: Authority, kit: LoadedKit, manifest: RunManifest) -> None:
    """Record the start of a run with a trace, once: a resumed run has its entry already.

    Raises:
        AuthorityError: the person may not, or an override was used by another run meanwhile.
    """
    trace, run, ledger = manifest.trace, run_key(manifest), authority.ledger
    assert trace is not None
    assert trace.build is not None
    if ledger.run(run) is not None:
        return
    used = {one.override_id for one in ledger.overrides(manifest.run_id) if one.used_by == run}
    for one in trace.overrides:
        if one.override_id not in used:
            ledger.use_override(authority.actor, one.override_id, one.gate, run)
    authority.record(
        RunStarted(
            run=run,
            run_id=manifest.run_id,
            kit=manifest.kit,
            kit_digest=manifest.kit_digest,
            kit_statement=statement_digest(kit.statements[-1].statement) if kit.statements else None,
            lot=trace.lot.lot if trace.lot else None,
            build_digest=trace.build.digest,
            instrument=manifest.instrument,
            use=trace.use,
            samples=tuple(sample.sample_id for sample in manifest.samples),
        )
    )
