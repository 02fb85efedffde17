"""Publishers on real brokers of somebody else: each reads the journal for itself, whatever becomes of the others."""

import asyncio
import itertools

import pytest
from publishing import LOGS, PATH, Publishers
from tcp import free_port, serving
from uns_hall import listening, until

from gateway.kernel.errors import StorageFailed
from gateway.publishers import sender, senders, store
from gateway.uns import refused


@pytest.fixture
def publishers(floor, monkeypatch):
    monkeypatch.setattr(sender, "BREAKER_OPEN_S", 0.3)
    monkeypatch.setattr(senders, "PAUSE_MAX_S", 0.05)
    return Publishers(floor)


def kinds(ear) -> list[str]:
    return [event["event"] for event in ear.events]


def seqs(ear) -> list[int]:
    """Of every event once, in the order in which it was first heard."""
    return list(dict.fromkeys(event["seq"] for event in ear.events))


def unbroken(ear) -> bool:
    """Nobody who reads `prev` misses anything."""
    first = {event["seq"]: event for event in reversed(ear.events)}
    told = [first[seq] for seq in seqs(ear)]
    return all(later["prev"] == earlier["seq"] for earlier, later in itertools.pairwise(told))


async def all_heard(publishers, row, ear) -> list:
    """The log, once the listener has had as many messages: he hears later than the broker acknowledges."""
    logs = await publishers.logs(row)
    await until(lambda: len(ear.heard) >= len(logs))
    return logs


async def test_it_is_told_what_happens_from_its_creation_on_under_the_names_of_its_pattern(publishers, foreign):
    foreign.start("")
    await publishers.works(1, "J-0")
    before = len(await publishers.floor.events())
    pattern = "{enterprise}/mes/{site}/{area}/{cell}/{operation}/{job_number}/{part_number}/{event}"
    async with publishers.on(), listening(foreign.port, "#", None, None) as ear:
        names = {"default_enterprise": "ACME Corp", "default_site": "Chicago", "default_area": "Assembly"}
        row = await publishers.make(foreign.port, topic_pattern=pattern, **names)
        await publishers.works(1, "J-1")
        await publishers.drained(row)
        logs = await all_heard(publishers, row, ear)
    told = next(one for one in ear.heard if one.payload["event"] == "operation.started")
    assert told.topic == "acme_corp/mes/chicago/assembly/laser/op_1/j-1/j-1-p1/operation/started"
    assert (told.qos, told.retained, told.content_type) == (1, False, "application/json")
    assert told.properties == {"event": "operation.started", "schema": "uns/event/1", "source": "gw-test"}
    assert told.payload.keys() >= {"event", "timestamp", "tenant_id", "data", "id", "seq", "prev", "epoch", "source"}
    assert min(seqs(ear)) > before, "what was before its creation is not its business"
    assert unbroken(ear)

    assert [one["topic"] for one in logs] == [one.topic for one in ear.heard]
    assert [one["payload"] for one in logs] == [one.payload for one in ear.heard]
    assert all(one["success"] and one["error_message"] is None and 0 <= one["latency_ms"] < 10_000 for one in logs)
    shown = await publishers.row(row)
    assert shown["last_connected_at"] is not None
    assert shown["last_error"] is None


async def test_it_gets_what_it_asked_for_and_can_tell_that_nothing_is_missing(publishers, foreign):
    foreign.start("")
    async with publishers.on(), listening(foreign.port, "#", None, None) as ear:
        row = await publishers.make(foreign.port, events=["operation.*", "job.started"], topic_pattern="t/{event}")
        await publishers.works(2, until_done=True)
        await publishers.drained(row)
        await until(lambda: "operation.completed" in kinds(ear))
    assert {kind.split(".")[0] for kind in kinds(ear)} == {"operation", "job"}
    assert [kind for kind in kinds(ear) if kind.startswith("job")] == ["job.started"]
    assert unbroken(ear)
    assert ear.events[0]["prev"] is None


