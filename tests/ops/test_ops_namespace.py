"""The namespace as the operations page sees it, from a real Mosquitto."""

import asyncio
import json

import pytest
from ops_page import serving, signed_in
from tcp import free_port

from gateway.ops import namespace
from gateway.ops.namespace import Heard
from gateway.uns.packets import Packet


@pytest.fixture
async def here(tmp_path):
    async with serving(tmp_path, broker={"mode": "managed", "port": free_port()}) as here:
        yield await signed_in(here)


async def told(here, wanted) -> dict:
    """The first topic in the stream that fits; it may take until the broker is up."""
    async with asyncio.timeout(30):
        while True:
            async with here.session.get(f"{here.url}/ops/api/uns") as answer:
                async for line in answer.content:
                    if line.startswith(b"data: "):
                        for one in json.loads(line[6:]).get("topics", ()):
                            if wanted(one):
                                return one
            await asyncio.sleep(0.1)


async def test_topics_are_shown_with_what_they_say(here):
    cell = (await here.send("POST", "/fn/api-cells", {"name": "Laser"})).data["cell"]["id"]
    status = await told(here, lambda one: one["topic"].endswith("/status"))
    assert (status["retained"], status["qos"]) == (True, 1)
    assert json.loads(status["text"])
    assert {"count", "per_minute", "age_s", "bytes", "quality"} < status.keys()
    shown = asyncio.create_task(told(here, lambda one: "J-7" in one["text"]))
    steps = [{"operation_name": "cut", "cell_id": cell, "estimated_time": 5}]
    parts = [{"part_number": "P", "quantity": 1, "operations": steps}]
    await here.send("POST", "/fn/api-jobs", {"job_number": "J-7", "customer": "A", "parts": parts})
    assert "enterprise/site" in (await shown)["topic"]


async def test_without_a_broker_the_page_is_told_why(tmp_path):
    async with serving(tmp_path) as here:
        await signed_in(here)
        async with here.session.get(f"{here.url}/ops/api/uns") as answer:
            text = await answer.text()
    assert text.startswith("event: trouble")
    assert 'mode is \\"off\\"' in text


def packet(topic: str, payload: bytes) -> Packet:
    return Packet(topic, payload, retain=False, qos=1, mid=1)


def test_what_comes_between_two_batches_is_told_once_and_what_is_taken_back_goes(monkeypatch):
    heard = Heard()
    for number in range(3):
        heard.take(packet("a", b'{"v": %d, "quality": "bad"}' % number), float(number))
    heard.take(packet("b", b"x"), 2.0)
    batch = heard.batch(3.0)
    first = batch["topics"][0]
    assert (first["topic"], first["text"], first["count"], first["quality"]) == (
        "a",
        '{"v": 2, "quality": "bad"}',
        3,
        "bad",
    )
    assert first["age_s"] == 1.0
    assert heard.batch(4.0) is None
    heard.take(packet("b", b""), 4.0)
    monkeypatch.setattr(namespace, "TOPICS_MAX", 1)
    heard.take(packet("c", b"x"), 4.0)
    assert heard.batch(5.0) == {"topics": [], "gone": ["b"], "total": 1, "left_out": 1}
