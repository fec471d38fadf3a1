"""The worst inspections of a detector, and those of a time, are found and counted without looking at all."""

from alembic import op

revision, down_revision, branch_labels, depends_on = "by_score", "line", None, None


def upgrade() -> None:
    """Adds two indexes."""
    op.create_index("inspected_by_score", "inspected", ["detector", "score", "id", "version_id"])
    counted = ["detector", "time", "decision", "shift", "station", "score", "seconds"]  # without reading the rows
    op.create_index("inspected_by_time", "inspected", counted)
