"""Keys over HTTP: an admin key stands for the administrator's session that the cloud asks for."""

import json

import pytest

from gateway.kernel import trail
from gateway.web.routes import Scope

PATH = "/api-key-generate"
DENIED = "Admin authentication required"


async def made(floor, **more):
    return await floor.make(PATH, {"name": "terminal 1", **more})


async def test_a_key_is_made_shown_once_and_works(floor):
    told = await made(floor)
    assert told.keys() >= {
        "id",
        "name",
        "api_key",
        "key_prefix",
        "created_at",
        "warning",
        "scope",
        "cells",
        "operator_id",
    }
    key = told["api_key"]
    assert (key[:9], len(key), told["key_prefix"]) == ("ery_live_", 41, key[:12])
    assert (told["scope"], told["cells"]) == ("admin", None)
    await floor.get("/api-cells", key=key)
    assert key not in json.dumps(await floor.get(PATH))


async def test_the_list_is_as_recorded_newest_first(floor):
    operator = await floor.new_key(Scope.ADMIN, operator_id=floor.ANNA)
    await floor.clock.advance(1)
    reply = await floor.send(
        "POST", PATH, {"name": "by anna", "operator_id": floor.BEN, "scope": "operate"}, key=operator
    )
    listed = (await floor.get(PATH))["api_keys"]
    assert listed[0]["id"] == reply.data["id"]
    assert listed[0].keys() >= {"id", "name", "key_prefix", "active", "last_used_at", "created_at", "created_by"}
    assert listed[0]["created_by"] == {"id": floor.ANNA, "username": "anna", "full_name": "Anna"}
    assert listed[0]["operator"] == {"id": floor.BEN, "username": "ben", "full_name": "Ben"}
    assert (listed[0]["scope"], listed[0]["active"], listed[0]["origin"]) == ("operate", True, "local")
    assert listed[-1]["created_by"] is None


async def test_scope_and_cells_hold(floor):
    key = (await made(floor, scope="read", cells=["Laser", floor.SAW.upper()]))["api_key"]
    assert (await floor.send("POST", "/api-cells", {"name": "x"}, key=key)).status == 403
    other = (await made(floor, scope="plan", cells=["Laser"]))["api_key"]
    cells = (await floor.get("/api-cells", key=other))["cells"]
    assert [cell["id"] for cell in cells] == [floor.LASER]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("name", [{}, {"name": None}, {"name": ""}, {"name": " "}, {"name": 7}, {"name": ["x"]}])
async def test_a_key_without_a_name_is_a_bad_request(floor, method, name):
    reply = await floor.send(method, PATH, name)
    assert (reply.status, reply.error["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x" * 256}, "name"),
        ({"name": "x", "scope": "root"}, "scope"),
        ({"name": "x", "cells": []}, "cells"),
        ({"name": "x", "cells": ["nowhere"]}, "cells"),
        ({"name": "x", "cells": "Laser"}, "cells"),
        ({"name": "x", "operator_id": "anna"}, "operator_id"),
        ({"name": "x", "operator_id": "11111111-2222-4333-8444-555555555555"}, "operator_id"),
        ({"name": "x", "api_key": "ery_live_mine"}, "api_key"),
    ],
)
async def test_what_is_wrong_is_named_and_no_key_is_made(floor, body, field):
    before = await floor.get(PATH)
    reply = await floor.send("POST", PATH, body)
    assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR")
    assert reply.error["details"][0]["field"] == field
    assert len((await floor.get(PATH))["api_keys"]) == len(before["api_keys"])


async def test_a_key_that_is_ended_is_ended_at_once_and_stays_listed(floor):
    told = await made(floor)
    reply = await floor.send("DELETE", f"{PATH}?id={told['id']}")
    assert (reply.status, list(reply.data)) == (200, ["message"])
    assert (await floor.send("GET", "/api-cells", key=told["api_key"])).error["message"] == "Invalid API key"
    (row,) = [row for row in (await floor.get(PATH))["api_keys"] if row["id"] == told["id"]]
    assert row["active"] is False


