"""A disk that gives errors or is full: nothing acknowledged is lost, nothing refused comes back, reads go on."""

import asyncio
import errno
import shutil
import sqlite3
import threading

import pytest
from disk_faults import faults
from notebook import add, gathering, on_disk, prepare, texts
from structlog.testing import capture_logs

from gateway.kernel import db as kernel_db
from gateway.kernel.connection import WRITER_PRAGMAS, wal_bytes
from gateway.kernel.db import Database
from gateway.kernel.errors import ReadOnly, StorageFailed, StorageFull
from gateway.kernel.room import LOOK_AGAIN_S

ROUNDS = 60


def asked(db, *wanted: str) -> list[asyncio.Task]:
    return [asyncio.create_task(db.write(add, text)) for text in wanted]


class Hands:
    """A monotonic clock whose hands are turned."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
async def db(tmp_path, hands):
    async with Database.open(tmp_path, prepare=prepare, monotonic=hands) as db:
        await db.write(add, "first")
        await db.read(texts)
        yield db


def identity(connection) -> int:
    return id(connection)


# ------------------------------------------------------------------ fsync


async def test_a_failed_fsync_is_told_and_the_next_write_goes_over_a_new_connection(disk, db):
    before = await db.write(identity)
    disk.fails = lambda number: number == failing
    failing = disk.syncs + 1
    with capture_logs() as logs, pytest.raises(StorageFailed, match="nothing was written; send it again"):
        await db.write(add, "refused")
    assert [one["event"] for one in logs] == ["database.failed"]
    assert await db.read(texts) == ["first"]
    assert await db.write(identity) != before
    assert await db.write(add, "again") == 2
    assert await db.read(texts) == ["first", "again"]
    assert db.read_only is None


async def test_the_whole_group_is_told(disk, db):
    failing = disk.syncs + 1
    disk.fails = lambda number: number == failing
    async with gathering(db):
        tasks = asked(db, "a", "b")
    for task in tasks:
        with pytest.raises(StorageFailed):
            await task


async def test_what_was_refused_does_not_come_back_after_a_crash(tmp_path, disk, db):
    """Its pages stand in the WAL with a commit mark: recovery would take them, did not a commit of ours lie over them."""
    failing = disk.syncs + 1
    disk.fails = lambda number: number == failing
    with pytest.raises(StorageFailed):
        await db.write(add, "refused")
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name in ("gateway.sqlite", "gateway.sqlite-wal"):
        shutil.copy(tmp_path / name, crashed / name)
    assert on_disk(crashed) == ["first"]


async def test_three_failures_within_ten_minutes_mean_read_only_until_a_restart(tmp_path, hands, disk, db):
    for _ in range(kernel_db.FAILURES_MAX):
        hands.at_s += 60
        assert db.read_only is None
        failing = disk.syncs + 1
        disk.fails = lambda number: number == failing  # noqa: B023 -- read while it holds
        with pytest.raises(StorageFailed):
            await db.write(add, "refused")
    syncs = disk.syncs
    with pytest.raises(ReadOnly, match="3 disk errors within 600 s: read-only until a restart"):
        await db.write(add, "refused")
    db.write_soon("position", add, "deferred")
    assert await db.read(texts) == ["first"], "reads go on"
    assert disk.syncs == syncs


async def test_three_failures_over_a_longer_time_do_not(hands, disk, db):
    for _ in range(2 * kernel_db.FAILURES_MAX):
        hands.at_s += kernel_db.FAILURES_WINDOW_S / 2
        failing = disk.syncs + 1
        disk.fails = lambda number: number == failing  # noqa: B023
        with pytest.raises(StorageFailed):
            await db.write(add, "refused")
        await db.write(add, f"kept at {hands.at_s}")
    assert db.read_only is None


async def test_what_was_queued_before_is_refused_too_and_so_is_what_was_deferred(tmp_path, hands):

    with faults(tmp_path) as disk:
        async with Database.open(tmp_path, prepare=prepare, monotonic=hands) as db:
            await db.write(add, "first")
            disk.fails = lambda _number: True
            for _ in range(kernel_db.FAILURES_MAX - 1):
                with pytest.raises(StorageFailed):
                    await db.write(add, "refused")
            async with gathering(db):
                tasks = asked(db, *(f"note {i}" for i in range(kernel_db.GROUP_MAX + 1)))
            kinds = [type(await caught(task)) for task in tasks]
            assert kinds == [StorageFailed] * kernel_db.GROUP_MAX + [ReadOnly]
            disk.fails = lambda _number: False
            db.write_soon("position", add, "deferred")
    assert on_disk(tmp_path) == ["first"]
    assert (tmp_path / "lock").read_text() != "", "the next start looks closely"


async def caught(task) -> BaseException | None:
    try:
        await task
    except Exception as exc:  # noqa: BLE001 -- whatever it is
        return exc
    return None


@pytest.mark.parametrize("checkpoint_pages", [4000, 3], ids=["", "with checkpoints"])
@pytest.mark.parametrize("every", [1, 2, 3, 5, 7, 11, 50])
async def test_every_nth_fsync_failing_loses_nothing_that_was_acknowledged(
    tmp_path, every, hands, checkpoint_pages, monkeypatch
):
    """A sync that fails in a checkpoint is SQLite's own affair: it writes those pages again in the next one."""
    often = (*WRITER_PRAGMAS, f"wal_autocheckpoint={checkpoint_pages}")
    monkeypatch.setattr("gateway.kernel.db.WRITER_PRAGMAS", often)
    monkeypatch.setattr("gateway.kernel.connection.WRITER_PRAGMAS", often)

    acknowledged: list[str] = ["before"]
    async with Database.open(tmp_path, prepare=prepare, monotonic=hands) as db:
        await db.write(add, "before")
    with faults(tmp_path) as disk:
        async with Database.open(tmp_path, prepare=prepare, monotonic=hands) as db:
            disk.fails = lambda number: number % every == 0
            for i in range(ROUNDS):
                hands.at_s += kernel_db.FAILURES_WINDOW_S  # far apart, or it would be read-only soon
                try:
                    await db.write(add, f"note {i}")
                except StorageFailed:
                    continue
                acknowledged.append(f"note {i}")
                assert await db.read(texts) == acknowledged
            assert disk.refused > 0
            disk.fails = lambda _number: False
            await db.write(add, "after")
    assert on_disk(tmp_path) == [*acknowledged, "after"], "all of them, in order, and nothing that was refused"


