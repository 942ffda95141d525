"""What must hold before a run starts: kit, lot, instrument, build; and what the run may serve for."""

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from ctdna.build.verify import build_facts
from ctdna.formats.fastq_origin import TELL
from ctdna.kit.authority import Authority
from ctdna.kit.load import LoadedKit
from ctdna.kit.lock import STATES
from ctdna.kit.lots import HeldLot, lot_faults, lots_for
from ctdna.kit.states import statement_digest
from ctdna.model.errors import AuthorityError, DefinitionError, InputError
from ctdna.model.ledger import KitMoved, RunStarted
from ctdna.model.manifest import RunManifest
from ctdna.model.trace import BuildFacts, Gate, LotFacts, OverrideFacts, TraceFacts, Use

if TYPE_CHECKING:
    from ctdna.ledger.ledger import Ledger


class Gated(NamedTuple):
    """A run that may start."""

    trace: TraceFacts
    lot: HeldLot | None
    """The lot as it is held here; None: it is not, or the sheet names none. One of another kit passes by override."""


class Failing(NamedTuple):
    """A gate that the run does not pass, and why."""

    gate: Gate
    what: str


def pass_gates(
    kit: LoadedKit, manifest: RunManifest, day: date, authority: Authority | None, resumed: str | None = None
) -> Gated:
    """Return the trace of a run that may start; `day` is the sequencing run's, `resumed` its name in the ledger.

    A kit in development passes without a ledger; the use is then research. All others need a ledger and a person who
    may start runs, and stop at each gate that fails and that no override lets pass. An override holds for one run: an
    unused one, or one that this very run has used before it was resumed.

    Raises:
        InputError: the kit needs a ledger or a person, or the samples name several lots.
        AuthorityError: the person may not start runs, or a gate fails.
        DefinitionError: lot, states of the kit, or build are not what they claim to be.
    """
    check_person(kit, authority)
    if authority is not None:
        check_states(kit, authority.ledger)
    name = lot_of(manifest)
    found = lots_for(name, kit.address) if name else ()
    held = found[0] if found else None
    overrides: tuple[OverrideFacts, ...] = ()
    if authority is not None and kit.state != "development":
        failing = tuple(_failing(kit, manifest, day, found, authority.ledger))
        overrides = _let_pass(failing, manifest.run_id, authority.ledger, resumed)
    build = build_facts()
    use, reasons = use_of(kit, build, authority is not None)
    trace = TraceFacts(
        site=authority.actor.site if authority else None,
        operator=authority.actor.user if authority else None,
        lot=_lot_facts(name, held),
        build=build,
        overrides=overrides,
        use=use,
        use_reasons=reasons,
    )
    return Gated(trace, held)


def check_person(kit: LoadedKit, authority: Authority | None) -> None:
    """Refuse a run that nobody with the right to it starts; a kit in development runs without a person.

    Raises:
        AuthorityError: the kit needs a person, or this one may not.
    """
    if authority is not None:
        authority.require("run.started")
    elif kit.state != "development":
        what = f"kit {kit.address} is {kit.state}: its runs are recorded in the ledger, by whom"
        raise AuthorityError(None, "--user", what, "give --user; without a ledger, make one by `ctdna ledger init`")


def lot_of(manifest: RunManifest) -> str | None:
    """Return the kit lot of a run, on which its samples must agree; None where a sample names none.

    Raises:
        InputError: they name several.
    """
    named = {sample.specimen.kit_lot: sample.sample_id for sample in reversed(manifest.samples)}
    lots = sorted(lot for lot in named if lot)
    if len(lots) > 1:
        what = f"samples are of lots {lots[0]} ({named[lots[0]]}) and {lots[1]} ({named[lots[1]]})"
        raise InputError(None, "Kit_Lot", what, "prepare the libraries of one run with one lot, or correct the sheet")
    return None if None in named or "" in named or not lots else lots[0]


def _lot_facts(name: str | None, held: HeldLot | None) -> LotFacts | None:
    if name is None:
        return None
    return LotFacts(lot=name, expires=held.lot.expires if held else None, digest=held.digest if held else None)


def check_states(kit: LoadedKit, ledger: "Ledger") -> None:
    """Refuse a kit whose folder lacks a statement that this ledger has seen: its states were cut.

    Raises:
        DefinitionError: they were, or the ledger has the kit with another content.
    """
    here = {statement_digest(signed.statement) for signed in kit.statements}
    for at, kit_digest, statement, said in _seen(kit, ledger):
        if kit_digest != kit.digest:
            what = f"entry {at} of the ledger has content {kit_digest[:16]}..., here is {kit.digest[:16]}..."
            raise DefinitionError(kit.folder, "", what, "restore the kit's folder; for a change make the next version")
        if statement is not None and statement not in here:
            what = f"lacks the statement of entry {at} of the ledger ({said}): it was cut"
            raise DefinitionError(kit.folder / STATES, "", what, "restore the file from the manufacturer's release")


