"""What is on its way to others, and what came by itself and is not to be inspected twice."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "line", "second", None, None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "delivery",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("destination", sa.String(80), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True), nullable=False),
        sa.Column("n_failures", sa.Integer, nullable=False),
    )
    op.create_index("delivery_by_due", "delivery", ["destination", "due", "id"])
    op.create_table(
        "arrival",
        sa.Column("source", sa.String(80), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("inspected", sa.Integer, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
    )
