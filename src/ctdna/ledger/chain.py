"""Entries as a chain: their canonical text, digest and signature; an entry as a row of its table."""

import hashlib
import json

from pydantic import BaseModel, TypeAdapter

from ctdna.formats.keys import PrivateKey, PublicKey
from ctdna.model.ledger import Checkpoint, Entry, EntryBody, Head, Payload
from ctdna.model.signature import Signature

Value = str | int | None
Row = dict[str, Value]
FIRST_PREVIOUS = "0" * 64
_BODY = set(EntryBody.model_fields)
_PAYLOAD: TypeAdapter[Payload] = TypeAdapter(Payload)


def canonical(document: BaseModel, include: set[str] | None = None) -> str:
    """Return the one text of a document: JSON in one line, sorted keys, no spaces, not escaped."""
    plain = document.model_dump(mode="json", include=include)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest_of(body: EntryBody) -> str:
    """Return the SHA-256 of an entry's body, in hex; digest and signature of an `Entry` do not count."""
    return hashlib.sha256(canonical(body, _BODY).encode()).hexdigest()


def _signed_text(text: str, signer: str) -> bytes:
    """Return what a signature is over: the text and the name of the key, which nothing else would hold fast."""
    return f"{text}\n{signer}".encode()


def sealed(body: EntryBody, key: PrivateKey) -> Entry:
    """Return the entry of a body, signed by the site's key."""
    digest = digest_of(body)
    fields = {name: getattr(body, name) for name in EntryBody.model_fields}
    return Entry(**fields, digest=digest, signature=key.sign("ledger-entry", _signed_text(digest, key.name)))


def signature_holds(entry: Entry, key: PublicKey) -> bool:
    """Return whether the entry's signature is this key's, over the entry's digest."""
    return key.holds(entry.signature, "ledger-entry", _signed_text(entry.digest, entry.signature.signer))


def checkpoint_of(head: Head, key: PrivateKey) -> Checkpoint:
    """Return a head with the signature of the site's key."""
    return Checkpoint(head=head, signature=key.sign("checkpoint", _signed_text(canonical(head), key.name)))


def checkpoint_holds(checkpoint: Checkpoint, key: PublicKey) -> bool:
    """Return whether a checkpoint's signature is this key's."""
    text = _signed_text(canonical(checkpoint.head), checkpoint.signature.signer)
    return key.holds(checkpoint.signature, "checkpoint", text)


def row_of(entry: Entry) -> Row:
    """Return the entry as a row of table `entries`; no two entries have the same row."""
    return {
        **{name: getattr(entry, name) for name in ("sequence", "at", "site", "user", "role", "subject", "why")},
        "kind": entry.new.kind,
        "new_payload": canonical(entry.new),
        "old_payload": None if entry.old is None else canonical(entry.old),
        "previous": entry.previous,
        "digest": entry.digest,
        "key_id": entry.signature.key_id,
        "signer": entry.signature.signer,
        "signature": entry.signature.value,
    }


def entry_of(row: Row) -> Entry:
    """Return the entry of a row; the reverse of `row_of`.

    Raises:
        ValueError: a column does not fit the model (pydantic's error is one), whatever was written there.
    """
    fields = dict(row)
    kind, new, old = fields.pop("kind"), str(fields.pop("new_payload")), fields.pop("old_payload")
    signed = {"key_id": fields.pop("key_id"), "signer": fields.pop("signer"), "value": fields.pop("signature")}
    payload = _PAYLOAD.validate_json(new)
    if payload.kind != kind:
        raise ValueError(f"kind is {kind}, but the payload is of kind {payload.kind}")
    signature = Signature.model_validate({**signed, "purpose": "ledger-entry"})
    before = None if old is None else _PAYLOAD.validate_json(str(old))
    return Entry.model_validate({**fields, "new": payload, "old": before, "signature": signature})
