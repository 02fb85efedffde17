"""Every event says at least what the contract promises, whatever way in caused it; what is in minutes is there in seconds too."""

import json

import pytest

from gateway.kernel.ids import uuid7
from gateway.machines import registry
from gateway.machines.commands import MachineCommands
from gateway.machines.model import Reading, Request
from gateway.outbox.event import EventType
from gateway.sections import Uns

PART = "part_id part_number job_id job_number"
AT = f"operation_id operation_name {PART} cell_id cell_name"
UNITS = "estimated_time actual_time estimated_time_seconds actual_time_seconds"
OPERATION = (
    f"{AT} customer operator_id operator_name previous_status new_status timestamp started_at completion_percentage time_entry_id "
    f"cause {UNITS}"
)
JOB = (
    "job_id job_number customer previous_status new_status timestamp started_at completed_at actual_duration "
    "actual_duration_seconds"
)
MOVED = f"{PART} customer quantity material previous_status new_status timestamp"
ISSUE = (
    f"{AT} issue_id created_by operator_name severity description created_at title issue_type ncr_category disposition "
    "causes_standstill"
)
NCR = f"{ISSUE} ncr_number affected_quantity"
QUANTITY = f"{AT} quantity_id quantity_scrap recorded_by recorded_by_name recorded_at"
STEP = f"{AT} substep_id name sequence status completed_by completed_at created_at"
BATCH = "batch_id batch_number batch_type production_mode monitoring_source operations started_at operator_id"
SYNC = "entity_type source summary duration_ms external_ids synced_at"
CONTRACT = {
    "job.created": "job_id job_number customer parts_count operations_count created_at",
    "job.updated": "job_id job_number changes external_id updated_at",
    **{f"job.{verb}": JOB for verb in ("started", "stopped", "resumed", "completed")},
    "part.created": "part_id part_number job_id external_id external_source created_at",
    "part.updated": "part_id part_number changes external_id updated_at",
    "part.started": f"{MOVED} started_at",
    "part.completed": f"{MOVED} completed_at",
    "operation.started": OPERATION,
    "operation.paused": f"{OPERATION} paused_at",
    "operation.resumed": f"{OPERATION} resumed_at pause_duration_seconds",
    "operation.completed": f"{OPERATION} completed_at",
    "issue.created": ISSUE,
    "ncr.created": NCR,
    "ncr.verified": f"{NCR} verified_by verified_at",
    "production.quantity_reported": f"{QUANTITY} quantity_produced quantity_good quantity_rework yield_percentage",
    "production.scrap_recorded": f"{QUANTITY} scrap_reasons",
    "step.added": STEP,
    "step.completed": STEP,
    "batch.started": BATCH,
    "batch.completed": f"{BATCH} completed_at total_minutes distribution",
    "resource.created": "resource_id name",
    "resource.updated": "resource_id name changes",
    **{f"sync.{what}.completed": SYNC for what in ("cells", "resources", "jobs", "parts", "operations")},
    "sync.batch.completed": "entities total_records total_created total_updated total_skipped total_errors duration_ms source "
    "synced_at",
}
INSIDE = {
    "summary": "total created updated skipped errors",
    "scrap_reasons": "reason_id reason_code reason_description category quantity",
    "distribution": "id minutes",
}
BATCHED = "batch_id batch_number batch_type production_mode monitoring_source"  # of operations that ran in a batch


def short(event: dict) -> set[str]:
    """What it lacks."""
    data = event["data"]
    lacks = set(CONTRACT[event["type"]].split()) - data.keys()
    for name, wanted in INSIDE.items():
        rows = data.get(name) or []
        for row in rows if isinstance(rows, list) else [rows]:
            lacks |= {f"{name}.{one}" for one in set(wanted.split()) - row.keys()}
    if data.get("cause") == "batch":
        lacks |= set(BATCHED.split()) - data.keys()
    return lacks


