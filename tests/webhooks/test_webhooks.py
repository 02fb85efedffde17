"""Webhooks over real HTTP: who may have them, where they may point, and who ever sees a secret."""

import ipaddress
import json

import pytest

from gateway.api import api_routes
from gateway.hub.stream import Feed
from gateway.kernel.errors import Invalid
from gateway.kernel.ids import uuid7
from gateway.kernel.secrets import Secrets
from gateway.outbox.event import Stamp
from gateway.sections import Settings
from gateway.transfer.commands import bring_in, planned
from gateway.web.routes import Scope
from gateway.webhooks.commands import about
from gateway.webhooks.rules import Targets, check_url

PATH, LOGS = "/api-webhooks", "/api-webhook-logs"
URL = "https://erp.example.com/hook"
SECRET = "CANARY-9f3b-canary"  # what must be found nowhere
HIDDEN = "[redacted]"
BODY = {"url": URL, "events": ["operation.started", "job.started"], "secret_key": SECRET}
RECORDED = {"id", "tenant_id", "url", "events", "secret_key", "active", "created_at"}


async def made(floor, **more):
    return (await floor.make(PATH, {**BODY, **more}))["webhook"]


def kept(floor) -> str:
    """Everything that is on the disk, as text."""
    folder = floor.db.path.parent
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir() if file.name.startswith("gateway."))


async def opened(floor, row_id: str) -> str | None:
    """The secret that the database has."""
    ((stored,),) = await floor.query("SELECT secret_key FROM webhooks WHERE id = ?", row_id)
    return Secrets(floor.db.path.parent).open(stored, about(row_id))


# ------------------------------------------------------------------ rows


async def test_the_answer_has_what_was_recorded(floor):
    row = await made(floor)
    assert row.keys() >= RECORDED
    assert row.items() >= {**BODY, "active": True}.items()
    listed = await floor.get(PATH)
    assert listed["pagination"] == {**listed["pagination"], "total": 1, "offset": 0, "limit": 100}
    assert listed["webhooks"] == [{**row, "secret_key": HIDDEN}]
    assert (await floor.get(f"{PATH}?id={row['id']}"))["webhook"] == {**row, "secret_key": HIDDEN}


async def test_a_row_is_changed_switched_off_and_deleted(floor):
    row = await made(floor)
    for method, change in (("PATCH", {"active": False}), ("PUT", {"events": ["*"], "url": "https://b.example/x"})):
        reply = await floor.send(method, f"{PATH}?id={row['id']}", change)
        assert reply.data["webhook"].items() >= {**change, "secret_key": HIDDEN}.items()
    for _ in range(2):
        reply = await floor.send("DELETE", f"{PATH}?id={row['id']}")
        assert (reply.status, reply.data) == (200, {"message": "Deleted successfully"})
    assert (await floor.send("GET", f"{PATH}?id={row['id']}")).status == 404


async def test_a_row_that_is_sent_back_as_it_was_read_changes_nothing(floor):
    row = await made(floor)
    before = await floor.events()
    read = (await floor.get(f"{PATH}?id={row['id']}"))["webhook"]
    del read["webhook_id"]
    assert (await floor.send("PUT", f"{PATH}?id={row['id']}", read)).data["webhook"]["secret_key"] == HIDDEN
    assert await floor.events() == before
    assert await opened(floor, row["id"]) == SECRET


