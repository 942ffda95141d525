"""The acceptance table of UMI grouping and consensus: inputs and results of fgbio's and fgumi's own tests.

`data/umi_consensus_cases.json` explains its keys under `format`. What a case expects is handed out as `Expected`, which
remembers the keys that were looked at: a test that leaves one out fails (`conftest.every_expected_key_is_looked_at`).
"""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

CASES = Path(__file__).parent / "data" / "umi_consensus_cases.json"
Case = dict[str, Any]
HELD: set[str] = set()
"""The ids of the cases that a runner has asked for so far."""


class Expected(dict[str, Any]):
    """What a case expects; it knows which of its keys, at any depth, no test has looked at."""

    def __init__(self, plain: dict[str, Any]) -> None:
        super().__init__({name: _expected(value) for name, value in plain.items()})
        self.seen: set[str] = set()
        self.parts: tuple[Expected, ...] = ()

    def __or__(self, other: dict[str, Any]) -> "Expected":  # type: ignore[override]
        """Return both as one, the other's values first; a look at a key is a look at it in both."""
        both = Expected({})
        dict.update(both, {**self, **other})
        both.parts = (self, *([other] if isinstance(other, Expected) else []))
        return both

    def _see(self, names: Iterable[str]) -> None:
        self.seen.update(names)
        for part in self.parts:
            part._see(names)

    def __getitem__(self, name: str) -> Any:
        self._see([name])
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value, or `default` where there is none; the key counts as looked at."""
        self._see([name])
        return super().get(name, default)

    def items(self) -> Any:
        """Return all items; all keys count as looked at."""
        self._see(list(self))
        return super().items()

    def __eq__(self, other: object) -> bool:
        """Compare as plain dicts do; all keys count as looked at."""
        self._see(list(self))
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    def unseen(self) -> Iterator[str]:
        """Yield the paths of the keys that were not looked at."""
        for name, value in super().items():
            if name not in self.seen:
                yield name
            else:
                yield from (f"{name}.{inner}" for inner in _unseen(value))

    def forget(self) -> None:
        """Count no key as looked at, at any depth."""
        self.seen.clear()
        for value in super().values():
            _forget(value)


def _expected(value: Any) -> Any:
    if isinstance(value, dict):
        return Expected(value)
    return [_expected(one) for one in value] if isinstance(value, list) else value


def _unseen(value: Any) -> Iterator[str]:
    if isinstance(value, Expected):
        yield from value.unseen()
    elif isinstance(value, list):
        yield from (f"{i}.{name}" for i, one in enumerate(value) for name in _unseen(one))


def _forget(value: Any) -> None:
    if isinstance(value, Expected):
        value.forget()
    elif isinstance(value, list):
        for one in value:
            _forget(one)


@cache
def all_cases() -> tuple[Case, ...]:
    """Return every case; what it expects, and what the formula says more exactly, as `Expected`."""
    found: list[Case] = json.loads(CASES.read_text())["cases"]
    for case in found:
        for part in ("expect", "formula"):
            if part in case:
                case[part] = _expected(case[part])
    return tuple(found)


def unseen(case: Case) -> list[str]:
    """Return the paths of expected values that were not looked at since `forget`."""
    return [f"{part}.{name}" for part in ("expect", "formula") if part in case for name in _unseen(case[part])]


def forget(case: Case) -> None:
    """Count nothing that the case expects as looked at."""
    for part in ("expect", "formula"):
        _forget(case.get(part))


ANSWERED_OTHERWISE: dict[str, frozenset[str]] = {
    "ties-04": frozenset({"expect.base", "expect.qual"}),
    "duplex-19": frozenset({"expect.molecule"}),
    "simplex-04": frozenset(),
    "correction-14": frozenset(),
    "correction-22": frozenset(),
    **dict.fromkeys([f"group-by-coordinates-{n}" for n in (18, 20, 21)], frozenset({"expect.duplicates"})),
}
"""Cases that are answered otherwise by intent, with the expected values on which no test can hold (docs/parity.md)."""


def answered_otherwise(case_id: str) -> frozenset[str]:
    """Return the paths of what a case expects that is answered otherwise here, by intent (docs/parity.md)."""
    return ANSWERED_OTHERWISE.get(case_id, frozenset())


def case_params(*ops: str) -> list[Any]:
    """Return the cases of those operations, in the file's order, as pytest parameters named by their ids."""
    found = [case for case in all_cases() if case["op"] in ops]
    HELD.update(case["id"] for case in found)
    return [pytest.param(case, id=case["id"]) for case in found]
