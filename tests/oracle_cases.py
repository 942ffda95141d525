"""The acceptance table of UMI grouping and consensus: inputs and results of fgbio's and fgumi's own tests.

`data/umi_consensus_cases.json` explains its keys under `format`.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parent / "data" / "umi_consensus_cases.json"
Case = dict[str, Any]


@cache
def _all_cases() -> tuple[Case, ...]:
    return tuple(json.loads(CASES.read_text())["cases"])


def cases(*ops: str) -> list[Case]:
    """Return the cases of those operations, in the file's order."""
    return [case for case in _all_cases() if case["op"] in ops]


def case_params(*ops: str) -> list[Any]:
    """Return the cases of those operations as pytest parameters, named by their ids."""
    return [pytest.param(case, id=case["id"]) for case in cases(*ops)]
