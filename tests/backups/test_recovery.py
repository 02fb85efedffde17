"""A start with a damaged database: the newest good backup comes in, with what the file still gives; the rest is told."""

import asyncio
import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from hall import ANNA, HALL, LASER
from keeping import settings_of

from gateway.app import running
from gateway.backups.store import Backups
from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import StartupError
from gateway.kernel.ids import uuid7
from gateway.opening import opened
from gateway.operations.commands import OperationCommands
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.quantities.commands import QuantityCommands
from gateway.operations.trees.commands import JobTreeCommands
from gateway.outbox import journal
from gateway.outbox.event import Stamp
from gateway.transfer.commands import bring_in, planned
from gateway.web.routes import Caller, Scope

ADMIN = Caller("test", "test", Scope.ADMIN)
CLOCK = SystemClock()
PAGE = 4096


def settings(folder: Path):
    return settings_of(folder, http={"port": 0}, broker={"mode": "off"})


@contextlib.asynccontextmanager
async def box(folder: Path):
    async with running(settings(folder)) as gateway:
        yield gateway


def made(gateway):
    return gateway.db, CLOCK, uuid7(CLOCK), "gw-test"


async def work(gateway, number: int) -> None:
    """A job, started, and two pieces of it."""
    part = {"part_number": f"P-{number}", "material": "S235", "quantity": 5}
    part["operations"] = [{"operation_name": "Cut", "sequence": 1, "cell_id": LASER, "estimated_time": 5}]
    answer = await JobTreeCommands(*made(gateway)).create({"job_number": f"J-{number}", "parts": [part]}, ADMIN, None)
    operation = json.loads(answer.data)["job"]["parts"][0]["operations"][0]["id"]
    await OperationCommands(*made(gateway)).change(
        ChangeOperation(operation, Verb.START, operator_id=ANNA), ADMIN, None
    )
    given = {"operation_id": operation, "quantity_produced": 2, "quantity_good": 2}
    await QuantityCommands(*made(gateway)).create(given, ADMIN, None)
    await OperationCommands(*made(gateway)).change(ChangeOperation(operation, Verb.COMPLETE), ADMIN, None)


async def _shift(data: Path) -> int:
    """Before the backup and after it. Returns the epoch."""
    async with box(data) as gateway:
        stamp = Stamp(CLOCK.now(), "gw-test", uuid7(CLOCK))
        await gateway.db.write(lambda tx: bring_in(tx, stamp, planned(HALL)))
        for number in range(3):
            await work(gateway, number)
        await gateway.db.write(journal.register, "cloud", stamp.text, 0)
        backups = Backups(settings(data), CLOCK)
        await asyncio.to_thread(backups.create, gateway.db.path)
        for number in range(3, 30):
            await work(gateway, number)
        return gateway.identity.epoch


@pytest.fixture(scope="session")
def shift(tmp_path_factory) -> tuple[Path, int]:
    """Worked once, for all."""
    data = tmp_path_factory.mktemp("shift") / "data"
    return data, asyncio.run(_shift(data))


@pytest.fixture
def worked(shift, tmp_path) -> dict:
    """How everything stood when the box was switched off."""
    data = tmp_path / "data"
    shutil.copytree(shift[0], data, ignore=shutil.ignore_patterns("ballast"))
    return {"data": data, "epoch": shift[1], **state(data)}


def state(data: Path) -> dict:
    connection = sqlite3.connect(data / "gateway.sqlite")
    try:
        tables = ("jobs", "parts", "operations", "time_entries", "operation_quantities", "events")
        return {one: connection.execute(f"SELECT * FROM {one} ORDER BY 1").fetchall() for one in tables}
    finally:
        connection.close()


