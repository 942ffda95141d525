"""`results.json` and the tables of README.md: a partial run replaces its own rows only."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def merged(order: Iterable[str], old: Iterable[Row], new: list[Row], parts: Iterable[str]) -> list[Row]:
    """Return all rows in the order of the parts: the new ones, and the old ones of the parts that did not run."""
    places, ran = list(order), set(parts)
    kept = [row for row in old if row.get("part") in places and row["part"] not in ran]
    return sorted([*kept, *new], key=lambda row: places.index(row["part"]))


def between(text: str, inner: str, begin: str = BEGIN, end: str = END) -> str:
    """Return a page with what stands between two marks replaced."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{inner}\n{end}{after}"


def update(
    folder: Path, order: Iterable[str], markdown: Callable[[list[Row]], str], new: list[Row], parts: Iterable[str]
) -> None:
    """Replace the rows of these parts in `results.json` and in the tables of README.md."""
    results, readme = folder / "results.json", folder / "README.md"
    old = json.loads(results.read_text(encoding="utf-8")) if results.exists() else []
    rows = json.loads(json.dumps(merged(order, old, new, parts)))
    results.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    readme.write_text(between(readme.read_text(encoding="utf-8"), markdown(rows)), encoding="utf-8")
