"""When the machine's clock is set: instants that were written by the wrong clock are restated in the right one.

Durations come from instants, so without this an operation that was started in 1970 would have taken half a century. What is
open (running, paused) always moves with the clock. What is over is left, unless the old clock was never set at all.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from gateway.batches.resources import BATCHES
from gateway.catalog import store as rows_
from gateway.catalog.resources import Resource
from gateway.jobs.resources import JOBS
from gateway.kernel import clock as time_
from gateway.kernel import state, trail
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import GatewayError, Unavailable
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.kernel.steady import STEP_MIN, SteadyClock, Step, boot
from gateway.kernel.trail import Act
from gateway.operations.quantities.resources import QUANTITIES
from gateway.operations.resources import OPERATIONS
from gateway.operations.time_entries.resources import TIME_ENTRIES
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, job_lane, row_lane
from gateway.transfer.tables import BY_NAME

LOOK_EVERY_S = 1.0
_KEY = "clock"
_LIFECYCLE = ("started_at", "paused_at", "resumed_at", "completed_at", "moved_at")
_PAUSES = "SELECT id, paused_at, resumed_at FROM time_entry_pauses WHERE time_entry_id = ?"
_MOVE_PAUSE = "UPDATE time_entry_pauses SET paused_at = ?, resumed_at = ? WHERE id = ?"

# What ends after a while by the wall clock, and is not over yet: it lasts as long as was meant, however the clock is set.
_LIVING = (
    ("terminal_sessions", "started_at", "ended_at IS NULL"),
    ("terminal_codes", "expires_at", "1"),
    ("terminal_pins", "locked_until", "1"),
    ("cloud_rows", "unsettled_until", "1"),
    ("cloud_rows", "seen_at", "1"),  # a reading that began before it is not believed
)
_AHEAD_MAX = timedelta(hours=1)  # none of the ends above lies further away

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Written:
    """A table with instants that our clock wrote. `open`: which of its rows are not over."""

    resource: Resource
    aggregate: str
    instants: tuple[str, ...]
    open: str


_TABLES = (
    _Written(TIME_ENTRIES, "time_entry", ("start_time", "end_time"), "end_time IS NULL"),
    _Written(OPERATIONS, "operation", _LIFECYCLE, "status IN ('in_progress', 'on_hold')"),
    _Written(JOBS, "job", _LIFECYCLE, "status IN ('in_progress', 'on_hold')"),
    _Written(QUANTITIES, "quantity", ("recorded_at",), "0"),
    _Written(BATCHES, "batch", ("started_at", "completed_at"), "status = 'in_progress'"),
)


class Timekeeping:
    """`run` never returns. Raises Unavailable when the disk does not take a correction: until it does, the old time goes on."""

    def __init__(self, db: Database, clock: SteadyClock, new_id: NewId, origin: str, link: Link) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._origin = origin
        self._link = link

    async def run(self) -> None:
        await self._since_last_run()
        while True:
            if step := self._clock.step():
                await self._set(step)
            self._link.up()
            await self._clock.sleep(LOOK_EVERY_S)

    async def _since_last_run(self) -> None:
        """Was it set while we were not running? Only within one start of the machine can that be told."""
        found = await self._db.read(state.get, _KEY)
        known = json.loads(found) if found else {}
        offset_s = self._clock.offset_s
        moved = timedelta(seconds=offset_s - known.get("offset_s", offset_s))
        if known.get("boot") == boot() != "" and abs(moved) >= STEP_MIN:
            now = self._clock.now()
            began = datetime.fromtimestamp(known["offset_s"], now.tzinfo)
            await self._corrected(Step(began, now - moved, moved))
        await self._db.write(_store, offset_s)

    async def _set(self, step: Step) -> None:
        """Adopted before the write is queued: who asked before has the old time and is before it in the queue, too."""
        self._clock.adopt(step)
        try:
            await self._corrected(step)
        except GatewayError as exc:
            self._clock.refuse(step)
            raise Unavailable(f"the clock was set by {step.by}, and that cannot be put right yet: {exc}") from exc

    async def _corrected(self, step: Step) -> None:
        stamp = Stamp(self._clock.now(), self._origin, self._new_id)
        rows = await self._db.write(correct, stamp, step, self._clock.offset_s)
        log.warning("clock.set", by_s=round(step.by.total_seconds()), corrected=rows)


def correct(tx: Tx, stamp: Stamp, step: Step, offset_s: float) -> int:
    """Move the instants that were written between the machine's start and the step. Returns how many rows have some."""
    events = []
    for table in _TABLES:
        for row in _written_by_it(tx, table, step):
            events += _moved(tx, stamp, table, row, step)
    journal.append(tx, stamp, events)
    _move_ends(tx, step)
    told = json.dumps({"by_s": round(step.by.total_seconds()), "corrected": len(events)})
    trail.add(tx, stamp.new_id(), stamp.text, Act(trail.BOX, trail.INSIDE, "clock.set", told))
    _store(tx, offset_s)
    return len(events)


