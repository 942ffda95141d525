"""References: checked against a kit, stored once, found again; and kits on slices of a genome."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ctdna.formats.kit_tables import read_hotspots
from ctdna.kit.load import LoadedKit, load_kit, read_kit
from ctdna.kit.reference import add_reference, resolve_reference, stored_references
from ctdna.kit.slices import slice_kit
from ctdna.kit.validate import validate_kit
from ctdna.model.errors import DefinitionError, InputError, ProgramError
from tests.kit.test_load import DEMO, edit

INDEXES = [".amb", ".ann", ".bwt", ".fai", ".pac", ".sa"]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "references"


@pytest.fixture
def demo() -> LoadedKit:
    return load_kit("ctdna-demo@1.0.0")


def without_fasta(kit: LoadedKit) -> LoadedKit:
    reference = kit.definition.reference.model_copy(update={"fasta": None})
    return kit._replace(definition=kit.definition.model_copy(update={"reference": reference}))


def test_a_reference_that_ships_with_its_kit_is_added_on_first_use(store: Path, demo: LoadedKit) -> None:
    before = sorted(path.name for path in DEMO.iterdir())
    fasta = resolve_reference(demo)
    assert fasta == store / "ctdna-demo" / "reference.fa"
    assert sorted(path.name.removeprefix("reference.fa") for path in fasta.parent.glob("reference.fa.*")) == INDEXES
    assert sorted(path.name for path in DEMO.iterdir()) == before
    stamp = fasta.stat().st_mtime_ns
    assert resolve_reference(demo) == add_reference(demo, DEMO / "reference.fa") == fasta
    assert fasta.stat().st_mtime_ns == stamp
    assert [item.name for item in stored_references()] == ["ctdna-demo"]
    assert [path.name for path in store.iterdir()] == ["ctdna-demo"]


def test_a_genome_that_was_not_added_is_asked_for(store: Path, demo: LoadedKit) -> None:
    message = "reference ctdna-demo (contrived) of kit ctdna-demo@1.0.0 was not added on this machine; run `ctdna ref"
    with pytest.raises(InputError, match=re.escape(message)):
        resolve_reference(without_fasta(demo))


@pytest.mark.req("REQ-KIT-006")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            ">demo_KRAS",
            ">other",
            "contig demo_KRAS: the kit needs this contig (1972 bases); the file holds 9: demo_EGFR",
        ),
        (">demo_KRAS\n", ">demo_KRAS\nA\n", "contig demo_KRAS: found 1973 bases, the kit allows 1972; give the genome"),
        (">demo_KRAS\nA", ">demo_KRAS\nC", "contig demo_KRAS: found a sequence of MD5"),
    ],
)
def test_another_genome_is_refused_and_leaves_nothing(
    store: Path, demo: LoadedKit, tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = (DEMO / "reference.fa").read_text()
    lines = re.sub(r">(\S+).*", r">\1", text)
    if old.endswith("\nA"):
        first = lines.split(">demo_KRAS\n")[1][0]
        old, new = f">demo_KRAS\n{first}", f">demo_KRAS\n{'C' if first != 'C' else 'G'}"
    assert old in lines
    (tmp_path / "wrong.fa").write_text(lines.replace(old, new, 1))
    with pytest.raises(DefinitionError, match=re.escape(message)) as caught:
        add_reference(demo, tmp_path / "wrong.fa")
    assert caught.value.exit_code == 3
    assert list(store.iterdir()) == []


def test_contigs_may_be_named_without_chr_and_are_stored_as_the_kit_names_them(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kits" / "my-kit" / "2.0.0"
    shutil.copytree(DEMO, folder)
    edit(folder, "name: ctdna-demo\nversion: 1.0.0", "name: my-kit\nversion: 2.0.0")
    contigs = (folder / "contigs.tsv").read_text()
    (folder / "contigs.tsv").write_text(contigs.replace("demo_", "chrdemo_"))
    fasta = add_reference(read_kit(folder), DEMO / "reference.fa")
    assert fasta.read_text().startswith(">chrdemo_EGFR\n")


@pytest.mark.req("REQ-KIT-006")
def test_a_damaged_store_is_noticed(store: Path, demo: LoadedKit) -> None:
    fasta = resolve_reference(demo)
    Path(f"{fasta}.bwt").unlink()
    with pytest.raises(DefinitionError, match=r"reference\.fa\.bwt: this index is missing; remove .* and add the ref"):
        resolve_reference(demo)
    fasta.write_text("x")
    with pytest.raises(DefinitionError, match=r"reference\.fa: has 1 bytes, was stored with \d+; remove"):
        resolve_reference(demo)
    (fasta.parent / "reference.json").unlink()
    with pytest.raises(DefinitionError, match="the stored reference is damaged"):
        resolve_reference(demo)


def test_a_missing_aligner_is_named(store: Path, demo: LoadedKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProgramError, match="bwa: the program is not found; install bwa") as caught:
        resolve_reference(demo)
    assert caught.value.exit_code == 5
    assert list(store.iterdir()) == []


def test_a_store_that_cannot_be_made(demo: LoadedKit, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"a part of the path is a file, not a folder|cannot write"):
        resolve_reference(demo, tmp_path / "file" / "store")


def test_both_shipped_kits_are_valid(store: Path, demo: LoadedKit) -> None:
    resolve_reference(demo)
    assert validate_kit(demo) == ((), ())
    found = validate_kit(load_kit("ctdna-core@1.0.0"))
    assert found.problems == ()
    assert found.notes == ("the reference is not at hand: bases and reading frames were not compared with it",)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: edit(folder, "fragment_end_bases: 6", "fragment_end_bases: 7"),
         "background.gz: fragment_end_bases: it was trained at 6, this call uses 7"),
        (lambda folder: (folder / "background.gz").write_bytes(b"spoilt"), "background.gz: "),
    ],
)  # fmt: skip
def test_validation_reads_the_background(
    store: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    folder = tmp_path / "kits" / "ctdna-demo" / "1.0.0"
    shutil.copytree(DEMO, folder)
    spoil(folder)
    problems = validate_kit(read_kit(folder)).problems
    assert len(problems) == 1
    assert problems[0].startswith(message)


@pytest.mark.req("REQ-KIT-005")
def test_validation_names_every_disagreement(store: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kits" / "my-kit" / "2.0.0"
    shutil.copytree(DEMO, folder)
    edit(folder, "name: ctdna-demo\nversion: 1.0.0", "name: my-kit\nversion: 2.0.0")
    edit(folder, r"\d+M\d+S\+T", "5Q2S+T")
    edit(folder, "aligner: bwa", "aligner: nothing")
    edit(folder, "metric: raw_read_pairs", "metric: raw_reads")
    edit(folder, "umis: null", "umis: umis.txt")
    edit(folder, "pos1: 5016, ref: T", "pos1: 5016, ref: C")
    (folder / "panel.bed").write_text("demo_EGFR\t4471\t4594\tOTHER:exon19\n")
    hotspots = (folder / "hotspots.tsv").read_text()
    (folder / "hotspots.tsv").write_text(hotspots + "demo_EGFR\t99999\tA\tC\tEGFR\tfar\n")
    transcripts = (folder / "transcripts.tsv").read_text()
    (folder / "transcripts.tsv").write_text(transcripts.replace("\t480\t6885\t", "\t483\t6882\t"))
    knowledge = (folder / "knowledge.tsv").read_text()
    (folder / "knowledge.tsv").write_text(knowledge.replace("p.V600E", "V600E like", 1))
    resolve_reference(load_kit("ctdna-demo@1.0.0"))
    problems = "\n".join(validate_kit(read_kit(folder)).problems)
    for message in (
        "umis.txt: kit my-kit@2.0.0 names this file, but it is missing",
        "kit.yaml: extract.read_structures:",
        "kit.yaml: align.aligner: `nothing` is no folder of pipeline/",
        "found metric `raw_reads`, allowed are",
        "target OTHER:exon19: its gene has no transcript in the kit",
        "hotspots.tsv: far: demo_EGFR:99999 is not on the reference",
        "controls.positive: EGFR p.(Leu858Arg): ref is C, the reference has T at demo_EGFR:5016",
        "transcript DEMO_EGFR.1: its CDS does not begin with a start codon",
        "transcript DEMO_EGFR.1: its CDS does not end with a stop codon",
        "variant `V600E like` has no known form",
        "background.gz: kit: found ctdna-demo@1.0.0, expected my-kit; train it anew by `ctdna background`",
    ):
        assert message in problems


@pytest.mark.timeout(60)
def test_the_core_kit_on_the_real_slices(store: Path, real_data: Path, tmp_path: Path) -> None:
    core = load_kit("ctdna-core@1.0.0")
    slices = real_data / "reference" / "panel_hg38_slices.fa"
    fasta = add_reference(core, slices)
    assert fasta == store / "GRCh38-slices" / "reference.fa"
    assert validate_kit(core).problems == ()
    with pytest.raises(InputError, match=r"slices of it are there: `ctdna kit slice ctdna-core@1.0.0` makes a kit"):
        resolve_reference(core)
    made = slice_kit(core, tmp_path / "kits")
    assert made.address == "ctdna-core-slices@1.0.0"
    assert "target NRAS:exon3" in made.left_out
    sliced = read_kit(made.folder)
    assert resolve_reference(sliced) == fasta
    assert validate_kit(sliced).problems == ()
    labels = {hotspot.label: (hotspot.contig, hotspot.pos1) for hotspot in read_hotspots(made.folder / "hotspots.tsv")}
    assert labels["EGFR p.(Leu858Arg)"] == ("chr7_55014000_55217000", 55191822 - 55014000 + 1)
    with pytest.raises(InputError, match="the folder cannot be made: File exists"):
        slice_kit(core, tmp_path / "kits")


def test_a_kit_without_slices_cannot_be_sliced(demo: LoadedKit, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the kit names no slices of its genome"):
        slice_kit(demo, tmp_path)
