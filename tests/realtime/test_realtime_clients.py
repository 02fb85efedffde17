"""Supabase's own clients, as they are: the official Python one, and those from npm, old and new."""

import asyncio
import contextlib
import signal
from pathlib import Path

import aiohttp
from javascript import running
from program import Program
from realtime import AsyncRealtimeClient, RealtimePostgresChangesListenEvent, RealtimeSubscribeStates
from waiting import until

SCREENS = (
    "realtime-js-2-11@1.0.0",
    "realtime-js-newest@1.0.0",
    "realtime-js-newest@2.0.0",
    "@supabase/supabase-js@2.0.0",
)
SCRIPT = Path(__file__).parent / "screens.cjs"


class Screens:
    """All of them in one process of Node.js."""

    def __init__(self, script) -> None:
        self.script = script

    def of(self, who: str, what: str) -> list:
        return [one[what] for one in self.script.said if one["who"] == who and what in one]

    async def subscribed(self, times: int = 1) -> None:
        for who in SCREENS:
            await until(
                lambda who=who: self.of(who, "status").count("SUBSCRIBED") >= times,
                f"{who} to subscribe: {self.script.said[-3:]}",
            )

    async def changes(self, who: str, count: int) -> list:
        """(which binding, type, new, old)."""
        await until(lambda: len(self.of(who, "change")) >= count, f"{count} changes at {who}")
        return [
            (one["filter"], one["change"]["eventType"], one["change"]["new"], one["change"]["old"])
            for one in self.script.said
            if one["who"] == who and "change" in one
        ]


@contextlib.asynccontextmanager
async def screens(url: str, key: str):
    async with running(SCRIPT, url, key, *SCREENS) as script:
        yield Screens(script)


async def test_npm_clients_are_told_of_what_happens_over_rest(plaza):
    floor = plaza.floor
    async with screens(plaza.url, floor.key) as shown:
        await shown.subscribed()
        cell = (await floor.make("/api-cells", {"name": "Paint", "active": True}))["cell"]
        for who in SCREENS:
            await shown.changes(who, 1)  # a row is told as it is then
        await floor.send("PATCH", f"/api-cells?id={cell['id']}", {"wip_limit": 12})
        await floor.send("DELETE", f"/api-cells?id={cell['id']}")
        for who in SCREENS:
            found = await shown.changes(who, 5)
            assert [(named, kind) for named, kind, _, _ in found] == [
                (None, "INSERT"),
                ("wip_limit=gte.10", "UPDATE"),
                (None, "UPDATE"),
                ("wip_limit=gte.10", "DELETE"),
                (None, "DELETE"),
            ], who
            (_, _, made, none), (_, _, changed, old) = found[0], found[2]
            assert (made["name"], made["active"], made["wip_limit"], none) == ("Paint", True, None, {})
            assert (changed["wip_limit"], old) == (12, {"id": cell["id"]})
            assert found[4][2:] == ({}, {"id": cell["id"]})
            assert changed["created_at"] == cell["created_at"]


async def test_npm_clients_broadcast_to_each_other_over_the_socket_and_without(plaza):
    async with screens(plaza.url, plaza.floor.key) as shown:
        await shown.subscribed()
        for who in SCREENS:
            await shown.script.tell({"who": who, "send": {"from": who, "text": "Grüße"}})
            await until(lambda who=who: shown.of(who, "sent") == ["ok"], f"{who} to send")
        newest = SCREENS[2]
        await shown.script.tell({"who": newest, "http": {"from": "http"}})
        await until(lambda: shown.of(newest, "sent") == ["ok", True], "a broadcast over HTTP")
        for who in SCREENS:
            expected = [{"from": one, "text": "Grüße"} for one in SCREENS if one != who] + [{"from": "http"}]
            await until(lambda who=who, expected=expected: shown.of(who, "broadcast") == expected, f"{who} to hear")


async def test_npm_clients_are_back_by_themselves_after_the_gateway_was_killed(tmp_path):
    program = Program.at(tmp_path)
    program.configure()
    key = program.key()
    with contextlib.ExitStack() as running_:
        process = await asyncio.to_thread(running_.enter_context, program.serving())
        async with screens(program.url, key) as shown:
            await shown.subscribed()
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
            await asyncio.to_thread(running_.enter_context, program.serving())
            await shown.subscribed(2)
            headers = {"Authorization": f"Bearer {key}"}
            async with aiohttp.request(
                "POST", f"{program.url}/api-cells", json={"name": "Paint"}, headers=headers
            ) as made:
                assert made.status == 201
            for who in SCREENS:
                assert (await shown.changes(who, 1))[-1][2]["name"] == "Paint"


async def test_the_official_python_client_is_told_of_an_insert_and_an_update(plaza):
    told, states = [], []
    client = AsyncRealtimeClient(f"{plaza.url.replace('http', 'ws')}/realtime/v1", plaza.floor.key)
    channel = client.channel("operator-terminal-changes")
    channel.on_postgres_changes(
        RealtimePostgresChangesListenEvent.All, schema="public", table="cells", callback=told.append
    )
    try:
        await channel.subscribe(lambda state, _error: states.append(state))
        await until(lambda: RealtimeSubscribeStates.SUBSCRIBED in states, "the Python client to subscribe")
        cell = (await plaza.floor.make("/api-cells", {"name": "Paint"}))["cell"]
        await until(lambda: len(told) == 1, "the insert")  # a row is told as it is then
        await plaza.floor.send("PATCH", f"/api-cells?id={cell['id']}", {"wip_limit": 12})
        await plaza.floor.send("DELETE", f"/api-cells?id={cell['id']}")
        await until(lambda: len(told) == 3, "three changes")
        kinds = [one["data"]["type"].value for one in told]
        assert (kinds, [one["ids"] for one in told]) == (["INSERT", "UPDATE", "DELETE"], [[1]] * 3)
        assert [one["data"].get("record", {}).get("wip_limit") for one in told] == [None, 12, None]
        assert told[2]["data"]["old_record"] == {"id": cell["id"]}
    finally:
        await client.close()
