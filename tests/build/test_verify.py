"""Attacks on a locked build: each is found, and named."""

import importlib.util
import json
import marshal
import os
import py_compile
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from ctdna.build import foreign
from ctdna.build.bytecode import altered_byte_code
from ctdna.build.dependencies import by_name
from ctdna.build.verify import build_facts, differences, install_lock, installed_lock, read_lock
from ctdna.formats.documents import dump_json
from ctdna.formats.keys import new_key, trust
from ctdna.formats.signed import signature_path, write_signed
from ctdna.model.build import BuildLock
from ctdna.model.errors import DefinitionError, InputError
from tests.build.world import BWA, World, install, put


def _append(world: World, name: str) -> None:
    with (world.root / name).open("a") as stream:
        stream.write(" ")


def _other_bwa(world: World) -> None:
    put(world.root, {"bin/bwa": BWA + "exit 1\n"})


def _newer_bwa(world: World) -> None:
    put(world.root, {"bin/bwa": BWA.replace("0.7.17-r1188", "0.7.18-r1243")})


def _forged_record(world: World) -> None:
    """Change a file, and RECORD with it, as an attacker would who knows of RECORD."""
    install(world.site, "alpha_lib", "1.2.0", {"alpha/__init__.py": "A = 2\n", "alpha/core.so": "binary"})


def _newer_beta(world: World) -> None:
    for path in (world.site / "beta-3.0.dist-info").iterdir():
        path.unlink()
    (world.site / "beta-3.0.dist-info").rmdir()
    install(world.site, "beta", "3.1", {"beta.py": "B = 1\n"})


ATTACKS: dict[str, tuple[Callable[[World], object], str]] = {
    "code": (
        lambda w: _append(w, "package/stages/call.py"),
        r"code: ctdna/stages/call\.py: found sha256 \w{12}\.\.\., ",
    ),
    "font": (lambda w: _append(w, "package/report/fonts/one.ttf"), r"code: ctdna/report/fonts/one\.ttf: found"),
    "new module": (lambda w: put(w.root, {"package/new.py": ""}), r"code: ctdna/new\.py: is not in the lock"),
    "byte code as module": (lambda w: put(w.root, {"package/x.pyc": ""}), r"code: ctdna/x\.pyc: is not in the lock"),
    "module gone": (lambda w: (w.root / "package/stages/call.py").unlink(), r"code: ctdna/stages/call\.py: is missing"),
    "configuration": (lambda w: _append(w, "config/demo/demo.yaml"), r"code: config/demo/demo\.yaml: found"),
    "pins": (lambda w: _append(w, "requirements/runtime.lock"), r"code: requirements/runtime\.lock: found"),
    "workflow": (lambda w: _append(w, "workflow/rules/reads.smk"), r"workflow: workflow/rules/reads\.smk: found"),
    "wrapper": (lambda w: _append(w, "pipeline/bwa/versions.yaml"), r"wrappers: pipeline/bwa/versions\.yaml: found"),
    "dependency": (lambda w: _append(w, "site-packages/alpha/core.so"), r"dependencies: alpha-lib: found sha256"),
    "metadata": (
        lambda w: _append(w, "site-packages/beta-3.0.dist-info/METADATA"),
        r"dependencies: beta: found sha256",
    ),
    "forged RECORD": (_forged_record, r"dependencies: alpha-lib: found sha256"),
    "newer dependency": (_newer_beta, r"dependencies: beta: found 3\.1, the lock says 3\.0"),
    "shadowing library": (
        lambda w: put(w.site, {"alpha/__init__.cpython-311-x86_64-linux-gnu.so": "x"}),
        r"foreign: alpha/__init__\.cpython-311-x86_64-linux-gnu\.so: is not in the lock",
    ),
    "shadowing package": (lambda w: put(w.site, {"beta/__init__.py": ""}), r"foreign: beta/__init__\.py: is not"),
    "start-up hook": (lambda w: put(w.site, {"sitecustomize.py": ""}), r"foreign: sitecustomize\.py: is not"),
    "start-up line": (lambda w: put(w.site, {"a.pth": "import os\n"}), r"foreign: a\.pth: is not"),
    "another bwa": (_other_bwa, r"programs: bwa: found sha256 \w{12}\.\.\., the lock says \w{12}"),
    "newer bwa": (_newer_bwa, r"programs: bwa: found 0\.7\.18-r1243, the lock says 0\.7\.17-r1188"),
}


