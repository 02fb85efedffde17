"""Tools that change many rows. A first call shows what would change and gives a word; the second one, with that word, does it.

Each row is a command of its own: what a rule refuses is told, the others are done.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from plugins.mcp_server import scope
from plugins.mcp_server.calls import Calls, Refused, Reply
from plugins.mcp_server.scope import ROWS_MAX, Given, Row
from plugins.mcp_server.tool import Arg, Target, Tool
from plugins.mcp_server.work import completed

WORD_CHARACTERS = 12

_ID = {"type": "string", "format": "uuid"}
_IDS = {"type": "array", "items": _ID, "minItems": 1, "maxItems": ROWS_MAX}
_DATE = {"type": "string", "format": "date-time"}
_STATE = {"type": "string", "enum": ["not_started", "in_progress", "on_hold", "completed"]}
_TEXT = {"type": "string", "minLength": 1}


def _object(about: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": about,
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
    }


_CONFIRMED = (
    Arg("dry_run", schema={"type": "boolean", "description": "True: only say what would change."}, default=True),
    Arg("confirm", schema={**_TEXT, "description": "The word that the dry run gave; needed with dry_run false."}),
)


async def _each(
    given: Given, rows: Sequence[Row], names: Sequence[str], change: Callable[[Row], Awaitable[Reply]]
) -> tuple[list[Row], list[Row]] | Reply:
    """(changed, refused), or what a dry run tells. Raises Refused for a wrong word."""
    what = {name: value for name, value in given.items() if name not in ("dry_run", "confirm")}
    shown = [{name: row[name] for name in ("id", *names, "status")} for row in rows]
    word = hashlib.sha256(json.dumps([what, shown], sort_keys=True).encode()).hexdigest()[:WORD_CHARACTERS]
    if given["dry_run"]:
        told = {"dry_run": True, "would_change": len(rows), "rows": shown, "confirm": word}
        return Reply(
            told,
            "Nothing was changed. Show this to whoever decides; then call again with dry_run false and this confirm.",
        )
    if given.get("confirm") != word:
        raise Refused(
            "VALIDATION_ERROR",
            "confirm is not the word of a dry run of exactly this, as the rows are now: do a dry run",
        )
    changed: list[Row] = []
    refused: list[Row] = []
    for row in rows:
        try:
            changed.append((await change(row)).data)
        except Refused as exc:
            refused.append({"id": row["id"], "code": exc.code, "message": exc.message})
    return changed, refused


async def update_parts(calls: Calls, given: Given) -> Reply:
    rows, updates = await scope.parts(calls, given), given["updates"]

    async def change(row: Row) -> Reply:
        return await calls.target("PATCH", "/api-parts", {"id": row["id"], **updates}, "part", f":{row['id']}")

    done = await _each(given, rows, ("part_number",), change)
    if isinstance(done, Reply):
        return done
    return Reply({"updated": len(done[0]), "parts": done[0], "updates_applied": sorted(updates), "refused": done[1]})


async def reschedule_operations(calls: Calls, given: Given) -> Reply:
    rows, schedule = await scope.operations(calls, given), given["schedule"]
    shift = timedelta(days=schedule.get("shift_days", 0), hours=schedule.get("shift_hours", 0))
    fixed = {name: schedule[name] for name in ("planned_start", "planned_end") if name in schedule}
    if bool(fixed) == bool(shift):
        raise Refused(
            "VALIDATION_ERROR", "schedule: either planned_start and planned_end, or shift_days and shift_hours"
        )

    async def change(row: Row) -> Reply:
        moved = fixed or {name: _shifted(row[name], shift) for name in ("planned_start", "planned_end") if row[name]}
        if not moved:
            raise Refused("VALIDATION_ERROR", "it has no planned times that could be shifted")
        return await calls.target("PATCH", "/api-operations", {"id": row["id"], **moved}, "operation", f":{row['id']}")

    done = await _each(given, rows, ("operation_name", "planned_start", "planned_end"), change)
    if isinstance(done, Reply):
        return done
    return Reply(
        {"updated": len(done[0]), "operations": done[0], "schedule_applied": dict(schedule), "refused": done[1]}
    )


async def complete_operations(calls: Calls, given: Given) -> Reply:
    rows = await scope.operations(calls, given)

    async def change(row: Row) -> Reply:
        of_row = Calls(
            calls.api, calls.caller, None if calls.key is None else f"{calls.key}:{row['id']}", calls.occurred_at
        )
        return await completed(of_row, "operation", {"id": row["id"], **_notes(given)}, from_start=True)

    done = await _each(given, rows, ("operation_name",), change)
    if isinstance(done, Reply):
        return done
    return Reply({"completed": len(done[0]), "operations": done[0], "refused": done[1]})


async def prioritize(calls: Calls, given: Given) -> Reply:
    """The job's open parts become bullet cards, or stop being some; a remark goes to the end of its notes."""
    jobs = await scope.jobs(calls, given)
    if not jobs:
        raise Refused("NOT_FOUND", f"no job has the number {given.get('job_number')}: job_id or job_number is needed")
    job, flag = jobs[0], given["set_bullet_card"]
    parts = [part for part in await scope.listed(calls, "parts", job_id=job["id"]) if part["status"] != "completed"]
    for part in parts[:ROWS_MAX]:
        await calls.target("PATCH", "/api-parts", {"id": part["id"], "is_bullet_card": flag}, "part", f":{part['id']}")
    if "notes" in given:
        remark = f"{job['notes'] or ''}\n[PRIORITY] {given['notes']}".strip()
        await calls.target("PATCH", "/api-jobs", {"id": job["id"], "notes": remark}, "job", ":job")
    told = {"job_id": job["id"], "job_number": job["job_number"], "parts_updated": min(len(parts), ROWS_MAX)}
    return Reply({**told, "bullet_card_set": flag, "job_updated": "notes" in given})


