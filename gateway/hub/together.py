"""Parts and jobs with work in the cells of several gateways: none of them sees all of it, so the hub says how they stand."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.jobs import rollup, rules
from gateway.jobs import store as jobs
from gateway.jobs.events import ROLLUP
from gateway.jobs.model import Status, minutes
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, encode

# table -> the columns of a state, as clients call them
_STATES: Mapping[str, tuple[str, ...]] = {
    "jobs": ("status", "started_at", "paused_at", "resumed_at", "completed_at", "actual_duration", "current_cell_id"),
    "parts": ("status", "current_cell_id"),
    "operations": ("status", "started_at", "paused_at", "resumed_at", "completed_at", "completion_percentage"),
}
STATE = frozenset(
    "status started_at paused_at resumed_at completed_at actual_duration_s current_cell_id moved_at completion_percentage "
    "status_before_hold".split()
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
_TOLD = "SELECT 1 FROM events WHERE lane = ? AND aggregate = ? AND type = ? AND origin = ?"
_LAST = "SELECT max(coalesce(moved_at, completed_at, started_at)) FROM operations WHERE part_id = ?"


@dataclass(frozen=True, slots=True)
class Judged:
    """What of the columns is written. `refused`: the state is another one here, and stays so; `ended_at`: it is the same, and was
    reached only then. The sender is told of both.
    """

    values: Mapping[str, Any]
    refused: bool = False
    ended_at: datetime | None = None


def judge(tx: Tx, table: str, row_id: str, values: Mapping[str, Any], data: Mapping[str, Any]) -> Judged:
    """A change of state by somebody who may not know all of the work."""
    if table not in _STATES or "status" not in values:
        return Judged(values)
    if data.get("new_status", values["status"]) != values["status"]:
        # It has moved on since, and a later entry tells that; times that it does not touch are told here.
        return Judged({name: value for name, value in values.items() if name != "status"})
    bare = {name: value for name, value in values.items() if name not in STATE}
    row = tx.execute(f"SELECT status FROM {table} WHERE id = ?", (row_id,)).fetchone()  # nosec B608 # noqa: S608 -- one of _STATES
    completed = row is not None and row[0] == Status.COMPLETED
    if values["status"] == Status.COMPLETED:
        early = table != "operations" and data.get("cause") == ROLLUP and _open_below(tx, table, row_id)
        if early:
            return Judged(bare, refused=True)
        return _ended(tx, row_id, values) if table == "jobs" and data.get("cause") == ROLLUP else Judged(values)
    moot = completed and data.get("previous_status") != Status.COMPLETED
    return Judged(bare, refused=True) if moot else Judged(values)


def told_here(tx: Tx, own_id: str, lane: str, aggregate: str, kind: str) -> bool:
    """Has it been counted up here already, and told?"""
    return tx.execute(_TOLD, (lane, aggregate, kind, own_id)).fetchone() is not None


def _open_below(tx: Tx, table: str, row_id: str) -> bool:
    """The sender has counted up its own share of the work to the end; what is here is not all done."""
    below = jobs.below_job(tx, row_id) if table == "jobs" else jobs.below_part(tx, row_id)
    return below.completed < below.count


def _ended(tx: Tx, job_id: str, values: Mapping[str, Any]) -> Judged:
    """The sender's work was what was missing, but it may be told late: somebody else's, which is here already, was done later."""
    last, ended = jobs.last_completed_at(tx, job_id), time_.parse(values["completed_at"])
    if last is None or last <= ended:
        return Judged(values)
    duration_s = values.get("actual_duration_s")
    more_s = round((last - ended).total_seconds())
    times = {"completed_at": time_.text(last), "actual_duration_s": None if duration_s is None else duration_s + more_s}
    return Judged({**values, **times}, ended_at=last)


def told_as_kept(data: Mapping[str, Any], judged: Judged, at: datetime, claimed: datetime) -> dict[str, Any]:
    """The payload of job.completed with the times that the row has here; that of who tells it is kept beside them."""
    duration_s = judged.values["actual_duration_s"]
    return {
        **data,
        "timestamp": time_.zulu(at),
        "completed_at": judged.values["completed_at"],
        "actual_duration": None if duration_s is None else minutes(duration_s),
        "actual_duration_seconds": duration_s,
        "occurred_at_claimed": time_.text(claimed),
    }


def corrected(tx: Tx, stamp: Stamp, lane: str, aggregate: str, change: Change) -> None:
    """An entry of our own, so that everybody is told how the row stands: the sender thinks otherwise."""
    names = _STATES[change.table]
    told = Change(change.table, change.id, "update", change.version, names)
    journal.append(tx, stamp, [Event(lane, aggregate, stamp.now, (told,))])


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
