"""SQLite with one writer thread.

`write` queues a plain function; the writer runs all that are waiting in ONE transaction, commits them with one fsync and
then resolves their futures. A slow disk costs latency, not throughput, and nobody gets an answer before the commit.

The functions are pure in (connection, arguments): when one fails after its first write, the group is rolled back and run
again with a savepoint each, so that it takes only itself back. A refusal before the first write ends that function alone.
"""

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, NewType, ParamSpec, TypeVar

import structlog

from gateway.kernel.commits import Commits
from gateway.kernel.connection import (
    READER_PRAGMAS,
    WRITER_PRAGMAS,
    Connection,
    anchor,
    check,
    connect,
    is_busy,
    is_cut,
    is_storage,
    is_unreadable,
    is_unwritten,
    lacks_space,
    reopen,
    roll_back,
    start_wal_over,
    told,
    wal_bytes,
)
from gateway.kernel.disk import DataLock
from gateway.kernel.errors import Busy, ReadOnly, StartupError, StorageFailed
from gateway.kernel.group import Job, Outcome, Round
from gateway.kernel.revisions import Revisions
from gateway.kernel.room import Room

P = ParamSpec("P")
T = TypeVar("T")
# A connection inside a transaction. Only the writer thread makes one, so the types prove that nobody else writes.
Tx = NewType("Tx", Connection)

GROUP_MAX = 256  # commands in one transaction
QUEUE_MAX = 4096  # commands waiting; beyond it a new one is refused
DEFERRED_MAX_S = 1.0  # a deferred write waits this long for company
READERS = 2  # threads that read, each with a connection of its own
READ_MAX_S = 5.0  # a longer read is cut, or the WAL could never shrink
READ_CHECK_OPCODES = 10_000
FAILURES_MAX = 3  # I/O errors within FAILURES_WINDOW_S after which only a person or a boot helps
FAILURES_WINDOW_S = 600.0
WAL_MAX_BYTES = 64 * 1024 * 1024  # beyond it people are told, and the writer itself starts the WAL over
WAL_PAUSE_S = 5.0  # between two tries: by then the longest read has been cut

log = structlog.get_logger(__name__)


