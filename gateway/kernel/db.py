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
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, NewType, ParamSpec, TypeVar

import structlog

from gateway.kernel.disk import Ballast, DataLock
from gateway.kernel.errors import Busy, GatewayError, ReadOnly, StartupError, StorageFailed, StorageFull

P = ParamSpec("P")
T = TypeVar("T")
# A connection inside a transaction. Only the writer thread makes one, so the types prove that nobody else writes.
Tx = NewType("Tx", sqlite3.Connection)

GROUP_MAX = 256  # commands in one transaction
QUEUE_MAX = 4096  # commands waiting; beyond it a new one is refused
DEFERRED_MAX_S = 1.0  # a deferred write waits this long for company
READERS = 2  # threads that read, each with a connection of its own
READ_MAX_S = 5.0  # a longer read is cut, or the WAL could never shrink
READ_CHECK_OPCODES = 10_000
BUSY_TIMEOUT_MS = 5_000
CHECKPOINT_PAGES = 4_000  # 16 MB of WAL
CACHE_KIB = 16_000
CACHED_STATEMENTS = 512
FAILURES_MAX = 3  # I/O errors within FAILURES_WINDOW_S after which only a person or a boot helps
FAILURES_WINDOW_S = 600.0

_COMMON_PRAGMAS = (
    "foreign_keys=ON",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "mmap_size=0",
    "trusted_schema=OFF",
    "temp_store=MEMORY",
)
_WRITER_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    f"cache_size=-{CACHE_KIB}",
)
_READER_PRAGMAS = ("query_only=ON", "wal_autocheckpoint=0")
_BROKEN = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
}
_CUT = {sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY}
_PRIMARY_CODE = 0xFF

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Job:
    body: Callable[..., Any]
    args: tuple[Any, ...]
    future: asyncio.Future[Any] | None  # None: deferred, nobody waits


@dataclass(slots=True)
class _Outcome:
    job: _Job
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Round:
    """What came of one group."""

    outcomes: list[_Outcome]
    changed: bool = False


