"""Rolled back from today's schema, rows in every table, to that of every release and to every one there ever was; and up again."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from dump import filled

from gateway.kernel import migrate as migrate_
from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import check, offline
from gateway.kernel.migrate import migrate, steps
from gateway.outbox import chain
from gateway.updates.steps import begin, rollback

RELEASES = sorted(Path(__file__).parent.glob("v*.sql"))
FIRST, TODAY = 4, max(steps())
ALL = steps()


def of_release(file: Path, path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(file.read_text(encoding="utf-8"))
    connection.close()


def of_schema(number: int, path: Path, monkeypatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(migrate_, "steps", lambda: {one: step for one, step in ALL.items() if one <= number})
        migrate(path, ManualClock())


@pytest.fixture(scope="session")
def today(tmp_path_factory) -> Path:
    """What the newer version has made."""
    path = tmp_path_factory.mktemp("today") / "gateway.sqlite"
    filled(path)
    return path


@pytest.fixture(params=[*RELEASES, *range(FIRST, TODAY)], ids=lambda one: getattr(one, "stem", f"schema-{one}"))
def box(request, tmp_path, monkeypatch, today) -> Path:
    """Begun with the older schema; then the newer version has worked."""
    path = tmp_path / "gateway.sqlite"
    if isinstance(request.param, int):
        of_schema(request.param, path, monkeypatch)
    else:
        of_release(request.param, path)
    begin(tmp_path, ManualClock())
    shutil.copy(today, path)
    return tmp_path


def schema(path: Path) -> dict[str, str]:
    with offline(path) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
        return dict(map(tuple, found)) | {"user_version": connection.execute("PRAGMA user_version").fetchone()[0]}


def rows(path: Path) -> dict[str, list[dict]]:
    with offline(path) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
            for name in names
            if name != "_sqlite_migrations"
        }


def test_everything_that_the_older_one_knows_is_there_and_the_rest_is_counted(box):
    path = box / "gateway.sqlite"
    copy = next((box / "backups").glob("before-update-*"))
    newer, older = rows(path), schema(copy)
    done = rollback(box, ManualClock())
    assert schema(path) == older
    check(path, after_unclean_stop=True)
    left = done.poured.left if done.poured else {}
    assert not done.poured or (done.poured.refused, done.poured.parked) == ({}, 0)
    found = rows(path)
    found["gateway_state"] = [one for one in found["gateway_state"] if one["key"] != "restored"]
    for table, there in newer.items():
        if table not in found:
            assert left.get(table) == len(there) or table == "sqlite_sequence", table
            continue
        known = [name for name in there[0] if name in (found[table] or there)[0]]
        assert [{name: row[name] for name in known} for row in there] == [
            {name: row[name] for name in known} for row in found[table]
        ], table


def test_and_the_newer_version_takes_it_up_again(box):
    path = box / "gateway.sqlite"
    rollback(box, ManualClock())
    before = rows(path)
    migrate(path, ManualClock())
    after = rows(path)
    for table, there in before.items():
        others = [] if table == "sqlite_sequence" else there
        for row in others:
            assert any(row.items() <= one.items() for one in after[table]) or row.get("key") == "journal.chained_after"
    with offline(path) as connection:
        assert chain.verified(connection, chain.at(connection, 0)).broken is None
