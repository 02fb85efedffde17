"""The stand-in cloud says what the real one was recorded to say: `make recordings GOLDEN_DIR=<folder with the recordings>`.

The recordings are not part of this repository, so this is no part of the daily tests: what they taught stands in `tests/demo`.
"""

import json
import os
import random
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock, parse

FOLDER = Path(os.environ.get("GOLDEN_DIR", ""))
STORY = ("auth", "jobs", "parts", "operation-lifecycle", "time-entries", "operation-quantities", "webhooks")
OTHERS_CELL = "cell_other"
# What areas of the story that are not here left behind: this reason, and a job that had been started.
EARLIER_REASON = {
    "id": "00000000-0000-4000-8000-000000005c09",
    "code": "NEW-01",
    "description": "Made earlier",
    "category": "other",
}
NOT_COMPARED = frozenset(("search_vector", "x-request-id"))
PLACEHOLDER = re.compile(r"<(?:(uuid|key|session):([^<>]+)|(ts|int|base|sink))>")


class Story:
    """Names learnt so far, and what an answer has that the recording has not, or the other way round."""

    def __init__(self, names: dict[str, str], sink: str) -> None:
        self.names = names
        self.sink = sink

    def fill(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self.fill(held) for key, held in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return PLACEHOLDER.sub(self._value, value) if isinstance(value, str) else value

    def _value(self, match: re.Match[str]) -> str:
        kind, name, bare = match.groups()
        return self.sink if bare == "sink" else self.names[name if kind == "uuid" else f"{kind}:{name}"]

    def differences(self, ours: Any, recorded: Any, where: str = "$") -> list[str]:
        if isinstance(recorded, str) and PLACEHOLDER.search(recorded):
            return [] if self._stands_for(ours, recorded) else [f"{where}: {ours!r} is no {recorded}"]
        if isinstance(recorded, dict) and isinstance(ours, dict):
            found = [f"{where}.{key}: only on one side" for key in sorted(recorded.keys() ^ ours.keys())]
            for key in recorded.keys() & ours.keys() - NOT_COMPARED:
                found += self.differences(ours[key], recorded[key], f"{where}.{key}")
            return found
        if isinstance(recorded, list) and isinstance(ours, list):
            if len(recorded) != len(ours):
                return [f"{where}: {len(ours)} items, recorded {len(recorded)}"]
            pairs = enumerate(zip(ours, recorded, strict=True))
            return [why for n, (a, b) in pairs for why in self.differences(a, b, f"{where}[{n}]")]
        same = ours == recorded and isinstance(ours, bool) == isinstance(recorded, bool)
        return [] if same else [f"{where}: {ours!r}, recorded {recorded!r}"]

    def _stands_for(self, ours: Any, recorded: str) -> bool:
        if recorded == "<ts>":
            return isinstance(ours, str) and parse(ours) is not None
        if recorded == "<int>":
            return isinstance(ours, int)
        whole = re.fullmatch(r"<uuid:([^<>]+)>", recorded)
        if whole is None:
            return ours == self.fill(recorded)
        return isinstance(ours, str) and self.names.setdefault(whole.group(1), ours) == ours


@pytest.fixture(scope="module")
def seed():
    return json.loads((FOLDER / "golden-seed.json").read_text())


@pytest.fixture
def names(seed):
    keys = {f"key:{name}": f"ery_{'test' if name == 'test' else 'live'}_{name}" for name in seed["keys"]}
    return seed["ids"] | keys | {"session:admin": "eyJhbGciOi.x.y", "auto14": "22222222-2222-4333-8444-555555555555"}


@pytest.fixture
def cloud(names):
    cloud = StandInCloud(SystemClock(), random.Random(3))
    for key, tenant in (("main", "tenant"), ("test", "tenant"), ("other", "tenant_other"), ("free", "tenant_free")):
        cloud.add_tenant(names[tenant])
        cloud.add_key(names[tenant], names[f"key:{key}"])
    cloud.load(json.loads((FOLDER / "seed-import.json").read_text()))
    elsewhere = {"id": names[OTHERS_CELL], "tenant_id": names["tenant_other"], "name": "Theirs", "sequence": 1}
    cloud.load({"cells": [elsewhere]})
    return cloud


@pytest.fixture
async def sink():
    async def take(_request):
        return web.Response()

    runner = web.ServerRunner(web.Server(take))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield "{}:{}".format(*runner.addresses[0])
    await runner.cleanup()


def recorded(area):
    lines = map(json.loads, (FOLDER / f"{area}.jsonl").read_text().splitlines())
    return [line for line in lines if "request" in line]


async def replay(area, story, session, url, before=lambda _name: None):
    """What differs, a line for each exchange."""
    wrong = []
    for exchange in recorded(area):
        before(exchange["name"])
        request, wanted = exchange["request"], exchange["response"]
        body = story.fill(request["body"])
        payload = body["$raw"].encode("latin-1") if isinstance(body, dict) and "$raw" in body else None
        if payload is None and body is not None:
            payload = json.dumps(body).encode()
        target = URL(url + story.fill(request["path"])).with_query(story.fill(request.get("query") or ""))
        headers = story.fill(request["headers"])
        async with session.request(request["method"], target, data=payload, headers=headers) as answer:
            text = await answer.text()
            sent = {name.lower(): value for name, value in answer.headers.items()}
        ours = json.loads(text) if text.startswith(("{", "[")) else text
        why = story.differences(ours, wanted["body"])
        why += [] if answer.status == wanted["status"] else [f"status {answer.status}, recorded {wanted['status']}"]
        why += story.differences({name: sent.get(name) for name in wanted["headers"]}, wanted["headers"], "headers")
        wrong += [f"{area}/{exchange['name']}: {'; '.join(why)}"] if why else []
    return wrong


async def test_it_answers_the_whole_story_as_it_was_recorded(cloud, names, sink):
    story, wrong = Story(names, sink), []
    async with cloud.serving() as url, aiohttp.ClientSession() as session:
        for area in STORY:
            if area == "operation-quantities":
                cloud.load({"scrap_reasons": [EARLIER_REASON]})
                story.names["scrapN"] = EARLIER_REASON["id"]
            if area == "operation-lifecycle":
                headers = {"Authorization": f"Bearer {names['key:main']}"}
                await session.post(f"{url}/api-job-lifecycle/start?id={names['job1']}", headers=headers)
            wrong += await replay(area, story, session, url)
    assert wrong == []


async def test_an_outage_looks_as_it_was_recorded(cloud, names, sink):
    def break_or_mend(name):
        cloud.faults.database_away = name.startswith("outage-rest-down")

    story = Story(names, sink)
    async with cloud.serving() as url, aiohttp.ClientSession() as session:
        assert await replay("outage", story, session, url, break_or_mend) == []
