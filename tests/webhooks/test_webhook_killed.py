"""The whole gateway, killed in the middle of deliveries: every event arrives, under the same id."""

import asyncio
import json

import aiohttp
import pytest
from hooks import PATH, SECRET, receiving
from program import Program
from waiting import until

JOBS, KILLS = 15, 2


class Client:
    """Somebody who works, and does not mind that the gateway is gone now and then."""

    def __init__(self, program: Program, key: str) -> None:
        self._url = program.url
        self._headers = {"Authorization": f"Bearer {key}"}

    async def send(self, method: str, path: str, body: object = None) -> dict:
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.request(method, self._url + path, json=body) as answer,
        ):
            assert answer.status < 300, await answer.text()
            return (await answer.json())["data"]

    async def events(self) -> list[dict]:
        found: list[dict] = []
        since, more = 0, True
        while more:
            page = await self.send("GET", f"/api-events?since={since}&limit=1000")
            found, since, more = [*found, *page["events"]], page["next"], page["has_more"]
        return found


@pytest.fixture
def program(tmp_path):
    made = Program.at(tmp_path)
    made.configure(
        '[broker]\nmode = "off"\n[webhooks]\nallow_http = true\nallowed_networks = ["127.0.0.0/8"]\n[log]\nformat = "json"\n'
    )
    return made


async def test_killed_in_the_middle_of_deliveries_every_event_arrives_at_least_once_under_one_id(program):
    """And a replay that is asked for on the command line, while nothing runs, is worked off afterwards."""
    key = await asyncio.to_thread(program.key)
    client = Client(program, key)
    async with receiving() as receiver:
        for number in range(KILLS):
            with program.serving() as process:
                if not number:
                    hook = {"url": receiver.url, "events": ["*"], "secret_key": SECRET}
                    row = (await client.send("POST", PATH, hook))["webhook"]
                await receiver.answers(then=[200] * 4 + [0])  # the fifth is read and never answered
                for job in range(JOBS):
                    await client.send("POST", "/api-jobs", {"job_number": f"J-{number}-{job}"})
                first = (await client.events())[0]
                await until(lambda: receiver.requests and receiver.requests[-1]["status"] == 0, "one on its way")
                process.kill()
                process.wait()
        words = ("replay", "--from", str(first["seq"]), "--to", str(first["seq"]), "--json", "--out")
        replay = (await asyncio.to_thread(program.ok, *words, f"webhook:{row['id']}")).json
        refused = await asyncio.to_thread(program.call, *words, "webhook:nobody")
        with program.serving():
            await client.send("POST", "/api-jobs", {"job_number": "J-last"})
            ids = [one["id"] for one in await client.events()]
            await until(lambda: set(receiver.ids) == set(ids), "everything")
            await until(lambda: any("x-eryxon-replay" in one["headers"] for one in receiver.requests), "the replay")
            links = json.loads(program.get("/healthz", key)[1])["links"]
            metrics = program.get("/metrics", key)[1]
    told = [one for one in receiver.requests if "x-eryxon-replay" not in one["headers"]]
    again = [one["headers"]["webhook-id"] for one in told]
    assert len(ids) == JOBS * KILLS + 1
    assert list(dict.fromkeys(again)) == ids, "first in the journal's order"
    assert len(again) > len(ids), "what was on its way came again"
    texts = {one["headers"]["webhook-id"]: one["text"] for one in told}
    assert all(texts[one["headers"]["webhook-id"]] == one["text"] for one in receiver.requests), "a repeat is the same"
    assert all(one["raw"] and one["stringified"] for one in receiver.requests)

    (replayed,) = [one for one in receiver.requests if one not in told]
    assert replay["state"] == "waiting"
    assert replayed["headers"]["x-eryxon-replay"] == replay["id"]
    assert replayed["headers"]["webhook-id"] == first["id"]
    assert refused.code == 1
    assert "no way out is called so" in refused.err

    link = links[f"webhook:{row['id']}"]
    assert link.items() >= {"state": "up", "host": "127.0.0.1"}.items()
    assert link["accepted"] == link["sent"] + link["pending"] + link["parked"] + link["skipped"]
    assert f'gateway_link_up{{link="webhook:{row["id"]}"}} 1.0' in metrics
    assert f'gateway_webhook_dead_letters{{webhook="{row["id"]}"}} 0.0' in metrics
    assert SECRET not in (program.folder / "log").read_text()