async def test_a_dead_broker_delays_nobody_else_and_its_breaker_says_so(publishers, foreign):
    foreign.start("")
    port = free_port()
    async with publishers.on(), listening(foreign.port, "#", None, None) as ear:
        dead = await publishers.make(port, name="dead")
        row = await publishers.make(foreign.port, name="alive")
        happened = await publishers.works(3)
        await until(lambda: len(kinds(ear)) == len(happened))
        await publishers.drained(row)
        link = publishers.link(dead)
        await until(lambda: link.facts["breaker"] in ("open", "half-open"))
        assert link.state == "down"
        assert "failures in a row, so it is tried every" in link.error
        assert "cannot be reached" in (await publishers.row(dead))["last_error"]
        assert (await publishers.position(dead))["position"] < (await publishers.position(row))["position"]
        assert await publishers.logs(dead) == []

        foreign.stop()
        foreign.port = port  # the dead one rises
        foreign.start("")
        async with listening(port, "#", None, None) as late:
            await until(lambda: link.state == "up")
            await publishers.works(1, "J-2")
            await publishers.drained(dead)
            assert link.facts["breaker"] == "closed"
            assert unbroken(late)
    assert [one["event_type"] for one in await publishers.logs(dead)][: len(happened)] == happened


@pytest.mark.parametrize("after_s", [0, 0.05])
async def test_a_broker_that_lets_us_in_and_throws_us_out_at_once_is_a_failure_as_well(publishers, after_s):
    """Somebody else is called like us, say: each time costs two rows of the journal."""

    async def throw_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"\x20\x03\x00\x00\x00")  # CONNACK
        await asyncio.sleep(after_s)
        writer.close()

    async with serving(throw_out) as port, publishers.on():
        row = await publishers.make(port)
        link = publishers.link(row)
        await until(lambda: link.facts.get("breaker") in ("open", "half-open"))
        assert "failures in a row" in link.error


async def test_a_broker_that_is_killed_in_the_middle_gets_everything_once_it_is_back_in_order(publishers, foreign):
    foreign.start("")
    async with publishers.on():
        row = await publishers.make(foreign.port)
        for number in range(3):
            await until(lambda: publishers.link(row).state == "up")
            await publishers.works(4, f"J-{number}")
            foreign.stop()
            await until(lambda: publishers.link(row).state == "down")
            await publishers.works(2, f"K-{number}")
            foreign.start("")
        await publishers.drained(row)
    acknowledged = [one["payload"]["seq"] for one in await publishers.logs(row)]
    happened = [one["seq"] for one in await publishers.floor.events() if one["type"]]
    assert list(dict.fromkeys(acknowledged)) == happened, "each at least once, first in the journal's order"


async def test_it_is_switched_off_and_on_at_run_time_and_goes_on_where_it_was(publishers, foreign):
    foreign.start("")
    async with publishers.on(), listening(foreign.port, "#", None, None) as ear:
        row = await publishers.make(foreign.port)
        await publishers.works(1)
        await publishers.drained(row)
        await publishers.change(row, active=False)
        await until(lambda: publishers.link(row).state == "off")
        head = len(await publishers.floor.events())
        heard = len(ear.heard)
        await publishers.works(1, "J-2")
        assert (await publishers.position(row))["position"] <= head
        assert len(ear.heard) == heard
        await publishers.change(row, active=True, topic_pattern="new/{event}")
        await publishers.drained(row)
        logs = await all_heard(publishers, row, ear)
        assert any(event["data"].get("job_number") == "J-2" for event in ear.events)
        assert {one.topic.split("/")[0] for one in ear.heard[heard:]} == {"new"}
        assert unbroken(ear)
    assert len(logs) == len(ear.heard), "what was acknowledged is not sent again"


async def test_one_that_is_deleted_is_gone_with_its_log_its_place_and_its_line_in_health(publishers, foreign):
    foreign.start("")
    async with publishers.on():
        row = await publishers.make(foreign.port)
        await publishers.works(1)
        await publishers.drained(row)
        assert (await publishers.floor.send("DELETE", f"{PATH}?id={row['id']}")).status == 200
        await until(lambda: row["id"] not in " ".join(link.name for link in publishers.health))
        await publishers.works(1, "J-2")
    assert await publishers.position(row) == {}
    assert (await publishers.floor.get(LOGS))["mqtt_logs"] == []


async def test_after_a_restart_it_goes_on_and_says_nothing_twice(publishers, foreign):
    foreign.start("")
    async with listening(foreign.port, "#", None, None) as ear:
        async with publishers.on():
            row = await publishers.make(foreign.port)
            await publishers.works(2)
            await publishers.drained(row)
        await publishers.works(2, "J-2")
        async with publishers.on():
            await publishers.drained(row)
        logs = await all_heard(publishers, row, ear)
    assert len(seqs(ear)) == len(ear.events)
    assert unbroken(ear)
    assert len(logs) == len(ear.events)


