"""Import: rows of any table by its name, with their ids, into one transaction. May be repeated.

The shape is that of `/api-export`: `{"cells": [...], "profiles": [...], ...}`, in the cloud's words (minutes, `true`, objects).
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.catalog.store import refusal
from gateway.catalog.tables import CELLS, MATERIALS, OPERATORS, PROFILES, RESOURCES, SCRAP_REASONS
from gateway.jobs.resources import JOBS, PARTS
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Invalid
from gateway.kernel.ids import is_uuid
from gateway.operations.quantities.resources import QUANTITIES
from gateway.operations.resources import OPERATIONS
from gateway.operations.time_entries.resources import TIME_ENTRIES
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, encode, job_lane, row_lane

Row = Mapping[str, Any]
Tables = list[tuple[str, list[Row]]]

ROWS_MAX = 1_000_000
EVENT_ROWS = 200  # changes in one journal entry
# In the order in which their rows hang on each other. Tables of the cloud that are not here are not kept here.
TABLES = (
    "profiles operators cells resources materials scrap_reasons substep_templates substep_template_items jobs parts operations "
    "operation_resources time_entries time_entry_pauses operation_quantities operation_quantity_scrap_reasons"
).split()
_DECLARED = {
    one.table: one
    for one in (
        *(PROFILES, OPERATORS, CELLS, RESOURCES, MATERIALS, SCRAP_REASONS),
        *(JOBS, PARTS, OPERATIONS, TIME_ENTRIES, QUANTITIES),
    )
}
_MINUTES = {"actual_time": "actual_time_s", "actual_duration": "actual_duration_s", "duration": "duration_s"}
_MINUTE_S = 60
_TIMES = ("_at", "_date", "_time", "_start", "_end", "_override")
_LANE_OF_JOB = {
    "jobs": "SELECT ?",
    "parts": "SELECT job_id FROM parts WHERE id = ?",
    "operations": "SELECT p.job_id FROM operations o JOIN parts p ON p.id = o.part_id WHERE o.id = ?",
    "time_entries": "SELECT p.job_id FROM time_entries e JOIN operations o ON o.id = e.operation_id "
    "JOIN parts p ON p.id = o.part_id WHERE e.id = ?",
    "operation_quantities": "SELECT p.job_id FROM operation_quantities q JOIN operations o ON o.id = q.operation_id "
    "JOIN parts p ON p.id = o.part_id WHERE q.id = ?",
}


def planned(tables: Any) -> Tables:
    """The rows in the order in which they can be written. Raises Invalid, with the table and the place of the row."""
    if not isinstance(tables, dict):
        raise Invalid('an import is an object with tables in it: {"cells": [...], ...}')
    found: Tables = []
    for table in sorted(tables, key=lambda name: TABLES.index(name) if name in TABLES else len(TABLES)):
        rows = tables[table]
        if not isinstance(rows, list):
            raise Invalid(f"{table}: a list of rows is wanted")
        for place, row in enumerate(rows):
            if not isinstance(row, dict) or not is_uuid(str(row.get("id"))):
                raise Invalid(f"{table}[{place}]: a row with an id (a UUID) is wanted")
        found.append((table, _parents_first(rows) if table == "parts" else rows))
    if sum(len(rows) for _, rows in found) > ROWS_MAX:
        raise Invalid(f"more than {ROWS_MAX} rows: import them in parts")
    return found


def bring_in(tx: Tx, stamp: Stamp, tables: Tables) -> dict[str, Any]:
    """table -> rows written and rows that were the same already; `not_kept`: tables that this version does not have.

    Raises Conflict, Invalid: then nothing of it is there.
    """
    counts: dict[str, dict[str, int]] = {}
    lanes: dict[str, list[Change]] = {}
    for table, rows in tables:
        if table not in TABLES:
            continue
        columns = {row["name"] for row in tx.execute(f"PRAGMA table_info({table})")}
        count = counts.setdefault(table, {"written": 0, "unchanged": 0})
        for row in rows:
            change = _put(tx, table, _kept(table, row, columns))
            count["unchanged" if change is None else "written"] += 1
            if change is not None:
                lanes.setdefault(_lane(tx, table, change.id), []).append(change)
    journal.append(tx, stamp, _events(stamp, lanes))
    return {"tables": counts, "not_kept": sorted(table for table, _ in tables if table not in TABLES)}


def _parents_first(rows: Iterable[Row]) -> list[Row]:
    waiting = {row["id"]: row for row in rows}
    ordered: list[Row] = []
    while waiting:
        free = [row for row in waiting.values() if row.get("parent_part_id") not in waiting]
        if not free:
            raise Invalid(f"parts: {', '.join(sorted(waiting)[:3])} are parents of each other")
        ordered += free
        for row in free:
            del waiting[row["id"]]
    return ordered


def _kept(table: str, row: Row, columns: set[str]) -> dict[str, Any]:
    """As the database keeps it. Columns of the cloud that we do not have are left out."""
    kept: dict[str, Any] = {}
    for given, value in row.items():
        if given in _MINUTES and _MINUTES[given] in columns:
            kept[_MINUTES[given]] = None if value is None else value * _MINUTE_S
        elif given in columns:
            kept[given] = _value(table, given, value)
    for name in ("created_at", "updated_at"):
        if name in columns and kept.get(name) is None:
            kept[name] = kept.get("created_at") or time_.text(time_.BUILD_DATE)
    return kept


def _value(table: str, name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict | list):
        return encode(value)
    if isinstance(value, str) and name.endswith(_TIMES):
        try:
            return time_.text(time_.parse(value))
        except ValueError:
            raise Invalid(f'{table}.{name}: "{value}" is no date or time') from None
    return value


def _put(tx: Tx, table: str, row: dict[str, Any]) -> Change | None:
    """Insert, or update what differs; None when nothing does."""
    before = tx.execute(f"SELECT * FROM {table} WHERE id = ?", (row["id"],)).fetchone()  # noqa: S608 -- one of TABLES
    if before is None:
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        _execute(tx, table, f"INSERT INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608 -- our columns
        return Change(table, row["id"], "insert", 1)
    values = {name: value for name, value in row.items() if before[name] != value and name != "updated_at"}
    if not values:
        return None
    versioned = "row_version" in before.keys()  # noqa: SIM118 -- a sqlite3.Row holds values, not names
    pairs = [f"{name} = :{name}" for name in values] + (["row_version = row_version + 1"] if versioned else [])
    _execute(tx, table, f"UPDATE {table} SET {', '.join(pairs)} WHERE id = :id", {**values, "id": row["id"]})  # noqa: S608 -- as above
    version = before["row_version"] + 1 if versioned else 1
    return Change(table, row["id"], "update", version, tuple(values))


def _execute(tx: Tx, table: str, statement: str, row: Row) -> None:
    try:
        tx.execute(statement, row)
    except sqlite3.IntegrityError as exc:
        if table in _DECLARED:
            raise refusal(_DECLARED[table], row, exc) from exc
        raise Invalid(f"{table} {row['id']}: {exc}") from exc


def _lane(tx: Tx, table: str, row_id: str) -> str:
    found = tx.execute(_LANE_OF_JOB[table], (row_id,)).fetchone() if table in _LANE_OF_JOB else None
    return job_lane(found[0]) if found else row_lane(table, row_id)


def _events(stamp: Stamp, lanes: Mapping[str, list[Change]]) -> list[Event]:
    return [
        Event(lane, lane, stamp.now, tuple(changes[start : start + EVENT_ROWS]))
        for lane, changes in lanes.items()
        for start in range(0, len(changes), EVENT_ROWS)
    ]


def read_file(text: str) -> Any:
    """The tables of a file. Raises Invalid."""
    try:
        return json.loads(text)
    except ValueError as exc:
        raise Invalid(f"the file is not JSON: {exc}") from exc
