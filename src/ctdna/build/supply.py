"""Where each distribution comes from, under which licence, what it needs and what needs it, by its own metadata."""

import re
from collections import deque
from collections.abc import Iterable
from email.header import decode_header, make_header
from email.utils import getaddresses
from importlib.metadata import Distribution
from pathlib import Path
from typing import NamedTuple

from ctdna.build.dependencies import by_name, normal

NOT_NAMED = "not named"
_MAX_NAMES = 3
_NEED = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_CLASSIFIER = "License :: "
_SPDX = {
    "apache 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 3-clause license": "BSD-3-Clause",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
}
_ID = re.compile(r"^(MIT|MIT-0|0BSD|PSF-2\.0|Apache-2\.0|MPL-2\.0|BSD-[23]-Clause)$")


class Licence(NamedTuple):
    """One licence, or an expression over several."""

    text: str
    kind: str
    """`id`: of SPDX; `expression`: of SPDX; `name`: as the metadata words it."""


class Supply(NamedTuple):
    """What a distribution says of itself."""

    name: str
    version: str
    supplier: str
    licences: tuple[Licence, ...]
    """Empty: it names none."""
    needs: tuple[str, ...]
    """Normal names among those asked for, in order."""
    needed_by: tuple[str, ...]
    """Direct dependencies that lead to it; of a direct one itself only."""

    @property
    def licence(self) -> str:
        """Return its licences as one text."""
        return "; ".join(licence.text for licence in self.licences) or NOT_NAMED


def _named(text: str) -> Licence:
    known = _SPDX.get(text.casefold(), text)
    return Licence(known, "id" if _ID.match(known) else "name")


def _field(distribution: Distribution, name: str) -> str:
    values = distribution.metadata.get_all(name) or [""]
    return str(values[0]).strip()


def licences_of(distribution: Distribution) -> tuple[Licence, ...]:
    """Return the licences: the SPDX expression, else the field `License` if it is short, else the classifiers."""
    expression = _field(distribution, "License-Expression")
    if expression:
        return (Licence(expression, "id" if _ID.match(expression) else "expression"),)
    field = _named(_field(distribution, "License"))
    if field.kind == "id":
        return (field,)
    classified = [text for text in distribution.metadata.get_all("Classifier") or [] if text.startswith(_CLASSIFIER)]
    return tuple(_named(text.split(" :: ")[-1]) for text in classified)


def supplier_of(distribution: Distribution) -> str:
    """Return the names of authors, else of maintainers, without addresses; of more than three the first three."""
    for field in ("Author", "Author-email", "Maintainer", "Maintainer-email"):
        text = str(make_header(decode_header(_field(distribution, field))))
        people = getaddresses([text]) if "@" in text else [(text, "")]
        names = [name.strip() for name, _ in people if name.strip()]
        if names:
            return ", ".join(names[:_MAX_NAMES]) + (" and others" if len(names) > _MAX_NAMES else "")
    return NOT_NAMED


def _needs(distribution: Distribution, extras: frozenset[str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in distribution.requires or ():
        named = _NEED.match(line)
        wanted = set(_EXTRA.findall(line.partition(";")[2]))
        if named and (not wanted or wanted & extras):
            asked = frozenset(text.strip() for text in (named[2] or "").split(",") if text.strip())
            found[normal(named[1])] = found.get(normal(named[1]), frozenset()) | asked
    return found


def _reached(start: str, present: dict[str, Distribution]) -> dict[str, frozenset[str]]:
    """Return what a distribution needs, directly or not: name -> extras that were asked for."""
    extras: dict[str, frozenset[str]] = {start: frozenset()}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        for needed, asked in _needs(present[name], extras[name]).items():
            if needed in present and not (needed in extras and asked <= extras[needed]):
                extras[needed] = extras.get(needed, frozenset()) | asked
                waiting.append(needed)
    return extras


def direct_names(path: Path) -> tuple[str, ...]:
    """Return what `requirements/runtime.in` asks for, by normal name."""
    lines = (line.split("#", 1)[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(sorted(normal(named[1]) for line in lines if (named := _NEED.match(line))))


def supplies(names: Iterable[str], direct: Iterable[str]) -> tuple[Supply, ...]:
    """Return where distributions come from, in the order of names; those that are not installed are left out.

    What needs what is by their own metadata, conditions on Python or the system not looked at.
    """
    installed = by_name()
    present = {name: installed[name] for name in sorted(names) if name in installed}
    direct = sorted(set(direct) & set(present))
    reached = {name: _reached(name, present) for name in direct}
    made = []
    for name, distribution in present.items():
        extras = frozenset().union(*(one.get(name, frozenset()) for one in reached.values()))
        needs = tuple(sorted(set(_needs(distribution, extras)) & set(present) - {name}))
        by = (name,) if name in reached else tuple(start for start in direct if name in reached[start])
        supplier, licences = supplier_of(distribution), licences_of(distribution)
        made.append(Supply(name, distribution.version, supplier, licences, needs, by))
    return tuple(made)