async def assign_resource(calls: Calls, given: Given) -> Reply:
    """Twice the same is once. Raises Refused."""
    tool = await _resource(calls, given)
    ids = given.get("operation_ids")
    rows = await scope.operations(calls, {"scope": given["scope"] if ids is None else {"operation_ids": ids}})
    need = {"resource_id": tool["id"], "quantity": given["quantity"], **_notes(given)}
    for row in rows:
        await calls.target("PATCH", "/api-operations", {"id": row["id"], "resources": [need]}, step=f":{row['id']}")
    shown = [{"id": row["id"], "operation_name": row["operation_name"]} for row in rows]
    return Reply({"resource": {"id": tool["id"], "name": tool["name"]}, "assigned": len(rows), "operations": shown})


async def _resource(calls: Calls, given: Given) -> Row:
    if ("operation_ids" in given) == ("scope" in given):
        raise Refused("VALIDATION_ERROR", "either operation_ids or scope is needed: which operations")
    if "resource_id" in given:
        row: Row = (await calls.get("/api-resources", id=given["resource_id"]))["resource"]
        return row
    name = given.get("resource_name", "")
    found = [one for one in await scope.listed(calls, "resources", search=name) if one["name"] == name]
    if not found:
        raise Refused("NOT_FOUND", f'no resource is called "{name}": resource_id or resource_name is needed')
    return found[0]


def _notes(given: Given) -> dict[str, Any]:
    return {"notes": given["notes"]} if "notes" in given else {}


def _shifted(stamp: str, by: timedelta) -> str:
    return (scope.at(stamp) + by).isoformat()


_FILTER = {
    "status": _STATE,
    "exclude_completed": {"type": "boolean", "default": True},
}
_NUMBER = {"type": "number", "minimum": -3650, "maximum": 3650}

TOOLS = (
    Tool(
        "batch_update_parts",
        "Change many parts at once. First a dry run, then again with its `confirm`.",
        (
            Arg(
                "scope",
                required=True,
                schema=_object("Which parts.", customer=_TEXT, job_id=_ID, job_number=_TEXT, part_ids=_IDS),
            ),
            Arg(
                "updates",
                required=True,
                schema=_object(
                    "What to set.",
                    is_bullet_card={"type": "boolean"},
                    status=_STATE,
                    notes={"type": "string"},
                    current_cell_id=_ID,
                ),
            ),
            Arg("filter", schema=_object("Which of these.", **_FILTER, due_before=_DATE)),
            *_CONFIRMED,
        ),
        Target("PATCH", "/api-parts"),
        update_parts,
        destroys=True,
    ),
    Tool(
        "batch_reschedule_operations",
        "Plan many operations anew. First a dry run, then again with its `confirm`.",
        (
            Arg(
                "scope",
                required=True,
                schema=_object(
                    "Which operations.",
                    job_id=_ID,
                    job_number=_TEXT,
                    part_id=_ID,
                    cell_id=_ID,
                    customer=_TEXT,
                    operation_ids=_IDS,
                ),
            ),
            Arg(
                "schedule",
                required=True,
                schema=_object(
                    "Times for all of them, or by how much to move each.",
                    planned_start=_DATE,
                    planned_end=_DATE,
                    shift_days=_NUMBER,
                    shift_hours=_NUMBER,
                ),
            ),
            Arg("filter", schema=_object("Which of these.", **_FILTER, exclude_in_progress={"type": "boolean"})),
            *_CONFIRMED,
        ),
        Target("PATCH", "/api-operations"),
        reschedule_operations,
        destroys=True,
    ),
    Tool(
        "batch_complete_operations",
        "Complete many operations at once, also some that nobody has begun. First a dry run, then again with its `confirm`.",
        (
            Arg(
                "scope",
                required=True,
                schema=_object("Which operations.", job_id=_ID, part_id=_ID, cell_id=_ID, operation_ids=_IDS),
            ),
            Arg("completion_percentage", schema={"const": 100, "description": "What is completed is at 100 %."}),
            Arg("notes", schema={"type": "string"}),
            *_CONFIRMED,
        ),
        Target("POST", "/api-operation-lifecycle/complete", when="occurred_at"),
        complete_operations,
        destroys=True,
    ),
    Tool(
        "prioritize_job",
        "Mark the open parts of a job as bullet cards and put a remark into its notes.",
        (
            Arg("job_id", schema=_ID),
            Arg("job_number", schema=_TEXT),
            Arg("set_bullet_card", schema={"type": "boolean"}, default=True),
            Arg("notes", schema=_TEXT),
        ),
        Target("PATCH", "/api-parts"),
        prioritize,
    ),
    Tool(
        "assign_resource_to_operations",
        "Say that operations need a tool, a fixture or the like.",
        (
            Arg("resource_id", schema=_ID),
            Arg("resource_name", schema=_TEXT),
            Arg("operation_ids", schema=_IDS),
            Arg(
                "scope", schema=_object("Or which operations.", job_id=_ID, job_number=_TEXT, part_id=_ID, cell_id=_ID)
            ),
            Arg("quantity", schema={"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000}, default=1),
            Arg("notes", schema={"type": "string"}),
        ),
        Target("PATCH", "/api-operations"),
        assign_resource,
    ),
)
