"""What stands in a message. Pure: rows and facts in, JSON objects out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from gateway.kernel import clock as time_
from gateway.machines.model import Standing as Machine
from gateway.outbox.event import Entry, encode, in_seconds
from gateway.settings import Settings
from gateway.uns.shapes import (
    Birth,
    CellNamed,
    CellReading,
    Death,
    DeviceJobReading,
    EventMessage,
    Health,
    JobReading,
    MachineReading,
    OperationReading,
    Work,
)
from gateway.uns.topics import Place

DEVICE_JOB_SCHEMA = "uns/devjob/1"
PAYLOAD_BYTES_MAX = 256 * 1024
_SHORTENED = (
    1_000,
    200,
    40,
)  # characters of a text, entries of a list in a payload that is too large; the last leaves ids whole
_NAMES = (
    "operator_name",
    "created_by_name",
    "recorded_by_name",
    "completed_by_name",
)  # keys of event data with somebody's name
_CLOUD = {"up": "connected", "down": "disconnected"}  # the other states are called alike

Payload = Mapping[str, Any]  # one of shapes.py


class Counted(NamedTuple):
    """Pieces booked so far."""

    produced: int = 0
    good: int = 0
    scrap: int = 0
    rework: int = 0


@dataclass(frozen=True, slots=True)
class OperationRow:
    """A live operation as it stands now."""

    id: str
    operation_name: str
    status: str
    sequence: int
    cell_id: str
    part_id: str
    part_number: str
    planned: int
    job_id: str
    job_number: str
    due_date: str | None
    planned_start: str | None
    planned_end: str | None
    started_at: str | None
    completed_at: str | None
    operators: int
    counted: Counted


@dataclass(frozen=True, slots=True)
class CellRow:
    id: str
    wip_limit: int | None
    queue_length: int
    held: int
    active: tuple[OperationRow, ...] = ()


@dataclass(frozen=True, slots=True)
class JobRow:
    id: str
    job_number: str
    customer: str | None
    status: str
    due_date: str | None
    started_at: str | None
    completed_at: str | None
    parts: int
    parts_completed: int
    operations: int
    operations_completed: int


@dataclass(frozen=True, slots=True)
class Source:
    """Who speaks: in every message, so that a reader can tell one journal from another."""

    gateway_id: str
    epoch: int | str
    tenant_id: str
    publish_names: bool = False
    in_seconds: bool = False  # [compat] event_time_unit: clients written from the documentation's samples read seconds

    @classmethod
    def of(cls, settings: Settings, epoch: int) -> "Source":
        in_seconds = settings.compat.event_time_unit == "seconds"
        return cls(settings.gateway.id, epoch, settings.site.tenant_id, settings.uns.publish_names, in_seconds)


@dataclass(frozen=True, slots=True)
class Standing:
    """The gateway itself, for its health topic. `..._behind`: entries of the journal that wait; `cloud`: the link's state."""

    ok: bool
    uptime_s: float
    cloud: str
    cloud_behind: int = 0
    journal_behind: int = 0
    inbound_rejected: int = 0
    broker: Mapping[str, Any] = field(default_factory=dict)
    disk_free_mb: int = 0

    @classmethod
    def of(cls, told: Mapping[str, Any], uptime_s: float, disk_free_bytes: int) -> "Standing":
        """`told`: as `/healthz` says it."""
        links = told["links"]
        broker = links.get("broker", {})
        return cls(
            ok=told["status"] == "ok",
            uptime_s=uptime_s,
            cloud=links["cloud"]["state"],
            cloud_behind=links["cloud"].get("behind", 0),
            journal_behind=links["uns"].get("behind", 0),
            inbound_rejected=links["uns"].get("inbound_rejected", 0),
            broker={name: broker.get(name) for name in ("state", "mode", "version")},
            disk_free_mb=disk_free_bytes // (1024 * 1024),
        )


def event(
    entry: Entry, data: Mapping[str, Any], source: Source, prev: int | None, replay_id: str | None = None
) -> EventMessage:
    """The cloud's shape, then ours: `seq` and `epoch` to find gaps, `prev` the one before it, `id` against repeats.

    `replay_id`: it is told again, outside the order.
    """
    told = {name: value for name, value in data.items() if source.publish_names or name not in _NAMES}
    if source.in_seconds:
        told = in_seconds(told)
    message: EventMessage = {
        "event": str(entry.type),
        "timestamp": time_.zulu(time_.parse(entry.occurred_at)),
        "tenant_id": source.tenant_id,
        "data": told,
        "id": entry.id,
        "seq": entry.seq,
        "prev": prev,
        "epoch": source.epoch,
        "source": source.gateway_id,
        "schema": "uns/event/1",
    }
    if replay_id is not None:
        message["replay"] = replay_id
    return message


def data_of(entry: Entry) -> Mapping[str, Any]:
    found = json.loads(entry.data) if entry.data else {}
    return found if isinstance(found, dict) else {}


def cell(row: CellRow, place: Place, gateway_id: str, machines: Mapping[str, str]) -> CellReading:
    """`machines`: device -> state."""
    return {
        "schema": "uns/cell/1",
        "quality": "good",
        "gateway": gateway_id,
        "cell": _place(place),
        "active": [_work(one) for one in row.active],
        "queue_length": row.queue_length,
        "held": row.held,
        "machine": dict(machines),
        "wip": {"current": len(row.active), "limit": row.wip_limit},
    }