def _written_by_it(tx: Tx, table: _Written, step: Step) -> list[dict[str, Any]]:
    within = " OR ".join(f"{name} BETWEEN :began AND :ended" for name in table.instants)
    which = f"({within})" if not time_.trusted(step.ended) else f"{table.open} AND ({within})"
    if table.resource is TIME_ENTRIES:  # one that runs since yesterday may have been paused by it
        which = f"{which} OR {table.open}"
    sql = f"SELECT * FROM {table.resource.table} WHERE {which}"  # nosec B608 # noqa: S608 -- declared names only
    asked = {"began": time_.text(step.began), "ended": time_.text(step.ended)}
    return [dict(row) for row in tx.execute(sql, asked)]


def _moved(tx: Tx, stamp: Stamp, table: _Written, row: Mapping[str, Any], step: Step) -> list[Event]:
    values = _restated(row, table.instants, step)
    paused = _move_pauses(tx, row["id"], step) if table.resource is TIME_ENTRIES else False
    if not values and not paused:
        return []
    change = rows_.update(tx, table.resource, row["id"], values or {"start_time": row["start_time"]})
    change = Change(change.table, change.id, "update", change.version, (*values, *(("pauses",) if paused else ())))
    told = {"corrected": {name: value for name, value in values.items() if name != "moved_at"}}
    return [
        Event(
            _lane(tx, table.resource.table, row["id"]),
            f"{table.aggregate}:{row['id']}",
            stamp.now,
            (change,),
            None,
            told,
        )
    ]


def _restated(row: Mapping[str, Any], instants: Sequence[str], step: Step) -> dict[str, str]:
    began, ended = time_.text(step.began), time_.text(step.ended)
    wrong = (name for name in instants if row[name] is not None and began <= row[name] <= ended)
    return {name: time_.text(time_.parse(row[name]) + step.by) for name in wrong}


def _move_pauses(tx: Tx, entry_id: str, step: Step) -> bool:
    moved = False
    for pause in map(dict, tx.execute(_PAUSES, (entry_id,)).fetchall()):
        if values := _restated(pause, ("paused_at", "resumed_at"), step):
            stands = pause | values
            tx.execute(_MOVE_PAUSE, (stands["paused_at"], stands["resumed_at"], stands["id"]))
            moved = True
    return moved


def _move_ends(tx: Tx, step: Step) -> None:
    tx.create_function("restated", 1, lambda written: time_.text(time_.parse(written) + step.by), deterministic=True)
    within = (time_.text(step.began), time_.text(step.ended + _AHEAD_MAX))
    for table, column, living in _LIVING:
        where = f"{living} AND {column} BETWEEN ? AND ?"
        tx.execute(f"UPDATE {table} SET {column} = restated({column}) WHERE {where}", within)  # nosec B608 # noqa: S608 -- declared names


def _lane(tx: Tx, table: str, row_id: str) -> str:
    job = BY_NAME[table].job
    return job_lane(tx.execute(job, (row_id,)).fetchone()[0]) if job else row_lane(table, row_id)


def _store(tx: Tx, offset_s: float) -> None:
    state.put(tx, _KEY, json.dumps({"boot": boot(), "offset_s": offset_s}))
