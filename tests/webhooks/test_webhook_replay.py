"""Replays: a stretch of the journal is told again, marked as such, beside what happens now."""

import asyncio

import pytest
from hooks import PATH
from waiting import WAIT_MAX_S

from gateway import housekeeping
from gateway.kernel.clock import text
from gateway.kernel.errors import Refused
from gateway.kernel.ids import uuid7
from gateway.outbox.event import Stamp
from gateway.replays import commands, store, worker
from gateway.replays.model import Went
from gateway.sections import Retention
from gateway.web.routes import Scope
from gateway.webhooks import attempts
from gateway.webhooks import store as deliveries

REPLAY = "/api-replay"
DAY_S = 86_400.0


def marked(receiver) -> list:
    return [one for one in receiver.requests if "x-eryxon-replay" in one["headers"]]


async def asked(floor, out: str, first: int, last: int) -> dict:
    return (await floor.make(REPLAY, {"out": out, "from_seq": first, "to_seq": last}))["replay"]


async def shown(floor, replay: dict) -> dict:
    return (await floor.get(f"{REPLAY}?id={replay['id']}"))["replay"]


async def finished(floor, replay: dict) -> dict:
    async with asyncio.timeout(WAIT_MAX_S):
        while (row := await shown(floor, replay))["finished_at"] is None:
            await asyncio.sleep(0.01)
        return row


async def test_a_stretch_is_told_again_marked_as_a_replay_and_logged(hooks, receiver):
    floor = hooks.floor
    async with hooks.on():
        row = await hooks.make(receiver.url, events=["operation.*"])
        happened = [one for one in await hooks.works(3) if one["type"].startswith("operation.")]
        await hooks.drained(row)
        replay = await asked(floor, f"webhook:{row['id']}", happened[1]["seq"], happened[3]["seq"])
        assert replay.items() >= {"state": "waiting", "sent": 0, "requested_by": "admin"}.items()
        done = await finished(floor, replay)
    assert (done["state"], done["sent"], done["refused"]) == ("done", 3, 0)
    again = marked(receiver)
    assert [one["headers"]["webhook-id"] for one in again] == [one["id"] for one in happened[1:4]]
    assert {one["headers"]["x-eryxon-replay"] for one in again} == {replay["id"]}
    assert all(one["raw"] and one["stringified"] and one["standard"] for one in again)
    texts = {one["headers"]["webhook-id"]: one["text"] for one in receiver.requests[: len(happened)]}
    assert all(texts[one["headers"]["webhook-id"]] == one["text"] for one in again)
    assert len(await hooks.logs(row, f"&replay_id={replay['id']}")) == 3
    assert len(await hooks.logs(row)) == len(happened) + 3
    assert (await hooks.reader(row))["skipped"] == 0


async def test_what_is_refused_is_counted_and_an_endpoint_that_is_away_is_waited_for(hooks, receiver, monkeypatch):
    monkeypatch.setattr(attempts, "FIRST_DELAYS_S", (0.01,) * 4)
    monkeypatch.setattr(attempts, "DELAY_S", 0.01)
    async with hooks.on():
        row = await hooks.make(receiver.url, events=["job.created", "operation.started"])
        await hooks.works(1, "J-1")
        await hooks.drained(row)
        await receiver.answers(event="job.created", with_=400)
        await receiver.answers(then=[503] * 7)
        replay = await asked(hooks.floor, f"webhook:{row['id']}", 1, (await hooks.reader(row))["position"])
        done = await finished(hooks.floor, replay)
    assert (done["state"], done["sent"], done["refused"]) == ("done", 1, 1)
    assert await hooks.letters(row) == [], "a replay is asked for again, nobody has to decide on it"


async def test_it_is_given_up_when_nobody_was_there_for_72_hours_or_the_webhook_is_deleted(
    hooks, receiver, monkeypatch
):
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
        monkeypatch.setattr(attempts, "GIVE_UP_S", 0)
        await receiver.answers(usual=503)
        last = (await hooks.reader(row))["position"]
        replay = await asked(hooks.floor, f"webhook:{row['id']}", 1, last)
        done = await finished(hooks.floor, replay)
        assert done["state"] == "failed"
        assert "HTTP 503" in done["error_message"]
        await hooks.change(row, active=False)
        waits = await asked(hooks.floor, f"webhook:{row['id']}", 1, last)
        await hooks.floor.send("DELETE", f"{PATH}?id={row['id']}")
    assert (await shown(hooks.floor, waits))["error_message"] == "the way out was deleted"


