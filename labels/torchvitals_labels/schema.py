"""The tables of the store, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData()

versions = Table(
    "versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("model_name", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    UniqueConstraint("model_name", "model_version"),
)

# What a version predicts: `class` or `value`, and the names of its classes as a JSON list. A version that is trained
# anew under its old number has several.
sources = Table(
    "sources",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version_id", Integer, ForeignKey("versions.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("classes", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    UniqueConstraint("version_id", "digest"),
)

predictions = Table(
    "predictions",
    metadata,
    Column("id", Text, primary_key=True),
    # No foreign keys: whoever writes holds the lock, and a check a row costs as much as the row.
    Column("version_id", Integer, primary_key=True, autoincrement=False),
    Column("source_id", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("segment", Text, nullable=False),
    # The place of the class, or the value.
    Column("predicted", Double, nullable=False),
    Column("confidence", Double),
    Column("expected", Double),
    # float64, one a class.
    Column("scores", LargeBinary),
    Index("predictions_at", "at"),
)

# model_name: the model that a label is meant for; empty for every model that predicted for the id.
labels = Table(
    "labels",
    metadata,
    Column("id", Text, primary_key=True),
    Column("model_name", Text, primary_key=True),
    Column("label", Text, nullable=False),
    Column("received_at", Double, nullable=False),
    # Whether there is a prediction of this id.
    Column("matched", Boolean, nullable=False),
    Index("labels_received_at", "received_at"),
    # Rows are as short as their keys: one tree instead of two.
    sqlite_with_rowid=False,
)
Index(
    "labels_unmatched",
    labels.c.received_at,
    sqlite_where=labels.c.matched == false(),
    postgresql_where=labels.c.matched == false(),
)

# What each service has counted, ever. version_id: 0 for what is of no version. first, second: the further labels.
totals = Table(
    "totals",
    metadata,
    Column("service", Text, primary_key=True),
    Column("version_id", Integer, primary_key=True, autoincrement=False),
    Column("quantity", Text, primary_key=True),
    Column("segment", Text, primary_key=True),
    Column("first", Text, primary_key=True),
    Column("second", Text, primary_key=True),
    Column("change", Text, primary_key=True),
    Column("value", Double, nullable=False),
    sqlite_with_rowid=False,
)

# One row, for a look whether the store can be written.
probe = Table(
    "probe",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at_nanoseconds", BigInteger, nullable=False),
)