@pytest.mark.req("REQ-BLD-002")
@pytest.mark.parametrize("name", ATTACKS)
def test_a_change_is_found_and_named(world: World, name: str) -> None:
    world.make_and_install()
    locked = build_facts()
    assert (locked.state, locked.difference) == ("locked", None)
    attack, expected = ATTACKS[name]
    attack(world)
    facts = build_facts()
    assert facts.state == "differs"
    assert facts.digest != locked.digest
    assert facts.difference is not None
    done = world.run("verify")
    assert isinstance(done.exception, DefinitionError)
    assert done.exception.exit_code == 3
    with pytest.raises(DefinitionError, match=expected):
        install_lock(world.lock)
    assert facts.difference in done.output


@pytest.mark.req("REQ-BLD-002")
def test_a_change_of_the_same_size_and_time_is_found_each_time(world: World) -> None:
    """No digest is remembered from one check to the next."""
    world.make_and_install()
    path = world.root / "package" / "stages" / "call.py"
    times = path.stat()
    path.write_text("LEVEL = 0.50\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert build_facts().state == "differs"
    path.write_text("LEVEL = 0.05\n")
    assert build_facts().state == "locked"


def test_a_bwa_beside_python_comes_first_as_in_the_workflow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make_and_install()
    put(world.root, {"venv/bwa": BWA + "# another\n"})
    (world.root / "venv" / "bwa").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(world.root / "venv" / "python"))
    done = world.run("verify")
    assert "programs: bwa: found sha256" in done.output
    assert "programs: bwa of the PATH: is not in the lock" in done.output


@pytest.mark.req("REQ-BLD-008")
def test_a_module_of_a_folder_before_pythons_own_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.make_and_install()
    put(world.root, {"early/json/__init__.py": "", "early/secrets/diary.txt": ""})
    monkeypatch.setattr(sys, "path", [str(world.root / "early"), *sys.path])
    assert build_facts().difference == "foreign: json/__init__.py: is not in the lock"


def _plant(source: Path, code: str, flags: int = 0) -> Path:
    """Put byte code of another text where Python looks for that of a source, and return it."""
    status, cached = source.stat(), Path(importlib.util.cache_from_source(source))
    numbers = (flags, int(status.st_mtime) & 0xFFFFFFFF, status.st_size)
    header = importlib.util.MAGIC_NUMBER + b"".join(number.to_bytes(4, "little") for number in numbers)
    cached.parent.mkdir(exist_ok=True)
    cached.write_bytes(header + marshal.dumps(compile(code, str(source), "exec")))
    return cached


@pytest.mark.req("REQ-BLD-008")
@pytest.mark.parametrize("flags", [0, 1, 3])
def test_byte_code_of_another_source_is_found(world: World, flags: int) -> None:
    world.make_and_install()
    source = world.root / "package" / "stages" / "call.py"
    _plant(source, source.read_text())
    assert build_facts().state == "locked"
    cached = _plant(source, "LEVEL = 0.5\n", flags)
    assert build_facts().difference == f"foreign: ctdna/stages/__pycache__/{cached.name}: is not in the lock"
    cached.write_bytes(cached.read_bytes()[:20])
    assert build_facts().state == "differs"


def test_byte_code_that_python_would_not_take_is_none(world: World) -> None:
    world.make_and_install()
    source = world.root / "package" / "stages" / "call.py"
    cached = _plant(source, "LEVEL = 0.5\n")
    os.utime(source, (5, 5))
    assert build_facts().state == "locked"
    cached.write_bytes(b"\0\0\0\0" + cached.read_bytes()[4:])
    assert build_facts().state == "locked"


