"""Who the box is over its life; what it clears away; what it tells systemd."""

import asyncio
import contextlib
import os
import socket
from datetime import UTC, datetime, timedelta

import pytest

from gateway import housekeeping, identity, systemd
from gateway.kernel import clock as time_
from gateway.kernel.db import Database
from gateway.kernel.health import Link
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp
from gateway.settings import Retention

TENANT = "00000000-0000-4000-8000-000000000001"
HERE, ELSEWHERE = "machine a", "machine b"


@pytest.fixture
async def db(tmp_path, clock):
    async with Database.open(tmp_path, prepare=lambda path: migrate(path, clock)) as db:
        yield db


@pytest.fixture
def start(db, clock):
    """One start of the gateway on a machine."""
    new_id = uuid7(clock)

    async def make(machine: str) -> identity.Identity:
        return await db.write(identity.establish, Stamp(clock.now(), "gw-test", new_id), TENANT, machine)

    return make


# ------------------------------------------------------------------ identity


async def test_the_first_start_takes_the_time_for_its_epoch(start, clock):
    own = await start(HERE)
    assert (own.first, own.cloned, own.epoch) == (True, False, int(clock.now().timestamp()))


async def test_a_restart_changes_nothing(start, clock):
    first = await start(HERE)
    clock.step(1000)
    again = await start(HERE)
    assert (again.epoch, again.device_id, again.first, again.cloned) == (first.epoch, first.device_id, False, False)


async def test_on_another_machine_it_is_another_device_with_a_higher_epoch(start, clock):
    first = await start(HERE)
    clock.step(-1_000_000)  # whose clock is behind
    clone = await start(ELSEWHERE)
    assert clone.cloned
    assert clone.epoch == first.epoch + 1
    assert clone.device_id != first.device_id
    assert not (await start(ELSEWHERE)).cloned


async def test_each_life_knows_where_the_journal_ended_when_it_began(start, db, clock):
    first = await start(HERE)
    await db.write(
        lambda tx: journal.append(tx, Stamp(clock.now(), "gw-test", uuid7(clock)), [Event("a", "a", clock.now(), ())])
    )
    clone = await start(ELSEWHERE)
    assert clone.epochs == ((first.epoch, 0), (clone.epoch, 1))


@pytest.mark.parametrize("unsent", [0, 3])
async def test_an_epoch_that_was_made_without_knowing_the_time_is_made_anew(start, db, clock, unsent):
    """A hub knows a higher one of this box: only who could not know goes on, once nothing waits or the clock is set."""
    clock.step(-clock.now().timestamp() + 1000)  # 1970
    own = await start(HERE)
    renewed = await db.write(identity.renew, own.epoch + 500, unsent, clock.now())
    assert renewed == (None if unsent else own.epoch + 501)
    clock.step(datetime(2026, 11, 2, tzinfo=UTC).timestamp())
    if unsent:
        renewed = await db.write(identity.renew, own.epoch + 500, unsent, clock.now())
        assert renewed == int(clock.now().timestamp())
        assert await db.write(identity.renew, renewed + 500, 0, clock.now()) is None  # now it knows
    assert (await start(HERE)).epoch == renewed


async def test_who_was_replaced_stays_so(start, db, clock):
    own = await start(HERE)
    assert await db.write(identity.renew, own.epoch + 500, 0, clock.now()) is None


async def test_a_machine_without_an_id_is_never_taken_for_a_clone(start):
    first = await start(HERE)
    assert (await start("")).epoch == first.epoch
    assert (await start(HERE)).epoch == first.epoch


def test_the_mark_of_a_machine_does_not_give_its_id_away(tmp_path):
    file = tmp_path / "machine-id"
    assert identity.machine(file) == ""
    file.write_text("\n")
    assert identity.machine(file) == ""
    file.write_text("0123456789abcdef0123456789abcdef\n")
    assert "0123456789abcdef" not in identity.machine(file)
    assert identity.machine(file) == identity.machine(file) != ""


async def test_a_cloned_folder_raises_the_epoch_of_the_running_gateway(served, monkeypatch):
    monkeypatch.setattr(identity, "machine", lambda: HERE)
    async with served() as box:
        before = (await box.health())["epoch"]
    monkeypatch.setattr(identity, "machine", lambda: ELSEWHERE)
    async with served() as box:
        assert (await box.health())["epoch"] > before


