"""What watches for drift, and keys of requests that may come again."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "second", "first", None, None


def upgrade() -> None:
    """Adds two tables."""
    op.create_table(
        "drift",
        sa.Column("detector", sa.String(64), primary_key=True),
        sa.Column("version_id", sa.Integer, sa.ForeignKey("version.id"), nullable=False),
        sa.Column("last_id", sa.Integer, nullable=False),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("alarmed", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "sent",
        sa.Column("author", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column(
            "inspected_id", sa.Integer, sa.ForeignKey("inspected.id", ondelete="CASCADE"), nullable=False, index=True
        ),
    )
