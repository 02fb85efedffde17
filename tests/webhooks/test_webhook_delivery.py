"""Deliveries to a receiver in a process of its own: what arrives, what is tried again, what is set aside."""

import asyncio

import pytest
from hooks import LOGS, PATH, SECRET, Hooks
from waiting import WAIT_MAX_S, until

from gateway.kernel.clock import parse, zulu


def told(receiver, event: str) -> dict:
    return next(one for one in receiver.requests if one["body"]["event"] == event)


async def test_it_is_told_what_happens_from_its_creation_on_and_can_verify_it_both_ways(hooks, receiver):
    await hooks.works(1, "J-0")
    before = len(await hooks.happened())
    async with hooks.on():
        row = await hooks.make(receiver.url)
        happened = (await hooks.works(2, "Jäger-1"))[before:]
        await hooks.drained(row)
    assert receiver.events == [one["type"] for one in happened], "in order, nothing missing, nothing from before"
    assert receiver.ids == [one["id"] for one in happened]
    assert all(one["raw"] and one["stringified"] and one["standard"] for one in receiver.requests)
    for request, event in zip(receiver.requests, happened, strict=True):
        assert list(request["body"]) == ["event", "timestamp", "data"]
        assert request["body"]["data"] == event["data"]
        assert request["body"]["timestamp"] == zulu(parse(event["occurred_at"]))
    logs = await hooks.logs(row)
    assert [one["payload"] for one in logs] == [one["body"] for one in receiver.requests]
    assert {(one["status_code"], one["error_message"], one["replay_id"]) for one in logs} == {(200, None, None)}


