"""Whatever a body or a query holds: an answer by the contract, never an internal error, and the database stays sound."""

import random
from collections import Counter
from urllib.parse import urlencode

import pytest
from hall import ANNA, BEN, BURR, JIG, LASER, NOWHERE, SAW, SCRATCH

from gateway.api import described

REQUESTS = 1500
NASTY_SHARE = 0.06
DELETE_SHARE = 0.05
NASTY = (
    *(
        None,
        True,
        0,
        -1,
        2**31,
        2**63,
        2**70,
        1.5,
        -0.0,
        1e308,
        "",
        "x",
        "A" * 300,
        "A" * 70_000,
        "ä" * 255,
        "\u202e",
        "%",
        "'; --",
    ),
    *(
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "0001-01-01",
        "24:00",
        "true",
        "completed",
        "run",
        "stop",
    ),
    *([], {}, [1], [None], {"a": [{}]}, {"": ""}),
)
TIMES = ("2026-11-01", "2026-11-02T06:30:00Z", "2026-11-02T09:00:00+02:00", "2030-01-01T00:00:00.123456Z")
STATES = {200, 201, 400, 403, 404, 405, 409, 413, 422}
KNOWN = {
    "operator_id": (ANNA, BEN),
    "recorded_by": (ANNA, BEN),
    "user_id": (ANNA, BEN),
    "assigned_operator_id": (ANNA, BEN),
    "assigned_by": (ANNA, BEN),
    "completed_by": (ANNA, BEN),
    "created_by": (ANNA, BEN),
}
KNOWN |= {
    "cell_id": (LASER, SAW),
    "current_cell_id": (LASER, SAW),
    "resource_id": (JIG,),
    "scrap_reason_id": (BURR, SCRATCH),
}
POINTS_AT = {"job_id": "jobs", "part_id": "parts", "parent_part_id": "parts", "operation_id": "operations"}


FUNCTIONS = {
    "api-jobs": "jobs",
    "api-parts": "parts",
    "api-operations": "operations",
    "api-job-lifecycle": "jobs",
    "api-operation-lifecycle": "operations",
    "api-time-entries": "time_entries",
    "api-operation-quantities": "operation_quantities",
    "api-cells": "cells",
    "api-resources": "resources",
    "api-scrap-reasons": "scrap_reasons",
    "api-materials": "materials",
    "api-substeps": "substeps",
    "api-assignments": "assignments",
    "api-templates": "substep_templates",
}


class Writer:
    """Bodies and queries that look right, with something nasty in them now and then."""

    def __init__(self, rng: random.Random, schemas: dict) -> None:
        self.rng = rng
        self.schemas = schemas
        self.rows: dict[str, list[str]] = {}

    def value(self, name: str, schema: dict):
        if self.rng.random() < NASTY_SHARE:
            return self.rng.choice(NASTY)
        schema = self.schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
        if "anyOf" in schema:
            return self.value(name, self.rng.choice(schema["anyOf"]))
        if "enum" in schema:
            return self.rng.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            needed = schema.get("required", ())
            fields = schema.get("properties", {})
            return {
                field: self.value(field, one)
                for field, one in fields.items()
                if field in needed or self.rng.random() < 0.3
            }
        if kind == "array":
            return [self.value(name, schema.get("items", {})) for _ in range(self.rng.choice((1, 1, 2)))]
        return self.plain(name, kind, schema.get("format"))

    def plain(self, name: str, kind: str | None, form: str | None):
        if form == "uuid" or name.endswith("_id"):
            return self.an_id(name)
        if form == "date-time":
            return self.rng.choice(TIMES)
        if kind == "integer":
            return self.rng.choice((0, 1, 2, 50))
        if kind == "number":
            return self.rng.choice((1, 2.5))
        if kind == "boolean":
            return self.rng.random() < 0.5
        return None if kind == "null" else f"text {self.rng.random()}"

    def an_id(self, name: str) -> str:
        if name == "id":
            return f"{self.rng.getrandbits(32):08x}-0000-4000-8000-{self.rng.getrandbits(48):012x}"
        found = KNOWN.get(name) or self.rows.get(POINTS_AT.get(name, ""))
        return self.rng.choice(found) if found and self.rng.random() < 0.97 else NOWHERE

    def query(self, method: str, table: str, parameters: list[dict]) -> str:
        given = {}
        for one in parameters:
            if one["in"] != "query" or self.rng.random() > (0.95 if one["name"] == "id" and method != "GET" else 0.2):
                continue
            found = self.rows.get(table) if one["name"] == "id" else None
            given[one["name"]] = self.rng.choice(found) if found else self.value(one["name"], one["schema"])
        return urlencode(given)[:4000]


def calls() -> list[tuple[str, str, str, dict]]:
    """(method, path, table of its ids, what OpenAPI says) of every route to the work and the plain tables."""
    return [
        (method.upper(), path, FUNCTIONS[function], told)
        for path, methods in described()["paths"].items()
        if (function := path.split("/")[1]) in FUNCTIONS
        for method, told in methods.items()
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_that_is_sent_is_an_internal_error(floor, seed):
    rng = random.Random(seed)
    writer, routes, told = Writer(rng, described()["components"]["schemas"]), calls(), Counter()
    await floor.job()
    for number in range(REQUESTS):
        if number % 50 == 0:
            for table in {*FUNCTIONS.values()}:
                writer.rows[table] = [
                    row[0] for row in await floor.query(f"SELECT id FROM {table} ORDER BY rowid DESC LIMIT 20")
                ]
        method, path, table, about = rng.choice(routes)
        if method == "DELETE" and rng.random() > DELETE_SHARE:
            continue
        body = None
        if "requestBody" in about:
            body = writer.value("", about["requestBody"]["content"]["application/json"]["schema"])
        path = path.replace("{action}", rng.choice(("start", "pause", "resume", "complete", "stop", "x")))
        path = path.replace("{part_id}", rng.choice(writer.rows["parts"]))
        asked = f"{path}?{writer.query(method, table, about.get('parameters', []))}"
        reply = await floor.send(method, asked, body)
        assert reply.status in STATES, (method, asked, body, reply.body)
        if reply.status >= 400:
            assert reply.error["message"], asked
            assert not [word for word in ("sqlite", "constraint failed", "Traceback") if word in str(reply.body)], (
                reply.body
            )
        told[reply.status] += 1
    assert told[201] > REQUESTS / 50, told
    assert told[200] > REQUESTS / 20, told
    assert await floor.query("PRAGMA foreign_key_check") == []
    assert await floor.query("PRAGMA integrity_check") == [("ok",)]