class Commits:
    """How many groups have changed the file. A counter, because an event that several wait for loses wake-ups."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[asyncio.Future[None]] = set()

    async def beyond(self, seen: int) -> None:
        """Return once a group after `seen` has been committed."""
        while self.count <= seen:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await waiter
            finally:
                self._waiting.discard(waiter)

    def happened(self) -> None:
        self.count += 1
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


class Database:
    """Use `Database.open`. All methods belong to the event loop that opened it."""

    def __init__(self, path: Path, ballast: Ballast, monotonic: Callable[[], float]) -> None:
        self.path = path
        self.commits = Commits()
        self.read_only: str | None = None  # why, once the disk has failed too often
        self.written_at_s = monotonic()  # when the writer last finished a round: the watchdog asks
        self._ballast = ballast
        self._monotonic = monotonic
        self._loop = asyncio.get_running_loop()
        self._queue: list[_Job] = []
        self._deferred: dict[str, _Job] = {}
        self._wake = threading.Condition()
        self._closing = False
        self._failures: deque[float] = deque(maxlen=FAILURES_MAX)
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._writer = threading.Thread(target=self._run, name="writer", daemon=True)

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, folder: Path, *, prepare: Callable[[Path], None], monotonic: Callable[[], float] = time.monotonic
    ) -> AsyncIterator["Database"]:
        """Lock the folder, check the file, run `prepare(path)` (migrations), start the writer.

        Raises StartupError: another process has it, the file is damaged or newer than this software.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "gateway.sqlite"
        with DataLock(folder) as lock:
            check(path, after_unclean_stop=lock.left_behind)
            prepare(path)
            database = cls(path, Ballast(folder), monotonic)
            database._writer.start()
            try:
                await database.write(_nothing)  # the writer has its connection, or says why not
                yield database
            finally:
                await asyncio.shield(database._close())

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
            self._queue.append(_Job(body, args, future))
            if len(self._queue) == 1:
                self._loop.call_soon(self._kick)
        return await future

    def _kick(self) -> None:
        """Wake the writer once everybody who is ready to run has asked: larger groups, and nobody to share the GIL with."""
        with self._wake:
            self._wake.notify()

    def write_soon(
        self, name: str, body: Callable[Concatenate[Tx, P], object], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Ride along with the next group, or run alone after a second of quiet. The last of a name wins."""
        if kwargs:
            raise TypeError("write_soon takes positional arguments only")
        with self._wake:
            if not self._deferred:
                self._wake.notify()
            self._deferred[name] = _Job(body, args, None)

    async def read(self, body: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `body(connection, *args)` on a read-only connection, as one consistent snapshot."""

        def snapshot() -> T:
            connection = self._reader()
            deadline_s = time.monotonic() + READ_MAX_S
            connection.set_progress_handler(lambda: time.monotonic() > deadline_s, READ_CHECK_OPCODES)
            connection.execute("BEGIN")
            try:
                return body(connection, *args, **kwargs)
            finally:
                connection.rollback()

        try:
            return await self._loop.run_in_executor(self._readers, snapshot)
        except sqlite3.DatabaseError as exc:
            if not _is_storage(exc) and _code(exc) not in _CUT:
                raise
            raise StorageFailed(f"the read could not be finished ({exc}): try again") from exc

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = connect(self.path, _READER_PRAGMAS)
            self._opened.append(connection)
        return connection

    async def _close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()
        await self._loop.run_in_executor(None, self._writer.join)

    # ---------------------------------------------------------------- below here: the writer thread

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while (group := self._next_group()) is not None:
            try:
                if connection is None:
                    connection = connect(self.path, _WRITER_PRAGMAS)
                done = self._commit(connection, group)
            except sqlite3.Error as exc:
                done = _Round([_Outcome(job, error=_told(exc)) for job in group])
                connection = self._drop(connection, exc)
            self.written_at_s = self._monotonic()
            with contextlib.suppress(RuntimeError):  # the loop is gone: so is everybody who waited
                self._loop.call_soon_threadsafe(self._resolve, done)
            self._ballast.restore(self.written_at_s)
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()

    def _next_group(self) -> list[_Job] | None:
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

    def _commit(self, connection: sqlite3.Connection, group: list[_Job]) -> _Round:
        try:
            return self._group(connection, group)
        except sqlite3.Error as exc:
            if _code(exc) != sqlite3.SQLITE_FULL or not self._ballast.release():
                raise
            log.warning("disk.full", freed="ballast")  # the journal may have the space that was kept for it
            _roll_back(connection)
            return self._group(connection, group)

    def _group(self, connection: sqlite3.Connection, group: list[_Job]) -> _Round:
        tx = Tx(connection)
        start = connection.total_changes
        connection.execute("BEGIN IMMEDIATE")
        outcomes: list[_Outcome] = []
        for job in group:
            before = connection.total_changes
            try:
                outcomes.append(_Outcome(job, job.body(tx, *job.args)))
            except Exception as exc:
                if _is_storage(exc):
                    raise
                if connection.total_changes != before:
                    connection.rollback()
                    return self._replay(connection, group)
                outcomes.append(_Outcome(job, error=exc))
        connection.commit()
        return _Round(outcomes, changed=connection.total_changes != start)

    def _replay(self, connection: sqlite3.Connection, group: list[_Job]) -> _Round:
        """The same group again with a savepoint each, because one of them failed after it had written."""
        tx = Tx(connection)
        connection.execute("BEGIN IMMEDIATE")
        outcomes: list[_Outcome] = []
        for job in group:
            connection.execute("SAVEPOINT job")
            try:
                outcomes.append(_Outcome(job, job.body(tx, *job.args)))
            except Exception as exc:
                if _is_storage(exc):
                    raise
                connection.execute("ROLLBACK TO job")
                outcomes.append(_Outcome(job, error=exc))
            connection.execute("RELEASE job")
        connection.commit()
        return _Round(outcomes, changed=True)

    def _drop(self, connection: sqlite3.Connection | None, exc: sqlite3.Error) -> sqlite3.Connection | None:
        """After a failure: keep the connection when only space was missing, else close it and check the file.

        An fsync that failed is never tried again on the same connection: the kernel may have thrown the pages away.
        """
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                _roll_back(connection)
        if _code(exc) == sqlite3.SQLITE_FULL:
            return connection
        log.error("database.failed", error=str(exc))
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        now_s = self._monotonic()
        self._failures.append(now_s)
        if len(self._failures) == FAILURES_MAX and now_s - self._failures[0] < FAILURES_WINDOW_S:
            self.read_only = f"{FAILURES_MAX} disk errors within {FAILURES_WINDOW_S:.0f} s: read-only until a restart"
            return None
        try:
            check(self.path, after_unclean_stop=True)
        except StartupError as damaged:
            self.read_only = damaged.message
        return None

    def _resolve(self, done: _Round) -> None:
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
                    future.set_exception(outcome.error)
                    future.exception()  # its caller may be gone; the error has been told
        if done.changed:
            self.commits.happened()


def connect(path: Path, pragmas: tuple[str, ...] = ()) -> sqlite3.Connection:
    """A connection without implicit transactions; rows can be read by column name."""
    connection = sqlite3.connect(
        path, isolation_level=None, cached_statements=CACHED_STATEMENTS, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    for pragma in (*_COMMON_PRAGMAS, *pragmas):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def check(path: Path, *, after_unclean_stop: bool) -> None:
    """Raise StartupError when the file is damaged. Reads it once: about a second for a million rows."""
    if not path.exists():
        return
    try:
        with contextlib.closing(connect(path)) as connection:
            complaints = [row[0] for row in connection.execute("PRAGMA quick_check(3)") if row[0] != "ok"]
            if after_unclean_stop:
                complaints += [
                    f"{row[0]} row {row[1]} has no {row[2]}" for row in connection.execute("PRAGMA foreign_key_check")
                ]
    except sqlite3.DatabaseError as exc:
        complaints = [str(exc)]
    if complaints:
        raise StartupError(
            f"{path} is damaged ({'; '.join(complaints[:3])}). It is left as it is: copy it away, then restore a backup "
            f"into {path.parent} or start with an empty folder to pull the work from the cloud again."
        )


@contextlib.contextmanager
def offline(path: Path) -> Iterator[sqlite3.Connection]:
    """A plain writing connection for migrations and tests, before or without the writer thread."""
    with contextlib.closing(connect(path, _WRITER_PRAGMAS)) as connection:
        yield connection


def _nothing(_tx: Tx) -> None:
    """A write without a change: proves that the writer lives."""


def _told(exc: sqlite3.Error) -> GatewayError:
    if _code(exc) == sqlite3.SQLITE_FULL:
        return StorageFull("the disk is full: nothing was written; free some space, then send it again")
    return StorageFailed(f"the disk gave an error ({exc}): nothing was written; send it again")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.rollback()


def _code(exc: BaseException) -> int:
    code: int = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & _PRIMARY_CODE


def _is_storage(exc: BaseException) -> bool:
    return isinstance(exc, sqlite3.Error) and (_code(exc) in _BROKEN or _code(exc) == sqlite3.SQLITE_FULL)