async def test_damage_found_after_a_failure_ends_writing_and_says_so(tmp_path, disk, db):
    for i in range(50):
        db.write_soon(f"{i}", add, f"note {i} " + "x" * 400)
    await db.write(add, "filled")
    await db.write(lambda tx: None)

    def fails(number: int) -> bool:
        if number == failing:
            with (tmp_path / "gateway.sqlite-wal").open("r+b") as file:  # the disk returns nonsense from now on
                file.truncate(0)
            with (tmp_path / "gateway.sqlite").open("r+b") as file:
                file.write(b"\xff" * 8192)
        return number >= failing

    failing = disk.syncs + 1
    disk.fails = fails
    with pytest.raises(StorageFailed):
        await db.write(add, "refused")
    assert db.read_only is not None
    assert "is damaged" in db.read_only
    with pytest.raises(ReadOnly):
        await db.write(add, "refused")
    with pytest.raises(StorageFailed):
        await db.read(texts)


# ------------------------------------------------------------------ no space


async def test_a_full_disk_refuses_by_name_reads_go_on_and_it_recovers_alone(disk, db):
    before = await db.write(identity)
    (db.path.parent / "ballast").unlink()
    disk.full = lambda: True
    for _ in range(10):
        with pytest.raises(StorageFull, match="disk is full: nothing was written; free some space"):
            await db.write(add, "refused " + "x" * 100_000)
    assert await db.read(texts) == ["first"]
    assert db.read_only is None, "a full disk is not a broken one"
    disk.full = lambda: False
    assert await db.write(add, "there is room") == 2
    assert await db.write(identity) == before, "the connection was never at fault"


async def test_the_ballast_goes_to_the_journal_before_anybody_is_refused(disk, db):
    ballast = db.path.parent / "ballast"
    assert ballast.exists()
    disk.full = ballast.exists
    with capture_logs() as logs:
        assert await db.write(add, "x" * 100_000) == 2
    assert not ballast.exists()
    assert {"event": "disk.full", "log_level": "warning", "freed": "ballast"} in logs


