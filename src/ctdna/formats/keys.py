"""Ed25519 keys of a manufacturer or a site: made, kept, trusted; what they sign, and whether a signature holds."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ctdna.formats.atomic import atomic_path, make_folder
from ctdna.formats.home import home
from ctdna.model.errors import DefinitionError, InputError
from ctdna.model.signature import KeyRole, Purpose, Signature

PRIVATE, PUBLIC = ".key", ".pub"
ROLES: tuple[KeyRole, ...] = ("manufacturer", "site")


def _message(purpose: Purpose, signer: str, content: bytes) -> bytes:
    return b"\0".join((b"ctdna", purpose.encode(), signer.encode(), hashlib.sha256(content).digest()))


class PublicKey(NamedTuple):
    """A key that signatures are checked with."""

    name: str
    key: Ed25519PublicKey

    @property
    def key_id(self) -> str:
        """Return the first 16 hex digits of the SHA-256 of the raw key."""
        return hashlib.sha256(self.key.public_bytes_raw()).hexdigest()[:16]

    def holds(self, signature: Signature, purpose: Purpose, content: bytes) -> bool:
        """Return whether the signature is of this key, for this purpose and over this content."""
        if signature.key_id != self.key_id or signature.purpose != purpose:
            return False
        try:
            self.key.verify(bytes.fromhex(signature.value), _message(purpose, signature.signer, content))
        except InvalidSignature:
            return False
        return True


class PrivateKey(NamedTuple):
    """A key that signs."""

    name: str
    key: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """Return the key that its signatures are checked with."""
        return PublicKey(self.name, self.key.public_key())

    def sign(self, purpose: Purpose, content: bytes) -> Signature:
        """Return the signature over a content; the same content gives the same signature."""
        value = self.key.sign(_message(purpose, self.name, content)).hex()
        return Signature(key_id=self.public.key_id, signer=self.name, purpose=purpose, value=value)


def keys_folder() -> Path:
    """Return the folder of this machine's own keys."""
    return home() / "keys"


def trust_folder(role: KeyRole) -> Path:
    """Return the folder of the public keys that this machine trusts in a role."""
    return home() / "trust" / role


def _write(path: Path, content: bytes, mode: int) -> None:
    if path.exists():
        raise InputError(
            path, "", "a key of this name is there already", "choose another name; keys are never replaced"
        )
    make_folder(path.parent)
    with atomic_path(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)


def _public_pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def new_key(name: str, passphrase: bytes | None, folder: Path | None = None) -> PrivateKey:
    """Make a key pair and return it: `NAME.key` (PKCS 8, readable by its owner only) and `NAME.pub` in the folder.

    Raises:
        InputError: a key of this name is there, or the files cannot be written.
    """
    folder = folder or keys_folder()
    made = PrivateKey(name, Ed25519PrivateKey.generate())
    cipher = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = made.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, cipher)
    _write(folder / f"{name}{PRIVATE}", pem, 0o600)
    _write(folder / f"{name}{PUBLIC}", _public_pem(made.public.key), 0o644)
    return made


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", "check the path of the key") from error


def read_private_key(path: Path, passphrase: bytes | None) -> PrivateKey:
    """Return the key of a `NAME.key` file.

    Raises:
        InputError: it cannot be read, the passphrase is wrong or missing, or it is no Ed25519 key.
    """
    content = _read(path)
    try:
        key = serialization.load_pem_private_key(content, passphrase)
    except TypeError as error:
        what = "is protected by a passphrase" if passphrase is None else "has no passphrase, but one is given"
        raise InputError(path, "", what, "see --passphrase-file") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(path, "", "is no private key, or the passphrase is wrong", "check both") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(path, "", "is not an Ed25519 key", "make one by `ctdna keys new`")
    return PrivateKey(path.name.removesuffix(PRIVATE), key)


def read_public_key(path: Path) -> PublicKey:
    """Return the key of a `NAME.pub` file.

    Raises:
        InputError: it cannot be read, or is no Ed25519 public key.
    """
    content = _read(path)
    try:
        key = serialization.load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(path, "", "is no public key in PEM form", "give the file NAME.pub") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(path, "", "is not an Ed25519 public key", "give the file NAME.pub")
    return PublicKey(path.name.removesuffix(PUBLIC), key)


def trust(path: Path, role: KeyRole) -> PublicKey:
    """Keep a public key among those that this machine trusts in the role, and return it.

    Raises:
        InputError: it is no public key, or another key of this name is trusted already.
    """
    key = read_public_key(path)
    target = trust_folder(role) / f"{key.name}{PUBLIC}"
    if target.is_file() and read_public_key(target).key_id == key.key_id:
        return key
    _write(target, _public_pem(key.key), 0o644)
    return key


def trusted_keys(role: KeyRole) -> dict[str, PublicKey]:
    """Return the keys that this machine trusts in the role, by key id.

    Raises:
        InputError: a file there is no public key.
    """
    keys = (read_public_key(path) for path in sorted(trust_folder(role).glob(f"*{PUBLIC}")))
    return {key.key_id: key for key in keys}


def check_signature(
    path: Path, signature: Signature, purpose: Purpose, content: bytes, trusted: dict[str, PublicKey]
) -> PublicKey:
    """Return the trusted key whose signature this is; the path names the signed file in errors.

    Raises:
        DefinitionError: the key is not trusted, the signature is for another purpose, or it does not hold.
    """
    key = trusted.get(signature.key_id)
    if key is None:
        what = f"is signed by key {signature.key_id} ({signature.signer}), which this machine does not trust"
        raise DefinitionError(path, "signature", what, "if the key is genuine, `ctdna keys trust` its public key")
    if signature.purpose != purpose:
        what = f"the signature was given for {signature.purpose}, needed is one for {purpose}"
        raise DefinitionError(path, "signature", what, "restore the file from its source")
    if not key.holds(signature, purpose, content):
        what = f"the signature of {signature.signer} does not fit the content: one of both was changed"
        raise DefinitionError(path, "signature", what, "restore the file from its source")
    return key
