"""The wheel: the same tree gives the same bytes, and what is installed from it is the same build."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ctdna.build.lock import lock_of

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("src", "workflow", "pipeline", "config", "requirements", "tools")
FILES = ("pyproject.toml", "README.md", "LICENSE", ".gitignore")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def _copy(target: Path, second: int) -> Path:
    """Copy the tree, in another order and with other times for another second."""
    target.mkdir()
    for name in sorted(PARTS, reverse=second % 2 == 1):
        shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, target / name)
    for path in target.rglob("*"):
        os.utime(path, (second, second))
    return target


def _build(tree: Path, umask: str, locale: str, zone: str) -> tuple[str, Path]:
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "LC_ALL": locale,
        "TZ": zone,
        "SOURCE_DATE_EPOCH": "999999999",
    }
    line = f"umask {umask}; exec tools/wheel '{tree}/out'"
    done = subprocess.run(["sh", "-c", line], cwd=tree, env=environment, capture_output=True, text=True, check=True)
    digest, name = done.stdout.split()
    return digest, tree / "out" / name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(_copy(tmp_path_factory.mktemp("wheel") / "tree", 1_700_000_000), "022", "C.UTF-8", "UTC")[1]


@pytest.mark.req("REQ-BLD-006")
def test_two_copies_of_the_tree_give_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    tree = _copy(tmp_path / "elsewhere", 1_500_000_001)
    for folder in ("src/ctdna", "workflow", "pipeline/bwa", "config/demo"):
        (tree / folder / "__pycache__").mkdir(exist_ok=True)
        (tree / folder / "__pycache__" / "left.cpython-311.pyc").write_bytes(b"x")
    _, other = _build(tree, "077", "C", "Asia/Shanghai")
    assert other.name == wheel.name
    assert other.read_bytes() == wheel.read_bytes()


@pytest.mark.req("REQ-BLD-006")
def test_a_changed_byte_gives_another_wheel(wheel: Path, tmp_path: Path) -> None:
    tree = _copy(tmp_path / "changed", 1_700_000_000)
    with (tree / "workflow" / "Snakefile").open("a") as stream:
        stream.write("\n")
    assert _build(tree, "022", "C.UTF-8", "UTC")[1].read_bytes() != wheel.read_bytes()


@pytest.mark.req("REQ-BLD-006")
def test_what_is_installed_from_the_wheel_is_the_same_build(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True, capture_output=True)
    script = (
        "from ctdna.build import own; from ctdna.build.lock import lock_of; lock = lock_of(); "
        "print(own.PACKAGE, lock.own_digest, *(item.name for item in lock.code + lock.workflow + lock.wrappers))"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-B", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
    package, digest, *names = done.stdout.split()
    clone = lock_of()
    assert package == str(site / "ctdna")
    assert names == [item.name for item in clone.code + clone.workflow + clone.wrappers]
    assert digest == clone.own_digest


@pytest.mark.req("REQ-SEC-005")
def test_the_wheel_holds_no_byte_code_key_or_test(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "ctdna/shipped/requirements/runtime.lock" in names
    assert "ctdna/build/lock.py" in names
    assert not [name for name in names if name.endswith((".pyc", ".key")) or name.startswith("tests")]
