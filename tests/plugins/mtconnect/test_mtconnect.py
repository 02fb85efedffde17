"""Machine -> agent -> counter rule -> pieces: no gap and no double, whoever starts anew."""

import json
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from mtconnect_agent import HOST, ITEMS, Agent
from waiting import until
from works import GOOD, STATES, furnished, killed_meanwhile, open_works

from gateway.plugin_host.machines import LocalMachines

RESTARTS = 10
SCRAP = {"device": "laser-1", "input": "tag/scrap", "rule": "edge", "report": "quantity_scrap", "flush": "50ms"}
SCRAPPED = "SELECT coalesce(sum(quantity_scrap), 0) FROM operation_quantities"
READ = ({"id": "parts", "to": "counter/good"}, {"id": "exec", "to": "state"})


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    found = Agent()
    await found.on()
    yield found
    await found.off()


def reading(agent: Agent, *more: dict) -> dict:
    url = f"http://{HOST}:{agent.port}/Mill"
    read = {"device": "laser-1", "url": url, "every": "50ms", "timeout": "5s", "item": [*READ, *more]}
    return {"mtconnect": {"agent": [read]}}


async def test_data_items_become_pieces_and_a_state(works, agent):
    agent.say(parts=40, exec="READY")
    shop = await works(plugin=reading(agent))
    await shop.seen(40)
    await shop.stood("idle")
    agent.say(parts=41, exec="ACTIVE", Xpos=4.25)
    agent.say(parts=43)
    await shop.counted(3)
    await shop.stood("running")
    assert shop.link("mtconnect").state == "up"
    facts = shop.machine("mtconnect")
    assert (facts["instance"], facts["refused"], facts["gaps"]) == (agent.instance, 0, 0)
    rows = await shop.query("SELECT DISTINCT json_extract(metadata, '$.cause') FROM operation_quantities")
    assert rows == [("mtconnect:laser-1",)]
    assert [what for what, _ in agent.asked].count("current") == 1


async def test_an_agent_that_is_away_or_starts_anew_ten_times_loses_no_piece(works, agent):
    agent.say(parts=5)
    shop = await works(plugin=reading(agent))
    await shop.seen(5)
    made = 5
    for round_ in range(RESTARTS):
        agent.say(parts=(made := made + 2))
        await agent.off()
        await shop.reads("mtconnect", "down")
        if round_ % 2:
            agent.starts_anew()
        for _ in range(3):
            agent.say(parts=(made := made + 1))
        await agent.on()
        await shop.reads("mtconnect")
        await shop.seen(made)
    await shop.counted(made - 5)
    assert (shop.machine("mtconnect")["refused"], shop.machine("mtconnect")["gaps"]) == (0, 0)


async def test_the_gateway_is_killed_and_books_every_piece_once(tmp_path, agent):
    async def count(value: int) -> None:
        agent.say(parts=value)

    await killed_meanwhile(await furnished(tmp_path, reading(agent)), count)
    assert [what for what, _ in agent.asked].count("current") == 1, "after a restart it goes on from where it was"


async def test_the_place_is_kept_behind_what_is_booked(works, agent, tmp_path, monkeypatch):
    """Never before it: whatever ends us between the two, nothing is left out."""
    place, take, early = tmp_path / "data" / "plugins" / "mtconnect" / "laser-1.json", LocalMachines.take, []

    async def watched(machines, reading):
        sequence = int(reading.id.partition(":")[2])
        if place.exists() and json.loads(place.read_text())["next"] > sequence:
            early.append(reading)
        return await take(machines, reading)

    monkeypatch.setattr(LocalMachines, "take", watched)
    shop = await works(plugin=reading(agent))
    for value in range(5):
        agent.say(parts=value)
        await shop.seen(value)
    await until(lambda: place.exists() and json.loads(place.read_text())["next"] == len(ITEMS) + 6, "the place")
    assert early == []


