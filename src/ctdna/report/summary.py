"""The table of a run, from its manifest and the results at hand."""

import unicodedata
from pathlib import Path
from typing import NamedTuple

from ctdna.formats.documents import read_json
from ctdna.model.errors import InputError
from ctdna.model.manifest import RunManifest
from ctdna.model.result import Finding, Result
from ctdna.model.sample import Sample
from ctdna.report.notices import name_of
from ctdna.report.numbers import interval, percent
from ctdna.report.printable import printable
from ctdna.report.texts import Language, code, pick
from ctdna.report.write import RESULT

HEADER = ("SAMPLE", "TYPE", "VERDICT", "REPORT", "VARIANT", "VAF (95 % INTERVAL)")


class Summary(NamedTuple):
    """A run's table and what follows it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """One row a finding; a sample's name, type, verdict and state of its report on its first."""
    lines: tuple[str, ...]
    """What failed, with the next step; then the reports' paths."""


def _found(finding: Finding, language: Language) -> tuple[str, str]:
    name = name_of(finding)
    if finding.state != "reported":
        name += f" [{code(language, 'finding', finding.state).lower()}]"
    span = interval(finding.vaf_low, finding.vaf_high, language)
    return name, f"{percent(finding.vaf, language)} ({span})".replace("\u00a0", " ")


def _none_found(result: Result) -> str:
    role, qc = result.sample.role, result.qc
    if role == "no_template_control" and qc.no_template:
        return f"{qc.no_template.molecules_on_target} molecules on target"
    if all(item.verdict == "fail" for item in result.classes):
        return "no result"
    return "none detected"


def _rows(sample: Sample, result: Result | None, state: str, language: Language) -> list[tuple[str, ...]]:
    head = (sample.sample_id, code(language, "role", sample.role))
    if result is None:
        return [(*head, "not finished", "", "", "")]
    verdict = code(language, "status", result.verdict)
    shown = [item for item in result.findings if item.is_shown]
    if not shown:
        return [(*head, verdict, state, _none_found(result), "")]
    first, *rest = (_found(item, language) for item in shown)
    return [(*head, verdict, state, *first), *(("", "", "", "", *pair) for pair in rest)]


def _failures(result: Result, language: Language) -> list[str]:
    figures = (*result.qc.figures, *(result.run_qc.figures if result.run_qc else ()))
    reasons = [pick(language, reason) for item in result.classes for reason in item.reasons]
    reasons += [pick(language, item.reason) for item in figures if item.status == "fail" and item.reason]
    steps = [pick(language, item.next_step) for item in figures if item.status == "fail" and item.next_step]
    text = " ".join(dict.fromkeys(reasons))
    if steps:
        text += " Next step: " + " ".join(dict.fromkeys(steps))
    return [f"{result.sample.sample_id}: {text}"] if text else []


def _lines(folder: Path, results: dict[str, Result | None], language: Language) -> list[str]:
    lines: list[str] = []
    for sample_id, result in results.items():
        if result is None:
            lines.append(f"{sample_id}: has no report yet; run `ctdna run` again, the logs lie in {folder / 'logs'}")
        elif result.verdict == "fail":
            lines += _failures(result, language)
    done = [sample_id for sample_id, result in results.items() if result is not None]
    if done:
        lines.append("Reports:")
        lines += [
            f"  {folder / 'reports' / name / f'report.{kind}.html'}"
            for name in done
            for kind in _languages(results[name])
        ]
        lines.append("A PDF and result.json lie beside each.")
    return lines


def _languages(result: Result | None) -> tuple[str, ...]:
    return result.kit.languages if result else ()


def read_summary(folder: Path, language: Language, states: dict[str, str]) -> Summary:
    """Return the table of the run in that folder; samples in the run's order; `states`: of their reports, by sample.

    Raises:
        InputError: it is no run's output folder, or a document in it is damaged.
    """
    manifest_path = folder / "run.json"
    if not manifest_path.is_file():
        raise InputError(manifest_path, "", "the file does not exist", "give the output folder of `ctdna run`")
    manifest = read_json(manifest_path, RunManifest)
    results: dict[str, Result | None] = {}
    rows: list[tuple[str, ...]] = []
    for sample in manifest.samples:
        path = folder / "reports" / sample.sample_id / RESULT
        results[sample.sample_id] = read_json(path, Result) if path.is_file() else None
        state = states.get(sample.sample_id, "draft")
        rows += _rows(sample, results[sample.sample_id], state, language)
    title = f"Run {manifest.run_id}, kit {manifest.kit}"
    clean = tuple(tuple(printable(cell) for cell in row) for row in rows)
    lines = tuple(printable(line) for line in _lines(folder, results, language))
    return Summary(printable(title), HEADER, clean, lines)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in text)


def summary_text(summary: Summary) -> str:
    """Return the table as plain text: columns apart by two blanks, wide characters counted as two."""
    table = (summary.header, *summary.rows)
    widths = [max(_width(row[i]) for row in table) for i in range(len(summary.header))]
    lines = [summary.title, ""]
    for row in table:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, "", *summary.lines]) + "\n"
