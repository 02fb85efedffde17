"""Migrations: a file that is old is brought up, completely or not at all; one that is newer is refused."""

import contextlib
import signal
import sqlite3
import subprocess
import sys

import pytest
from disk_faults import faults
from waiting import until

from gateway.kernel import migrate as migrate_
from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import connect, offline, wal_bytes
from gateway.kernel.db import Database
from gateway.kernel.errors import StartupError
from gateway.kernel.migrate import migrate, statements, steps

OLD = {1: ("0001_notes", "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;\n")}
RENAMED = (
    "CREATE TABLE pages (id INTEGER PRIMARY KEY, text TEXT NOT NULL, number INTEGER NOT NULL DEFAULT 0) STRICT;\n"
    "INSERT INTO pages (id, text) SELECT id, text FROM notes;\n"
    "DROP TABLE notes;\n"
)
NEW = {**OLD, 2: ("0002_pages", RENAMED), 3: ("0003_numbers", "UPDATE pages SET number = id;\n")}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gateway.sqlite"


@pytest.fixture
def known(monkeypatch):
    """Makes this software one that knows these steps."""

    def know(wanted) -> None:
        monkeypatch.setattr(migrate_, "steps", lambda: wanted)

    return know


@pytest.fixture
def old(path, known):
    """A file of the version before, with a row in it."""
    known(OLD)
    migrate(path, ManualClock())
    with offline(path) as connection:
        connection.execute("INSERT INTO notes (text) VALUES ('kept')")
    return path


def state(path) -> tuple[int, list[str], list[tuple]]:
    """(schema, tables of ours, rows)."""
    with contextlib.closing(connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = [
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'"
            )
        ]
        return version, tables, [tuple(row) for row in connection.execute(f"SELECT * FROM {tables[0]}")]


def backups(path) -> list:
    return sorted((path.parent / "backups").glob("*")) if (path.parent / "backups").exists() else []


BEFORE = (1, ["notes"], [(1, "kept")])
AFTER = (3, ["pages"], [(1, "kept", 1)])


