"""Every example in the description of the API works, and every answer is as it is described."""

from typing import Any

import pytest
from hall import Reply
from jsonschema import Draft202012Validator, ValidationError

from gateway import examples
from gateway.api import described
from gateway.cloud import conflicts
from gateway.cloud.merge import Difference
from gateway.kernel.ids import uuid7
from gateway.outbox.event import Stamp
from gateway.replays import store as replays
from gateway.transfer.commands import bring_in, planned

DOCUMENT = described()
HALL: dict[str, list[dict[str, Any]]] = {
    "cells": [{"id": examples.CELL, "name": "Laser 1", "sequence": 1}],
    "profiles": [{"id": examples.OPERATOR, "username": "olga", "full_name": "Olga"}],
    "scrap_reasons": [
        {"id": examples.REASON, "code": "BENT", "description": "Bent", "category": "process"},
    ],
    "resources": [{"id": examples.RESOURCE, "name": "Jig 12", "type": "fixture"}],
    "jobs": [{"id": examples.JOB, "job_number": "JOB-1"}],
    "parts": [
        {
            "id": examples.PART,
            "job_id": examples.JOB,
            "part_number": "PLATE-1",
            "material": "Steel",
            "image_paths": [examples.IMAGE],
        }
    ],
    "operations": [
        {
            "id": examples.OPERATION,
            "part_id": examples.PART,
            "cell_id": examples.CELL,
            "operation_name": "Cut",
            "sequence": 1,
            "estimated_time": 30,
        },
        {
            "id": examples.NEXT_OPERATION,
            "part_id": examples.PART,
            "cell_id": examples.CELL,
            "operation_name": "Engrave",
            "sequence": 2,
        },
    ],
    "operation_batches": [{"id": examples.BATCH, "batch_number": "NEST-1", "cell_id": examples.CELL}],
    "batch_operations": [{"id": examples.MEMBER, "batch_id": examples.BATCH, "operation_id": examples.OPERATION}],
    "time_entries": [
        {
            "id": examples.IDS["api-time-entries"],
            "operation_id": examples.OPERATION,
            "operator_id": examples.OPERATOR,
            "start_time": "2026-11-01T06:00:00Z",
            "end_time": "2026-11-01T07:00:00Z",
            "duration": 60,
        }
    ],
    "operation_quantities": [
        {
            "id": examples.IDS["api-operation-quantities"],
            "operation_id": examples.OPERATION,
            "quantity_produced": 9,
            "quantity_good": 9,
            "recorded_at": "2026-11-01T07:00:00Z",
        }
    ],
    "issues": [
        {
            "id": examples.IDS["api-issues"],
            "operation_id": examples.OPERATION,
            "description": "It rattles",
            "severity": "low",
            "reported_by_id": examples.OPERATOR,
        }
    ],
    "substeps": [
        {"id": examples.IDS["api-substeps"], "operation_id": examples.OPERATION, "name": "Clean", "sequence": 1}
    ],
    "assignments": [
        {
            "id": examples.IDS["api-assignments"],
            "job_id": examples.JOB,
            "operator_id": examples.OPERATOR,
            "assigned_by": examples.OPERATOR,
        }
    ],
    "substep_templates": [{"id": examples.IDS["api-templates"], "name": "Deburr set"}],
    "webhooks": [{"id": examples.WEBHOOK, "url": "https://erp.example.com/hooks", "events": ["job.started"]}],
    "webhook_logs": [
        {
            "id": examples.IDS["api-webhook-logs"],
            "webhook_id": examples.WEBHOOK,
            "event_type": "job.started",
            "payload": {"event": "job.started", "timestamp": "2026-11-01T07:00:00.000Z", "data": {}},
            "status_code": 200,
        }
    ],
    "mqtt_publishers": [{"id": examples.PUBLISHER, "name": "historian", "broker_url": "127.0.0.1", "events": ["*"]}],
    "mqtt_logs": [
        {
            "id": examples.IDS["api-mqtt-logs"],
            "mqtt_publisher_id": examples.PUBLISHER,
            "event_type": "job.started",
            "topic": "eryxon/main/production/default/job/started",
            "payload": {"event": "job.started", "timestamp": "2026-11-01T07:00:00.000Z", "data": {}},
            "success": True,
        }
    ],
}
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
WITH_A_BODY = [
    (method, path, name)
    for method, path, operation in OPERATIONS
    if "application/json" in operation.get("requestBody", {}).get("content", {})
    for name in examples.bodies(method, path) or [None]
]


