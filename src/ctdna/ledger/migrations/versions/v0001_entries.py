"""The chain: table `entries`, which only grows; and the hashes of passwords, which no entry holds."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SQLITE = """
CREATE TRIGGER entries_{name} BEFORE {deed} ON entries {when} BEGIN SELECT RAISE(ABORT, '{told}'); END
"""
_NEXT = "WHEN NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM entries)"
_ONLY_GROWS = "entries of the ledger are never changed"
_NO_GAPS = "entries of the ledger have no gaps"

GUARD_BODY = f"""
BEGIN
    IF TG_OP <> 'INSERT' THEN RAISE EXCEPTION '{_ONLY_GROWS}'; END IF;
    IF NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM entries) THEN
        RAISE EXCEPTION '{_NO_GAPS}';
    END IF;
    RETURN NEW;
END
"""
"""What the guard of PostgreSQL does."""


def _guard_sqlite() -> None:
    for name, deed, when, told in (
        ("no_update", "UPDATE", "", _ONLY_GROWS),
        ("no_delete", "DELETE", "", _ONLY_GROWS),
        ("no_gaps", "INSERT", _NEXT, _NO_GAPS),
    ):
        op.execute(" ".join(_SQLITE.format(name=name, deed=deed, when=when, told=told).split()))


def _guard_postgresql() -> None:
    op.execute(f"CREATE FUNCTION entries_guard() RETURNS trigger LANGUAGE plpgsql AS $${GUARD_BODY}$$")
    op.execute(
        "CREATE TRIGGER entries_rows BEFORE INSERT OR UPDATE OR DELETE ON entries"
        " FOR EACH ROW EXECUTE FUNCTION entries_guard()"
    )
    op.execute(
        "CREATE TRIGGER entries_whole BEFORE TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION entries_guard()"
    )


def upgrade() -> None:
    """Make the table and its guards."""
    texts = ("at", "site", "user", "role", "kind", "subject", "new_payload")
    seals = ("why", "previous", "digest", "key_id", "signer", "signature")
    op.create_table(
        "entries",
        sa.Column("sequence", sa.Integer, sa.CheckConstraint("sequence > 0"), primary_key=True, autoincrement=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("old_payload", sa.Text, nullable=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in seals),
        sqlite_strict=True,
    )
    op.create_table(
        "credentials",
        sa.Column("user", sa.Text, primary_key=True, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()
