"""Documents taken at their bytes: JSON is accepted only in the very form in which this program writes it."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from ctdna.formats.documents import dump_json
from ctdna.model.errors import DefinitionError

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 256 << 20
"""Of one document; a bundle that lists a million files stays below."""
_HINT = "restore the file from its source"


def parse(place: str, content: bytes, model: type[M]) -> M:
    """Return the document of bytes; `place` names the file in errors.

    Only the canonical text of a document is taken: so no key twice, no number in another spelling, no other order or
    space can make two programs read two things in one file.

    Raises:
        DefinitionError: it is too long, no JSON, does not fit its model, or is not in the canonical form.
    """
    if len(content) > MAX_BYTES:
        raise DefinitionError(place, "", f"has {len(content)} bytes, allowed are {MAX_BYTES}", _HINT)
    try:
        document = model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DefinitionError(place, where, first["msg"], _HINT) from error
    if dump_json(document).encode() != content:
        raise DefinitionError(place, "", "is not in the form that ctdna writes: it was changed", _HINT)
    return document
