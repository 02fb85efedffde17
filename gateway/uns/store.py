"""All SQL of the Unified Namespace: how work and machines stand now, the cells' levels, what was ever retained."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.kernel.db import Tx
from gateway.machines.model import Standing
from gateway.machines.registry import Machines
from gateway.machines.standing import cells_of, standing
from gateway.uns.payloads import CellRow, Counted, JobRow, OperationRow
from gateway.uns.topics import Place, slug

MACHINE = "machine"  # the role of a device that makes something; of others there is no state
_LIVE_CELL = "c.deleted_at IS NULL AND c.active"
_LIVE = "o.deleted_at IS NULL AND p.deleted_at IS NULL AND j.deleted_at IS NULL"

_OPERATIONS = f"""
SELECT o.id, o.operation_name, o.status, o.sequence, o.cell_id, p.id AS part_id, p.part_number, p.quantity AS planned,
  j.id AS job_id, j.job_number, coalesce(j.due_date_override, j.due_date) AS due_date,
  o.planned_start, o.planned_end, o.started_at, o.completed_at,
  (SELECT count(*) FROM time_entries t WHERE t.operation_id = o.id AND t.end_time IS NULL) AS operators,
  (SELECT json_array(coalesce(sum(quantity_produced), 0), coalesce(sum(quantity_good), 0),
     coalesce(sum(quantity_scrap), 0), coalesce(sum(quantity_rework), 0))
   FROM operation_quantities q WHERE q.operation_id = o.id) AS counted
FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id JOIN cells c ON c.id = o.cell_id
WHERE {_LIVE} AND {_LIVE_CELL} AND (o.status <> 'completed' OR o.completed_at > :finished_after)
"""  # nosec B608 # noqa: S608 -- pieces of our own
_OF_JOBS = """
AND o.id IN (SELECT x.id FROM parts y JOIN operations x ON x.part_id = y.id
  WHERE y.job_id IN (SELECT value FROM json_each(:jobs)))
"""
_OF_CELLS = "AND o.id IN (SELECT x.id FROM operations x WHERE x.cell_id IN (SELECT value FROM json_each(:cells)))"

_CELLS = f"""
SELECT c.id, c.wip_limit,
  (SELECT count(*) FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id
   WHERE o.cell_id = c.id AND o.status = 'not_started' AND {_LIVE}) AS queue_length,
  (SELECT count(*) FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id
   WHERE o.cell_id = c.id AND o.status = 'on_hold' AND {_LIVE}) AS held
FROM cells c WHERE {_LIVE_CELL}
"""  # nosec B608 # noqa: S608 -- pieces of our own

_JOBS = """
SELECT j.id, j.job_number, j.customer, j.status, coalesce(j.due_date_override, j.due_date) AS due_date,
  j.started_at, j.completed_at,
  (SELECT count(*) FROM parts p WHERE p.job_id = j.id AND p.deleted_at IS NULL) AS parts,
  (SELECT count(*) FROM parts p WHERE p.job_id = j.id AND p.deleted_at IS NULL AND p.status = 'completed') AS parts_completed,
  (SELECT count(*) FROM parts p JOIN operations o ON o.part_id = p.id
   WHERE p.job_id = j.id AND p.deleted_at IS NULL AND o.deleted_at IS NULL) AS operations,
  (SELECT count(*) FROM parts p JOIN operations o ON o.part_id = p.id
   WHERE p.job_id = j.id AND p.deleted_at IS NULL AND o.deleted_at IS NULL AND o.status = 'completed')
   AS operations_completed
FROM jobs j WHERE j.deleted_at IS NULL AND (j.status <> 'completed' OR j.completed_at > :finished_after)
"""
_OF_IDS = "AND o.id IN (SELECT value FROM json_each(:ids))"
_SOME_CELLS = _CELLS + " AND c.id IN (SELECT value FROM json_each(?))"  # nosec B608 # noqa: S608 -- pieces of our own
_SOME_JOBS = _JOBS + " AND j.id IN (SELECT value FROM json_each(:jobs))"  # nosec B608 # noqa: S608 -- pieces of our own


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose state is asked for. `cells`: with everything in them."""

    jobs: frozenset[str] = frozenset()
    cells: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()

    def __or__(self, other: "Scope") -> "Scope":
        return Scope(self.jobs | other.jobs, self.cells | other.cells, self.devices | other.devices)

    def __bool__(self) -> bool:
        return bool(self.jobs or self.cells or self.devices)