def test_a_fresh_file_gets_every_step_and_no_copy(path):
    migrate(path, ManualClock())
    with offline(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == max(steps())
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        done = [row[0] for row in connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
    assert done == [name for name, _ in steps().values()]
    assert backups(path) == []


def test_the_steps_are_numbered_without_a_gap():
    assert list(steps()) == list(range(1, len(steps()) + 1))


def test_a_file_that_is_up_to_date_costs_nothing(path):
    migrate(path, ManualClock())
    before = path.read_bytes()
    with faults(path.parent) as disk:
        migrate(path, ManualClock())
        assert disk.syncs == 0
    assert path.read_bytes() == before
    assert backups(path) == []


def test_an_old_file_is_brought_up_and_its_copy_is_whole(old, known):
    known(NEW)
    migrate(old, ManualClock())
    assert state(old) == AFTER
    (copy,) = backups(old)
    assert copy.name == "before-schema-3-20261102T070000Z.sqlite"
    assert state(copy) == BEFORE
    assert (old.parent / "backups").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "broken",
    ["UPDATE nothing SET a = 1;\n", "INSERT INTO pages (id, text) VALUES (1, 'twice');\n", "NONSENSE;\n"],
    ids=["no such table", "against a rule", "no SQL"],
)
def test_when_a_step_fails_everything_is_as_it_was_the_steps_before_it_too(old, known, broken):
    known({**NEW, 3: ("0003_broken", "UPDATE pages SET text = 'changed';\n" + broken)})
    with pytest.raises(StartupError, match=r"could not be brought to schema 3 .* as it was before"):
        migrate(old, ManualClock())
    assert state(old) == BEFORE
    known(OLD)
    migrate(old, ManualClock())  # the version before starts on it
    known(NEW)
    migrate(old, ManualClock())  # and so does one that has put it right
    assert state(old) == AFTER


def test_a_step_that_would_leave_rows_pointing_nowhere_is_refused(old, known):
    orphan = "CREATE TABLE marks (page INTEGER REFERENCES pages (id)) STRICT;\nINSERT INTO marks VALUES (77);\n"
    known({**NEW, 3: ("0003_orphan", orphan)})
    with pytest.raises(StartupError, match="marks row 1 would have no pages"):
        migrate(old, ManualClock())
    assert state(old) == BEFORE


def test_a_newer_file_is_refused_and_left_as_it_is(old, known):
    known(NEW)
    migrate(old, ManualClock())
    before = old.read_bytes()
    known(OLD)
    with pytest.raises(StartupError, match=r"newer gateway \(schema 3, this one knows 1\): install that version again"):
        migrate(old, ManualClock())
    assert old.read_bytes() == before


def test_without_a_sound_copy_nothing_is_changed(old, known):
    known(NEW)
    with faults(old.parent) as disk:
        disk.full = lambda: bool(backups(old))  # from the first page of the copy on
        with pytest.raises(StartupError, match=r"full.*as it was before"):
            migrate(old, ManualClock())
        assert disk.refused > 0
    assert state(old) == BEFORE
    assert backups(old) == [], "no half copy is left"


def test_a_disk_without_any_room_is_told_in_plain_words(old):
    with faults(old.parent) as disk:
        disk.full = lambda: True
        with pytest.raises(StartupError, match="cannot be opened"):
            migrate(old, ManualClock())
    assert state(old) == BEFORE


LONG = """
import pathlib, sys
from gateway.kernel import migrate
from gateway.kernel.clock import ManualClock
rows = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n) INSERT INTO pages (id, text) SELECT i, 'x' FROM n;"
wanted = {1: ("0001_notes", ""), 2: ("0002_pages", sys.argv[2]), 3: ("0003_long", rows)}
migrate.steps = lambda: wanted
migrate.migrate(pathlib.Path(sys.argv[1]), ManualClock())
"""


async def test_a_process_that_is_killed_within_a_step_leaves_the_old_data(old, known):
    with subprocess.Popen([sys.executable, "-c", LONG, str(old), RENAMED]) as process:
        try:
            await until(lambda: wal_bytes(old) > 2_000_000, "the long step is under way")
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    migrate(old, ManualClock())  # the version before
    assert state(old) == BEFORE
    known(NEW)
    migrate(old, ManualClock())
    assert state(old) == AFTER


def test_the_name_of_the_copy_is_on_the_disk_before_anything_changes(old, known, monkeypatch):
    """Write, sync, rename, sync the folder: else a power cut takes the name away."""
    known(NEW)
    seen: list[str] = []
    real = migrate_.synced

    def watched(file) -> None:
        seen.append(f"{file.name} {[one.name for one in backups(old)]}")
        real(file)

    monkeypatch.setattr(migrate_, "synced", watched)
    migrate(old, ManualClock())
    name = "before-schema-3-20261102T070000Z.sqlite"
    assert seen == [f"{name}.part ['{name}.part']", f"backups ['{name}']"]


async def test_a_start_brings_an_old_file_up(old, known):
    known(NEW)
    async with Database.open(old.parent, prepare=lambda path: migrate(path, ManualClock())) as db:
        rows = await db.read(lambda connection: [tuple(row) for row in connection.execute("SELECT * FROM pages")])
    assert rows == [(1, "kept", 1)]


def test_a_script_is_cut_into_statements_and_a_trigger_is_one():
    script = (
        "-- a word; with a semicolon\nCREATE TABLE a (b TEXT DEFAULT ';');\n\n"
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  UPDATE a SET b = 1;\n  UPDATE a SET b = 2;\nEND;\nSELECT 1;\n"
    )
    found = list(statements(script))
    assert [one.split()[-1] for one in found] == ["';');", "END;", "1;"]
    connection = sqlite3.connect(":memory:")
    for one in found:
        connection.execute(one)
    connection.close()
