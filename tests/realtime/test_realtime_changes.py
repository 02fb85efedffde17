"""What happens over REST is told to whoever asked for it: in its shape, in its order, and to nobody who may not read it."""

import json

import pytest
from sockets import TOPIC, changes

from gateway.hub.entities import ENTITIES
from gateway.kernel.clock import parse
from gateway.realtime import changes as changes_
from gateway.realtime import hub
from gateway.realtime.codec import V1, V2, VERSIONS
from gateway.web.routes import Scope

TENANT = "00000000-0000-4000-8000-0000000ff001"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_row_that_is_made_changed_and_deleted(plaza, version):
    floor = plaza.floor
    client = await plaza.client(version)
    await client.joined(changes("cells", "UPDATE"), changes("cells"), changes("jobs"))
    cell = (await floor.make("/api-cells", {"name": "Ümlaut", "active": True}))["cell"]
    made = await client.told()
    assert (made.join_ref, made.ref, made.topic, made.payload["ids"]) == (None, None, TOPIC, [2])
    assert made.change.keys() == {"schema", "table", "type", "commit_timestamp", "errors", "columns", "record"}
    assert (made.change["schema"], made.change["table"], made.change["type"]) == ("public", "cells", "INSERT")
    assert made.change["errors"] is None
    assert parse(made.change["commit_timestamp"]) == floor.clock.now()
    assert made.change["commit_timestamp"].endswith("Z")
    record = made.change["record"]
    shown = (await floor.get(f"/api-cells?id={cell['id']}"))["cell"]
    assert record == {name: value for name, value in shown.items() if name in record}
    assert record["tenant_id"] == TENANT
    types = {one["name"]: one["type"] for one in made.change["columns"]}
    assert types.keys() == record.keys()
    assert (types["id"], types["active"], types["wip_limit"]) == ("uuid", "bool", "int4")
    assert (types["created_at"], types["capacity_hours_per_day"]) == ("timestamptz", "float8")

    assert (await floor.send("PATCH", f"/api-cells?id={cell['id']}", {"wip_limit": 3})).status == 200
    changed = await client.told()
    assert (changed.change["type"], changed.payload["ids"]) == ("UPDATE", [1, 2])
    assert changed.change["record"]["wip_limit"] == 3
    assert changed.change["old_record"] == {"id": cell["id"]}

    assert (await floor.send("DELETE", f"/api-cells?id={cell['id']}")).status == 200
    gone = await client.told()
    assert (gone.change["type"], gone.payload["ids"]) == ("DELETE", [2])
    assert gone.change["old_record"] == {"id": cell["id"]}
    assert "record" not in gone.change
    await client.nothing_more()


async def test_what_is_only_marked_as_deleted_is_gone_for_clients_too(plaza):
    job = await plaza.floor.job("J-1", (plaza.floor.LASER,))
    operation = job["parts"][0]["operations"][0]["id"]
    client = await plaza.client()
    await client.joined(changes("operations", filter="tenant_id=eq." + TENANT), changes("jobs"))
    assert (await plaza.floor.send("DELETE", f"/api-jobs?id={job['id']}")).status == 200
    first, second = await client.told(), await client.told()
    assert [(one.change["table"], one.change["type"], one.change["old_record"]["id"]) for one in (first, second)] == [
        ("operations", "DELETE", operation),
        ("jobs", "DELETE", job["id"]),
    ]
    await client.nothing_more()


