"""Which operation a machine means, and who stands at it. Reads only; the rules of `start` and the others come after."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

from gateway.kernel.errors import (
    AmbiguousTarget,
    CellNotAllowed,
    Invalid,
    NoActiveOperation,
    NotFound,
    UnknownBadge,
)
from gateway.kernel.ids import is_uuid
from gateway.machines import store
from gateway.machines.model import Verb
from gateway.machines.registry import Machine
from gateway.machines.store import MachineRow
from gateway.operations.quantities import gathered
from gateway.sections import Device

CANDIDATES_MAX = 20
QUEUE_MAX = 20
_LIVE = "o.deleted_at IS NULL AND p.deleted_at IS NULL AND j.deleted_at IS NULL"
_ROW = """
SELECT json_object('operation_id', o.id, 'operation_name', o.operation_name, 'sequence', o.sequence, 'status', o.status,
  'part_number', p.part_number, 'job_number', j.job_number, 'cell_id', o.cell_id, 'planned', p.quantity,
  'good', (SELECT coalesce(sum(q.quantity_good), 0) FROM operation_quantities q WHERE q.operation_id = o.id),
  'scrap', (SELECT coalesce(sum(q.quantity_scrap), 0) FROM operation_quantities q WHERE q.operation_id = o.id),
  'started_at', o.started_at, 'due_date', coalesce(j.due_date_override, j.due_date)) AS row, o.id, o.cell_id
FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id
"""
_NAMED = f"""
{_ROW} WHERE j.job_number = :job_number AND (:part_number IS NULL OR p.part_number = :part_number)
  AND (:sequence IS NULL OR o.sequence = :sequence) AND (:operation_name IS NULL OR o.operation_name = :operation_name)
  AND {_LIVE} AND (NOT :ours OR {gathered.IN_CELLS}) ORDER BY p.part_number, o.sequence, o.id LIMIT :limit
"""
_OF_IDS = f"{_ROW} WHERE o.id IN (SELECT value FROM json_each(?)) ORDER BY o.started_at, o.id"  # nosec B608 # noqa: S608 -- constants only
# As a station shows it: planned start, then due date, then the order of the routing.
_QUEUE = f"""
{_ROW} WHERE o.status = 'not_started' AND {gathered.IN_CELLS} AND {_LIVE}
ORDER BY o.planned_start IS NULL, o.planned_start, coalesce(j.due_date_override, j.due_date) IS NULL,
  coalesce(j.due_date_override, j.due_date), j.job_number, p.part_number, o.sequence, o.id LIMIT :limit
