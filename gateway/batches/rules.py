"""When may a batch change, what may it hold, who gets which share of its time. Pure: values in, values out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.batches.model import Batch, BatchStatus, ChangeBatch, Distribution, Mode, Share, Type
from gateway.batches.resources import IMAGES
from gateway.jobs.model import MINUTE_S, Status, latest, minutes
from gateway.jobs.rules import effective
from gateway.kernel import clock as time_
from gateway.kernel.errors import BadRequest, InvalidTransition
from gateway.kernel.ids import is_uuid
from gateway.operations.model import Operation, TimeEntry, Verb, shares
from gateway.operations.rules import require_free_of_standstill

OPERATIONS_MAX = 200  # in one batch: all of them are started, and stopped, in one transaction
_ROUNDS_DOWN_S, _ROUNDS_UP_S = MINUTE_S // 2 - 1, MINUTE_S // 2  # beyond a whole minute, and before it

# action -> (states it is allowed from, state it leads to)
ACTIONS: Mapping[str, tuple[tuple[BatchStatus, ...], BatchStatus]] = {
    "start": ((BatchStatus.DRAFT, BatchStatus.READY), BatchStatus.IN_PROGRESS),
    "stop": ((BatchStatus.IN_PROGRESS,), BatchStatus.COMPLETED),
}
# state -> what an update may make of it. Into and out of `in_progress` only the actions lead: time hangs on them.
UPDATES: Mapping[BatchStatus, tuple[BatchStatus, ...]] = {
    BatchStatus.DRAFT: (BatchStatus.READY, BatchStatus.BLOCKED, BatchStatus.CANCELLED),
    BatchStatus.READY: (BatchStatus.DRAFT, BatchStatus.BLOCKED, BatchStatus.CANCELLED),
    BatchStatus.BLOCKED: (BatchStatus.DRAFT, BatchStatus.READY),
    BatchStatus.IN_PROGRESS: (),
    BatchStatus.COMPLETED: (),
    BatchStatus.CANCELLED: (),
}
FIRST = (BatchStatus.DRAFT, BatchStatus.READY)  # what a new batch may be, and in which operations are added


def require_action(batch: Batch, action: str) -> None:
    """[U] in the words, and with the code, of the cloud. Raises BadRequest."""
    allowed, _ = ACTIONS[action]
    if batch.status not in allowed:
        details = {"current_status": batch.status, "requested": action, "allowed_from": [*allowed]}
        raise BadRequest(f"Cannot {action} batch in '{batch.status}' status", details)


def require_update(status: BatchStatus, target: BatchStatus) -> None:
    """Raises InvalidTransition."""
    if target in UPDATES[status]:
        return
    sources = [source for source, targets in UPDATES.items() if target in targets]
    action = next((name for name, (_, leads_to) in ACTIONS.items() if leads_to is target), None)
    way = f" That is what /api-batch-lifecycle/{action} does." if action else ""
    raise InvalidTransition(
        f"Cannot set batch with status '{status}' to '{target}'.{way}",
        {"current_status": status, "requested": target, "allowed_from": sources},
    )


def require_row(row: Mapping[str, Any], given: Mapping[str, Any], tenant_id: str) -> None:
    """The batch rules of a row as it will be; `given` is what the client said of it. Raises BadRequest."""
    if row["production_mode"] == Mode.AUTOMATED and row["batch_type"] != Type.LASER_NESTING:
        message = f"production_mode 'automated' is for batch_type 'laser_nesting' only, not for '{row['batch_type']}'"
        raise _refused("production_mode", message, "CHECK_CONSTRAINT")
    for name in IMAGES:
        path = given.get(name)
        if path is not None and (not path.startswith(f"{tenant_id}/") or ".." in path.split("/")):
            raise _refused(
                name, f"{name} must be the path of an object below {tenant_id}/, not an address", "PATTERN_MISMATCH"
            )


def members(given: object, code: str = "BAD_REQUEST") -> list[str]:
    """`operation_ids` as they are stored. Raises BadRequest with the code that the caller's endpoint has for it."""
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise _refused("operation_ids", "operation_ids must be a list of ids", "TYPE_MISMATCH", code)
    if len(given) > OPERATIONS_MAX:
        message = f"operation_ids holds {len(given)} ids: a batch has at most {OPERATIONS_MAX} operations"
        raise _refused("operation_ids", message, "MAX_LENGTH", code)
    ids = [one.lower() for one in given]
    if len(set(ids)) != len(ids):
        raise _refused(
            "operation_ids", "operation_ids must be unique: one of them stands there twice", "UNIQUE_CONSTRAINT", code
        )
    return ids