async def test_what_follows_each_other_at_once_is_told_all_the_same(plaza):
    """Also when a row is gone before anybody has read it."""
    floor = plaza.floor
    client = await plaza.client(key=await floor.new_key(Scope.READ, floor.LASER))
    operation = (await floor.job("J-1", (floor.LASER,)))["parts"][0]["operations"][0]["id"]
    await client.joined(changes("operation_quantities"), changes("operations"))
    for number in range(4):
        body = {"operation_id": operation, "quantity_good": number, "metadata": {"a": [1]}}
        row = (await floor.make("/api-operation-quantities", body))["operation_quantity"]
        await floor.send("PATCH", f"/api-operation-quantities?id={row['id']}", {"quantity_good": 10 + number})
        await floor.send("DELETE", f"/api-operation-quantities?id={row['id']}")
        made, changed, gone = [await client.told() for _ in range(3)]
        assert [one.change["type"] for one in (made, changed, gone)] == ["INSERT", "UPDATE", "DELETE"]
        assert changed.change["record"].keys() == made.change["record"].keys() <= row.keys()
        assert changed.change["record"]["quantity_good"] == 10 + number
        assert changed.change["record"]["metadata"] == row["metadata"]
    await floor.send("PATCH", f"/api-operations?id={operation}", {"notes": "soon gone"})
    await floor.send("DELETE", f"/api-operations?id={operation}")
    changed, gone = await client.told(), await client.told()
    assert [one.change["type"] for one in (changed, gone)] == ["UPDATE", "DELETE"]
    assert changed.change["record"]["notes"] == "soon gone"


async def test_every_kind_of_row_can_be_told(plaza):
    """Also those that only a key for everything sees."""
    client = await plaza.client()
    await client.joined(changes(None))
    floor = plaza.floor
    job = await floor.job("J-1", (floor.LASER,))
    operation = job["parts"][0]["operations"][0]["id"]
    await floor.pressed(("start", operation, floor.ANNA), ("pause", operation), ("resume", operation, floor.ANNA))
    await floor.make(
        "/api-operation-quantities", {"operation_id": operation, "quantity_good": 3, "recorded_by": floor.ANNA}
    )
    await floor.make("/api-issues", {"operation_id": operation, "description": "Burr", "severity": "high"})
    await floor.make("/api-substeps", {"operation_id": operation, "name": "Clamp"})
    await plaza.committed(floor.make("/api-resources", {"name": "Jig", "type": "fixture", "metadata": {"a": [1]}}))
    tables = set()
    while "resources" not in tables:
        tables.add((await client.told()).change["table"])
    assert tables >= {"jobs", "parts", "operations", "time_entries", "operation_quantities", "issues", "substeps"}


@pytest.mark.parametrize("table", sorted(ENTITIES))
async def test_rows_of_every_table_can_be_read(floor, table):
    sql = changes_._selecting(table)
    assert await floor.db.read(lambda connection: connection.execute(sql, {"values": "[]"}).fetchall()) == []


async def test_filters_decide_on_the_row_as_it_is_now_and_on_the_old_one_of_a_deleted(plaza):
    floor = plaza.floor
    job = await floor.job("J-1", (floor.LASER, floor.SAW))
    first, second = (one["id"] for one in job["parts"][0]["operations"])
    client = await plaza.client()
    await client.joined(
        changes("operations", filter=f"cell_id=eq.{floor.LASER}"),
        changes("operations", filter=f"cell_id=eq.{floor.SAW},sequence=gte.2"),
        changes("operation_quantities", "DELETE", filter="quantity_good=gt.9"),
        changes("operation_quantities", "DELETE", filter=f"tenant_id=eq.{TENANT}"),
    )
    await floor.pressed(("start", first, floor.ANNA))
    assert (await client.told()).payload["ids"] == [1]
    await floor.pressed(("start", second, floor.BEN))
    assert (await client.told()).payload["ids"] == [2]
    await floor.send(
        "PATCH", f"/api-operations?id={first}", {"cell_id": floor.SAW}
    )  # it has left, and is the first there
    for good, ids in ((9, [4]), (10, [3, 4])):
        row = await floor.make("/api-operation-quantities", {"operation_id": second, "quantity_good": good})
        quantity = row["operation_quantity"]["id"]
        assert (await floor.send("DELETE", f"/api-operation-quantities?id={quantity}")).status == 200
        told = await client.hear(lambda one: one.event == "postgres_changes" and one.change["type"] == "DELETE")
        assert (told.payload["ids"], told.change["old_record"]) == (ids, {"id": quantity})
    await plaza.committed(floor.press("pause", second))
    assert {tuple(one.payload["ids"]) for one in client.frames if one.event == "postgres_changes"} <= {(2,)}


