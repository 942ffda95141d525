"""YAML files as frozen models: plain values of JSON's types alone, every key known, none twice."""

import json
import re
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from ctdna.model.errors import CtdnaError

M = TypeVar("M", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML with the scalar types of JSON alone: no dates, no yes/no; and no key twice."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|false)$", list("tf")),
    ("tag:yaml.org,2002:int", r"^[-+]?\d+$", list("-+0123456789")),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?$", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, object]:
    values: dict[str, object] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"line {line}: key {key!r} is not text")
        if key in values:
            raise yaml.constructor.ConstructorError(None, None, f"line {line}: key `{key}` stands twice")
        values[key] = loader.construct_object(value_node, deep=True)
    return values


def _integer(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def _plain(path: Path, kind: type[CtdnaError], hint: str, absent: str) -> object:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise kind(path, "", f"cannot be read: {error.strerror}", absent) from error
    except UnicodeDecodeError as error:
        raise kind(path, f"byte {error.start}", "is not UTF-8 text", "save it as UTF-8") from error
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.constructor.ConstructorError as error:
        where, _, what = str(error.problem).partition(": ")
        raise kind(path, where if what else "", what or where, hint) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise kind(path, where, f"is not YAML: {error.problem}", hint) from error
    except yaml.YAMLError as error:
        raise kind(path, "", f"is not YAML: {error}", hint) from error
    except RecursionError as error:
        raise kind(path, "", "is nested too deeply", hint) from error
    except ValueError as error:
        raise kind(path, "", f"holds a value that cannot be: {error}", hint) from error


def read_yaml(path: Path, model: type[M], kind: type[CtdnaError], hint: str, absent: str = "check the path") -> M:
    """Return the document of that model in a YAML file; types are strict and every key must be known and filled.

    `kind` is the error that is raised, `hint` its remedy for wrong content, `absent` for a file that cannot be read.

    Raises:
        CtdnaError: of that kind, where the file cannot be read, is not YAML, or does not fit; names the first wrong
            key, what was found and what is allowed.
    """
    plain = _plain(path, kind, hint, absent)
    try:
        return model.model_validate_json(json.dumps(plain))
    except ValidationError as error:
        errors = error.errors()
        first = errors[0]
        where = ".".join(str(part) for part in first["loc"])
        is_whole = first["type"] == "missing" or not first["loc"]
        found = "" if is_whole else f"found {json.dumps(first['input'], default=str)[:80]}, "
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        message = first["msg"].removeprefix("Value error, ")
        raise kind(path, where, f"{found}{message}{more}", hint) from error
