"""Bytes turned, cut, doubled and put in at random: a command ends well, or with a code of its own and one line."""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders_bcl import encode_bgzf
from tests.end_to_end.conftest import REPOSITORY
from tests.end_to_end.world import KIT, World, ctdna, sequencer_run
from tests.report.run_folder import SAMPLE, Run, make_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
FEW = settings(
    max_examples=20,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Edit(NamedTuple):
    """A change at a place, given as a share of the length so that it fits any content."""

    kind: str
    at: float
    value: int

    def apply(self, content: bytes) -> bytes:
        at = int(self.at * len(content))
        return {
            "flip": content[:at] + bytes(b ^ (1 << self.value % 8) for b in content[at : at + 1]) + content[at + 1 :],
            "set": content[:at] + bytes([self.value]) + content[at + 1 :],
            "cut": content[:at],
            "drop": content[:at] + content[at + 1 + self.value :],
            "put": content[:at] + bytes([self.value]) * 5 + content[at:],
            "double": content[:at] + content[max(0, at - 40) : at] + content[at:],
            "large": content[:at] + b"\xff\xff\xff\x7f" + content[at + 4 :],
            "digits": content[:at] + b"99999999999999999999" + content[at:],
        }[self.kind]


KINDS = ("flip", "set", "cut", "drop", "put", "double", "large", "digits")
EDITS = st.lists(
    st.builds(Edit, st.sampled_from(KINDS), st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
    min_size=1,
    max_size=3,
)


def edited(content: bytes, edits: list[Edit]) -> bytes:
    """Return the content after all edits."""
    for edit in edits:
        content = edit.apply(content)
    return content


def ends_well_or_says_why(words: tuple[object, ...], out: Path) -> None:
    """Run a command; whatever comes, it has a code of its own, one line where it fails, and no file half-written."""
    ended = ctdna(*words)
    if ended.code == 0:
        return
    assert ended.code in (2, 3), ended
    assert [line[:12] for line in ended.errors] == ["ctdna: error"], ended.err
    assert [path for path in out.rglob("*") if path.is_file()] == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that all examples of a test share."""
    return tmp_path


def _fresh(folder: Path) -> Path:
    """Return the emptied folder of outputs."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return out


def _packed(content: bytes) -> bytes:
    """Return blocked gzip with right checksums, so that the edits reach what lies within."""
    return encode_bgzf(content, 20_000)


@pytest.mark.req("REQ-ERR-004")
@FEW
@given(edits=EDITS, is_inside=st.booleans())
def test_fastq(world: World, folder: Path, edits: list[Edit], is_inside: bool) -> None:
    content = (world / "r1.fastq.gz").read_bytes()
    path, out = folder / "r1.fastq.gz", _fresh(folder)
    path.write_bytes(_packed(edited(gzip.decompress(content), edits)) if is_inside else edited(content, edits))
    ends_well_or_says_why(world.command("extract", out, r1=path), out)


@pytest.mark.req("REQ-ERR-004")
@FEW
@given(edits=EDITS, is_inside=st.booleans(), stage=st.sampled_from(("group", "consensus", "filter", "call", "realign")))
def test_bam(world: World, folder: Path, edits: list[Edit], is_inside: bool, stage: str) -> None:
    words = world.command(stage, folder)
    content = Path(str(words[2])).read_bytes()
    path, out = folder / "in.bam", _fresh(folder)
    path.write_bytes(_packed(edited(gzip.decompress(content), edits)) if is_inside else edited(content, edits))
    ends_well_or_says_why(world.command(stage, out, input=path), out)


@FEW
@given(edits=EDITS, name=st.sampled_from(("panel.bed", "reference.fa", "reference.fa.fai")))
def test_panel_and_reference(world: World, folder: Path, edits: list[Edit], name: str) -> None:
    for part in ("panel.bed", "reference.fa", "reference.fa.fai"):
        content = (world / part).read_bytes()
        (folder / part).write_bytes(edited(content, edits) if part == name else content)
    out = _fresh(folder)
    paths = {"targets": folder / "panel.bed", "reference": folder / "reference.fa"}
    ends_well_or_says_why(world.command("call", out, **paths), out)


@pytest.mark.req("REQ-ERR-004")
@FEW
@given(edits=EDITS, kind=st.sampled_from(("cbcl", "bcl.gz", "bcl.bgzf")), which=st.integers(0, 10_000))
def test_run_folder(folder: Path, edits: list[Edit], kind: str, which: int) -> None:
    shutil.rmtree(folder / "run", ignore_errors=True)
    run = sequencer_run(folder / "run", kind)
    files = sorted(path for path in run.rglob("*") if path.is_file())
    path = files[which % len(files)]
    path.write_bytes(edited(path.read_bytes(), edits))
    out = _fresh(folder)
    ends_well_or_says_why(("demultiplex", run, "--output", out), out)


@pytest.mark.req("REQ-ERR-004")
@FEW
@given(edits=EDITS)
def test_sample_sheet(folder: Path, edits: list[Edit]) -> None:
    run = folder / "run"
    sheet = (sequencer_run(run) if not run.exists() else run) / "SampleSheet.csv"
    text = (
        b"[Header]\r\nFileFormatVersion,2\r\n[Reads]\r\nRead1Cycles,5\r\n[BCLConvert_Settings]\r\n"
        b"BarcodeMismatchesIndex1,0\r\n[BCLConvert_Data]\r\nLane,Sample_ID,Index,Index2\r\n1,S1,AAAA,CCCC\r\n"
        b"1,S2,GGTT,TTGG\r\n[Ctdna_Settings]\r\nKit,ctdna-demo@1.0.0\r\n[Ctdna_Data]\r\n"
        b"Sample_ID,Sample_Type,Diagnosis,Input_ng\r\nS1,patient,Lung cancer,12.5\r\n"
    )
    sheet.write_bytes(edited(text, edits))
    out = _fresh(folder)
    ends_well_or_says_why(("demultiplex", run, "--output", out), out)
    ends_well_or_says_why(("run", run, "--kit", KIT, "--output", out / "results", "--prepare"), out / "results")


@pytest.mark.req("REQ-ERR-004")
@FEW
@given(edits=EDITS, name=st.sampled_from(("kit.yaml", "kit.yaml", "kit.yaml", "panel.bed", "hotspots.tsv")))
def test_kit(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, edits: list[Edit], name: str) -> None:
    kit = folder / "kits" / "mine" / "1.0.0"
    shutil.rmtree(kit, ignore_errors=True)
    shutil.copytree(REPOSITORY / "config" / "kits" / "ctdna-demo" / "1.0.0", kit)
    (kit / "kit.lock.json").unlink(missing_ok=True)
    (kit / "kit.yaml").write_text((kit / "kit.yaml").read_text().replace("name: ctdna-demo", "name: mine", 1))
    (kit / name).write_bytes(edited((kit / name).read_bytes(), edits))
    monkeypatch.setenv("CTDNA_KITS", str(folder / "kits"))
    out = _fresh(folder)
    ends_well_or_says_why(world.command("consensus", out, kit="mine@1.0.0"), out)
    ended = ctdna("kit", "validate", "mine@1.0.0")
    assert ended.code in (0, 2, 3), ended


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("sound"))


@FEW
@given(edits=EDITS, is_inside=st.booleans())
def test_variants(sound: Run, folder: Path, edits: list[Edit], is_inside: bool) -> None:
    content = (sound.folder / "samples" / SAMPLE / "call.vcf.gz").read_bytes()
    path, out = folder / "call.vcf.gz", _fresh(folder)
    path.write_bytes(_packed(edited(gzip.decompress(content), edits)) if is_inside else edited(content, edits))
    words = ("annotate", "--input", path, "--reference", sound.reference, "--kit", KIT, "--output", out / "a.vcf.gz")
    ends_well_or_says_why(words, out)


PARTS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("run.json", bytes),
    (f"qc/{SAMPLE}.json", bytes),
    ("qc/run.json", bytes),
    (f"samples/{SAMPLE}/annotate.vcf.gz", _packed),
    (f"samples/{SAMPLE}/call.loci.tsv.gz", _packed),
    (f"samples/{SAMPLE}/filter.bam", _packed),
)