async def test_clients_that_ask_for_the_same_and_for_other_things_get_what_is_theirs_in_commit_order(plaza):
    floor = plaza.floor
    clients = [await plaza.client(version) for version in (V1, V2, V2)]
    for client in clients:
        await client.joined(changes("cells"))
    await clients[2].joined(changes("resources"), topic="realtime:more")
    for number in range(10):
        await floor.make("/api-cells", {"name": f"C{number}"})
        await floor.make("/api-resources", {"name": f"R{number}", "type": "fixture"})
    for client in clients[:2]:
        assert [(await client.told()).change["record"]["name"] for _ in range(10)] == [f"C{n}" for n in range(10)]
        await client.nothing_more()
    found = [await clients[2].told() for _ in range(20)]
    assert [one.change["record"]["name"] for one in found] == [f"{kind}{n}" for n in range(10) for kind in "CR"]
    assert {one.topic for one in found if one.change["table"] == "resources"} == {"realtime:more"}


async def test_a_second_channel_misses_nothing_of_the_first_and_hears_nothing_of_the_past(plaza):
    floor = plaza.floor
    client = await plaza.client()
    await client.joined(changes("cells"))
    for number in range(20):
        await floor.make("/api-cells", {"name": f"C{number}"})
        if number == 10:
            await client.joined(changes("cells"), topic="realtime:second")
    names = {TOPIC: [], "realtime:second": []}
    for _ in range(29):
        told = await client.told()
        names[told.topic].append(told.change["record"]["name"])
    assert names == {TOPIC: [f"C{n}" for n in range(20)], "realtime:second": [f"C{n}" for n in range(11, 20)]}


async def test_many_rows_of_one_transaction_come_in_pieces(plaza, monkeypatch):
    monkeypatch.setattr(hub, "CHANGES_MAX", 7)
    client = await plaza.client()
    await client.joined(changes("operations"))
    await plaza.floor.job("J-1", *[(plaza.floor.LASER,)] * 30)
    assert len({(await client.told()).change["record"]["id"] for _ in range(30)}) == 30


async def test_nobody_is_read_for_when_nobody_asks(plaza):
    client = await plaza.client()
    joined = await client.joined(changes("cells"))
    await client.say(TOPIC, "phx_leave", {}, join_ref=joined.join_ref)
    await client.hear(lambda one: one.event == "phx_close")
    await plaza.committed(plaza.floor.make("/api-cells", {"name": "Paint"}))
    assert plaza.hub._since is None
    await client.joined(changes("cells"))
    await plaza.floor.make("/api-cells", {"name": "Weld"})
    assert (await client.told()).change["record"]["name"] == "Weld"


# ------------------------------------------------------------------ who may read it


async def test_a_key_that_is_limited_to_cells_is_told_of_these(plaza):
    floor = plaza.floor
    client = await plaza.client(key=await floor.new_key(Scope.READ, floor.SAW))
    tables = ("operations", "time_entries", "jobs", "parts", "operation_quantities", "cells", "resources")
    await client.joined(*(changes(table) for table in tables))
    job = await floor.job("J-1", (floor.LASER,))
    operation = job["parts"][0]["operations"][0]["id"]
    await floor.pressed(("start", operation, floor.ANNA))
    quantity = await floor.make("/api-operation-quantities", {"operation_id": operation, "quantity_good": 1})
    await floor.send("DELETE", f"/api-operation-quantities?id={quantity['operation_quantity']['id']}")
    await floor.send("PATCH", f"/api-cells?id={floor.LASER}", {"wip_limit": 3})
    await plaza.committed(floor.send("DELETE", f"/api-jobs?id={job['id']}"))
    await client.nothing_more()
    other = await floor.job("J-2", (floor.SAW,))
    own = other["parts"][0]["operations"][0]["id"]
    assert {(await client.told()).change["table"] for _ in range(3)} == {"jobs", "parts", "operations"}
    row = await floor.make("/api-operation-quantities", {"operation_id": own, "quantity_good": 1})
    await floor.send("DELETE", f"/api-operation-quantities?id={row['operation_quantity']['id']}")
    gone = await client.hear(lambda one: one.event == "postgres_changes" and one.change["type"] == "DELETE")
    assert gone.change["table"] == "operation_quantities"
    await floor.make("/api-resources", {"name": "Jig 8", "type": "fixture"})  # belongs to no cell
    assert await client.hear(lambda one: one.event == "postgres_changes" and one.change["table"] == "resources")


