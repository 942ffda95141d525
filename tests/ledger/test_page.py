"""The page of the ledger held against the program."""

import re
from pathlib import Path

from ctdna.model.ledger import RIGHTS, LedgerSettings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")


def test_the_table_of_rights_is_the_one_that_holds() -> None:
    rows = re.findall(r"^\| `([a-z.]+)` \| .* \| ([a-z, ]+) \|$", PAGE, re.MULTILINE)
    assert {kind: tuple(roles.split(", ")) for kind, roles in rows} == RIGHTS


def test_the_defaults_on_the_page_are_those_of_the_settings() -> None:
    settings = LedgerSettings()
    assert f"(RFC 9106: {settings.argon2_memory_kib >> 10} MiB, {settings.argon2_passes} passes" in PAGE
    assert f"{settings.argon2_lanes} lanes" in PAGE
    assert f"`--min-password-length` of `init`, {settings.min_password_length}." in PAGE
    assert f"`--max-failed-logins` wrong passwords in a row ({settings.max_failed_logins})" in PAGE
    assert f"`--lock-minutes` ({settings.lock_minutes};" in PAGE