@pytest.mark.parametrize(("query", "status"), [("", 400), ("?id=", 400), ("?id=zz", 200), ("?id={nowhere}", 200)])
async def test_ending_what_is_not_there(floor, query, status):
    assert (await floor.send("DELETE", PATH + query.replace("{nowhere}", floor.NOWHERE))).status == status


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "QUERY"])
async def test_nobody_else_is_told_more_than_that(floor, method):
    keys = [await floor.new_key(scope) for scope in (Scope.READ, Scope.OPERATE, Scope.PLAN)]
    for key in (*keys, "ery_live_wrong", "a.session.token"):
        reply = await floor.send(method, f"{PATH}?id={floor.NOWHERE}", {"name": "x"}, key=key)
        if method == "QUERY" and key in keys:
            assert reply.status == 400
            continue
        assert reply.status == 401
        assert method == "QUERY" or reply.error["message"] == DENIED
    async with floor.session.request(method, floor.url + PATH) as answer:
        assert answer.status == 401


async def test_a_key_that_is_held_to_cells_is_no_administrators(floor):
    key = await floor.new_key(Scope.ADMIN, floor.LASER)
    for method in ("GET", "POST", "DELETE"):
        reply = await floor.send(method, f"{PATH}?id={floor.NOWHERE}", {"name": "x"}, key=key)
        assert (reply.status, reply.error["message"]) == (401, DENIED)


async def test_the_same_request_again_makes_one_key_and_does_not_show_it_again(floor):
    once = {"Idempotency-Key": "key-1"}
    first = await floor.send("POST", PATH, {"name": "x"}, headers=once)
    again = await floor.send("POST", PATH, {"name": "x"}, headers=once)
    assert (again.status, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert (again.data["id"], again.data["api_key"]) == (first.data["id"], "[redacted]")
    assert "first answer" in again.data["warning"]
    assert [row["name"] for row in (await floor.get(PATH))["api_keys"]].count("x") == 1


async def test_the_key_itself_is_nowhere_on_the_disk(floor):
    key = (await made(floor))["api_key"]
    files = [file for file in floor.db.path.parent.iterdir() if file.name.startswith("gateway.")]
    assert key.encode() not in b"".join(file.read_bytes() for file in files)


# ------------------------------------------------------------------ the cloud's other functions


async def test_what_this_installation_costs_is_told_to_everybody(floor):
    async with floor.session.get(floor.url + "/functions/v1/plan-mode") as answer:
        told = await answer.json()
    assert answer.status == 200
    assert told.pop("message")
    assert told == {"selfHosted": True, "trialDays": 0, "pricingStatus": "coming_soon"}
    assert (await floor.send("POST", "/plan-mode", {})).status == 405


@pytest.mark.parametrize("body", [None, {"action": "process"}, {"x": 1}, []])
async def test_cad_files_are_not_taken_apart_here(floor, body):
    reply = await floor.send("POST", "/api-cad-proxy", body)
    assert (reply.status, reply.error["code"]) == (501, "NOT_IMPLEMENTED")
    assert "cloud" in reply.error["message"]
    assert (await floor.send("GET", "/api-cad-proxy")).status == 405
    assert (await floor.send("POST", "/api-cad-proxy", body, key="ery_live_wrong")).status == 401


async def test_who_made_a_key_and_ended_it_stands_on_the_trail_once(floor):
    told = await made(floor)
    key = await floor.new_key(Scope.ADMIN)
    sent = {"name": "terminal 2", "scope": "read"}
    once = {"Idempotency-Key": "once"}
    await floor.clock.advance(1)
    first = await floor.send("POST", PATH, sent, key=key, headers=once)
    await floor.send("POST", PATH, sent, key=key, headers=once)
    await floor.clock.advance(1)
    await floor.send("DELETE", f"{PATH}?id={told['id']}", key=key)
    rows = [dict(row) for row in reversed(await floor.db.read(trail.newest))]
    assert [(row["action"], row["source"], row["status"]) for row in rows] == [
        ("keys.create", "api", 201),
        ("keys.create", "api", 201),
        ("keys.revoke", "api", 200),
    ]
    assert json.loads(rows[1]["detail"]) == {"id": first.data["id"], "name": "terminal 2", "scope": "read"}
    assert json.loads(rows[2]["detail"]) == {"which": told["id"]}
    assert told["api_key"] not in json.dumps(rows)
