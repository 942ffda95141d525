"""The worlds of the ledger's tests: on SQLite, and on PostgreSQL where `tools/services` has started a server."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from ctdna.ledger.local import site_key
from ctdna.ledger.open import open_ledger
from tests.ledger.world import World, make_world

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.services)]


def _server() -> str:
    named = os.environ.get("CTDNA_TEST_POSTGRESQL")
    if not named:
        pytest.skip("no PostgreSQL server is named in CTDNA_TEST_POSTGRESQL: run make test-services")
    return named


@pytest.fixture
def postgresql(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name an empty database of the server in CTDNA_LEDGER; return its address."""
    server = create_engine(_server(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = f"test_{uuid.uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = make_url(_server()).set(database=name).render_as_string(hide_password=False)
    monkeypatch.setenv("CTDNA_LEDGER", url)
    yield url
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def folder_in_memory(otherwise: Path) -> Iterator[Path]:
    """Yield an empty folder in memory, where a sync costs nothing; `otherwise` where the system has no such place."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield otherwise
        return
    with tempfile.TemporaryDirectory(prefix="ctdna-test-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """Return an empty folder of this test, in memory where possible."""
    with folder_in_memory(tmp_path) as folder:
        yield folder


@pytest.fixture
def home(quick_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a home, of this test only, that is not made yet."""
    folder = quick_folder / "home"
    monkeypatch.setenv("CTDNA_HOME", str(folder))
    monkeypatch.delenv("CTDNA_LEDGER", raising=False)
    monkeypatch.delenv("CTDNA_USER", raising=False)
    return folder


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, home: Path) -> str:
    """Choose a database for the ledger of this test's home; return its kind."""
    if request.param == "postgresql":
        request.getfixturevalue("postgresql")
    return str(request.param)


@pytest.fixture(scope="session")
def ready_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with the ledger of `make_world`, made once: to be copied, never used."""
    folder = tmp_path_factory.mktemp("ready") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CTDNA_HOME", str(folder))
        patch.delenv("CTDNA_LEDGER", raising=False)
        make_world()
    return folder


@pytest.fixture
def world(database: str, home: Path, ready_home: Path) -> World:
    """Return a ledger with a person of each role, in each kind of database."""
    if database == "postgresql":
        return make_world()
    shutil.copytree(ready_home, home)
    return World(open_ledger(), site_key())
