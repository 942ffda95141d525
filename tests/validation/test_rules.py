"""The table of rules speaks of every key, table, file and part of a build, and of nothing else."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_args, get_origin

import pytest
import yaml

from ctdna.build.dependencies import pins
from ctdna.formats.background_file import read_background
from ctdna.kit.load import load_kit
from ctdna.model.annotation import CommonSnp, ContigPlace, Hotspot, KnowledgeItem, Transcript
from ctdna.model.base import Frozen, Text
from ctdna.model.build import BUILD_PARTS
from ctdna.model.change import Change
from ctdna.model.errors import DefinitionError
from ctdna.model.impact import Claim, Effect, RuleTable, StageName
from ctdna.model.kit import KitDefinition
from ctdna.model.params.qc import Threshold
from ctdna.stages.quality.figures import RUN_FIGURES, SAMPLE_FIGURES
from ctdna.validation import words
from ctdna.validation.background_items import diff_trained
from ctdna.validation.build_diff import _OTHER_FILES, _PARTS
from ctdna.validation.definition_items import parts_of
from ctdna.validation.import_graph import STEPS
from ctdna.validation.rules import claims_of, impact_of, load_rules, load_stages, rule_for
from ctdna.validation.table_items import TABLES
from tests.validation.builders import DEMO

ROOT = Path(__file__).resolve().parents[2]
RULES = load_rules()
COLUMNS: dict[str, tuple[str, ...]] = {
    "panel": ("contig", "start0", "end0", "target"),
    "hotspots": Hotspot._fields[4:],
    "transcripts": Transcript._fields[1:],
    "knowledge": KnowledgeItem._fields[1:],
    "common_snps": CommonSnp._fields[4:],
    "umis": (),
    "contigs": ContigPlace._fields[1:],
    "slices": ContigPlace._fields[1:],
}


class Item(NamedTuple):
    """One thing that can differ."""

    path: str
    kind: str
    record: str | None = None

    @property
    def change(self) -> Change:
        sides = {"old": None if self.kind == "added" else "a", "new": None if self.kind == "removed" else "b"}
        return Change.model_validate({"item": self.path, "record": self.record, "kind": self.kind, **sides})


def _plain(annotation: object) -> list[object]:
    """Return the types that an annotation allows, None left out."""
    if get_origin(annotation) in (dict, tuple) or isinstance(annotation, type):
        return [annotation]
    return [inner for one in get_args(annotation) for inner in _plain(one) if one is not type(None)]


def _members(annotation: object) -> type[Frozen] | None:
    arguments = get_args(annotation)
    member = arguments[0] if get_origin(annotation) is tuple and arguments else None
    return member if isinstance(member, type) and issubclass(member, Frozen) else None


def _list_items(path: str, member: type[Frozen], records: list[str]) -> Iterator[Item]:
    named = {"metric"} if member is Threshold else {"en"} if member is Text else set()
    columns = [item.path for item in keys_of(member, "") if item.path not in named]
    for record in records:
        yield from (Item(path, kind, record) for kind in ("added", "removed"))
        yield from (Item(f"{path}.{column}", "changed", record) for column in columns)


def keys_of(model: type[Frozen], path: str) -> Iterator[Item]:
    """Yield every item that a model's keys can give, from its annotations alone."""
    figures = {"qc.sample": list(SAMPLE_FIGURES), "qc.run": list(RUN_FIGURES)}
    for name, field in model.model_fields.items():
        here = f"{path}.{name}" if path else name
        for one in _plain(field.annotation) or [str]:
            if isinstance(one, type) and get_origin(one) is None and issubclass(one, Frozen):
                yield from keys_of(one, here)
            elif (member := _members(one)) is not None:
                yield from _list_items(here, member, figures.get(here, ["x"]))
            elif get_origin(one) is dict:
                yield from (Item(here, kind, "x") for kind in ("added", "removed", "changed"))
            else:
                yield Item(here, "changed")


def _table_items() -> Iterator[Item]:
    for table in TABLES:
        item = f"table.{table}"
        yield from (Item(item, kind, "row") for kind in ("added", "removed"))
        yield from (Item(f"{item}.{column}", "changed", "row") for column in COLUMNS[table])
        yield from (Item(f"{item}.{tail}", "changed") for tail in ("order", "form"))
    yield from (Item(item, kind, "x") for item in ("file.reference", "file.other") for kind in ("added", "changed"))
    yield from (Item("background", kind) for kind in ("added", "removed"))
    yield Item("background.form", "changed")


def _background_changes() -> list[tuple[str, list[Change]]]:
    """Return, for each field of a background, the changes that another value there gives."""
    trained = read_background(load_kit(DEMO).path("background.gz"))
    found = []
    for name, value in trained._asdict().items():
        other: object = f"{value}x" if isinstance(value, str) else value + 1 if not isinstance(value, dict) else None
        if isinstance(value, dict):
            other = {**value, "further": 1}
        found.append((name, diff_trained(trained, trained._replace(**{name: other}))))
    return found


