"""May an issue change its state, what follows for its review and verification, and what the world is told. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.kernel.errors import InvalidTransition
from gateway.operations.model import Operation
from gateway.outbox.event import EventType

Given = Mapping[str, Any]

TITLE_FROM_DESCRIPTION = 80  # characters
NCR = "ncr"
_NUMBER_CHARACTERS = 6


class Status(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    CLOSED = "closed"


# state -> the states that it may follow
_FOLLOWS: Mapping[Status, tuple[Status, ...]] = {
    Status.APPROVED: (Status.PENDING,),
    Status.REJECTED: (Status.PENDING,),
    Status.CLOSED: (Status.PENDING, Status.APPROVED, Status.REJECTED),
    Status.PENDING: (Status.REJECTED, Status.CLOSED),
}
# Words of the cloud's validator that its database has no value for -> the value that comes nearest.
CATEGORY_WORDS = {
    "material": "material_defect",
    "process": "process_error",
    **dict.fromkeys(("equipment", "design", "supplier", "documentation"), "other"),
}
DISPOSITION_WORDS = {"repair": "rework"}
_TRANSLATED = (
    ("ncr_category", "ncr_category", CATEGORY_WORDS),
    ("disposition", "ncr_disposition", DISPOSITION_WORDS),
)  # (column, what the word is called in `metadata`, the words)


def raised(given: Given, *, by: str | None, at: str, token: str) -> dict[str, Any]:
    """The values of a new issue. `by`: who speaks, `token`: hexadecimal digits that nobody else has."""
    values = {name: value for name, value in given.items() if name != "verified"} | _translated(given, {})
    values["title"] = given.get("title") or given["description"][:TITLE_FROM_DESCRIPTION]
    values["created_by"] = given.get("created_by") or by
    values |= _numbered(values, values.get("created_at", at), token)
    return values | _verified({}, values, given, by=by, at=at)


def changed(before: Given, given: Given, *, by: str | None, at: str, token: str) -> dict[str, Any]:
    """What an update makes of the row `before`. Raises InvalidTransition."""
    values = {name: value for name, value in given.items() if name != "verified"}
    values |= _translated(given, json.loads(before["metadata"]))
    after = {**before, **values}
    status = Status(before["status"])
    require(status, Status(after["status"]))
    values |= _reviewed(status, after, given, by=by, at=at)
    values |= _numbered(after, at, token)
    return values | _verified(before, after, given, by=by, at=at)


def require(status: Status, target: Status) -> None:
    """Raises InvalidTransition."""
    allowed = _FOLLOWS[target]
    if target is status or status in allowed:
        return
    either = "' or '".join(allowed)
    raise InvalidTransition(
        f"Cannot set issue with status '{status}' to '{target}'. Issue must be '{either}'.",
        {"current_status": status, "requested": target, "allowed_from": list(allowed)},
    )


def holds(issue: Given | None) -> bool:
    """Does it keep its operation from going on?"""
    return issue is not None and issue["status"] == Status.PENDING and bool(issue["causes_standstill"])


def _translated(given: Given, words: Mapping[str, str]) -> dict[str, Any]:
    """Values for words that have none, and `metadata` with the words themselves."""
    values: dict[str, Any] = {}
    kept = dict(words)
    for column, name, meanings in _TRANSLATED:
        if column not in given:
            continue
        kept.pop(name, None)
        if (word := given[column]) in meanings:
            values[column], kept[name] = meanings[word], word
    return values if kept == words else {**values, "metadata": kept}


def _reviewed(status: Status, after: Given, given: Given, *, by: str | None, at: str) -> dict[str, Any]:
    """Who leaves pending has been looked at, now and by whoever says so; who comes back to it has to be once more."""
    target = after["status"]
    if target == status or Status.PENDING not in (status, target):
        return {}
    if target == Status.PENDING:
        return {name: given.get(name) for name in ("reviewed_at", "reviewed_by")}
    return {"reviewed_at": after["reviewed_at"] or at, "reviewed_by": after["reviewed_by"] or by}


def _numbered(after: Given, at: str, token: str) -> dict[str, str]:
    """The number of an NCR that has none: the day and some digits, so that two gateways never make the same."""
    if after.get("issue_type") != NCR or after.get("ncr_number"):
        return {}
    day = at[:10].replace("-", "")
    return {"ncr_number": f"NCR-{day}-{token[-_NUMBER_CHARACTERS:].upper()}"}


def _verified(before: Given, after: Given, given: Given, *, by: str | None, at: str) -> dict[str, Any]:
    """Somebody says so, or closes what had to be verified. Whoever takes it back, or opens it again, starts anew."""
    said = given.get("verified", True if given.get("verified_by_id") else None)
    moved = bool(before) and after["status"] != before["status"]
    if said is False or (said is None and moved and after["status"] == Status.PENDING):
        return {"verified_at": None, "verified_by_id": given.get("verified_by_id")}
    closed = moved and after["status"] == Status.CLOSED and bool(after["verification_required"])
    if not (said or closed) or before.get("verified_at"):
        return {}
    return {"verified_at": at, "verified_by_id": after.get("verified_by_id") or by}


# ------------------------------------------------------------------ what the world is told


def told(before: Given | None, after: Given) -> list[EventType]:
    """The names under which a change is told; most changes have none."""
    names = [] if before else [EventType.ISSUE_CREATED]
    if after["issue_type"] != NCR:
        return names
    if before is None or before["issue_type"] != NCR:
        names.append(EventType.NCR_CREATED)
    if after["verified_at"] and not (before and before["verified_at"]):
        names.append(EventType.NCR_VERIFIED)
    return names


def event_data(kind: EventType, row: Given, operation: Operation, operator_name: str | None) -> dict[str, Any]:
    """Payload; `operator_name` is that of whoever made the issue."""
    data = {
        "issue_id": row["id"],
        "operation_id": operation.id,
        "operation_name": operation.operation_name,
        "part_id": operation.part.id,
        "part_number": operation.part.part_number,
        "job_id": operation.job.id,
        "job_number": operation.job.job_number,
        "cell_id": operation.cell_id,
        "cell_name": operation.cell_name,
        "created_by": row["created_by"],
        "operator_name": operator_name,
        "severity": row["severity"],
        "title": row["title"],
        "description": row["description"],
        "issue_type": row["issue_type"],
        "ncr_category": row["ncr_category"],
        "disposition": row["disposition"],
        "causes_standstill": bool(row["causes_standstill"]),
        "created_at": row["created_at"],
    }
    if kind is not EventType.ISSUE_CREATED:
        data |= {"ncr_number": row["ncr_number"], "affected_quantity": row["affected_quantity"]}
    if kind is EventType.NCR_VERIFIED:
        data |= {"verified_by": row["verified_by_id"], "verified_at": row["verified_at"]}
    return data


def happened_at(claimed: datetime, now: datetime) -> datetime:
    """As the client says, but not in the future."""
    return min(claimed, now)
