"""A plugin that follows the journal: from the end, in order, at least once; what it refuses is set aside and can be tried again."""

import asyncio
import json
import sys

import aiohttp
from hosted import ON, links, settings
from waiting import WAIT_MAX_S, until

from gateway.app import running
from gateway.outbox import journal, parked
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

TAKER = """
HEARD = []
TROUBLE = {}

def build(context):
    async def on_events(events):
        for event in events:
            number = (event.data or {}).get("job_number")
            if number in TROUBLE:
                raise TROUBLE[number]
        HEARD.extend(events)
        context.link.up()
    return Parts(on_events=on_events, events=("job.*",))

plugin = Plugin(Settings, build)
"""
EVERYTHING = TAKER.replace('("job.*",)', "None")
CALLING = """
def build(context):
    async def on_events(events):
        for event in events:
            if event.data["job_number"].startswith("after"):
                continue
            given = {"job_number": "after " + event.data["job_number"]}
            for _ in range(2):
                outcome = await context.api.call(Request("POST", "/api-jobs", body=given, key=event.id), context.caller)
                context.link.facts[f"status_{outcome.replayed}"] = outcome.status
            odd = Request("POST", "/api-jobs", upload=Upload("text/plain", b"J-1"))
            context.link.facts["odd"] = (await context.api.call(odd, context.caller)).status
            context.link.facts["denied"] = (await context.api.call(Request("GET", "/api-mcp-keys"), context.caller)).status
    return Parts(on_events=on_events, events=("job.created",))

plugin = Plugin(Settings, build)
"""


class Desk:
    """Somebody who plans jobs."""

    def __init__(self, gateway, session, key) -> None:
        self.url, self.session, self.auth = (
            f"http://{gateway.addresses[0]}",
            session,
            {"Authorization": f"Bearer {key}"},
        )

    @classmethod
    async def at(cls, gateway, session) -> "Desk":
        _, key = await gateway.keys.create(NewKey("desk", Scope.PLAN))
        return cls(gateway, session, key)

    async def job(self, number: str) -> None:
        async with self.session.post(f"{self.url}/api-jobs", json={"job_number": number}, headers=self.auth) as answer:
            assert answer.status == 201, await answer.text()

    async def jobs(self) -> set[str]:
        async with self.session.get(f"{self.url}/api-jobs", headers=self.auth) as answer:
            return {row["job_number"] for row in (await answer.json())["data"]["jobs"]}


def module(name: str):
    return sys.modules[f"plugins.{name}"]


def numbers(name: str) -> list[str]:
    return [event.data["job_number"] for event in module(name).HEARD if event.type == "job.created"]


async def until_registered(gateway, *readers: str) -> None:
    """They have a place in the journal."""
    known = set()
    async with asyncio.timeout(WAIT_MAX_S):
        while not known >= {*readers}:
            known = {row["name"] for row in await gateway.db.read(journal.readers)}


async def one_parked(gateway) -> dict:
    """What was set aside for the taker."""
    async with asyncio.timeout(WAIT_MAX_S):
        while not (rows := await gateway.db.read(parked.listed, "plugin:taker")):
            await asyncio.sleep(0.005)
    (row,) = rows
    return row


async def test_it_goes_on_where_it_was(tmp_path, shipped):
    shipped(taker=TAKER, everything=EVERYTHING)
    data = tmp_path / "data"
    async with running(settings(data)) as gateway, aiohttp.ClientSession() as session:
        await (await Desk.at(gateway, session)).job("before")
    async with running(settings(data, taker=ON, everything=ON)) as gateway, aiohttp.ClientSession() as session:
        desk = await Desk.at(gateway, session)
        readers = ("plugin:taker", "plugin:everything")
        await until_registered(gateway, *readers)
        for number in ("J-1", "J-2"):
            await desk.job(number)
        await until(lambda: numbers("taker") == ["J-1", "J-2"], "the two jobs")
        assert links(gateway)["plugin:taker"].state == "up"
        await until(lambda: numbers("everything") == ["J-1", "J-2"], "the other reader")
        told = module("taker").HEARD[0]
        assert (told.origin, told.changes[0]["table"], told.data["job_number"]) == ("gw-1", "jobs", "J-1")
    async with running(settings(data)) as gateway, aiohttp.ClientSession() as session:
        await (await Desk.at(gateway, session)).job("while it was off")
        assert (await gateway.status.full())["links"]["plugin:taker"]["state"] == "off"
    module("taker").HEARD.clear()
    async with running(settings(data, taker=ON)) as gateway:
        await until(lambda: "while it was off" in numbers("taker"), "what it has missed")
        assert "before" not in numbers("taker")


async def test_what_it_refuses_is_set_aside_and_tried_again_when_asked_for(tmp_path, shipped, monkeypatch):
    monkeypatch.setattr("gateway.plugin_host.reader.LOOK_EVERY_S", 0.05)
    shipped(taker=TAKER)
    async with running(settings(tmp_path / "data", taker=ON)) as gateway, aiohttp.ClientSession() as session:
        await until_registered(gateway, "plugin:taker")
        desk, trouble = await Desk.at(gateway, session), module("taker").TROUBLE
        trouble["J-2"] = module("taker").Refused("no paper for that")
        await desk.job("J-1")
        await until(lambda: "J-1" in numbers("taker"), "the first")
        for number in ("J-2", "J-3"):
            await desk.job(number)
        await until(lambda: "J-3" in numbers("taker"), "the one after it")
        assert "J-2" not in numbers("taker")
        row = await one_parked(gateway)
        assert (row["type"], row["state"], row["reason"]) == ("job.created", "parked", "no paper for that")
        told = (await gateway.status.full())["links"]["plugin:taker"]
        assert (told["parked"], told["skipped"], told["parked_because"]) == (1, 0, "no paper for that")
        trouble.clear()
        await gateway.db.write(parked.retry, "plugin:taker")
        await until(lambda: "J-2" in numbers("taker"), "the second try")
        async with asyncio.timeout(WAIT_MAX_S):
            while await gateway.db.read(parked.listed, "plugin:taker"):
                pass