def require_free(ids: Sequence[str], found: Mapping[str, tuple[str, str | None]], code: str = "BAD_REQUEST") -> None:
    """`found`: id of a live operation -> (its cell, the number of the batch that it is in). Raises BadRequest."""
    for place, one in enumerate(ids):
        field = f"operation_ids[{place}]"
        if not is_uuid(one) or one not in found:
            raise _refused(field, f'no operation has the id "{one[:100]}"', "FK_CONSTRAINT", code)
        _, batch_number = found[one]
        if batch_number is not None:
            message = f'operation {one} is in batch "{batch_number}" already: an operation is in one batch at most'
            raise _refused(field, message, "UNIQUE_CONSTRAINT", code)


def _refused(field: str, message: str, constraint: str, code: str = "BAD_REQUEST") -> BadRequest:
    return BadRequest(message, [{"field": field, "message": message, "constraint": constraint}], code=code)


# ------------------------------------------------------------------ start and stop


def started(batch: Batch, operations: Sequence[Operation], wish: ChangeBatch, now: datetime) -> Batch:
    """The batch in progress. What is completed already takes no part in it. Raises BadRequest, InvalidTransition."""
    require_action(batch, "start")
    if not operations:
        raise BadRequest("Batch has no operations: add some first")
    open_ = unfinished(operations)
    if not open_:
        raise BadRequest("Every operation of the batch is completed already")
    operator_id = wish.operator_id if batch.automated else wish.by
    if operator_id is None and not batch.automated:
        raise BadRequest("operator_id is required: only an automated laser_nesting batch runs without an operator")
    for one in open_:
        require_free_of_standstill(one, Verb.START)
    at = _at(batch, open_, wish, now)
    return replace(batch, status=BatchStatus.IN_PROGRESS, started_by=operator_id, started_at=at)


def unfinished(operations: Sequence[Operation]) -> list[Operation]:
    return [one for one in operations if one.status is not Status.COMPLETED]


def stopped(batch: Batch, operations: Sequence[Operation], wish: ChangeBatch, now: datetime) -> Batch:
    """The batch completed. Raises BadRequest."""
    require_action(batch, "stop")
    at = _at(batch, unfinished(operations), wish, now)
    return replace(batch, status=BatchStatus.COMPLETED, completed_at=at)


def _at(batch: Batch, operations: Sequence[Operation], wish: ChangeBatch, now: datetime) -> datetime:
    """One instant for all of them: not before any of them last moved."""
    return effective(wish.occurred_at, latest(batch.last_at, *(one.last_at for one in operations)), now)


def moment(batch: Batch) -> datetime:
    """When it came into the state that it is in now: of a batch that was started or stopped."""
    at = batch.completed_at or batch.started_at
    assert at is not None, batch  # nosec B101 # noqa: S101 -- `started` and `stopped` say when
    return at


def held(operations: Sequence[Operation]) -> list[str]:
    """What to tell who stops a batch while an issue holds some of its operations."""
    return [
        f'operation {one.id} "{one.operation_name}" stays on hold: an open standstill issue holds it; its time is booked'
        for one in operations
        if one.held and one.status is Status.ON_HOLD
    ]


def source(batch: Batch) -> str:
    """Who watches over it while it runs."""
    return "machine" if batch.automated and batch.started_by is None else "operator"


