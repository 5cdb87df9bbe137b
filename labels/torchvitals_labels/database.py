"""The database: SQLite for one host, PostgreSQL for a fleet."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import msgspec
from alembic import command
from alembic.config import Config
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Insert,
    Text,
    Update,
    any_,
    create_engine,
    event,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from .errors import StoreError
from .schema import probe

# How long one writer waits for another, in seconds.
BUSY_SECONDS = 30
# All writers of one PostgreSQL take their turns by this number.
TURN = 7_282_111_043
OPTIONS: dict[str, Any] = {
    "sqlite": {"connect_args": {"timeout": BUSY_SECONDS}, "paramstyle": "qmark"},
    "postgresql": {
        "connect_args": {"connect_timeout": BUSY_SECONDS},
        "pool_pre_ping": True,
        "paramstyle": "format",
    },
}
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class Database:
    """Reads and writes in transactions; one writer at a time, whatever process or host it is in.

    Raises StoreError, which names the database without its password, where it cannot be used.
    """

    def __init__(self, address: str) -> None:
        url = store_url(address)
        self.name = url.render_as_string(hide_password=True)
        self.kind = url.get_backend_name()
        #: `insert` with `on_conflict_do_update`, of this kind of database.
        self.insert = INSERTS[self.kind]
        try:
            self._engine = create_engine(url, **OPTIONS[self.kind])
        except ModuleNotFoundError as error:
            raise StoreError(
                f"the store {self.name} needs '{error.name}': pip install 'torchvitals[labels]'"
            ) from error
        if self.kind == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        self._migrate()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """See one state of the store."""
        with self._told("read"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Write all of what is written within, or nothing, while nobody else writes."""
        engine = self._engine.execution_options(writes=True)
        with self._told("written"), engine.begin() as connection:
            if self.kind == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": TURN})
            yield connection

    def among(self, column: ColumnElement[str], values: Iterable[str]) -> ColumnElement[bool]:
        """Return that a column has one of many values, which travel as one parameter."""
        wanted = list(values)
        if self.kind == "postgresql":
            return column == any_(literal(wanted, ARRAY(Text)))
        each = func.json_each(msgspec.json.encode(wanted).decode()).table_valued("value")
        return column.in_(select(each.c.value))

    def write_many(
        self,
        connection: Connection,
        statement: Insert | Update,
        names: Sequence[str],
        rows: Sequence[tuple[Any, ...]],
    ) -> None:
        """Run a statement for each of many rows, whose values have these names, with the driver's own speed.

        The first value is the key of the row.
        """
        if rows:
            compiled = statement.compile(dialect=self._engine.dialect, column_keys=list(names))
            # In the order of the keys, neighbours share pages.
            ordered = sorted(rows, key=itemgetter(0))
            places = [names.index(name) for name in compiled.positiontup or ()]
            if places != list(range(len(names))):
                ordered = list(map(itemgetter(*places), ordered))
            connection.exec_driver_sql(str(compiled), ordered)

    def check(self) -> None:
        """Write a little; raise StoreError where that cannot be done."""
        with self.writing() as connection:
            connection.execute(probe.delete())
            connection.execute(probe.insert().values(id=1, at_nanoseconds=time.time_ns()))

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            # The statement and its parameters, which SQLAlchemy puts in its own message, hold rows.
            cause = getattr(error, "orig", None)
            what = type(error).__name__ if cause is None else str(cause).partition("\n")[0]
            raise StoreError(f"the store {self.name} cannot be {done}: {what}") from None

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", "torchvitals_labels:migrations")
        with self.writing() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def store_url(address: str) -> URL:
    """Return the address of a store; a file's name is one of SQLite. Raises StoreError where it is none."""
    try:
        url = make_url(address if "://" in address else f"sqlite:///{address}")
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(f"--store: not an address of a database: {error}") from error
    if backend not in INSERTS:
        raise StoreError(
            f"--store: '{backend}' is not a database that labels are kept in; give a file for SQLite, or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        )
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise StoreError(
            f"--store: '{address}' is in memory, and forgotten when the service ends; give a file"
        )
    return url


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Transactions are begun here, and not by the driver (docs.sqlalchemy.org, "Serializable isolation" of pysqlite).
    connection.isolation_level = None
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "cache_size = -65536",
        "mmap_size = 1073741824",
        "wal_autocheckpoint = 50000",
    ):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
