"""Publishers in the whole gateway: each has its line in `/healthz` and its counts, whether its broker is there or not."""

import asyncio
import json

from said import Said
from tcp import free_port

WAIT_MAX_S = 15


async def until(box, fact) -> dict:
    """Wait until the links of `/healthz` are so; returns them."""
    async with asyncio.timeout(WAIT_MAX_S):
        while not fact(links := (await box.health())["links"]):
            await asyncio.sleep(0.05)
        return links


async def made(box, **more) -> str:
    body = {"name": "historian", "broker_url": "127.0.0.1", "port": free_port(), "events": ["*"], **more}
    said = await box.send("POST", "/api-mqtt-publishers", body)
    assert said.status == 201, said.text
    return said.data["mqtt_publisher"]["id"]


async def test_each_publisher_is_a_link_and_a_reader_of_its_own(box):
    away, off = await made(box), await made(box, active=False)
    links = await until(box, lambda links: links.get(f"mqtt:{away}", {}).get("error", "").startswith("the broker at"))
    assert links["mqtt-publishers"]["state"] == "up"
    await until(box, lambda links: links.get(f"mqtt:{off}", {}).get("state") == "off")
    cell = await box.send("POST", "/api-jobs", {"job_number": "J-1"})
    assert cell.status == 201
    told = (await box.health())["links"][f"mqtt:{away}"]
    assert told["publisher"] == "historian"
    assert told["breaker"] in ("closed", "open", "half-open")
    assert told["pending"] > 0
    assert told["accepted"] == told["sent"] + told["pending"] + told["parked"] + told["skipped"]
    assert (await box.health())["status"] == "ok", "a broker that is away is nothing of our own"
    metrics = (await box.send("GET", "/metrics")).text
    assert f'gateway_link_up{{link="mqtt:{away}"}} 0.0' in metrics
    assert f'gateway_reader_pending{{reader="mqtt:{away}"}}' in metrics

    assert (await box.send("DELETE", f"/api-mqtt-publishers?id={away}")).status == 200
    await until(box, lambda links: f"mqtt:{away}" not in links)


async def test_the_description_of_the_namespace_is_served_without_a_key(box):
    said: Said = await box.bare("/asyncapi.json")
    document = json.loads(said.text)
    assert (said.status, document["asyncapi"]) == (200, "3.0.0")
    assert document["channels"]["cell"]["parameters"]["enterprise"]["default"] == "enterprise"
