"""Kits by name, their definition and their lock."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ctdna.kit.document import read_definition
from ctdna.kit.load import kit_folder, known_kits, load_kit
from ctdna.kit.lock import write_lock
from ctdna.kit.resources import shipped
from ctdna.model.errors import DefinitionError, InputError

DEMO = shipped("config") / "kits" / "ctdna-demo" / "1.0.0"


@pytest.fixture
def my_kit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the demo kit, `my-kit@2.0.0`, in a folder of CTDNA_KITS."""
    folder = tmp_path / "kits" / "my-kit" / "2.0.0"
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns("kit.lock"))
    edit(folder, "name: ctdna-demo\nversion: 1.0.0", "name: my-kit\nversion: 2.0.0")
    monkeypatch.setenv("CTDNA_KITS", os.pathsep.join([str(tmp_path / "absent"), str(tmp_path / "kits")]))
    return folder


def edit(folder: Path, old: str, new: str) -> None:
    path = folder / "kit.yaml"
    text = path.read_text("utf-8")
    changed, n = re.subn(old, lambda _: new, text, count=1)
    assert n
    path.write_text(changed, "utf-8")


def test_shipped_and_named_kits_are_found(my_kit: Path) -> None:
    assert list(known_kits())[:2] == ["ctdna-core@1.0.0", "ctdna-demo@1.0.0"]
    loaded = load_kit("my-kit@2.0.0")
    assert loaded.folder == my_kit
    assert loaded.address == "my-kit@2.0.0"
    assert loaded.path("panel.bed") == my_kit / "panel.bed"


def test_versions_are_in_the_order_of_their_numbers(my_kit: Path) -> None:
    for version in ("10.0.0", "9.1.0"):
        shutil.copytree(my_kit, my_kit.parent / version)
    assert [name for name in known_kits() if name.startswith("my-kit")] == [
        "my-kit@2.0.0",
        "my-kit@9.1.0",
        "my-kit@10.0.0",
    ]


@pytest.mark.req("REQ-KIT-002")
def test_the_digest_follows_every_byte_and_name_but_not_the_lock(my_kit: Path) -> None:
    before = load_kit("my-kit@2.0.0").digest
    assert write_lock(my_kit) == before == load_kit("my-kit@2.0.0").digest
    (my_kit / "kit.lock").unlink()
    (my_kit / "panel.bed").rename(my_kit / "panel2.bed")
    edit(my_kit, "panel: panel.bed", "panel: panel2.bed")
    renamed = load_kit("my-kit@2.0.0").digest
    (my_kit / "README.md").write_bytes((my_kit / "README.md").read_bytes() + b"\n")
    assert len({before, renamed, load_kit("my-kit@2.0.0").digest}) == 3


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ctdna-demo", "--kit: found `ctdna-demo`, expected NAME@VERSION, as `ctdna-demo@1.0.0`; known"),
        ("ctdna-demo@1.0", "found `ctdna-demo@1.0`, expected NAME@VERSION"),
        ("../x@1.0.0", "found `../x@1.0.0`, expected NAME@VERSION"),
        ("ctdna-dmo@1.0.0", "kit `ctdna-dmo@1.0.0` is not known (did you mean ctdna-demo@1.0.0?); known kits"),
        ("zzz@9.9.9", "kit `zzz@9.9.9` is not known; known kits"),
    ],
)  # fmt: skip
def test_unknown_kits_are_refused_with_what_is_known(address: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        kit_folder(address)


@pytest.mark.req("REQ-KIT-001")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r"strand_bias_p: \S+", "strand_bias_p: low", 'kit.yaml: call.strand_bias_p: found "low", Input should be a'),
        (
            "min_alt_molecules: 3",
            "min_alt_molecules: 3.5",
            "call.min_alt_molecules: found 3.5, Input should be a valid",
        ),
        (r"  min_alt_molecules: \S+\n", "", "call.min_alt_molecules: Field required; correct kit.yaml"),
        ("schema_version: 1", "schema_version: 2", "schema_version: found 2, Input should be 1"),
        (
            "version: 2.0.0",
            "version: 2.0.0\nstatus: released",
            'status: found "released", Extra inputs are not permitted',
        ),
        ("version: 2.0.0", "version: 2.0.0\nversion: 2.0.0", ": key `version` stands twice"),
        ("version: 2.0.0", "version: [", "is not YAML: expected"),
        ("version: 2.0.0", "7: x", ": key 7 is not text"),
        ("version: 2.0.0", "version: 2.0.1", "found name and version my-kit@2.0.1, but the folder says my-kit@2.0.0"),
    ],
)
def test_wrong_definitions_are_located(my_kit: Path, old: str, new: str, message: str) -> None:
    edit(my_kit, old, new)
    with pytest.raises(DefinitionError, match=re.escape(message)):
        load_kit("my-kit@2.0.0")


