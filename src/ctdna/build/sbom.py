"""The bill of materials in CycloneDX 1.6 (ECMA-424)."""

import json
import uuid
from collections.abc import Iterable

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from ctdna.build.dependencies import Pin, pins
from ctdna.build.lock import Found
from ctdna.build.own import Places, places
from ctdna.build.soup import SoupTable, read_table, supplies_of
from ctdna.build.supply import NOT_NAMED, Licence, Supply
from ctdna.model.build import BuildItem, BuildLock, digest_of_items

_SPACE = uuid.UUID("6d7f2b1e-3f0a-5c55-9d2b-0c7d1a2f4e10")
"""Of names that serial numbers are made from (RFC 9562, version 5)."""


def _hashes(digests: Iterable[str]) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests]


def _licence(one: Licence) -> DisjunctiveLicense | LicenseExpression:
    if one.kind == "expression":
        return LicenseExpression(one.text)
    return DisjunctiveLicense(id=one.text) if one.kind == "id" else DisjunctiveLicense(name=one.text)


def _supplier(name: str) -> OrganizationalEntity | None:
    return OrganizationalEntity(name=name) if name != NOT_NAMED else None


def _dependency(one: Supply, pin: Pin, item: BuildItem) -> Component:
    url = PackageURL("pypi", None, one.name, one.version)
    return Component(
        name=one.name,
        version=one.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(url),
        purl=url,
        supplier=_supplier(one.supplier),
        hashes=_hashes(pin.sha256 if pin.version == one.version else ()),
        licenses=[_licence(licence) for licence in one.licences],
        properties=[Property(name="ctdna:installed-files-sha256", value=item.sha256)],
    )


def _programs(lock: BuildLock, table: SoupTable) -> list[Component]:
    made = []
    for item in lock.programs:
        known = table.programs.get(item.name)
        component = Component(
            name=item.name,
            version=item.version,
            type=ComponentType.APPLICATION if item.name != "python" else ComponentType.PLATFORM,
            bom_ref=f"program:{item.name}",
            supplier=_supplier(known.supplier) if known else None,
            licenses=[DisjunctiveLicense(id=known.licence)] if known else [],
            hashes=_hashes([item.sha256] if item.name != "python" else []),
        )
        made.append(component)
    return made


def _embedded(lock: BuildLock, table: SoupTable) -> list[Component]:
    made = []
    for name, one in sorted(table.embedded.items()):
        digests = [item.sha256 for item in lock.code if item.name.startswith(one.files)]
        component = Component(
            name=name,
            version=one.version,
            type=ComponentType.FILE,
            bom_ref=f"embedded:{name}",
            supplier=_supplier(one.supplier),
            licenses=[DisjunctiveLicense(id=one.licence)],
            hashes=_hashes(digests),
        )
        made.append(component)
    return made


def _root(lock: BuildLock) -> Component:
    named = {
        "build-digest": lock.digest,
        "own-digest": lock.own_digest,
        "platform": lock.platform,
        "foreign-digest": digest_of_items(lock.foreign),
    }
    return Component(
        name="ctdna",
        version=lock.software,
        type=ComponentType.APPLICATION,
        bom_ref="ctdna",
        licenses=[DisjunctiveLicense(id="Apache-2.0")],
        properties=[Property(name=f"ctdna:{name}", value=value) for name, value in named.items()],
    )


def _bom(found: Found, where: Places) -> Bom:
    lock, table, locked = found.lock, read_table(), pins(where.runtime_lock)
    items = {item.name: item for item in lock.dependencies}
    supplied = supplies_of(lock, where)
    libraries = {one.name: _dependency(one, locked[one.name], items[one.name]) for one in supplied}
    beside = [*_programs(lock, table), *_embedded(lock, table)]
    bom = Bom(components=[*libraries.values(), *beside], serial_number=uuid.uuid5(_SPACE, lock.digest))
    root = _root(lock)
    bom.metadata.component = root
    direct = [libraries[one.name] for one in supplied if one.needed_by == (one.name,)]
    bom.register_dependency(root, [*direct, *beside])
    for one in supplied:
        bom.register_dependency(libraries[one.name], [libraries[name] for name in one.needs])
    return bom


def sbom_text(found: Found, where: Places | None = None) -> str:
    """Return the bill of materials as JSON: ctdna, its dependencies, programs and what is embedded.

    The same build gives the same bytes: no time stands in it, and its serial number is made from the build's digest.
    The hashes of a distribution are those of the archives that the lock of dependencies lets it be installed from.

    Raises:
        DefinitionError: a part of ctdna is absent.
    """
    document = json.loads(JsonV1Dot6(_bom(found, where or places())).output_as_string())
    document["metadata"].pop("timestamp", None)
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
