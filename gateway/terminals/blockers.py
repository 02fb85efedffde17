"""What is in the way of a start or a finish, read for the rules; and what a tap names, looked up."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.kernel.errors import Invalid, NotFound
from gateway.operations.model import Operation
from gateway.operations.store import TOGETHER
from gateway.outbox.event import encode
from gateway.terminals import rules
from gateway.terminals.model import Act

_EARLIER = """
SELECT o.id, o.operation_name AS name, o.sequence, o.status, c.name AS cell_name FROM operations o JOIN cells c ON c.id = o.cell_id
WHERE o.part_id = :part_id AND o.deleted_at IS NULL AND o.status <> 'completed'
  AND o.sequence < (SELECT x.sequence FROM operations x WHERE x.id = :operation_id) ORDER BY o.sequence, o.id
"""
# Parts that one is assembled of belong to the same job.
_CHILDREN = """
SELECT p.id, p.part_number, p.quantity, p.status FROM parts p
WHERE p.job_id = :job_id AND p.parent_part_id = :part_id AND p.deleted_at IS NULL AND p.status <> 'completed'
ORDER BY p.part_number
"""
_NEXT = """
SELECT c.id, c.name, c.color, c.wip_limit, c.wip_warning_threshold, c.enforce_wip_limit, n.id AS operation_id,
  n.operation_name, (SELECT count(*) FROM operations w INDEXED BY operations_by_cell_status
    WHERE w.cell_id = c.id AND w.deleted_at IS NULL AND w.status = 'in_progress') AS wip,
  (SELECT count(*) FROM operations w INDEXED BY operations_by_cell_status
    WHERE w.cell_id = c.id AND w.deleted_at IS NULL AND w.status = 'not_started') AS waiting
FROM operations n JOIN cells c ON c.id = n.cell_id
WHERE n.part_id = :part_id AND n.deleted_at IS NULL
  AND n.sequence > (SELECT x.sequence FROM operations x WHERE x.id = :operation_id) ORDER BY n.sequence, n.id LIMIT 1
"""
_OPEN_STEPS = """
SELECT s.id, s.name, s.sequence, s.status FROM substeps s WHERE s.operation_id = ? AND s.status <> 'completed'
ORDER BY s.sequence, s.id
"""
_NAMED = """
SELECT j.job_number, p.part_number, c.name AS cell_name FROM operations o JOIN parts p ON p.id = o.part_id
JOIN jobs j ON j.id = p.job_id JOIN cells c ON c.id = o.cell_id WHERE o.id = ?
"""
_GOOD = "SELECT coalesce(sum(quantity_good), 0) FROM operation_quantities WHERE operation_id = ?"
_RUNNING = f"""
SELECT o.id, o.operation_name FROM time_entries e JOIN operations o ON o.id = e.operation_id
WHERE e.operator_id = :operator_id AND e.end_time IS NULL AND e.is_paused = 0
  AND NOT EXISTS (SELECT 1 FROM json_each(:but) b WHERE b.value = e.operation_id OR {TOGETHER.format("e.operation_id", "b.value")})
ORDER BY e.start_time, e.id
"""  # nosec B608 # noqa: S608 -- constants only
_STANDSTILLS = """
SELECT id FROM issues WHERE operation_id = ? AND status = 'pending' AND causes_standstill = 1 ORDER BY created_at, id
"""


def require_clear_start(connection: sqlite3.Connection, operations: Iterable[Operation], act: Act) -> None:
    """Raises ConfirmationNeeded."""
    found = [one for operation in operations for one in _at_start(connection, operation, act)]
    rules.require_clear(found, act.payload.get("confirmed") or ())


def _at_start(connection: sqlite3.Connection, operation: Operation, act: Act) -> list[rules.Blocker]:
    ids = _ids(operation)
    return rules.at_start(
        earlier(connection, ids),
        children(connection, ids),
        next_cell(connection, ids),
        start_anyway=act.policy.start_anyway,
    )


def require_clear_finish(connection: sqlite3.Connection, operations: Iterable[Operation], act: Act) -> None:
    """What is reported now belongs to the operation that was tapped. Raises ConfirmationNeeded."""
    found = [one for operation in operations for one in _at_finish(connection, operation, act)]
    rules.require_clear(found, act.payload.get("confirmed") or ())


def _at_finish(connection: sqlite3.Connection, operation: Operation, act: Act) -> list[rules.Blocker]:
    now = act.payload.get("good", 0) if operation.id == act.operation_id else 0
    good = connection.execute(_GOOD, (operation.id,)).fetchone()[0] + now
    steps = [dict(row) for row in connection.execute(_OPEN_STEPS, (operation.id,))]
    return rules.at_finish(operation.part.quantity, good, steps, checklist_required=act.policy.checklist_required)


def running_elsewhere(connection: sqlite3.Connection, operator_id: str, but: Sequence[str]) -> dict[str, str]:
    """Id -> name of the operations on which this person's time runs, without these and what runs as a batch with them."""
    asked = {"operator_id": operator_id, "but": encode([*but])}
    return {row[0]: row[1] for row in connection.execute(_RUNNING, asked)}


def _ids(operation: Operation) -> dict[str, str]:
    return {"operation_id": operation.id, "part_id": operation.part.id, "job_id": operation.job.id}


def earlier(connection: sqlite3.Connection, ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """The operations before it that are open. `ids`: operation_id, part_id, job_id."""
    return [dict(row) for row in connection.execute(_EARLIER, ids)]


def children(connection: sqlite3.Connection, ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """The parts that its part is assembled of and that are open."""
    return [dict(row) for row in connection.execute(_CHILDREN, ids)]


def next_cell(connection: sqlite3.Connection, ids: Mapping[str, str]) -> dict[str, Any] | None:
    """Where the part goes from here, with how much is in work and how much waits there."""
    row = connection.execute(_NEXT, ids).fetchone()
    return {**dict(row), "enforce_wip_limit": bool(row["enforce_wip_limit"])} if row else None


# ------------------------------------------------------------------ what a tap names


def pieces(payload: Mapping[str, Any]) -> int:
    """How many it reports, of whatever kind."""
    scrap = sum(one["quantity"] for one in payload.get("scrap") or ())
    total: int = payload.get("good", 0) + payload.get("rework", 0) + scrap
    return total


def named(connection: sqlite3.Connection, operation_id: str) -> dict[str, Any]:
    """job_number, part_number, cell_name."""
    return dict(connection.execute(_NAMED, (operation_id,)).fetchone())


def standstills(connection: sqlite3.Connection, operation_id: str) -> list[str]:
    """The issues that hold it."""
    return [row[0] for row in connection.execute(_STANDSTILLS, (operation_id,))]


def category(connection: sqlite3.Connection, category_id: str | None) -> dict[str, Any] | None:
    """description, severity_default. Raises Invalid."""
    if category_id is None:
        return None
    sql = "SELECT description, severity_default FROM issue_categories WHERE id = ?"
    row = connection.execute(sql, (category_id,)).fetchone()
    if row is None:
        message = f'no issue category has the id "{category_id}"'
        raise Invalid(message, [{"field": "category_id", "message": message, "constraint": "FK_CONSTRAINT"}])
    return dict(row)


def require_step(connection: sqlite3.Connection, substep_id: str, operation_id: str) -> None:
    """Raises NotFound."""
    sql = "SELECT 1 FROM substeps WHERE id = ? AND operation_id = ?"
    if connection.execute(sql, (substep_id, operation_id)).fetchone() is None:
        raise NotFound("the operation's checklist has no such step")
