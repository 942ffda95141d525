"""Bill of materials and list of outside software."""

import json
import tomllib
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ctdna.build import soup
from ctdna.build.dependencies import normal, pins
from ctdna.build.lock import Found, found_build
from ctdna.build.own import places
from ctdna.build.sbom import sbom_text
from ctdna.build.soup import COLUMNS, read_table, soup_rows, supplies_of
from ctdna.build.supply import NOT_NAMED, direct_names, licences_of, supplier_of
from ctdna.model.errors import DefinitionError
from tests.build.world import World, install, put

ROOT = Path(__file__).resolve().parents[2]
OTHERS = {"bwa", "python", "noto-sans", "noto-sans-cjk-sc"}


def _direct() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {normal(line.split(">", 1)[0].split("=", 1)[0].split("<", 1)[0].strip()) for line in project["dependencies"]}


def _distribution(folder: Path, metadata: str) -> Distribution:
    return PathDistribution(install(folder, "one", "1.0", {"one.py": ""}, metadata))


@pytest.mark.req("REQ-BLD-005")
def test_every_direct_dependency_has_its_purpose_and_nothing_else_has() -> None:
    assert set(read_table().dependencies) == _direct()


def test_what_is_asked_for_is_what_the_project_names_and_the_lock_holds() -> None:
    where = places()
    assert set(direct_names(where.requirements / "runtime.in")) == _direct()
    assert set(pins(where.runtime_lock)) >= _direct()


@pytest.mark.req("REQ-BLD-005")
def test_every_installed_dependency_is_reached_from_a_direct_one(here: Found) -> None:
    found = supplies_of(here.lock)
    assert len(found) == len(pins(places().runtime_lock))
    assert [one.name for one in found if not one.needed_by] == []
    by = {one.name: one.needed_by for one in found}
    assert by["llvmlite"] == ("numba",)
    assert by["pydantic-core"][0] == "pydantic"
    assert by["numba"] == ("numba",)


@pytest.mark.req("REQ-BLD-005")
def test_the_list_names_every_item_with_purpose_and_leaves_a_persons_columns_blank(here: Found) -> None:
    rows = {row.name: row for row in soup_rows(here)}
    assert set(rows) == {*OTHERS, "bcl-convert", *pins(places().runtime_lock)}
    assert all(row.purpose and row.relevance in ("result", "control", "record") for row in rows.values())
    assert not [row for row in rows.values() if row.known_anomalies or row.assessed_by]
    assert all(row.version for name, row in rows.items() if name != "bcl-convert")
    assert rows["llvmlite"].purpose == "needed by numba"
    assert rows["llvmlite"].relevance == "result"
    assert rows["pycparser"].relevance == "record"
    assert [name for name, row in rows.items() if row.kind == "direct" and row.supplier == NOT_NAMED] == []


def test_the_list_is_written_as_tab_separated_text(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soup, "places", world.places)
    path = world.root / "soup.tsv"
    assert world.run("soup", "--output", str(path)).exit_code == 0
    head, *rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert tuple(head) == COLUMNS
    assert [row[0] for row in rows][-2:] == ["alpha-lib", "beta"]
    assert {len(row) for row in rows} == {len(COLUMNS)}


@pytest.mark.req("REQ-BLD-005")
def test_the_bill_of_materials_fits_the_schema_and_is_the_same_each_time(here: Found) -> None:
    text = sbom_text(here)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert sbom_text(here) == text
    bad = text.replace('"bomFormat": "CycloneDX"', '"bomFormat": "other"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bad) is not None


@pytest.mark.req("REQ-BLD-005")
def test_the_bill_of_materials_names_versions_archives_licences_and_who_needs_whom(here: Found) -> None:
    document = json.loads(sbom_text(here))
    locked = pins(places().runtime_lock)
    parts = {one["name"]: one for one in document["components"]}
    numpy = parts["numpy"]
    assert numpy["purl"] == f"pkg:pypi/numpy@{locked['numpy'].version}"
    assert {one["content"] for one in numpy["hashes"]} == set(locked["numpy"].sha256)
    assert numpy["licenses"][0]["expression"].startswith("BSD-3-Clause")
    assert parts["click"]["licenses"] == [{"license": {"id": "BSD-3-Clause"}}]
    bwa = {item.name: item for item in here.lock.programs}["bwa"]
    assert (parts["bwa"]["version"], parts["bwa"]["hashes"][0]["content"]) == (bwa.version, bwa.sha256)
    assert parts["python"]["type"] == "platform"
    assert len(parts["noto-sans"]["hashes"]) == 2
    needs = {one["ref"]: one.get("dependsOn", []) for one in document["dependencies"]}
    assert parts["llvmlite"]["bom-ref"] in needs[parts["numba"]["bom-ref"]]
    assert "program:bwa" in needs["ctdna"]
    assert len(needs["ctdna"]) == len(_direct()) + 4
    assert "timestamp" not in document["metadata"]
    properties = {one["name"]: one["value"] for one in document["metadata"]["component"]["properties"]}
    assert properties["ctdna:build-digest"] == here.lock.digest


def test_another_build_has_another_serial_number(world: World) -> None:
    first = json.loads(sbom_text(found_build(), world.places()))
    put(world.root, {"package/new.py": ""})
    second = json.loads(sbom_text(found_build(), world.places()))
    assert first["serialNumber"] != second["serialNumber"]
    assert {one["name"] for one in first["components"]} == {"alpha-lib", "beta", *OTHERS}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("License-Expression: MIT", [("MIT", "id")]),
        ("License-Expression: MIT OR Apache-2.0", [("MIT OR Apache-2.0", "expression")]),
        ("License: Apache 2.0", [("Apache-2.0", "id")]),
        ("License: Copyright someone", []),
        ("Classifier: License :: OSI Approved :: BSD License", [("BSD License", "name")]),
        ("License: BSD\nClassifier: License :: OSI Approved :: MIT License", [("MIT", "id")]),
        ("Classifier: Topic :: Software", []),
    ],
)
def test_licences_are_read_from_the_metadata(tmp_path: Path, metadata: str, expected: list[tuple[str, str]]) -> None:
    assert [tuple(one) for one in licences_of(_distribution(tmp_path, metadata))] == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("Author: A Person", "A Person"),
        ("Author-email: A <a@x.org>, B <b@x.org>, C <c@x.org>, D <d@x.org>", "A, B, C and others"),
        ("Author-email: =?utf-8?q?Sebasti=C3=A1n?= <s@x.org>", "Sebastián"),
        ("Author-email: a@x.org\nMaintainer: The Team", "The Team"),
        ("Summary: none", NOT_NAMED),
    ],
)
def test_suppliers_are_named_without_addresses(tmp_path: Path, metadata: str, expected: str) -> None:
    assert supplier_of(_distribution(tmp_path, metadata)) == expected


def test_a_table_of_purposes_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "soup.yaml"
    path.write_text("dependencies: {numpy: {relevance: some, purpose: x}}\nprograms: {}\nembedded: {}\n")
    monkeypatch.setattr(soup, "TABLE", path)
    with pytest.raises(DefinitionError, match=r"relevance"):
        read_table()