def asked(path: str, operation: dict[str, Any]) -> str:
    """The address with an example for each parameter that has one."""
    given = [one for one in operation["parameters"] if "example" in one]
    ids = [f"{one['name']}={one['example']}" for one in given if one["in"] == "query"]
    for one in given:
        path = path.replace(f"{{{one['name']}}}", one["example"])
    row = examples.row(path)
    if row and not ids and any(one["name"] == "id" for one in operation["parameters"]):  # one row of a list
        ids = [f"id={row}"]
    return path.replace("{action}", "start") + (f"?{'&'.join(ids)}" if ids else "")


def check(operation: dict[str, Any], reply) -> None:
    told = operation["responses"][str(reply.status)]
    if "$ref" in told:
        told = DOCUMENT["components"]["responses"][str(reply.status)]
    schema = told["content"]["application/json"].get("schema", {})  # an export is no envelope
    Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(reply.body)


@pytest.fixture
async def hall(floor):
    stamp = Stamp(floor.clock.now(), "gw-test", uuid7(floor.clock))
    await floor.db.write(bring_in, stamp, planned(HALL))
    file = (floor.NOWHERE, "issues", examples.UPLOADED, "image/png", 9, "", "2026-11-01T07:00:00+00:00")
    await floor.do(
        "INSERT INTO files (id, bucket, path, content_type, size_bytes, sha256, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        *file,
    )
    await floor.db.write(replays.ask, examples.IDS["api-replay"], "uns", 1, 1, "admin", stamp.text)
    await floor.do(
        "INSERT INTO terminals (id, name, key_hash, created_at) VALUES (?, 'Laser 9', 'nobody has it', ?)",
        examples.IDS["api-terminals"],
        stamp.text,
    )
    found = Difference("status", "on_hold", "in_progress", "changed here and in the cloud", None)
    conflict = Stamp(floor.clock.now(), "cloud", lambda: examples.IDS["api-conflicts"])
    await floor.db.write(conflicts.record, conflict, "operations", examples.OPERATION, found)
    return floor


@pytest.mark.parametrize(("method", "path", "name"), WITH_A_BODY)
async def test_an_example_works_as_it_stands(hall, method, path, name):
    assert name, f"no example for {method} {path} in gateway/examples.py"
    operation = DOCUMENT["paths"][path][method.lower()]
    reply = await hall.send(method, asked(path, operation), examples.bodies(method, path)[name])
    assert reply.status in (200, 201), reply.body
    check(operation, reply)


@pytest.mark.parametrize(("method", "path"), sorted({one[:2] for one in WITH_A_BODY}))
async def test_who_sends_no_body_is_told_so_or_needs_none(hall, method, path):
    reply = await hall.send(method, asked(path, DOCUMENT["paths"][path][method.lower()]))
    assert reply.status < 500, reply.body


@pytest.mark.parametrize(("method", "path", "operation"), [one for one in OPERATIONS if one[0] == "GET"])
async def test_a_row_and_a_list_are_as_described(hall, method, path, operation):
    if "{" in path or "application/json" not in operation["responses"]["200"]["content"]:
        return
    alone = set() if any(one.get("required") for one in operation["parameters"]) else {path}
    for address in alone | {asked(path, operation)}:
        reply = await hall.send(method, address)
        assert reply.status == 200, (address, reply.body)
        check(operation, reply)


def test_no_example_is_for_a_function_that_is_not_there():
    there = {(method, path) for method, path, _ in OPERATIONS}
    assert {(method, path) for methods, path in examples.BODIES for method in methods.split()} <= there
    assert {path.split("/")[1] for _, path in there} >= examples.IDS.keys()


def test_the_check_sees_an_answer_that_is_not_as_described():
    wrong = {"success": True, "data": {"jobs": [{"id": 1}], "pagination": {"total": 1, "offset": 0, "limit": 1}}}
    with pytest.raises(ValidationError):
        check(DOCUMENT["paths"]["/api-jobs"]["get"], Reply(200, {}, wrong))
