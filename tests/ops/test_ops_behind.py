"""What lies behind a session: the same routes and verbs as everybody has, and what is remembered of their use."""

import asyncio
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
import structlog
from ops_page import admin_key, serving, signed_in
from waiting import until

from gateway.kernel import logs
from gateway.kernel.clock import SystemClock
from gateway.kernel.ids import uuid7
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp
from gateway.support.files import CONTENTS

CANARY = "c4n4ry-secret-0123456789"
JOB = {"job_number": "J-1", "customer": "Acme"}


@pytest.fixture
async def here(tmp_path):
    async with serving(tmp_path) as here:
        yield await signed_in(here)


async def park(db, *aggregates: str, origin: str = "gw-test") -> None:
    """What the uplink does with what the cloud refuses."""

    def write(tx):
        now = "2026-11-23T07:00:00+00:00"
        journal.register(tx, "cloud", now, 0)
        stamp = Stamp(datetime(2026, 11, 23, 7, 0, tzinfo=UTC), origin, uuid7(SystemClock()))
        for one in aggregates:
            change = Change("cells", one, "update", 2, ("name",))
            journal.append(tx, stamp, [Event(f"cells:{one}", f"cell:{one}", stamp.now, (change,))])
        entries = journal.after(tx, 0)
        journal.park(tx, "cloud", entries, "the cloud says: name too long", now, state="parked")
        journal.advance(tx, "cloud", entries[-1].seq)

    await db.write(write)


async def test_a_call_of_the_api_is_that_of_an_admin_with_its_receipt(here):
    first = await here.send("POST", "/fn/api-jobs", JOB, **{"Idempotency-Key": "once"})
    again = await here.send("POST", "/fn/api-jobs", JOB, **{"Idempotency-Key": "once"})
    assert (first.status, again.data) == (201, first.data)
    listed = await here.send("GET", "/fn/api-jobs?limit=5")
    assert [job["job_number"] for job in listed.data["jobs"]] == ["J-1"]
    wrong = await here.send("POST", "/fn/api-jobs", {"job_numbr": "J-2"})
    assert (wrong.status, wrong.error["code"]) == (422, "VALIDATION_ERROR")
    assert (await here.send("GET", "/fn/api-nothing")).status == 404
    assert (await here.send("PATCH", f"/fn/api-jobs?id={first.data['job']['id']}", {"customer": "B"})).status == 200


async def test_verbs_are_those_of_the_command_line(here):
    assert (await here.verb("status"))["gateway"] == "gw-test"
    made = await here.verb("keys.create", name="erp", scope="plan")
    assert made["key"].startswith("ery_live_")
    await here.verb("keys.revoke", key=made["id"])
    assert next((one["name"], one["active"]) for one in await here.verb("keys.list")) == ("erp", False)
    assert (await here.send("POST", "/verbs/no.such", {})).status == 404
    said = await here.send("POST", "/verbs/keys.create", {"nme": "x"})
    assert (said.status, "do not fit the verb" in said.error["message"]) == (400, True)


async def test_what_was_done_is_remembered_without_secrets(here):
    await here.verb("keys.create", name="erp", scope="plan")
    await here.send("POST", "/fn/api-webhooks", {"url": "https://x.example/", "secret_key": CANARY, "events": ["x"]})
    await here.send("GET", "/fn/api-jobs")
    await here.verb("keys.list")
    done = await here.verb("ops.actions")
    assert [one["action"] for one in done] == ["POST /api-webhooks", "keys.create", "first password"]
    assert (done[1]["who"], done[1]["detail"]["name"]) == ("operations page", "erp")
    assert CANARY not in json.dumps(done)


