"""Rows under names, and what differs between two sets of them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from ctdna.model.change import Change

T = TypeVar("T")
Records = dict[str, dict[str, str]]
"""Name of a record -> column -> value as text; a column without a name stands for the record's own value."""
_SHOWN = 3


def record_names(
    old: Sequence[T], new: Sequence[T], short: Callable[[T], str], long: Callable[[T], str]
) -> tuple[list[str], list[str]]:
    """Return a name for each row of two tables: the short one where it is alone in both, else the long one.

    Rows that share even the long one are numbered.
    """
    doubled = {name for rows in (old, new) for name, n in Counter(map(short, rows)).items() if n > 1}

    def of(rows: Sequence[T]) -> list[str]:
        seen: Counter[str] = Counter()
        names = []
        for row in rows:
            name = short(row) if short(row) not in doubled else long(row)
            seen[name] += 1
            names.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
        return names

    return of(old), of(new)


def _line(values: Mapping[str, str]) -> str:
    return ", ".join(f"{column} {value}" if column else value for column, value in values.items()) or "present"


def _row_changes(item: str, record: str, old: dict[str, str] | None, new: dict[str, str] | None) -> Iterator[Change]:
    if old is None and new is not None:
        yield Change(item=item, record=record, kind="added", old=None, new=_line(new))
    elif new is None and old is not None:
        yield Change(item=item, record=record, kind="removed", old=_line(old), new=None)
    elif old is not None and new is not None:
        for column in dict.fromkeys((*old, *new)):
            if old.get(column) != new.get(column):
                path = f"{item}.{column}" if column else item
                yield Change(item=path, record=record, kind="changed", old=old.get(column), new=new.get(column))


def diff_records(item: str, old: Records, new: Records) -> list[Change]:
    """Return what differs between two tables, record by record, in the order of the first, then of the second."""
    names = dict.fromkeys((*old, *new))
    return [change for name in names for change in _row_changes(item, name, old.get(name), new.get(name))]


def diff_order(item: str, old: Records, new: Records) -> list[Change]:
    """Return whether the records that both tables have stand in another order."""
    before, after = [name for name in old if name in new], [name for name in new if name in old]
    moved = [name for one, name in zip(before, after, strict=True) if one != name]
    if not moved:
        return []
    shown = ", ".join(moved[:_SHOWN]) + (", ..." if len(moved) > _SHOWN else "")
    note = f"{len(moved)} records stand elsewhere: {shown}"
    return [Change(item=f"{item}.order", kind="changed", old=before[0], new=after[0], note=note)]


def diff_values(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """Return what differs between two sets of single values by their paths."""
    changes = []
    for item in dict.fromkeys((*old, *new)):
        a, b = old.get(item), new.get(item)
        if a != b:
            kind = "added" if a is None else "removed" if b is None else "changed"
            changes.append(Change.model_validate({"item": item, "kind": kind, "old": a, "new": b}))
    return changes
