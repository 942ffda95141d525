"""Pieces of evidence: made from what a person states, or from an equivalence report; found again in the ledger."""

import hashlib
from pathlib import Path

from ctdna.formats.digest import sha256_of
from ctdna.kit.load import LoadedKit
from ctdna.kit.lock import file_digest
from ctdna.ledger.ledger import Ledger
from ctdna.model.change import CarryReport, Version
from ctdna.model.equivalence import Equivalence, Rate, Side
from ctdna.model.errors import InputError
from ctdna.model.ledger import Bridge, EvidenceAdded, EvidenceCarried, Stage
from ctdna.validation.carry import EQUIVALENCE_CLAIM, Evidence
from ctdna.validation.equivalence_files import DOCUMENT, ReadEquivalence

_ID_DIGITS = 12


def evidence_id(payload: EvidenceAdded) -> str:
    """Return the id of a piece of evidence: of its content, so that the same is never added twice under two names."""
    text = payload.model_copy(update={"evidence_id": ""}).model_dump_json()
    return f"EV-{hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS]}"


def named(payload: EvidenceAdded) -> EvidenceAdded:
    """Return the evidence under its own id."""
    return payload.model_copy(update={"evidence_id": evidence_id(payload)})


def panel_digest(kit: LoadedKit) -> str:
    """Return the SHA-256 of the kit's panel.

    Raises:
        DefinitionError: it is missing.
    """
    return file_digest(kit.path(kit.definition.files.panel))


def data_digests(files: tuple[Path, ...]) -> dict[str, str]:
    """Return the SHA-256 of each file of data by its name.

    Raises:
        InputError: a file cannot be read, or two have one name.
    """
    digests: dict[str, str] = {}
    for path in files:
        if path.name in digests:
            raise InputError(path, "", f"two files are named {path.name}", "rename one of them")
        digests[path.name] = sha256_of(path)
    return digests


def _one(sides: list[Side], what: str) -> Side:
    kits = {(side.kit, side.kit_digest, side.build) for side in sides}
    if len(kits) != 1:
        hint = "make one report for each kit and build"
        raise InputError(None, DOCUMENT, f"holds runs of {len(kits)} {what} kits or builds", hint)
    return sides[0]


def _told(name: str, rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return f"{name} not counted"
    return f"{name} {rate.n_agree}/{rate.n} ({100 * rate.low:.1f} % to {100 * rate.high:.1f} %)"


def _outcome(report: Equivalence) -> str:
    loci = report.agreement[0]
    verdict = report.verdict.replace("_", " ")
    rates = ", ".join(_told(name, rate) for name, rate in (("PPA", loci.ppa), ("NPA", loci.npa)))
    return f"{verdict}: {rates}, {len(report.runs)} runs, {report.n_samples} samples"


def evidence_of_replay(
    found: ReadEquivalence, kit: LoadedKit, stage: Stage, site: str, lot: str | None, instrument: str | None
) -> EvidenceAdded:
    """Return an equivalence report as evidence of the candidate; the kit is the one the report names, as it is here.

    Raises:
        InputError: its runs are of several kits or builds, a replay failed, or the kit is another one.
    """
    report = found.report
    candidates = [run.candidate for run in report.runs if run.candidate is not None]
    if len(candidates) < len(report.runs) or not report.runs:
        raise InputError(None, DOCUMENT, "holds a replay that failed", "mend the cause and replay again")
    new = _one(candidates, "candidate")
    old = _one([run.baseline for run in report.runs], "archived")
    if new.kit_digest != kit.digest:
        what = f"is of {new.kit} with digest {new.kit_digest[:16]}..., the kit here has {kit.digest[:16]}..."
        raise InputError(None, DOCUMENT, what, "restore the kit that was replayed")
    if new.build is None:
        raise InputError(None, DOCUMENT, "does not name the candidate's build", "replay with a build that names itself")
    classes = [one.variant_class for one in report.agreement if one.variant_class is not None]
    return named(
        EvidenceAdded(
            evidence_id="",
            study="replay-equivalence",
            claim=EQUIVALENCE_CLAIM,
            variant_classes=tuple(classes),
            stage=stage,
            kit=new.kit,
            kit_digest=new.kit_digest,
            panel_digest=panel_digest(kit),
            lot=lot,
            site=site,
            instrument=instrument,
            build_digest=new.build,
            data={DOCUMENT: found.digest},
            outcome=_outcome(report),
            bridge=Bridge(kit=old.kit, kit_digest=old.kit_digest, build_digest=old.build, verdict=report.verdict),
        )
    )


def all_evidence(ledger: Ledger) -> tuple[EvidenceAdded, ...]:
    """Return every piece of evidence in the ledger, the first one first.

    Raises:
        DefinitionError: an entry is not well formed.
    """
    entries = (entry.new for entry in ledger.entries(kind="evidence.added"))
    return tuple(new for new in entries if isinstance(new, EvidenceAdded))


def _carried_to(ledger: Ledger, version: Version) -> dict[str, set[Stage]]:
    """Return the ids of evidence that was carried to a kit, with the stages it was carried for."""
    found: dict[str, set[Stage]] = {}
    for entry in ledger.entries(kind="evidence.carried"):
        new = entry.new
        if isinstance(new, EvidenceCarried) and (new.kit, new.kit_digest) == (version.address, version.digest):
            found.setdefault(new.evidence_id, set()).add(new.stage)
    return found


def evidence_for(ledger: Ledger, before: Version, after: Version) -> Evidence:
    """Return what the ledger holds for carrying evidence from one kit to another.

    Raises:
        DefinitionError: an entry is not well formed.
    """
    known, carried = all_evidence(ledger), _carried_to(ledger, before)
    return Evidence(
        old=tuple(one for one in known if one.kit == before.address or one.evidence_id in carried),
        new=tuple(one for one in known if one.kit == after.address),
        carried=frozenset(carried),
    )


def entries_to_record(ledger: Ledger, report: CarryReport) -> tuple[EvidenceCarried, ...]:
    """Return an entry for each reusable piece of evidence that is not recorded for this kit and stage yet.

    Raises:
        DefinitionError: an entry is not well formed.
    """
    done = _carried_to(ledger, report.after)
    tables = f"rules {report.rules.version}, stages {report.stages.version}"
    return tuple(
        EvidenceCarried(
            evidence_id=item.evidence_id,
            kit=report.after.address,
            kit_digest=report.after.digest,
            stage=report.stage,
            rule=f"{', '.join(item.rules)} ({tables})",
        )
        for item in report.items
        if item.reuse == "reusable" and report.stage not in done.get(item.evidence_id, set())
    )
