"""Publishers over real HTTP: who may have them, where they may lead, what their patterns make, and who ever sees a password."""

import json

import pytest

from gateway.kernel.ids import uuid7
from gateway.kernel.secrets import Secrets
from gateway.outbox.event import Stamp
from gateway.publishers.commands import PUBLISHERS_MAX, about
from gateway.publishers.rules import may_lead_to, where
from gateway.transfer.commands import bring_in, planned
from gateway.web.routes import Scope

PATH, LOGS = "/api-mqtt-publishers", "/api-mqtt-logs"
PASSWORD = "CANARY-9f3b-canary"  # what must be found nowhere
HIDDEN = "[redacted]"
BODY = {"name": "historian", "broker_url": "mqtt.plant.example", "events": ["operation.*"]}
COLUMNS = {
    *("id", "tenant_id", "name", "description", "broker_url", "port", "username", "password", "topic_pattern"),
    *("default_enterprise", "default_site", "default_area", "use_tls", "events", "active", "last_connected_at"),
    *("last_error", "created_at", "updated_at", "created_by"),
}


async def made(floor, **more):
    return (await floor.make(PATH, {**BODY, **more}))["mqtt_publisher"]


async def reader(floor, row_id: str) -> list[tuple]:
    return await floor.query("SELECT since, position FROM event_readers WHERE name = ?", f"mqtt:{row_id}")


# ------------------------------------------------------------------ rows


async def test_a_row_has_the_columns_of_the_published_model_and_its_defaults(floor):
    row = await made(floor)
    assert row.keys() >= COLUMNS
    assert row["topic_pattern"] == "{enterprise}/{site}/{area}/{cell}/{event}"
    assert [row[f"default_{name}"] for name in ("enterprise", "site", "area")] == ["eryxon", "main", "production"]
    assert (row["port"], row["use_tls"], row["active"], row["password"]) == (1883, False, True, None)
    assert (await floor.get(PATH))["mqtt_publishers"] == [row]
    assert (await floor.get(f"{PATH}?id={row['id']}"))["mqtt_publisher"] == row


async def test_it_begins_at_the_head_of_the_journal_and_once_only(floor):
    await floor.job()
    row = await made(floor)
    ((since, position),) = await reader(floor, row["id"])
    assert since == position == len(await floor.events())
    await floor.job("J-2")
    await floor.send("PATCH", f"{PATH}?id={row['id']}", {"active": False})
    await floor.send("PATCH", f"{PATH}?id={row['id']}", {"active": True})
    assert await reader(floor, row["id"]) == [(since, position)]
    assert (await floor.send("DELETE", f"{PATH}?id={row['id']}")).status == 200
    assert await reader(floor, row["id"]) == []


async def test_one_that_was_never_switched_on_has_no_place_in_the_journal(floor):
    row = await made(floor, active=False)
    assert await reader(floor, row["id"]) == []
    await floor.job()
    await floor.send("PATCH", f"{PATH}?id={row['id']}", {"active": True})
    ((since, _),) = await reader(floor, row["id"])
    assert since == len(await floor.events())


async def test_a_row_that_is_sent_back_as_it_was_read_changes_nothing(floor):
    row = await made(floor, username="u", password=PASSWORD)
    before = await floor.events()
    read = (await floor.get(f"{PATH}?id={row['id']}"))["mqtt_publisher"]
    assert (await floor.send("PUT", f"{PATH}?id={row['id']}", read)).status == 200
    assert await floor.events() == before


@pytest.mark.parametrize(
    ("more", "field", "constraint"),
    [
        ({"name": ""}, "name", "NOT_NULL"),
        ({"broker_url": ""}, "broker_url", "NOT_NULL"),
        ({"broker_url": "https://broker.example"}, "broker_url", "PATTERN_MISMATCH"),
        ({"broker_url": "mqtt://u:p@broker.example"}, "broker_url", "PATTERN_MISMATCH"),
        ({"broker_url": "mqtt://broker.example:99999"}, "broker_url", "PATTERN_MISMATCH"),
        ({"broker_url": "broker.example/path"}, "broker_url", "PATTERN_MISMATCH"),
        ({"broker_url": "169.254.169.254"}, "broker_url", "URL_NOT_ALLOWED"),
        ({"broker_url": "mqtt://[fe80::1]:1883"}, "broker_url", "URL_NOT_ALLOWED"),
        ({"broker_url": "0.0.0.1"}, "broker_url", "URL_NOT_ALLOWED"),
        ({"broker_url": "239.1.1.1"}, "broker_url", "URL_NOT_ALLOWED"),
        ({"port": 0}, "port", "MIN_VALUE"),
        ({"port": 65_536}, "port", "MAX_VALUE"),
        ({"events": []}, "events", "MIN_LENGTH"),
        ({"events": [" "]}, "events[0]", "NOT_NULL"),
        ({"events": ["x" * 101]}, "events[0]", "MAX_LENGTH"),
        ({"topic_pattern": "$share/{event}"}, "topic_pattern", "PATTERN_MISMATCH"),
        ({"topic_pattern": "{site}/#"}, "topic_pattern", "PATTERN_MISMATCH"),
        ({"topic_pattern": "a/+/{event}"}, "topic_pattern", "PATTERN_MISMATCH"),
        ({"topic_pattern": "///"}, "topic_pattern", "PATTERN_MISMATCH"),
        ({"topic_pattern": "x" * 600}, "topic_pattern", "PATTERN_MISMATCH"),
        ({"ca_certificate": "no PEM"}, "ca_certificate", "PATTERN_MISMATCH"),
        ({"username": "a\r\nSET x y"}, "username", "PATTERN_MISMATCH"),
        ({"password": "a\nb"}, "password", "PATTERN_MISMATCH"),
        ({"qos": 2}, "qos", "UNKNOWN_FIELD"),
        ({"last_error": "none"}, "last_error", "UNKNOWN_FIELD"),
    ],
)
async def test_what_is_wrong_is_named(floor, more, field, constraint):
    reply = await floor.send("POST", PATH, {**BODY, **more})
    assert (reply.status, reply.error["code"]) == (422, "VALIDATION_ERROR"), reply.body
    assert {(one["field"], one["constraint"]) for one in reply.error["details"]} == {(field, constraint)}
    assert (await floor.get(PATH))["mqtt_publishers"] == []


