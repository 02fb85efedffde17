"""How the file is opened and checked, and what an error of SQLite means. One place, so that no connection differs."""

import contextlib
import sqlite3
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.kernel.errors import Busy, Damaged, GatewayError, StartupError, StorageFailed, StorageFull

BUSY_TIMEOUT_MS = 5_000
WAL_WAIT_MS = 500  # that the writer waits for readers when it starts the WAL over
CHECKPOINT_PAGES = 4_000  # 16 MB of WAL
CACHE_KIB = 16_000
READER_CACHE_KIB = 8_000  # a page of a list with what it embeds, from a thousand places of a large file, is half of it
CACHED_STATEMENTS = 512
COMPLAINTS_MAX = 3  # a damaged file could fill the log

_COMMON_PRAGMAS = (
    "foreign_keys=ON",
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "mmap_size=0",
    "trusted_schema=OFF",
    "temp_store=MEMORY",
)
WRITER_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    f"wal_autocheckpoint={CHECKPOINT_PAGES}",
    f"cache_size=-{CACHE_KIB}",
)
READER_PRAGMAS = ("query_only=ON", "wal_autocheckpoint=0", f"cache_size=-{READER_CACHE_KIB}")
_PRIMARY_CODE = 0xFF
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE = {*_DAMAGED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_BROKEN = {*_UNREADABLE, sqlite3.SQLITE_READONLY}
_WAITED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CUT = {sqlite3.SQLITE_INTERRUPT, *_WAITED}


class Connection(sqlite3.Connection):
    """`memory`: what whoever writes knows from the last time, so as not to read it again. It may be of what was rolled back since:
    whoever uses it has to notice.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.memory: dict[str, Any] = {}


def connect(path: Path, pragmas: tuple[str, ...] = (), *, mode: str = "rwc") -> Connection:
    """A connection without implicit transactions; rows can be read by column name. `mode` is SQLite's: `rwc`, `ro`."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        cached_statements=CACHED_STATEMENTS,
        check_same_thread=False,
        factory=Connection,
    )
    connection.row_factory = sqlite3.Row
    try:
        for pragma in (*_COMMON_PRAGMAS, *pragmas):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def offline(path: Path) -> Iterator[Connection]:
    """A plain writing connection for migrations and tests, before or without the writer thread."""
    with contextlib.closing(connect(path, WRITER_PRAGMAS)) as connection:
        yield connection


def complaints(path: Path, *, after_unclean_stop: bool) -> tuple[list[str], list[str]]:
    """(what is torn in the file, rows that stand on nothing), for people; raises sqlite3.Error or OSError when it could not be
    looked at.

    Read-only: closing a writing connection would move the WAL into a damaged file, and the evidence would be gone.
    """
    orphans: list[str] = []
    if not path.exists():
        return [], orphans
    try:
        with contextlib.closing(connect(path, mode="ro")) as connection:
            torn = [row[0] for row in connection.execute(f"PRAGMA quick_check({COMPLAINTS_MAX})") if row[0] != "ok"]
            if after_unclean_stop:
                found = connection.execute("PRAGMA foreign_key_check")
                orphans = [f"{row[0]} row {row[1]} has no {row[2]}" for row in islice(found, COMPLAINTS_MAX)]
    except sqlite3.DatabaseError as exc:
        if code(exc) not in _DAMAGED:
            raise
        return [str(exc)], orphans
    return torn, orphans


def damage(path: Path, found: list[str]) -> str:
    """What to tell a person about it."""
    return (
        f"{path} is damaged ({'; '.join(found)}). It is left as it is: copy it away, then restore a backup "
        f"into {path.parent} or start with an empty folder to pull the work from the cloud again."
    )


def check(path: Path, *, after_unclean_stop: bool) -> None:
    """Raise StartupError when the file is damaged (Damaged: torn) or cannot be read. About a second for a million rows."""
    try:
        torn, orphans = complaints(path, after_unclean_stop=after_unclean_stop)
    except (sqlite3.Error, OSError) as exc:
        raise StartupError(f"{path} cannot be read ({exc}): look at the disk, and at who may read the file") from exc
    if torn:
        raise Damaged(damage(path, torn))
    if orphans:
        raise StartupError(damage(path, orphans))


def anchor(path: Path) -> Connection:
    """Open and never used: keeps SQLite's index of the WAL alive for as long as the process lives.

    With the last connection the index goes, and who opens the file next reads the WAL itself, where a commit whose fsync
    failed looks like any other: what had been refused would be there.
    """
    connection = connect(path, READER_PRAGMAS)
    connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
    return connection


def reopen(path: Path) -> Connection:
    """The writer's new connection after an I/O error. Raises StartupError (damaged), sqlite3.Error, OSError.

    What a failed commit left in the WAL is not seen now (see `anchor`), but after a crash SQLite would take it for committed.
    A small commit of our own writes over it.
    """
    torn, orphans = complaints(path, after_unclean_stop=True)
    if torn or orphans:
        raise StartupError(damage(path, torn + orphans))
    connection = connect(path, WRITER_PRAGMAS)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version={version}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def wal_bytes(path: Path) -> int:
    """How large the WAL beside the file is."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except OSError:
        return 0


def start_wal_over(connection: sqlite3.Connection) -> bool:
    """Move all of the WAL into the file and cut it to nothing; False when a reader did not let us."""
    connection.execute(f"PRAGMA busy_timeout={WAL_WAIT_MS}")
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return not busy


# ------------------------------------------------------------------ what an error means


def code(exc: BaseException) -> int:
    """SQLite's primary result code."""
    extended: int = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return extended & _PRIMARY_CODE


def lacks_space(exc: BaseException) -> bool:
    """The disk is full: nothing is broken, and it gets better by itself."""
    extended = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return extended == sqlite3.SQLITE_IOERR_SHMSIZE or code(exc) == sqlite3.SQLITE_FULL


def is_busy(exc: BaseException) -> bool:
    """Another program held the database for longer than we wait."""
    return code(exc) in _WAITED


def is_storage(exc: BaseException) -> bool:
    """The disk's doing, not that of the statement: everybody in the transaction has failed."""
    return isinstance(exc, sqlite3.Error) and (code(exc) in _BROKEN or lacks_space(exc))


def is_unwritten(exc: BaseException) -> bool:
    """A write gave an error before any sync: the disk is broken, or a quota is used up."""
    extended: int = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return extended == sqlite3.SQLITE_IOERR_WRITE


def is_unreadable(exc: BaseException) -> bool:
    """The disk's doing, in a read."""
    return code(exc) in _UNREADABLE


def is_too_large(exc: BaseException) -> bool:
    """A value is longer than the connection allows."""
    return code(exc) == sqlite3.SQLITE_TOOBIG


def is_cut(exc: BaseException) -> bool:
    """A read that took too long, or that waited too long."""
    return code(exc) in _CUT


def told(exc: sqlite3.Error, *, full: bool) -> GatewayError:
    """The error as the one who asked for the write gets it."""
    if full:
        return StorageFull("the disk is full: nothing was written; free some space, then send it again")
    if is_busy(exc):
        return Busy(f"another program holds the database ({exc}): nothing was written; send it again")
    return StorageFailed(f"the disk gave an error ({exc}): nothing was written; send it again")


def roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.rollback()