@FEW
@given(edits=EDITS, part=st.sampled_from(PARTS))
def test_sources_of_a_report(
    sound: Run, folder: Path, edits: list[Edit], part: tuple[str, Callable[[bytes], bytes]]
) -> None:
    name, pack = part
    shutil.rmtree(folder / "finished", ignore_errors=True)
    run = shutil.copytree(sound.folder, folder / "finished")
    content = (run / name).read_bytes()
    (run / name).write_bytes(pack(edited(content if pack is bytes else gzip.decompress(content), edits)))
    out = _fresh(folder)
    words = ("report", "--run-dir", run, "--sample", SAMPLE, "--kit", KIT, "--reference", sound.reference)
    ends_well_or_says_why((*words, "--output", out / "report"), out)


@FEW
@given(edits=EDITS)
def test_design(folder: Path, edits: list[Edit]) -> None:
    path, out = folder / "design.yaml", _fresh(folder)
    text = (
        (REPOSITORY / "test-data" / "tiny.yaml")
        .read_bytes()
        .replace(b"molecules_per_target: 60", b"molecules_per_target: 1")
    )
    path.write_bytes(edited(text, [edit for edit in edits if edit.kind != "digits"]))
    words = ("simulate", "--design", path, "--kit", KIT, "--seed", 1, "--fastq-only", "--output", out / "run")
    ends_well_or_says_why(words, out)


def test_the_edits_change_the_content() -> None:
    content = bytes(range(100))
    for kind in KINDS:
        assert Edit(kind, 0.5, 7).apply(content) != content
