"""A kit's life with real commands: made, signed, released, run, harmed, retired."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest

from ctdna.kit.load import read_kit
from ctdna.ledger.open import open_ledger
from ctdna.model.ledger import InstrumentAdded
from tests.end_to_end.conftest import ctdna
from tests.kit import states
from tests.kit.test_moves import CLAIMS, prove
from tests.ledger.world import SITE, World, make_world, password

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KIT = "ctdna-demo@1.1.0"
PROMISED = "EGFR p.(Leu858Arg)"


class Lab:
    """One machine of a manufacturer that is its own laboratory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.world: World = make_world()
        states.manufacturer()
        for user in ("tech", "dir"):
            (root / user).write_text(password(user))

    def do(self, *words: object, user: str | None = None, code: int = 0) -> str:
        who = ["--user", user, "--password-file", self.root / user] if user else []
        done = ctdna(*words, *who)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def run(self, output: str, sheet: Path, folder: Path, code: int, user: str | None = "tech") -> str:
        words = ["run", folder, "--kit", KIT, "--output", self.root / output, "--sample-sheet", sheet, "--threads", 2]
        return self.do(*words, user=user, code=code)

    @property
    def kit(self) -> Path:
        return self.root / "kits" / "ctdna-demo" / "1.1.0"


def with_lot(sheet: Path, lot: str, path: Path) -> Path:
    """Write a sample sheet of the kit whose samples are all of a lot."""
    head, data = sheet.read_text().replace("ctdna-demo@1.0.0", KIT).split("[Ctdna_Data]\n")
    rows = list(csv.DictReader(io.StringIO(data)))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "Kit_Lot": lot} for row in rows)
    path.write_text(f"{head}[Ctdna_Data]\n{text.getvalue()}")
    return path


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    monkeypatch.delenv("CTDNA_LEDGER", raising=False)
    monkeypatch.delenv("CTDNA_USER", raising=False)
    return Lab(tmp_path)


def _release(lab: Lab) -> None:
    lab.do("kit", "new", KIT, "--from", "ctdna-demo@1.0.0", "--output", lab.root / "kits")
    lab.do("kit", "freeze", KIT, user="dir")
    lab.do("kit", "sign", KIT, "--key", "acme", user="dir")
    lab.do("build", "lock", "--key", "acme", "--output", lab.root / "build.lock.json")
    lab.do("build", "install", lab.root / "build.lock.json")
    prove(lab.world, read_kit(lab.kit), *CLAIMS)
    claims = [word for claim in CLAIMS for word in ("--claim", claim)]
    lab.do("kit", "release", KIT, "--key", "acme", "--build-lock", lab.root / "build.lock.json", *claims, user="dir")


def _lot(lab: Lab, run_folder: Path) -> Path:
    lab.do(
        "lot", "new", "L1", "--kit", KIT, "--expires", "2090-12-31", "--control", f"{PROMISED}=0.8:0.9",
        "--output", lab.root / "made", "--key", "acme",
    )  # fmt: skip
    lab.do("lot", "add", lab.root / "made" / f"L1.{KIT}.json", user="tech")
    return with_lot(run_folder / "SampleSheet.csv", "L1", lab.root / "sheet.csv")


def _instrument(run_folder: Path) -> str:
    found = re.search("<Instrument>(.+)</Instrument>", (run_folder / "RunInfo.xml").read_text())
    assert found is not None
    return found[1]


def _harms(lab: Lab, sheet: Path, run_folder: Path) -> None:
    kept = lab.root / "kept"
    shutil.copytree(lab.kit, kept)
    for name in ("kit.yaml", "background.gz", "kit.states.json"):
        content = bytearray((lab.kit / name).read_bytes())
        content[len(content) // 2] ^= 1
        (lab.kit / name).write_bytes(content)
        told = lab.run("harmed", sheet, run_folder, code=3)
        assert f"ctdna: error 3: {lab.kit / name}: " in told
        (lab.kit / name).write_bytes((kept / name).read_bytes())
    assert not (lab.root / "harmed").exists()


@pytest.mark.req("REQ-RUN-012")
def test_a_released_kit_is_run_harmed_and_retired(lab: Lab, run_folder: Path) -> None:
    _release(lab)
    sheet = _lot(lab, run_folder)
    told = lab.run("out", sheet, run_folder, code=6)
    assert "gate instrument_unknown" in told
    assert not (lab.root / "out").exists()
    serial = _instrument(run_folder)
    lab.world.ledger.record(
        lab.world.actor("root"), InstrumentAdded(serial=serial, model="NovaSeq 6000", site=SITE)
    )  # fmt: skip
    lab.run("out", sheet, run_folder, code=4)
    manifest = json.loads((lab.root / "out" / "run.json").read_text())
    trace = manifest["trace"]
    assert (manifest["kit_state"], trace["operator"], trace["lot"]["lot"]) == ("released", "tech", "L1")
    assert (trace["use"], trace["use_reasons"], trace["build"]["state"]) == ("clinical", [], "locked")
    control = json.loads((lab.root / "out" / "qc" / "TINY-PC.json").read_text())["controls"]
    (held,) = [item for item in control if item["label"] == PROMISED]
    assert (held["vaf_min"], held["vaf_max"], held["status"]) == (0.8, 0.9, "fail")
    (started,) = open_ledger().runs()
    assert (started.use, started.operator, started.lot) == ("clinical", "tech", "L1")
    _harms(lab, sheet, run_folder)
    lab.do("kit", "retire", KIT, "--key", "acme", "--why", "too old", user="dir")
    assert "gate kit_retired: kit ctdna-demo@1.1.0 is retired (too old)" in lab.run("late", sheet, run_folder, code=6)
    assert open_ledger().verify() == ()