def operation(row: OperationRow, place: Place, gateway_id: str) -> OperationReading:
    return {
        "schema": "uns/operation/1",
        "quality": "good",
        "gateway": gateway_id,
        "cell": _place(place),
        **_work(row),
        "sequence": row.sequence,
        "part_id": row.part_id,
        "job_id": row.job_id,
        "due_date": row.due_date,
        "planned_start": row.planned_start,
        "planned_end": row.planned_end,
        "completed_at": row.completed_at,
    }


def job(row: JobRow, gateway_id: str) -> JobReading:
    return {
        "schema": "uns/job/1",
        "quality": "good",
        "gateway": gateway_id,
        "job_id": row.id,
        "job_number": row.job_number,
        "customer": row.customer,
        "status": row.status,
        "due_date": row.due_date,
        "started_at": row.started_at,
        "completed_at": row.completed_at,
        "parts": {"done": row.parts_completed, "total": row.parts},
        "operations": {"done": row.operations_completed, "total": row.operations},
    }


def machine(row: Machine, gateway_id: str) -> MachineReading:
    return {
        "schema": "uns/machine/1",
        "source_timestamp": row.source_timestamp,
        "quality": row.quality,
        "gateway": gateway_id,
        "device": row.device,
        "state": row.state,
        "raw": row.raw,
        "since": row.since,
        "program": row.program,
        "counters": dict(row.counters),
    }


def device_job(work: OperationRow | None, program: str | None) -> DeviceJobReading:
    """Flat, every key always there: blocks of a PLC cannot walk lists."""
    return {
        "schema": "uns/devjob/1",
        "op": work.id if work else None,
        "job": work.job_number if work else None,
        "part": work.part_number if work else None,
        "name": work.operation_name if work else None,
        "status": work.status if work else None,
        "planned": work.planned if work else None,
        "good": work.counted.good if work else None,
        "scrap": work.counted.scrap if work else None,
        "program": program if work else None,
    }


def birth(source: Source, version: str, broker: str | None, since: datetime, slugs: Iterable[str]) -> Birth:
    return {
        "schema": "uns/status/1",
        "online": True,
        "version": version,
        "gateway": source.gateway_id,
        "epoch": source.epoch,
        "broker": broker,
        "since": time_.zulu(since),
        "cells": sorted(slugs),
    }


def death(source: Source, reason: str, at: datetime) -> Death:
    return {
        "schema": "uns/status/1",
        "online": False,
        "reason": reason,
        "gateway": source.gateway_id,
        "timestamp": time_.zulu(at),
    }


def health(standing: Standing) -> Health:
    return {
        "schema": "uns/health/1",
        "ok": standing.ok,
        "uptime_s": round(standing.uptime_s),
        "journal_behind": standing.journal_behind,
        "inbound_rejected": standing.inbound_rejected,
        "cloud": _CLOUD.get(standing.cloud, standing.cloud),
        "cloud_behind": standing.cloud_behind,
        "broker": dict(standing.broker),
        "disk_free_mb": standing.disk_free_mb,
    }


def stamped(payload: Payload, at: datetime) -> Payload:
    """A state with the time of its reading; kept apart, because the time alone is no news."""
    name = "ts" if payload["schema"] == DEVICE_JOB_SCHEMA else "timestamp"
    return {"schema": payload["schema"], name: time_.zulu(at), **payload}


def written(payload: Payload) -> str:
    """As JSON of at most PAYLOAD_BYTES_MAX. What is longer has its texts and lists cut, and says `"truncated": true`."""
    told = encode(payload)
    for length_max in _SHORTENED:
        if len(told) <= PAYLOAD_BYTES_MAX and len(told.encode()) <= PAYLOAD_BYTES_MAX:
            break
        told = encode(_shortened(payload, length_max) | {"truncated": True})
    return told


def _shortened(value: Any, length_max: int) -> Any:
    if isinstance(value, str):
        return value[:length_max]
    if isinstance(value, list):
        return [_shortened(one, length_max) for one in value[:length_max]]
    if isinstance(value, dict):
        return {name: _shortened(one, length_max) for name, one in value.items()}
    return value


def properties(payload: Payload, gateway_id: str) -> tuple[tuple[str, str], ...]:
    """MQTT 5 user properties: what it is and from whom, without reading it."""
    return (("schema", payload["schema"]), ("source", gateway_id))


def _place(place: Place) -> CellNamed:
    return {"id": place.cell_id, "name": place.name, "slug": place.slug}


def _work(row: OperationRow) -> Work:
    return {
        "operation_id": row.id,
        "operation_name": row.operation_name,
        "status": row.status,
        "job_number": row.job_number,
        "part_number": row.part_number,
        "quantity": {
            "planned": row.planned,
            "produced": row.counted.produced,
            "good": row.counted.good,
            "scrap": row.counted.scrap,
            "rework": row.counted.rework,
        },
        "started_at": row.started_at,
        "operators": row.operators,
    }
