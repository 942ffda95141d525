"""Signatures of documents by the keys of a manufacturer or a site."""

from typing import Literal

from pydantic import Field

from ctdna.model.base import Frozen

KeyRole = Literal["manufacturer", "site"]
KEY_NAME = r"^[a-z0-9]+(-[a-z0-9]+)*$"
KEY_ID = r"^[0-9a-f]{16}$"

Purpose = Literal["kit-state", "lot", "build", "bundle", "report", "ledger-entry", "checkpoint", "equivalence"]
"""What a signature is for; it is part of what is signed, so no signature serves another purpose."""


class Signature(Frozen):
    """An Ed25519 signature (RFC 8032) over `ctdna`, the purpose, the signer and the SHA-256 of a content."""

    key_id: str = Field(pattern=KEY_ID)
    """First 16 hex digits of the SHA-256 of the raw public key."""
    signer: str = Field(pattern=KEY_NAME)
    """Name of the key."""
    purpose: Purpose
    value: str = Field(pattern=r"^[0-9a-f]{128}$")
    """64 bytes in hex."""
