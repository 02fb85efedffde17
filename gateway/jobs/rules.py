"""May a job move, and what do parts and jobs become when the work below them moves. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from gateway.jobs.model import Job, Part, Status, Work
from gateway.kernel.errors import InvalidTransition

# verb -> (states it is allowed from, state it leads to)
VERBS: dict[str, tuple[tuple[Status, ...], Status]] = {
    "start": ((Status.NOT_STARTED, Status.ON_HOLD), Status.IN_PROGRESS),
    "stop": ((Status.IN_PROGRESS,), Status.ON_HOLD),
    "resume": ((Status.ON_HOLD,), Status.IN_PROGRESS),
    "complete": ((Status.IN_PROGRESS,), Status.COMPLETED),
}
ALIASES = {"pause": "stop"}


def require(kind: str, verb: str, status: Status, allowed: Sequence[Status]) -> None:
    """Raise InvalidTransition, in the words that today's clients parse, unless `status` is one of `allowed`."""
    if status in allowed:
        return
    either = "' or '".join(allowed)
    raise InvalidTransition(
        f"Cannot {verb} {kind} with status '{status}'. {kind.capitalize()} must be '{either}'.",
        {"current_status": status, "requested": verb, "allowed_from": list(allowed)},
    )


def change(job: Job, verb: str, now: datetime) -> Job:
    """The job after `verb`. Raises InvalidTransition."""
    allowed, target = VERBS[verb]
    require("job", verb, job.status, allowed)
    started_at = job.started_at or now if target is Status.IN_PROGRESS else job.started_at
    return replace(job, status=target, started_at=started_at)


def roll_up_part(part: Part, works: Sequence[Work]) -> Part:
    """`works`: every live operation of the part, whichever gateway's cell it stands in."""
    status = part.status
    if works and part.status is not Status.ON_HOLD:
        if all(work.status is Status.COMPLETED for work in works):
            status = Status.COMPLETED
        elif any(_begun(work) for work in works):
            status = Status.IN_PROGRESS
        else:
            status = Status.NOT_STARTED
    cell_id = None if status is Status.COMPLETED else _current_cell(works) or part.current_cell_id
    return replace(part, status=status, current_cell_id=cell_id)


def roll_up_job(job: Job, parts: Sequence[Status], works: Sequence[Work], at: datetime) -> Job:
    """`parts`: the states of all its live parts; `works`: the operations in progress below it. An explicit hold stays."""
    status = job.status
    if parts and job.status is not Status.ON_HOLD:
        if all(part is Status.COMPLETED for part in parts):
            status = Status.COMPLETED
        elif any(part in (Status.IN_PROGRESS, Status.COMPLETED) for part in parts):
            status = Status.IN_PROGRESS
    started_at = job.started_at if status is job.status else job.started_at or at
    cell_id = None if status is Status.COMPLETED else _current_cell(works)
    return replace(job, status=status, started_at=started_at, current_cell_id=cell_id)


def _begun(work: Work) -> bool:
    return work.status in (Status.IN_PROGRESS, Status.COMPLETED) or (work.status is Status.ON_HOLD and work.started)


def _current_cell(works: Sequence[Work]) -> str | None:
    """Where it stands now: the first cell, in routing order, in which somebody is working on it."""
    running = [work for work in works if work.status is Status.IN_PROGRESS]
    return min(running, key=lambda work: work.cell_sequence).cell_id if running else None
