"""Pieces that machines have counted: gathered for a while, so that each does not become a row of its own.

They belong to the operation that was active when they were counted. So whatever is about to move in a cell, by whichever
way, first has those of its operations booked, in the same transaction: `operations/commands.py` asks for that.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.jobs.store import at
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.operations.quantities import commands as quantities
from gateway.outbox.event import Stamp, encode
from gateway.web.routes import Caller, Scope

DUE_MAX = timedelta(days=1)  # nobody gathers for longer
PIECE = 1_000_000  # millionths: a factor may be a fraction, and sums of fractions have to stay exact

_COLUMNS = (
    "source, cause, field, cells, operation_id, recorded_by, pending_millionths, booked_total, dropped_total, "
    "counted_at, due"
)
_COLUMNS_OF_G = ", ".join(f"g.{name}" for name in _COLUMNS.split(", "))
_GET = f"SELECT {_COLUMNS} FROM gathered_pieces WHERE source = ?"  # nosec B608 # noqa: S608 -- constants only
# CROSS JOIN: there are few of these, and very many operations.
_IN_CELL = f"""
SELECT {_COLUMNS_OF_G} FROM gathered_pieces g CROSS JOIN operations o ON o.id = g.operation_id
WHERE g.pending_millionths >= {PIECE} AND o.cell_id = ?
"""  # nosec B608 # noqa: S608 -- constants only
_OF_OPERATION = f"""
SELECT {_COLUMNS} FROM gathered_pieces WHERE pending_millionths >= {PIECE} AND operation_id = ?
"""  # nosec B608 # noqa: S608 -- constants only
_HELD = f"""
SELECT {_COLUMNS} FROM gathered_pieces WHERE pending_millionths >= {PIECE} AND operation_id IS NULL
"""  # nosec B608 # noqa: S608 -- constants only
_DUE = f"""
SELECT {_COLUMNS} FROM gathered_pieces WHERE pending_millionths >= {PIECE} AND operation_id IS NOT NULL
  AND (due IS NULL OR due <= ? OR due > ?)
"""  # nosec B608 # noqa: S608 -- constants only
_SAVE = f"""
INSERT OR REPLACE INTO gathered_pieces ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # nosec B608 # noqa: S608 -- constants only
# By name, because every counter asks: "these cells, or all" in one condition would have each operation looked at.
IN_CELLS = "o.cell_id IN (SELECT value FROM json_each(coalesce(:cells, (SELECT json_group_array(id) FROM cells))))"
_RUNNING = f"""
SELECT o.id FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id
WHERE o.status = :status AND {IN_CELLS}
  AND o.deleted_at IS NULL AND p.deleted_at IS NULL AND j.deleted_at IS NULL ORDER BY o.started_at, o.id LIMIT :limit
"""  # nosec B608 # noqa: S608 -- constants only
_WAITING = f"""
SELECT coalesce(sum(pending_millionths / {PIECE}) FILTER (WHERE operation_id IS NOT NULL), 0),
  coalesce(sum(pending_millionths / {PIECE}) FILTER (WHERE operation_id IS NULL), 0), coalesce(sum(dropped_total), 0)
FROM gathered_pieces
"""  # nosec B608 # noqa: S608 -- constants only
_THERE = "SELECT 1 FROM operations WHERE id = ? AND deleted_at IS NULL"
_AT_WORK = "SELECT 1 FROM profiles WHERE id = ? AND active = 1"


@dataclass(frozen=True, slots=True)
class Gathered:
    """The pieces of one source. `cells` is JSON, as `running` takes it; `operation_id` None: held until one runs."""

    source: str
    cause: str
    field: str
    cells: str | None
    operation_id: str | None = None
    recorded_by: str | None = None
    pending: int = 0  # millionths
    booked_total: int = 0
    dropped_total: int = 0
    counted_at: datetime | None = None
    due: datetime | None = None

    @property
    def pieces(self) -> int:
        return self.pending // PIECE


@dataclass(frozen=True, slots=True)
class For:
    """What pieces belong to: an operation, and who is at the machine."""

    operation_id: str | None
    recorded_by: str | None = None


def get(connection: sqlite3.Connection, source: str) -> Gathered | None:
    row = connection.execute(_GET, (source,)).fetchone()
    return None if row is None else _read(row)


def add(
    tx: Tx, stamp: Stamp, known: Gathered, pending: int, owner: For, *, counted_at: datetime, due: datetime
) -> Gathered:
    """`pending` further millionths, for this operation. What was for another one is booked first; what was held is for this
    one, too.
    """
    if known.operation_id is not None and (known.operation_id, known.recorded_by) != (
        owner.operation_id,
        owner.recorded_by,
    ):
        known = book(tx, stamp, known)
    waits = known.pieces > 0 and known.due is not None and known.operation_id == owner.operation_id
    after = replace(
        known,
        operation_id=owner.operation_id,
        recorded_by=owner.recorded_by,
        pending=known.pending + pending,
        counted_at=counted_at,
        due=known.due if waits else due,
    )
    save(tx, after)
    return after


