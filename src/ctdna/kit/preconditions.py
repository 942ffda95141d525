"""What must hold before a kit version moves, each with what was found."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ctdna.kit.load import LoadedKit
from ctdna.kit.validate import validate_kit
from ctdna.ledger.ledger import Ledger
from ctdna.model.errors import DefinitionError
from ctdna.model.ledger import EvidenceCarried


class Precondition(NamedTuple):
    """One of them."""

    name: str
    found: str
    is_met: bool


def require(kit: LoadedKit, act: str, conditions: Iterable[Precondition]) -> dict[str, str]:
    """Return what was found by precondition.

    Raises:
        DefinitionError: one is not met; all such are named.
    """
    conditions = tuple(conditions)
    unmet = [f"{one.name}: {one.found}" for one in conditions if not one.is_met]
    if unmet:
        what = f"kit {kit.address} cannot be {act}: {'; '.join(unmet)}"
        raise DefinitionError(kit.folder, "", what, "see docs/kit-lifecycle.md")
    return {one.name: one.found for one in conditions}


def is_valid(kit: LoadedKit) -> Precondition:
    """Hold that every check of the kit passes; what could not be checked is told."""
    found = validate_kit(kit)
    if found.problems:
        return Precondition("valid", f"{len(found.problems)} wrong, first: {found.problems[0]}", False)
    return Precondition("valid", "; ".join(("every check passes", *found.notes)), True)


def is_unfrozen(kit: LoadedKit, ledger: Ledger) -> Precondition:
    """Hold that this version was never frozen, neither here nor by the ledger."""
    if kit.is_frozen:
        return Precondition("not frozen before", "it is frozen already; make the next version", False)
    known = ledger.kit(kit.address)
    if known is not None:
        what = f"the ledger has it frozen with content {known.kit_digest[:16]}...; make the next version"
        return Precondition("not frozen before", what, False)
    return Precondition("not frozen before", "the ledger does not know this version", True)


def is_frozen(kit: LoadedKit, ledger: Ledger) -> Precondition:
    """Hold that the content is the one that the ledger has as frozen, in the state that the ledger has."""
    known = ledger.kit(kit.address)
    if not kit.is_frozen:
        return Precondition("frozen", "it has no lock; freeze it first", False)
    if known is None:
        return Precondition("frozen", "the ledger does not know that it was frozen", False)
    if known.kit_digest != kit.digest:
        what = f"the ledger has content {known.kit_digest[:16]}..., here is {kit.digest[:16]}..."
        return Precondition("frozen", what, False)
    if known.state != kit.state:
        return Precondition("frozen", f"it is {kit.state}, the ledger has it as {known.state}", False)
    return Precondition("frozen", f"lock and ledger have content {kit.digest}", True)


def has_state(kit: LoadedKit, *allowed: str) -> Precondition:
    """Hold that the kit is in one of these states."""
    is_met = kit.state in allowed
    return Precondition("state", kit.state if is_met else f"it is {kit.state}, not {' or '.join(allowed)}", is_met)


def has_background(kit: LoadedKit) -> Precondition:
    """Hold that the kit has a background; that it is bound to the kit is part of `is_valid`."""
    name = kit.definition.files.background
    return Precondition("background", name or "the kit has none; train it by `ctdna kit background`", name is not None)


def has_controls(kit: LoadedKit) -> Precondition:
    """Hold that the kit says what its positive control must show."""
    n = len(kit.definition.controls.positive)
    return Precondition("controls", f"{n} expected variants" if n else "no expected variant is defined", n > 0)


def has_builds(builds: tuple[str, ...]) -> Precondition:
    """Hold that the builds of the software are named that the kit was validated with."""
    return Precondition("builds", ", ".join(builds) or "no build lock is given; see --build-lock", bool(builds))


def evidence_by_claim(kit: LoadedKit, ledger: Ledger) -> dict[str, tuple[str, ...]]:
    """Return ids of the evidence for this very content, made with it or carried to it, by claim, sorted."""
    claim_of = {one.evidence_id: one.claim for one in ledger.evidence()}
    ids = {one.evidence_id for one in ledger.evidence() if (one.kit, one.kit_digest) == (kit.address, kit.digest)}
    ids |= set(_carried(kit, ledger))
    claims = sorted({claim_of[one] for one in ids})
    return {claim: tuple(sorted(one for one in ids if claim_of[one] == claim)) for claim in claims}


def _carried(kit: LoadedKit, ledger: Ledger) -> Iterator[str]:
    for entry in ledger.entries(kind="evidence.carried"):
        new = entry.new
        if isinstance(new, EvidenceCarried) and (new.kit, new.kit_digest) == (kit.address, kit.digest):
            yield new.evidence_id


def has_evidence(claims: tuple[str, ...], found: dict[str, tuple[str, ...]]) -> Precondition:
    """Hold that the ledger has evidence for each claim."""
    missing = [claim for claim in claims if claim not in found]
    if missing:
        return Precondition("evidence", f"the ledger has none for {', '.join(missing)}", False)
    return Precondition("evidence", "; ".join(f"{claim}: {', '.join(found[claim])}" for claim in claims), True)