async def test_what_a_key_cannot_read_over_rest_it_cannot_join(plaza):
    key = await plaza.floor.new_key(Scope.PLAN)
    client = await plaza.client(key=key)
    assert await client.refused(changes("profiles")) == "this key may not read profiles"
    await client.joined(changes(None))  # everything that it may
    await plaza.committed(plaza.floor.do("UPDATE profiles SET full_name = 'Annette'"))
    await client.nothing_more()


async def test_what_rest_hides_is_hidden_here(plaza):
    client = await plaza.client()
    await client.joined(changes(None))
    secret = {"url": "https://hooks.example/x", "events": ["job.created"], "secret_key": "s3cret-s3cret-s3cret"}
    made = (await plaza.floor.make("/api-webhooks", secret))["webhook"]
    told = await client.told()
    assert told.change["table"] == "webhooks"
    assert "s3cret" not in json.dumps(told.payload)
    shown = (await plaza.floor.get(f"/api-webhooks?id={made['id']}"))["webhook"]
    assert told.change["record"] == {name: shown[name] for name in told.change["record"]}


# ------------------------------------------------------------------ tokens


async def test_the_key_itself_is_a_good_token_at_joining_and_later(plaza):
    """Old clients send it right after the join, and with each heartbeat."""
    client = await plaza.client(V1)
    await client.joined(changes("cells"), token=plaza.floor.key)
    await client.say(TOPIC, "access_token", {"access_token": plaza.floor.key})
    await client.system()
    await client.nothing_more()
    await plaza.floor.make("/api-cells", {"name": "Paint"})
    assert (await client.told()).payload["ids"] == [1]


async def test_another_key_as_the_token_decides_what_the_channel_sees(plaza):
    floor = plaza.floor
    client = await plaza.client()
    await client.joined(changes("operations"))
    await client.say(TOPIC, "access_token", {"access_token": await floor.new_key(Scope.READ, floor.SAW)})
    await client.nothing_more()
    await plaza.committed(floor.job("J-1", (floor.LASER,)))
    await client.nothing_more()
    await floor.job("J-2", (floor.SAW,))
    assert (await client.told()).change["record"]["cell_id"] == floor.SAW


async def test_a_token_that_is_none_or_over_closes_the_channel(plaza, tokens):
    floor = plaza.floor
    client = await plaza.client()
    for good in ("", None, tokens(floor.clock.now().timestamp() + 60)):
        await client.joined(changes("cells"), token=good)
        assert (await client.system())["status"] == "ok"
        await client.say(TOPIC, "access_token", {"access_token": good})
        await client.nothing_more()
    reader = await floor.new_key(Scope.READ)
    for bad, why in (
        (tokens(floor.clock.now().timestamp() - 1), "has expired"),
        ("eyJ.not-json.x", "cannot be read"),
        ("hello", "neither a key"),
        ("ery_live_wrong", "Invalid API key"),
        (reader, "may not read"),
    ):
        joined = await client.joined(changes("profiles"))
        assert (await client.system())["status"] == "ok"
        await client.say(TOPIC, "access_token", {"access_token": bad}, ref=None)
        said = await client.system()
        assert (said["status"], said["channel"]) == ("error", "screen")
        assert why in said["message"]
        closed = await client.hear(lambda one: one.event == "phx_close")
        assert closed.join_ref == joined.join_ref
        assert why in await client.refused(changes("profiles"), token=bad)