@pytest.mark.req("REQ-KIT-001")
def test_yaml_has_the_types_of_json_alone(my_kit: Path) -> None:
    edit(my_kit, r"artefact_p: \S+", "artefact_p: 1e-3")
    edit(my_kit, "en: ctDNA demonstration kit", "en: no")
    definition = read_definition(my_kit / "kit.yaml")
    assert definition.call.artefact_p == 0.001
    assert definition.title.en == "no"


def test_files_that_are_no_text_or_absent(my_kit: Path) -> None:
    with pytest.raises(DefinitionError, match=r"absent\.bed: kit my-kit@2\.0\.0 names this file, but it is missing"):
        load_kit("my-kit@2.0.0").path("absent.bed")
    with pytest.raises(DefinitionError, match=r"\.\./\.\./x: lies outside the kit's folder"):
        load_kit("my-kit@2.0.0").path("../../x")
    (my_kit / "kit.yaml").write_bytes(b"a: \xff")
    with pytest.raises(DefinitionError, match="byte 3: is not UTF-8 text"):
        load_kit("my-kit@2.0.0")


def _change(folder: Path) -> None:
    (folder / "panel.bed").write_bytes((folder / "panel.bed").read_bytes().replace(b"\n", b"\r\n", 1))


def _remove(folder: Path) -> None:
    (folder / "panel.bed").unlink()


def _add(folder: Path) -> None:
    (folder / "extra.txt").write_text("")


def _link(folder: Path) -> None:
    (folder / "panel.bed").rename(folder.parents[1] / "panel.bed")
    (folder / "panel.bed").symlink_to(folder.parents[1] / "panel.bed")


def _link_folder(folder: Path) -> None:
    (folder / "more").symlink_to(folder.parent)


def _rename_in_case(folder: Path) -> None:
    (folder / "panel.bed").rename(folder / "Panel.bed")


def _swap_background(folder: Path) -> None:
    (folder / "background.gz").write_bytes((folder / "common_snps.tsv").read_bytes())


def _forge(folder: Path) -> None:
    lock = (folder / "kit.lock").read_text()
    (folder / "kit.lock").write_text(lock.replace("# kit ", "# kit 0", 1))


def _spoil(folder: Path) -> None:
    (folder / "kit.lock").write_text("hello\n")


def _spoil_line(folder: Path) -> None:
    (folder / "kit.lock").write_text((folder / "kit.lock").read_text() + "hello\n")


@pytest.mark.req("REQ-KIT-003")
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_change, "panel.bed: changed since the kit was locked: SHA-256 is"),
        (_remove, "panel.bed: the kit's lock names this file, but it is missing"),
        (_add, "extra.txt: this file is not in the kit's lock; restore the kit's folder from its source"),
        (_link, "panel.bed: is a link or no plain file; a kit holds plain files only"),
        (_link_folder, "more: is a link or no plain file"),
        (_rename_in_case, "Panel.bed: this file is not in the kit's lock"),
        (_swap_background, "background.gz: changed since the kit was locked"),
        (_forge, "kit.lock: line 1: the lock's own digest does not fit its lines"),
        (_spoil, "kit.lock: line 1: expected `# kit <digest>`"),
        (_spoil_line, "found `hello`, expected `<sha256> <file>`"),
    ],
)
def test_a_locked_kit_that_differs_is_refused(my_kit: Path, harm: Callable[[Path], None], message: str) -> None:
    write_lock(my_kit)
    load_kit("my-kit@2.0.0")
    harm(my_kit)
    with pytest.raises(DefinitionError, match=re.escape(message)) as caught:
        load_kit("my-kit@2.0.0")
    assert caught.value.exit_code == 3


@pytest.mark.req("REQ-KIT-007")
def test_a_pinned_kit_answers_only_to_its_own_bytes() -> None:
    kit = load_kit("ctdna-demo@1.0.0")
    assert load_kit(kit.pinned).digest == kit.digest
    with pytest.raises(DefinitionError, match=r"found digest .* the kit changed since the run began"):
        load_kit("ctdna-demo@1.0.0#" + "0" * 64)