def _build_items() -> Iterator[Item]:
    locked = pins(ROOT / "requirements" / "runtime.lock")
    names = {"dependency": list(locked), "program": ["bwa", "python"]}
    yield from (Item(f"code.{step}", "changed") for step in (*STEPS, "job", "outside"))
    yield from (Item(item, "changed") for item in (*_OTHER_FILES.values(), "software", "platform"))
    for _, item in _PARTS:
        yield from (
            Item(item, kind, name) for name in names.get(item, ["x"]) for kind in ("added", "removed", "changed")
        )


KEYS = [*keys_of(KitDefinition, ""), *_table_items()]
BUILD = list(_build_items())


@pytest.mark.req("REQ-IMP-001")
def test_the_keys_looked_for_are_those_that_a_diff_finds() -> None:
    found = {path for path, _ in parts_of(load_kit(DEMO).definition)}
    named = {item.path for item in KEYS}
    assert len(found) > 100
    assert found - named == set()


@pytest.mark.req("REQ-IMP-003")
@pytest.mark.parametrize("items", [KEYS, BUILD], ids=["kit", "build"])
def test_every_item_has_a_rule_of_its_own(items: list[Item]) -> None:
    unruled = [item for item in items if rule_for(RULES.table, item.change) is RULES.table.default]
    assert unruled == []


@pytest.mark.req("REQ-IMP-003")
def test_every_part_of_a_build_lock_is_compared() -> None:
    assert {part for part, _ in _PARTS} | {"code"} == set(BUILD_PARTS)


def test_every_field_of_a_background_is_compared_and_has_a_rule() -> None:
    for name, changes in _background_changes():
        assert changes, name
        for change in changes:
            assert rule_for(RULES.table, change) is not RULES.table.default, change.item


def test_every_dependency_of_the_lock_is_judged_by_name() -> None:
    names = [item for item in BUILD if item.path == "dependency"]
    assert len(names) > 250
    assert [item.record for item in names if rule_for(RULES.table, item.change).id == "IMP-DEP-008"] == []


@pytest.mark.req("REQ-IMP-002")
def test_what_no_rule_knows_asks_for_everything_again() -> None:
    for item in ("call.brand_new", "newstage.threshold", "table.fusions"):
        found = impact_of(RULES.table, Change(item=item, kind="changed", old="1", new="2"))
        assert found.rule == "IMP-ALL-000"
        assert found.action == "repeat_study"
        claims = {claim for effect in found.effects for claim in effect.claims}
        assert claims == set(get_args(Claim))


@pytest.mark.req("REQ-IMP-003")
def test_no_rule_is_dead() -> None:
    changes = [item.change for item in (*KEYS, *BUILD)]
    changes += [change for _, found in _background_changes() for change in found]
    changes += [Item("dependency", "added", "unheard-of").change, Item("program", "added", "unheard-of").change]
    used = {rule_for(RULES.table, change).id for change in changes}
    assert {rule.id for rule in RULES.table.rules} - used == set()


def test_no_pattern_is_dead() -> None:
    known = {item.path for item in (*KEYS, *BUILD)}
    known |= {change.item for _, found in _background_changes() for change in found}
    patterns = {pattern for rule in RULES.table.rules for pattern in rule.items}
    assert patterns - known == set()


@pytest.mark.parametrize(
    ("item", "kind", "record", "rule", "action"),
    [
        ("call.hotspot_alpha", "changed", None, "IMP-CALL-003", "repeat_study"),
        ("call.prior_hotspot", "changed", None, "IMP-CALL-013", "bridging_replay"),
        ("call.homopolymer_bases", "changed", None, "IMP-CALL-009", "repeat_study"),
        ("group.edits", "changed", None, "IMP-GRP-001", "repeat_study"),
        ("extract.read_structures", "changed", None, "IMP-EXT-001", "repeat_study"),
        ("demultiplex.barcode_mismatches", "changed", None, "IMP-DMX-002", "repeat_study"),
        ("qc.sample.min", "changed", "median_unique_depth", "IMP-QC-003", "bridging_replay"),
        ("qc.sample.max", "changed", "contamination_fraction", "IMP-QC-001", "bridging_replay"),
        ("qc.run.max", "changed", "index_hopping_fraction", "IMP-QC-002", "bridging_replay"),
        ("report.method.zh", "changed", None, "IMP-RPT-001", "local_verification"),
        ("table.knowledge.tier", "changed", "CIViC:EID1", "IMP-ANN-002", "local_verification"),
        ("table.panel", "added", "EGFR:exon18", "IMP-PNL-001", "repeat_study"),
        ("table.transcripts.exons", "changed", "NM_1", "IMP-ANN-001", "bridging_replay"),
        ("version", "changed", None, "IMP-KIT-001", "none"),
        ("dependency", "changed", "numpy", "IMP-DEP-001", "bridging_replay"),
        ("dependency", "changed", "sqlalchemy", "IMP-DEP-005", "none"),
        ("dependency", "added", "unheard-of", "IMP-DEP-008", "bridging_replay"),
    ],
)
def test_the_rule_that_holds(item: str, kind: str, record: str | None, rule: str, action: str) -> None:
    found = impact_of(RULES.table, Item(item, kind, record).change)
    assert (found.rule, found.action) == (rule, action)


