"""When an operation moves, its part and job follow: same transaction, same journal.

The cloud does this in the browser only, so these changes go up as requests of their own, like anybody else's.
"""

from datetime import datetime

from gateway.jobs import events, rules, store
from gateway.jobs.model import Job, Part, Status
from gateway.kernel.db import Tx
from gateway.outbox.event import Event, EventType, Stamp


def roll_up(tx: Tx, stamp: Stamp, part: Part, job: Job, at: datetime) -> list[Event]:
    """Save what the part and its job became; the events that tell it, none when nothing moved."""
    after = rules.roll_up_part(part, store.below_part(tx, part.id))
    reopened = part.status is Status.COMPLETED and after.status is not Status.COMPLETED
    told = []
    if after != part:
        change = store.save_part(tx, part, after, stamp.text)
        kind = events.part_type(part, after)
        data = events.part_moved(part, after, job, at, cause=events.ROLLUP) if kind else None
        if data and kind is EventType.PART_UPDATED:
            data |= events.status_updated(store.external_id(tx, part), stamp.now)
        told.append(events.of_part(part.id, job.id, at, (change,), kind, data))
    return [*told, *roll_up_job(tx, stamp, job, at, reopened=reopened)]


def roll_up_job(tx: Tx, stamp: Stamp, job: Job, at: datetime, *, reopened: bool = False) -> list[Event]:
    """The same for the job alone; `reopened`: new work has come into it."""
    parts = store.below_job(tx, job.id)
    if parts.count == parts.completed:  # what is booked last need not be what happened last
        at = max(at, store.last_completed_at(tx, job.id) or at)
    after = rules.roll_up_job(job, parts, at, reopened=reopened)
    if after == job:
        return []
    change = store.save_job(tx, job, after, stamp.text)
    kind = events.job_type(job, after)
    data = events.job_moved(job, after, at, cause=events.ROLLUP) if kind else None
    if data and kind is EventType.JOB_UPDATED:
        data |= events.status_updated(store.external_id(tx, job), stamp.now)
    return [events.of_job(job.id, at, (change,), kind, data)]
