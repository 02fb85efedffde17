"""When an operation moves, its part and job follow: same transaction, same journal."""

from datetime import datetime
from typing import Any

from gateway.jobs import rules, store
from gateway.jobs.model import Job, Part, Status
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.outbox.event import Change, Event, EventType, Stamp, job_lane

_PART_TYPES = {Status.IN_PROGRESS: EventType.PART_STARTED, Status.COMPLETED: EventType.PART_COMPLETED}
_JOB_TYPES = {Status.IN_PROGRESS: EventType.JOB_STARTED, Status.COMPLETED: EventType.JOB_COMPLETED}


def roll_up(tx: Tx, stamp: Stamp, part: Part, job: Job, at: datetime) -> list[Event]:
    """Save what the part and its job became; the events that tell it, none when nothing moved."""
    part_after = rules.roll_up_part(part, store.works_of(tx, part.id))
    if part_after == part:
        return []
    events = [_part_event(part, part_after, job, at, store.save_part(tx, part_after, stamp.text))]
    job_after = rules.roll_up_job(job, store.part_states(tx, job.id), store.running_in(tx, job.id), at)
    if job_after != job:
        events.append(_job_event(job, job_after, at, store.save_job(tx, job_after, at, stamp.text)))
    return events


def _part_event(before: Part, after: Part, job: Job, at: datetime, change: Change) -> Event:
    lane, aggregate = job_lane(job.id), f"part:{after.id}"
    if before.status is after.status:
        return Event(lane, aggregate, at, (change,))
    reopened = before.status is Status.COMPLETED
    data: dict[str, Any] = {
        "part_id": after.id,
        "part_number": after.part_number,
        "job_id": job.id,
        "job_number": job.job_number,
        "customer": job.customer or "",
        "quantity": after.quantity,
        "material": after.material,
        "previous_status": before.status,
        "new_status": after.status,
        "timestamp": time_.zulu(at),
        "cause": "rollup",
    }
    if after.status in (Status.IN_PROGRESS, Status.COMPLETED):
        data["completed_at" if after.status is Status.COMPLETED else "started_at"] = time_.text(at)
    kind = EventType.PART_UPDATED if reopened else _PART_TYPES.get(after.status, EventType.PART_UPDATED)
    return Event(lane, aggregate, at, (change,), kind, data)


def _job_event(before: Job, after: Job, at: datetime, change: Change) -> Event:
    lane, aggregate = job_lane(after.id), f"job:{after.id}"
    if before.status is after.status:
        return Event(lane, aggregate, at, (change,))
    reopened = before.status is Status.COMPLETED
    kind = EventType.JOB_UPDATED if reopened else _JOB_TYPES.get(after.status, EventType.JOB_UPDATED)
    return Event(lane, aggregate, at, (change,), kind, job_data(before, after, at) | {"cause": "rollup"})


def job_data(before: Job, after: Job, at: datetime) -> dict[str, Any]:
    """The payload of the events about a job's state."""
    data: dict[str, Any] = {
        "job_id": after.id,
        "job_number": after.job_number,
        "customer": after.customer or "",
        "previous_status": before.status,
        "new_status": after.status,
        "timestamp": time_.zulu(at),
        "started_at": time_.text(after.started_at) if after.started_at else None,
        "completed_at": None,
        "actual_duration": None,
    }
    if after.status is Status.COMPLETED and after.started_at:
        seconds = round((at - after.started_at).total_seconds())
        data |= {"completed_at": time_.text(at), "actual_duration": round(seconds / 60), "actual_duration_seconds": seconds}
    return data
