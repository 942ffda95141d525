"""Every key of a kit's definition as an item: single values, and records of lists and tables."""

import json
from collections.abc import Iterator, Sequence

from ctdna.model.base import Frozen, Text
from ctdna.model.change import Change
from ctdna.model.kit import ExpectedVariant, KitDefinition
from ctdna.model.params.qc import Threshold
from ctdna.validation.records import Records, diff_records, diff_values, record_names

Part = tuple[str, object]


def as_text(value: object) -> str:
    """Return a value as kit.yaml would show it: text as it is, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Frozen):
        return json.dumps(value.model_dump(mode="json"), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, default=list)


def parts_of(value: Frozen, path: str = "") -> Iterator[Part]:
    """Yield the path and the value of every key below: single values, tuples of models, dictionaries."""
    for name in type(value).model_fields:
        inner, here = getattr(value, name), f"{path}.{name}" if path else name
        if isinstance(inner, Frozen):
            yield from parts_of(inner, here)
        else:
            yield here, inner


def is_list(value: object) -> bool:
    """Return whether a value is a list of models, whose members are compared one by one."""
    return isinstance(value, tuple) and bool(value) and all(isinstance(one, Frozen) for one in value)


def _short(one: Frozen) -> str:
    if isinstance(one, Threshold):
        return one.metric
    if isinstance(one, ExpectedVariant):
        return one.label
    return one.en if isinstance(one, Text) else as_text(one)


def _long(one: Frozen) -> str:
    if isinstance(one, Threshold):
        return f"{one.metric} ({', '.join(one.roles)}; {one.severity})"
    if isinstance(one, ExpectedVariant):
        return f"{one.label} {one.contig}:{one.pos1} {one.ref}>{one.alt}"
    return _short(one)


def _columns(one: Frozen) -> dict[str, str]:
    names = {"metric"} if isinstance(one, Threshold) else {"en"} if isinstance(one, Text) else set()
    return {name: as_text(value) for name, value in parts_of(one) if name not in names}


def _list_records(old: Sequence[Frozen], new: Sequence[Frozen]) -> tuple[Records, Records]:
    names = record_names(old, new, _short, _long)
    sides = zip(names, (old, new), strict=True)
    before, after = ({name: _columns(one) for name, one in zip(named, side, strict=True)} for named, side in sides)
    return before, after


def _mapping_records(value: object) -> Records:
    return {name: {"": as_text(inner)} for name, inner in value.items()} if isinstance(value, dict) else {}


def _diff_part(item: str, old: object, new: object) -> list[Change]:
    if is_list(old) or is_list(new):
        before, after = (tuple(side) if isinstance(side, tuple) else () for side in (old, new))
        return diff_records(item, *_list_records(before, after))
    if isinstance(old, dict) or isinstance(new, dict):
        return diff_records(item, _mapping_records(old), _mapping_records(new))
    return diff_values({item: as_text(old)}, {item: as_text(new)})


def diff_definitions(old: KitDefinition, new: KitDefinition) -> list[Change]:
    """Return every key of kit.yaml that is not the same, in the order of the definition."""
    before, after = dict(parts_of(old)), dict(parts_of(new))
    return [
        change
        for item in dict.fromkeys((*before, *after))
        if before.get(item) != after.get(item)
        for change in _diff_part(item, before.get(item), after.get(item))
    ]
