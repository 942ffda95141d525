"""`ctdna evidence`: results of studies in the ledger, and what of them counts for another kit or stage."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from ctdna.cli.identity import identity
from ctdna.cli.impact_output import report_format
from ctdna.cli.options import input_path
from ctdna.model.impact import Claim, Study
from ctdna.model.ledger import Stage
from ctdna.model.params.qc import VariantClass

if TYPE_CHECKING:
    from ctdna.model.ledger import EvidenceAdded
    from ctdna.validation.carry import BuildStep
    from ctdna.validation.rules import LoadedRules

_CLAIMS: tuple[str, ...] = get_args(Claim)
_STUDIES: tuple[str, ...] = get_args(Study)
_STAGES: tuple[Stage, ...] = get_args(Stage)


@click.group("evidence")
def command() -> None:
    """Keep results of studies in the ledger, and say which of them count for another kit version or stage."""


def _stated(facts: dict[str, str | None], kit_name: str | None, data: tuple[Path, ...]) -> None:
    """Check that all is given that a piece of evidence needs.

    Raises:
        InputError: something is not.
    """
    from ctdna.model.errors import InputError

    needed = {**facts, "--kit": kit_name, "--data": str(data) if data else None}
    for option, value in needed.items():
        if value is None:
            raise InputError(None, option, "is missing", "see ctdna evidence add --help")


def _from_equivalence(file: Path, stage: Stage, site: str, lot: str | None, instrument: str | None) -> "EvidenceAdded":
    from ctdna.kit.load import load_kit
    from ctdna.model.errors import DefinitionError, InputError
    from ctdna.validation.equivalence_files import read_equivalence
    from ctdna.validation.evidence import evidence_of_replay

    found = read_equivalence(file)
    if found.signer is None:
        raise DefinitionError(
            file, "", "is not signed", "replay on a machine with a ledger, whose site signs the report"
        )
    kits = [run.candidate.kit for run in found.report.runs if run.candidate is not None]
    if not kits:
        raise InputError(file, "", "holds no replay", "mend the cause and replay again")
    return evidence_of_replay(found, load_kit(kits[0]), stage, site, lot, instrument)


@command.command("add")
@click.option("--study", type=click.Choice(_STUDIES), help="The study.")
@click.option("--claim", type=click.Choice(_CLAIMS), help="What it supports.")
@click.option(
    "--class",
    "classes",
    type=click.Choice(get_args(VariantClass)),
    multiple=True,
    help="A variant class; several times.",
)
@click.option("--stage", type=click.Choice(_STAGES), required=True, help="Stage of the kit's life that it was made in.")
@click.option("--kit", "kit_name", metavar="NAME@VERSION", help="The kit that it was made with.")
@click.option("--lot", help="Lot of the kit.")
@click.option("--instrument", help="Serial number of the sequencer.")
@click.option("--site", help="Where it was made; your own site if absent.")
@click.option("--build", metavar="DIGEST", help="Digest of the build; that of this installation if absent.")
@click.option("--data", type=click.Path(path_type=Path), multiple=True, help="A file of its data; several times.")
@click.option("--outcome", help="Its result in one sentence, with figure and interval.")
@input_path("--run", "A finished run: gives kit, lot, instrument and build where they are not given.", required=False)
@input_path("--from-equivalence", "The signed equivalence.json of a replay, in place of all the above.", required=False)
@click.option("--why", default="", help="Why it is added; for the ledger.")
@identity()
def add(
    study: str | None,
    claim: str | None,
    classes: tuple[str, ...],
    stage: Stage,
    kit_name: str | None,
    lot: str | None,
    instrument: str | None,
    site: str | None,
    build: str | None,
    data: tuple[Path, ...],
    outcome: str | None,
    run: Path | None,
    from_equivalence: Path | None,
    why: str,
    user: str,
    password_file: Path | None,
) -> None:
    """Add one result of a study to the ledger; prints its id. For reviewers and directors.

    Data files are named by their digest: the files themselves stay where they are. The same evidence twice is refused.
    """
    from ctdna.build.lock import lock_of
    from ctdna.cli.identity import actor_of
    from ctdna.kit.load import load_kit
    from ctdna.ledger.open import open_ledger
    from ctdna.model.ledger import EvidenceAdded
    from ctdna.orchestrate.archive import read_archive
    from ctdna.validation.evidence import data_digests, named, panel_digest

    ledger = open_ledger()
    actor = actor_of(ledger, user, password_file)
    if from_equivalence is not None:
        payload = _from_equivalence(from_equivalence, stage, site or actor.site, lot, instrument)
    else:
        made = read_archive(run) if run is not None else None
        kit_name = kit_name or (f"{made.side.kit}#{made.side.kit_digest}" if made else None)
        _stated({"--study": study, "--claim": claim, "--outcome": outcome}, kit_name, data)
        kit = load_kit(kit_name or "")
        payload = named(
            EvidenceAdded(
                evidence_id="",
                study=study or "",
                claim=claim or "",
                variant_classes=classes,
                stage=stage,
                kit=kit.address,
                kit_digest=kit.digest,
                panel_digest=panel_digest(kit),
                lot=lot or (made.lot if made else None),
                site=site or actor.site,
                instrument=instrument or (made.instrument if made else None),
                build_digest=build or (made.side.build if made else None) or lock_of().digest,
                data=data_digests(data),
                outcome=outcome or "",
            )
        )
    ledger.record(actor, payload, why=why)
    click.echo(payload.evidence_id)


@command.command("list")
@click.option("--kit", "kit_name", metavar="NAME@VERSION", help="Of this kit alone.")
@click.option("--study", type=click.Choice(_STUDIES), help="Of this study alone.")
@click.option("--claim", type=click.Choice((*_CLAIMS, "equivalence")), help="For this claim alone.")
@click.option("--stage", type=click.Choice(_STAGES), help="Made in this stage alone.")
@click.option("--site", help="Of this site alone.")
@click.option("--format", "form", type=click.Choice(("text", "json")), default="text", show_default=True, help="Form.")
@identity()
def list_evidence(
    kit_name: str | None,
    study: str | None,
    claim: str | None,
    stage: str | None,
    site: str | None,
    form: str,
    user: str,
    password_file: Path | None,
) -> None:
    """List the evidence in the ledger: id, kit, stage, study, claim, classes, site, lot, outcome."""
    from ctdna.cli.identity import reader_of
    from ctdna.formats.documents import dump_json
    from ctdna.ledger.open import open_ledger
    from ctdna.validation.evidence import all_evidence

    ledger = open_ledger()
    reader_of(ledger, user, password_file)
    wanted = {"kit": kit_name, "study": study, "claim": claim, "stage": stage, "site": site}
    filters = {name: value for name, value in wanted.items() if value is not None}
    found = [one for one in all_evidence(ledger) if all(getattr(one, name) == value for name, value in filters.items())]
    if form == "json":
        click.echo(dump_json({"evidence": [one.model_dump(mode="json") for one in found]}), nl=False)
        return
    for one in found:
        classes = ",".join(one.variant_classes) or "-"
        facts = (
            one.evidence_id,
            one.kit,
            one.stage,
            one.study,
            one.claim,
            classes,
            one.site,
            one.lot or "-",
            one.outcome,
        )
        click.echo("\t".join(facts))


def _build_step(before: Path | None, after: Path | None, rules: "LoadedRules") -> "BuildStep | None":
    """Return the change of the build; None where no locks are given.

    Raises:
        InputError: one lock is given without the other, or cannot be read.
        DefinitionError: a lock is not signed by a trusted manufacturer.
    """
    from ctdna.build.verify import read_lock
    from ctdna.model.errors import InputError
    from ctdna.validation.build_diff import build_impact
    from ctdna.validation.carry import BuildStep
    from ctdna.validation.import_graph import Users, read_sources

    if before is None and after is None:
        return None
    if before is None or after is None:
        raise InputError(None, "--build-before, --build-after", "one is given without the other", "give both locks")
    old, new = read_lock(before)[0], read_lock(after)[0]
    return BuildStep(old.digest, new.digest, build_impact(old, new, Users(read_sources()), rules).changes)


@command.command("carry")
@click.option(
    "--from", "before", metavar="NAME@VERSION", required=True, help="The kit that the evidence was made with."
)
@click.option("--to", "after", metavar="NAME@VERSION", required=True, help="The kit that it is to count for.")
@click.option(
    "--stage", type=click.Choice(_STAGES), help="Stage to enter; the latest that evidence was made in if absent."
)
@input_path("--build-before", "Lock of the build that the evidence was made with.", required=False)
@input_path("--build-after", "Lock of the build that it is to count for.", required=False)
@click.option("--record", is_flag=True, help="Record what is reusable in the ledger. For directors.")
@report_format()
@identity()
def carry_command(
    before: str,
    after: str,
    stage: Stage | None,
    build_before: Path | None,
    build_after: Path | None,
    record: bool,
    form: str,
    output: Path | None,
    user: str,
    password_file: Path | None,
) -> None:
    """Say for each piece of evidence whether it counts for another kit version or stage, by which rule, and what lacks.

    The rules are those of ctdna kit diff and, where two build locks are given, of ctdna build diff; what a stage needs
    stands in config/impact/stages.yaml. With the same kit on both sides, stage and builds alone decide.
    """
    from ctdna.cli.identity import reader_of
    from ctdna.cli.impact_output import say
    from ctdna.formats.documents import dump_json
    from ctdna.kit.load import load_kit
    from ctdna.ledger.open import open_ledger
    from ctdna.model.change import Version
    from ctdna.validation.carry import Move, carry, default_stage
    from ctdna.validation.carry_text import carry_page, carry_text
    from ctdna.validation.evidence import entries_to_record, evidence_for
    from ctdna.validation.kit_diff import kit_impact
    from ctdna.validation.page import page_html
    from ctdna.validation.rules import load_rules, load_stages

    ledger = open_ledger()
    actor = reader_of(ledger, user, password_file)
    old, new, rules = load_kit(before), load_kit(after), load_rules()
    versions = [Version(address=kit.address, digest=kit.digest) for kit in (old, new)]
    build = _build_step(build_before, build_after, rules)
    move = Move(versions[0], versions[1], kit_impact(old, new, rules).changes, build)
    evidence = evidence_for(ledger, move.before, move.after)
    report = carry(move, stage or default_stage(evidence), evidence, (rules, load_stages()))
    if record:
        for entry in entries_to_record(ledger, report):
            ledger.record(actor, entry)
    if form == "html":
        say(page_html(carry_page(report)), output)
    else:
        say(dump_json(report) if form == "json" else carry_text(report), output)