def damage(data: Path, sql: str) -> None:
    """The pages of what this names are overwritten: one of them, in the middle."""
    connection = sqlite3.connect(data / "gateway.sqlite")
    try:
        pages = [row[0] for row in connection.execute(sql)]
    finally:
        connection.close()
    with (data / "gateway.sqlite").open("r+b") as file:
        file.seek((pages[len(pages) // 2] - 1) * PAGE)
        file.write(b"\xff" * PAGE)


async def recovered(data: Path) -> tuple[list[str], int]:
    async with box(data) as gateway:
        return gateway.health.problems(), gateway.identity.epoch


ROOT = "SELECT rootpage FROM sqlite_schema WHERE name = '{}'"


async def test_an_index_is_damaged_and_nothing_is_lost(worked):
    data = worked["data"]
    damage(data, ROOT.format("events_by_lane"))
    problems, epoch = await recovered(data)
    assert epoch > worked["epoch"]
    told = next(one for one in problems if "the database was damaged" in one)
    last = worked["events"][-1][0]
    assert "missing are" not in told, told
    after = state(data)
    assert [row for row in after["events"] if row[0] <= last] == worked["events"]
    for table in ("jobs", "parts", "operations", "time_entries", "operation_quantities"):
        assert after[table] == worked[table]


async def test_a_page_of_the_journal_is_gone_and_that_is_said(worked):
    data = worked["data"]
    before = worked["events"]
    with (data / "gateway.sqlite").open("rb") as file:
        content = file.read()
    wanted = before[-60][1].encode()  # the id of an event
    page = content.index(wanted) // PAGE
    with (data / "gateway.sqlite").open("r+b") as file:
        file.seek(page * PAGE)
        file.write(b"\xff" * PAGE)
    problems, _ = await recovered(data)
    told = next(one for one in problems if "the database was damaged" in one)
    assert "missing are the entries" in told
    after = {row[0] for row in state(data)["events"]}
    lost = [row[0] for row in before if row[0] not in after]
    assert 0 < len(lost) < 40
    assert f"missing are the entries {lost[0]}-{lost[-1]}" in told, (told, lost)
    kept = [row for row in before if row[0] in after]
    assert [row for row in state(data)["events"] if row[0] <= before[-1][0]] == kept


async def test_nothing_of_it_can_be_read(worked):
    data = worked["data"]
    (data / "gateway.sqlite").write_bytes(b"Dear diary, " * 10_000)
    problems, epoch = await recovered(data)
    assert epoch > worked["epoch"]
    assert any("nothing of the damaged file can be read: all that came after entry" in one for one in problems)
    assert len(state(data)["jobs"]) == 3
    (aside,) = data.glob("damaged-*")
    assert (aside / "gateway.sqlite").read_bytes().startswith(b"Dear diary")


async def test_the_newest_good_backup_is_the_one(worked):
    """One that is damaged too, and one of somebody else, are passed over."""
    data = worked["data"]
    (good,) = Backups(settings(data), CLOCK).files()
    for name in ("gw-test-20990101T000000Z.backup.zip", "gw-test-20990102T000000Z.backup.zip"):
        (good.parent / name).write_bytes(good.read_bytes()[: -200 if "0101" in name else 100])
    (data / "gateway.sqlite").write_bytes(b"Dear diary, " * 10_000)
    await recovered(data)
    assert len(state(data)["jobs"]) == 3


async def test_without_a_good_backup_it_is_left_as_it_is(worked):
    data = worked["data"]
    for file in Backups(settings(data), CLOCK).files():
        file.unlink()
    (data / "gateway.sqlite").write_bytes(b"Dear diary, " * 10_000)
    with pytest.raises(StartupError, match=r"is damaged .*There is no good backup of it in"):
        await recovered(data)
    assert (data / "gateway.sqlite").read_bytes().startswith(b"Dear diary")


async def test_only_a_start_does_that_no_command(worked):
    data = worked["data"]
    (data / "gateway.sqlite").write_bytes(b"Dear diary, " * 10_000)
    with pytest.raises(StartupError, match="is damaged"):
        async with opened(settings(data), CLOCK):
            pass
    assert (data / "gateway.sqlite").read_bytes().startswith(b"Dear diary")


async def test_what_was_parked_and_how_far_readers_were_comes_along(worked):
    data = worked["data"]
    connection = sqlite3.connect(data / "gateway.sqlite")
    with connection:
        last = worked["events"][-1][0]
        connection.execute("UPDATE event_readers SET position = ? WHERE name = 'cloud'", (last - 5,))
        connection.execute(
            "INSERT INTO event_parked (reader, seq, lane, aggregate, state, reason, parked_at) "
            "SELECT 'cloud', seq, lane, aggregate, 'parked', 'the cloud said no', '' FROM events WHERE seq = ?",
            (last - 10,),
        )
    connection.close()
    damage(data, ROOT.format("events_by_lane"))
    await recovered(data)
    connection = sqlite3.connect(data / "gateway.sqlite")
    try:
        assert connection.execute("SELECT seq, reason FROM event_parked").fetchall() == [
            (last - 10, "the cloud said no")
        ]
        assert connection.execute("SELECT position FROM event_readers WHERE name = 'cloud'").fetchone()[0] == last - 5
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    finally:
        connection.close()
