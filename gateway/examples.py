"""The examples in the description of the API. Each works as it stands in the example hall, which has the rows of IDS."""

from collections.abc import Mapping
from typing import Any

Body = Mapping[str, Any]

_ID = "0199c0de-0000-7000-8000-{:012x}"
JOB, PART, OPERATION, CELL, RESOURCE, OPERATOR, REASON = map(_ID.format, range(1, 8))
BATCH, MEMBER, NEXT_OPERATION = map(_ID.format, range(0x90, 0x93))
WEBHOOK, PUBLISHER = _ID.format(30), _ID.format(40)

TENANT = "0199c0de-0000-7000-8000-00000000000a"
IMAGE = f"{TENANT}/parts/{PART}/1793602800000_photo.jpg"
UPLOADED = f"{TENANT}/jobs/JOB-1/bracket.png"

# function -> the row that an id in its examples means
IDS = {
    "api-jobs": JOB,
    "api-job-lifecycle": JOB,
    "api-parts": PART,
    "api-parts-images": PART,
    "api-operations": OPERATION,
    "api-operation-lifecycle": OPERATION,
    "api-cells": CELL,
    "api-resources": RESOURCE,
    "api-scrap-reasons": REASON,
    "api-time-entries": _ID.format(8),
    "api-operation-quantities": _ID.format(9),
    "api-issues": _ID.format(13),
    "api-substeps": _ID.format(10),
    "api-assignments": _ID.format(11),
    "api-templates": _ID.format(12),
    "api-batches": BATCH,
    "api-batch-lifecycle": BATCH,
    "api-webhooks": WEBHOOK,
    "api-webhook-logs": _ID.format(31),
    "api-mqtt-publishers": PUBLISHER,
    "api-mqtt-logs": _ID.format(41),
    "api-key-generate": _ID.format(32),
    "api-conflicts": _ID.format(33),
    "api-replay": _ID.format(34),
    "api-terminals": _ID.format(35),
}

_TREE = {
    "job_number": "JOB-2026-001",
    "customer_name": "Acme Corp",
    "due_date": "2026-12-18",
    "priority": 1,
    "parts": [
        {
            "part_number": "BRACKET-A1",
            "material": "Steel 304",
            "quantity": 50,
            "operations": [
                {
                    "operation_name": "Laser cutting",
                    "sequence": 1,
                    "cell_id": CELL,
                    "estimated_time_minutes": 30,
                    "resources": [{"resource_id": RESOURCE, "quantity": 1}],
                }
            ],
        }
    ],
}

_ERP_OPERATION = {
    "external_id": "ERP-OP-001",
    "operation_name": "Laser Cutting",
    "sequence": 1,
    "cell_name": "Laser 1",
    "estimated_time_minutes": 30,
}
_ERP_PART = {
    "external_id": "ERP-PART-001",
    "part_number": "BRACKET-A1",
    "material": "Steel 304",
    "quantity": 50,
    "operations": [_ERP_OPERATION],
}
_ERP_JOB = {
    "external_id": "ERP-JOB-001",
    "external_source": "sap",
    "job_number": "JOB-2026-001",
    "customer_name": "Acme Corp",
    "due_date": "2026-12-18",
    "parts": [_ERP_PART],
}
_ERP_CELL = {"external_id": "WC-100", "external_source": "sap", "name": "Bending", "sequence": 3, "active": True}
_ERP_TOOL = {"external_id": "TOOL-7", "external_source": "sap", "name": "Mold 7", "type": "mold", "location": "Rack B2"}
_OF_PART = {"external_source": "sap", "part_id": PART}
_OF_JOB = {"external_source": "sap", "job_id": JOB}
# table -> a record of an ERP
_ERP: Mapping[str, Body] = {
    "jobs": _ERP_JOB,
    "parts": _ERP_PART | _OF_JOB,
    "operations": _ERP_OPERATION | _OF_PART,
    "cells": _ERP_CELL,
    "resources": _ERP_TOOL,
}
_UNIFIED = {
    "cells": [_ERP_CELL],
    "jobs": [_ERP_JOB],
    "options": {"skip_unchanged": True, "record_history": True},
    "source": "sap",
}

