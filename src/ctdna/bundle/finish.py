"""The end of a run: its bundles, their place in the ledger, their seals."""

from pathlib import Path
from typing import NamedTuple

from ctdna.bundle.inputs import check_unchanged, digests_of
from ctdna.bundle.make import Bundles, make_bundles, reference_digest, write_bundles, write_seals
from ctdna.formats.digest import sha256_of
from ctdna.formats.documents import read_json
from ctdna.kit.authority import Authority
from ctdna.ledger.local import site_key
from ctdna.model.errors import InputError
from ctdna.model.ledger import ResultMade, RunFinished
from ctdna.model.manifest import RunManifest
from ctdna.model.qc import RunQc
from ctdna.model.result import Result


class Finished(NamedTuple):
    """A run whose stages are done."""

    run_folder: Path
    sample_sheet: Path | None
    reference: Path
    """The FASTA that was aligned to."""
    output: Path
    manifest: RunManifest
    provenance: str
    """The text of provenance.json, which is written after this."""


def _record_result(done: Finished, run: str, sample: str, authority: Authority) -> None:
    path = done.output / "reports" / sample / "result.json"
    digest, verdict = sha256_of(path), read_json(path, Result).verdict
    known = authority.ledger.results(run, sample)
    if known and known[0].digest != digest:
        what = f"the ledger knows another result of this run: SHA-256 {known[0].digest[:16]}..., here {digest[:16]}..."
        raise InputError(path, "", what, "amend the approved result (ctdna amend) instead of running again")
    if not known:
        made = ResultMade(run=run, sample=sample, version=1, digest=digest, verdict=verdict)
        authority.record(made)


def _record_end(done: Finished, run: str, digest: str, authority: Authority) -> None:
    known = authority.ledger.run(run)
    if known is not None and known.bundle_digest == digest:
        return
    verdict = read_json(done.output / "qc" / "run.json", RunQc).verdict
    why = "" if known is None or known.bundle_digest is None else "run again from the same inputs"
    finished = RunFinished(run=run, bundle_digest=digest, verdict=verdict)
    authority.record(finished, why)


def bundle_run(done: Finished, authority: Authority | None) -> Bundles:
    """Write and seal the bundles of a run; return them. With an authority they are signed and stand in the ledger.

    A run without an operator is nobody's: its bundles are unsigned, even where the machine has a site's key.

    Raises:
        InputError: an input changed while the run worked, or a file cannot be read or written.
        AuthorityError: the person may not finish a run.
        DefinitionError: there is a link among the files, or the ledger is damaged.
    """
    inputs = digests_of(check_unchanged(done.run_folder, done.sample_sheet, done.output))
    bundles = make_bundles(done.output, done.manifest, inputs, reference_digest(done.reference))
    key = site_key() if authority else None
    digest = write_bundles(done.output, bundles, key)
    if authority:
        for sample in bundles.samples:
            _record_result(done, bundles.run.run, sample, authority)
        _record_end(done, bundles.run.run, digest, authority)
    write_seals(done.output, bundles, done.provenance, authority.ledger.head() if authority else None, key)
    return bundles