def test_a_filter_of_indels_touches_no_substitution() -> None:
    assert impact_of(RULES.table, Item("call.homopolymer_bases", "changed").change).classes == ("indel",)


def test_a_text_of_the_report_touches_no_analytical_claim() -> None:
    found = impact_of(RULES.table, Item("report.method.en", "changed").change)
    assert {claim for effect in found.effects for claim in effect.claims} == {"report_text"}


def test_what_only_slows_or_stops_a_run_touches_no_call() -> None:
    for item in ("qc.sample.min", "qc.run.max"):
        found = impact_of(RULES.table, Item(item, "changed", "q30_fraction").change)
        assert {claim for effect in found.effects for claim in effect.claims} == {"acceptance"}


def test_claims_of_different_classes_are_asked_apart() -> None:
    items = (Item("call.homopolymer_bases", "changed"), Item("code.call", "changed"))
    claims = claims_of(RULES.table, tuple(impact_of(RULES.table, item.change) for item in items))
    lod = {one.classes: (one.action, one.studies, one.rules) for one in claims if one.claim == "lod95"}
    assert lod == {
        ("indel",): ("repeat_study", ("EP17-LoD",), ("IMP-CALL-009",)),
        ("snv", "mnv"): ("bridging_replay", ("EP17-LoD",), ("IMP-CODE-003",)),
    }


def test_every_code_has_words() -> None:
    assert set(words.CLAIMS) == set(get_args(Claim))
    assert {stage for rule in RULES.table.rules for stage in rule.stages} == set(get_args(StageName))


@dataclasses.dataclass
class Broken:
    """A fault of a table and the words of its refusal."""

    old: str
    new: str
    what: str


@pytest.mark.req("REQ-IMP-005")
@pytest.mark.parametrize(
    "fault",
    [
        Broken("  - id: IMP-KIT-002", "  - id: IMP-KIT-001", "a rule id stands twice"),
        Broken("effect: other_product", "effect: no_such", "no effect `no_such`"),
        Broken("action: repeat_study, material: new", "action: repeat_study", "says its material"),
        Broken("  lob: [EP17-LoB]\n", "", "no study for lob"),
        Broken("schema_version: 1", "schema_version: 2", "schema_version"),
        Broken("schema_version: 1", "schema_version: 1\nextra: 1", "extra"),
    ],
    ids=lambda fault: fault.what,
)
def test_a_faulty_table_is_refused(tmp_path: Path, fault: Broken) -> None:
    text = (ROOT / "config" / "impact" / "rules.yaml").read_text(encoding="utf-8")
    assert fault.old in text
    (tmp_path / "rules.yaml").write_text(text.replace(fault.old, fault.new, 1), encoding="utf-8")
    with pytest.raises(DefinitionError, match=fault.what):
        load_rules(tmp_path / "rules.yaml")


def test_a_stage_table_with_an_id_twice_is_refused(tmp_path: Path) -> None:
    text = (ROOT / "config" / "impact" / "stages.yaml").read_text(encoding="utf-8")
    (tmp_path / "stages.yaml").write_text(text.replace("STG-INV-002", "STG-INV-001"), encoding="utf-8")
    with pytest.raises(DefinitionError, match="a requirement id stands twice"):
        load_stages(tmp_path / "stages.yaml")


@pytest.mark.req("REQ-IMP-005")
def test_the_tables_are_written_as_a_person_can_read_them() -> None:
    text = (ROOT / "config" / "impact" / "rules.yaml").read_text(encoding="utf-8")
    table = RuleTable.model_validate_json(RULES.table.model_dump_json())
    assert table == RULES.table
    assert yaml.safe_load(text)["version"] == RULES.source.version
    assert all(reason.endswith(".") for reason in (rule.reason for rule in RULES.table.rules))
    assert max(len(line) for line in text.splitlines()) <= 130


def test_an_effect_without_material_is_no_repetition() -> None:
    with pytest.raises(ValueError, match="says its material"):
        Effect(claims=("lob",), action="bridging_replay", material="new")