async def test_an_event_that_it_fails_on_again_and_again_is_set_aside(tmp_path, shipped, monkeypatch):
    monkeypatch.setattr("gateway.kernel.supervise.BACKOFF_BASE_S", 0.01)
    shipped(taker=TAKER)
    async with running(settings(tmp_path / "data", taker=ON)) as gateway, aiohttp.ClientSession() as session:
        desk = await Desk.at(gateway, session)
        await until_registered(gateway, "plugin:taker")
        module("taker").TROUBLE["J-1"] = KeyError("a bug")
        for number in ("J-1", "J-2"):
            await desk.job(number)
        await until(lambda: "J-2" in numbers("taker"), "the one after it")
        row = await one_parked(gateway)
        assert row["reason"] == "KeyError: 'a bug'"
        assert links(gateway)["plugin:taker"].state == "up"


async def test_one_that_refuses_everything_costs_a_commit_each_time_it_is_asked_and_not_for_each_event(
    tmp_path, shipped, capsys
):
    shipped(taker=TAKER)
    async with running(settings(tmp_path / "data", taker=ON)) as gateway, aiohttp.ClientSession() as session:
        await until_registered(gateway, "plugin:taker")
        desk, refused = await Desk.at(gateway, session), module("taker").Refused("it likes none of them")
        module("taker").TROUBLE |= dict.fromkeys((f"J-{number}" for number in range(20)), refused)
        await desk.job("J-0")
        await one_parked(gateway)
        for number in range(1, 20):
            await desk.job(f"J-{number}")
        async with asyncio.timeout(WAIT_MAX_S):
            while len(rows := await gateway.db.read(parked.listed, "plugin:taker")) < 20:
                await asyncio.sleep(0.005)
        assert {row["reason"] for row in rows} == {"it likes none of them"}
        assert len({row["parked_at"] for row in rows}) < 20, "those that came meanwhile were set aside together"
    told = [line for line in capsys.readouterr().out.splitlines() if "plugin.parked" in line and "warning" in line]
    assert len(told) == 1, "loud once"


async def test_who_only_follows_the_journal_is_up_again_when_it_takes_events_again(tmp_path, shipped, monkeypatch):
    monkeypatch.setattr("gateway.kernel.supervise.BACKOFF_BASE_S", 0.01)
    shipped(taker=TAKER.replace("        context.link.up()\n", ""))
    async with running(settings(tmp_path / "data", taker=ON)) as gateway, aiohttp.ClientSession() as session:
        await until_registered(gateway, "plugin:taker")
        desk, link = await Desk.at(gateway, session), links(gateway)["plugin:taker"]
        module("taker").TROUBLE["J-1"] = module("taker").Unavailable("the line is cut")
        await desk.job("J-1")
        await until(lambda: (link.state, link.error) == ("down", "the line is cut"), "the outage")
        module("taker").TROUBLE.clear()
        await until(lambda: link.state == "up", "the line")
        assert numbers("taker") == ["J-1"]


async def test_away_is_not_refused(tmp_path, shipped, monkeypatch):
    monkeypatch.setattr("gateway.kernel.supervise.BACKOFF_BASE_S", 0.01)
    shipped(taker=TAKER)
    async with running(settings(tmp_path / "data", taker=ON)) as gateway, aiohttp.ClientSession() as session:
        await until_registered(gateway, "plugin:taker")
        desk, link = await Desk.at(gateway, session), links(gateway)["plugin:taker"]
        module("taker").TROUBLE["J-1"] = module("taker").Unavailable("the line is cut")
        await desk.job("J-1")
        await until(lambda: (link.state, link.error) == ("down", "the line is cut"), "the outage")
        await desk.job("J-2")
        module("taker").TROUBLE.clear()
        await until(lambda: numbers("taker")[:2] == ["J-1", "J-2"], "both, in order")
        assert await gateway.db.read(parked.listed, "plugin:taker") == []


async def test_it_acts_in_its_own_name_and_once(tmp_path, shipped):
    shipped(calling=CALLING)
    async with running(settings(tmp_path / "data", calling=ON)) as gateway, aiohttp.ClientSession() as session:
        desk, facts = await Desk.at(gateway, session), links(gateway)["plugin:calling"].facts
        await until_registered(gateway, "plugin:calling")
        await desk.job("J-1")
        await until(lambda: "denied" in facts, "what it did")
        assert (facts["status_False"], facts["status_True"]) == (201, 201), "the same key, the same job"
        assert facts["denied"] == 403, "a planner, and no more"
        assert facts["odd"] == 415, "not every route takes every type"
        assert {"J-1", "after J-1"} <= await desk.jobs()
        assert json.dumps(facts)