async def test_an_update_is_held_to_the_same(floor):
    row = await made(floor)
    for wrong in ({"broker_url": "ftp://x"}, {"topic_pattern": "#"}, {"events": []}, {"name": None}):
        assert (await floor.send("PATCH", f"{PATH}?id={row['id']}", wrong)).status == 422
    assert (await floor.get(f"{PATH}?id={row['id']}"))["mqtt_publisher"] == row


async def test_there_are_not_more_than_so_many(floor):
    for number in range(PUBLISHERS_MAX):
        await made(floor, name=f"p{number}", active=False)
    reply = await floor.send("POST", PATH, BODY)
    assert (reply.status, reply.error["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("url", "port", "use_tls", "told"),
    [
        ("10.0.0.5", 1883, False, ("10.0.0.5", 1883, False)),
        ("mqtt://Broker-1.plant", 1883, True, ("Broker-1.plant", 1883, True)),
        ("mqtts://b:8884/", 1883, False, ("b", 8884, True)),
        ("tcp://[fd00::5]:1884", 1, False, ("fd00::5", 1884, False)),
        ("SSL://b", 8883, False, ("b", 8883, True)),
        ("localhost", 1883, False, ("localhost", 1883, False)),
    ],
)
def test_an_address_is_read_as_people_write_it(url, port, use_tls, told):
    found = where(url, port, use_tls=use_tls)
    assert (found.host, found.port, found.tls) == told


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        *((one, True) for one in ("10.1.2.3", "192.168.0.9", "172.16.0.1", "127.0.0.1", "::1", "fd00::1", "8.8.8.8")),
        *((one, False) for one in ("169.254.169.254", "fe80::1%eth0", "0.0.0.1", "224.0.0.1", "::ffff:169.254.1.1")),
    ],
)
def test_the_plants_own_networks_are_what_it_is_for_and_link_local_ones_are_not(address, allowed):
    assert may_lead_to(address) is allowed


# ------------------------------------------------------------------ who may


@pytest.mark.parametrize("scope", [Scope.READ, Scope.OPERATE, Scope.PLAN])
async def test_only_an_admin_key_writes(floor, scope):
    row, key = await made(floor), await floor.new_key(scope)
    for method, path in (("POST", PATH), ("PATCH", f"{PATH}?id={row['id']}"), ("POST", f"{PATH}/{row['id']}/test")):
        assert (await floor.send(method, path, BODY if path == PATH else {"name": "x"}, key=key)).status == 403
    assert (await floor.get(PATH, key=key))["mqtt_publishers"] == [row]


async def test_a_key_that_is_held_to_cells_writes_none_and_sees_the_log_of_its_cells(floor):
    row, key = await made(floor), await floor.new_key(Scope.ADMIN, floor.LASER)
    for number, cell in enumerate((floor.LASER, floor.SAW)):
        await floor.do(
            "INSERT INTO mqtt_logs (id, mqtt_publisher_id, event_type, topic, payload, success, created_at) "
            "VALUES (?, ?, 'operation.started', 't', ?, ?, ?)",
            *(f"00000000-0000-4000-8000-0000000006{number:02}", row["id"], json.dumps({"data": {"cell_id": cell}})),
            *(number, f"2026-11-02T07:00:0{number}+00:00"),
        )
    assert (await floor.send("POST", PATH, BODY, key=key)).error["code"] == "CELL_NOT_ALLOWED"
    assert (await floor.send("POST", f"{PATH}/{row['id']}/test", key=key)).error["code"] == "CELL_NOT_ALLOWED"
    (seen,) = (await floor.get(LOGS, key=key))["mqtt_logs"]
    assert seen["payload"]["data"]["cell_id"] == floor.LASER
    everything = (await floor.get(LOGS))["mqtt_logs"]
    assert [one["success"] for one in everything] == [True, False]  # the newest first
    assert everything[0]["mqtt_publisher"] == {"id": row["id"], "name": "historian", "broker_url": BODY["broker_url"]}
    assert len((await floor.get(f"{LOGS}?success=false&mqtt_publisher_id={row['id']}"))["mqtt_logs"]) == 1


