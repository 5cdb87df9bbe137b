"""Stores to try everything on: SQLite, and PostgreSQL where its programs are."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from torchvitals_labels.database import Database
from torchvitals_labels.store import Store

NEEDED = "PostgreSQL's programs are not here: 'make tools' brings Debian's"


def programs() -> Path | None:
    """Return the folder of PostgreSQL's server programs, or None."""
    there = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = shutil.which("initdb")
    return there[-1].parent if there else Path(found).parent if found else None


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a PostgreSQL of its own, on a socket alone; give its address without the database's name."""
    folder = programs()
    if folder is None:
        pytest.skip(NEEDED)
    # A path of a socket is short.
    place = Path("/tmp") / f"tv-{uuid.uuid4().hex[:12]}"
    place.mkdir()
    # It refuses to run as root.
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if other:
        os.chown(place, 65534, 65534)
    data = place / "data"
    made = [folder / "initdb", "-D", data, "-A", "trust", "-U", "tests", "-N", "-E", "UTF8", "--locale=C"]
    subprocess.run([*other, *made], check=True, capture_output=True, cwd=place)
    with (place / "log").open("w") as log:
        server = subprocess.Popen(
            [*other, folder / "postgres", "-D", data, "-c", "listen_addresses=", "-k", place],
            stdout=log,
            stderr=log,
            cwd=place,
        )
    address = f"postgresql://tests@/{{}}?host={place}"
    while True:
        try:
            psycopg.connect(address.format("postgres")).close()
            break
        except psycopg.OperationalError:
            assert server.poll() is None, (place / "log").read_text()
            time.sleep(0.1)
    yield address
    # At once, whatever connections are left open.
    server.send_signal(signal.SIGINT)
    server.wait()
    shutil.rmtree(place)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the address of an empty store, of each kind."""
    if request.param == "sqlite":
        return str(tmp_path / "labels.sqlite")
    server: str = request.getfixturevalue("postgres")
    name = f"store_{uuid.uuid4().hex}"
    with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return server.format(name)


@pytest.fixture
def opened(address: str) -> Iterator[Callable[[str], Store]]:
    """Open the store under the name of a service; closed at the end."""
    databases: list[Database] = []

    def open_store(name: str) -> Store:
        databases.append(Database(address))
        return Store(databases[-1], name)

    yield open_store
    for database in databases:
        database.close()
