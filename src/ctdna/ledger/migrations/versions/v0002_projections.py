"""The tables that the entries add up to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _text(name: str, *rest: sa.ForeignKey, null: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.Text, *rest, nullable=null)


def _texts(*names: str) -> "list[sa.Column[str]]":
    return [_text(name) for name in names]


def _numbers(*names: str) -> "list[sa.Column[int]]":
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def _user(name: str, null: bool = False) -> "sa.Column[str]":
    return _text(name, sa.ForeignKey("users.user"), null=null)


def _make(name: str, key: tuple[str, ...], *parts: sa.schema.SchemaItem) -> None:
    sequence = sa.Column("sequence", sa.Integer, sa.ForeignKey("entries.sequence"), nullable=False)
    op.create_table(name, *parts, sequence, sa.PrimaryKeyConstraint(*key), sqlite_strict=True)


def _people() -> None:
    costs = _numbers("argon2_passes", "argon2_memory_kib", "argon2_lanes")
    limits = _numbers("min_password_length", "max_failed_logins", "lock_minutes")
    _make("settings", ("name",), _text("name"), *costs, *limits)
    _make("sites", ("site",), *_texts("site", "name", "key_id"))
    site = _text("site", sa.ForeignKey("sites.site"))
    _make("instruments", ("serial",), *_texts("serial", "model"), site)
    site = _text("site", sa.ForeignKey("sites.site"))
    account = _texts("user", "full_name", "password_digest", "password_by", "state")
    _make("users", ("user",), *account, site, *_numbers("n_failed"), _text("locked_at", null=True))
    _make("user_roles", ("user", "role"), _user("user"), _text("role"))


def _work() -> None:
    _make("lots", ("lot", "kit"), *_texts("lot", "kit", "kit_digest", "expires", "digest"))
    _make("kits", ("kit",), *_texts("kit", "kit_digest", "state"))
    _make(
        "runs",
        ("run",),
        *_texts("run", "run_id", "kit", "kit_digest"),
        _text("lot", null=True),
        *_texts("build_digest", "use"),
        _text("instrument", null=True),
        _user("operator"),
        _text("bundle_digest", null=True),
        _text("verdict", null=True),
    )
    sample = _text("sample")
    _make("samples", ("run", "sample"), _text("run", sa.ForeignKey("runs.run")), sample, *_numbers("n_versions"))
    _make("overrides", ("override_id",), *_texts("override_id", "gate", "run_id", "why"), _user("user"), _used_by())
    _make("exports", ("sequence",), *_texts("bundle_digest", "run", "recipient", "purpose", "approval", "content"))


def _used_by() -> "sa.Column[str]":
    return _text("used_by", null=True)


def _results() -> None:
    _make(
        "results",
        ("run", "sample", "version"),
        *_texts("run", "sample"),
        *_numbers("version"),
        *_texts("digest", "verdict", "why"),
        *_numbers("n_reviewed"),
        _user("approved_by", null=True),
        sa.ForeignKeyConstraint(["run", "sample"], ["samples.run", "samples.sample"]),
    )
    _make(
        "signatures",
        ("run", "sample", "version", "meaning", "user"),
        *_texts("run", "sample", "meaning", "digest", "at"),
        *_numbers("version"),
        _user("user"),
        sa.ForeignKeyConstraint(["run", "sample", "version"], ["results.run", "results.sample", "results.version"]),
    )


def _evidence() -> None:
    facts = ("study", "claim", "variant_classes", "stage", "kit", "kit_digest", "panel_digest")
    nullable = (_text("lot", null=True), _text("instrument", null=True))
    made = _texts("site", "build_digest", "data", "outcome")
    _make("evidence", ("evidence_id",), *_texts("evidence_id", *facts), *nullable, *made)
    of = _text("evidence_id", sa.ForeignKey("evidence.evidence_id"))
    _make("evidence_carried", ("evidence_id", "kit", "stage"), of, *_texts("kit", "kit_digest", "stage", "rule"))


def upgrade() -> None:
    """Make the tables."""
    _people()
    _work()
    _results()
    _evidence()