def distribution(
    batch: Batch, operations: Sequence[Operation], entries: Mapping[str, TimeEntry], at: datetime
) -> Distribution:
    """The time of a batch that ends at `at`, shared among the operations on which its time still runs.

    `entries`: operation id -> the open entry of the batch's operator on it. Wall clock since the first of them began; of a
    machine since the start. What was ended on its own before has its time already.
    """
    if source(batch) == "machine":
        sharing = unfinished(operations)
        since = batch.started_at
    else:
        sharing = [one for one in operations if one.id in entries]
        since = min((entry.start_time for entry in entries.values()), default=None)
    if not sharing or since is None:
        return Distribution("none", 0, 0, {})
    total_s = max(0, round((at - since).total_seconds()))
    weighted = all(one.estimated_time > 0 for one in sharing)
    weights = [one.estimated_time if weighted else 1 for one in sharing]
    found = shared(total_s, weights)
    ids = [one.id for one in sharing]
    method = "weighted" if weighted else "equal"
    return Distribution(method, total_s, minutes(total_s), dict(zip(ids, found, strict=True)))


def shared(total_s: int, weights: Sequence[int]) -> list[Share]:
    """Shares that add up exactly in seconds, and rounded to minutes as well: the cloud keeps minutes.

    Seconds by largest remainder, minutes by largest remainder; then each number of seconds is moved to where it rounds to
    its minutes, which takes less than a minute, and what that leaves over goes where there is room: to the large shares
    what is missing, from the small ones what is too much. So nobody gets more than who weighs more.
    """
    in_minutes = shares(minutes(total_s), weights)
    low = [max(0, one * MINUTE_S - _ROUNDS_UP_S) for one in in_minutes]
    high = [one * MINUTE_S + _ROUNDS_DOWN_S for one in in_minutes]
    found = [min(max(one, least), most) for one, least, most in zip(shares(total_s, weights), low, high, strict=True)]
    left = total_s - sum(found)
    for place in sorted(range(len(found)), key=lambda one: (weights[one], in_minutes[one]), reverse=left > 0):
        moved = min(max(left, low[place] - found[place]), high[place] - found[place])
        found[place] += moved
        left -= moved
    return [Share(one, rounded) for one, rounded in zip(found, in_minutes, strict=True)]


# ------------------------------------------------------------------ what the world is told


def about(batch: Batch) -> dict[str, Any]:
    """What every event of a batch and of its operations says of the batch."""
    return {
        "batch_id": batch.id,
        "batch_number": batch.batch_number,
        "batch_type": batch.batch_type,
        "production_mode": batch.production_mode,
        "monitoring_source": source(batch),
    }


def started_data(batch: Batch, operations: int, operator_name: str | None, wish: ChangeBatch) -> dict[str, Any]:
    """Payload of batch.started."""
    return _moved(batch, operations, batch.started_by, operator_name, batch.started_at, wish)


def completed_data(
    batch: Batch,
    operation_ids: Sequence[str],
    operator: tuple[str | None, str | None],
    time: Distribution,
    wish: ChangeBatch,
) -> dict[str, Any]:
    """Payload of batch.completed. `operator`: id and name of who stopped it, or else of whose time ran."""
    return {
        **_moved(batch, len(operation_ids), *operator, batch.completed_at, wish),
        "completed_at": _text(batch.completed_at),
        "total_minutes": time.total_minutes,
        "total_seconds": time.total_s,
        "distribution_method": time.method,
        "distribution": time.told(operation_ids),
    }


def _moved(
    batch: Batch,
    operations: int,
    operator_id: str | None,
    operator_name: str | None,
    at: datetime | None,
    wish: ChangeBatch,
) -> dict[str, Any]:
    data = {
        **about(batch),
        "cell_id": batch.cell_id,
        "cell_name": batch.cell_name,
        "status": batch.status,
        "operations": operations,
        "operator_id": operator_id,
        "operator_name": operator_name,
        "started_at": _text(batch.started_at),
    }
    if wish.occurred_at and wish.occurred_at != at:
        data["occurred_at_claimed"] = _text(wish.occurred_at)
    return data


def _text(at: datetime | None) -> str | None:
    return time_.text(at) if at else None
