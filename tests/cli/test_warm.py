"""`ctdna warm` compiles each kernel once, in one specialisation."""

import json
import subprocess
import sys

import pytest

from ctdna.cli.warm import command, kernel_modules

_COUNT = """
import json
from numba.core.registry import CPUDispatcher
from ctdna.cli.warm import command, kernel_modules
command.main(["--quiet"], standalone_mode=False)
found = {}
for module in kernel_modules():
    own = {name: item for name, item in vars(module).items() if isinstance(item, CPUDispatcher)}
    own = {name: item for name, item in own.items() if item.py_func.__module__ == module.__name__}
    if own:
        found[module.__name__] = {name: len(item.signatures) for name, item in own.items()}
print(json.dumps(found))
"""


@pytest.mark.req("REQ-REP-004")
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_kernel_has_two_specialisations() -> None:
    # The first process compiles what is not cached yet, and with it the kernels that others inline, also for literal
    # arguments. The second one loads from the cache and thus holds what Python itself called.
    command.main(["--quiet"], standalone_mode=False)
    done = subprocess.run([sys.executable, "-c", _COUNT], capture_output=True, text=True, check=True)
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    double = {f"{module}.{name}": n for module, own in found.items() for name, n in own.items() if n > 1}
    assert double == {}
    silent = {module for module, own in found.items() if not any(own.values())}
    with_warm = {module.__name__ for module in kernel_modules() if hasattr(module, "warm")}
    assert silent & with_warm == set()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_warm_says_what_is_ready(capsys: pytest.CaptureFixture[str]) -> None:
    command.main([], standalone_mode=False)
    assert "ready: record\n" in capsys.readouterr().err
    command.main(["--quiet"], standalone_mode=False)
    assert capsys.readouterr().err == ""
