"""Rows from what a client gave: defaults, times that belong to a state, fields that are kept in another form. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from gateway.catalog.resources import Resource
from gateway.catalog.store import stored
from gateway.jobs.model import Job, Part, Status
from gateway.jobs.resources import EXTRA, JOBS, PARTS
from gateway.kernel import clock as time_
from gateway.outbox.event import Stamp, encode

DEFAULT_MATERIAL = "Unknown"

# The time that tells since when a row is in a state. Parts have none.
_SINCE = {Status.IN_PROGRESS: "started_at", Status.ON_HOLD: "paused_at", Status.COMPLETED: "completed_at"}


def job_row(given: Mapping[str, Any], stamp: Stamp) -> dict[str, Any]:
    return new_row(JOBS, given, stamp)


def part_row(given: Mapping[str, Any], job_id: str, stamp: Stamp) -> dict[str, Any]:
    extra = {name: given[name] for name in EXTRA if given.get(name) is not None}
    rest = {name: value for name, value in given.items() if name not in EXTRA}
    row = {"status": Status.NOT_STARTED, "quantity": 1, **new_row(PARTS, rest, stamp, timed=False)}
    row |= {"job_id": job_id, "material": row.get("material") or DEFAULT_MATERIAL}
    return row | {"extra": encode(extra)} if extra else row


def job_of(row: Mapping[str, Any]) -> Job:
    """The rules' view of a new row."""
    started_at, paused_at, resumed_at, completed_at = (
        time_.parse(row[name]) if row.get(name) else None
        for name in ("started_at", "paused_at", "resumed_at", "completed_at")
    )
    named = (row["id"], row["job_number"], row.get("customer"), Status(row["status"]), row.get("current_cell_id"))
    return Job(*named, started_at, paused_at, resumed_at, completed_at)


def part_of(row: Mapping[str, Any]) -> Part:
    """The same of a part."""
    named = (row["part_number"], row["material"], row["quantity"])
    return Part(row["id"], row["job_id"], *named, Status(row["status"]), row.get("current_cell_id"))


def new_row(resource: Resource, given: Mapping[str, Any], stamp: Stamp, *, timed: bool = True) -> dict[str, Any]:
    """`timed`: a row that is born in a state also says since when."""
    row = {"id": stamp.new_id(), "status": Status.NOT_STARTED, "created_at": stamp.text, "updated_at": stamp.text}
    row |= stored(resource, given)
    since = _SINCE.get(Status(row["status"])) if timed else None
    if since and not row.get(since):
        row[since] = row["created_at"]
    return row


def differing(row: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What of the values is news to the row."""
    return {name: value for name, value in values.items() if row[name] != value}


def part_values(row: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The columns behind an update of a part; fields without a column stand together in one."""
    values = stored(PARTS, {name: value for name, value in given.items() if name not in EXTRA})
    if "material" in values and values["material"] is None:
        values["material"] = DEFAULT_MATERIAL
    if kept := {name: given[name] for name in EXTRA if name in given}:
        values["extra"] = encode({**json.loads(row["extra"] or "{}"), **kept})
    return values
