"""The first schema."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "first", None, None, None

_KEPT = ("verdict", "change")  # rows are added, never changed or removed
_REFUSAL = "rows of this table are never changed or removed"


def upgrade() -> None:
    """Makes the tables, and has the database itself refuse to rewrite verdicts and the audit trail."""
    op.create_table(
        "version",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("detector", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("network", sa.String(64), nullable=False),
        sa.Column("threshold", sa.Double, nullable=False),
        *_said(),
        sa.Column("reason", sa.String(500), nullable=False),
        sa.UniqueConstraint("detector", "number"),
    )
    op.create_table(
        "current",
        sa.Column("detector", sa.String(64), primary_key=True),
        sa.Column("version_id", sa.Integer, sa.ForeignKey("version.id"), nullable=False),
    )
    _inspections()
    op.create_table(
        "verdict",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("inspected_id", sa.Integer, sa.ForeignKey("inspected.id"), nullable=False, index=True),
        sa.Column("verdict", sa.String(10), nullable=False),
        sa.Column("defect_type", sa.String(100)),
        sa.Column("note", sa.String(1000)),
        *_said(),
    )
    op.create_table(
        "change",
        sa.Column("id", sa.Integer, primary_key=True),
        *_said(),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("after", sa.JSON, nullable=False),
        sa.Column("reason", sa.String(500)),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("detector", sa.String(64), nullable=False),
        sa.Column("asked", sa.JSON, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("message", sa.String(1000)),
        sa.Column("version", sa.Integer),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("hash", sa.String(200), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked", sa.DateTime(timezone=True)),
    )
    for table in _KEPT:
        _never_rewritten(table)


def _inspections() -> None:
    op.create_table(
        "inspected",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.Column("detector", sa.String(64), nullable=False),
        sa.Column("version_id", sa.Integer, sa.ForeignKey("version.id"), nullable=False),
        sa.Column("decision", sa.String(10), nullable=False),
        sa.Column("score", sa.Double, index=True),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("part_id", sa.String(100), index=True),
        sa.Column("serial", sa.String(100), index=True),
        sa.Column("station", sa.String(100)),
        sa.Column("shift", sa.String(100)),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("original", sa.String(64), index=True),
        sa.Column("evidence", sa.String(64), index=True),
        sa.Column("n_bytes", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("inspected_by_detector", "inspected", ["detector", "id"])
    op.create_index("inspected_by_decision", "inspected", ["decision", "id"])
    op.create_table(
        "tag",
        sa.Column("inspected_id", sa.Integer, sa.ForeignKey("inspected.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("text", sa.String(100), primary_key=True),
    )
    op.create_index("tag_by_text", "tag", ["text", "inspected_id"])


def _said() -> tuple[sa.Column[str], sa.Column[datetime]]:
    """When, and by whom."""
    return (
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    )


def _never_rewritten(table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        for what in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{what.lower()} BEFORE {what} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_is_kept() RETURNS trigger AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$ LANGUAGE plpgsql"
    )
    op.execute(
        f"CREATE TRIGGER {table}_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_is_kept()"
    )
