"""The tables: `entries` is the truth, the others are projections of it; the migrations make them."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, ForeignKeyConstraint, Integer, MetaData, Table, Text

metadata = MetaData()


def _text(name: str, *rest: ForeignKey, null: bool = False) -> Column[str]:
    return Column(name, Text, *rest, nullable=null)


def _number(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _sequence() -> Column[int]:
    """Return the column that names the last entry that wrote the row."""
    return Column("sequence", Integer, ForeignKey("entries.sequence"), nullable=False)


def _key(name: str, *rest: ForeignKey) -> Column[str]:
    return Column(name, Text, *rest, primary_key=True, nullable=False)


def _table(name: str, *parts: Column[str] | Column[int] | ForeignKeyConstraint | CheckConstraint) -> Table:
    return Table(name, metadata, *parts, sqlite_strict=True)


entries = _table(
    "entries",
    Column("sequence", Integer, CheckConstraint("sequence > 0"), primary_key=True, autoincrement=False),
    *(_text(name) for name in ("at", "site", "user", "role", "kind", "subject", "new_payload")),
    _text("old_payload", null=True),
    *(_text(name) for name in ("why", "previous", "digest", "key_id", "signer", "signature")),
)
settings = _table(
    "settings",
    _key("name"),
    *(_number(name) for name in ("argon2_passes", "argon2_memory_kib", "argon2_lanes")),
    *(_number(name) for name in ("min_password_length", "max_failed_logins", "lock_minutes")),
    _sequence(),
)
sites = _table("sites", _key("site"), _text("name"), _text("key_id"), _sequence())
instruments = _table(
    "instruments", _key("serial"), _text("model"), _text("site", ForeignKey("sites.site")), _sequence()
)
users = _table(
    "users",
    _key("user"),
    _text("full_name"),
    _text("site", ForeignKey("sites.site")),
    *(_text(name) for name in ("password_digest", "password_by", "state")),
    _number("n_failed"),
    _text("locked_at", null=True),
    _sequence(),
)
user_roles = _table("user_roles", _key("user", ForeignKey("users.user")), _key("role"), _sequence())
credentials = _table("credentials", _key("user"), _text("password_hash"))
lots = _table(
    "lots", _key("lot"), _key("kit"), *(_text(name) for name in ("kit_digest", "expires", "digest")), _sequence()
)
kits = _table("kits", _key("kit"), _text("kit_digest"), _text("state"), _sequence())
runs = _table(
    "runs",
    _key("run"),
    *(_text(name) for name in ("run_id", "kit", "kit_digest")),
    _text("lot", null=True),
    _text("build_digest"),
    _text("instrument", null=True),
    _text("use"),
    _text("operator", ForeignKey("users.user")),
    _text("bundle_digest", null=True),
    _text("verdict", null=True),
    _sequence(),
)
samples = _table("samples", _key("run", ForeignKey("runs.run")), _key("sample"), _number("n_versions"), _sequence())
results = _table(
    "results",
    _key("run"),
    _key("sample"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("digest"),
    _text("verdict"),
    _number("n_reviewed"),
    _text("approved_by", ForeignKey("users.user"), null=True),
    _text("why"),
    _sequence(),
    ForeignKeyConstraint(["run", "sample"], ["samples.run", "samples.sample"]),
)
signatures = _table(
    "signatures",
    _key("run"),
    _key("sample"),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _key("meaning"),
    _key("user", ForeignKey("users.user")),
    _text("digest"),
    _text("at"),
    _sequence(),
    ForeignKeyConstraint(["run", "sample", "version"], ["results.run", "results.sample", "results.version"]),
)
overrides = _table(
    "overrides",
    _key("override_id"),
    *(_text(name) for name in ("gate", "run_id")),
    _text("user", ForeignKey("users.user")),
    _text("why"),
    _text("used_by", null=True),
    _sequence(),
)
evidence = _table(
    "evidence",
    _key("evidence_id"),
    *(_text(name) for name in ("study", "claim", "variant_classes", "stage", "kit", "kit_digest", "panel_digest")),
    _text("lot", null=True),
    _text("site"),
    _text("instrument", null=True),
    *(_text(name) for name in ("build_digest", "data", "outcome")),
    _sequence(),
)
evidence_carried = _table(
    "evidence_carried",
    _key("evidence_id", ForeignKey("evidence.evidence_id")),
    _key("kit"),
    _text("kit_digest"),
    _key("stage"),
    _text("rule"),
    _sequence(),
)
exports = _table(
    "exports",
    Column("sequence", Integer, ForeignKey("entries.sequence"), primary_key=True, autoincrement=False),
    *(_text(name) for name in ("bundle_digest", "run", "recipient", "purpose", "approval", "content")),
)