async def test_what_was_acknowledged_and_could_not_be_written_down_is_told_again_under_its_id(
    publishers, foreign, monkeypatch
):
    foreign.start("")
    written = store.delivered
    failures = iter([True])

    def fails_once(tx, *given):
        if next(failures, False):
            raise StorageFailed("the disk gave an error")
        return written(tx, *given)

    monkeypatch.setattr(store, "delivered", fails_once)
    async with publishers.on(), listening(foreign.port, "#", None, None) as ear:
        row = await publishers.make(foreign.port)
        await publishers.works(2)
        await publishers.drained(row)
        logs = await all_heard(publishers, row, ear)
        await until(lambda: len(ear.events) > len(logs))
    ids = [event["id"] for event in ear.events]
    assert len(set(ids)) == len(logs) < len(ids), "told twice, written down once"
    assert [one["payload"]["id"] for one in logs] == list(dict.fromkeys(ids))
    assert unbroken(ear)


async def test_what_the_broker_denies_stands_in_the_log_and_is_passed_by(publishers, foreign, monkeypatch):
    monkeypatch.setattr(refused, "AGAIN_S", 0.02)
    foreign.start("topic readwrite #\ntopic deny t/operation/started\n")
    async with publishers.on(), listening(foreign.port, "#", None, None) as ear:
        row = await publishers.make(foreign.port, topic_pattern="t/{event}", events=["operation.*"])
        await publishers.works(1)
        await publishers.drained(row)
        await until(lambda: kinds(ear) == ["operation.paused"])
    denied, taken = sorted(await publishers.logs(row), key=lambda one: one["success"])
    assert (denied["event_type"], denied["success"]) == ("operation.started", False)
    assert "135" in denied["error_message"]
    assert (taken["event_type"], taken["success"]) == ("operation.paused", True)
    assert (await publishers.position(row))["skipped"] == 1
    assert publishers.link(row).facts["refused"] == 1


async def test_many_events_are_acknowledged_in_few_writes(publishers, foreign):
    foreign.start("")
    for number in range(12):
        await publishers.works(1, f"J-{number}")
    async with publishers.on():
        row = await publishers.make(foreign.port, active=False)
        await publishers.floor.do(
            "INSERT INTO event_readers (name, since, position, created_at) VALUES (?, 0, 0, '2026-11-02')",
            f"mqtt:{row['id']}",
        )
        before = publishers.floor.db.commits.count
        await publishers.change(row, active=True)
        await publishers.drained(row)
        written = publishers.floor.db.commits.count - before
    told = len(await publishers.logs(row))
    assert told > 30
    assert written < told / 3


async def test_a_trial_says_whether_somebody_takes_it(publishers, foreign, monkeypatch):
    foreign.start("topic readwrite #\ntopic deny closed/#\n")
    floor = publishers.floor
    row = await publishers.make(foreign.port, active=False, topic_pattern="open/{event}")
    async with listening(foreign.port, "#", None, None) as ear:
        reply = await floor.send("POST", f"{PATH}/{row['id']}/test", headers={"Idempotency-Key": "try"})
        result = reply.data["result"]
        assert (result["success"], result["topic"], result["error_message"]) == (True, "open/mqtt/test", None)
        await until(lambda: ear.heard)
        again = await floor.send("POST", f"{PATH}/{row['id']}/test", headers={"Idempotency-Key": "try"})
        assert again.data == reply.data
        await asyncio.sleep(0.1)
        assert [one.payload["event"] for one in ear.heard] == ["mqtt.test"], "the same request says nothing again"
    await publishers.change(row, topic_pattern="closed/{event}")
    denied = (await floor.send("POST", f"{PATH}/{row['id']}/test")).data["result"]
    assert (denied["success"], "135" in denied["error_message"]) == (False, True)
    await publishers.change(row, port=free_port())
    away = (await floor.send("POST", f"{PATH}/{row['id']}/test")).data["result"]
    assert (away["success"], away["latency_ms"]) == (False, None)
    assert "cannot be reached" in away["error_message"]
    assert [one["success"] for one in await publishers.logs(row, "&event_type=mqtt.test")] == [True, False, False]