# (methods, path) -> bodies, the first of them to be shown first
BODIES: Mapping[tuple[str, str], Mapping[str, Body]] = {
    ("POST", "/api-jobs"): {"a job with a part and an operation": _TREE, "a job alone": {"job_number": "JOB-2026-002"}},
    ("PATCH PUT", "/api-jobs"): {"another date": {"due_date": "2026-12-22", "notes": "moved by the customer"}},
    ("POST", "/api-parts"): {
        "a part of a job": {"job_id": JOB, "part_number": "BRACKET-A2", "material": "Steel 304", "quantity": 10}
    },
    ("PATCH PUT", "/api-parts"): {"more pieces": {"quantity": 60}},
    ("POST", "/api-operations"): {
        "one more step": {"part_id": PART, "cell_id": CELL, "operation_name": "Deburring", "estimated_time_minutes": 10}
    },
    ("PATCH PUT", "/api-operations"): {
        "planned": {"planned_start": "2026-12-01T07:00:00Z", "assigned_operator_id": OPERATOR}
    },
    ("POST", "/api-cells"): {"a cell": {"name": "Bending", "color": "#2266cc", "capacity_hours_per_day": 16}},
    ("PATCH PUT", "/api-cells"): {"out of use": {"active": False}},
    ("POST", "/api-resources"): {"a mold": {"name": "Mold 7", "type": "mold", "location": "Rack B2"}},
    ("PATCH PUT", "/api-resources"): {"in the workshop": {"status": "maintenance"}},
    ("POST", "/api-scrap-reasons"): {
        "a reason": {"code": "PORE", "description": "Pore in the weld", "category": "process"}
    },
    ("PATCH PUT", "/api-scrap-reasons"): {"no longer used": {"active": False}},
    ("POST", "/api-operation-lifecycle"): {
        "somebody starts": {"operation_id": OPERATION, "action": "start", "operator_id": OPERATOR}
    },
    ("POST", "/api-operation-lifecycle/{action}"): {
        "late, with its true time": {"occurred_at": "2026-11-02T06:12:00Z"}
    },
    ("POST", "/api-job-lifecycle"): {"start": {"job_id": JOB, "action": "start"}},
    ("POST", "/api-job-lifecycle/{action}"): {"with a note": {"notes": "material is there"}},
    ("POST", "/api-time-entries"): {
        "half an hour, afterwards": {
            "operation_id": OPERATION,
            "operator_id": OPERATOR,
            "start_time": "2026-11-02T05:00:00Z",
            "end_time": "2026-11-02T05:30:00Z",
            "time_type": "setup",
        }
    },
    ("PATCH PUT", "/api-time-entries"): {"a note": {"notes": "waited for the crane"}},
    ("POST", "/api-operation-quantities"): {
        "with scrap and its reasons": {
            "operation_id": OPERATION,
            "quantity_produced": 50,
            "quantity_good": 47,
            "quantity_scrap": 3,
            "quantity_rework": 0,
            "scrap_reasons": [{"reason_id": REASON, "quantity": 3}],
        }
    },
    ("PATCH PUT", "/api-operation-quantities"): {"counted again": {"quantity_good": 10}},
    ("POST", "/api-issues"): {
        "an issue": {
            "operation_id": OPERATION,
            "title": "Burr",
            "description": "A burr on the left edge",
            "severity": "low",
        },
        "a non-conformance that stops the work": {
            "operation_id": OPERATION,
            "title": "Wrong steel",
            "description": "The sheet is S355, the drawing says S235",
            "severity": "high",
            "created_by": OPERATOR,
            "issue_type": "ncr",
            "ncr_category": "material",
            "ncr_disposition": "return_to_supplier",
            "affected_quantity": 12,
            "causes_standstill": True,
        },
    },
    ("PATCH PUT", "/api-issues"): {"settled": {"status": "closed", "resolution_notes": "another sheet"}},
    ("POST", "/api-substeps"): {"one more step": {"operation_id": OPERATION, "name": "Deburr the edges"}},
    ("PATCH PUT", "/api-substeps"): {
        "done": {"status": "completed", "completed_by": OPERATOR},
        "done, in the older words": {"completed": True},
    },
    ("POST", "/api-assignments"): {
        "a part for somebody": {"part_id": PART, "operator_id": OPERATOR, "assigned_by": OPERATOR}
    },
    ("PATCH PUT", "/api-assignments"): {"accepted": {"status": "accepted"}},
    ("POST", "/api-templates"): {"a template": {"name": "Weld set", "operation_type": "welding"}},
    ("PATCH PUT", "/api-templates"): {"for everybody": {"is_global": True}},
    ("POST", "/api-batches"): {
        "a nest with its operations": {
            "batch_number": "NEST-2026-002",
            "batch_type": "laser_nesting",
            "cell_id": CELL,
            "material": "Steel 304",
            "thickness_mm": 2.5,
            "operation_ids": [NEXT_OPERATION],
        },
        "a nest that the machine cuts alone": {
            "batch_number": "NEST-2026-003",
            "batch_type": "laser_nesting",
            "production_mode": "automated",
            "cell_id": CELL,
        },
    },
    ("PATCH PUT", "/api-batches"): {"ready to be cut": {"status": "ready"}},
    ("POST", "/api-batch-lifecycle"): {
        "somebody starts": {"batch_id": BATCH, "action": "start", "operator_id": OPERATOR},
        "one more operation": {"batch_id": BATCH, "action": "add-operations", "operation_ids": [NEXT_OPERATION]},
        "which are overdue": {"action": "monitor"},
    },
    ("POST", "/api-batch-lifecycle/{action}"): {
        "late, with its true time": {"operator_id": OPERATOR, "occurred_at": "2026-11-02T06:12:00Z"}
    },
    ("POST", "/api-webhooks"): {
        "what happens to jobs, and scrap": {
            "url": "https://erp.example.com/hooks/eryxon",
            "events": ["job.*", "production.scrap_recorded"],
            "secret_key": "a long and random text",  # nosec B105 # an example for people
        },
        "everything, with a secret made here": {"url": "https://erp.example.com/hooks/all", "events": ["*"]},
    },
    ("POST", "/api-webhooks/{webhook_id}/dead-letters/retry"): {"one of them": {"seqs": [1204]}, "all": {}},
    ("POST", "/api-replay"): {"the first entries, on MQTT": {"out": "uns", "from_seq": 1, "to_seq": 2}},
    ("POST", "/api-forward"): {
        "a start, as it was in the cell": {
            "gateway_id": "gw-a1",
            "epoch": 1769843524,
            "items": [
                {
                    "key": "0199c0de-0000-7000-8000-0000000000f1",
                    "method": "POST",
                    "path": f"/api-operation-lifecycle/start?id={OPERATION}",
                    "body": {"operator_id": OPERATOR},
                    "occurred_at": "2026-11-02T06:12:00Z",
                }
            ],
        }
    },
    ("POST", "/api-mqtt-publishers"): {
        "the plant's broker, over TLS": {
            "name": "plant historian",
            "broker_url": "mqtts://mqtt.plant1.example",
            "port": 8883,
            "username": "eryxon",
            "password": "a long and random text",  # nosec B105 # an example for people
            "topic_pattern": "{enterprise}/mes/{site}/{area}/{cell}/{operation}/{event}",
            "default_enterprise": "acme",
            "default_site": "chicago",
            "default_area": "assembly",
            "events": ["operation.*", "production.scrap_recorded"],
        },
        "everything, without a password": {"name": "trial", "broker_url": "10.0.0.5", "events": ["*"]},
    },
    ("PATCH PUT", "/api-mqtt-publishers"): {"switched off": {"active": False}},
    ("PATCH PUT", "/api-webhooks"): {"switched off": {"active": False}},
    ("PATCH", "/api-conflicts"): {"what was done here is right": {"resolution": "local"}},
    ("POST", "/api-terminals"): {
        "a screen at the laser": {"name": "Laser 1", "cell_id": CELL, "language": "nl", "theme": "dark"}
    },
    ("PATCH", "/api-terminals/{terminal_id}"): {"it was moved": {"name": "Saw 2", "cell_id": CELL}},
    ("PUT", "/api-terminals/pins"): {"for the operator": {"operator_id": OPERATOR, "pin": "4711"}},
    ("POST PUT PATCH", "/api-key-generate"): {
        "a terminal at the laser": {"name": "terminal 1", "scope": "operate", "cells": [CELL], "operator_id": OPERATOR}
    },
    **{("PUT", f"/api-{table}/sync"): {"one record": record} for table, record in _ERP.items()},
    **{
        ("POST", f"/api-{table}/bulk-sync"): {"under the table's name": {table: [record]}, "items": {"items": [record]}}
        for table, record in _ERP.items()
    },
    **{("POST", f"/api-erp-sync/{mode}"): {"cells and a job tree": _UNIFIED} for mode in ("diff", "sync")},
    ("POST PUT PATCH", "/api-upload-url"): {
        "a drawing of a job": {"filename": "bracket.step", "content_type": "model/step", "job_number": "JOB-2026-001"},
        "a photo": {"filename": "photo.jpg", "content_type": "image/jpeg"},
    },
    ("POST", "/api-parts-images"): {"a file that was uploaded before": {"part_id": PART, "file_path": UPLOADED}},
    ("POST", "/api-parts-images/{part_id}"): {"a file that was uploaded before": {"file_path": UPLOADED}},
    ("DELETE", "/api-parts-images"): {"one of its images": {"path": IMAGE}},
    ("DELETE", "/api-parts-images/{part_id}"): {"one of its images": {"path": IMAGE}},
}


def bodies(method: str, path: str) -> Mapping[str, Body]:
    """By what they say."""
    for (methods, of), found in BODIES.items():
        if of == path and method in methods.split():
            return found
    return {}


def row(path: str) -> str | None:
    """The id that stands for a row of this function."""
    return IDS.get(path.split("/")[1])
