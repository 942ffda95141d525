"""The count of instructions in `benchmarks/kernels`: its work, its parser, its judgement."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ctdna.kernels.record import check_records

HERE = Path(__file__).resolve().parents[2] / "benchmarks" / "kernels"
pytestmark = pytest.mark.timeout(180)


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def run() -> ModuleType:
    _module("counter"), _module("work")
    return _module("run")


def test_the_work_is_sound_and_has_committed_figures(run: ModuleType) -> None:
    work = sys.modules["work"]
    data, offsets = work.grouped_records()
    lengths = offsets[:1] + (1 << 20)
    assert check_records(data, offsets, lengths) == (-1, 0)
    assert len(offsets) - 1 == 2 * work.N_MOLECULES * work.N_PAIRS
    committed = {entry["kernel"] for entry in json.loads((HERE / "results.json").read_text())}
    assert committed == {job.kernel for job in work.jobs()}
    page = (HERE / "README.md").read_text()
    assert all(f"| {kernel} |" in page for kernel in committed)


def test_what_callgrind_writes_is_read(run: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "callgrind.out.1.1").write_text("desc: Trigger: Client Request: scan_records\n\ntotals: 1234\n")
    (tmp_path / "callgrind.out.1").write_text("desc: Trigger: Program termination\n\ntotals: 9\n")
    assert sys.modules["counter"].counted(tmp_path) == {"scan_records": 1234}


def test_a_kernel_that_needs_more_is_named(run: ModuleType) -> None:
    assert run.worse({"a": 109.0, "b": 50.0}, {"a": 100.0, "b": 100.0}) == []
    assert run.worse({"a": 111.0, "c": 1.0}, {"a": 100.0}) == [
        "a: 100.0 before, 111.0 now (+11%)",
        "c: no committed figure",
    ]
