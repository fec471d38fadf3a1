"""The worst inspections of a detector are found without looking at all."""

from alembic import op

revision, down_revision, branch_labels, depends_on = "by_score", "line", None, None


def upgrade() -> None:
    """Adds an index."""
    op.create_index("inspected_by_score", "inspected", ["detector", "score", "id"])
