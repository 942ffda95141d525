"""A small run of a site with a ledger: finished, bundled, and signed off as a test asks."""

import json
import shutil
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest

from ctdna.bundle.finish import Finished, bundle_run
from ctdna.bundle.inputs import note_inputs
from ctdna.bundle.make import run_key
from ctdna.bundle.sign_off import Signing, amend, approve, pdf_key, review, standing
from ctdna.bundle.trust import site_trust
from ctdna.bundle.walk import Wanted, verify
from ctdna.cli.report import command as report
from ctdna.formats.documents import dump_json, read_json, write_json
from ctdna.kit.authority import Authority
from ctdna.ledger.ledger import Ledger
from ctdna.ledger.open import open_ledger
from ctdna.model.ledger import RunStarted
from ctdna.model.manifest import RunManifest
from ctdna.model.sample import Specimen
from ctdna.model.trace import LotFacts, TraceFacts
from tests.ledger.world import SITE, make_world, password
from tests.report.run_folder import KIT, SAMPLE, make_run

__all__ = ["SAMPLE", "SITE", "password"]
OTHER = "P05-plasma"
PROVENANCE = json.dumps({"finished_at": "2026-03-03T10:00:00+00:00", "host": "seq-pc"}) + "\n"
QUICK = Wanted(is_rendered=False, threads=1)


class Site(NamedTuple):
    """The places of a site: all below one folder, so that a copy of it is another site like it."""

    root: Path

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def inputs(self) -> Path:
        return self.root / "fastq"

    @property
    def ledger(self) -> Ledger:
        return open_ledger()

    @property
    def report(self) -> Path:
        return self.run / "reports" / SAMPLE

    def copy(self, target: Path) -> "Site":
        shutil.copytree(self.root, target)
        return Site(target)

    def review(self, user: str = "rev", comment: str = "controls looked at") -> None:
        review(standing(self.run, SAMPLE), self.ledger, Signing(user, password(user), "reviewed", comment))

    def approve(self, user: str = "dir") -> Path:
        signing = Signing(user, password(user), "approved", "fit to leave the laboratory")
        return approve(standing(self.run, SAMPLE), self.ledger, signing, None)

    def amend(self, why: str = "the diagnosis was entered wrongly", result: Path | None = None) -> Path:
        ledger = self.ledger
        return amend(standing(self.run, SAMPLE), ledger, ledger.authenticate("tech", password("tech")), why, result)

    def links(self, path: Path | None = None, wanted: Wanted = QUICK) -> list[str]:
        found = verify(path or self.run, site_trust(), self.ledger, wanted)
        return [f"{'note' if link.is_note else 'holds'} {link.name}: {link.what}" for link in found]


def _specimen() -> Specimen:
    return Specimen(
        subject_id="SUBJ-0041",
        sex="F",
        diagnosis="Lung adenocarcinoma",
        treatment="Gefitinib since 2025-11-03",
        drawn_at="2026-03-02T08:40",
        plasma_separated_at="2026-03-02T11:05",
        input_ng=14.0,
        operator="Jane Roe",
        kit_lot="L1",
    )


def make_manifest(run: Path, trace: TraceFacts | None) -> RunManifest:
    manifest = read_json(run / "run.json", RunManifest)
    samples = (manifest.samples[0].model_copy(update={"specimen": _specimen()}), *manifest.samples[1:])
    made = manifest.model_copy(update={"trace": trace, "samples": samples})
    write_json(run / "run.json", made)
    return made


def make_stages(root: Path, trace: TraceFacts | None) -> tuple[RunManifest, Path]:
    """Write a run whose stages are done; return its manifest and its reference."""
    run, inputs = root / "run", root / "fastq"
    run.mkdir(parents=True)
    inputs.mkdir()
    for read in (1, 2):
        (inputs / f"{SAMPLE}_R{read}.fastq.gz").write_bytes(b"reads %d" % read)
    made = make_run(run)
    reference = root / "reference.fa"
    for suffix in ("", ".fai"):
        Path(f"{made.reference}{suffix}").rename(f"{reference}{suffix}")
    manifest = make_manifest(run, trace)
    arguments = ["--run-dir", run, "--sample", SAMPLE, "--reference", reference, "--kit", KIT]
    with redirect_stderr(StringIO()):
        report.main([*map(str, arguments), "--output", str(run / "reports" / SAMPLE)], standalone_mode=False)
    (run / "logs").mkdir()
    (run / "logs" / "snakemake.log").write_text("times and paths\n")
    (run / "config.yaml").write_text(f"run_folder: {inputs}\n")
    return manifest, reference


def finish(root: Path, manifest: RunManifest, reference: Path, authority: Authority | None) -> None:
    """Bundle the run as `ctdna run` does at its end."""
    site = Site(root)
    note_inputs(site.inputs, None, site.run)
    bundle_run(Finished(site.inputs, None, reference, site.run, manifest, PROVENANCE), authority)
    (site.run / "provenance.json").write_text(PROVENANCE)


def _start(ledger: Ledger, manifest: RunManifest) -> Authority:
    tech = ledger.authenticate("tech", password("tech"))
    ledger.record(
        tech,
        RunStarted(
            run=run_key(manifest),
            run_id=manifest.run_id,
            kit=manifest.kit,
            kit_digest=manifest.kit_digest,
            lot="L1",
            build_digest="1" * 64,
            instrument=manifest.instrument,
            use="research",
            samples=tuple(sample.sample_id for sample in manifest.samples),
        ),
    )
    return Authority(ledger, tech)


def make_site(root: Path) -> Site:
    """Make a site with a finished run; CTDNA_HOME must be `home` in the folder."""
    site = Site(root)
    world = make_world()
    trace = TraceFacts(site=SITE, operator="tech", lot=LotFacts(lot="L1", expires="2030-12-31", digest=None))
    manifest, reference = make_stages(root, trace)
    finish(root, manifest, reference, _start(world.ledger, manifest))
    pdf_key(world.ledger, None)  # made here once: to find primes takes seconds
    return site


def at_home(site: Site, patch: pytest.MonkeyPatch) -> Site:
    """Make the site's home this process's own."""
    patch.setenv("CTDNA_HOME", str(site.home))
    patch.delenv("CTDNA_LEDGER", raising=False)
    patch.delenv("CTDNA_USER", raising=False)
    return site


def canonical(path: Path, **changes: object) -> None:
    """Change fields of a JSON document and keep its canonical form, as an attacker with this program would."""
    plain = json.loads(path.read_text())
    plain.update(changes)
    path.write_text(dump_json(plain))
