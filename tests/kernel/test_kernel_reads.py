"""Reads: connections of their own, one snapshot each, never in anybody's way."""

import asyncio
import sqlite3
import threading
import time

import pytest
from notebook import WAIT_MAX_S, add, texts

from gateway.kernel import db as kernel_db
from gateway.kernel.errors import StorageFailed

FOR_EVER = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
EVERYWHERE = {
    "journal_mode": "wal",
    "foreign_keys": 1,
    "busy_timeout": 5000,
    "mmap_size": 0,
    "trusted_schema": 0,
    "temp_store": 2,
}
WRITER = {"synchronous": 2, "wal_autocheckpoint": 4000, "cache_size": -16000, "query_only": 0}
READER = {"query_only": 1, "wal_autocheckpoint": 0}


def pragmas(connection, names) -> dict:
    found = {name: connection.execute(f"PRAGMA {name}").fetchone() for name in names}
    return {name: None if row is None else row[0] for name, row in found.items()}


async def test_the_writers_settings_are_in_force(db):
    wanted = EVERYWHERE | WRITER
    assert await db.write(pragmas, tuple(wanted)) == wanted


async def test_every_readers_settings_are_in_force(db):
    wanted = EVERYWHERE | READER
    together = threading.Barrier(kernel_db.READERS)

    def look(connection) -> tuple[dict, int]:
        together.wait(WAIT_MAX_S)
        return pragmas(connection, wanted), id(connection)

    seen = await asyncio.gather(*(db.read(look) for _ in range(kernel_db.READERS)))
    assert [one for one, _ in seen] == [wanted] * kernel_db.READERS
    assert len({connection for _, connection in seen}) == kernel_db.READERS


async def test_a_read_cannot_write(db):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await db.read(add, "sneaked in")
    assert await db.read(texts) == []


async def test_a_read_sees_one_snapshot_and_the_next_one_sees_what_came_meanwhile(db):
    await db.write(add, "before")
    looked, go_on = threading.Event(), threading.Event()

    def twice(connection) -> tuple[list[str], list[str]]:
        first = texts(connection)
        looked.set()
        go_on.wait(WAIT_MAX_S)
        return first, texts(connection)

    reading = asyncio.create_task(db.read(twice))
    await asyncio.to_thread(looked.wait, WAIT_MAX_S)
    await db.write(add, "meanwhile")  # a read keeps no write waiting
    go_on.set()
    assert await reading == (["before"], ["before"])
    assert await db.read(texts) == ["before", "meanwhile"]


async def test_the_loop_goes_on_while_a_read_takes_long(db, monkeypatch):
    monkeypatch.setattr(kernel_db, "READ_MAX_S", 0.8)
    reading = asyncio.create_task(db.read(lambda connection: connection.execute(FOR_EVER).fetchone()))
    longest_s, last_s = 0.0, time.monotonic()
    while not reading.done():
        await asyncio.sleep(0.005)
        longest_s, last_s = max(longest_s, time.monotonic() - last_s), time.monotonic()
    with pytest.raises(StorageFailed, match="could not be finished"):
        await reading
    assert longest_s < 0.4


async def test_a_read_that_takes_too_long_is_cut_and_its_connection_serves_the_next(db, monkeypatch):
    assert kernel_db.READ_MAX_S == 5.0
    monkeypatch.setattr(kernel_db, "READ_MAX_S", 0.1)
    for _ in range(2 * kernel_db.READERS):
        with pytest.raises(StorageFailed):
            await db.read(lambda connection: connection.execute(FOR_EVER).fetchone())
    assert await db.read(texts) == []


async def test_an_error_in_a_read_is_the_readers_own(db):
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await db.read(lambda connection: connection.execute("SELECT * FROM elsewhere"))
    with pytest.raises(ZeroDivisionError):
        await db.read(lambda _connection: 1 / 0)
    assert await db.read(texts) == []
