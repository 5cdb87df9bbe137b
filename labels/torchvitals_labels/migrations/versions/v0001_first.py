"""Predictions, labels, and what was counted of them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "versions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.UniqueConstraint("model_name", "model_version"),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("version_id", sa.Integer, sa.ForeignKey("versions.id"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("classes", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.UniqueConstraint("version_id", "digest"),
    )
    op.create_table(
        "predictions",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("version_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source_id", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("segment", sa.Text, nullable=False),
        sa.Column("predicted", sa.Double, nullable=False),
        sa.Column("confidence", sa.Double),
        sa.Column("expected", sa.Double),
        sa.Column("scores", sa.LargeBinary),
    )
    op.create_index("predictions_at", "predictions", ["at"])
    labels = op.create_table(
        "labels",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("model_name", sa.Text, primary_key=True),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.Column("matched", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("labels_received_at", "labels", ["received_at"])
    alone = labels.c.matched == sa.false()
    op.create_index("labels_unmatched", "labels", ["received_at"], sqlite_where=alone, postgresql_where=alone)
    op.create_table(
        "totals",
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("version_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("quantity", sa.Text, primary_key=True),
        sa.Column("segment", sa.Text, primary_key=True),
        sa.Column("first", sa.Text, primary_key=True),
        sa.Column("second", sa.Text, primary_key=True),
        sa.Column("change", sa.Text, primary_key=True),
        sa.Column("value", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "probe",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at_nanoseconds", sa.BigInteger, nullable=False),
    )