@pytest.mark.parametrize("path", [f"{PATH}?color=red", f"{LOGS}?status=1", f"{PATH}/preview?patern=x"])
async def test_a_parameter_that_is_not_known_is_refused(floor, path):
    assert (await floor.send("GET", path)).status == 422


# ------------------------------------------------------------------ the password


def kept(floor) -> str:
    """Everything that is on the disk, as text."""
    folder = floor.db.path.parent
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir() if file.name.startswith("gateway."))


async def test_a_password_is_sealed_and_shown_to_nobody(floor, capsys):
    reply = await floor.send("POST", PATH, {**BODY, "password": PASSWORD}, headers={"Idempotency-Key": "once"})
    row = reply.data["mqtt_publisher"]
    assert row["password"] == HIDDEN
    again = await floor.send("POST", PATH, {**BODY, "password": PASSWORD}, headers={"Idempotency-Key": "once"})
    assert again.data == reply.data
    ((sealed,),) = await floor.query("SELECT password FROM mqtt_publishers")
    assert Secrets(floor.db.path.parent).open(sealed, about(row["id"])) == PASSWORD
    headers = {"Authorization": f"Bearer {floor.key}"}
    for path in ("/api-export?entities=full", "/api-snapshot", "/api-changes?since=0", PATH, LOGS):
        async with floor.session.get(floor.url + path, headers=headers) as answer:
            text = await answer.text()
            assert answer.status == 200, (path, text)
            assert PASSWORD not in text, path
            assert "sealed:" not in text, path
    await floor.send("PATCH", f"{PATH}?id={row['id']}", {"password": HIDDEN, "port": 1884})
    assert (await floor.query("SELECT password FROM mqtt_publishers")) == [(sealed,)]
    await floor.send("PATCH", f"{PATH}?id={row['id']}", {"password": None})
    assert (await floor.query("SELECT password FROM mqtt_publishers")) == [(None,)]
    assert (await floor.send("DELETE", f"{PATH}?id={row['id']}")).status == 200
    assert PASSWORD not in kept(floor)
    assert PASSWORD not in "".join(capsys.readouterr())


async def test_an_import_brings_publishers_without_their_passwords(floor):
    row = {"id": floor.NOWHERE, "name": "theirs", "broker_url": "b", "events": ["*"], "password": PASSWORD}
    await floor.db.write(
        bring_in, Stamp(floor.clock.now(), "gw-test", uuid7(floor.clock)), planned({"mqtt_publishers": [row]})
    )
    found = (await floor.get(f"{PATH}?id={floor.NOWHERE}"))["mqtt_publisher"]
    assert (found["name"], found["password"], found["events"], found["port"]) == ("theirs", None, ["*"], 1883)


# ------------------------------------------------------------------ patterns


@pytest.mark.parametrize(
    ("asked", "topic"),
    [
        ("", "eryxon/main/production/laser_1/operation/started"),
        (
            "?topic_pattern={enterprise}/mes/{site}/{area}/{cell}/{operation}/{event}&default_enterprise=ACME&default_site=X Y",
            "acme/mes/x_y/production/laser_1/laser_cutting/operation/started",
        ),
        ("?topic_pattern=test/{event}&event=sync.jobs.completed", "test/sync/jobs/completed"),
        ("?topic_pattern={line}/{job_number}/{part_number}/{event}", "job-2026-001/bracket-a1/operation/started"),
        (
            "?topic_pattern=eryxon/{tenant_id}/{cell}/{event}&cell=",
            "eryxon/00000000-0000-4000-8000-000000000001/default/operation/started",
        ),
        ("?topic_pattern={enterprise}/{cell}/{x}&cell=Br\u00e4cket/A1", "eryxon/brcketa1/{x}"),
    ],
)
async def test_a_preview_shows_what_a_pattern_makes(floor, asked, topic):
    told = (await floor.get(f"{PATH}/preview{asked}"))["preview"]
    assert told["topic"] == topic
    assert told["unknown_placeholders"] == (["x"] if "{x}" in topic else [])
    assert told["known_event"] is True


async def test_a_preview_refuses_what_could_not_be_published_and_tells_an_unknown_event(floor):
    assert (await floor.send("GET", f"{PATH}/preview?topic_pattern=%23")).status == 422
    assert (await floor.get(f"{PATH}/preview?event=door.opened"))["preview"]["known_event"] is False


async def test_a_publisher_that_is_not_there_cannot_be_tried(floor):
    assert (await floor.send("POST", f"{PATH}/{floor.NOWHERE}/test")).status == 404
    assert (await floor.send("POST", f"{PATH}/zz/test")).status == 404
