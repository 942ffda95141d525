"""Passwords: argon2id hashes, and which passwords are taken."""

import hashlib
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ctdna.model.errors import InputError
from ctdna.model.ledger import LedgerSettings


def _normal(password: str) -> str:
    """Return one form of a password, however the keyboard composed its letters."""
    return unicodedata.normalize("NFKC", password)


def hash_of(password: str, settings: LedgerSettings) -> str:
    """Return the argon2id hash of a password, with its salt and cost."""
    hasher = PasswordHasher(settings.argon2_passes, settings.argon2_memory_kib, settings.argon2_lanes)
    return hasher.hash(_normal(password))


def matches(password: str, password_hash: str | None, settings: LedgerSettings) -> bool:
    """Return whether a password has this hash; without a hash the answer is no, and takes as long."""
    if password_hash is None:
        hash_of(password, settings)
        return False
    try:
        return PasswordHasher().verify(password_hash, _normal(password))
    except (VerificationError, InvalidHashError):
        return False


def digest_of_hash(password_hash: str) -> str:
    """Return what an entry holds of a hash: its SHA-256."""
    return hashlib.sha256(password_hash.encode()).hexdigest()


def check_password(password: str, user: str, settings: LedgerSettings) -> None:
    """Refuse a password that is too easy to guess.

    Raises:
        InputError: it is too short, of one or two different letters only, or holds the user's name.
    """
    least = settings.min_password_length
    if len(password) < least:
        raise InputError(None, user, f"the new password has {len(password)} characters, needed are {least}", "")
    if len(set(password)) < 3 or user.lower() in password.lower():
        raise InputError(None, user, "the new password repeats itself or holds the user's name", "choose another")
