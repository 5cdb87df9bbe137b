"""Addresses of stores, migrations, and what a broken store says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from torchvitals_labels.database import Database
from torchvitals_labels.errors import StoreError
from torchvitals_labels.schema import metadata
from torchvitals_labels.store import Label, Store


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("mysql://root@localhost/labels", "'mysql' is not a database that labels are kept in"),
        ("none of them://x", "not an address of a database"),
        ("", "'' is in memory, and forgotten when the service ends; give a file"),
        (":memory:", "is in memory"),
        ("sqlite://", "is in memory"),
        (
            "/nowhere/labels.sqlite",
            "the store sqlite:////nowhere/labels.sqlite cannot be written: unable to open",
        ),
        (
            "postgresql://me:secret@127.0.0.1:1/labels",
            r"the store postgresql\+psycopg://me:\*\*\*@127.0.0.1:1/labels",
        ),
    ],
)
def test_what_is_no_store_says_so_without_its_password(address: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as raised:
        Database(address)
    assert "secret" not in str(raised.value)


def test_the_migrations_make_the_tables_that_the_code_uses(opened: Callable[[str], Store]) -> None:
    with opened("here").database.reading() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == "0001"
        assert compare_metadata(context, metadata) == []


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "labels.sqlite"
    file.write_text("my notes, which are no database at all" * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        Database(str(file))
    assert file.read_text().startswith("my notes")


def test_a_full_disk_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "labels.sqlite"))
    store = Store(database, "here")
    store.take_labels([Label("kept", "late")])
    with database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    limited(database, pages + 5)
    more = [Label(f"id {number}", "canary") for number in range(10_000)]
    with pytest.raises(StoreError, match="cannot be written: database or disk is full") as raised:
        store.take_labels(more)
    assert "canary" not in str(raised.value)
    limited(database, 1_000_000)
    assert store.take_labels([Label("kept", "late"), Label("more", "late")]).same == 1
    database.close()


def limited(database: Database, pages: int) -> None:
    """Let the database grow to so many pages at most, as a disk does."""
    with database.writing() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
