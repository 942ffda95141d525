"""The build in `provenance.json`: taken again at the end, and held against that of the start."""

import shutil
from pathlib import Path

import pytest

from ctdna.build.lock import lock_of
from ctdna.model.errors import DefinitionError
from ctdna.model.manifest import RunManifest
from ctdna.model.trace import BuildFacts, TraceFacts
from ctdna.orchestrate.provenance import build_digest, program_versions


def _manifest(digest: str | None) -> RunManifest:
    build = BuildFacts(digest=digest, state="unlocked") if digest else None
    return RunManifest(
        run_id="r",
        instrument=None,
        flow_cell=None,
        kit="k@1.0.0",
        kit_digest="",
        reference="k",
        align="once",
        software="0.1.0",
        samples=(),
        warnings=(),
        trace=TraceFacts(build=build),
    )


@pytest.mark.timeout(60)
def test_the_build_at_the_end_is_that_of_the_start(tmp_path: Path) -> None:
    digest = lock_of().digest
    assert build_digest(tmp_path, _manifest(digest)) == digest


@pytest.mark.req("REQ-BLD-004")
@pytest.mark.timeout(60)
def test_a_build_that_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"the build was abababababab\.\.\. at the start of the run and is"):
        build_digest(tmp_path, _manifest("ab" * 32))


def test_versions_name_the_aligner_or_that_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (program_versions()["bwa"] == "absent") == (shutil.which("bwa") is None)
    monkeypatch.setenv("PATH", "/nowhere")
    assert program_versions()["bwa"] == "absent"
