"""Writes the database of a release as SQL: `python tests/databases/dump.py v0001.sql`, when it is made. That of the release to
come is written again whenever a table has come.

A few rows of every table, as a shift leaves them: one job half done, one entry paused, one event parked, one row unsettled.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import beside_work
from beside_work import AT, LATER, MADE, id_of

from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import offline
from gateway.kernel.db import Tx
from gateway.kernel.migrate import migrate
from gateway.outbox import chain

KEY_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

CELL, OPERATOR, JOB, PART, OPERATION, ENTRY, SCRAP, COUNT, RESOURCE, TEMPLATE = map(
    id_of, "cell operator job part x-operation entry scrap quantity resource template".split()
)
MACHINE, SECOND = id_of("operator", 2), id_of("x-operation", 2)
LANE = f"job:{JOB}"
FIRST = 3  # of the journal: what was before it has been trimmed


def _event(number: int, aggregate: str, changes: str, **more: Any) -> dict[str, Any]:
    at = {"occurred_at": AT, "recorded_at": AT, "clock_trusted": 1}
    return {
        "seq": number,
        "id": id_of("event", number),
        "lane": LANE,
        "aggregate": aggregate,
        "origin": "gw-a1",
        **at,
        "changes": changes,
        **more,
    }


ROWS: dict[str, list[dict[str, Any]]] = {
    "gateway_state": [
        {"key": "device_id", "value": id_of("device")},
        {"key": "epoch", "value": "1793602800"},
        {"key": "machine", "value": "not-this-one"},
    ],
    "profiles": [
        {"id": OPERATOR, "username": "otto", "full_name": "Otto Operator", "employee_id": "17", **MADE},
        {"id": MACHINE, "username": "laser-1", "full_name": "Laser 1", "is_machine": 1, **MADE},
    ],
    "api_keys": [
        {
            "id": id_of("key"),
            "name": "first admin",
            "key_hash": KEY_HASH,
            "key_prefix": "ery_live_abc",
            "scope": "admin",
            "operator_id": OPERATOR,
            "created_at": AT,
        },
    ],
    "operators": [
        {"id": id_of("hands"), "employee_id": "17", "full_name": "Otto Operator", "created_by": OPERATOR, **MADE}
    ],
    "cells": [
        {"id": CELL, "name": "Laser", "sequence": 1, "capacity_hours_per_day": 7.5, "external_id": "L1", **MADE},
        {"id": id_of("cell", 2), "name": "Säge", "sequence": 2, "deleted_at": LATER, **MADE},
    ],
    "resources": [{"id": RESOURCE, "name": "Fixture 4", "type": "fixture", "metadata": '{"weight": 12}', **MADE}],
    "materials": [{"id": id_of("material"), "name": "Steel DC01 1.5 mm", **MADE}],
    "scrap_reasons": [{"id": SCRAP, "code": "BURR", "description": "Burr on the edge", "category": "process", **MADE}],
    "substep_templates": [{"id": TEMPLATE, "name": "Set up the laser", **MADE}],
    "substep_template_items": [
        {"id": id_of("item"), "template_id": TEMPLATE, "name": "Clean the lens", "sequence": 1, **MADE}
    ],
    "jobs": [
        {"id": JOB, "job_number": "J-1001", "customer": "Veldkamp", "status": "in_progress", "started_at": AT, **MADE},
        {"id": id_of("job", 2), "job_number": "J-1002", "due_date": "2026-12-01", **MADE},
    ],
    "parts": [
        {
            "id": PART,
            "job_id": JOB,
            "part_number": "P-1",
            "material": "Steel",
            "quantity": 20,
            "status": "in_progress",
            **MADE,
        },
        {
            "id": id_of("part", 2),
            "job_id": JOB,
            "parent_part_id": PART,
            "part_number": "P-1.1",
            "material": "Steel",
            **MADE,
        },
    ],
    "operations": [
        {
            "id": OPERATION,
            "part_id": PART,
            "cell_id": CELL,
            "operation_name": "Laser cutting",
            "sequence": 1,
            "estimated_time": 30,
            "actual_time_s": 600,
            "status": "on_hold",
            "started_at": AT,
            "paused_at": LATER,
            **MADE,
        },
        {"id": SECOND, "part_id": PART, "cell_id": CELL, "operation_name": "Bending", "sequence": 2, **MADE},
    ],
    "operation_resources": [
        {"id": id_of("needs"), "operation_id": OPERATION, "resource_id": RESOURCE, "created_at": AT}
    ],
    "time_entries": [
        {
            "id": ENTRY,
            "operation_id": OPERATION,
            "operator_id": OPERATOR,
            "start_time": AT,
            "is_paused": 1,
            "created_at": AT,
        },
    ],
    "time_entry_pauses": [
        {
            "id": id_of("pause"),
            "time_entry_id": ENTRY,
            "paused_at": LATER,
            "segment_id": id_of("segment"),
            "created_at": LATER,
        },
    ],
    "operation_quantities": [
        {
            "id": COUNT,
            "operation_id": OPERATION,
            "recorded_by": MACHINE,
            "quantity_produced": 7,
            "quantity_good": 5,
            "quantity_scrap": 2,
            "recorded_at": LATER,
            **MADE,
        },
    ],
    "operation_quantity_scrap_reasons": [
        {
            "id": id_of("why"),
            "operation_quantity_id": COUNT,
            "scrap_reason_id": SCRAP,
            "quantity": 2,
            "created_at": LATER,
        },
    ],
    "events": [
        _event(
            3,
            f"operation:{OPERATION}",
            f'[{{"table":"operations","id":"{OPERATION}","op":"update","version":2,"fields":["status"]}}]',
            type="operation.started",
            data=f'{{"operation_id":"{OPERATION}","previous_status":"not_started","new_status":"in_progress"}}',
        ),
        _event(
            4,
            f"quantity:{COUNT}",
            f'[{{"table":"operation_quantities","id":"{COUNT}","op":"insert","version":1,"fields":null}}]',
        ),
    ],
    "event_readers": [
        {"name": "cloud", "since": 0, "position": 3, "created_at": AT},
        {"name": "uns", "since": 2, "position": 4, "created_at": AT},
    ],
    "event_lanes": [{"reader": "cloud", "lane": LANE, "position": 4}],
    "event_parked": [
        {
            "reader": "cloud",
            "seq": 4,
            "lane": LANE,
            "aggregate": f"quantity:{COUNT}",
            "state": "parked",
            "reason": "the cloud does not know this operation",
            "parked_at": LATER,
        },
    ],
    "receipts": [
        {
            "space": "rest:key",
            "key": "station-1/42",
            "request_hash": b"\x01" * 16,
            "status": 200,
            "answer": '{"operation":{"status":"in_progress"}}',
            "head": 3,
            "recorded_at": AT,
        },
    ],
    "cloud_rows": [
        {
            "table_name": "operations",
            "id": OPERATION,
            "base": '{"status":"not_started"}',
            "lane": LANE,
            "unsettled_until": LATER,
            "seen_at": AT,
        },
    ],
    "cloud_conflicts": [
        {
            "id": id_of("conflict"),
            "table_name": "operations",
            "row_id": OPERATION,
            "field": "status",
            "local": '"on_hold"',
            "cloud": '"completed"',
            "reason": "somebody else completed it",
            "found_at": LATER,
        },
    ],
    "uns_cells": [{"cell_id": CELL, "name": "Laser", "slug": "laser"}],
    "uns_retained": [{"topic": "acme/plant1/fabrication/laser/current", "cell_id": CELL}],
}


def filled(path: Path) -> None:
    """A database of today's schema with rows in every table, as a shift leaves it."""
    migrate(path, ManualClock())
    with offline(path) as connection:
        connection.execute("BEGIN")
        for table, rows in {**ROWS, **beside_work.ROWS}.items():
            for row in rows:
                names, marks = ", ".join(row), ", ".join("?" for _ in row)
                connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))
        chain.anew(Tx(connection), FIRST - 1, chain.counted(connection))
        connection.execute("COMMIT")
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '*[_]*sqlite*'"
        )
        empty = [row[0] for row in tables if connection.execute(f"SELECT 1 FROM {row[0]}").fetchone() is None]
        if empty:
            raise SystemExit(f"no row for {', '.join(empty)}: give them one here")
        if connection.execute("PRAGMA foreign_key_check").fetchone():
            raise SystemExit("a row points nowhere")


def dump() -> str:
    """As `sqlite3 .dump` would, with the number of the schema at the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gateway.sqlite"
        filled(path)
        with offline(path) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            return "\n".join([*connection.iterdump(), f"PRAGMA user_version={version};", ""])


if __name__ == "__main__":
    (Path(__file__).parent / sys.argv[1]).write_text(dump(), encoding="utf-8")
