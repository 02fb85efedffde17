"""A database of as many rows as wanted, made by SQLite itself: for tests and benches of what must not depend on their number."""

import sqlite3
from pathlib import Path

from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import offline
from gateway.kernel.migrate import migrate

AT = "2026-11-02T06:00:00+00:00"
CELL, PERSON = "00000000-0000-4000-8000-0000000ce001", "00000000-0000-4000-8000-0000000be001"
# of a hundred rows
SHARES = {"jobs": 2, "parts": 6, "operations": 24, "time_entries": 34, "operation_quantities": 34}
_N = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT {count}) "
_ID = "printf('{kind:08x}-0000-7000-8000-%012x', {number})"
_STAMPS = f"'{AT}', '{AT}'"


def _id(kind: int, number: str) -> str:
    return _ID.format(kind=kind, number=number)


def fill(folder: Path, rows: int) -> Path:
    """Makes `<folder>/gateway.sqlite` with about so many rows of work."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gateway.sqlite"
    migrate(path, ManualClock())
    counts = {table: rows * share // 100 for table, share in SHARES.items()}
    with offline(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        _hall(connection)
        for table, (columns, values) in _selects(counts).items():
            connection.execute(
                f"INSERT INTO {table} ({columns}) {_N.format(count=counts[table])} SELECT {values} FROM n"
            )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


def _hall(connection: sqlite3.Connection) -> None:
    connection.execute(
        f"INSERT INTO cells (id, name, sequence, created_at, updated_at) VALUES ('{CELL}', 'L', 1, {_STAMPS})"
    )
    connection.execute(
        f"INSERT INTO profiles (id, username, full_name, created_at, updated_at) VALUES ('{PERSON}', 'anna', 'Anna', {_STAMPS})"
    )


def _selects(counts: dict[str, int]) -> dict[str, tuple[str, str]]:
    """table -> its columns and their values, with `i` as the number of the row."""
    job, part, operation = (
        _id(kind, f"i % {max(1, counts[table])}") for kind, table in enumerate(("jobs", "parts", "operations"), 1)
    )
    own = {table: _id(kind, "i") for kind, table in enumerate(counts, 1)}
    return {
        "jobs": (
            "id, job_number, customer, notes, metadata, created_at, updated_at",
            f"""{own["jobs"]}, 'JOB-' || i, 'Brouwer Machines', 'Urgent, "please"', '{{"po":"4711"}}', {_STAMPS}""",
        ),
        "parts": (
            "id, job_id, part_number, material, quantity, weight_kg, created_at, updated_at",
            f"{own['parts']}, {job}, 'P-' || i, 'Stainless 1.4301', 10, i * 0.1, {_STAMPS}",
        ),
        "operations": (
            "id, part_id, cell_id, operation_name, sequence, estimated_time, actual_time_s, notes, created_at, updated_at",
            f"{own['operations']}, {part}, '{CELL}', 'Laser cutting', i % 9 + 1, 30, i % 5000, '=1+1', {_STAMPS}",
        ),
        "time_entries": (
            "id, operation_id, operator_id, start_time, end_time, duration_s, created_at",
            f"{own['time_entries']}, {operation}, '{PERSON}', '{AT}', '{AT}', i % 5000, '{AT}'",
        ),
        "operation_quantities": (
            "id, operation_id, recorded_by, quantity_produced, quantity_good, recorded_at, created_at, updated_at",
            f"{own['operation_quantities']}, {operation}, '{PERSON}', i % 7, i % 7, '{AT}', {_STAMPS}",
        ),
    }
