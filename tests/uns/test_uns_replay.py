"""A stretch of the journal once more, on our own broker and on a publisher's: marked, outside the order, beside the stream."""

import asyncio

from publishing import Publishers
from uns_hall import CALLER, OTTO, listening, operation, until
from waiting import WAIT_MAX_S

from gateway.operations.model import Verb
from gateway.replays import worker
from gateway.replays.commands import ReplayCommands

PANEL = operation(1, "Beam")


async def test_the_namespace_tells_a_stretch_again_and_says_that_it_is_a_replay(hall, monkeypatch):
    monkeypatch.setattr(worker, "LOOK_EVERY_S", 0.05)
    asked = ReplayCommands(hall.db, hall.clock, hall.new_id, "gw-test")
    async with hall.on(), hall.ear() as ear:
        await hall.change(Verb.START, PANEL, operator_id=OTTO)
        await hall.change(Verb.COMPLETE, PANEL)
        journal = await hall.journal()
        await until(lambda: len(ear.events) == len(journal))
        live = list(ear.events)
        await asked.ask("uns", journal[0][0], journal[-1][0], CALLER, None)
        await until(lambda: len(ear.events) == 2 * len(journal))
        await hall.count(PANEL, 1)
        await until(lambda: len(ear.events) > 2 * len(journal))
    again = ear.events[len(live) : 2 * len(live)]
    assert [one["id"] for one in again] == [one["id"] for one in live]
    assert len({one["replay"] for one in again}) == 1
    assert {one["prev"] for one in again} == {None}
    assert [one["data"] for one in again] == [one["data"] for one in live]
    later = ear.events[-1]
    assert "replay" not in later
    assert later["prev"] == live[-1]["seq"], "who looks for gaps finds none"


async def test_a_publisher_tells_again_what_it_asked_for_and_logs_it(floor, foreign, monkeypatch):
    monkeypatch.setattr(worker, "LOOK_EVERY_S", 0.05)
    publishers = Publishers(floor)
    foreign.start("")
    async with publishers.on(), listening(foreign.port, "#", None, None) as ear:
        row = await publishers.make(foreign.port, events=["operation.*"])
        await publishers.works(2)
        await publishers.drained(row)
        last = (await publishers.position(row))["position"]
        told = [one for one in await floor.events() if (one["type"] or "").startswith("operation.")]
        await until(lambda: len(ear.events) == len(told))
        given = {"out": f"mqtt:{row['id']}", "from_seq": 1, "to_seq": last}
        replay = (await floor.make("/api-replay", given))["replay"]
        await until(lambda: len(ear.events) == 2 * len(told))
        async with asyncio.timeout(WAIT_MAX_S):
            while len(logs := await publishers.logs(row, f"&replay_id={replay['id']}")) < len(told):
                await asyncio.sleep(0.01)
    again = ear.events[len(told) :]
    assert [one["id"] for one in again] == [one["id"] for one in told]
    assert {one["replay"] for one in again} == {replay["id"]}
    assert [one["payload"]["replay"] for one in logs] == [replay["id"]] * len(told)
    assert (await publishers.position(row))["position"] >= last