def units(data: dict) -> list[str]:
    """Where minutes and seconds do not say the same."""
    pairs = [(name, data[name], data[f"{name}_seconds"]) for name in data if f"{name}_seconds" in data]
    return [name for name, minutes, seconds in pairs if seconds is not None and minutes != (seconds + 30) // 60]


async def through_rest(floor) -> None:
    """Everything that a person at a terminal and one in the office can do."""
    job = await floor.job("J-1", (floor.LASER, floor.SAW), customer="Acme")
    part, (one, two) = job["parts"][0], (row["id"] for row in job["parts"][0]["operations"])
    await floor.send("PATCH", f"/api-jobs?id={job['id']}", {"customer": "Acme Corp"})
    await floor.send("PATCH", f"/api-parts?id={part['id']}", {"quantity": 12})
    await floor.make("/api-parts", {"job_id": job["id"], "part_number": "P-2"})
    await floor.pressed(
        ("start", one, floor.ANNA, 125), ("pause", one, None, 60), ("resume", one, floor.ANNA, 95), ("complete", one)
    )
    body = {"operation_id": one, "quantity_good": 7, "quantity_scrap": 2, "recorded_by": floor.ANNA}
    await floor.make("/api-operation-quantities", {**body, "scrap_reasons": [{"reason_id": floor.BURR, "quantity": 2}]})
    step = (await floor.make("/api-substeps", {"operation_id": two, "name": "Deburr"}))["substep"]
    await floor.send("PATCH", f"/api-substeps?id={step['id']}", {"status": "completed", "completed_by": floor.BEN})
    found = {"operation_id": two, "description": "It rattles", "severity": "low", "created_by": floor.BEN}
    await floor.make("/api-issues", found)
    ncr = {**found, "issue_type": "ncr", "ncr_category": "dimensional", "affected_quantity": 2}
    issue = (await floor.make("/api-issues", ncr))["issue"]
    await floor.send("PATCH", f"/api-issues?id={issue['id']}", {"verified": True, "verified_by_id": floor.ANNA})
    await floor.pressed(("start", two, floor.BEN, 60), ("complete", two))
    await floor.send("PATCH", f"/api-parts?id={part['id']}", {"status": "in_progress"})

    tool = (await floor.make("/api-resources", {"name": "Mold 7", "type": "mold"}))["resource"]
    await floor.send("PATCH", f"/api-resources?id={tool['id']}", {"location": "Rack 2"})

    other = await floor.job("J-2", (floor.LASER,), (floor.LASER,))
    for verb in ("start", "stop", "resume", "complete"):
        assert (await floor.send("POST", f"/api-job-lifecycle/{verb}?id={other['id']}")).status == 200
        await floor.clock.advance(90)
    await floor.make("/api-parts", {"job_id": other["id"], "part_number": "P-9"})  # it is opened again

    nest = await floor.job("J-3", (floor.LASER,), (floor.LASER,))
    ids = [row["operations"][0]["id"] for row in nest["parts"]]
    made = {"batch_number": "NEST-1", "batch_type": "laser_nesting", "cell_id": floor.LASER, "operation_ids": ids}
    batch = (await floor.make("/api-batches", made))["batch"]
    for verb in ("start", "stop"):
        reply = await floor.send("POST", f"/api-batch-lifecycle/{verb}?id={batch['id']}", {"operator_id": floor.CEM})
        assert reply.status == 200, reply.body
        await floor.clock.advance(305)


async def through_an_erp(floor) -> None:
    """Records of each kind together, then one of each table, then a file."""
    source = {"external_source": "sap"}
    step = {
        "external_id": "E-O",
        "operation_name": "Cut",
        "sequence": 1,
        "cell_name": "Laser",
        "estimated_time_minutes": 5,
    }
    part = {"external_id": "E-P", "part_number": "EP", "quantity": 3, "operations": [step]}
    job = {**source, "external_id": "E-J", "job_number": "EJ", "parts": [part]}
    everything = {
        "cells": [{**source, "external_id": "E-C", "name": "Paint"}],
        "resources": [{**source, "external_id": "E-R", "name": "Mold", "type": "mold"}],
        "jobs": [job],
        "source": "sap",
    }
    reply = await floor.send("POST", "/api-erp-sync/sync", everything)
    assert reply.status == 200, reply.body
    job_id = (await floor.get("/api-jobs?job_number=EJ"))["jobs"][0]["id"]
    part_id = (await floor.get("/api-parts?part_number=EP"))["parts"][0]["id"]
    for table, record in (
        ("parts", {**source, "external_id": "E-P", "part_number": "EP", "quantity": 4, "job_id": job_id}),
        ("operations", {**source, **step, "estimated_time_minutes": 6, "part_id": part_id}),
    ):
        reply = await floor.send("POST", f"/api-{table}/bulk-sync", {table: [record]})
        assert reply.status == 200, reply.body
    text = "external_id,job_number,customer\nE-J,EJ,Bee\nE-K,EK,Cee\n"
    headers = {"Authorization": f"Bearer {floor.key}", "Content-Type": "text/csv"}
    address = f"{floor.url}/api-jobs/bulk-sync?external_source=sap"
    async with floor.session.post(address, data=text, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def through_another_gateway(floor) -> None:
    job = await floor.job("F-1")
    operation = job["parts"][0]["operations"][0]["id"]
    items = [
        {"key": f"k-{verb}", "method": "POST", "path": f"/api-operation-lifecycle/{verb}?id={operation}", "body": {}}
        for verb in ("start", "pause", "resume", "complete")
    ]
    sent = {"gateway_id": "gw-cell", "epoch": 7, "items": items}
    reply = await floor.send("POST", "/api-forward", sent)
    assert [one["status"] for one in reply.data["results"]] == [200] * 4, reply.body


async def through_a_machine(floor) -> None:
    """Requests over MQTT, and a counter."""
    device = {
        "id": "laser-1",
        "cells": ["Laser"],
        "commands": ("start", "pause", "resume", "complete", "report", "issue"),
    }
    counter = {"device": "laser-1", "input": "counter/good", "rule": "counter_delta", "report": "quantity_good"}
    known = registry.machines(Uns(device=(device,), mapping=(counter,)))
    commands = MachineCommands(floor.db, floor.clock, uuid7(floor.clock), "gw-test", known)
    operation = (await floor.job("M-1"))["parts"][0]["operations"][0]["id"]
    value = 100
    for verb, body in (
        ("start", {"operation_id": operation}),
        ("report", {"good": 3, "scrap": 1, "scrap_reason": "BURR"}),
        ("issue", {"description": "It rattles", "operation_id": operation}),
        ("pause", {}),
        ("resume", {}),
        ("complete", {}),
    ):
        value += 2
        assert not await commands.take(Reading("laser-1", "counter/good", value, None))
        await commands.request(Request("laser-1", verb, None, body, False))
        await floor.clock.advance(30)


@pytest.mark.parametrize(
    ("way", "causes"),
    [
        (through_rest, {kind for kind in CONTRACT if not kind.startswith("sync.")}),
        (
            through_an_erp,
            {kind for kind in CONTRACT if kind.startswith("sync.")}
            | {"job.created", "job.updated", "part.updated", "resource.created"},
        ),
        (
            through_a_machine,
            {"production.quantity_reported", "production.scrap_recorded", "issue.created", "operation.resumed"},
        ),
        (through_another_gateway, {f"operation.{verb}" for verb in ("started", "paused", "resumed", "completed")}),
    ],
)
async def test_whatever_causes_an_event_it_says_what_the_contract_promises(floor, way, causes):
    await way(floor)
    events = [one for one in await floor.events() if one["type"]]
    assert causes - {one["type"] for one in events} == set()
    assert {one["type"]: lacks for one in events if (lacks := short(one))} == {}
    assert {one["type"]: wrong for one in events if (wrong := units(one["data"]))} == {}
    assert "NaN" not in json.dumps([one["data"] for one in events])


def test_the_table_knows_every_event_of_the_catalogue():
    """What the cloud and we saw differently is ours alone."""
    assert {str(kind) for kind in EventType if not kind.startswith("conflict.")} == CONTRACT.keys()
