"""What every file of the repository must keep to."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ctdna.cli.main import COMMANDS
from ctdna.cli.main import command as ctdna
from ctdna.formats.keys import new_key
from ctdna.kernels.jit import sources_digest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
STAGES = [
    name
    for name in COMMANDS
    if ((ROOT / "src" / "ctdna" / "stages" / f"{name}.py").is_file() and name != "evidence")  # of the ledger, no stage
    or name in ("consensus-from-fastq", "report")
]


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: tracked files are unknown")
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_file_is_longer_than_can_be_read() -> None:
    long = {path.name: n for path in SOURCES if (n := len(path.read_text().splitlines())) > LONGEST_FILE}
    assert long == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                n_lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                if n_lines > LONGEST_FUNCTION:
                    long[f"{path.name}:{node.name}"] = n_lines
    assert long == {}


def test_no_text_holds_a_machine_path() -> None:
    pattern = re.compile(r"(?<![\w.])/(work|root|home/\w+)/")
    found = []
    for path in _tracked():
        if path.suffix in (".py", ".md", ".yaml", ".toml", ".smk", ".in", ".lock", ".cfg", ""):
            try:
                text = path.read_text()
            except (UnicodeDecodeError, OSError):
                continue
            found += [f"{path.relative_to(ROOT)}: {hit.group()}" for hit in pattern.finditer(text)]
    assert [hit for hit in found if not hit.startswith("tests/test_layout.py")] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_itself_and_its_options(name: str) -> None:
    command = ctdna.get_command(click.Context(ctdna), name)
    assert command is not None
    assert (command.help or "").strip()
    inner = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    for one in inner:
        assert (one.help or "").strip(), one.name
        for parameter in one.params:
            if isinstance(parameter, click.Option):
                assert (parameter.help or "").strip(), f"{name}: {parameter.name}"
    assert CliRunner().invoke(ctdna, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_is_documented(stage: str) -> None:
    page = ROOT / "docs" / "stages" / f"{stage}.md"
    assert page.is_file()
    assert f"ctdna {stage}" in page.read_text()


def test_the_kernel_cache_follows_what_a_module_imports(tmp_path: Path) -> None:
    module = ROOT / "src" / "ctdna" / "kernels" / "record.py"
    digest = sources_digest(module)
    assert re.fullmatch(r"[0-9a-f]{20}", digest)
    assert digest != sources_digest(ROOT / "src" / "ctdna" / "kernels" / "jit.py")


PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16}")


@pytest.mark.req("REQ-SEC-005")
def test_no_private_key_is_in_the_repository(tmp_path: Path) -> None:
    assert [path for path in _tracked() if path.is_file() and PRIVATE_KEY.search(path.read_bytes())] == []
    assert [path for path in _tracked() if path.suffix in (".key", ".p12", ".pfx")] == []
    for passphrase in (None, b"secret"):
        new_key("found", passphrase, tmp_path / str(passphrase))
        assert PRIVATE_KEY.search((tmp_path / str(passphrase) / "found.key").read_bytes())


def _clocked(source: str) -> Iterator[int]:
    """Yield the line of each `gzip.compress` in a decorator that takes the clock: it would be in the test's name."""
    for node in ast.walk(ast.parse(source)):
        for decorator in getattr(node, "decorator_list", []):
            for call in ast.walk(decorator):
                is_gzip = isinstance(call, ast.Call) and ast.unparse(call.func) == "gzip.compress"
                if is_gzip and "mtime" not in {word.arg for word in call.keywords}:
                    yield call.lineno


def test_no_name_of_a_test_holds_the_clock() -> None:
    found = {path.name: list(_clocked(path.read_text())) for path in (ROOT / "tests").rglob("test_*.py")}
    assert {name: lines for name, lines in found.items() if lines} == {}
    assert list(_clocked("@pytest.mark.parametrize('x', [gzip.compress(b'')])\ndef test(x): ...")) == [1]
