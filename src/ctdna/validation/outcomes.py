"""What a finished run says, as a replay compares it: read from `result.json` and `qc/run.json` of any version."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

from ctdna.formats.documents import significant
from ctdna.model.equivalence import CallState
from ctdna.model.errors import InputError
from ctdna.model.params.qc import VariantClass

FINDING_FIELDS = (
    *("state", "filters", "vaf", "depth", "ref_molecules", "alt_molecules", "origin"),
    *("tier", "gene", "transcript", "hgvs_c", "hgvs_p", "consequence", "zygosity", "germline_alert", "chip"),
)
LOCUS_FIELDS = ("state", "reason", "depth", "alt_molecules", "lob", "lod95")
TARGET_FIELDS = ("n_positions", "n_callable", "depth_mean", "depth_min", "lod95_median", "lod95_max")
FIGURE_FIELDS = ("value", "status")
Values = dict[str, str | None]
"""Field -> value as text; None: the document has none."""
_STATES: dict[str, CallState] = {
    "reported": "DETECTED",
    "possible_germline": "DETECTED",
    "withheld": "NO_CALL",
    "filtered": "NOT_DETECTED",
}


class AlleleOutcome(NamedTuple):
    """What a run says of one allele of one sample."""

    variant_class: VariantClass
    call: CallState
    vaf: float | None
    """Where it is detected and has one."""


class SampleOutcome(NamedTuple):
    """What a run says of one sample."""

    alleles: dict[str, AlleleOutcome]
    """By `contig:pos1:ref:alt`: reportable alleles, and all others with a record."""
    reportable: frozenset[str]
    """Those that the kit answers by name."""
    findings: dict[str, Values]
    loci: dict[str, Values]
    targets: dict[str, Values]
    figures: dict[str, Values]
    verdicts: Values
    """Of the sample, and of each variant class."""


class RunOutcome(NamedTuple):
    """What a run says of itself."""

    figures: dict[str, Values]
    verdicts: Values


def as_text(value: object) -> str | None:
    """Return a value of a document as text: figures in 6 significant digits, lists joined by commas."""
    if value is None:
        return None
    if isinstance(value, float):
        return f"{significant(value):g}"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return str(value)


def _document(path: Path) -> dict[str, Any]:
    try:
        plain = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the run's folder") from error
    except ValueError as error:
        raise InputError(path, "", "is not JSON", "restore the run's folder") from error
    if not isinstance(plain, dict):
        raise InputError(path, "", "is no document of ctdna", "restore the run's folder")
    return plain


def _key(row: Mapping[str, Any]) -> str:
    return f"{row['contig']}:{row['pos1']}:{row['ref']}:{row['alt']}"


def _picked(row: Mapping[str, Any], fields: tuple[str, ...]) -> Values:
    return {field: as_text(row[field]) for field in fields if field in row}


def _numbered(rows: list[dict[str, Any]], name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    seen: dict[str, int] = {}
    for row in rows:
        seen[row[name]] = seen.get(row[name], 0) + 1
        yield (row[name] if seen[row[name]] == 1 else f"{row[name]} #{seen[row[name]]}"), row


def _figures(rows: list[dict[str, Any]]) -> dict[str, Values]:
    return {name: _picked(row, FIGURE_FIELDS) for name, row in _numbered(rows, "metric")}


def _verdicts(document: Mapping[str, Any]) -> Values:
    return {
        "verdict": as_text(document["verdict"]),
        **{row["variant_class"]: as_text(row["verdict"]) for row in document["classes"]},
    }


def _allele_of_finding(row: Mapping[str, Any]) -> AlleleOutcome:
    call = _STATES[row["state"]]
    return AlleleOutcome(row["variant_class"], call, row["vaf"] if call == "DETECTED" else None)


def _allele_of_locus(row: Mapping[str, Any], vaf: float | None) -> AlleleOutcome:
    if row["state"] not in get_args(CallState):
        raise ValueError(f"state {row['state']}")
    return AlleleOutcome(row["variant_class"], row["state"], vaf if row["state"] == "DETECTED" else None)


def _sample(document: dict[str, Any]) -> SampleOutcome:
    findings = {_key(row): row for row in document["findings"]}
    loci = {_key(row): row for row in document["hotspots"]}
    verdicts = _verdicts(document)
    alleles = {key: _allele_of_finding(row) for key, row in findings.items()}
    for key, row in loci.items():
        found = _allele_of_locus(row, findings[key]["vaf"] if key in findings else None)
        is_withheld = verdicts.get(found.variant_class) == "fail"
        alleles[key] = found._replace(call="NO_CALL", vaf=None) if is_withheld else found
    return SampleOutcome(
        alleles=alleles,
        reportable=frozenset(loci),
        findings={key: _picked(row, FINDING_FIELDS) for key, row in findings.items()},
        loci={key: _picked(row, LOCUS_FIELDS) for key, row in loci.items()},
        targets={name: _picked(row, TARGET_FIELDS) for name, row in _numbered(document["targets"], "target")},
        figures=_figures(document["qc"]["figures"]),
        verdicts=verdicts,
    )


def read_sample(folder: Path, sample_id: str) -> SampleOutcome | None:
    """Return what a run says of a sample; None where it has no result.

    Raises:
        InputError: the result cannot be read or lacks what every version of it has.
    """
    path = folder / "reports" / sample_id / "result.json"
    if not path.is_file():
        return None
    document = _document(path)
    try:
        return _sample(document)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, "", f"is no result of ctdna: {error} is missing or unknown", "restore it") from error


def read_run(folder: Path) -> RunOutcome | None:
    """Return what a run says of itself; None where its quality control was not done.

    Raises:
        InputError: the document cannot be read or lacks what every version of it has.
    """
    path = folder / "qc" / "run.json"
    if not path.is_file():
        return None
    document = _document(path)
    try:
        verdicts = {row["sample_id"]: as_text(row["verdict"]) for row in document["samples"]}
        return RunOutcome(_figures(document["figures"]), {"verdict": as_text(document["verdict"]), **verdicts})
    except (KeyError, TypeError) as error:
        raise InputError(path, "", f"is no verdict of ctdna: {error} is missing", "restore it") from error
