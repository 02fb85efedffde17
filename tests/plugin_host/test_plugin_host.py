"""Plugins are loaded, checked and run: one that fails touches neither another nor the core."""

import asyncio

import aiohttp
import pytest
from hosted import ON, links, settings
from waiting import WAIT_MAX_S, until

from gateway.app import running
from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import Invalid
from gateway.plugin_host import host
from gateway.plugin_host.runs import CRASHES_MAX
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

GREETER = """
def build(context):
    async def greet(request):
        return web.Response(text=context.config.greeting * context.config.times)
    async def run():
        context.link.up()
        await asyncio.Event().wait()
    return Parts(run, (Mount("GET", "/hello", greet),))

plugin = Plugin(Settings, build)
"""
CRASHING = """
def build(context):
    async def run():
        context.link.facts["runs"] = context.link.facts.get("runs", 0) + 1
        raise ValueError("a bug")
    async def greet(request):
        return web.Response(text="hello")
    return Parts(run, (Mount("GET", "/hello", greet),))

plugin = Plugin(Settings, build)
"""
AWAY = CRASHING.replace('ValueError("a bug")', 'Unavailable("the PLC is away")')
UNBUILT = "def build(context):\n    import a_library_that_nobody_has\n\nplugin = Plugin(Settings, build)\n"
WORSE = 'def build(context):\n    raise RuntimeError("no serial port")\n\nplugin = Plugin(Settings, build)\n'
NEWER = "plugin = Plugin(Settings, lambda context: None, version=VERSION + 1)\n"
BROKEN = "this is no Python\n"


async def test_each_fails_alone_and_says_why(tmp_path, shipped):
    shipped(greeter=GREETER, unbuilt=UNBUILT, worse=WORSE, newer=NEWER, broken=BROKEN)
    sections = {
        "greeter": {**ON, "greeting": "moin ", "times": 2},
        "unbuilt": ON,
        "worse": ON,
        "newer": ON,
        "broken": ON,
        "missing": ON,
        "mcp_server": {"enabled": False},
    }
    async with running(settings(tmp_path / "data", **sections)) as gateway, aiohttp.ClientSession() as session:
        found = links(gateway)
        await until(lambda: found["plugin:greeter"].state == "up", "the greeter")
        assert {name: link.state for name, link in found.items() if link.state != "up"} == dict.fromkeys(
            (f"plugin:{name}" for name in ("unbuilt", "worse", "newer", "broken", "missing")), "down"
        )
        assert "a_library_that_nobody_has" in found["plugin:unbuilt"].error
        assert "install eryxon-gateway[all]" in found["plugin:unbuilt"].error
        assert found["plugin:worse"].error == "RuntimeError: no serial port"
        assert "written for version 2 of gateway.plugin_api, this is 1" in found["plugin:newer"].error
        assert found["plugin:broken"].error.startswith("it cannot be loaded: SyntaxError")
        assert found["plugin:missing"].error.startswith('there is no plugin "missing"; known here: ')

        _, key = await gateway.keys.create(NewKey("reader", Scope.READ))
        url = f"http://{gateway.addresses[0]}/plugins/greeter/hello"
        async with session.get(url) as answer:
            assert answer.status == 401, "a key is asked for"
        async with session.get(url, headers={"Authorization": f"Bearer {key}"}) as answer:
            assert (answer.status, await answer.text()) == (200, "moin moin ")

        rows = {row["name"]: row for row in host.listed(sections, (await gateway.status.full())["links"])}
        assert (rows["greeter"]["enabled"], rows["greeter"]["state"], rows["greeter"]["error"]) == (True, "up", None)
        assert (rows["mcp_server"]["enabled"], rows["mcp_server"]["state"]) == (False, "off")
        assert rows["missing"]["state"] == "down"


async def test_one_that_crashes_again_and_again_is_given_up_and_one_that_waits_is_not(tmp_path, shipped):
    shipped(crashing=CRASHING, away=AWAY)
    clock = ManualClock()
    sections = {"crashing": {"enabled": True}, "away": {"enabled": True}}
    async with running(settings(tmp_path / "data", **sections), clock=clock) as gateway:
        crashing, away = (links(gateway)[f"plugin:{name}"] for name in ("crashing", "away"))

        async def passes() -> bool:
            await clock.advance(30)
            return crashing.facts.get("runs", 0) >= CRASHES_MAX and away.facts.get("runs", 0) > CRASHES_MAX

        async with asyncio.timeout(WAIT_MAX_S):
            while not await passes():
                await asyncio.sleep(0)
        assert crashing.error.startswith(
            "it failed 5 times within 10 minutes and is not started again: ValueError: a bug"
        )
        assert (crashing.state, crashing.facts["runs"]) == ("down", CRASHES_MAX)
        assert away.error == "the PLC is away"
        _, key = await gateway.keys.create(NewKey("reader", Scope.READ))
        url = f"http://{gateway.addresses[0]}/plugins/crashing/hello"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers={"Authorization": f"Bearer {key}"}) as answer,
        ):
            assert answer.status == 503
            assert "plugin:crashing is not running: it failed 5 times" in (await answer.json())["error"]["message"]
        assert gateway.status.brief() == "ok", "the core does not mind"


async def test_whatever_it_declares_the_gateway_starts_and_stops(tmp_path, shipped):
    head = "async def run():\n    await asyncio.Event().wait()\n\ndef build(context):\n"
    tail = "\n\nplugin = Plugin(Settings, build)\n"
    shipped(
        nothing=f"{head}    return None{tail}",
        pathless=f'{head}    return Parts(run, (Mount("GET", "hello", run),)){tail}',
        twice=f'{head}    return Parts(run, (Mount("GET", "/a", run), Mount("GET", "/a", run))){tail}',
        endless=f"{head}    return Parts(run, end=lambda: 1 / 0){tail}",
    )
    sections = dict.fromkeys(("nothing", "pathless", "twice", "endless"), ON)
    async with running(settings(tmp_path / "data", **sections)) as gateway:
        found = links(gateway)
        assert found["plugin:nothing"].error == "its build returned NoneType: Parts are wanted"
        assert 'the path of its route, "hello", does not begin with a /' in found["plugin:pathless"].error
        assert found["plugin:twice"].error.startswith("RuntimeError: ")
        assert gateway.status.brief() == "ok"


def test_settings_are_checked_by_name(shipped):
    shipped(greeter=GREETER)
    (one,) = host.wanted({"greeter": {"enabled": True, "greting": "x", "times": "many"}})
    assert one.error.startswith("times: Input should be a valid integer")
    assert one.error.endswith("; unknown key greting; known here: enabled, greeting, times")
    assert host.wanted({"greeter": {"greting": "x"}, "other": {"enabled": False}}) == []


def test_tools_are_known_by_name():
    reading = host.allowed_tools(None)
    assert "fetch_jobs" in reading
    assert "start_job" not in reading
    assert host.allowed_tools(["*"]) == ("*",)
    with pytest.raises(Invalid, match='there is no tool "strat_job": did you mean start_job'):
        host.allowed_tools(["fetch_jobs", "strat_job"])
