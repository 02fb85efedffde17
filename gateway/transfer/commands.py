"""Import: rows of any table by its name, with their ids, into one transaction. May be repeated.

The shape is that of `/api-export`: `{"cells": [...], "profiles": [...], ...}`, in the cloud's words (minutes, `true`, objects).
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from gateway.batches.resources import BATCHES, MEMBERS, REQUIREMENTS
from gateway.catalog.store import refusal
from gateway.catalog.tables import CELLS, MATERIALS, OPERATORS, PROFILES, RESOURCES, SCRAP_REASONS, SUBSTEP_TEMPLATES
from gateway.issues.resources import ISSUE_CATEGORIES, ISSUES
from gateway.jobs.assignments.resources import ASSIGNMENTS
from gateway.jobs.model import MINUTE_S
from gateway.jobs.model import minutes as minutes_of
from gateway.jobs.resources import JOBS, PARTS
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, Invalid
from gateway.kernel.ids import is_uuid
from gateway.operations.quantities.resources import QUANTITIES
from gateway.operations.resources import OPERATIONS
from gateway.operations.substeps.resources import SUBSTEPS
from gateway.operations.time_entries.resources import TIME_ENTRIES
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, encode, job_lane, row_lane

Row = Mapping[str, Any]
Placed = tuple[int, Row]  # a row and its place in its table's list, for errors
Tables = list[tuple[str, list[Placed]]]

ROWS_MAX = 1_000_000
EVENT_ROWS = 200  # changes in one journal entry
# In the order in which their rows hang on each other. Tables of the cloud that are not here are not kept here.
TABLES = (
    "profiles operators cells resources materials scrap_reasons substep_templates substep_template_items jobs parts operations "
    "operation_resources substeps assignments time_entries time_entry_pauses operation_quantities "
    "operation_quantity_scrap_reasons issue_categories issues operation_batches batch_operations "
    "batch_requirements"
).split()
_DECLARED = {
    one.table: one
    for one in (
        *(PROFILES, OPERATORS, CELLS, RESOURCES, MATERIALS, SCRAP_REASONS, SUBSTEP_TEMPLATES),
        *(JOBS, PARTS, ASSIGNMENTS, OPERATIONS, SUBSTEPS, TIME_ENTRIES, QUANTITIES, ISSUE_CATEGORIES, ISSUES),
        *(BATCHES, MEMBERS, REQUIREMENTS),
    )
}
# column -> what it is called outside: whole minutes, and the seconds beside them, which are exact
_TIMED = {
    "actual_time_s": ("actual_time", "actual_time_seconds"),
    "actual_duration_s": ("actual_duration", "actual_duration_seconds"),
    "duration_s": ("duration", "duration_seconds"),
}
_PARENT = {"parts": "parent_part_id", "operation_batches": "parent_batch_id"}  # columns that point into their own table
_MADE = ("created_at", "updated_at", "segment_id")  # of a row that is there already they stay
_IDS = ("id", "_by")
_TIMES = ("_at", "_date", "_time", "_start", "_end", "_override")
_LANE_OF_JOB = {
    "jobs": "SELECT ?",
    "parts": "SELECT job_id FROM parts WHERE id = ?",
    "operations": "SELECT p.job_id FROM operations o JOIN parts p ON p.id = o.part_id WHERE o.id = ?",
    "time_entries": "SELECT p.job_id FROM time_entries e JOIN operations o ON o.id = e.operation_id "
    "JOIN parts p ON p.id = o.part_id WHERE e.id = ?",
    "operation_quantities": "SELECT p.job_id FROM operation_quantities q JOIN operations o ON o.id = q.operation_id "
    "JOIN parts p ON p.id = o.part_id WHERE q.id = ?",
    "issues": "SELECT p.job_id FROM issues i JOIN operations o ON o.id = i.operation_id "
    "JOIN parts p ON p.id = o.part_id WHERE i.id = ?",
    "substeps": "SELECT p.job_id FROM substeps s JOIN operations o ON o.id = s.operation_id "
    "JOIN parts p ON p.id = o.part_id WHERE s.id = ?",
    "assignments": "SELECT job_id FROM (SELECT coalesce(a.job_id, p.job_id) AS job_id FROM assignments a "
    "LEFT JOIN parts p ON p.id = a.part_id WHERE a.id = ?) WHERE job_id IS NOT NULL",
}


def planned(tables: Any) -> Tables:
    """The rows in the order in which they can be written. Raises Invalid, with the table and the place of the row."""
    if not isinstance(tables, dict):
        raise Invalid('an import is an object with tables in it: {"cells": [...], ...}')
    found: Tables = []
    for table, rows in tables.items():
        if table.startswith("_"):  # `_metadata` and the like tell about the file
            continue
        if table not in TABLES:
            found.append((table, []))
            continue
        if not isinstance(rows, list):
            raise Invalid(f"{table}: a list of rows is wanted")
        for place, row in enumerate(rows):
            if not isinstance(row, dict) or not is_uuid(str(row.get("id"))):
                raise Invalid(f"{table}[{place}]: a row with an id (a UUID) is wanted")
        found.append((table, list(enumerate(rows))))
    if sum(len(rows) for _, rows in found) > ROWS_MAX:
        raise Invalid(f"more than {ROWS_MAX} rows: import them in parts")
    found.sort(key=lambda one: TABLES.index(one[0]) if one[0] in TABLES else len(TABLES))
    return [(table, _parents_first(table, rows) if table in _PARENT else rows) for table, rows in found]


def bring_in(tx: Tx, stamp: Stamp, tables: Tables) -> dict[str, Any]:
    """table -> rows written and rows that were the same already; `not_kept`: tables that this version does not have.

    Raises Conflict, Invalid, with the table and the place of the row: then nothing of it is there.
    """
    counts: dict[str, dict[str, int]] = {}
    lanes: dict[str, list[Change]] = {}
    for table, rows in tables:
        if table not in TABLES:
            continue
        columns = {row["name"] for row in tx.execute(f"PRAGMA table_info({table})")}
        count = counts.setdefault(table, {"written": 0, "unchanged": 0})
        for place, row in rows:
            try:
                change = _put(tx, stamp, table, columns, _kept(row, columns))
            except (Conflict, Invalid) as exc:
                raise type(exc)(f"{table}[{place}] {row['id']}: {exc.message}", exc.details) from exc
            count["unchanged" if change is None else "written"] += 1
            if change is not None:
                lanes.setdefault(_lane(tx, table, change.id), []).append(change)
    journal.append(tx, stamp, _events(stamp, lanes))
    return {"tables": counts, "not_kept": sorted(table for table, _ in tables if table not in TABLES)}


def _parents_first(table: str, rows: Iterable[Placed]) -> list[Placed]:
    waiting = {row["id"]: (place, row) for place, row in rows}
    ordered: list[Placed] = []
    while waiting:
        free = [(place, row) for place, row in waiting.values() if row.get(_PARENT[table]) not in waiting]
        if not free:
            raise Invalid(f"{table}: {', '.join(sorted(waiting)[:3])} are parents of each other")
        ordered += free
        for _, row in free:
            del waiting[row["id"]]
    return ordered


def _kept(row: Row, columns: set[str]) -> dict[str, Any]:
    """As the database keeps it. Columns of the cloud that we do not have are left out."""
    kept = {name: _value(name, value) for name, value in row.items() if name in columns}
    for column in columns & _TIMED.keys():
        minutes, seconds = (row.get(name) for name in _TIMED[column])
        if isinstance(seconds, int):
            kept[column] = seconds
        elif _TIMED[column][0] in row:
            if minutes is not None and not isinstance(minutes, int | float):
                raise Invalid(f'{_TIMED[column][0]}: "{minutes}" is no number of minutes')
            kept[column] = None if minutes is None else round(minutes * MINUTE_S)
    return kept


def _value(name: str, value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict | list):
        return encode(value)
    if not isinstance(value, str):
        return value
    if name.endswith(_TIMES):
        try:
            return time_.text(time_.parse(value))
        except ValueError:
            raise Invalid(f'{name}: "{value}" is no date or time') from None
    ours = name.endswith(_IDS) and name != "external_id"  # that one is somebody else's text
    return value.lower() if ours and is_uuid(value) else value


def _put(tx: Tx, stamp: Stamp, table: str, columns: set[str], row: dict[str, Any]) -> Change | None:
    """Insert, or update what differs; None when nothing does."""
    before = tx.execute(f"SELECT * FROM {table} WHERE id = ?", (row["id"],)).fetchone()  # noqa: S608 -- one of TABLES
    if before is None:
        row = _whole(stamp, columns, row)
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        _execute(tx, table, f"INSERT INTO {table} ({names}) VALUES ({marks})", row)  # noqa: S608 -- our columns
        return Change(table, row["id"], "insert", 1)
    values = {name: value for name, value in row.items() if before[name] != value and name not in _MADE}
    for column in _TIMED:  # whole minutes say nothing new about the same minutes
        if column in values and before[column] is not None and values[column] == minutes_of(before[column]) * MINUTE_S:
            del values[column]
    if not values:
        return None
    versioned = "row_version" in before.keys()  # noqa: SIM118 -- a sqlite3.Row holds values, not names
    pairs = [f"{name} = :{name}" for name in values] + (["row_version = row_version + 1"] if versioned else [])
    _execute(tx, table, f"UPDATE {table} SET {', '.join(pairs)} WHERE id = :id", {**values, "id": row["id"]})  # noqa: S608 -- as above
    version = before["row_version"] + 1 if versioned else 1
    return Change(table, row["id"], "update", version, tuple(values))


def _whole(stamp: Stamp, columns: set[str], row: dict[str, Any]) -> dict[str, Any]:
    """A new row with what must be there, whoever left it out."""
    created_at = row.get("created_at") or time_.text(time_.BUILD_DATE)
    made = {"created_at": created_at, "updated_at": created_at, "segment_id": stamp.new_id()}
    return row | {name: value for name, value in made.items() if name in columns and row.get(name) is None}


def _execute(tx: Tx, table: str, statement: str, row: Row) -> None:
    try:
        tx.execute(statement, row)
    except OverflowError as exc:
        raise Invalid("a number is too large") from exc
    except sqlite3.IntegrityError as exc:
        if table in _DECLARED:
            raise refusal(_DECLARED[table], row, exc) from exc
        raise Invalid(str(exc)) from exc


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
        return json.loads(text, parse_constant=_no_number)
    except ValueError as exc:
        raise Invalid(f"the file is not JSON: {exc}") from exc


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