async def test_what_is_told_a_second_time_is_not_booked_a_second_time(tmp_path, agent):
    """A power cut between the booking and the place: the place is an hour old, and everything since comes again."""
    began = datetime.now(UTC) - timedelta(hours=1)
    more, mappings = {"id": "bad", "to": "tag/scrap"}, (GOOD, STATES, SCRAP)
    folder, plugin = tmp_path / "data", reading(agent, more)
    place = folder / "plugins" / "mtconnect" / "laser-1.json"
    agent.say(began, parts=100, bad=0)
    async with open_works(folder, plugin, mappings) as shop:
        await shop.seen(100)
        await until(place.exists, "the place")
        shutil.copy(place, tmp_path / "old")
        for minute in range(40):
            at = began + timedelta(minutes=minute)
            agent.say(at, parts=101 + minute, bad=minute % 2)
        await shop.counted(40)
        assert await shop.query(SCRAPPED) == [(20,)]
    shutil.copy(tmp_path / "old", place)
    async with open_works(folder, plugin, mappings) as shop:
        agent.say(parts=141)  # a sign that all before it has come
        await shop.counted(41)
        assert await shop.query(SCRAPPED) == [(20,)]


async def test_what_the_agent_has_forgotten_is_said_and_the_counter_makes_up_for_it(works, agent):
    small = Agent(buffer=10)
    await small.on()
    small.say(parts=5)
    try:
        shop = await works(plugin=reading(small))
        await shop.seen(5)
        await small.off()
        for value in range(6, 30):
            small.say(parts=value)
        await small.on()
        await shop.seen(29)
        await shop.counted(24)
        facts = shop.machine("mtconnect")
        assert (facts["gaps"], facts["last_gap"]) == (1, {"from": len(ITEMS) + 2, "to": len(ITEMS) + 16})
    finally:
        await small.off()


async def test_an_item_that_the_agent_does_not_have_is_named_and_one_that_is_added_is_read(tmp_path, agent):
    folder, mappings = tmp_path / "data", (GOOD, STATES, SYSTEM)
    agent.say(parts=5, exec="ACTIVE", system="Warning")
    wrong, right = ({"id": one, "to": "tag/system"} for one in ("sytem", "system"))
    async with open_works(folder, reading(agent, wrong), mappings) as shop:
        await shop.says("mtconnect", "the agent has no data item sytem", "degraded")
        agent.say(parts=7)
        await shop.counted(2)
    agent.say(parts=8)
    async with open_works(folder, reading(agent, right), mappings) as shop:
        await shop.reads("mtconnect")
        await shop.seen("WARNING", "tag/system")
        await shop.counted(3)
        assert await shop.last("counter/good") == 8


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<!DOCTYPE a [<!ENTITY b 'c'>]><MTConnectStreams/>", "a document type is declared in it"),
        (200, b"<MTConnectStreams><Header", "no XML"),
        (200, b"<MTConnectStreams/>", "it has no Header"),
        (200, b"<S><Header instanceId='-1'/></S>", "instanceId is no number"),
        (500, b"down for repair", "answered current with 500, and no XML"),
        (200, b"<a>" * 100, "more than 64 levels"),
        (302, b"", "with 302"),
    ],
)
async def test_an_answer_that_is_none_is_told(works, agent, status, body, said):
    agent.said = (status, body)
    shop = await works(plugin=reading(agent))
    await shop.says("mtconnect", said)
    agent.said = None
    agent.say(parts=1)
    await shop.seen(1)


async def test_what_the_agent_does_not_know_counts_nothing_and_is_no_state(works, agent):
    agent.say(parts=5, exec="ACTIVE")
    shop = await works(plugin=reading(agent, {"id": "system", "to": "tag/system"}), mappings=(GOOD, STATES, SYSTEM))
    await shop.stood("running")
    agent.say(parts="UNAVAILABLE", exec="UNAVAILABLE", system="Fault")
    await shop.stood("unknown")
    await shop.seen("FAULT", "tag/system")
    agent.say(parts=7)
    await shop.counted(2)


SYSTEM = {"device": "laser-1", "input": "tag/system", "rule": "gauge"}
