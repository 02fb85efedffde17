"""A database of every release, opened with today's code: nothing in it is lost and work goes on."""

import sqlite3
from pathlib import Path

import pytest

from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import check, offline
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate, steps
from gateway.operations.commands import OperationCommands
from gateway.operations.model import ChangeOperation, Verb
from gateway.outbox import chain, journal, parked, receipts
from gateway.outbox.event import Stamp
from gateway.outbox.receipts import Answer, Receipt
from gateway.status import _facts
from gateway.web.routes import Caller, Scope

RELEASES = sorted(Path(__file__).parent.glob("v*.sql"))
HEAD = 4
ADMIN = Caller("test", "test", Scope.ADMIN)


@pytest.fixture(params=RELEASES, ids=lambda file: file.stem)
def old(request, tmp_path) -> Path:
    """The file as that release left it."""
    path = tmp_path / "gateway.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(request.param.read_text(encoding="utf-8"))
    connection.close()
    return path


def opened(path: Path):
    return Database.open(path.parent, prepare=lambda path: migrate(path, ManualClock()))


def contents(path: Path) -> dict[str, list[dict]]:
    with offline(path) as connection:
        tables = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
            if "sqlite_" not in row[0]
        ]
        return {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in tables}


def test_there_is_a_database_of_every_release():
    assert [file.stem for file in RELEASES] == [f"v{number:04}" for number in range(1, len(RELEASES) + 1)]


def test_every_row_of_every_table_is_still_there(old):
    before = contents(old)
    assert all(before.values()), "a release's database has rows in every table"
    migrate(old, ManualClock())
    after = contents(old)
    for table, rows in before.items():
        for row in rows:
            assert any(row.items() <= one.items() for one in after[table]), (table, row)


def test_it_is_sound_and_at_todays_schema(old):
    migrate(old, ManualClock())
    check(old, after_unclean_stop=True)
    with offline(old) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == max(steps())


async def test_the_journal_goes_on_where_it_was_and_every_reader_with_it(old):
    async with opened(old) as db:
        assert [entry.seq for entry in await db.read(journal.after, 0)] == [3, 4]
        head, epoch, readers = await db.read(_facts)
        assert (head, epoch) == (HEAD, 1793602800)
        counts = {
            name: [facts[what] for what in ("accepted", "sent", "pending", "parked", "skipped")]
            for name, facts in readers.items()
        }
        assert counts == {"cloud": [4, 3, 0, 1, 0], "uns": [2, 2, 0, 0, 0]}
        assert [one["seq"] for one in await db.read(parked.listed, "cloud")] == [4]


async def test_the_journal_is_still_what_was_written(old):
    async with opened(old) as db:
        assert (await db.read(lambda c: chain.verified(c, chain.at(c, 0)))).broken is None


async def test_who_asks_again_after_the_update_gets_the_first_answer(old):
    def never(*_arguments) -> Answer:
        raise AssertionError("it has been done before")

    clock = ManualClock()
    async with opened(old) as db:
        stamp = Stamp(clock.now(), "gw-a1", uuid7(clock))
        answer = await db.write(receipts.once, Receipt("rest:key", "station-1/42", b"\x01" * 16), stamp, never)
    assert answer == Answer(200, '{"operation":{"status":"in_progress"}}', replayed=True)


async def test_the_operation_that_was_on_hold_is_resumed(old):
    clock = ManualClock()
    await clock.advance(3600)

    def on_hold(connection) -> str:
        return connection.execute("SELECT id FROM operations WHERE status = 'on_hold'").fetchone()[0]

    async with opened(old) as db:
        operations = OperationCommands(db, clock, uuid7(clock), "gw-a1")
        operation_id = await db.read(on_hold)
        await operations.change(ChangeOperation(operation_id, Verb.RESUME), ADMIN, None)
        entries = await db.read(journal.after, HEAD)
        assert [entry.type for entry in entries][:1] == ["operation.resumed"]
        assert entries[0].seq == HEAD + 1
