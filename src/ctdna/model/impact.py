"""The tables of rules that say what a change touches and what each stage of a kit's life needs."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from ctdna.model.base import Frozen
from ctdna.model.ledger import Stage
from ctdna.model.params.qc import VariantClass

CHANGE_KINDS: tuple["ChangeKind", ...] = ("added", "removed", "changed")
ChangeKind = Literal["added", "removed", "changed"]
StageName = Literal[
    "demultiplex",
    "extract",
    "align",
    "group",
    "consensus",
    "filter",
    "call",
    "annotate",
    "qc",
    "report",
    "background",
]
Claim = Literal[
    "lob",
    "lod95",
    "specificity",
    "precision",
    "accuracy",
    "linearity",
    "carryover",
    "interference",
    "stability",
    "sample_identity",
    "origin",
    "mrd",
    "naming",
    "interpretation",
    "acceptance",
    "report_text",
]
"""What a manufacturer states of a kit, and evidence supports."""
Action = Literal["none", "local_verification", "bridging_replay", "repeat_study"]
ACTIONS: tuple[Action, ...] = ("none", "local_verification", "bridging_replay", "repeat_study")
"""From least to most work."""
Study = Literal[
    "EP17-LoB",
    "EP17-LoD",
    "EP12-accuracy",
    "EP05-precision",
    "EP06-linearity",
    "EP07-interference",
    "EP25-stability",
    "carryover",
    "sample-identity",
    "origin-accuracy",
    "mrd-accuracy",
    "annotation-review",
    "report-review",
    "acceptance-review",
    "replay-equivalence",
]
Material = Literal["archived", "new"]
"""`archived`: the study's archived inputs, run again, serve; `new`: samples must be prepared and sequenced anew."""
Scope = Literal["all", "record"]
"""`all`: the claim of the whole class; `record`: of the locus, target or item that changed alone."""
ITEM = r"^[a-z0-9_*-]+(\.[a-z0-9_*-]+)*$"


class Effect(Frozen):
    """What a change does to some claims."""

    claims: tuple[Claim, ...] = Field(min_length=1)
    action: Action
    material: Material | None = None
    """Of a repeated study."""
    scope: Scope = "all"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.action == "repeat_study") != (self.material is not None):
            raise ValueError("a repeated study, and nothing else, says its material")
        return self


class Rule(Frozen):
    """What a change of some items touches."""

    id: str = Field(pattern=r"^IMP-[A-Z]+-\d{3}$")
    items: tuple[Annotated[str, Field(pattern=ITEM)], ...] = Field(min_length=1)
    """Patterns on the dotted path: `*` stands for any one part."""
    records: tuple[str, ...] = ("*",)
    """Patterns on the record (row, threshold, dependency) where the item has records; `*` stands for any text."""
    kinds: tuple[ChangeKind, ...] = CHANGE_KINDS
    stages: tuple[StageName, ...]
    classes: tuple[VariantClass, ...]
    effect: str
    """Name of one of the table's effects."""
    reason: str = Field(min_length=20)
    """In plain words."""


class Acceptance(Frozen):
    """When a replay shows equivalence."""

    confidence: float = Field(gt=0.5, lt=1)
    """Level of all intervals."""
    min_ppa: float = Field(ge=0, le=1)
    """Least positive agreement seen."""
    min_ppa_low: float = Field(ge=0, le=1)
    """Least lower end of its Wilson interval."""
    min_npa: float = Field(ge=0, le=1)
    min_npa_low: float = Field(ge=0, le=1)
    max_vaf_bias: float = Field(ge=0)
    """Largest mean relative difference of VAF; the interval of the mean must lie within."""
    min_vaf_pairs: int = Field(ge=2)
    """Fewer pairs of VAFs show no bias and no absence of it."""
    max_invalid_rise: float = Field(ge=0, le=1)
    """Largest rise of the share of no calls."""
    max_changed_verdicts: int = Field(ge=0)
    """Samples whose verdict of quality control may become another."""


class RuleTable(Frozen):
    """`rules.yaml`: the first rule that matches a change holds for it."""

    schema_version: Literal[1]
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    valid_from: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    studies: dict[Claim, tuple[Study, ...]]
    """Of each claim: the studies that support it."""
    effects: dict[str, tuple[Effect, ...]]
    rules: tuple[Rule, ...]
    default: Rule
    """Holds where no rule matches: everything is repeated."""
    acceptance: Acceptance

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        absent = [claim for claim in get_args(Claim) if not self.studies.get(claim)]
        if absent:
            raise ValueError(f"studies: no study for {', '.join(absent)}")
        ids = [rule.id for rule in (*self.rules, self.default)]
        if len(set(ids)) < len(ids):
            raise ValueError("a rule id stands twice")
        for rule in (*self.rules, self.default):
            if rule.effect not in self.effects:
                raise ValueError(f"{rule.id}: no effect `{rule.effect}`; known: {', '.join(self.effects)}")
        return self


class Requirement(Frozen):
    """Evidence that a kit needs before it may enter a stage."""

    id: str = Field(pattern=r"^STG-[A-Z]+-\d{3}$")
    stage: Stage
    claim: Claim
    classes: tuple[VariantClass, ...]
    """Each by itself; empty: once, for the kit."""
    study: Study
    made_in: tuple[Stage, ...] = Field(min_length=1)
    """Evidence made in these stages counts."""
    min_sites: int = Field(default=1, ge=1)
    min_lots: int = Field(default=0, ge=0)
    min_instruments: int = Field(default=0, ge=0)
    reason: str = Field(min_length=20)


class StageTable(Frozen):
    """`stages.yaml`: what each stage of a kit's life needs."""

    schema_version: Literal[1]
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    valid_from: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    requirements: tuple[Requirement, ...]

    @model_validator(mode="after")
    def _ids_once(self) -> Self:
        ids = [requirement.id for requirement in self.requirements]
        if len(set(ids)) < len(ids):
            raise ValueError("a requirement id stands twice")
        return self
