"""A plugin that was given up begins anew when somebody asks for it, in the same process."""

import asyncio
import sys

import aiohttp
import pytest
from hosted import ON, links, settings
from program import Program
from waiting import until

from gateway.app import running
from gateway.kernel.errors import NotFound, Unavailable
from gateway.plugin_host.runs import CRASHES_MAX
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

BROKEN_WIRE = """
BROKEN = [True]

async def forever():
    await asyncio.Event().wait()

def build(context):
    kept = []
    async def run():
        kept.append(asyncio.create_task(forever(), name="leak-forever"))
        context.link.facts["runs"] = context.link.facts.get("runs", 0) + 1
        await asyncio.sleep(0)
        if BROKEN[0]:
            raise ValueError("a bug")
        context.link.up()
        await asyncio.Event().wait()
    async def greet(request):
        return web.Response(text="hello")
    return Parts(run, (Mount("GET", "/hello", greet),))

plugin = Plugin(Settings, build)
"""
LISTENER = """
HEARD = []

def build(context):
    async def on_events(events):
        HEARD.extend(event.data["job_number"] for event in events)
    return Parts(on_events=on_events, events=("job.created",))

plugin = Plugin(Settings, build)
"""
UNBUILT = 'def build(context):\n    raise RuntimeError("no serial port")\n\nplugin = Plugin(Settings, build)\n'


def module(name: str):
    return sys.modules[f"plugins.{name}"]


async def test_one_that_was_given_up_begins_anew_with_nothing_left_of_before(tmp_path, shipped, monkeypatch):
    monkeypatch.setattr("gateway.kernel.supervise.BACKOFF_BASE_S", 0.01)
    shipped(wire=BROKEN_WIRE)
    async with running(settings(tmp_path / "data", wire=ON)) as gateway, aiohttp.ClientSession() as session:
        link = links(gateway)["plugin:wire"]
        await until(lambda: "is not started again" in (link.error or ""), "the fifth crash")
        assert link.error.endswith("Once that is mended: eryxon-gateway plugins restart wire")
        _, key = await gateway.keys.create(NewKey("reader", Scope.READ))
        asked = {
            "url": f"http://{gateway.addresses[0]}/plugins/wire/hello",
            "headers": {"Authorization": f"Bearer {key}"},
        }
        async with session.get(**asked) as answer:
            assert answer.status == 503
        module("wire").BROKEN[0] = False
        await gateway._plugins.restart("wire")
        await until(lambda: link.state == "up", "its work")
        async with session.get(**asked) as answer:
            assert (answer.status, await answer.text()) == (200, "hello")
        await asyncio.gather(*(gateway._plugins.restart("wire") for _ in range(3)))
        await until(lambda: link.state == "up" and link.facts["runs"] > CRASHES_MAX + 1, "also one that works")
        assert [task.get_name() for task in asyncio.all_tasks()].count("leak-forever") == 1


async def test_one_that_follows_the_journal_goes_on_where_it_was(tmp_path, shipped):
    shipped(listener=LISTENER)
    async with running(settings(tmp_path / "data", listener=ON)) as gateway, aiohttp.ClientSession() as session:
        link = links(gateway)["plugin:listener"]
        _, key = await gateway.keys.create(NewKey("desk", Scope.PLAN))

        async def job(number: str) -> None:
            asked = {"json": {"job_number": number}, "headers": {"Authorization": f"Bearer {key}"}}
            async with session.post(f"http://{gateway.addresses[0]}/api-jobs", **asked) as answer:
                assert answer.status == 201

        await until(lambda: link.state == "up", "its place in the journal")
        for number in ("J-1", "J-2", "J-3"):
            await job(number)
            await gateway._plugins.restart("listener")
            await until(lambda: link.state == "up", "the next run")
        await until(lambda: "J-3" in module("listener").HEARD, "the last")
        heard = module("listener").HEARD
        assert sorted(set(heard), key=heard.index) == ["J-1", "J-2", "J-3"]


async def test_what_cannot_be_started_again_is_said(tmp_path, shipped):
    shipped(unbuilt=UNBUILT)
    async with running(settings(tmp_path / "data", unbuilt=ON, modbus={"enabled": False})) as gateway:
        with pytest.raises(NotFound, match='no plugin "modbus" is switched on; those that are: unbuilt'):
            await gateway._plugins.restart("modbus")
        with pytest.raises(Unavailable, match=r"unbuilt cannot be started \(RuntimeError: no serial port\)"):
            await gateway._plugins.restart("unbuilt")


@pytest.fixture
def program(tmp_path) -> Program:
    return Program.at(tmp_path)


def test_the_command_wants_a_gateway_that_runs(program, tmp_path):
    (tmp_path / "drop").mkdir()
    program.configure(
        f'[broker]\nmode = "off"\n[plugins.csv_dropbox]\nenabled = true\nfolder = "{tmp_path / "drop"}"\n'
    )
    said = program.call("plugins", "restart", "csv_dropbox")
    assert (said.code, said.out) == (3, "")
    assert "the gateway cannot be reached: it is stopped, and its plugins with it" in said.err
    with program.serving():
        assert program.ok("plugins", "restart", "csv_dropbox").out.startswith("csv_dropbox begins anew")
        assert program.ok("plugins", "restart", "csv_dropbox", "--json").json == {
            "name": "csv_dropbox",
            "restarted": True,
        }
        said = program.call("plugins", "restart", "csv_dropbx")
        assert (said.code, said.out) == (1, "")
        assert 'no plugin "csv_dropbx" is switched on; those that are: csv_dropbox' in said.err
        assert (tmp_path / "log").read_text().count("plugin.restarted") == 2
