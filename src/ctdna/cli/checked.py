"""Parameters of a stage from a kit or from options, with one-line errors."""

from typing import Any, TypeVar

from pydantic import ValidationError

from ctdna.model.base import Frozen
from ctdna.model.errors import InputError

M = TypeVar("M", bound=Frozen)


def checked(model: type[M], values: dict[str, Any]) -> M:
    """Return the stage's parameters of option values.

    Raises:
        InputError: a value is not allowed; the option, the value and what is allowed are named.
    """
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        text = first["msg"].removeprefix("Value error, ")
        if first["loc"]:
            name = str(first["loc"][0])
            raise InputError(None, _option(name), f"found {_shown(first['input'])}: {text}", "see --help") from error
        name, _, rest = text.partition(" ")
        raise InputError(None, _option(name), rest, "see --help") from error


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