async def test_what_is_parked_is_shown_tried_again_or_given_up(here):
    await park(here.gateway.db, "a", "b")
    parked = await here.verb("queue.list", reader="cloud")
    assert [one["reason"] for one in parked] == ["the cloud says: name too long"] * 2
    entry = await here.verb("queue.look", seq=parked[0]["seq"])
    assert entry["changes"][0]["table"] == "cells"
    told = await here.verb("ops.overview")
    assert {"what": "parked", "count": 2} in told["needs_you"]
    assert await here.verb("queue.retry", reader="cloud", seqs=[parked[0]["seq"]]) == {"retried": 1}
    gone = await here.verb("queue.discard", reader="cloud", seqs=[parked[1]["seq"]], reason="typed wrongly")
    assert gone == {"discarded": 1}
    done = (await here.verb("ops.actions"))[0]
    assert (done["action"], done["detail"]["reason"]) == ("queue.discard", "typed wrongly")
    assert (await here.send("POST", "/verbs/queue.look", {"seq": 999})).status == 404


async def test_what_waits_is_shown(here):
    def write(tx):
        journal.register(tx, "cloud", "2026-11-23T07:00:00+00:00", 0)

    await here.gateway.db.write(write)
    await here.send("POST", "/fn/api-jobs", JOB)
    (waits,) = [one for one in await here.verb("queue.waiting", reader="cloud") if one["type"] == "job.created"]
    assert (waits["data"]["job_number"], waits["attempts"]) == ("J-1", 0)
    assert await here.verb("queue.waiting", reader="cloud", after=waits["seq"]) == []


async def test_the_plots_have_a_sample_a_minute(here):
    await until_sampled(here)
    told = await here.verb("ops.history", hours=1)
    assert (told["step_s"], len(told["points"])) == (60, 1)
    assert set(told["points"][0]) == {"at", "pending", "parked", "oldest_s", "recorded", "sent"}
    assert (await here.send("POST", "/verbs/ops.history", {"hours": 3})).status == 400


async def until_sampled(here) -> None:
    async with asyncio.timeout(30):
        while not (await here.verb("ops.history", hours=24))["points"]:
            await asyncio.sleep(0.05)


async def test_a_row_is_shown_with_what_became_of_it(here):
    job = (await here.send("POST", "/fn/api-jobs", JOB)).data["job"]
    assert (await here.verb("data.counts"))["jobs"] == 1
    told = await here.verb("data.row", table="jobs", id=job["id"])
    assert (told["row"]["job_number"], told["version"], told["events"][0]["type"]) == ("J-1", 1, "job.created")
    for table, row in (("jobs", "nothing"), ("api_keys", "x"), ("gateway_state; --", "x")):
        assert (await here.send("POST", "/verbs/data.row", {"table": table, "id": row})).status == 404


async def test_an_export_and_an_import_go_through_the_page(here):
    await here.send("POST", "/fn/api-cells", {"name": "Laser"})
    async with here.session.get(f"{here.url}/ops/api/export?entities=cells") as answer:
        assert "attachment" in answer.headers["Content-Disposition"]
        exported = await answer.json()
    assert [cell["name"] for cell in exported["cells"]] == ["Laser"]
    rows = json.dumps({"cells": [{"id": "00000000-0000-4000-8000-00000000ce01", "name": "Saw", "sequence": 2}]})
    async with here.session.post(
        f"{here.url}/ops/api/import?name=rows.json", data=rows, headers={"X-CSRF-Token": here.csrf}
    ) as answer:
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert "answer" in lines[-1], lines
    assert (await here.verb("data.counts"))["cells"] == 2


async def test_problems_are_found_counted_ignored_and_mended(here, tmp_path):
    async def counted() -> int:
        needs = {one["what"]: one["count"] for one in (await here.verb("ops.overview"))["needs_you"]}
        return needs.get("repairs", 0)

    tmp_path.chmod(0o700)
    before = await counted()
    assert "first_key" in [one["kind"] for one in await here.verb("repairs.list")]  # told, and nobody is called for it
    tmp_path.chmod(0o755)
    (problem,) = [one for one in await here.verb("repairs.list") if one["kind"] == "data_folder_open"]
    assert (problem["ignored_until"], await counted()) == (None, before + 1)
    assert (await here.verb("repairs.ignore", id=problem["id"], days=7))["ignored_until"]
    assert await counted() == before
    assert (await here.verb("repairs.ignore", id=problem["id"], days=0))["ignored_until"] is None
    assert await counted() == before + 1
    assert (await here.verb(problem["fix"]["verb"], **problem["fix"]["given"]))["mode"] == "700"
    assert await counted() == before
    assert (await here.send("POST", "/verbs/repairs.ignore", {"id": "no_such", "days": 1})).status == 404