def test_byte_code_of_a_dependency_is_found_by_the_thorough_check(world: World) -> None:
    world.make_and_install()
    _plant(world.site / "alpha" / "__init__.py", "A = 2\n")
    done = world.run("verify")
    assert isinstance(done.exception, DefinitionError)
    assert "foreign: alpha/__pycache__/__init__.cpython-311.pyc: is not in the lock" in done.output


@pytest.mark.parametrize("text", ["def f(:\n", "def f():\n    return 2\n", "def f():\n    return True\n"])
def test_byte_code_is_compared_down_to_its_constants(tmp_path: Path, text: str) -> None:
    source = tmp_path / "one.py"
    source.write_text(text)
    _plant(source, "def f():\n    return 1\n")
    assert [item.name for item in altered_byte_code(tmp_path, ["one.py"])] == ["__pycache__/one.cpython-311.pyc"]


def test_byte_code_of_what_the_compiler_makes_is_its_own(tmp_path: Path) -> None:
    text = '"""\\d"""\nimport os\nX = (1, 1.0, True, -0.0, "a", b"a", None, ...)\n'
    text += "def f(a, *b, c=2, **d):\n    try:\n        return [x for x in b if x in {1, 2}]\n"
    text += "    except OSError:\n        return lambda: c\n"
    (tmp_path / "one.py").write_text(text)
    with warnings.catch_warnings(action="ignore"):
        for level in (0, 1, 2):
            py_compile.compile(str(tmp_path / "one.py"), optimize=level, doraise=True)
    assert len(list((tmp_path / "__pycache__").iterdir())) == 3
    assert [*altered_byte_code(tmp_path, ["one.py", "absent.py", "one.txt"])] == []


@pytest.mark.req("REQ-BLD-008")
def test_a_plug_in_that_a_dependency_loads_by_itself_is_found(world: World) -> None:
    world.make_and_install()
    offer = {"gamma/__init__.py": "", "gamma-1.dist-info/entry_points.txt": "[numba_extensions]\ninit = gamma.x:y\n"}
    install(world.site, "gamma", "1", offer)
    install(world.site, "delta", "1", {"delta.py": ""})
    put(world.site, {"snakemake_executor_plugin_evil/__init__.py": ""})
    lines = world.run("verify").output.splitlines()
    assert lines == [
        "foreign: gamma/__init__.py: is not in the lock",
        "foreign: snakemake_executor_plugin_evil/__init__.py: is not in the lock",
    ]


@pytest.mark.req("REQ-BLD-008")
def test_the_line_that_leads_to_a_clone_is_ctdnas_own_until_it_does_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = install(world.site, "ctdna", "0.1.0", {"_ctdna.pth": f"{world.root}\n"})
    found = {**by_name(), "ctdna": PathDistribution(info)}
    monkeypatch.setattr(foreign, "by_name", lambda: found)
    world.make_and_install()
    assert build_facts().state == "locked"
    put(world.site, {"_ctdna.pth": f"{world.root}\nimport os\n"})
    assert build_facts().difference == "foreign: _ctdna.pth: is not in the lock"
    put(world.site, {"_ctdna.pth": "import os; os.getcwd()\n"})
    assert build_facts().difference == "foreign: _ctdna.pth: is not in the lock"


def test_no_lock_is_unlocked(world: World) -> None:
    facts = build_facts()
    assert (facts.state, facts.difference) == ("unlocked", None)
    assert isinstance(world.run("verify").exception, InputError)


def test_the_lock_survives_writing_and_reading(world: World) -> None:
    world.make_lock()
    locked, key = read_lock(world.lock)
    assert key.key_id == world.key.public.key_id
    assert [*differences(locked, BuildLock.model_validate_json(world.lock.read_bytes()))] == []
    assert world.run("verify", "--lock", str(world.lock)).output.startswith(locked.digest)
    first = world.lock.read_bytes()
    world.make_lock()
    assert world.lock.read_bytes() == first


