"""Rows of the tables that came after the first ones: issues, files, webhooks, batches, machines, agents, terminals, upkeep."""

from typing import Any

AT, LATER = "2026-11-02T07:00:00+00:00", "2026-11-02T07:30:00+00:00"
MADE = {"created_at": AT, "updated_at": AT}
DIGEST = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
SALT, VERIFIER, LINK = bytes(range(16)), bytes(range(32)), bytes(reversed(range(32)))


def id_of(kind: str, number: int = 1) -> str:
    return f"01930000-0000-7000-8000-{int.from_bytes(kind.encode()[:5]):010x}{number:02x}"


CELL, OPERATOR, JOB, OPERATION, WEBHOOK, BATCH, PUBLISHER, AGENT, TERMINAL = map(
    id_of, "cell operator job x-operation hook y-batch broker agent terminal".split()
)

ROWS: dict[str, list[dict[str, Any]]] = {
    "issues": [
        {
            "id": id_of("issue"),
            "operation_id": OPERATION,
            "title": "Burr",
            "description": "Burr on the long side",
            "severity": "high",
            "issue_type": "ncr",
            "ncr_number": "NCR-2026-0001",
            "status": "approved",
            "disposition": "rework",
            "causes_standstill": 1,
            "created_by": OPERATOR,
            "current_cell_id": CELL,
            **MADE,
        }
    ],
    "issue_categories": [{"id": id_of("category"), "code": "SURF", "description": "Surface", **MADE}],
    "substeps": [
        {
            "id": id_of("step"),
            "operation_id": OPERATION,
            "name": "Clean the lens",
            "sequence": 1,
            "status": "completed",
            "completed_at": LATER,
            "completed_by": OPERATOR,
            **MADE,
        }
    ],
    "assignments": [
        {"id": id_of("assigned"), "job_id": JOB, "operator_id": OPERATOR, "assigned_by": OPERATOR, **MADE},
    ],
    "files": [
        {
            "id": id_of("file"),
            "bucket": "issues",
            "path": "tenant/issues/burr.png",
            "content_type": "image/png",
            "size_bytes": 3,
            "sha256": DIGEST,
            "created_at": LATER,
            "uploaded_by": "rest:key",
        }
    ],
    "file_offers": [{"nonce": "n1", "path": "tenant/issues/other.png", "expires_at": LATER}],
    "files_to_come": [
        {
            "path": "tenant/issues/below.png",
            "table_name": "issues",
            "row_id": id_of("issue"),
            "gateway_id": "gw-b1",
            "sha256": DIGEST,
            "told_at": AT,
        }
    ],
    "webhooks": [
        {"id": WEBHOOK, "url": "https://erp.example/hook", "events": '["*"]', "secret_key": "sealed:1:abc", **MADE}
    ],
    "webhook_logs": [
        {
            "id": id_of("delivery"),
            "webhook_id": WEBHOOK,
            "event_type": "operation.started",
            "payload": "{}",
            "status_code": 200,
            "created_at": LATER,
        }
    ],
    "operation_batches": [
        {
            "id": BATCH,
            "batch_number": "B-1",
            "batch_type": "laser_nesting",
            "cell_id": CELL,
            "thickness_mm": 1.5,
            **MADE,
        }
    ],
    "batch_operations": [
        {"id": id_of("in-batch"), "batch_id": BATCH, "operation_id": OPERATION, "sequence_in_batch": 1, **MADE}
    ],
    "batch_requirements": [
        {"id": id_of("require"), "batch_id": BATCH, "material_name": "Steel", "quantity": 2, "created_at": AT}
    ],
    "sync_imports": [
        {"id": id_of("import"), "entity_type": "jobs", "status": "completed", "record_count": 2, "created_at": AT}
    ],
    "hub_gateways": [{"id": "gw-b1", "epoch": 1793602700, "seen_at": LATER}],
    "hub_cells": [{"cell_id": CELL, "gateway_id": "gw-b1", "claimed_at": AT}],
    "hub_received": [{"gateway_id": "gw-b1", "epoch": 1793602700, "lane": f"job:{JOB}", "seq": 17}],
    "hub_doubts": [{"table_name": "operations", "row_id": OPERATION}],
    "tombstones": [{"table_name": "cells", "row_id": id_of("cell", 9), "row_version": 3, "deleted_at": AT}],
    "machine_states": [
        {
            "id": "laser-1",
            "state": "running",
            "raw": '"AUTO"',
            "since": AT,
            "quality": "good",
            "online": 1,
            "parts": 2.0,
        }
    ],
    "machine_values": [{"device": "laser-1", "input": "good", "value": "18446744073709551615", "received_at": LATER}],
    "machine_quarantines": [
        {
            "id": id_of("quarant"),
            "device": "laser-1",
            "input": "good",
            "reason": "jump",
            "pieces": 900,
            "found_at": LATER,
        }
    ],
    "machine_badges": [{"device": "laser-1", "operator_id": OPERATOR, "at": AT}],
    "gathered_pieces": [
        {
            "source": "laser-1/good",
            "cause": "counter",
            "field": "quantity_good",
            "operation_id": OPERATION,
            "pending_millionths": 500_000,
            "booked_total": 7,
        }
    ],
    "mqtt_publishers": [
        {"id": PUBLISHER, "name": "plant", "broker_url": "mqtts://plant.example", "password": "sealed:1:def", **MADE}
    ],
    "mqtt_logs": [
        {
            "id": id_of("mqttlog"),
            "mqtt_publisher_id": PUBLISHER,
            "event_type": "operation.started",
            "topic": "a/b",
            "payload": "{}",
            "success": 1,
            "created_at": LATER,
        }
    ],
    "replays": [
        {
            "id": id_of("replay"),
            "out": f"webhook:{WEBHOOK}",
            "from_seq": 3,
            "to_seq": 4,
            "position": 3,
            "requested_by": "first admin",
            "created_at": LATER,
        }
    ],
    "mcp_authentication_keys": [
        {
            "id": AGENT,
            "name": "planner",
            "key_hash": DIGEST,
            "key_prefix": "ery_mcp_abcd",
            "allowed_tools": '["*"]',
            **MADE,
        }
    ],
    "mcp_key_usage_logs": [
        {
            "id": id_of("used"),
            "key_id": AGENT,
            "caller": "planner",
            "tool_name": "list_jobs",
            "success": 1,
            "created_at": LATER,
        }
    ],
    "terminals": [{"id": TERMINAL, "name": "Laser left", "cell_id": CELL, "key_hash": DIGEST, "created_at": AT}],
    "terminal_codes": [{"code_hash": DIGEST, "name": "Saw", "expires_at": LATER}],
    "terminal_sessions": [{"id": id_of("session"), "terminal_id": TERMINAL, "operator_id": OPERATOR, "started_at": AT}],
    "terminal_pins": [
        {"operator_id": OPERATOR, "box": "a-box", "salt": SALT, "verifier": VERIFIER, "wrong": 1, "set_at": AT}
    ],
    "operation_handoffs": [
        {"id": id_of("handoff"), "operation_id": OPERATION, "text": "Sheet 3 is next", "written_at": LATER}
    ],
    "ops_history": [{"minute": 29893380, "head": 4, "pending": 0, "parked": 1, "sent": 3, "oldest_s": 0}],
    "ops_actions": [
        {
            "id": id_of("action"),
            "created_at": LATER,
            "who": "ops",
            "source": "127.0.0.1",
            "action": "queue.retry",
            "detail": "{}",
            "status": 200,
        }
    ],
    "event_anchors": [{"seq": 2, "hash": LINK}],
    "repairs_ignored": [{"problem": "plain_lan", "until": "2026-12-31T00:00:00+00:00", "ignored_by": "ops"}],
}
