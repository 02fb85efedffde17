"""Plugins that misbehave: what they leave behind is ended, what they keep is named, the core goes on."""

import asyncio

import aiohttp
from hosted import ON, links, settings
from waiting import until

from gateway.app import running
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

LEAKING = """
async def forever():
    await asyncio.Event().wait()

async def stubborn():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

def build(context):
    kept = []
    async def run():
        context.link.facts["runs"] = context.link.facts.get("runs", 0) + 1
        if context.link.facts["runs"] == 1:
            kept.extend(asyncio.create_task(one(), name=f"leak-{one.__name__}") for one in (forever, stubborn))
            await asyncio.sleep(0)
            raise Unavailable("the PLC is away")
        context.link.up()
        await stubborn()
    async def late(request):
        kept.append(asyncio.create_task(forever(), name="leak-handler"))
        return web.Response(text="left one")
    return Parts(run, (Mount("GET", "/late", late),))

plugin = Plugin(Settings, build)
"""
DEAF = """
async def forever():
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass

def build(context):
    async def on_events(events):
        asyncio.current_task().set_name("leak-events")
        context.link.facts["heard"] = len(events)
        await forever()
    return Parts(on_events=on_events)

plugin = Plugin(Settings, build)
"""
BLOCKING = """
def sleepy():
    time.sleep(2.5)

def build(context):
    async def run():
        context.link.up()
        await asyncio.Event().wait()
    async def block(request):
        sleepy()
        return web.Response(text="awake")
    return Parts(run, (Mount("GET", "/block", block),))

plugin = Plugin(Settings, build)
"""
EXITING = """
import sys

def build(context):
    async def run():
        sys.exit(3)
    return Parts(run)

plugin = Plugin(Settings, build)
"""
CANCELLING = EXITING.replace("sys.exit(3)", "raise asyncio.CancelledError")
SUICIDE = EXITING.replace("sys.exit(3)", "asyncio.current_task().cancel(); await asyncio.sleep(0)")
GONE = "import sys\nsys.exit(4)\n"
BABBLING = """
def build(context):
    async def run():
        context.link.facts |= {"object": object(), (1, 2): b"x", "state": "fine", "nan": float("nan"), "parts": 7, "share": 0.5}
        context.link.facts["machines"] = endless = {"m-1": {"state": "up", "last": [1, float("inf")]}, "again": {}}
        endless["again"]["endless"] = endless
        context.link.facts["many"] = [*range(1_000)]
        context.link.facts |= {f"n{number}": number for number in range(100)}
        context.link.up()
        await asyncio.Event().wait()
    return Parts(run)

plugin = Plugin(Settings, build)
"""


def leaks() -> list[str]:
    return sorted(task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("leak-"))


async def test_what_a_plugin_leaves_running_ends_with_it(tmp_path, shipped):
    shipped(leaking=LEAKING)
    async with running(settings(tmp_path / "data", leaking=ON)) as gateway, aiohttp.ClientSession() as session:
        link = links(gateway)["plugin:leaking"]
        await until(lambda: link.facts.get("tasks_left_behind"), "what the first run left")
        assert link.facts["tasks_left_behind"] == 2
        await until(lambda: link.state == "up", "its second run")
        assert leaks() == []
        _, key = await gateway.keys.create(NewKey("reader", Scope.READ))
        url = f"http://{gateway.addresses[0]}/plugins/leaking/late"
        async with session.get(url, headers={"Authorization": f"Bearer {key}"}) as answer:
            assert await answer.text() == "left one"
        assert leaks() == ["leak-handler"]
        assert gateway.status.brief() == "ok"
    assert leaks() == [], "and one that catches its cancellation does not keep the gateway from ending"
    assert link.facts["tasks_left_behind"] == 3
    assert asyncio.get_running_loop().get_task_factory() is None


async def test_one_that_never_comes_back_from_an_event_does_not_keep_the_gateway_from_ending(tmp_path, shipped):
    shipped(deaf=DEAF)
    async with running(settings(tmp_path / "data", deaf=ON)) as gateway, aiohttp.ClientSession() as session:
        link = links(gateway)["plugin:deaf"]
        await until(lambda: link.state == "up", "its place in the journal")
        _, key = await gateway.keys.create(NewKey("desk", Scope.PLAN))
        auth, url = {"Authorization": f"Bearer {key}"}, f"http://{gateway.addresses[0]}/api-jobs"
        async with session.post(url, json={"job_number": "J-1"}, headers=auth) as answer:
            assert answer.status == 201
        await until(lambda: link.facts.get("heard"), "the event")
        async with session.post(url, json={"job_number": "J-2"}, headers=auth) as answer:
            assert answer.status == 201, "nobody else waits for it"
        assert leaks() == ["leak-events"]
        told = (await gateway.status.full())["links"]["plugin:deaf"]
        assert told["pending"] > 0
    assert leaks() == []


