"""What the digest of a build covers, and what it does not depend on."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ctdna.build.dependencies import pins
from ctdna.build.lock import found_build, lock_of
from ctdna.build.own import KITS, places
from ctdna.model.build import BUILD_PARTS, BuildItem, digest_of_items
from ctdna.model.errors import DefinitionError
from tests.build.world import PARTS, World, install, put

ROOT = Path(__file__).resolve().parents[2]


def _names(items: tuple[BuildItem, ...]) -> list[str]:
    return [item.name for item in items]


@pytest.mark.req("REQ-BLD-001")
def test_every_file_is_an_item_with_the_digest_of_its_bytes(world: World) -> None:
    found = lock_of()
    assert _names(found.code) == [
        "config/demo/demo.yaml",
        "ctdna/__init__.py",
        "ctdna/report/fonts/one.ttf",
        "ctdna/stages/call.py",
        "requirements/runtime.in",
        "requirements/runtime.lock",
    ]
    assert _names(found.workflow) == ["workflow/Snakefile", "workflow/rules/reads.smk"]
    assert _names(found.wrappers) == ["pipeline/bwa/versions.yaml"]
    expected = hashlib.sha256(PARTS["package/stages/call.py"].encode()).hexdigest()
    assert found.code[3].sha256 == expected
    assert [(item.name, item.version) for item in found.dependencies] == [("alpha-lib", "1.2.0"), ("beta", "3.0")]
    assert [item.name for item in found.programs] == ["bwa", "python"]
    assert found.programs[0].version == "0.7.17-r1188"
    assert found.programs[0].sha256 == hashlib.sha256((world.root / "bin" / "bwa").read_bytes()).hexdigest()


@pytest.mark.req("REQ-BLD-001")
def test_the_digest_of_items_is_over_names_versions_and_digests() -> None:
    one, two = BuildItem(name="b", version="1", sha256="0" * 64), BuildItem(name="a", sha256="1" * 64)
    text = f"a\0\0{'1' * 64}\0\nb\x001\0{'0' * 64}\0\n"
    assert digest_of_items((one, two)) == digest_of_items((two, one)) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.req("REQ-BLD-001")
def test_the_digest_does_not_depend_on_place_time_rights_byte_code_or_installer(
    world: World, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lock_of()
    for path in [*world.root.rglob("*.py"), *world.root.rglob("*.smk")]:
        os.utime(path, (1, 1))
        path.chmod(0o600)
    put(world.root, {"package/__pycache__/x.cpython-311.pyc": "x", "site-packages/alpha/__pycache__/y.pyc": "y"})
    put(world.root, {"site-packages/beta-3.0.dist-info/INSTALLER": "uv\n", "config/kits/demo/2.0.0/kit.yaml": "x"})
    put(world.root, {"requirements/dev.lock": "pytest==2\n"})
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (world.root / "bin" / "bwa").rename(elsewhere / "bwa")
    monkeypatch.setenv("PATH", f"{elsewhere}:/bin")
    assert lock_of() == before


@pytest.mark.req("REQ-BLD-001")
def test_a_wheel_has_the_same_names_and_digests_as_a_clone(world: World) -> None:
    clone = found_build(world.places()).lock
    shipped = world.root / "package" / "shipped"
    shipped.mkdir()
    for name in ("workflow", "pipeline", "config", "requirements"):
        (world.root / name).rename(shipped / name)
    (shipped / "requirements" / "dev.lock").unlink()
    names = ("workflow", "pipeline", "config", "requirements")
    wheel = found_build(world.places()._replace(**{name: shipped / name for name in names})).lock
    assert wheel.own_digest == clone.own_digest
    assert wheel == clone


@pytest.mark.req("REQ-BLD-001")
def test_the_lock_of_this_build_holds_this_very_code_without_kits() -> None:
    found = found_build()
    named = {item.name: item.sha256 for item in found.lock.code}
    own = "ctdna/build/lock.py"
    assert named[own] == hashlib.sha256((ROOT / "src" / own).read_bytes()).hexdigest()
    assert "config/demo/demo.yaml" in named
    assert not [name for name in named if name.startswith(f"config/{KITS}/") or "__pycache__" in name]
    assert {item.name for item in found.lock.dependencies} >= {"numpy", "numba", "snakemake", "cryptography"}
    assert found.problems == ()
    assert all(found.lock.part(part) for part in BUILD_PARTS if part != "foreign")


def test_the_lock_is_made_without_the_compiler() -> None:
    script = "import sys; from ctdna.build.verify import build_facts; build_facts(); print('numba' in sys.modules)"
    environment = {**os.environ, "CTDNA_HOME": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "False\n"


def test_pins_are_names_versions_and_hashes(world: World) -> None:
    found = pins(world.places().runtime_lock)
    assert found["alpha-lib"] == ("alpha-lib", "1.2.0", ("a" * 64, "b" * 64))
    assert found["beta"] == ("beta", "3.0", ("c" * 64,))


@pytest.mark.parametrize(("text", "what"), [("", "names no distribution"), (None, "cannot be read")])
def test_a_lock_of_dependencies_that_is_none_is_refused(world: World, text: str | None, what: str) -> None:
    path = world.places().runtime_lock
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(DefinitionError, match=what):
        found_build()


def test_the_shipped_lock_of_dependencies_pins_every_distribution_with_hashes() -> None:
    found = pins(places().runtime_lock)
    assert len(found) > 50
    assert all(pin.sha256 for pin in found.values())


def test_what_is_not_as_installed_is_told(world: World) -> None:
    assert found_build().problems == ()
    put(world.site, {"alpha/core.so": "another"})
    (world.site / "beta.py").unlink()
    assert found_build().problems == (
        "alpha-lib: alpha/core.so is not as it was installed",
        "beta: beta.py is missing",
    )


def test_another_version_an_absent_distribution_and_one_without_record_are_told(world: World) -> None:
    for path in world.site.glob("*.dist-info/*"):
        path.unlink()
    for path in world.site.glob("*.dist-info"):
        path.rmdir()
    info = install(world.site, "beta", "3.1", {"beta.py": "B = 2\n"})
    (info / "RECORD").unlink()
    assert found_build().problems == (
        "alpha-lib: is not installed",
        "beta: found 3.1, requirements/runtime.lock says 3.0",
        "beta: has no RECORD, its files cannot be checked",
    )


def test_an_absent_aligner_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert found_build().problems == ("bwa: not found",)
