"""May a job or part change its state, and what do they become when the work below them moves. Pure: values in, values out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway.jobs.model import Below, Job, Part, Status
from gateway.kernel.errors import InvalidTransition
from gateway.outbox.event import EventType

# verb -> (states it is allowed from, state it leads to)
Table = Mapping[str, tuple[tuple[Status, ...], Status]]
VERBS: Table = {
    "start": ((Status.NOT_STARTED, Status.ON_HOLD), Status.IN_PROGRESS),
    "stop": ((Status.IN_PROGRESS,), Status.ON_HOLD),
    "resume": ((Status.ON_HOLD,), Status.IN_PROGRESS),
    "complete": ((Status.IN_PROGRESS,), Status.COMPLETED),
}
ALIASES = {"pause": "stop"}
JOB_EVENTS = {
    "start": EventType.JOB_STARTED,
    "stop": EventType.JOB_STOPPED,
    "resume": EventType.JOB_RESUMED,
    "complete": EventType.JOB_COMPLETED,
}


def change(job: Job, verb: str, at: datetime) -> Job:
    """The job after `verb`. Nothing happens to its parts and operations. Raises InvalidTransition."""
    allowed, target = VERBS[verb]
    require("job", verb, job.status, allowed)
    job = replace(job, moved_at=at)
    if verb == "start":  # the first start is the one that counts
        return replace(job, status=target, started_at=job.started_at or at, paused_at=None)
    if verb == "stop":
        return replace(job, status=target, paused_at=at)
    if verb == "resume":
        return replace(job, status=target, resumed_at=at, paused_at=None)
    return replace(job, status=target, completed_at=at, actual_duration_s=_duration_s(job.started_at, at))


def unfinished(job: Job, parts: Below) -> str | None:
    """What to tell who completes a job before its parts are done: he may."""
    if job.status is not Status.COMPLETED or parts.completed == parts.count:
        return None
    return f"{parts.count - parts.completed} of {parts.count} parts are not completed"


def part_as(part: Part, status: Status) -> Part:
    """The part in another state; a finished one stands nowhere."""
    return replace(part, status=status, current_cell_id=None if status is Status.COMPLETED else part.current_cell_id)


def require(kind: str, verb: str, status: Status, allowed: Sequence[Status]) -> None:
    """Raise InvalidTransition, in the words that today's clients parse, unless `status` is one of `allowed`."""
    if status in allowed:
        return
    either = "' or '".join(allowed)
    raise InvalidTransition(
        f"Cannot {verb} {kind} with status '{status}'. {kind.capitalize()} must be '{either}'.",
        {"current_status": status, "requested": verb, "allowed_from": list(allowed)},
    )


def verb_to(kind: str, table: Table, status: Status, target: Status) -> str:
    """The verb that leads from one state to another: an update of `status` is a transition. Raises InvalidTransition."""
    found = [verb for verb, (allowed, leads_to) in table.items() if leads_to is target and status in allowed]
    if not found:
        sources = sorted({source for allowed, leads_to in table.values() if leads_to is target for source in allowed})
        raise InvalidTransition(
            f"Cannot set {kind} with status '{status}' to '{target}'.",
            {"current_status": status, "requested": target, "allowed_from": sources},
        )
    return found[-1]  # out of a hold both start and resume lead on: it is a resume


def effective(claimed: datetime | None, last: datetime | None, now: datetime) -> datetime:
    """When it counts as having happened: as claimed, but not in the future, and never before what came before it."""
    at = min(claimed, now) if claimed else now
    return max(at, last) if last else at


def roll_up_part(part: Part, operations: Below) -> Part:
    """Completed with the last of its operations, in progress from the first start on. An explicit hold stays.

    A part without operations says of itself how it stands.
    """
    status = part.status
    if operations.count and status is not Status.ON_HOLD:
        if operations.completed == operations.count:
            status = Status.COMPLETED
        else:
            status = Status.IN_PROGRESS if operations.begun else Status.NOT_STARTED
    cell_id = None if status is Status.COMPLETED else operations.running_in or part.current_cell_id
    return replace(part, status=status, current_cell_id=cell_id)


def roll_up_job(job: Job, parts: Below, at: datetime, *, reopened: bool) -> Job:
    """In progress from the first start of a part on, completed with the last of them. An explicit hold stays.

    A job that was completed early stays so while its open work is finished; `reopened`: there is new work in it.
    """
    cell_id = parts.running_in
    if job.status is Status.ON_HOLD:
        return replace(job, current_cell_id=cell_id)
    if parts.count and parts.completed == parts.count:
        return replace(_completed(job, at), current_cell_id=None)
    if job.status is Status.COMPLETED:
        return replace(_reopened(job), current_cell_id=cell_id) if reopened else job
    if job.status is Status.NOT_STARTED and parts.begun:
        return replace(job, status=Status.IN_PROGRESS, started_at=job.started_at or at, current_cell_id=cell_id)
    return replace(job, current_cell_id=cell_id)


def _completed(job: Job, at: datetime) -> Job:
    if job.status is Status.COMPLETED:
        return job
    started_at = job.started_at or at
    duration_s = _duration_s(started_at, at)
    return replace(job, status=Status.COMPLETED, started_at=started_at, completed_at=at, actual_duration_s=duration_s)


def _reopened(job: Job) -> Job:
    return replace(job, status=Status.IN_PROGRESS, completed_at=None, actual_duration_s=None)


def _duration_s(started_at: datetime | None, at: datetime) -> int | None:
    """Wall clock; holds are not taken out, as in the cloud."""
    return max(0, round((at - started_at).total_seconds())) if started_at else None