async def test_who_blocks_the_loop_is_named(tmp_path, shipped, capsys):
    shipped(blocking=BLOCKING, greeter=BLOCKING.replace("2.5", "0"))
    sections = {"blocking": ON, "greeter": ON}
    async with running(settings(tmp_path / "data", **sections)) as gateway, aiohttp.ClientSession() as session:
        _, key = await gateway.keys.create(NewKey("reader", Scope.READ))
        auth = {"Authorization": f"Bearer {key}"}
        base = f"http://{gateway.addresses[0]}"
        async with session.get(f"{base}/plugins/blocking/block", headers=auth) as answer:
            assert await answer.text() == "awake"
        link = links(gateway)["plugin:blocking"]
        await until(lambda: link.facts.get("stalls"), "the loop's watch")
        assert "blocking/__init__.py:" in link.facts["stalled_at"]
        assert link.facts["stalled_at"].endswith(" in sleepy")
        assert link.error.startswith("it kept everything else waiting for ")
        async with session.get(f"{base}/healthz", headers=auth) as answer:
            told = await answer.json()
        assert told["status"] == "degraded"
        assert any(problem.startswith("plugin blocking: it kept everything else") for problem in told["problems"])
        assert told["links"]["plugin:blocking"]["state"] == "degraded"
        assert told["links"]["plugin:greeter"]["state"] == "up"
    said = capsys.readouterr()
    assert "loop.stalled" in said.out + said.err


async def test_what_would_end_the_process_ends_the_plugin(tmp_path, shipped):
    shipped(exiting=EXITING, cancelling=CANCELLING, suicide=SUICIDE, gone=GONE)
    sections = dict.fromkeys(("exiting", "cancelling", "suicide", "gone"), ON)
    async with running(settings(tmp_path / "data", **sections)) as gateway:
        found = links(gateway)
        await until(lambda: all(link.tried for link in found.values()), "all of them")
        await until(lambda: "sys.exit(3)" in found["plugin:exiting"].error, "the one that exits")
        await until(lambda: "nobody had asked for" in found["plugin:cancelling"].error, "the one that is cancelled")
        await until(
            lambda: "its own code has cancelled it" in found["plugin:suicide"].error, "the one that cancels itself"
        )
        assert found["plugin:gone"].error.startswith("it cannot be loaded: SystemExit")
        assert gateway.status.brief() == "ok"


async def test_whatever_a_plugin_tells_of_itself_health_and_metrics_are_there(tmp_path, shipped):
    shipped(babbling=BABBLING)
    async with running(settings(tmp_path / "data", babbling=ON)) as gateway, aiohttp.ClientSession() as session:
        await until(lambda: links(gateway)["plugin:babbling"].state == "up", "the babbler")
        _, key = await gateway.keys.create(NewKey("reader", Scope.READ))
        auth = {"Authorization": f"Bearer {key}"}
        base = f"http://{gateway.addresses[0]}"
        async with session.get(f"{base}/healthz", headers=auth) as answer:
            told = (await answer.json())["links"]["plugin:babbling"]
        assert (told["state"], told["parts"], told["nan"], told["(1, 2)"]) == ("up", 7, "nan", "b'x'")
        assert told["object"].startswith("<object object")
        assert told["machines"]["m-1"] == {"state": "up", "last": [1, "inf"]}
        assert len(told["machines"]["again"]["endless"]["m-1"]) <= 1_000  # as text
        assert told["many"] == [*range(200)]
        assert "n10" in told
        assert "n99" not in told
        async with session.get(f"{base}/metrics", headers=auth) as answer:
            text = await answer.text()
        assert 'gateway_plugin_fact{fact="parts",plugin="babbling"} 7.0' in text
        assert 'gateway_plugin_fact{fact="share",plugin="babbling"} 0.5' in text
        assert 'gateway_link_up{link="plugin:babbling"} 1.0' in text