@pytest.mark.parametrize(
    ("body", "field", "constraint"),
    [
        ({"url": "ftp://x", "events": []}, "url", "PATTERN_MISMATCH"),
        ({"url": URL, "events": []}, "events", "MIN_LENGTH"),
        ({"url": URL}, "events", "NOT_NULL"),
        ({"events": ["*"]}, "url", "NOT_NULL"),
        ({"url": URL, "events": "job.started"}, "events", "TYPE_MISMATCH"),
        ({"url": URL, "events": [1]}, "events[0]", "TYPE_MISMATCH"),
        ({"url": URL, "events": [" "]}, "events[0]", "NOT_NULL"),
        ({"url": URL, "events": None}, "events", "NOT_NULL"),
        ({"url": URL, "events": ["x" * 101]}, "events[0]", "MAX_LENGTH"),
        ({"url": URL, "events": ["x"] * 101}, "events", "MAX_LENGTH"),
        ({"url": URL + "x" * 2048, "events": ["*"]}, "url", "MAX_LENGTH"),
        ({"url": 7, "events": ["*"]}, "url", "TYPE_MISMATCH"),
        ({**BODY, "secret_key": ""}, "secret_key", "NOT_NULL"),
        ({**BODY, "secret_key": None}, "secret_key", "NOT_NULL"),
        ({**BODY, "secret_key": "x" * 1025}, "secret_key", "MAX_LENGTH"),
        ({**BODY, "active": "yes"}, "active", "TYPE_MISMATCH"),
        ({**BODY, "headers": {}}, "headers", "UNKNOWN_FIELD"),
        ({**BODY, "id": "7"}, "id", "UUID_FORMAT"),
    ],
)
async def test_what_is_wrong_is_named(floor, body, field, constraint):
    reply = await floor.send("POST", PATH, body)
    assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR")
    assert {(one["field"], one["constraint"]) for one in reply.error["details"]} >= {(field, constraint)}
    assert (await floor.get(PATH))["webhooks"] == []


async def test_both_mistakes_of_the_recorded_body_are_named_at_once(floor):
    reply = await floor.send("POST", PATH, {"url": "ftp://x", "events": []})
    assert {one["field"] for one in reply.error["details"]} == {"url", "events"}
    assert {one["entityType"] for one in reply.error["details"]} == {"webhook"}


