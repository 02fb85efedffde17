"""The cloud's two lifecycles. The time is the cloud's own: when the request runs, not when something happened."""

import math
from collections.abc import Awaitable, Callable
from datetime import datetime

from gateway.demo.cloud_answer import Answer, Call, Refused, done
from gateway.demo.cloud_database import Database, Row

# verb -> statuses it starts from, status it leads to
OPERATION = {
    "start": (("not_started", "on_hold"), "in_progress"),
    "pause": (("in_progress",), "on_hold"),
    "resume": (("on_hold",), "in_progress"),
    "complete": (("in_progress",), "completed"),
}
JOB = {
    "start": OPERATION["start"],
    "stop": OPERATION["pause"],
    "pause": OPERATION["pause"],
    "complete": OPERATION["complete"],
    "resume": OPERATION["resume"],
}
JOB_EVENTS = {"start": "started", "stop": "stopped", "pause": "stopped", "resume": "resumed", "complete": "completed"}
OPERATION_EVENTS = {"start": "started", "pause": "paused", "resume": "resumed", "complete": "completed"}

Notify = Callable[[str, str, Row], Awaitable[None]]  # tenant, event, data


class Lifecycle:
    def __init__(self, database: Database, notify: Notify) -> None:
        self._db = database
        self._notify = notify

    async def operation(self, call: Call) -> Answer:
        operation = self._find(call, "operations", "Operation")
        verb, before, after = _transition(call, operation, OPERATION, "operation")
        now = self._db.now()
        minutes = self._close_entries(operation, now) if verb in ("pause", "complete") else None
        changes = _times(verb, operation, now) | {"status": after, "updated_at": now}
        if verb == "complete":
            changes["completion_percentage"] = 100
        if minutes is not None:
            changes["actual_time"] = minutes
        self._db.update("operations", operation, changes)
        part = self._db.tables["parts"][operation["part_id"]]
        job = self._db.tables["jobs"][part["job_id"]]
        answer = {
            "operation": dict(operation)
            | {"part": _only(part, "id part_number") | {"job": _only(job, "id job_number customer")}},
            "operation_type": verb,
            "previous_status": before,
            "new_status": after,
            "time_entry_created": verb in ("start", "resume"),  # the kind of call; none is ever made
            "time_entry_ended": verb in ("pause", "complete"),
        }
        data = {
            "operation_id": operation["id"],
            "operation_name": operation["operation_name"],
            "part_id": part["id"],
            "part_number": part["part_number"],
            "job_id": job["id"],
            "job_number": job["job_number"],
            "customer": job["customer"],
            "previous_status": before,
            "new_status": after,
            "estimated_time": operation["estimated_time"],
            "actual_time": operation["actual_time"],
            "completion_percentage": operation["completion_percentage"],
        }
        await self._notify(call.tenant.id, f"operation.{OPERATION_EVENTS[verb]}", data)
        return done(answer)

    async def job(self, call: Call) -> Answer:
        job = self._find(call, "jobs", "Job")
        verb, before, after = _transition(call, job, JOB, "job")
        now = self._db.now()
        changes = _times("pause" if verb == "stop" else verb, job, now) | {"status": after, "updated_at": now}
        if verb == "complete" and job["started_at"] is not None:
            changes["actual_duration"] = _minutes(job["started_at"], now)
        self._db.update("jobs", job, changes)
        answer = {"job": dict(job), "operation": verb, "previous_status": before, "new_status": after}
        data = {
            "job_id": job["id"],
            "job_number": job["job_number"],
            "customer": job["customer"],
            "previous_status": before,
            "new_status": after,
        }
        await self._notify(call.tenant.id, f"job.{JOB_EVENTS[verb]}", data)
        return done(answer)

    def _find(self, call: Call, table: str, noun: str) -> Row:
        if not call.id:
            raise _plain(400, "VALIDATION_ERROR", f"{noun} ID is required in query string (?id=xxx)")
        row = self._db.get(table, call.id.lower())
        if row is None or row["tenant_id"] != call.tenant.id:
            raise _plain(404, "NOT_FOUND", f"{noun} not found")
        return row

    def _close_entries(self, operation: Row, now: str) -> int | None:
        """Ends every open entry of the operation, whoever's it is; the new actual time, None when none was open."""
        entries = self._db.pointing("time_entries", "operation_id", operation["id"])
        running = [entry for entry in entries if entry["end_time"] is None]
        for entry in running:
            duration = _minutes(entry["start_time"], now)
            self._db.update("time_entries", entry, {"end_time": now, "duration": duration})
        return sum(entry["duration"] or 0 for entry in entries) if running else None


def _transition(call: Call, row: Row, table: dict[str, tuple[tuple[str, ...], str]], noun: str) -> tuple[str, str, str]:
    verb = call.path[-1] if call.path else f"api-{noun}-lifecycle"
    if verb not in table:
        allowed = ", ".join(table)
        text = f"Invalid operation '{verb}'. Supported operations: {allowed}"
        raise _plain(400, "INVALID_OPERATION", text)
    sources, target = table[verb]
    status = row["status"]
    if status not in sources:
        wanted = " or ".join(f"'{name}'" for name in sources)
        text = f"Cannot {verb} {noun} with status '{status}'. {noun.capitalize()} must be {wanted}."
        raise _plain(400, "INVALID_STATE_TRANSITION", text)
    return verb, status, target


def _times(verb: str, row: Row, now: str) -> Row:
    match verb:
        case "start":
            return {"started_at": row["started_at"] or now, "paused_at": None}
        case "pause":
            return {"paused_at": now}
        case "resume":
            return {"resumed_at": now, "paused_at": None}
        case _:
            return {"completed_at": now}


def _minutes(start: str, end: str) -> int:
    """Halves are rounded up, also below zero."""
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    return math.floor(seconds / 60 + 0.5)


def _only(row: Row, names: str) -> Row:
    return {name: row[name] for name in names.split()}


def _plain(status: int, code: str, message: str) -> Refused:
    """The lifecycles build their errors by hand, without a statusCode."""
    refused = Refused(status, code, message)
    del refused.error["statusCode"]
    return refused