# ------------------------------------------------------------------ housekeeping


def record(tx, at: datetime, count: int) -> None:
    change = Change("cells", "c", "update", 1, ("name",))
    stamp = Stamp(at, "gw-test", uuid7(time_.ManualClock(at)))
    journal.append(tx, stamp, [Event("cells:c", "cells:c", at, (change,)) for _ in range(count)])


async def counted(db) -> int:
    return await db.read(lambda connection: connection.execute("SELECT count(*) FROM events").fetchone()[0])


async def clean(db, clock, days=30) -> None:
    cleaning = asyncio.create_task(housekeeping.clean(db, clock, uuid7(clock), Retention(journal_days=days)))
    async with asyncio.timeout(10):
        while not cleaning.done():
            await clock.advance(1)
            await asyncio.sleep(0.001)
    cleaning.result()


async def test_old_entries_go_when_nobody_forwards_them(db, clock):
    await db.write(record, clock.now() - timedelta(days=31), 1500)
    await db.write(record, clock.now() - timedelta(days=29), 3)
    await clean(db, clock)
    assert await counted(db) == 3


async def test_what_the_cloud_does_not_have_stays(db, clock):
    await db.write(journal.register, "cloud", time_.text(clock.now()), 0)
    await db.write(record, clock.now() - timedelta(days=90), 10)
    await clean(db, clock)
    assert await counted(db) == 10
    await db.write(journal.advance, "cloud", 4)
    await clean(db, clock)
    assert await counted(db) == 6


async def test_nothing_goes_by_a_clock_that_was_never_set(db, clock):
    await db.write(record, datetime(1970, 1, 2, tzinfo=UTC), 5)
    await clean(db, time_.ManualClock(datetime(2000, 1, 1, tzinfo=UTC)))
    assert await counted(db) == 5


async def test_it_comes_back_every_hour(db, clock):
    link = Link("housekeeping", clock)
    running = asyncio.create_task(housekeeping.run(db, clock, uuid7(clock), Retention(), link))
    async with asyncio.timeout(10):
        while link.state != "up":
            await asyncio.sleep(0.001)
        await db.write(record, clock.now() - timedelta(days=31), 3)
        while await counted(db):
            await clock.advance(600)
            await asyncio.sleep(0.001)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


# ------------------------------------------------------------------ systemd


@pytest.fixture
def notified(tmp_path, monkeypatch):
    """systemd's side of the line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        line.settimeout(5)
        monkeypatch.setitem(os.environ, "NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield line


async def said(line) -> str:
    return (await asyncio.to_thread(line.recv, 100)).decode()


async def test_systemd_hears_that_we_are_ready_alive_and_stopping(db, notified, monkeypatch):
    monkeypatch.setitem(os.environ, "WATCHDOG_USEC", "300000")
    async with systemd.told(db):
        assert await said(notified) == "READY=1"
        assert await said(notified) == "WATCHDOG=1"
        assert await said(notified) == "WATCHDOG=1"
    words = [await said(notified)]
    while words[-1] == "WATCHDOG=1":
        words.append(await said(notified))
    assert words[-1] == "STOPPING=1"


async def test_a_writer_that_hangs_feeds_no_watchdog(db, notified, monkeypatch):
    monkeypatch.setitem(os.environ, "WATCHDOG_USEC", "30000")
    held = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang(_tx) -> None:
        asyncio.run_coroutine_threadsafe(held.wait(), loop).result(10)

    hanging = asyncio.create_task(db.write(hang))
    await asyncio.sleep(0.05)  # the writer is in it
    async with systemd.told(db):
        assert await said(notified) == "READY=1"
        notified.settimeout(0.2)
        with pytest.raises(TimeoutError):
            await said(notified)
        held.set()
        await hanging
        notified.settimeout(5)
        assert await said(notified) == "WATCHDOG=1"


async def test_without_systemd_nobody_is_told(db, monkeypatch):
    monkeypatch.delitem(os.environ, "NOTIFY_SOCKET", raising=False)
    async with systemd.told(db):
        pass


async def test_a_line_that_is_gone_stops_nothing(db, monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "NOTIFY_SOCKET", str(tmp_path / "nobody"))
    async with systemd.told(db):
        pass