@dataclass(frozen=True, slots=True)
class Kept:
    """A topic that holds a retained message of ours."""

    topic: str
    job_id: str | None
    cell_id: str | None


@dataclass(frozen=True, slots=True)
class MachineNow:
    """`work`: what it makes, None when there is nothing or nobody can tell; `cells`: the ids of its cells."""

    standing: Standing
    cells: frozenset[str]
    work: OperationRow | None


@dataclass(frozen=True, slots=True)
class Picture:
    """How everything in a scope stands, and which topics showed it until now."""

    cells: tuple[CellRow, ...]
    operations: tuple[OperationRow, ...]
    jobs: tuple[JobRow, ...]
    machines: tuple[MachineNow, ...]
    kept: tuple[Kept, ...]


def picture(
    connection: sqlite3.Connection, machines: Machines, scope: Scope | None, *, operations_after: str, jobs_after: str
) -> Picture:
    """One consistent reading; `scope` None is everything. `..._after`: what was finished later is still shown."""
    places = _places(connection, machines)
    if scope is None:
        operations = _operations(connection, "", {"finished_after": operations_after})
        cells = connection.execute(_CELLS).fetchall()
        jobs = connection.execute(_JOBS, {"finished_after": jobs_after}).fetchall()
        kept = connection.execute("SELECT topic, job_id, cell_id FROM uns_retained").fetchall()
        shown = _machines(connection, machines, places, {"finished_after": operations_after})
        return Picture(_with_work(cells, operations), operations, _jobs(jobs), shown, tuple(Kept(*row) for row in kept))
    given = {"finished_after": operations_after, "jobs": _json(scope.jobs), "cells": _json(scope.cells)}
    found = {
        one.id: one
        for narrowed in ((_OF_JOBS,) if scope.jobs else ()) + ((_OF_CELLS,) if scope.cells else ())
        for one in _operations(connection, narrowed, given)
    }
    kept = connection.execute(
        "SELECT topic, job_id, cell_id FROM uns_retained WHERE job_id IN (SELECT value FROM json_each(?)) "
        "UNION SELECT topic, job_id, cell_id FROM uns_retained WHERE cell_id IN (SELECT value FROM json_each(?))",
        (_json(scope.jobs), _json(scope.cells)),
    ).fetchall()
    near = {one.cell_id for one in found.values()} | {row["cell_id"] for row in kept if row["cell_id"]} | scope.cells
    near = near.union(*(cells for device, cells in places.items() if device in scope.devices))
    around = {device: cells for device, cells in places.items() if device in scope.devices or cells & near}
    cells = connection.execute(_SOME_CELLS, (_json(near),)).fetchall()
    jobs = connection.execute(
        _SOME_JOBS,
        {"finished_after": jobs_after, "jobs": _json(scope.jobs)},
    ).fetchall()
    running = _operations(
        connection,
        f"AND o.status = 'in_progress' {_OF_CELLS}",
        {"finished_after": operations_after, "cells": _json(near)},
    )
    shown = _machines(connection, machines, around, given)
    kept_ = tuple(Kept(*row) for row in kept)
    return Picture(_with_work(cells, running), tuple(found.values()), _jobs(jobs), shown, kept_)


def machines_now(
    connection: sqlite3.Connection, machines: Machines, devices: Collection[str]
) -> tuple[MachineNow, ...]:
    """Of these devices how they stand, without their work."""
    places = {device: cells for device, cells in _places(connection, machines).items() if device in devices}
    return tuple(MachineNow(one, places[one.device], None) for one in standing(connection, machines, tuple(places)))


def cells(connection: sqlite3.Connection) -> tuple[CellRow, ...]:
    """Every live cell, with what is being worked on in it."""
    running = _operations(connection, "AND o.status = 'in_progress'", {"finished_after": ""})
    return _with_work(connection.execute(_CELLS).fetchall(), running)


def jobs_of_finished(connection: sqlite3.Connection, *, operations_after: str, jobs_after: str) -> Scope:
    """The jobs in which something is still shown although its time after the end is over."""
    rows = connection.execute(
        "SELECT DISTINCT r.job_id FROM uns_retained r JOIN jobs j ON j.id = r.job_id LEFT JOIN parts p ON p.job_id = j.id "
        "LEFT JOIN operations o ON o.part_id = p.id WHERE (j.status = 'completed' AND j.completed_at <= ?) "
        "OR (r.cell_id IS NOT NULL AND o.status = 'completed' AND o.completed_at <= ? "
        "AND r.topic LIKE '%/' || o.id)",
        (jobs_after, operations_after),
    )
    return Scope(frozenset(row[0] for row in rows))


