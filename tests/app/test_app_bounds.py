"""What grows has an end: logs by rows, what was set aside by number."""

import asyncio

from gateway import housekeeping
from gateway.backups.restore import ASIDE, ASIDE_KEPT, _let_go
from gateway.kernel.clock import SystemClock, text
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.settings import Retention

CLOCK = SystemClock()


def acted(tx, count: int) -> None:
    for number in range(count):
        row = (f"{number:04}", text(CLOCK.now()), "admin", "10.0.0.1", "backup.create", "{}", 200)
        tx.execute("INSERT INTO ops_actions VALUES (?, ?, ?, ?, ?, ?, ?)", row)


def ids(connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT id FROM ops_actions ORDER BY created_at")]


async def test_a_log_that_nobody_cuts_keeps_its_newest_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(housekeeping, "LOG_ROWS_MAX", 5)
    monkeypatch.setattr(housekeeping, "LOG_SLICE", 3)
    async with Database.open(tmp_path, prepare=lambda path: migrate(path, CLOCK)) as db:
        await db.write(acted, 12)
        await asyncio.wait_for(housekeeping.clean(db, CLOCK, uuid7(CLOCK), Retention()), 30)
        assert await db.read(ids) == [f"{number:04}" for number in range(7, 12)]


def test_of_what_was_set_aside_the_newest_stay_and_the_one_just_made_whatever_its_date(tmp_path):
    for day in (10, 11, 12, 13):
        (tmp_path / f"{ASIDE}202611{day}T000000Z").mkdir()
    (tmp_path / "damaged-20261101T000000Z").mkdir()
    made = tmp_path / f"{ASIDE}19700101T000000Z"
    made.mkdir()
    _let_go(made)
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        made.name,
        f"{ASIDE}20261112T000000Z",
        f"{ASIDE}20261113T000000Z",
        "damaged-20261101T000000Z",
    ]
    assert ASIDE_KEPT == 3
