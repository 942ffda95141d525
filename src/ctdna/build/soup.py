"""The list of software of unknown provenance (IEC 62304, 8.1.2): what ctdna is built on, and what for."""

from pathlib import Path
from typing import Literal, NamedTuple

import yaml
from pydantic import ValidationError

from ctdna.build.lock import Found
from ctdna.build.own import Places, places
from ctdna.build.supply import Supply, direct_names, supplies
from ctdna.model.base import Frozen
from ctdna.model.build import BuildLock
from ctdna.model.errors import DefinitionError

TABLE = Path(__file__).resolve().parent / "soup.yaml"
COLUMNS = ("name", "version", "kind", "supplier", "licence", "purpose", "relevance", "known_anomalies", "assessed_by")
Relevance = Literal["result", "control", "record"]
_ORDER: tuple[Relevance, ...] = ("result", "control", "record")


class Purpose(Frozen):
    """What ctdna uses a distribution for."""

    relevance: Relevance
    purpose: str
    supplier: str | None = None
    """Where its own metadata names none."""


class Program(Purpose):
    """An outside program."""

    licence: str
    supplier: str


class Embedded(Program):
    """What ships inside of ctdna, by others."""

    version: str
    files: str
    """How the names of its files begin."""


class SoupTable(Frozen):
    """What a person maintains: `soup.yaml`."""

    dependencies: dict[str, Purpose]
    programs: dict[str, Program]
    embedded: dict[str, Embedded]


class SoupRow(NamedTuple):
    """One item; the columns of a person are empty."""

    name: str
    version: str
    kind: str
    supplier: str
    licence: str
    purpose: str
    relevance: str
    known_anomalies: str = ""
    assessed_by: str = ""


def read_table() -> SoupTable:
    """Return what ctdna uses each item for.

    Raises:
        DefinitionError: the table does not fit its model.
    """
    try:
        return SoupTable.model_validate(yaml.safe_load(TABLE.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DefinitionError(TABLE, "", f"cannot be used: {error}", "install ctdna again") from error


def supplies_of(lock: BuildLock, where: Places | None = None) -> tuple[Supply, ...]:
    """Return where the dependencies of a build come from.

    Raises:
        DefinitionError: a part of ctdna is absent.
    """
    direct = direct_names((where or places()).requirements / "runtime.in")
    return supplies((item.name for item in lock.dependencies), direct)


def _dependency(one: Supply, table: dict[str, Purpose]) -> SoupRow:
    if known := table.get(one.name):
        supplier = known.supplier or one.supplier
        return SoupRow(one.name, one.version, "direct", supplier, one.licence, known.purpose, known.relevance)
    reasons = {table[name].relevance for name in one.needed_by if name in table}
    relevance_of = next((item for item in _ORDER if item in reasons), "")
    purpose = f"needed by {', '.join(one.needed_by)}" if one.needed_by else ""
    return SoupRow(one.name, one.version, "indirect", one.supplier, one.licence, purpose, relevance_of)


def soup_rows(found: Found, where: Places | None = None) -> tuple[SoupRow, ...]:
    """Return outside programs, what is embedded, then distributions of Python, each in the order of names.

    Raises:
        DefinitionError: a part of ctdna is absent, or the table of purposes does not fit its model.
    """
    table = read_table()
    versions = {item.name: item.version or "" for item in found.lock.programs}
    rows = [
        SoupRow(name, versions.get(name, ""), "program", one.supplier, one.licence, one.purpose, one.relevance)
        for name, one in sorted(table.programs.items())
    ]
    rows += [
        SoupRow(name, one.version, "embedded", one.supplier, one.licence, one.purpose, one.relevance)
        for name, one in sorted(table.embedded.items())
    ]
    return (*rows, *(_dependency(one, table.dependencies) for one in supplies_of(found.lock, where)))


def soup_text(rows: tuple[SoupRow, ...]) -> str:
    """Return the list as tab-separated text with a heading."""
    return "".join("\t".join(row) + "\n" for row in (COLUMNS, *rows))