async def test_the_headers_are_the_clouds_and_those_of_standard_webhooks_and_no_others(hooks, receiver):
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
    headers = told(receiver, "operation.started")["headers"]
    assert headers.keys() == {
        "host",
        "content-type",
        "content-length",
        "user-agent",
        "x-eryxon-event",
        "x-eryxon-signature",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "Eryxon-Webhooks/1.0"
    assert headers["x-eryxon-event"] == "operation.started"
    assert abs(int(headers["webhook-timestamp"]) - hooks.clock.now().timestamp()) < 60


async def test_it_is_told_what_it_asked_for(hooks, receiver):
    async with hooks.on():
        row = await hooks.make(receiver.url, events=["operation.*", "job.created", "no.such.event"])
        await hooks.works(2)
        await hooks.drained(row)
    assert set(receiver.events) == {"operation.started", "operation.paused", "operation.resumed", "job.created"}


async def test_in_seconds_if_the_settings_say_so(plant, hooks, receiver):
    hooks = Hooks(plant, in_seconds=True)
    async with hooks.on():
        row = await hooks.make(receiver.url, events=["operation.*"])
        await hooks.works()
        await hooks.drained(row)
    data = receiver.requests[0]["body"]["data"]
    assert (data["estimated_time"], data["estimated_time_seconds"]) == (1800, 1800)
    assert receiver.requests[0]["stringified"]


async def test_three_quick_tries_and_the_log_says_how_it_went(hooks, receiver):
    await receiver.answers(then=[500, -1, 200])
    async with hooks.on():
        row = await hooks.make(receiver.url, events=["job.created"])
        await hooks.floor.job("J-1")
        await hooks.drained(row)
    assert len(set(receiver.ids)) == 1, "the same id at every try"
    assert len(receiver.requests) == 3
    (log,) = await hooks.logs(row)
    assert log["status_code"] == 200
    text = "Recovered after 2 retries; final attempt 3/3 succeeded. Prior failures: HTTP 500: said 500 | the connection broke off"
    assert log["error_message"].startswith(text)


@pytest.mark.parametrize("status", [400, 302, 404, 410])
async def test_what_it_does_not_want_is_a_dead_letter_and_the_others_go_on(hooks, receiver, status):
    await receiver.answers(event="job.created", with_=status)
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
        (letter,) = await hooks.letters(row)
        assert receiver.events.count("job.created") == 1, "no second try"
        assert all(one["path"] == "/hook" for one in receiver.requests), "nobody is sent elsewhere"
        assert {"operation.started", "operation.paused"} <= set(receiver.events)
        assert letter["state"] == "parked"
        assert letter["reason"] == f"HTTP {status}: said {status}"
        (log,) = await hooks.logs(row, "&event_type=job.created")
        assert (log["status_code"], log["error_message"]) == (status, letter["reason"])

        await receiver.answers(event="job.created", with_=200)
        retry = f"{PATH}/{row['id']}/dead-letters/retry"
        assert (await hooks.floor.send("POST", retry, {"seqs": [letter["seq"] + 1]})).data == {"retried": 0}
        assert (await hooks.floor.send("POST", retry, {"seqs": [letter["seq"]]})).data == {"retried": 1}
        await until(lambda: receiver.events.count("job.created") == 2)
        async with asyncio.timeout(WAIT_MAX_S):
            while await hooks.letters(row):
                await asyncio.sleep(0.01)
    first, again = (one["headers"]["webhook-id"] for one in receiver.requests if one["body"]["event"] == "job.created")
    assert first == again == letter["event_id"]
    (log,) = await hooks.logs(row, "&event_type=job.created")
    assert log["status_code"] == 200, "one row for a delivery, however often it is tried"


async def test_what_it_stumbles_over_is_tried_again_and_the_others_do_not_wait(hooks, receiver, monkeypatch):
    monkeypatch.setattr("gateway.webhooks.attempts.FIRST_DELAYS_S", (0.1, 0.1, 0.1, 0.1))
    await receiver.answers(event="job.created", with_=500)
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
        assert "operation.paused" in receiver.events
        (letter,) = await hooks.letters(row)
        assert letter["state"] == "retry"
        assert letter["reason"].startswith("Exhausted retries after 3 attempts. Last failure: HTTP 500: said 500.")
        await until(lambda: hooks.link(row).facts.get("retrying") == 1)
        await until(lambda: receiver.events.count("job.created") >= 6)
        await receiver.answers(event="job.created", with_=204)
        await until(lambda: hooks.link(row).facts["retrying"] == 0)
    assert await hooks.letters(row) == []
    assert (
        len({one["headers"]["webhook-id"] for one in receiver.requests if one["body"]["event"] == "job.created"}) == 1
    )
    (log,) = await hooks.logs(row, "&event_type=job.created")
    assert log["status_code"] == 204
    assert log["error_message"].startswith("Recovered after ")


async def test_what_fails_for_72_hours_is_a_dead_letter(hooks, receiver, monkeypatch):
    monkeypatch.setattr("gateway.webhooks.attempts.FIRST_DELAYS_S", (0.01, 0.01, 0.01, 0.01))
    monkeypatch.setattr("gateway.webhooks.attempts.GIVE_UP_S", 0.025)
    await receiver.answers(event="job.created", with_=500)
    async with hooks.on():
        row = await hooks.make(receiver.url, events=["job.created"])
        await hooks.floor.job("J-1")
        await hooks.drained(row)
        await until(lambda: hooks.link(row).facts.get("dead_letters") == 1)
    ((state, tries),) = [(one["state"], one["tries"]) for one in await hooks.letters(row)]
    assert (state, tries) == ("parked", 4)
    assert len(receiver.requests) == 4 * 3


async def test_it_is_switched_off_and_on_and_goes_on_where_it_was(hooks, receiver):
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
        await hooks.change(row, active=False)
        await until(lambda: hooks.link(row).state == "off")
        heard = len(receiver.requests)
        await hooks.works(1, "J-2")
        await hooks.change(row, active=True)
        await hooks.drained(row)
    assert receiver.ids == [one["id"] for one in await hooks.happened()]
    assert len(receiver.requests) > heard


async def test_one_that_is_deleted_is_gone_with_its_log_its_place_and_its_dead_letters(hooks, receiver):
    await receiver.answers(usual=400)
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
        assert (await hooks.floor.send("DELETE", f"{PATH}?id={row['id']}")).status == 200
        await until(lambda: row["id"] not in " ".join(link.name for link in hooks.health))
        heard = len(receiver.requests)
        await hooks.works(1, "J-2")
    assert len(receiver.requests) == heard
    assert await hooks.reader(row) == {}
    assert await hooks.floor.query("SELECT count(*) FROM event_parked") == [(0,)]
    assert (await hooks.floor.get(LOGS))["webhook_logs"] == []


async def test_after_a_restart_it_goes_on_and_says_nothing_twice(hooks, receiver):
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
    await hooks.works(1, "J-2")
    async with hooks.on():
        await hooks.drained(row)
    assert receiver.ids == [one["id"] for one in await hooks.happened()]


async def test_one_without_its_secret_is_told_nothing_and_says_so(hooks, receiver):
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.floor.do("UPDATE webhooks SET secret_key = NULL WHERE id = ?", row["id"])
        await hooks.change(row, events=["job.*"])
        await until(lambda: "set secret_key" in (hooks.link(row).error or ""))
        await hooks.works()
        assert hooks.link(row).state == "down"
        assert receiver.requests == []
        await hooks.change(row, secret_key=SECRET)
        await hooks.drained(row)
    assert receiver.requests[0]["raw"]


async def test_a_trial_says_whether_it_is_taken(hooks, receiver):
    row = await hooks.make(receiver.url, active=False)
    path, once = f"{PATH}/{row['id']}/test", {"Idempotency-Key": "try"}
    reply = await hooks.floor.send("POST", path, headers=once)
    result = reply.data["result"]
    assert (
        result.items() >= {"webhook_id": row["id"], "success": True, "status_code": 200, "error_message": None}.items()
    )
    assert (await hooks.floor.send("POST", path, headers=once)).data == reply.data
    assert receiver.events == ["webhook.test"], "the same request says nothing again"
    assert receiver.requests[0]["raw"]
    assert receiver.requests[0]["standard"]
    await receiver.answers(usual=418)
    result = (await hooks.floor.send("POST", path)).data["result"]
    assert (result["success"], result["status_code"], result["error_message"]) == (False, 418, "HTTP 418: said 418")
    assert [one["status_code"] for one in await hooks.logs(row, "&event_type=webhook.test")] == [200, 418]
    assert (await hooks.floor.send("POST", f"{path}?loud=1")).status == 422
    assert (await hooks.floor.send("POST", f"{PATH}/{hooks.floor.NOWHERE}/test")).status == 404