@pytest.mark.req("REQ-BLD-003")
def test_an_edited_lock_locks_nothing(world: World) -> None:
    world.make_and_install()
    _append(world, "package/stages/call.py")
    document = json.loads(installed_lock().read_text())
    document["code"] = json.loads(dump_json(_lock_of_here()))["code"]
    installed_lock().write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    facts = build_facts()
    assert facts.state == "differs"
    assert facts.difference == (
        "build.lock.json: the signature of acme does not fit the content: one of both was changed"
    )
    assert isinstance(world.run("verify").exception, DefinitionError)


def _lock_of_here() -> BuildLock:
    from ctdna.build.lock import lock_of

    return lock_of()


@pytest.mark.req("REQ-BLD-003")
def test_a_lock_of_another_key_locks_nothing(world: World) -> None:
    mallory = new_key("mallory", None)
    write_signed(installed_lock(), _lock_of_here(), "build", mallory)
    facts = build_facts()
    assert facts.state == "differs"
    assert facts.difference == (
        f"build.lock.json: is signed by key {mallory.public.key_id} (mallory), which this machine does not trust"
    )
    with pytest.raises(DefinitionError, match="does not trust"):
        install_lock(installed_lock())


@pytest.mark.req("REQ-BLD-003")
def test_a_sites_key_locks_nothing(world: World) -> None:
    site = new_key("site-1", None)
    trust(world.home / "keys" / "site-1.pub", "site")
    write_signed(installed_lock(), _lock_of_here(), "build", site)
    assert build_facts().state == "differs"


@pytest.mark.req("REQ-BLD-003")
def test_a_signature_for_another_purpose_locks_nothing(world: World) -> None:
    write_signed(installed_lock(), _lock_of_here(), "lot", world.key)
    facts = build_facts()
    assert facts.state == "differs"
    assert facts.difference == "build.lock.json: the signature was given for lot, needed is one for build"


@pytest.mark.req("REQ-BLD-003")
def test_a_lock_without_signature_or_cut_short_locks_nothing(world: World) -> None:
    world.make_and_install()
    signature_path(installed_lock()).unlink()
    assert build_facts().difference == "build.lock.json: the signature is missing"
    installed_lock().write_text("{")
    facts = build_facts()
    assert facts.state == "differs"
    assert facts.difference is not None
    assert facts.difference.startswith("build.lock.json: Invalid JSON")


def test_an_installation_that_is_not_whole_is_not_locked(world: World) -> None:
    _append(world, "site-packages/alpha/core.so")
    (world.site / "beta.py").unlink()
    done = world.run("lock", "--key", "acme", "--output", str(world.lock))
    assert isinstance(done.exception, DefinitionError)
    assert "alpha-lib: alpha/core.so is not as it was installed (and 1 more)" in str(done.exception)
    assert not world.lock.exists()


def test_a_refused_lock_leaves_the_installed_one(world: World, tmp_path: Path) -> None:
    world.make_and_install()
    before = installed_lock().read_bytes()
    _append(world, "workflow/Snakefile")
    other = tmp_path / "other.json"
    assert world.run("lock", "--key", "acme", "--output", str(other)).exit_code == 0
    _append(world, "workflow/Snakefile")
    assert isinstance(world.run("install", str(other)).exception, DefinitionError)
    assert installed_lock().read_bytes() == before


def test_show_prints_every_part_and_the_digest(world: World) -> None:
    done = world.run("show")
    lines = [line.split("\t") for line in done.output.splitlines()]
    assert [line[0] for line in lines][-2:] == ["own", "build"]
    assert lines[-1][2] == build_facts().digest
    assert ["dependencies", "2", _lock_of_here().part_digest("dependencies")] in lines
