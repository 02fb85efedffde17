"""In which state a substep is, what that says about its completion, and what the world is told. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.kernel.errors import Invalid
from gateway.operations.model import Operation
from gateway.operations.substeps.model import Status

Row = Mapping[str, Any]


def status_in(given: Row, before: Status) -> Status:
    """`completed` is the older spelling of the state: false only takes a completed one back. Raises Invalid."""
    status = Status(given["status"]) if "status" in given else None
    flag = given.get("completed")
    if flag is None:
        return status or before
    if status is not None and (status is Status.COMPLETED) is not flag:
        message = f'completed is {str(flag).lower()}, status is "{status}": give one of them'
        raise Invalid(message, [{"field": "completed", "message": message, "constraint": "CHECK_CONSTRAINT"}])
    if flag:
        return Status.COMPLETED
    return status or (Status.NOT_STARTED if before is Status.COMPLETED else before)


def completion(given: Row, before: Row, status: Status, *, by: str | None, now: str) -> dict[str, str | None]:
    """When and by whom it was completed. Only a completed one says so, whatever else is given."""
    if status is not Status.COMPLETED:
        return {"completed_at": None, "completed_by": None}
    known = before if before["status"] == Status.COMPLETED else {"completed_at": now, "completed_by": by}
    return {
        "completed_at": given.get("completed_at") or known["completed_at"] or now,
        "completed_by": given.get("completed_by", known["completed_by"]),
    }


def told(row: Row, operation: Operation) -> dict[str, Any]:
    """Payload of step.added and step.completed."""
    return {
        "substep_id": row["id"],
        "operation_id": operation.id,
        "operation_name": operation.operation_name,
        "name": row["name"],
        "sequence": row["sequence"],
        "status": row["status"],
        "part_id": operation.part.id,
        "part_number": operation.part.part_number,
        "job_id": operation.job.id,
        "job_number": operation.job.job_number,
        "cell_id": operation.cell_id,
        "cell_name": operation.cell_name,
        "completed_by": row["completed_by"],
        "completed_at": row["completed_at"],
        "created_at": row["created_at"],
    }
