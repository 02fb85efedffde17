"""A support bundle helps, and gives nobody and nothing away: canaries are planted wherever they could get out."""

import io
import json
import zipfile

import aiohttp
import pytest
import structlog

from gateway.admin import client
from gateway.app import running
from gateway.kernel import logs
from gateway.kernel.clock import SystemClock
from gateway.kernel.ids import uuid7
from gateway.outbox.event import Stamp
from gateway.settings import Settings
from gateway.support.files import ABOUT, CONTENTS, packed
from gateway.support.redaction import Scrub, secrets_in, settings_shown, somebodys, words_in
from gateway.transfer.commands import bring_in, planned
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

CELL, PERSON = "00000000-0000-4000-8000-00000000ce01", "00000000-0000-4000-8000-00000000be01"
CLOUD_KEY, WEBHOOK, MQTT, PLUGIN, PIN = (
    "ery_live_cloudcanary",
    "whsec_Canary+/webhook=",
    "mqtt canary",
    "plugin-canary",
    "739146",
)
NAMES = ("Wilhelmina Kanarienvogel", "wkanarie", "w.kanarie@example.com", "E-4711-K")
CUSTOMER, NUMBER, PART, KEY_NAME = "Canary & Sons GmbH", "J-CANARY-77", "P/CANARY/1", "Wilhelmina's tablet"
CANARIES = (
    CLOUD_KEY,
    "Canary+/webhook",
    MQTT,
    PLUGIN,
    PIN,
    *NAMES,
    CUSTOMER,
    NUMBER,
    PART,
    KEY_NAME,
    "Wilhelmina",
    "Kanarienvogel",
)

HOOK = "https://hooks.example/kanarie/secret"
ROWS = {
    "cells": [{"id": CELL, "name": "Laser", "sequence": 1}],
    "profiles": [dict(zip(("id", "full_name", "username", "email", "employee_id"), (PERSON, *NAMES), strict=True))],
}
SETTINGS = {
    "http": {"port": 0},
    "broker": {"mode": "external", "host": "127.0.0.1", "port": 1, "username": "wkanarie", "password": MQTT},
    "cloud": {
        "kind": "plain",
        "url": "http://127.0.0.1:9/functions/v1",
        "api_key": CLOUD_KEY,
        "webhook_secret": WEBHOOK,
    },
    "uns": {"device": [{"id": "press", "cells": ["Laser"], "operator": "wkanarie"}]},
    "plugins": {"modbus": {"enabled": False, "pass": PLUGIN, "nested": [{"auth_token": PLUGIN}]}},
}


def settings_at(folder) -> Settings:
    return Settings.model_validate({"gateway": {"id": "gw-test", "data_dir": folder}, **SETTINGS})


@pytest.fixture
async def bundle(tmp_path):
    """{name: text} of a gateway in which canaries are everywhere: rows, settings, log, health, names of keys."""
    tail = logs.Tail()
    logs.configure("info", "json", tail)
    async with running(settings_at(tmp_path), tail=tail) as gateway, aiohttp.ClientSession() as session:
        _, key = await gateway.keys.create(NewKey(KEY_NAME, Scope.ADMIN))
        await _planted(gateway, session, key)
        await gateway.db.write(lambda tx: tx.execute("UPDATE api_keys SET last_used_at = '2020'") and None)
        gateway.health.link("webhook:1").down(
            f"job {NUMBER} of {CUSTOMER} refused by https://x.example/a?token={PLUGIN}"
        )
        log = structlog.get_logger("gateway.test")
        log.info(
            "job.planned", note=f"{NAMES[0]} took {NUMBER} ({PART}) for {CUSTOMER}", pin=PIN, by=[NAMES[1], NAMES[2]]
        )
        log.warning("cloud.refused", error=f"Bearer {key} and {CLOUD_KEY}, {WEBHOOK}; mqtt://a:{MQTT}@host {MQTT}")
        found = await client.ask(tmp_path, "support.files", {})
    logs.configure("warning")
    return found, key


