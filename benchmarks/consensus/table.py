"""What was measured, as rows of `results.json` and as the tables of README.md."""

from typing import Any

from benchmarks.consensus.jobs import Job
from benchmarks.consensus.measure import Cost, FailedRunError
from benchmarks.results import Row

SPEED, SHARE, SECONDS, MIB = "read pairs per second", "share of molecules", "seconds", "MiB"
PARTS = {
    "group": "Grouping",
    "consensus": "Duplex consensus",
    "whole": "From FASTQ to filtered, realigned duplex consensus",
    "ways": "Short way against long way",
    "memory": "Peak memory of the short way",
    "stages-memory": "Peak memory of the stages",
    "start": "Start",
}
"""The parts of the benchmark that have rows, and the titles of their tables."""


def timed(part: str, genome: str, job: Job, pairs: int, ours: Cost, theirs: Cost, form: str) -> Row:
    """Return the row of a comparison in time; figures are read pairs of input per second of wall time."""
    ratio = theirs.wall / ours.wall
    return {
        "part": part,
        "what": job.what,
        "peer": job.peer,
        "size": pairs,
        "reference": genome,
        "threads": job.threads,
        "unit": SPEED,
        "ours": round(pairs / ours.wall),
        "theirs": round(pairs / theirs.wall),
        "ratio": round(ratio, 2),
        "target": job.target,
        "met": None if job.target is None else round(ratio, 2) >= job.target,
        "ours_seconds": round(ours.wall, 2),
        "theirs_seconds": round(theirs.wall, 2),
        "cpu_ratio": round(theirs.cpu / ours.cpu, 2),
        "ours_peak_mib": round(ours.peak_mib),
        "theirs_peak_mib": round(theirs.peak_mib),
        "theirs_form": form,
    }


def limit(part: str, what: str, size: int | None, ours: float, unit: str, target: float, **more: Any) -> Row:
    """Return the row of a figure of ours that must not lie above its target."""
    return {
        "part": part,
        "what": what,
        "peer": None,
        "size": size,
        "unit": unit,
        "ours": ours,
        "theirs": None,
        "ratio": None,
        "target": target,
        "met": ours <= target,
        **more,
    }


def share(part: str, what: str, size: int, equal: int, of: int, target: float | None, **more: Any) -> Row:
    """Return the row of a share of molecules that must not lie below its target."""
    found = equal / of if of else 0.0
    return {
        "part": part,
        "what": what,
        "peer": None,
        "size": size,
        "unit": SHARE,
        "ours": round(found, 6),
        "theirs": None,
        "ratio": None,
        "target": target,
        "met": None if target is None else found >= target,
        "equal": equal,
        "molecules": of,
        **more,
    }


def skipped(part: str, what: str, peer: str | None, target: float | None, why: str, unit: str = SPEED) -> Row:
    """Return the row of a comparison that could not be run."""
    return {
        "part": part,
        "what": what,
        "peer": peer,
        "size": None,
        "unit": unit,
        "ours": None,
        "theirs": None,
        "ratio": None,
        "target": target,
        "met": False,
        "skipped": why,
    }


def failed(
    part: str, what: str, peer: str | None, target: float | None, size: int, why: FailedRunError, unit: str = SPEED
) -> Row:
    """Return the row of a comparison of which a command ended with an error."""
    return {**skipped(part, what, peer, target, why.reason, unit), "size": size}


def _met(row: Row) -> str:
    if row.get("skipped"):
        return f"not run: {row['skipped']}"
    return {None: "", True: "yes", False: "no"}[row["met"]]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _figures(row: Row) -> list[Any]:
    """Return our figure and theirs as the tables tell them."""
    if "ours_seconds" in row:
        form = f" ({row['theirs_form']})" if row["theirs_form"] else ""
        return [f"{row['ours_seconds']} s", f"{row['theirs_seconds']} s{form}"]
    if row["ours"] is None:
        return ["", ""]
    if row["unit"] == SHARE:
        return [f"{100 * row['ours']:.4f} % of {row['molecules']:,}", ""]
    return [f"{_text(row['ours'])} {row['unit']}", _text(row["theirs"])]


def _target(row: Row) -> str:
    if row["target"] is None:
        return ""
    if row.get("unit") == SHARE:
        return f">= {100 * row['target']:g} %"
    at_most = row.get("unit") in (SECONDS, MIB)
    return f"{'<=' if at_most else '>='} {row['target']:,g}"


def markdown(rows: list[Row]) -> str:
    """Return a Markdown table for each part that has rows."""
    lines: list[str] = []
    for part, title in PARTS.items():
        own = [row for row in rows if row["part"] == part]
        if not own:
            continue
        lines += ["", f"### {title}", ""]
        lines.append(
            "| what | peer | reference | read pairs | threads | ours | theirs | ratio | CPU ratio | target | met |"
        )
        lines.append("|---|---|---|--:|--:|--:|--:|--:|--:|--:|---|")
        for row in own:
            cells = [row["what"], row["peer"], row.get("reference"), row["size"], row.get("threads"), *_figures(row)]
            cells += [row["ratio"], row.get("cpu_ratio"), _target(row), _met(row)]
            lines.append(f"| {' | '.join(map(_text, cells))} |")
        lines += _differences(own)
    return "\n".join(lines).strip()


def _differences(rows: list[Row]) -> list[str]:
    """Return a list of the kinds of differences that rows hold, with their counts, if there are any."""
    lines = []
    for row in rows:
        kinds = "; ".join(f"{one['n']:,} {kind}" for kind, one in row.get("different", {}).items())
        if kinds:
            lines.append(f"- {row['reads']}, {row['size']:,} pairs: {kinds}.")
    return ["", "What differs, by kind:", "", *lines] if lines else []