class Database:
    """Use `Database.open`. All methods belong to the event loop that opened it."""

    def __init__(self, path: Path, room: Room, monotonic: Callable[[], float]) -> None:
        self.path = path
        self.room = room
        self.commits = Commits()
        self.revisions = Revisions()
        self.read_only: str | None = None  # why, once the disk has failed too often
        self.warning: str | None = None  # what people should look at although everything works
        self.written_at_s = monotonic()  # when the writer last finished a round: the watchdog asks
        self._monotonic = monotonic
        self._loop = asyncio.get_running_loop()
        self._queue: list[Job] = []
        self._deferred: dict[str, Job] = {}
        self._wake = threading.Condition()
        self._closing = False
        self._failures: deque[float] = deque(maxlen=FAILURES_MAX)
        self._wal_tried_s = self.written_at_s - WAL_PAUSE_S
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._anchor: Connection | None = None
        self._writer = threading.Thread(target=self._run, name="writer", daemon=True)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        folder: Path,
        *,
        prepare: Callable[[Path], None],
        monotonic: Callable[[], float] = time.monotonic,
        reserve_bytes: int | None = None,
    ) -> AsyncIterator["Database"]:
        """Lock the folder, check the file, run `prepare(path)` (migrations), start the writer. `reserve_bytes`: see `Room`.

        Raises StartupError: another process has it, the file is damaged or newer than this software.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "gateway.sqlite"
        with DataLock(folder) as lock:
            check(path, after_unclean_stop=lock.left_behind)
            prepare(path)
            database = cls(path, Room(folder, reserve_bytes), monotonic)
            database._writer.start()
            try:
                await database.write(_nothing)  # the writer has its connection, or says why not
                yield database
            finally:
                await _to_its_end(asyncio.create_task(database._close()))
                lock.orderly = database.read_only is None

    async def write(self, body: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `body(tx, *args)` in the next group and return its result after the commit.

        Raises what `body` raised; Busy, StorageFull, StorageFailed, ReadOnly. A write once asked for finishes, whether
        or not the caller is still there.
        """
        if kwargs:
            raise TypeError("write takes positional arguments only")
        if self.read_only:
            raise ReadOnly(self.read_only)
        future: asyncio.Future[T] = self._loop.create_future()
        with self._wake:
            if self._closing or len(self._queue) >= QUEUE_MAX:
                raise Busy("the write queue is full or the gateway is stopping: try again in a second")
            self._queue.append(Job(body, args, future))
            if len(self._queue) == 1:
                self._loop.call_soon(self._kick)
        return await future

    @property
    def waiting(self) -> int:
        """Commands that the writer has not begun."""
        return len(self._queue)

    def _kick(self) -> None:
        """Wake the writer once everybody who is ready to run has asked: larger groups, and nobody to share the GIL with."""
        with self._wake:
            self._wake.notify()

    def moving(self) -> None:
        """For a write that takes long, out of the writer thread: it is busy, not stuck."""
        self.written_at_s = self._monotonic()

    def write_soon(
        self, name: str, body: Callable[Concatenate[Tx, P], object], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Ride along with the next group, or run alone after a second of quiet. The last of a name wins."""
        if kwargs:
            raise TypeError("write_soon takes positional arguments only")
        with self._wake:
            if not self._deferred:
                self._wake.notify()
            self._deferred[name] = Job(body, args, None)

    async def read(self, body: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `body(connection, *args)` on a read-only connection, as one consistent snapshot."""

        def snapshot() -> T:
            connection = self._reader()
            deadline_s = time.monotonic() + READ_MAX_S
            connection.set_progress_handler(lambda: time.monotonic() > deadline_s, READ_CHECK_OPCODES)
            try:
                connection.execute("BEGIN")
                return body(connection, *args, **kwargs)
            except sqlite3.Error as exc:
                if is_unreadable(exc):
                    self._forget_reader(connection)
                raise
            finally:
                with contextlib.suppress(sqlite3.ProgrammingError):  # it has just been closed
                    connection.rollback()

        try:
            return await self._loop.run_in_executor(self._readers, snapshot)
        except sqlite3.DatabaseError as exc:
            if not is_unreadable(exc) and not is_cut(exc):
                raise
            raise StorageFailed(f"the read could not be finished ({exc}): try again") from exc

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = connect(self.path, READER_PRAGMAS)
            self._opened.append(connection)
        return connection

    def _forget_reader(self, connection: sqlite3.Connection) -> None:
        """After an I/O error nothing that this connection still holds can be trusted."""
        self._own.connection = None
        self._opened.remove(connection)
        connection.close()

    async def _close(self) -> None:
        await self._loop.run_in_executor(None, self._end_readers)
        with self._wake:
            self._closing = True
            self._wake.notify()
        await self._loop.run_in_executor(None, self._writer.join)

    def _end_readers(self) -> None:
        """Before the writer: who closes last checkpoints, and that is nobody else's business."""
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()

    # ---------------------------------------------------------------- below here: the writer thread

    def _run(self) -> None:
        connection: Connection | None = None
        while (group := self._next_group()) is not None:
            began_s = self._monotonic()
            connection, done = self._round(connection, group)
            self.written_at_s = self._monotonic()
            self.commits.took.add(self.written_at_s - began_s)
            with contextlib.suppress(RuntimeError):  # the loop is gone: so is everybody who waited
                self._loop.call_soon_threadsafe(self._resolve, done)
            self.room.restore(self.written_at_s)
            connection = self._bound_wal(connection)
        if self._anchor is not None:
            self._anchor.close()
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def _next_group(self) -> list[Job] | None:
        """What waits now, deferred writes first; None when closing and done."""
        with self._wake:
            while not self._queue and not self._closing:
                if not self._deferred:
                    self._wake.wait()
                elif not self._wake.wait(DEFERRED_MAX_S):
                    break
            if self._closing and not self._queue and not self._deferred:
                return None
            group = [*self._deferred.values(), *self._queue[:GROUP_MAX]]
            self._deferred.clear()
            del self._queue[:GROUP_MAX]
            return group

    def _round(self, connection: Connection | None, group: list[Job]) -> tuple[Connection | None, Round]:
        """One group, and the connection for the next; None when it has to be opened again."""
        if self.read_only:  # what was queued before that was known
            return connection, Round([Outcome(job, error=ReadOnly(self.read_only)) for job in group])
        try:
            connection = connection or connect(self.path, WRITER_PRAGMAS)
            self._anchor = self._anchor or anchor(self.path)
            return connection, self._group(connection, group)
        except sqlite3.Error as exc:
            if connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    roll_back(connection)
            full = lacks_space(exc) or (is_unwritten(exc) and self.room.lacks())
            if full and self.room.ballast.release():
                log.warning("disk.full", freed="ballast")  # the journal may have the space that was kept for it
                return self._round(connection, group)
            after = self._after(connection, exc, full=full)
            return after, Round([Outcome(job, error=told(exc, full=full)) for job in group])

    def _group(self, connection: Connection, group: list[Job]) -> Round:
        tx = Tx(connection)
        start = connection.total_changes
        connection.execute("BEGIN IMMEDIATE")
        outcomes: list[Outcome] = []
        for job in group:
            before = connection.total_changes
            try:
                outcomes.append(Outcome(job, job.body(tx, *job.args)))
            except Exception as exc:
                if is_storage(exc):
                    raise
                if not connection.in_transaction:  # SQLite itself took everything back (out of memory)
                    raise sqlite3.OperationalError("the transaction broke off") from exc
                if connection.total_changes != before:
                    connection.rollback()
                    return self._replay(connection, group)
                outcomes.append(Outcome(job, error=exc))
        connection.commit()
        return Round(outcomes, changed=connection.total_changes != start)

    def _replay(self, connection: Connection, group: list[Job]) -> Round:
        """The same group again with a savepoint each, because one of them failed after it had written."""
        tx = Tx(connection)
        connection.execute("BEGIN IMMEDIATE")
        outcomes: list[Outcome] = []
        for job in group:
            connection.execute("SAVEPOINT job")
            try:
                outcomes.append(Outcome(job, job.body(tx, *job.args)))
            except Exception as exc:
                if is_storage(exc):
                    raise
                connection.execute("ROLLBACK TO job")
                outcomes.append(Outcome(job, error=exc))
            connection.execute("RELEASE job")
        connection.commit()
        return Round(outcomes, changed=True)

    def _after(self, connection: Connection | None, exc: sqlite3.Error, *, full: bool) -> Connection | None:
        """After a failure: keep the connection when only space or patience was missing, else close it and check the file.

        An fsync that failed is never tried again on the same connection: the kernel may have thrown the pages away.
        """
        if full or is_busy(exc):
            log.warning("database.refused", error=str(exc))
            return connection
        log.error("database.failed", error=str(exc))
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        now_s = self._monotonic()
        if not self.room.lacks():  # a disk that is full writes again by itself
            self._failures.append(now_s)
        if len(self._failures) == FAILURES_MAX and now_s - self._failures[0] < FAILURES_WINDOW_S:
            self.read_only = f"{FAILURES_MAX} disk errors within {FAILURES_WINDOW_S:.0f} s: read-only until a restart"
            return None
        return self._reopened()

    def _reopened(self) -> Connection | None:
        """A new connection to a file that has been checked; None when the disk does not let us look yet."""
        try:
            return reopen(self.path)
        except StartupError as damaged:
            self.read_only = damaged.message
        except (sqlite3.Error, OSError) as exc:
            log.error("database.not_reopened", error=str(exc))  # noqa: TRY400 -- the disk's doing: no traceback
        return None

    def _bound_wal(self, connection: Connection | None) -> Connection | None:
        """Between two groups: start a WAL over that grew too large because somebody was always reading."""
        size = wal_bytes(self.path)
        if size <= WAL_MAX_BYTES:
            self.warning = None
        elif connection is not None and self.written_at_s - self._wal_tried_s >= WAL_PAUSE_S:
            self._wal_tried_s = self.written_at_s
            try:
                done = start_wal_over(connection)
            except sqlite3.Error as exc:
                return self._after(connection, exc, full=lacks_space(exc))
            self.warning = None if done else f"the WAL has {size // 1024 // 1024} MB: long reads keep it from shrinking"
        return connection

    def _resolve(self, done: Round) -> None:
        """On the loop: hand out the results, then wake the journal readers."""
        for outcome in done.outcomes:
            future = outcome.job.future
            if future is None:
                if outcome.error is not None:
                    log.error("database.deferred_write_failed", error=str(outcome.error))
            elif not future.done():
                if outcome.error is None:
                    future.set_result(outcome.result)
                else:
                    future.set_exception(_for_a_future(outcome.error))
                    future.exception()  # its caller may be gone; the error has been told
        if done.changed:
            self.commits.happened()


def _nothing(_tx: Tx) -> None:
    """A write without a change: proves that the writer lives."""


def _for_a_future(error: BaseException) -> BaseException:
    """A future takes every exception but this one, and then nobody after it in the group would get an answer."""
    return RuntimeError("a command ended with StopIteration") if isinstance(error, StopIteration) else error


async def _to_its_end(task: asyncio.Task[None]) -> None:
    """Wait for it, also when we are cancelled meanwhile: the lock must not be given up before."""
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