async def test_a_support_bundle_is_told_downloaded_and_remembered(here):
    listed = {one["name"] for one in await here.verb("support.list")}
    async with here.session.get(f"{here.url}/ops/api/support.zip") as answer:
        assert answer.headers["Content-Disposition"].startswith('attachment; filename="support-gw-test-20')
        packed = zipfile.ZipFile(io.BytesIO(await answer.read()))
    assert set(packed.namelist()) - {CONTENTS} <= listed
    assert {"doctor.json", "health.json", "counts.json"} <= set(packed.namelist())
    assert (await here.verb("ops.actions"))[0]["action"] == "support.zip"
    here.session.cookie_jar.clear()
    assert (await here.send("GET", "/support.zip")).status == 401


async def test_a_qr_code_is_a_drawing(here):
    async with here.session.get(f"{here.url}/ops/api/qr?text=ABC123") as answer:
        assert (answer.status, answer.content_type) == (200, "image/svg+xml")
        assert (await answer.text()).startswith("<?xml")
    assert (await here.send("GET", "/qr?text=" + "x" * 501)).status == 400


@pytest.fixture
def configured():
    """The tail of the log of whoever asks for it."""

    def begin(tail):
        logs.configure("info", "json", tail)

    yield begin
    structlog.reset_defaults()


async def records(here, path: str, many: int) -> list[dict]:
    """So many events of a stream."""
    found = []
    async with asyncio.timeout(30), here.session.get(f"{here.url}/ops/api{path}") as answer:
        assert answer.content_type == "text/event-stream"
        async for line in answer.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line[6:]))
                if len(found) == many:
                    return found
    return found


async def test_the_log_is_seen_live_without_secrets(here, configured):
    configured(here.gateway._tail)
    log = structlog.get_logger("gateway.uns.publisher")
    log.info("thing.happened", password=CANARY, url=f"mqtt://a:{CANARY}@b/", request_id="r-1")
    structlog.get_logger("gateway.cloud.uplink").warning("link.down", link="cloud", error=f"Bearer {CANARY}")
    asyncio.get_running_loop().call_later(0.2, log.error, "late.one")
    seen = await records(here, "/logs?module=uns", 2)
    assert [one["event"] for one in seen] == ["thing.happened", "late.one"]
    assert (seen[0]["module"], seen[0]["password"]) == ("uns.publisher", "***")
    assert CANARY not in json.dumps(await here.verb("logs.show"))
    assert [one["event"] for one in (await here.verb("logs.show", request_id="r-1"))["records"]] == ["thing.happened"]
    assert [one["event"] for one in await records(here, "/logs?level=warning", 2)] == ["link.down", "late.one"]


async def test_the_level_changes_for_a_while(here, configured):
    configured(here.gateway._tail)
    log = structlog.get_logger("gateway.x")
    log.debug("too.quiet")
    told = await here.verb("logs.level", level="debug", minutes=1)
    assert (told["level"], told["until"][-1]) == ("debug", "Z")
    log.debug("heard.now")
    assert [one["event"] for one in (await here.verb("logs.show", module="x"))["records"]] == ["heard.now"]
    assert (await here.send("POST", "/verbs/logs.level", {"level": "shout"})).status == 400
    tail = here.gateway._tail
    tail.show("debug", asyncio.get_running_loop(), 0.01)
    await until(lambda: tail.level == "info")


async def test_streams_end_with_the_gateway(tmp_path):
    async with serving(tmp_path) as here:
        await here.enter(key=await admin_key(here.gateway))
        answer = await here.session.get(f"{here.url}/ops/api/logs")
        loop = asyncio.get_running_loop()
        began_s = loop.time()
    assert loop.time() - began_s < 10
    answer.close()
