"""Documents with their signature in a file beside them: `NAME.json` and `NAME.json.sig`."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from ctdna.formats.atomic import write_text
from ctdna.formats.documents import dump_json, read_json
from ctdna.formats.keys import PrivateKey, PublicKey, check_signature, trusted_keys
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.signature import KeyRole, Purpose, Signature

M = TypeVar("M", bound=BaseModel)


def signature_path(path: Path) -> Path:
    """Return where the signature of a file stands."""
    return path.with_name(f"{path.name}.sig")


def write_signed(path: Path, document: BaseModel, purpose: Purpose, key: PrivateKey) -> Signature:
    """Write a document and its signature; the signature comes first, so that the document never stands alone.

    Raises:
        InputError: a file cannot be written.
    """
    text = dump_json(document)
    signature = key.sign(purpose, text.encode())
    write_text(signature_path(path), dump_json(signature))
    write_text(path, text)
    return signature


def read_signature(path: Path) -> Signature:
    """Return the signature beside a file.

    Raises:
        DefinitionError: there is none, or it is not well formed.
    """
    beside = signature_path(path)
    if not beside.is_file():
        raise DefinitionError(beside, "", "the signature is missing", "restore it with the file that it belongs to")
    try:
        return read_json(beside, Signature)
    except InputError as error:
        raise DefinitionError(beside, error.where, error.what, "restore it from its source") from error


def read_signed(
    path: Path, model: type[M], purpose: Purpose, role: KeyRole, trusted: dict[str, PublicKey] | None = None
) -> tuple[M, PublicKey]:
    """Return a document and the key that signed it; the keys that this machine trusts in the role count.

    Raises:
        InputError: the document cannot be read, or does not fit its model.
        DefinitionError: the signature is missing, of a key that is not trusted, or does not hold.
    """
    keys = trusted_keys(role) if trusted is None else trusted
    document = read_json(path, model)
    key = check_signature(path, read_signature(path), purpose, path.read_bytes(), keys)
    return document, key
