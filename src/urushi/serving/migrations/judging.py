"""What two versions make of the same images, and views of the gallery that people keep."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "judging", "by_score", None, None


def upgrade() -> None:
    """Adds two tables."""
    op.create_table(
        "comparison",
        sa.Column("job_id", sa.Integer, sa.ForeignKey("job.id"), primary_key=True, autoincrement=False),
        sa.Column("found", sa.JSON, nullable=False),
    )
    op.create_table(
        "gallery_view",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("filters", sa.JSON, nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("owner", "name"),
    )
