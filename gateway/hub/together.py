"""Parts and jobs with work in the cells of several gateways: none of them sees all of it, so the hub says how they stand."""

from collections.abc import Collection

from gateway.jobs import rollup, rules
from gateway.jobs import store as jobs
from gateway.jobs.events import ROLLUP
from gateway.jobs.model import Status
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.outbox import journal
from gateway.outbox.event import Stamp, encode

STATE = frozenset(
    "status started_at paused_at resumed_at completed_at actual_duration_s current_cell_id moved_at".split()
)
_SPANNING = """
SELECT DISTINCT part_id FROM operations o WHERE id IN (SELECT value FROM json_each(:moved))
AND EXISTS (SELECT 1 FROM hub_cells WHERE gateway_id = :gateway)
AND EXISTS (SELECT 1 FROM parts p JOIN jobs j ON j.id = p.job_id
  WHERE p.id = o.part_id AND p.deleted_at IS NULL AND j.deleted_at IS NULL)
AND EXISTS (SELECT 1 FROM parts p JOIN parts q ON q.job_id = p.job_id JOIN operations other ON other.part_id = q.id
  LEFT JOIN hub_cells h ON h.cell_id = other.cell_id
  WHERE p.id = o.part_id AND q.deleted_at IS NULL AND other.deleted_at IS NULL AND h.gateway_id IS NOT :gateway)
ORDER BY part_id
"""
_LAST = "SELECT max(coalesce(moved_at, completed_at, started_at)) FROM operations WHERE part_id = ?"


def premature(tx: Tx, table: str, row_id: str, status: object, cause: object) -> bool:
    """The sender has counted up its own share of the work to the end; what is here is not all done."""
    if status != Status.COMPLETED or cause != ROLLUP:
        return False
    below = jobs.below_job(tx, row_id) if table == "jobs" else jobs.below_part(tx, row_id)
    return below.completed < below.count


def completed_already(tx: Tx, table: str, row_id: str) -> bool:
    row = tx.execute(f"SELECT status FROM {table} WHERE id = ?", (row_id,)).fetchone()  # noqa: S608 -- jobs or parts
    return row is not None and row[0] == Status.COMPLETED


def roll_up(tx: Tx, stamp: Stamp, gateway_id: str, moved: Collection[str]) -> None:
    """`moved`: operations of this gateway that have just changed."""
    if not moved:
        return
    asked = {"moved": encode(sorted(moved)), "gateway": gateway_id}
    for (part_id,) in tx.execute(_SPANNING, asked).fetchall():
        part, job = jobs.get_part(tx, part_id)
        last = tx.execute(_LAST, (part_id,)).fetchone()[0]
        at = time_.parse(last) if last else stamp.now
        if rules.roll_up_part(part, jobs.below_part(tx, part_id)) != part or job.status is not Status.COMPLETED:
            journal.append(tx, stamp, rollup.roll_up(tx, stamp, part, job, at))