def prev(connection: sqlite3.Connection, position: int) -> int | None:
    """The last event with a name up to `position`; None when nothing that old is kept."""
    row = connection.execute("SELECT max(seq) FROM events WHERE seq <= ? AND type IS NOT NULL", (position,)).fetchone()
    return None if row[0] is None else int(row[0])


# ------------------------------------------------------------------ writes


def places(tx: Tx) -> dict[str, Place]:
    """Every live cell with its level. A new cell gets one; a renamed cell gets another; everybody else keeps theirs.

    A level is free again once its cell is deleted.
    """
    tx.execute("DELETE FROM uns_cells WHERE cell_id NOT IN (SELECT id FROM cells WHERE deleted_at IS NULL)")
    levels = {row["cell_id"]: row for row in tx.execute("SELECT cell_id, name, slug FROM uns_cells")}
    found = {}
    cells = tx.execute("SELECT id, name FROM cells WHERE deleted_at IS NULL ORDER BY created_at, id").fetchall()
    for cell_id, name in cells:
        known = levels.get(cell_id)
        if known is None or known["name"] != name:
            taken = [row[0] for row in tx.execute("SELECT slug FROM uns_cells WHERE cell_id <> ?", (cell_id,))]
            made = slug(name, cell_id, taken)
            tx.execute("INSERT OR REPLACE INTO uns_cells (cell_id, name, slug) VALUES (?, ?, ?)", (cell_id, name, made))
            found[cell_id] = Place(cell_id, name, made)
        else:
            found[cell_id] = Place(cell_id, name, known["slug"])
    return found


def keep(tx: Tx, kept: Iterable[Kept]) -> None:
    """Written before the messages go out: nothing may be retained that nobody could take back."""
    rows = [(one.topic, one.job_id, one.cell_id) for one in kept]
    tx.executemany("INSERT OR REPLACE INTO uns_retained (topic, job_id, cell_id) VALUES (?, ?, ?)", rows)


def forget(tx: Tx, topics: Sequence[str]) -> None:
    tx.executemany("DELETE FROM uns_retained WHERE topic = ?", [(topic,) for topic in topics])


def skip(tx: Tx, reader: str, count: int, position: int) -> None:
    """Entries up to `position` are done, `count` of them without having arrived: together, so that none counts twice."""
    tx.execute(
        "UPDATE event_readers SET skipped = skipped + ?, position = max(position, ?) WHERE name = ? AND position < ?",
        (count, position, reader, position),
    )


# ------------------------------------------------------------------ rows


def _operations(connection: sqlite3.Connection, narrowed: str, given: Mapping[str, str]) -> tuple[OperationRow, ...]:
    rows = connection.execute(f"{_OPERATIONS} {narrowed} ORDER BY o.started_at, o.id", given)
    values = [(*row[:-1], Counted(*json.loads(row["counted"]))) for row in rows]
    return tuple(OperationRow(*fields) for fields in values)


def _places(connection: sqlite3.Connection, machines: Machines) -> dict[str, frozenset[str]]:
    """Device -> the ids of its cells, of those that make something."""
    found = cells_of(connection, machines)
    return {one.id: frozenset(found[one.id]) for one in machines if one.device.role == MACHINE}


def _machines(
    connection: sqlite3.Connection,
    machines: Machines,
    places: Mapping[str, frozenset[str]],
    given: Mapping[str, str],
) -> tuple[MachineNow, ...]:
    now = standing(connection, machines, tuple(places))
    ids = _json(one.operation_id for one in now if one.operation_id is not None)
    work = {one.id: one for one in _operations(connection, _OF_IDS, {**given, "ids": ids})} if ids != "[]" else {}
    return tuple(MachineNow(one, places[one.device], work.get(one.operation_id or "")) for one in now)


def _with_work(cells: Iterable[sqlite3.Row], operations: Iterable[OperationRow]) -> tuple[CellRow, ...]:
    active: dict[str, list[OperationRow]] = {}
    for one in operations:
        if one.status == "in_progress":
            active.setdefault(one.cell_id, []).append(one)
    values = [(*row, tuple(active.get(row["id"], ()))) for row in cells]
    return tuple(CellRow(*fields) for fields in values)


def _jobs(rows: Iterable[sqlite3.Row]) -> tuple[JobRow, ...]:
    return tuple(JobRow(*row) for row in rows)


def _json(ids: Iterable[str]) -> str:
    return json.dumps(sorted(ids))