"""
_STANDS = "SELECT status, cell_id FROM operations WHERE id = ? AND deleted_at IS NULL"
_PERSON = "SELECT id FROM profiles WHERE active = 1 AND (id = ?1 OR username = ?1 OR employee_id = ?1) LIMIT 2"
_OF_BADGE = "SELECT id FROM profiles WHERE active = 1 AND employee_id = ? LIMIT 2"
_STANDS_AS = {Verb.RESUME: "on_hold"}  # what a verb without a target means; all others what is in progress


def cells_of(connection: sqlite3.Connection, machine: Machine) -> str | None:
    """The ids of its cells as JSON, None: every cell."""
    if machine.everywhere:
        return None
    return gathered.ids_json(store.cell_ids(machine.device.cells, store.cells(connection)))


# ------------------------------------------------------------------ the operation


def current(
    connection: sqlite3.Connection, cells: str | None, started: str | None, verb: Verb = Verb.REPORT
) -> list[str]:
    """What is meant without a name: the operation that the device started last if it still stands so in one of its cells,
    else all that do. One id: that one; several: nobody can tell.
    """
    status = _STANDS_AS.get(verb, "in_progress")
    if started is not None:
        found = connection.execute(_STANDS, (started,)).fetchone()
        if found is not None and found[0] == status and _within(cells, found[1]):
            return [started]
    return gathered.running(connection, cells, status, CANDIDATES_MAX)


def target(
    connection: sqlite3.Connection, machine: Machine, row: MachineRow, verb: Verb, named: Mapping[str, Any]
) -> str:
    """The id of the operation. `named`: operation_id, job_number, part_number, sequence, operation_name.

    Raises NotFound, CellNotAllowed, NoActiveOperation, AmbiguousTarget, Invalid.
    """
    if named.get("operation_id") is not None:
        wanted = str(named["operation_id"])
        if not is_uuid(wanted):
            raise NotFound("Operation not found")
        return wanted.lower()
    cells = cells_of(connection, machine)
    if named.get("job_number") is not None:
        return _by_number(connection, named, cells)
    if any(named.get(name) is not None for name in ("part_number", "sequence", "operation_name")):
        message = "part_number, sequence and operation_name need the job_number with them"
        raise Invalid(message, [{"field": "job_number", "message": message, "constraint": "NOT_NULL_CONSTRAINT"}])
    if verb is Verb.START:
        return _head(connection, machine, cells)
    found = current(connection, cells, row.started_operation_id, verb)
    if not found:
        _nothing(machine, verb)
    return found[0] if len(found) == 1 else _which(connection, found)


def _by_number(connection: sqlite3.Connection, named: Mapping[str, Any], cells: str | None) -> str:
    asked = {name: named.get(name) for name in ("job_number", "part_number", "sequence", "operation_name")}
    asked |= {"cells": cells, "limit": CANDIDATES_MAX}
    ours = connection.execute(_NAMED, {**asked, "ours": True}).fetchall()
    if not ours:
        elsewhere = connection.execute(_NAMED, {**asked, "ours": False}).fetchone()
        if elsewhere is None:
            raise NotFound("no operation has that job number, part number and sequence")
        raise CellNotAllowed("that operation is not in a cell of this device", {"cell_id": elsewhere["cell_id"]})
    return str(ours[0]["id"]) if len(ours) == 1 else _which(connection, [row["id"] for row in ours])


def _within(cells: str | None, cell_id: str) -> bool:
    return cells is None or f'"{cell_id}"' in cells


def _head(connection: sqlite3.Connection, machine: Machine, cells: str | None) -> str:
    if not machine.device.start_head:
        raise NoActiveOperation(
            "start needs an operation_id or a job_number: this device may not start what comes next"
        )
    found = connection.execute(_QUEUE, {"cells": cells, "limit": 1}).fetchone()
    if found is None:
        raise NoActiveOperation("nothing waits in the queue of this device's cells")
    return str(found["id"])


def _nothing(machine: Machine, verb: Verb) -> NoReturn:
    stands = _STANDS_AS.get(verb, "in_progress")
    where = ", ".join(machine.device.cells)
    raise NoActiveOperation(f"no operation is {stands} in the cells of this device ({where}): start one, or name it")


def _which(connection: sqlite3.Connection, ids: list[str]) -> NoReturn:
    raise AmbiguousTarget(
        f"{len(ids)} operations could be meant: name one of the candidates", {"candidates": described(connection, ids)}
    )


def described(connection: sqlite3.Connection, ids: list[str]) -> list[dict[str, Any]]:
    """These operations in few words, for a machine."""
    return [json.loads(row["row"]) for row in connection.execute(_OF_IDS, (gathered.ids_json(ids),))]


def queue(connection: sqlite3.Connection, machine: Machine, limit: int) -> list[dict[str, Any]]:
    """What comes next in its cells, in order."""
    asked = {"cells": cells_of(connection, machine), "limit": limit}
    return [json.loads(row["row"]) for row in connection.execute(_QUEUE, asked)]


# ------------------------------------------------------------------ the person


def operator(connection: sqlite3.Connection, machine: Machine, now: datetime, badge: str | None = None) -> str | None:
    """The profile of who works here: the badge in the message, the one logged on at the device, the device's own user.

    Raises UnknownBadge for one in the message that nobody has.
    """
    if badge is not None:
        return of_badge(connection, badge)
    if (here := store.logged_on(connection, machine.id)) is not None:
        who, since = here
        if now < since + timedelta(seconds=machine.device.badge_valid):
            return person(connection, who)
    return person(connection, machine.device.operator) if machine.device.operator else None


def of_badge(connection: sqlite3.Connection, badge: str) -> str:
    """The profile with this number. Raises UnknownBadge."""
    found = connection.execute(_OF_BADGE, (badge,)).fetchall()
    if len(found) != 1:
        raise UnknownBadge("nobody at work here has that badge: it has to be the employee number of one profile")
    return str(found[0][0])


def person(connection: sqlite3.Connection, wanted: str) -> str | None:
    """By id, user name or employee number; None when that is nobody at work here, or not one."""
    found = connection.execute(_PERSON, (wanted,)).fetchall()
    return str(found[0][0]) if len(found) == 1 else None


def without_operator(connection: sqlite3.Connection, devices: Iterable[Device]) -> frozenset[str]:
    """The devices whose `operator` is nobody at work here."""
    return frozenset(one.id for one in devices if one.operator and person(connection, one.operator) is None)
