"""A row of upstream into our tables: its words become ours, what cannot be kept is told."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.catalog import store as rows_
from gateway.catalog.resources import Kind as ColumnKind
from gateway.catalog.resources import Resource
from gateway.catalog.tables import CELLS, RESOURCES, SCRAP_REASONS
from gateway.cloud import conflicts, listed, lives, store
from gateway.cloud.merge import COMPLETED, EXECUTION, Difference, Merged, merge
from gateway.cloud.pull import Row
from gateway.jobs.resources import JOBS, PARTS
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, Invalid
from gateway.operations.resources import OPERATIONS
from gateway.operations.rules import COMPLETE_PERCENTAGE
from gateway.operations.time_entries import store as entries_
from gateway.outbox.event import Change, Stamp, job_lane, row_lane

TABLES: Mapping[str, Resource] = {
    one.table: one for one in (CELLS, RESOURCES, SCRAP_REASONS, JOBS, PARTS, OPERATIONS)
}  # in the order in which their rows hang on each other


def named(resource: Resource, row: Row) -> dict[str, Any]:
    """The columns that we keep of a row that the cloud showed; ids of embedded rows as columns."""
    named = {
        column.name: row[column.name]
        for column in resource.columns
        if column.name in row and column.name not in ("updated_at", "deleted_at")
    }
    if resource is PARTS and isinstance(row.get("job"), dict):
        named["job_id"] = row["job"]["id"]
    return named


def certain(connection: sqlite3.Connection, table: str, theirs: Row, lane: str) -> Row:
    """What the cloud shows, without the state of what this box may have sent in an earlier life: the uplink looks at that first."""
    execution = EXECUTION.get(table)
    if not execution or not lives.in_doubt(connection, lane, table, theirs["id"]):
        return theirs
    return {name: value for name, value in theirs.items() if name not in execution}


def merged(
    tx: Tx,
    table: str,
    ours: Row,
    theirs: Row,
    known: store.CloudRow,
    lane: str,
    *,
    owned: bool,
    held: bool = False,
) -> Merged:
    """`held`: an open standstill issue parks it here."""
    waiting = store.unsent(tx, lane, table, theirs["id"])
    told = {name: value for name, value in theirs.items() if name != "id"}
    if told.get("status") in waiting.states:  # a state on our own way there: the answer is still to come
        told = {name: value for name, value in told.items() if name not in EXECUTION.get(table, ())}
    unsent = ours.keys() if waiting.fields is None else waiting.fields
    worked_on = table == OPERATIONS.table and bool(entries_.open_on(tx, theirs["id"]))
    return merge(table, ours, told, known.base, unsent, owned=owned, held=held, worked_on=worked_on)


def insert(tx: Tx, stamp: Stamp, resource: Resource, theirs: Row) -> Change | None:
    row = {"created_at": stamp.text, "updated_at": stamp.text, **stored(tx, resource, theirs), "id": theirs["id"]}
    return _kept(tx, stamp, resource, theirs, lambda: rows_.insert(tx, resource, row))


def update(tx: Tx, stamp: Stamp, resource: Resource, theirs: Row, values: Row) -> Change | None:
    changed = {**values, "updated_at": stamp.text}
    return _kept(tx, stamp, resource, theirs, lambda: rows_.update(tx, resource, theirs["id"], changed))


def _kept(tx: Tx, stamp: Stamp, resource: Resource, theirs: Row, doing: Callable[[], Change]) -> Change | None:
    """One row that does not fit must not keep the others out: it is told, and tried again with the next pull."""
    tx.execute("SAVEPOINT pulled")
    try:
        return doing()
    except (Conflict, Invalid) as exc:
        tx.execute("ROLLBACK TO pulled")
        reason = f"the cloud's row cannot be kept here: {exc.message}"
        found = Difference(conflicts.NOT_KEPT, None, theirs["id"], reason, None)
        conflicts.record(tx, stamp, resource.table, theirs["id"], found)
        return None
    finally:
        tx.execute("RELEASE pulled")


def stored(tx: Tx, resource: Resource, values: Row, below: Sequence[Row] = ()) -> dict[str, Any]:
    """The cloud's words as we keep them: instants in UTC, minutes as seconds, files by our paths; ids that point nowhere are
    left out.
    """
    row: dict[str, Any] = {}
    for column in resource.columns:
        if column.name not in values:
            continue
        value = values[column.name]
        if column.name == "actual_time":
            row["actual_time_s"] = (value or 0) * 60
            continue
        if column.stored is not None:
            continue
        if value is None and not column.nullable:
            continue
        if column.kind is ColumnKind.TIME and value is not None:
            try:
                value = time_.text(time_.parse(value))
            except (TypeError, ValueError):
                continue  # [U] its own writers put what they like into some of these
        if column.lists_files:
            value = listed.here(tx, value or (), below) or value
        if column.references and value is not None and not _exists(tx, column.references, value):
            continue
        row |= rows_.stored(resource, {column.name: value})
    if resource is OPERATIONS and row.get("status") == COMPLETED:  # [U] a list does not show how far it is
        row.setdefault("completion_percentage", COMPLETE_PERCENTAGE)
    return row


def _exists(tx: Tx, table: str, row_id: str) -> bool:
    return tx.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row_id,)).fetchone() is not None  # nosec B608 # noqa: S608 -- declared


def lane_of(connection: sqlite3.Connection, table: str, row: Row) -> str:
    """In which lane a row goes up."""
    if table == "jobs":
        return job_lane(row["id"])
    if table == "parts":
        return job_lane(row["job_id"])
    if table == "operations":
        found = connection.execute("SELECT job_id FROM parts WHERE id = ?", (row["part_id"],)).fetchone()
        return job_lane(found[0]) if found else row_lane(table, row["id"])
    return row_lane(table, row["id"])