async def _planted(gateway, session, key: str) -> None:
    clock = SystemClock()
    await gateway.db.write(bring_in, Stamp(clock.now(), "gw-test", uuid7(clock)), planned(ROWS))
    part = {"part_number": PART, "material": "S235", "operations": [{"operation_name": "Cut", "cell_id": CELL}]}
    for path, body in (
        ("/api-jobs", {"job_number": NUMBER, "customer": CUSTOMER, "parts": [part]}),
        ("/api-webhooks", {"url": HOOK, "events": ["job.created"], "secret_key": WEBHOOK}),
    ):
        headers = {"Authorization": f"Bearer {key}"}
        async with session.post(f"http://{gateway.addresses[0]}{path}", json=body, headers=headers) as answer:
            assert answer.status == 201, await answer.text()


async def test_nothing_of_somebodys_is_in_it(bundle):
    found, key = bundle
    every = "\n".join(found.values())
    for canary in (*CANARIES, key, HOOK):
        assert canary.casefold() not in every.casefold(), canary


async def test_it_holds_what_helps_and_a_list_of_it(bundle):
    found, _ = bundle
    assert found.keys() == {CONTENTS, *ABOUT}
    assert all(name in found[CONTENTS] for name in ABOUT)
    assert json.loads(found["versions.json"])["packages"]["aiohttp"]
    assert json.loads(found["config.json"])["gateway"]["id"] == "gw-test"
    assert json.loads(found["health.json"])["links"]["cloud"]["state"]
    doctor = {one["id"]: one for one in json.loads(found["doctor.json"])}
    assert doctor["keys_unused"]["found"] == "***, ***", "the first admin key and ours"
    assert doctor["broker"]["steps"]
    records = [json.loads(line) for line in found["log.jsonl"].splitlines()]
    (planned,) = [one for one in records if one["event"] == "job.planned"]
    assert planned["note"] == "*** took *** (***) for ***"
    assert planned["timestamp"]
    assert "CREATE TABLE jobs" in found["schema.sql"]
    assert "INSERT" not in found["schema.sql"]
    counts = json.loads(found["counts.json"])
    assert (counts["rows"]["jobs"], counts["rows"]["profiles"]) == (1, 1)
    assert counts["user_version"] == len(counts["migrations"])
    assert {one["name"] for one in counts["readers"]} >= {"cloud"}
    assert "gateway_info" in found["metrics.txt"]
    assert "task cloud" in found["threads.txt"]
    assert "thread " in found["threads.txt"]


async def test_as_a_zip_it_is_the_same(bundle):
    found, _ = bundle
    with zipfile.ZipFile(io.BytesIO(packed(found))) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == found


# ------------------------------------------------------------------ pure


def test_what_may_be_a_secret_in_the_settings_is_hidden_whatever_its_type(tmp_path):
    shown = settings_shown(settings_at(tmp_path))
    assert shown["cloud"]["api_key"] == shown["broker"]["password"] == shown["broker"]["username"] == "***"
    assert shown["plugins"]["modbus"] == {"enabled": False, "pass": PLUGIN, "nested": [{"auth_token": "***"}]}
    assert shown["uns"]["device"][0]["operator"] == "***"
    assert shown["cloud"]["service_user"] == ""
    assert {CLOUD_KEY, MQTT, WEBHOOK, PLUGIN} <= secrets_in(settings_at(tmp_path))


def test_only_whole_words_are_taken_out_the_longest_first():
    scrub = Scrub({"Anna", "Anna Meier", "J-1"})
    assert scrub.text("Anna Meier and anna on J-1, not J-10 or Annabel") == "*** and *** on ***, not J-10 or Annabel"
    assert Scrub(()).text("Anna at https://a.example/b?key=1 x") == "Anna at https://a.example/b?*** x"
    told = scrub.value({"event": "Anna", "of": ["J-1", 7, None], "Anna": 1}, keep=("event",))
    assert told == {"event": "Anna", "of": ["***", 7, None], "***": 1}


async def test_only_names_that_stand_in_a_text_are_looked_for(tmp_path):
    async with running(settings_at(tmp_path)) as gateway, aiohttp.ClientSession() as session:
        _, key = await gateway.keys.create(NewKey(KEY_NAME, Scope.ADMIN))
        await _planted(gateway, session, key)
        found = await gateway.db.read(somebodys, words_in([f"for canary & sons gmbh: {NUMBER.lower()}, Wilhelmina"]))
    assert found == {CUSTOMER, NUMBER, "Wilhelmina"}
