"""JSON documents of frozen models."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ctdna.formats.atomic import write_text
from ctdna.model.errors import InputError

M = TypeVar("M", bound=BaseModel)


def significant(value: float, digits: int = 6) -> float:
    """Return the value rounded to so many significant digits, the form in which every figure is written."""
    return float(f"{value:.{digits}g}")


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return significant(value)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value


def dump_json(document: BaseModel | dict[str, object]) -> str:
    """Return the document's canonical text: sorted keys, two spaces, 6 significant digits, closing line feed."""
    plain = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    return json.dumps(_rounded(plain), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json(path: Path, document: BaseModel | dict[str, object]) -> None:
    """Write the canonical text of a document, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    write_text(path, dump_json(document))


def read_json(path: Path, model: type[M]) -> M:
    """Return the document of that model in a JSON file.

    Raises:
        InputError: the file is missing, is not JSON, or does not fit the model; the first misfit is named.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(path, where, first["msg"], f"expected a {model.__name__} document") from error