def _seen(kit: LoadedKit, ledger: "Ledger") -> Iterator[tuple[int, str, str | None, str]]:
    for entry in ledger.entries(kind="kit.moved", subject=f"kit {kit.address}"):
        new = entry.new
        if isinstance(new, KitMoved):
            yield entry.sequence, new.kit_digest, new.statement_digest, f"{new.from_state} to {new.to_state}"
    for entry in ledger.entries(kind="run.started"):
        new = entry.new
        if isinstance(new, RunStarted) and new.kit == kit.address and new.kit_statement is not None:
            yield entry.sequence, new.kit_digest, new.kit_statement, f"seen by run {new.run_id}"


def _failing(
    kit: LoadedKit, manifest: RunManifest, day: date, found: tuple[HeldLot, ...], ledger: "Ledger"
) -> Iterator[Failing]:
    if kit.state == "retired":
        yield Failing("kit_retired", f"kit {kit.address} is retired ({kit.statements[-1].statement.why})")
    yield from _lot_failing(kit, manifest, day, found, ledger)
    serial = manifest.instrument
    if serial is None:
        why = [warning for warning in manifest.warnings if warning.startswith(TELL)]
        yield Failing("instrument_unknown", "; ".join(("the input names no instrument", *why)))
    elif ledger.instrument(serial) is None:
        yield Failing("instrument_unknown", f"instrument {serial} is not registered; see ctdna site add-instrument")


def _lot_failing(
    kit: LoadedKit, manifest: RunManifest, day: date, found: tuple[HeldLot, ...], ledger: "Ledger"
) -> Iterator[Failing]:
    if not found:
        name = lot_of(manifest)
        without = next((one.sample_id for one in manifest.samples if not one.specimen.kit_lot), None)
        what = f"lot {name} is not held here; see ctdna lot add" if name else f"sample {without} names no Kit_Lot"
        yield Failing("lot_unknown", what)
        return
    held, lot = found[0], found[0].lot
    known = ledger.lot(lot.lot, lot.kit)
    if known is None:
        yield Failing("lot_unknown", f"lot {lot.lot} of {lot.kit} is not in the ledger; see ctdna lot add")
    elif known.digest != held.digest:
        what = f"is not the file that the ledger has of lot {lot.lot} of {lot.kit} ({known.digest[:16]}...)"
        raise DefinitionError(held.path, "", what, "add the lot again from the manufacturer's file")
    yield from (Failing(gate, what) for gate, what in lot_faults(found, kit, day))


def _let_pass(
    failing: tuple[Failing, ...], run_id: str, ledger: "Ledger", resumed: str | None
) -> tuple[OverrideFacts, ...]:
    found = {one.gate: _override(one.gate, run_id, ledger, resumed) for one in failing}
    shut = [one for one in failing if found[one.gate] is None]
    if shut:
        where = f"gate {', '.join(one.gate for one in shut)}"
        grant = f"ctdna override grant --run-id {run_id} --gate {shut[0].gate} --why TEXT"
        hint = f"mend it, or a director lets this run pass: {grant}"
        raise AuthorityError(None, where, "; ".join(one.what for one in shut), hint)
    return tuple(override for override in found.values() if override is not None)


def _override(gate: Gate, run_id: str, ledger: "Ledger", resumed: str | None) -> OverrideFacts | None:
    for used_by in (resumed, None) if resumed else (None,):
        for one in ledger.overrides(run_id, gate):
            if one.used_by == used_by:
                return OverrideFacts(gate=gate, override_id=one.override_id, user=one.user, why=one.why)
    return None


def use_of(kit: LoadedKit, build: BuildFacts, has_ledger: bool) -> tuple[Use, tuple[str, ...]]:
    """Return what a run may serve for, and codes of the reasons why for no more.

    An override at a gate does not change it; a retired kit serves research, however it passed.
    """
    reasons = [] if has_ledger else ["no_ledger"]
    if kit.state in ("development", "retired"):
        reasons.append(f"kit_{kit.state}")
    if build.state != "locked":
        reasons.append(f"build_{build.state}")
    builds = kit.statements[-1].statement.builds if kit.statements else ()
    is_bound = kit.state == "released" or (kit.state == "investigational" and builds)
    if is_bound and build.digest not in builds:
        reasons.append("build_of_other_release")
    if reasons:
        return "research", tuple(reasons)
    return ("clinical", ()) if kit.state == "released" else ("investigational", ("kit_investigational",))
