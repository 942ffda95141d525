"""What was measured, as `results.json` and as the table of README.md."""

import json
from pathlib import Path
from typing import Any

from jobs import Job
from measure import Cost

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def row(job: Job, pairs: int, ours: Cost, theirs: Cost) -> dict[str, Any]:
    """Return one entry of the results; figures are read pairs of input per second of wall time."""
    ratio = theirs.wall / ours.wall
    return {
        "what": job.what,
        "peer": job.peer,
        "size": pairs,
        "threads": job.threads,
        "unit": "read pairs per second",
        "ours": round(pairs / ours.wall),
        "theirs": round(pairs / theirs.wall),
        "ratio": round(ratio, 2),
        "target": job.target,
        "met": ratio >= job.target,
        "ours_seconds": round(ours.wall, 2),
        "theirs_seconds": round(theirs.wall, 2),
        "cpu_ratio": round(theirs.cpu / ours.cpu, 2),
        "ours_peak_mib": round(ours.peak_mib),
        "theirs_peak_mib": round(theirs.peak_mib),
    }


def skipped(what: str, peer: str, target: float, why: str) -> dict[str, Any]:
    """Return the entry of a comparison that could not be run."""
    return {
        "what": what,
        "peer": peer,
        "size": None,
        "ours": None,
        "theirs": None,
        "ratio": None,
        "target": target,
        "met": False,
        "skipped": why,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the Markdown table of the results."""
    lines = [
        "| what | peer | read pairs | threads | ours s | theirs s | ratio | CPU ratio | target | met | peak MiB |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|---|--:|",
    ]
    for one in rows:
        head = f"| {one['what']} | {one['peer']} |"
        if one["size"] is None:
            lines.append(f"{head} | | | | | | {one['target']} | not run: {one['skipped']} | |")
            continue
        times = f"{one['ours_seconds']} | {one['theirs_seconds']} | {one['ratio']} | {one['cpu_ratio']}"
        met = "yes" if one["met"] else "no"
        peaks = f"{one['ours_peak_mib']} : {one['theirs_peak_mib']}"
        lines.append(f"{head} {one['size']:,} | {one['threads']} | {times} | {one['target']} | {met} | {peaks} |")
    return "\n".join(lines)


def write(folder: Path, rows: list[dict[str, Any]], text: str) -> None:
    """Write `results.json`, and `text` between the marks of README.md."""
    (folder / "results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    readme = folder / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
