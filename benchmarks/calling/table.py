"""The tables of README.md."""

from typing import Any

from benchmarks.results import Row

PARTS = {
    "sensitivity": "Sensitivity",
    "false": "False calls",
    "peers": "Against the peers",
    "vaf": "VAF",
    "lod": "Stated LoD95",
    "earlier": "On the samples that rules were set on",
    "time": "Time",
}
"""The parts that have rows, and the titles of their tables."""
PROCESS = {"plain": "default", "harsh": "second"}


def _figure(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return f"{value[0]:g} to {value[1]:g}"
    return f"{value:g}" if isinstance(value, float) else f"{value:,}"


def _vaf(one: Row) -> str:
    return "" if one["vaf"] is None else f"{100 * one['vaf']:g} %"


def _met(one: Row) -> str:
    return {None: "", True: "yes", False: "no"}[one["met"]]


_SIGNS = {"sensitivity": ">= ", "false": "<= ", "lod": ">= ", "time": "<= "}


def _target(one: Row) -> str:
    if one["target"] is None:
        return ""
    if one["what"].startswith("bias"):
        return "within " + _figure(one["target"])
    sign = _SIGNS.get("sensitivity" if one["what"].startswith("sensitivity") else one["part"], "")
    return sign + _figure(one["target"])


def _of(one: Row) -> str:
    return f"{one['k']:,} of {one['n']:,}" if "k" in one else _figure(one.get("n"))


def _plain(rows: list[Row]) -> list[str]:
    lines = ["| process | what | VAF | ours | of | 95 % interval | target | met |", "|---|---|--:|--:|--:|--:|--:|---|"]
    for one in rows:
        cells = [PROCESS[one["process"]], one["what"], _vaf(one), _figure(one["ours"]), _of(one)]
        cells += [_figure(one.get("interval")), _target(one), _met(one)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _best(rows: list[Row]) -> list[Row]:
    """Return of each comparison the row of the peer that does best."""
    found: dict[tuple[str, str, float], Row] = {}
    for one in rows:
        if one.get("skipped") or "the peer's" in one["what"]:
            continue
        address = one["process"], one["what"], one["vaf"]
        sign = -1 if one["what"].startswith("false") else 1
        worth = float("-inf") if one["theirs"] is None else sign * one["theirs"]
        before = found.get(address)
        held = float("-inf") if before is None or before["theirs"] is None else sign * before["theirs"]
        if before is None or worth > held:
            found[address] = one
    return list(found.values())


def _peers(rows: list[Row]) -> list[str]:
    lines = ["The best peer of each comparison:", ""]
    lines += [
        "| process | what | VAF | best peer | samples | ours | theirs | met |",
        "|---|---|--:|---|--:|--:|--:|---|",
    ]
    for one in _best(rows):
        theirs = _figure(one["theirs"]) if one["theirs"] is not None else "never"
        cells = [PROCESS[one["process"]], one["what"], _vaf(one), one["peer"], _figure(one.get("samples"))]
        cells += [_figure(one["ours"]), theirs, _met(one)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "Each peer as its authors recommend it, and ours at as many false calls:", ""]
    lines += [
        "| process | peer | what | VAF | false calls | ours | theirs | met |",
        "|---|---|---|--:|--:|--:|--:|---|",
    ]
    for one in (one for one in rows if "the peer's" in one["what"]):
        what = one["what"].removesuffix(", at the peer's false calls")
        cells = [PROCESS[one["process"]], one["peer"], what, _vaf(one), _figure(one["n"])]
        cells += [_figure(one["ours"]), _figure(one["theirs"]), _met(one)]
        lines.append(f"| {' | '.join(cells)} |")
    missing = {(one["peer"], one["skipped"]): None for one in rows if one.get("skipped")}
    if missing:
        lines += ["", "Not run:", "", *(f"- {peer}: {reason}." for peer, reason in missing)]
    return lines


def markdown(rows: list[Row]) -> str:
    """Return the tables of every part that has rows."""
    lines: list[str] = []
    for part, title in PARTS.items():
        own = [one for one in rows if one["part"] == part]
        if own:
            lines += ["", f"### {title}", "", *(_peers(own) if part == "peers" else _plain(own))]
    return "\n".join(lines).strip()
