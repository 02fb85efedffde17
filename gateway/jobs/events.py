"""What the world is told about jobs and parts: the payloads, and in whose lane they go."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from gateway.jobs.model import Job, Part, Status, minutes
from gateway.kernel import clock as time_
from gateway.outbox.event import Change, Event, EventType, job_lane

ROLLUP = "rollup"  # the `cause` of what followed from the work below


def of_job(
    job_id: str,
    at: datetime,
    changes: tuple[Change, ...],
    kind: EventType | None = None,
    data: dict[str, Any] | None = None,
) -> Event:
    return Event(job_lane(job_id), f"job:{job_id}", at, changes, kind, data)


def of_part(
    part_id: str,
    job_id: str,
    at: datetime,
    changes: tuple[Change, ...],
    kind: EventType | None = None,
    data: dict[str, Any] | None = None,
) -> Event:
    return Event(job_lane(job_id), f"part:{part_id}", at, changes, kind, data)


def job_moved(before: Job, after: Job, at: datetime, *, cause: str, claimed: datetime | None = None) -> dict[str, Any]:
    """Payload of job.started, stopped, resumed, completed: the state before and after."""
    data: dict[str, Any] = {
        "job_id": after.id,
        "job_number": after.job_number,
        "customer": after.customer or "",
        "previous_status": before.status,
        "new_status": after.status,
        "timestamp": time_.zulu(at),
        "started_at": _text(after.started_at),
        "completed_at": _text(after.completed_at),
        "actual_duration": None if after.actual_duration_s is None else minutes(after.actual_duration_s),
        "actual_duration_seconds": after.actual_duration_s,
        "cause": cause,
    }
    if claimed and claimed != at:
        data["occurred_at_claimed"] = time_.text(claimed)
    return data


def part_moved(before: Part, after: Part, job: Job, at: datetime, *, cause: str) -> dict[str, Any]:
    """Payload of part.started, part.completed and of a part's other changes of state."""
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
        "cause": cause,
    }
    if after.status in (Status.IN_PROGRESS, Status.COMPLETED):
        data["completed_at" if after.status is Status.COMPLETED else "started_at"] = time_.text(at)
    return data


def status_updated(external_id: str | None, at: datetime) -> dict[str, Any]:
    """What job.updated and part.updated say more, when it is the state that has changed."""
    return {"changes": ["status"], "external_id": external_id, "updated_at": time_.text(at)}


def job_type(before: Job, after: Job) -> EventType | None:
    """What a roll-up did to a job. None: only its cell."""
    if before.status is after.status:
        return None
    if after.status is Status.COMPLETED:
        return EventType.JOB_COMPLETED
    return EventType.JOB_UPDATED if before.status is Status.COMPLETED else EventType.JOB_STARTED


def part_type(before: Part, after: Part) -> EventType | None:
    """What became of a part. Only the first start is `part.started`; a part that is taken up again is `part.updated`."""
    if before.status is after.status:
        return None
    if after.status is Status.COMPLETED:
        return EventType.PART_COMPLETED
    first = before.status is Status.NOT_STARTED and after.status is Status.IN_PROGRESS
    return EventType.PART_STARTED if first else EventType.PART_UPDATED


def job_created(job: Job, *, parts: int, operations: int, at: datetime) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "job_number": job.job_number,
        "customer": job.customer or "",
        "status": job.status,
        "parts_count": parts,
        "operations_count": operations,
        "created_at": time_.text(at),
    }


def part_created(
    part: Part, job: Job, *, external_id: str | None, external_source: str | None, at: datetime
) -> dict[str, Any]:
    return {
        "part_id": part.id,
        "part_number": part.part_number,
        "job_id": job.id,
        "job_number": job.job_number,
        "customer": job.customer or "",
        "quantity": part.quantity,
        "material": part.material,
        "status": part.status,
        "external_id": external_id,
        "external_source": external_source,
        "created_at": time_.text(at),
    }


def job_updated(job: Job, changes: Iterable[str], external_id: str | None, at: datetime) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "job_number": job.job_number,
        "customer": job.customer or "",
        "changes": list(changes),
        "external_id": external_id,
        "updated_at": time_.text(at),
    }


def part_updated(part: Part, job: Job, changes: Iterable[str], external_id: str | None, at: datetime) -> dict[str, Any]:
    return {
        "part_id": part.id,
        "part_number": part.part_number,
        "job_id": job.id,
        "job_number": job.job_number,
        "customer": job.customer or "",
        "changes": list(changes),
        "external_id": external_id,
        "updated_at": time_.text(at),
    }


def _text(at: datetime | None) -> str | None:
    return time_.text(at) if at else None