@pytest.mark.parametrize(
    ("method", "query", "body", "status"),
    [
        ("PATCH", "", {"active": True}, 400),
        ("PATCH", "?id={id}", {}, 400),
        ("PATCH", "?id={id}", {"url": None}, 422),
        ("PATCH", "?id={id}", {"events": []}, 422),
        ("PATCH", "?id={id}", {"url": "https://127.0.0.1/"}, 422),
        ("PATCH", "?id=zz", {"active": True}, 404),
        ("PATCH", "?id=11111111-2222-4333-8444-555555555555", {"active": True}, 404),
        ("DELETE", "", None, 400),
        ("REPORT", "", None, 400),
        ("GET", "?active=perhaps", None, 422),
        ("GET", "/sub", None, 404),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_happens(floor, method, query, body, status):
    row = await made(floor)
    assert (await floor.send(method, PATH + query.replace("{id}", row["id"]), body)).status == status
    assert (await floor.get(f"{PATH}?id={row['id']}"))["webhook"] == {**row, "secret_key": HIDDEN}


async def test_lists_are_filtered_searched_and_sorted(floor):
    first = await made(floor, events=["a", "b c"])
    await floor.clock.advance(1)
    second = await made(floor, url="https://z.example/", active=False)

    async def found(query: str) -> list[str]:
        return [row["id"] for row in (await floor.get(PATH + query))["webhooks"]]

    assert await found("") == [second["id"], first["id"]]  # the newest first
    assert await found("?active=true") == [first["id"]]
    assert await found("?events={operation.started,job.started}") == [second["id"]]
    assert await found('?events={a,"b c"}') == [first["id"]]
    assert await found("?events={job.started,operation.started}") == []  # exactly that list
    assert await found("?search=z.exam") == [second["id"]]
    assert await found("?sort=url&order=asc") == [first["id"], second["id"]]
    assert await found("?sort=events&order=asc") == [first["id"], second["id"]]
    reply = await floor.send("GET", PATH + "?events=job.started")
    assert (reply.status, reply.error["details"][0]["constraint"]) == (422, "TYPE_MISMATCH")


# ------------------------------------------------------------------ where it may point


@pytest.mark.parametrize(
    "url",
    """https://127.0.0.1/ https://localhost/ https://127.1/ https://2130706433/ https://0x7f.1/ https://[::1]/
    https://[::ffff:10.0.0.1]/ https://10.0.0.5:8443/x https://192.168.1.1 https://169.254.169.254/latest https://[fe80::1%25eth0]/
    https://[2002:7f00:1::]/ https://[64:ff9b::7f00:1]/ https://0/ https://\uff11\uff12\uff17.0.0.1/ http://erp.example.com/ https://u:p@x.example/
    https:/// https://:80/ https://[::1 https://a:99999/""".split(),
)
async def test_a_target_that_is_not_allowed_is_named(floor, url):
    reply = await floor.send("POST", PATH, {**BODY, "url": url})
    assert (reply.status, reply.error["details"][0]["field"]) == (422, "url")


def test_what_is_allowed_is_allowed():
    inside = Targets([ipaddress.ip_network("10.1.0.0/16")], allow_http=True)
    for url in ("http://10.1.2.3:8080/x", "https://[::ffff:10.1.2.3]/", "http://erp.example.com/", "https://8.8.8.8/"):
        check_url(url, inside)
    with pytest.raises(Invalid, match="allowed_networks"):
        check_url("http://10.2.0.1/", inside)


def test_a_password_in_an_address_is_not_said_again():
    with pytest.raises(Invalid) as refused:
        check_url("https://anna:hunter2@erp.example.com/", Targets())
    assert "hunter2" not in refused.value.message + json.dumps(refused.value.details)


async def test_the_settings_say_what_is_allowed(floor):
    settings = Settings(webhooks={"allowed_networks": ["127.0.0.0/8"], "allow_http": True})
    assert str(settings.webhooks.allowed_networks[0]) == "127.0.0.0/8"
    routes = api_routes(settings, floor.db, floor.keys, floor.clock, uuid7(floor.clock), Feed(floor.db))
    (post,) = [route for route in routes if (route.method, route.path) == ("POST", PATH)]
    assert post.scope is Scope.ADMIN


# ------------------------------------------------------------------ secrets


async def test_without_a_secret_one_is_made_and_shown_once(floor):
    shown = [
        (await floor.make(PATH, {"url": URL, "events": ["*"], **more}))["webhook"]
        for more in ({}, {"secret_key": HIDDEN})
    ]
    for row in shown:
        assert len(row["secret_key"]) == 64
        assert await opened(floor, row["id"]) == row["secret_key"]
    assert shown[0]["secret_key"] != shown[1]["secret_key"]
    assert {row["secret_key"] for row in (await floor.get(PATH))["webhooks"]} == {HIDDEN}


async def test_a_secret_can_be_changed_and_is_not_shown(floor):
    row = await made(floor)
    reply = await floor.send("PATCH", f"{PATH}?id={row['id']}", {"secret_key": "another"})
    assert reply.data["webhook"]["secret_key"] == HIDDEN
    assert await opened(floor, row["id"]) == "another"
    *_, event = await floor.events()
    assert event["changes"][0]["fields"] == ["secret_key", "updated_at"]
    before = await floor.events()
    await floor.send("PATCH", f"{PATH}?id={row['id']}", {"secret_key": "another"})
    assert await floor.events() == before


async def test_the_secret_is_nowhere_on_the_disk_and_in_no_other_answer(floor):
    row = await made(floor)
    said = [
        await floor.send("GET", PATH),
        await floor.send("PATCH", f"{PATH}?id={row['id']}", {"active": False}),
        await floor.send("PATCH", f"{PATH}?id={row['id']}", {"secret_key": SECRET, "active": "x"}),
        await floor.send("POST", PATH, {**BODY, "id": row["id"]}),
        await floor.send("POST", PATH, {**BODY, "secret_key": [SECRET]}),
        await floor.send("POST", PATH, {**BODY, "url": "x"}),
        await floor.send("DELETE", f"{PATH}?id={row['id']}"),
    ]
    assert SECRET not in json.dumps([one.body for one in said])
    assert SECRET not in kept(floor)
    (deleted,) = [event for event in await floor.events() if event["changes"][0]["op"] == "delete"]
    assert deleted["changes"][0]["fields"].keys() >= {"id", "url", "events"}
    assert "secret_key" not in deleted["changes"][0]["fields"]


async def test_the_same_request_again_gets_the_first_answer_with_its_secret(floor):
    once = {"Idempotency-Key": "hook-1"}
    body = {"url": URL, "events": ["*"]}
    first = await floor.send("POST", PATH, body, headers=once)
    row_id = first.data["webhook"]["id"]
    await floor.send("PATCH", f"{PATH}?id={row_id}", {"secret_key": "another"})
    again = await floor.send("POST", PATH, body, headers=once)
    assert (again.status, again.data, again.headers["Idempotency-Replayed"]) == (201, first.data, "true")
    assert len((await floor.get(PATH))["webhooks"]) == 1
    assert (await floor.send("POST", PATH, BODY, headers=once)).error["code"] == "IDEMPOTENCY_KEY_REUSED"
    (floor.db.path.parent / "box.key").unlink()  # restored elsewhere
    again = await floor.send("POST", PATH, body, headers=once)
    assert again.data["webhook"]["secret_key"] == HIDDEN


async def test_a_secret_in_the_clear_cannot_get_into_the_database(floor):
    row = await made(floor)
    with pytest.raises(Exception, match="webhooks_secret_sealed_check"):
        await floor.do("UPDATE webhooks SET secret_key = 'clear' WHERE id = ?", row["id"])


# ------------------------------------------------------------------ who may


async def test_an_admin_writes_and_everybody_reads(floor):
    row = await made(floor)
    for scope in (Scope.READ, Scope.OPERATE, Scope.PLAN):
        key = await floor.new_key(scope)
        assert (await floor.get(PATH, key=key))["webhooks"][0]["secret_key"] == HIDDEN
        assert (await floor.send("POST", PATH, BODY, key=key)).status == 403
        assert (await floor.send("PATCH", f"{PATH}?id={row['id']}", {"active": False}, key=key)).status == 403
        assert (await floor.send("DELETE", f"{PATH}?id={row['id']}", key=key)).status == 403


async def test_who_is_held_to_a_cell_cannot_have_himself_told_of_all(floor):
    row = await made(floor)
    key = await floor.new_key(Scope.ADMIN, floor.LASER)
    for method, path, body in (
        ("POST", PATH, BODY),
        ("PATCH", f"{PATH}?id={row['id']}", {"url": "https://mine.example/"}),
        ("DELETE", f"{PATH}?id={row['id']}", None),
    ):
        reply = await floor.send(method, path, body, key=key)
        assert (reply.status, reply.error["code"]) == (403, "CELL_NOT_ALLOWED")


# ------------------------------------------------------------------ import and export


async def test_an_import_keeps_ids_and_brings_no_secret(floor):
    tables = {
        "webhooks": [{**BODY, "id": floor.NOWHERE, "active": False, "created_at": "2026-01-02T03:04:05+00:00"}],
        "webhook_logs": [
            {
                "id": floor.JIG,
                "webhook_id": floor.NOWHERE,
                "event_type": "job.started",
                "payload": {"a": 1},
                "status_code": 204,
            }
        ],
    }
    counts = []
    for _ in range(2):
        stamp = Stamp(floor.clock.now(), "gw-test", uuid7(floor.clock))
        told = await floor.db.write(bring_in, stamp, planned(tables))
        counts.append([told["tables"][name] for name in tables])
    assert counts[0] == [{"written": 1, "unchanged": 0}] * 2
    assert counts[1] == [{"written": 0, "unchanged": 1}] * 2
    row = (await floor.get(f"{PATH}?id={floor.NOWHERE}"))["webhook"]
    assert row.items() >= {"url": URL, "active": False, "created_at": "2026-01-02T03:04:05+00:00"}.items()
    assert row["secret_key"] is None
    assert (await floor.get(f"{LOGS}?id={floor.JIG}"))["webhook_log"]["payload"] == {"a": 1}
    await floor.send("PATCH", f"{PATH}?id={floor.NOWHERE}", {"secret_key": "set again"})
    assert await opened(floor, floor.NOWHERE) == "set again"


async def test_an_import_leaves_the_secret_that_is_there(floor):
    row = await made(floor)
    tables = {"webhooks": [{**BODY, "id": row["id"], "secret_key": one, "url": URL + one} for one in (HIDDEN, "clear")]}
    stamp = Stamp(floor.clock.now(), "gw-test", uuid7(floor.clock))
    await floor.db.write(bring_in, stamp, planned(tables))
    assert await opened(floor, row["id"]) == SECRET


async def test_an_export_tells_no_secret(floor):
    row = await made(floor)
    reply = await floor.send("GET", "/api-export?entities=webhooks,webhook_logs")
    assert SECRET not in json.dumps(reply.body)
    assert "sealed:" not in json.dumps(reply.body)
    (one,) = reply.body["webhooks"]
    assert (one["id"], one["secret_key"], one["events"]) == (row["id"], HIDDEN, BODY["events"])
