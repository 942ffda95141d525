"""One value of a `kit.yaml` set in its text, so that comments and order stay."""

import json
from pathlib import Path

import yaml

from ctdna.formats.atomic import write_text
from ctdna.model.errors import DefinitionError

_HINT = "set it by hand"


def set_value(path: Path, keys: tuple[str, ...], value: str | None) -> None:
    """Write a text, or null, as the value of a key; every other character of the file stays.

    Raises:
        DefinitionError: the file cannot be read or is not YAML, or the key is absent or no plain value.
        InputError: the file cannot be written.
    """
    where = ".".join(keys)
    try:
        text = path.read_text("utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DefinitionError(path, where, f"cannot be read: {error}", _HINT) from error
    for key in keys:
        node = _child(node, key)
    if not isinstance(node, yaml.ScalarNode):
        raise DefinitionError(path, where, "is absent, or no plain value", _HINT)
    start, end = node.start_mark.index, node.end_mark.index
    word = "null" if value is None else _scalar(value, is_quoted=node.style == '"' or text[:1] == "{")
    gap = " " if text[start - 1] == ":" else ""
    write_text(path, f"{text[:start]}{gap}{word}{text[end:]}")


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _scalar(value: str, is_quoted: bool) -> str:
    return json.dumps(value, ensure_ascii=False) if is_quoted else value
