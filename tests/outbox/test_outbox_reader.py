"""How a way out reads: everything, in order, at least once, from where it left off."""

import asyncio

import pytest
from ledger import append, opened, position, running, stamp
from waiting import until

from gateway.kernel import db as kernel_db
from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import Unavailable
from gateway.outbox import journal, reader
from gateway.outbox.reader import follow, tail

CLOCK = ManualClock()


class Outside:
    """Takes what it is given; breaks off before the entries named."""

    def __init__(self, *breaks: int) -> None:
        self.got: list[int] = []
        self.pages: list[int] = []
        self._breaks = set(breaks)

    async def __call__(self, entries) -> None:
        self.pages.append(len(entries))
        for entry in entries:
            if entry.seq in self._breaks:
                self._breaks.remove(entry.seq)
                raise Unavailable("the line broke")
            self.got.append(entry.seq)


async def test_everything_is_delivered_in_order_while_it_happens(db):
    outside = Outside()
    async with running(follow("uns", db, CLOCK, outside)):
        await until(lambda: db.commits.count == 1, "the reader is registered")
        for i in range(20):
            await db.write(append, stamp(), f"c{i}")
        await until(lambda: len(outside.got) == 20)
    assert outside.got == list(range(1, 21))


async def test_a_reader_wakes_at_once_not_at_the_next_poll(db):
    outside = Outside()
    async with running(follow("uns", db, CLOCK, outside)):
        await until(lambda: db.commits.count == 1)
        await asyncio.sleep(0.05)  # it waits now
        began = asyncio.get_running_loop().time()
        await db.write(append, stamp(), "c")
        await until(lambda: outside.got == [1])
        assert asyncio.get_running_loop().time() - began < reader.POLL_S / 5


async def test_a_backlog_comes_in_pages(db):
    await db.write(journal.register, "uns", "2026-11-02T07:00:00+00:00", 0)
    await db.write(append, stamp(), *(f"c{i}" for i in range(25)))
    outside = Outside()
    async with running(follow("uns", db, CLOCK, outside, batch_max=10)):
        await until(lambda: len(outside.got) == 25)
    assert outside.pages == [10, 10, 5]


async def test_when_the_line_breaks_the_next_run_begins_at_what_was_not_answered_for(db):
    await db.write(journal.register, "uns", "2026-11-02T07:00:00+00:00", 0)
    await db.write(append, stamp(), *(f"c{i}" for i in range(9)))
    outside = Outside(5)
    with pytest.raises(Unavailable):
        await follow("uns", db, CLOCK, outside, batch_max=3)
    async with running(follow("uns", db, CLOCK, outside, batch_max=3)):
        await until(lambda: outside.got[-1] == 9)
    assert outside.got == [1, 2, 3, 4, 4, 5, 6, 7, 8, 9], "4 came twice, nothing was left out"


async def test_the_position_is_saved_after_a_moment_of_quiet(db, monkeypatch):
    monkeypatch.setattr(kernel_db, "DEFERRED_MAX_S", 0.05)
    outside = Outside()
    async with running(follow("uns", db, CLOCK, outside)):
        await until(lambda: db.commits.count == 1)
        await db.write(append, stamp(), "a", "b")
        await until(lambda: db.commits.count == 3, "registered, appended, saved")
        assert await db.read(position, "uns") == 2


async def test_an_idle_reader_writes_nothing(db, monkeypatch):
    monkeypatch.setattr(kernel_db, "DEFERRED_MAX_S", 0.02)
    monkeypatch.setattr(reader, "POLL_S", 0.02)
    async with running(follow("uns", db, CLOCK, Outside())):
        await until(lambda: db.commits.count == 1)
        await db.write(append, stamp(), "a")
        await until(lambda: db.commits.count == 3)
        await asyncio.sleep(0.2)
        assert db.commits.count == 3


async def test_after_an_orderly_end_nothing_is_repeated(tmp_path):
    outside = Outside()
    async with opened(tmp_path) as db, running(follow("uns", db, CLOCK, outside)):
        await until(lambda: db.commits.count == 1)
        await db.write(append, stamp(), "a", "b")
        await until(lambda: outside.got == [1, 2])
        await asyncio.sleep(0)  # the position has been asked to be saved
    async with opened(tmp_path) as db, running(follow("uns", db, CLOCK, outside)):
        await db.write(append, stamp(), "c")
        await until(lambda: outside.got == [1, 2, 3])


async def test_a_reader_that_begins_now_is_not_told_the_past(db):
    await db.write(append, stamp(), "past")
    outside = Outside()
    async with running(follow("uns", db, CLOCK, outside)):
        await until(lambda: db.commits.count == 2)
        await db.write(append, stamp(), "now")
        await until(lambda: bool(outside.got))
    assert outside.got == [2]


async def test_many_readers_each_get_everything(db):
    crowd = [Outside() for _ in range(12)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(follow(f"r{i}", db, CLOCK, one)) for i, one in enumerate(crowd)]
        await until(lambda: db.commits.count >= 1)
        while len(await db.read(journal.readers)) < len(crowd):
            await asyncio.sleep(0.005)
        for i in range(5):
            await db.write(append, stamp(), f"c{i}")
        await until(lambda: all(one.got == [1, 2, 3, 4, 5] for one in crowd))
        for task in tasks:
            task.cancel()


async def test_a_tail_begins_where_it_is_told_and_remembers_nothing(db):
    await db.write(append, stamp(), *(f"c{i}" for i in range(5)))
    pages = tail(db, 2, batch_max=2)
    assert [entry.seq for entry in await anext(pages)] == [3, 4]
    assert [entry.seq for entry in await anext(pages)] == [5]
    coming = asyncio.ensure_future(anext(pages))
    await asyncio.sleep(0.02)
    assert not coming.done()
    await db.write(append, stamp(), "news")
    assert [entry.seq for entry in await asyncio.wait_for(coming, 1)] == [6]
    await pages.aclose()
    assert await db.read(journal.readers) == []


async def test_a_wake_up_that_was_missed_is_made_good_by_the_poll(db, monkeypatch):
    """Written by somebody who is not this process's writer: no commit is counted."""
    monkeypatch.setattr(reader, "POLL_S", 0.05)
    pages = tail(db, 0)
    coming = asyncio.ensure_future(anext(pages))
    await asyncio.sleep(0.02)
    monkeypatch.setattr(db.commits, "happened", lambda: None)
    await db.write(append, stamp(), "unheard")
    assert [entry.seq for entry in await asyncio.wait_for(coming, 1)] == [1]
    await pages.aclose()
