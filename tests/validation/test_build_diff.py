"""Differences of builds: the steps that a changed file touches come from the imports."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ctdna.cli.main import command as ctdna
from ctdna.formats.keys import new_key, trust
from ctdna.formats.signed import write_signed
from ctdna.model.build import BuildItem, BuildLock
from ctdna.model.change import ImpactReport
from ctdna.model.errors import DefinitionError
from ctdna.validation.build_diff import build_changes, build_impact
from ctdna.validation.import_graph import STEPS, Users, reached, read_sources
from ctdna.validation.rules import load_rules

ROOT = Path(__file__).resolve().parents[2]


def _items(names: tuple[str, ...], version: str | None = None) -> tuple[BuildItem, ...]:
    return tuple(BuildItem(name=name, version=version, sha256="0" * 64) for name in sorted(names))


FILES = ("config/demo/demo.yaml", "ctdna/cli/keys.py", "ctdna/report/templates/report.css", "ctdna/stages/call.py")
OLD = BuildLock(
    software="0.1.0",
    platform="linux-x86_64",
    code=_items((*FILES, "ctdna/stats/limits.py", "ctdna/stages/annotation/tier.py", "ctdna/orchestrate/queue.py")),
    workflow=_items(("workflow/Snakefile",)),
    wrappers=_items(("pipeline/bwa/versions.yaml",)),
    dependencies=_items(("numpy", "sqlalchemy"), "2.0"),
    foreign=(),
    programs=_items(("bwa", "python"), "1.0"),
)


@pytest.fixture(scope="module")
def users() -> Users:
    """Return who uses what, from the sources of this build."""
    return Users(read_sources())


def _with_other(name: str) -> BuildLock:
    code = tuple(item.model_copy(update={"sha256": "1" * 64}) if item.name == name else item for item in OLD.code)
    assert code != OLD.code
    return OLD.model_copy(update={"code": code})


def test_a_build_does_not_differ_from_itself(users: Users) -> None:
    assert build_changes(OLD, OLD, users) == []


@pytest.mark.req("REQ-IMP-004")
@pytest.mark.parametrize(
    ("file", "items", "rules"),
    [
        ("ctdna/stages/call.py", ["code.call"], ["IMP-CODE-003"]),
        ("ctdna/stats/limits.py", ["code.call", "code.background"], ["IMP-CODE-003", "IMP-CODE-003"]),
        ("ctdna/stages/annotation/tier.py", ["code.annotate"], ["IMP-CODE-004"]),
        ("ctdna/report/templates/report.css", ["code.report"], ["IMP-CODE-006"]),
        ("ctdna/orchestrate/queue.py", ["code.job"], ["IMP-CODE-007"]),
        ("ctdna/cli/keys.py", ["code.outside"], ["IMP-CODE-008"]),
        ("config/demo/demo.yaml", ["settings"], ["IMP-CODE-009"]),
    ],
)
def test_a_changed_file_touches_the_steps_that_import_it(
    users: Users, file: str, items: list[str], rules: list[str]
) -> None:
    report = build_impact(OLD, _with_other(file), users, load_rules())
    assert [one.change.item for one in report.changes] == items
    assert [one.rule for one in report.changes] == rules
    assert all(file.removeprefix("ctdna/") in one.change.note for one in report.changes)


def test_dependencies_and_programs_are_compared_by_version_and_digest(users: Users) -> None:
    new = OLD.model_copy(
        update={
            "software": "0.2.0",
            "dependencies": _items(("numpy",), "2.1"),
            "programs": (*OLD.programs[:1], BuildItem(name="python", version="1.0", sha256="2" * 64)),
            "foreign": _items(("start.pth",)),
            "workflow": (),
        }
    )
    report = build_impact(OLD, new, users, load_rules())
    assert [(one.change.item, one.change.record, one.change.kind, one.rule) for one in report.changes] == [
        ("software", None, "changed", "IMP-CODE-009"),
        ("workflow", "workflow/Snakefile", "removed", "IMP-CODE-007"),
        ("dependency", "numpy", "changed", "IMP-DEP-001"),
        ("dependency", "sqlalchemy", "removed", "IMP-DEP-005"),
        ("foreign", "start.pth", "added", "IMP-PRG-005"),
        ("program", "python", "changed", "IMP-PRG-002"),
    ]
    assert report.changes[2].change.old == "2.0 (0000000000000000)"


def test_a_module_that_the_running_build_lacks_counts_for_every_step(users: Users) -> None:
    new = OLD.model_copy(update={"code": (*OLD.code, *_items(("ctdna/stages/unheard_of.py",)))})
    changes = build_changes(OLD, new, users)
    assert [one.item for one in changes] == [f"code.{step}" for step in STEPS]
    assert "stages/unheard_of.py (added)" in changes[0].note


def test_every_step_of_the_work_is_one_that_code_is_mapped_to() -> None:
    from ctdna.orchestrate.progress import READ_STAGES, RUN_STAGES, SAMPLE_STAGES

    work = {stage for stages in (RUN_STAGES, SAMPLE_STAGES, *READ_STAGES.values()) for stage in stages} - {"qc_run"}
    assert work - set(STEPS) == set()
    assert [module for module in STEPS.values() if not (ROOT / "src" / "ctdna" / f"{module}.py").is_file()] == []


def _package(folder: Path) -> Path:
    sources = {
        "__init__.py": "",
        "a.py": "import ctdna.b\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ctdna.c import x\n",
        "b/__init__.py": "",
        "b/d.py": "",
        "c.py": "def late():\n    from ctdna.b import d\n",
    }
    for name, text in sources.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.req("REQ-IMP-004")
def test_imports_are_followed_late_ones_too_but_not_those_for_types(tmp_path: Path) -> None:
    imports = read_sources(_package(tmp_path)).imports
    assert reached(imports, "ctdna.a") == {"ctdna", "ctdna.a", "ctdna.b"}
    assert reached(imports, "ctdna.c") == {"ctdna", "ctdna.c", "ctdna.b", "ctdna.b.d"}
    assert reached(imports, "ctdna.unheard_of") == frozenset()


def test_a_source_that_is_not_python_is_named(tmp_path: Path) -> None:
    (_package(tmp_path) / "a.py").write_text("def (")
    with pytest.raises(DefinitionError, match=r"a\.py: is not Python"):
        read_sources(tmp_path)


def test_the_command_wants_signed_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    key = new_key("acme", None)
    for name, lock in (("a.json", OLD), ("b.json", _with_other("ctdna/stages/call.py"))):
        write_signed(tmp_path / name, lock, "build", key)
    words = ["build", "diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--format", "json"]
    refused = CliRunner().invoke(ctdna, words)
    assert isinstance(refused.exception, DefinitionError)
    assert "which this machine does not trust" in str(refused.exception)
    trust(tmp_path / "home" / "keys" / "acme.pub", "manufacturer")
    done = CliRunner().invoke(ctdna, words)
    assert done.exit_code == 0, done.output
    report = ImpactReport.model_validate_json(done.output)
    assert (report.subject, report.before.address) == ("build", "ctdna 0.1.0")
    assert [one.change.item for one in report.changes] == ["code.call"]