async def test_the_ballast_is_laid_down_again_when_there_is_room(hands, disk, db):
    ballast = db.path.parent / "ballast"
    disk.full = ballast.exists
    await db.write(add, "x" * 100_000)
    disk.full = lambda: False
    await db.write(add, "soon after")
    await db.write(add, "and once more")
    assert not ballast.exists()
    hands.at_s += LOOK_AGAIN_S
    await db.write(add, "seconds later")
    await db.write(add, "and once more than that")
    assert ballast.exists()


@pytest.mark.parametrize("held", [True, False], ids=["with ballast", "without"])
async def test_a_quota_that_is_used_up_is_a_full_disk_and_no_broken_one(disk, db, held):
    """SQLite calls it an I/O error, as it would call a disk that dies."""
    ballast = db.path.parent / "ballast"
    disk.code = errno.EDQUOT
    disk.full = ballast.exists if held else lambda: True
    if held:
        await db.write(add, "x" * 100_000)
        assert not ballast.exists()
    else:
        ballast.unlink()
        for _ in range(2 * kernel_db.FAILURES_MAX):
            with pytest.raises(StorageFull, match="disk is full"):
                await db.write(add, "x" * 100_000)
    disk.full = lambda: False
    await db.write(add, "there is room")
    assert db.read_only is None
    assert (await db.read(texts))[-1] == "there is room"


async def test_a_write_that_fails_for_another_reason_is_a_broken_disk(disk, db):
    disk.code, disk.full = errno.EIO, lambda: True
    with pytest.raises(StorageFailed):
        await db.write(add, "x" * 100_000)
    assert (db.path.parent / "ballast").exists(), "it is not given up for that"
    disk.full = lambda: False
    await db.write(add, "again")
    assert await db.read(texts) == ["first", "again"]


async def test_a_database_at_its_largest_is_a_full_disk_as_well(db):
    """SQLite's own limit, without a disk that lies."""

    def limit(tx) -> None:
        tx.execute(f"PRAGMA max_page_count={tx.execute('PRAGMA page_count').fetchone()[0]}")

    (db.path.parent / "ballast").unlink()
    await db.write(limit)
    with pytest.raises(StorageFull):
        await db.write(add, "x" * 100_000)
    assert await db.write(add, "small") == 2


async def test_a_full_disk_takes_one_group_back_as_a_whole(disk, db):
    (db.path.parent / "ballast").unlink()
    async with gathering(db):
        tasks = asked(db, "a", "b", "x" * 100_000)
        disk.full = lambda: True
    assert [type(await caught(task)) for task in tasks] == [StorageFull] * 3
    disk.full = lambda: False
    assert await db.read(texts) == ["first"]


# ------------------------------------------------------------------ others on the file; the WAL


async def test_another_program_that_holds_the_database_is_no_broken_disk(tmp_path, db):

    await db.write(lambda tx: tx.execute("PRAGMA busy_timeout=20"))
    other = sqlite3.connect(tmp_path / "gateway.sqlite", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(kernel_db.FAILURES_MAX + 1):
            with pytest.raises(kernel_db.Busy, match="another program holds the database"):
                await db.write(add, "refused")
        other.execute("ROLLBACK")
    finally:
        other.close()
    assert db.read_only is None
    assert await db.write(add, "now") == 2


async def test_a_wal_that_grew_too_large_is_told_and_started_over_between_groups(tmp_path, hands, db, monkeypatch):

    monkeypatch.setattr(kernel_db, "WAL_MAX_BYTES", 200_000)
    monkeypatch.setattr("gateway.kernel.connection.WAL_WAIT_MS", 10)
    looked, go_on = threading.Event(), threading.Event()

    def linger(connection) -> None:
        texts(connection)
        looked.set()
        go_on.wait(10)

    reading = asyncio.create_task(db.read(linger))
    await asyncio.to_thread(looked.wait, 10)
    await db.write(add, "x" * 300_000)
    await db.write(add, "the next round has looked")
    assert db.warning == "the WAL has 0 MB: long reads keep it from shrinking"
    go_on.set()
    await reading
    await db.write(add, "at once: not tried again so soon")
    assert wal_bytes(db.path) > 200_000
    hands.at_s += kernel_db.WAL_PAUSE_S
    await db.write(add, "later")
    await db.write(add, "the next round has looked again")
    assert db.warning is None
    assert wal_bytes(db.path) < 200_000
    assert len(await db.read(texts)) == 6
