"""One byte changed in any file of a signed-off run is found, and the file is named."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ctdna.bundle.trust import site_trust
from ctdna.bundle.walk import verify
from ctdna.model.errors import DefinitionError
from tests.bundle.world import QUICK, SAMPLE, Site, at_home

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]  # reports are rendered and signed

REPORTS = [f"report.{language}.{kind}" for language in ("en", "zh") for kind in ("html", "pdf")]
DOCUMENTS = ["bundle.json", "bundle.json.sig", "bundle.seal.json", "bundle.seal.json.sig"]
RESULT = ["result.json", "reads.json"]
FILES = sorted(
    [
        *DOCUMENTS,
        "provenance.json",
        "run.json",
        "qc/run.json",
        f"qc/{SAMPLE}.json",
        *(f"samples/{SAMPLE}/{name}" for name in ("annotate.vcf.gz", "call.vcf.gz", "call.loci.tsv.gz")),
        *(f"samples/{SAMPLE}/{name}.tbi" for name in ("annotate.vcf.gz", "call.vcf.gz", "call.loci.tsv.gz")),
        *(f"samples/{SAMPLE}/{name}" for name in ("filter.bam", "filter.bam.bai")),
        *(f"reports/{SAMPLE}/{name}" for name in [*DOCUMENTS, *RESULT, *REPORTS]),
        *(f"reports/{SAMPLE}/v1/{name}" for name in ["approval.json", "approval.json.sig", *REPORTS]),
        *(f"reports/{SAMPLE}/v2/{name}" for name in ["approval.json", "approval.json.sig", *REPORTS, *RESULT]),
        *(f"reports/{SAMPLE}/v2/{name}" for name in ["amendment.json", "amendment.json.sig"]),
    ]
)
N_PLACES = 3


@pytest.fixture(scope="module")
def attacked(approved_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    copy = approved_site.copy(tmp_path_factory.mktemp("attacked") / "site")
    with pytest.MonkeyPatch.context() as patch:
        yield at_home(copy, patch)


def failure(site: Site, path: Path | None = None) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        list(verify(path or site.run, site_trust(), site.ledger, QUICK))
    return caught.value


def places(size: int, seed: str) -> list[int]:
    """Return the first, the last and some other places."""
    rng = random.Random(seed)
    return sorted({0, size - 1, *(rng.randrange(size) for _ in range(N_PLACES))})


def test_these_are_all_files_that_count(attacked: Site) -> None:
    found = {path.relative_to(attacked.run).as_posix() for path in attacked.run.rglob("*") if path.is_file()}
    loose = {"logs/snakemake.log", "config.yaml", ".ctdna.inputs.json"}
    assert sorted(found - loose) == FILES


@pytest.mark.req("REQ-BDL-001")
@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_found_and_the_file_named(attacked: Site, name: str) -> None:
    path = attacked.run / name
    content = path.read_bytes()
    try:
        for at in places(len(content), name):
            changed = bytearray(content)
            changed[at] ^= 1 << (at % 8)
            path.write_bytes(changed)
            error = failure(attacked)
            assert name.removesuffix(".sig") in error.path, (at, str(error))
    finally:
        path.write_bytes(content)


@pytest.mark.req("REQ-BDL-002")
@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found_and_named(attacked: Site, name: str) -> None:
    path, aside = attacked.run / name, attacked.run / ".aside"
    path.rename(aside)
    try:
        if name == "bundle.json":
            return
        error = failure(attacked)
        assert name.removesuffix(".sig") in error.path
        assert "missing" in error.what
    finally:
        aside.rename(path)


@pytest.mark.req("REQ-BDL-002")
@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "qc/other.json",
        f"samples/{SAMPLE}/call.vcf",
        f"reports/{SAMPLE}/report.fr.html",
        f"reports/{SAMPLE}/v1/report.fr.html",
        f"reports/{SAMPLE}/v2/more.json",
        f"reports/{SAMPLE}/v9/approval.json",
        "reports/X/v1/approval.json",
        "reports/X/bundle.json",
        "lot.json.sig",
    ],
)
def test_an_added_file_is_found_and_named(attacked: Site, name: str) -> None:
    path = attacked.run / name
    folders = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}\n")
    try:
        error = failure(attacked)
        assert name.rpartition("/")[0].partition("/v9")[0] in error.path
        assert "added" in error.what or "missing" in error.what
    finally:
        path.unlink()
        for folder in folders:
            folder.rmdir()


def test_logs_and_configuration_may_differ(attacked: Site) -> None:
    (attacked.run / "logs" / "snakemake.log").write_text("another time\n")
    (attacked.run / "config.yaml").write_text("another: path\n")
    assert any(link.startswith("holds files") for link in attacked.links())
