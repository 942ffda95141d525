"""New kit versions as copies, and single values set in the text of kit.yaml."""

import re
from pathlib import Path

import pytest

from ctdna.formats.keys import PrivateKey
from ctdna.kit.edit import set_value
from ctdna.kit.load import read_kit
from ctdna.kit.lock import LOCK, STATES
from ctdna.kit.scaffold import new_kit
from ctdna.kit.validate import validate_kit
from ctdna.model.errors import DefinitionError, InputError
from tests.kit import states


@pytest.mark.req("REQ-KIT-017")
def test_the_next_version_is_the_same_but_for_its_number(tmp_path: Path, key: PrivateKey) -> None:
    source = states.move(states.copy_demo(tmp_path / "kits"), key, "investigational", "released")
    made = new_kit(source, "ctdna-demo@1.1.0", tmp_path / "kits")
    assert (made.kit.address, made.kit.state, made.kit.is_frozen, made.left_out) == (
        "ctdna-demo@1.1.0", "development", False, (),
    )  # fmt: skip
    names = {path.name for path in source.folder.iterdir()} - {LOCK, STATES}
    assert {path.name for path in made.kit.folder.iterdir()} == names
    for name in names - {"kit.yaml"}:
        assert (made.kit.folder / name).read_bytes() == (source.folder / name).read_bytes()
    before = (source.folder / "kit.yaml").read_text("utf-8")
    assert (made.kit.folder / "kit.yaml").read_text("utf-8") == before.replace("version: 1.0.0", "version: 1.1.0", 1)
    assert validate_kit(made.kit).problems == ()
    assert [path.name for path in (tmp_path / "kits" / "ctdna-demo").iterdir() if path.name.startswith(".")] == []


def test_a_kit_of_another_name_is_without_the_background(tmp_path: Path) -> None:
    made = new_kit(read_kit(states.DEMO), "my-kit@0.1.0", tmp_path)
    assert made.kit.definition.files.background is None
    assert not (made.kit.folder / "background.gz").exists()
    assert made.left_out == (
        "background.gz: a background is bound to its kit's name; train another by `ctdna kit background`",
    )
    assert validate_kit(made.kit).problems == ()


@pytest.mark.parametrize("address", ["my-kit", "my-kit@1.0", "../x@1.0.0", "my-kit@1.0.0\n", "My-Kit@1.0.0"])
def test_malformed_addresses_are_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match="expected NAME@VERSION"):
        new_kit(read_kit(states.DEMO), address, tmp_path)


def test_an_existing_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "ctdna-demo" / "1.1.0").mkdir(parents=True)
    with pytest.raises(InputError, match=r"1\.1\.0: exists already; choose another version or another output folder"):
        new_kit(read_kit(states.DEMO), "ctdna-demo@1.1.0", tmp_path)


@pytest.mark.req("REQ-KIT-017")
@pytest.mark.parametrize(
    ("text", "keys", "value", "after"),
    [
        ("# a\nname: x # b\nn: 1\n", ("name",), "y-2", "# a\nname: y-2 # b\nn: 1\n"),
        ("files:\n  a: 1\n  background: null  # none\n", ("files", "background"), "b.gz",
         "files:\n  a: 1\n  background: b.gz  # none\n"),
        ("files:\n  background:\n  a: 1\n", ("files", "background"), "b.gz", "files:\n  background: b.gz\n  a: 1\n"),
        ("files: {a: 1, background: b.gz}\n", ("files", "background"), None, "files: {a: 1, background: null}\n"),
        ('{"name": "x", "n": 1}\n', ("name",), "y", '{"name": "y", "n": 1}\n'),
        ('{"files": {"background": null}}\n', ("files", "background"), "b", '{"files": {"background": "b"}}\n'),
        ("name: 'x'\n", ("name",), "y", "name: y\n"),
    ],
)  # fmt: skip
def test_one_value_is_set_and_all_else_stays(
    tmp_path: Path, text: str, keys: tuple[str, ...], value: str | None, after: str
) -> None:
    path = tmp_path / "kit.yaml"
    path.write_text(text, "utf-8")
    set_value(path, keys, value)
    assert path.read_text("utf-8") == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "files.background: is absent, or no plain value; set it by hand"),
        ("files: [1]\n", "is absent, or no plain value"),
        ("files: {background: [1]}\n", "is absent, or no plain value"),
        ("files: [\n", "files.background: cannot be read: while parsing"),
    ],
)
def test_a_key_that_is_no_plain_value_is_left_alone(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "kit.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(DefinitionError, match=re.escape(message)):
        set_value(path, ("files", "background"), "b.gz")
    assert path.read_text("utf-8") == text
