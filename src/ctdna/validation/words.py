"""The codes of the rules in plain words."""

from ctdna.model.change import Change, Reuse
from ctdna.model.impact import Action, Claim, Material, Study

CLAIMS: dict[Claim, str] = {
    "lob": "limit of blank",
    "lod95": "limit of detection",
    "specificity": "specificity",
    "precision": "precision",
    "accuracy": "accuracy",
    "linearity": "linearity of VAF",
    "carryover": "carry-over",
    "interference": "interference",
    "stability": "stability",
    "sample_identity": "contamination and sample identity",
    "origin": "origin (tumour, blood, inherited)",
    "mrd": "residual disease (listed alleles)",
    "naming": "names of variants",
    "interpretation": "interpretation",
    "acceptance": "acceptance of runs and samples",
    "report_text": "words of the report",
}
ACTIONS: dict[Action, str] = {
    "none": "evidence stands",
    "local_verification": "check at each site before use",
    "bridging_replay": "show equivalence by a replay of archived runs",
    "repeat_study": "repeat the study",
}
MATERIALS: dict[Material, str] = {"archived": "on its archived inputs", "new": "on new samples"}
STUDIES: dict[Study, str] = {
    "EP17-LoB": "limit of blank, CLSI EP17",
    "EP17-LoD": "limit of detection, CLSI EP17",
    "EP12-accuracy": "agreement, CLSI EP12",
    "EP05-precision": "precision, CLSI EP05",
    "EP06-linearity": "linearity, CLSI EP06",
    "EP07-interference": "interference, CLSI EP07",
    "EP25-stability": "stability, CLSI EP25",
    "carryover": "carry-over",
    "sample-identity": "contamination and identity",
    "origin-accuracy": "origin of variants",
    "mrd-accuracy": "residual disease",
    "annotation-review": "review of names and statements",
    "report-review": "review of the report in both languages",
    "acceptance-review": "review of accepted and refused runs",
    "replay-equivalence": "replay of archived runs",
}
REUSE: dict[Reuse, str] = {
    "reusable": "reusable",
    "after_replay": "after a replay that shows equivalence",
    "not_reusable": "not reusable",
}
LONGEST = 60


def asked(action: Action, material: Material | None) -> str:
    """Return what is to be done, in words."""
    return f"{ACTIONS[action]} {MATERIALS[material]}" if material else ACTIONS[action]


def claims(names: tuple[Claim, ...]) -> str:
    """Return claims in words."""
    return ", ".join(CLAIMS[name] for name in names)


def short(text: str, longest: int = LONGEST) -> str:
    """Return the text in one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def place(change: Change) -> str:
    """Return which item changed, with its record."""
    return f"{change.item} [{change.record}]" if change.record else change.item


def move(change: Change, longest: int = LONGEST) -> str:
    """Return from what to what it changed."""
    old, new = (short(value, longest) if value is not None else "" for value in (change.old, change.new))
    if change.kind == "added":
        return f"added: {new}"
    return f"removed: {old}" if change.kind == "removed" else f"{old} -> {new}"