async def test_it_goes_on_page_by_page_after_a_restart(floor, monkeypatch):
    monkeypatch.setattr(worker, "PAGE", 4)
    for number in range(6):
        await floor.job(f"J-{number}")
    events = await floor.events()
    last = events[-1]["seq"]
    replay = await asked(floor, "uns", 1, last)
    told: list[int] = []

    async def some(_replay, entries) -> Went:
        if len(told) > 3:
            raise ConnectionError
        told.extend(one.seq for one in entries)
        return Went(len(entries))

    with pytest.raises(ConnectionError):
        await worker.work_off(floor.db, floor.clock, "uns", some)
    row = await shown(floor, replay)
    assert (row["state"], row["sent"]) == ("running", len(told))
    assert 0 < row["position"] < last

    async def rest(_replay, entries) -> Went:
        told.extend(one.seq for one in entries)
        if await floor.db.read(store.unfinished) and entries and entries[-1].seq == last:
            raise Refused("enough")
        return Went(len(entries))

    class Stop(Exception):
        pass

    class Clock:
        now = floor.clock.now

        async def sleep(self, _seconds: float) -> None:
            raise Stop

    with pytest.raises(Stop):
        await worker.work_off(floor.db, Clock(), "uns", rest)
    assert told == [one["seq"] for one in events if one["type"]]
    row = await shown(floor, replay)
    assert (row["state"], row["error_message"]) == ("failed", "enough")


async def test_what_cannot_be_replayed_is_refused_with_the_way_out(floor, monkeypatch):
    await floor.job()
    head = len(await floor.events())
    await floor.do("DELETE FROM events WHERE seq = 1")
    for body, field in (
        ({"out": "webhook:" + floor.NOWHERE, "from_seq": 2, "to_seq": 2}, "out"),
        ({"out": "mqtt:x", "from_seq": 2, "to_seq": 2}, "out"),
        ({"out": "cloud", "from_seq": 2, "to_seq": 2}, "out"),
        ({"out": "uns", "from_seq": 1, "to_seq": 2}, "from_seq"),
        ({"out": "uns", "from_seq": 2, "to_seq": head + 1}, "to_seq"),
        ({"out": "uns", "from_seq": 3, "to_seq": 2}, "to_seq"),
        ({"out": "uns", "from_seq": 0, "to_seq": 2}, "from_seq"),
        ({"out": "uns", "from_seq": 2}, "to_seq"),
        ({"out": "uns", "from_seq": 2, "to_seq": 2, "more": 1}, "more"),
    ):
        reply = await floor.send("POST", REPLAY, body)
        assert (reply.status, reply.error["details"][0]["field"]) == (422, field), body
    good = {"out": "uns", "from_seq": 2, "to_seq": 2}
    assert (await floor.send("POST", f"{REPLAY}?now=1", good)).status == 422
    assert (await floor.send("GET", f"{REPLAY}?when=now")).status == 422
    key = await floor.new_key(Scope.PLAN)
    assert (await floor.send("POST", REPLAY, good, key=key)).status == 403
    key = await floor.new_key(Scope.ADMIN, floor.LASER)
    assert (await floor.send("POST", REPLAY, good, key=key)).error["code"] == "CELL_NOT_ALLOWED"
    once = {"Idempotency-Key": "again"}
    first = await floor.send("POST", REPLAY, good, headers=once)
    assert (await floor.send("POST", REPLAY, good, headers=once)).data == first.data
    assert (await floor.get(f"{REPLAY}?state=waiting&out=uns"))["pagination"]["total"] == 1
    monkeypatch.setattr(commands, "UNFINISHED_MAX", 1)
    assert (await floor.send("POST", REPLAY, good)).error["code"] == "CONFLICT"


class Hurried:
    """The floor's clock, on which nobody waits for room between two slices."""

    def __init__(self, clock) -> None:
        self.now, self.monotonic = clock.now, clock.monotonic

    async def sleep(self, _seconds: float) -> None:
        """It is later already."""


async def test_dead_letters_logs_and_replays_go_after_log_days_and_the_range_that_was_never_told_is_named(
    hooks, receiver
):
    floor = hooks.floor
    await receiver.answers(usual=400)
    async with hooks.on():
        row = await hooks.make(receiver.url)
        await hooks.works()
        await hooks.drained(row)
    dead = len(await hooks.letters(row))
    await asked(floor, "uns", 1, 1)
    off = await hooks.make(receiver.url)
    await hooks.works(1, "J-2")
    stamp = Stamp(floor.clock.now(), "gw-test", uuid7(floor.clock))
    later = text(floor.clock.now())
    await floor.do("UPDATE event_parked SET parked_at = ?", later)
    await floor.do("UPDATE webhook_logs SET created_at = ?", later)
    await floor.clock.advance(40 * DAY_S)
    await floor.job("J-young")
    young = await floor.query("SELECT max(seq) FROM events WHERE recorded_at < ?", text(floor.clock.now()))
    await housekeeping.clean(floor.db, Hurried(floor.clock), stamp.new_id, Retention())
    assert await hooks.letters(row) == []
    assert (await hooks.reader(row))["skipped"] >= dead
    assert (await floor.get(REPLAY))["replays"] == []
    (log,) = await hooks.logs(off)
    assert (log["event_type"], log["status_code"]) == (deliveries.MOVED_ON, None)
    assert log["payload"]["data"]["to"] <= young[0][0]
    assert "too old to be kept" in log["error_message"]