def before_a_move(tx: Tx, stamp: Stamp, cell_id: str) -> None:
    """An operation of this cell is about to change: what was counted until now is booked on what ran until now."""
    for row in tx.execute(_IN_CELL, (cell_id,)).fetchall():
        book(tx, stamp, _read(row))


def before_the_end(tx: Tx, stamp: Stamp, operation_id: str) -> None:
    """An operation is about to be deleted."""
    for row in tx.execute(_OF_OPERATION, (operation_id,)).fetchall():
        book(tx, stamp, _read(row))


def after_a_start(tx: Tx, stamp: Stamp, operation_id: str, cell_id: str) -> None:
    """Work goes on in this cell: held pieces that can only be for it are for it from now on."""
    for one in held(tx):
        if (one.cells is None or f'"{cell_id}"' in one.cells) and running(tx, one.cells) == [operation_id]:
            assign(tx, one, For(operation_id, one.recorded_by), stamp.now)


def assign(tx: Tx, one: Gathered, owner: For, now: datetime) -> None:
    """Held pieces are for this operation, and booked soon."""
    save(tx, replace(one, operation_id=owner.operation_id, recorded_by=owner.recorded_by, counted_at=now, due=now))


def held(connection: sqlite3.Connection) -> list[Gathered]:
    """Pieces of which nobody knows the operation."""
    return [_read(row) for row in connection.execute(_HELD)]


def due(connection: sqlite3.Connection, now: datetime) -> list[Gathered]:
    """Those whose time of gathering is over, or was said by a clock that ran ahead."""
    return [_read(row) for row in connection.execute(_DUE, (time_.text(now), time_.text(now + DUE_MAX)))]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Whole pieces, of everybody: waiting for their time, waiting for an operation, given up as the settings say."""

    gathered: int
    held: int
    dropped: int


def waiting(connection: sqlite3.Connection) -> Waiting:
    return Waiting(*connection.execute(_WAITING).fetchone())


def running(
    connection: sqlite3.Connection, cells: str | None, status: str = "in_progress", limit: int = 2
) -> list[str]:
    """The operations of these cells (a JSON list of ids, None: all) that stand like that, oldest first."""
    given = {"status": status, "cells": cells, "limit": limit}
    return [row[0] for row in connection.execute(_RUNNING, given)]


def book(tx: Tx, stamp: Stamp, one: Gathered) -> Gathered:
    """One quantity of the whole pieces; a fraction stays. Pieces of an operation that is gone are held again."""
    if one.pieces == 0 or one.operation_id is None:
        return one
    if tx.execute(_THERE, (one.operation_id,)).fetchone() is None:
        after = replace(one, operation_id=None, recorded_by=None)
    else:
        by = one.recorded_by if one.recorded_by and tx.execute(_AT_WORK, (one.recorded_by,)).fetchone() else None
        given: dict[str, Any] = {
            "operation_id": one.operation_id,
            one.field: one.pieces,
            "recorded_at": time_.text(_counted_at(one, stamp.now)),
            "recorded_by": by,
            "metadata": {"cause": one.cause, "source": one.source},
        }
        quantities.create(tx, stamp, given, Caller(one.cause, one.cause, Scope.OPERATE), one.cause)
        after = replace(
            one, pending=one.pending - one.pieces * PIECE, booked_total=one.booked_total + one.pieces, due=None
        )
    save(tx, after)
    return after


def _counted_at(one: Gathered, now: datetime) -> datetime:
    """Now, if the clock was set since."""
    at_ = one.counted_at
    return at_ if at_ is not None and now - DUE_MAX < at_ <= now else now


def save(tx: Tx, one: Gathered) -> None:
    values = (one.source, one.cause, one.field, one.cells, one.operation_id, one.recorded_by, one.pending)
    instants = [None if instant is None else time_.text(instant) for instant in (one.counted_at, one.due)]
    tx.execute(_SAVE, (*values, one.booked_total, one.dropped_total, *instants))


def ids_json(ids: Sequence[str] | None) -> str | None:
    return None if ids is None else encode(sorted(ids))


def _read(row: Sequence[Any]) -> Gathered:
    return Gathered(
        source=row[0],
        cause=row[1],
        field=row[2],
        cells=row[3],
        operation_id=row[4],
        recorded_by=row[5],
        pending=row[6],
        booked_total=row[7],
        dropped_total=row[8],
        counted_at=at(row[9]),
        due=at(row[10]),
    )
