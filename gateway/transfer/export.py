"""Export: whole tables as they stood at one moment, written while they are read. Rows leave SQLite as JSON text.

No more than a few pieces are ever held, however many rows there are and however large one is.
"""

import json
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.catalog.resources import TENANT, Kind
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.connection import is_too_large
from gateway.kernel.db import Database
from gateway.kernel.errors import Invalid
from gateway.kernel.snapshots import Chunks, Snapshots
from gateway.transfer.files import csv_line
from gateway.transfer.tables import Shape, chosen, exact, shapes

FORMATS = ("json", "csv")
PLAN = "enterprise"  # [U] the plan without limits: a gateway has none of its own
PIECE_BYTES = 128 * 1024  # what is aimed at
PIECE_MAX_BYTES = 4 * 1024 * 1024  # a piece that would be larger is read with fewer rows
ROWS_FIRST, ROWS_MAX = 16, 1_000  # in one piece
GROWTH_MAX = 4
ZIP_LEVEL = 1  # the processor of a small box is slower than the line
_KEY_ONLY: Mapping[str, Kind] = {"id": Kind.UUID}  # of a table that is not kept here

_BEGAN = "SELECT min(created_at) FROM (SELECT created_at FROM cells UNION ALL SELECT created_at FROM profiles)"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tables, in which format."""

    tables: tuple[str, ...]
    format: str

    @property
    def suffix(self) -> str:
        if self.format == "json":
            return "json"
        return "csv" if len(self.tables) == 1 else "zip"

    @property
    def content_type(self) -> str:
        return {"json": "application/json", "csv": "text/csv; charset=utf-8", "zip": "application/zip"}[self.suffix]


@dataclass(frozen=True, slots=True)
class Exported:
    """`chunks` is an async iterator of bytes; close it, read or not."""

    name: str
    content_type: str
    chunks: Chunks


class Exports:
    """One at a time. `site` and `tenant_id` say whose it is."""

    def __init__(self, db: Database, clock: Clock, site: str, tenant_id: str) -> None:
        self._clock = clock
        self._site = site
        self._tenant_id = tenant_id
        self._snapshots = Snapshots(db)

    async def open(self, entities: str, format_: str) -> Exported:
        """`entities`: names, `all` or `full`. Raises Invalid, Busy, StorageFailed."""
        wanted = wanted_of(entities, format_)
        now = self._clock.now()
        chunks = self._snapshots.open(lambda connection: _document(connection, wanted, self._site, now))
        await chunks.begin()
        if wanted.suffix == "csv":
            name = f"{wanted.tables[0]}.csv"
        else:
            name = f"tenant-export-{self._tenant_id}-{int(now.timestamp() * 1000)}.{wanted.suffix}"
        return Exported(name, wanted.content_type, chunks)


def wanted_of(entities: str, format_: str) -> Wanted:
    """Raises Invalid for a format that there is not."""
    if format_ not in FORMATS:
        message = f'format "{format_}" is not known: {" or ".join(FORMATS)}'
        raise Invalid(
            message, [{"field": "format", "message": message, "constraint": "ENUM_CONSTRAINT", "value": format_}]
        )
    return Wanted(tuple(chosen(entities)), format_)


def _document(connection: sqlite3.Connection, wanted: Wanted, site: str, now: datetime) -> Iterator[bytes]:
    """The pieces of the whole, in one read transaction of the connection."""
    connection.create_function("exact", 1, exact, deterministic=True)
    here = shapes(connection)
    about = _About(connection, wanted, site, now)
    if wanted.suffix == "json":
        yield from _as_json(connection, here, about)
    elif wanted.suffix == "csv":
        yield from _as_csv(connection, wanted.tables[0], here.get(wanted.tables[0]), about)
    else:
        yield from _as_zip(connection, here, about, now)


class _About:
    """`_metadata` and `_tenant_info`."""

    def __init__(self, connection: sqlite3.Connection, wanted: Wanted, site: str, now: datetime) -> None:
        self.tables = wanted.tables
        self.counts = dict.fromkeys(wanted.tables, 0)
        self._format = wanted.format
        self._site = site
        self._now = time_.text(now)
        self._tenant_id = connection.execute(f"SELECT {TENANT}").fetchone()[0]
        self._began = connection.execute(_BEGAN).fetchone()[0]

    def metadata(self) -> dict[str, Any]:
        tables = [{"name": name, "count": count} for name, count in self.counts.items()]
        return {
            "exported_at": self._now,
            "tenant_id": self._tenant_id,
            "format": self._format,
            "tables": tables,
        }

    def tenant(self) -> dict[str, Any]:
        """A gateway knows no tenant, only its site: it is as old as the oldest of its cells and people."""
        return {"name": self._site, "plan": PLAN, "created_at": self._began or self._now}


# ------------------------------------------------------------------ the three forms


def _as_json(connection: sqlite3.Connection, here: Mapping[str, Shape], about: _About) -> Iterator[bytes]:
    """A row to a line."""
    before = "{\n"
    for table in about.tables:
        yield f'{before}"{table}": ['.encode()
        before = "\n"
        for count, rows in _pieces(connection, here.get(table)):
            about.counts[table] += count
            yield f"{before}{rows}".encode()
            before = ",\n"
        before = "\n],\n" if about.counts[table] else "],\n"
    yield f'{before}"_metadata": {_pretty(about.metadata())},\n"_tenant_info": {_pretty(about.tenant())}\n}}\n'.encode()


def _as_csv(connection: sqlite3.Connection, table: str, shape: Shape | None, about: _About) -> Iterator[bytes]:
    kinds = shape.kinds if shape else _KEY_ONLY
    yield csv_line(kinds, [Kind.TEXT] * len(kinds)).encode()
    for count, rows in _pieces(connection, shape):
        about.counts[table] += count
        lines = [csv_line([row[name] for name in kinds], kinds.values()) for row in json.loads(f"[{rows}]")]
        yield "".join(lines).encode()


def _as_zip(connection: sqlite3.Connection, here: Mapping[str, Shape], about: _About, now: datetime) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=ZIP_LEVEL) as packed:
        for table in about.tables:
            with packed.open(_member(f"{table}.csv", now), "w", force_zip64=True) as file:
                for lines in _as_csv(connection, table, here.get(table), about):
                    file.write(lines)
                    yield from sink.taken()
        with packed.open(_member("_metadata.json", now), "w") as file:
            file.write(_pretty(about.metadata() | {"tenant_info": about.tenant()}).encode())
    yield from sink.taken()


def _member(name: str, now: datetime) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, now.timetuple()[:6])
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o600 << 16
    return member


class _Sink:
    """A file that can only be written on, and hands on what was."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """The zip is through; what is left is still to be taken."""

    def taken(self) -> Iterator[bytes]:
        if self._held:
            yield bytes(self._held)
            self._held.clear()


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


# ------------------------------------------------------------------ rows


def _pieces(connection: sqlite3.Connection, shape: Shape | None) -> Iterator[tuple[int, str]]:
    """(rows in it, their JSON with commas between), by id. SQLite puts a piece together itself, outside Python's lock.

    How many rows there are in one follows their size; SQLite refuses to make one that is too large.
    """
    if shape is None:
        return
    table, after, rows = shape.table, "", ROWS_FIRST
    sql = (
        f"SELECT count(*), max(id), group_concat(row, ',\n') FROM (SELECT {table}.id AS id, {shape.row_json} AS row "  # nosec B608 # noqa: S608 -- our columns
        f"FROM {table} WHERE {table}.id > ? ORDER BY {table}.id LIMIT ?)"
    )
    most = connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
    while True:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, PIECE_MAX_BYTES if rows > 1 else most)
        try:
            count, last, text = connection.execute(sql, (after, rows)).fetchone()
        except sqlite3.Error as exc:
            if not is_too_large(exc) or rows == 1:
                raise
            rows = max(1, rows // GROWTH_MAX)
            continue
        finally:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most)
        if not count:
            return
        yield count, text
        after = last
        rows = max(1, min(ROWS_MAX, rows * GROWTH_MAX, count * PIECE_BYTES // len(text)))
