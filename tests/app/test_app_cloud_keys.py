"""A station that has only its key of the cloud's, and a whole gateway."""

import asyncio
import random

from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock

STATION = "ery_live_57a710n0000000000000000000000000"
WRONG = "ery_live_wr0n900000000000000000000000000f"


async def test_the_stations_key_works_before_during_and_after_an_outage(served):
    clock = SystemClock()
    cloud = StandInCloud(clock, random.Random(1))
    cloud.add_tenant(factory.TENANT_ID)
    for key in (factory.CLOUD_KEY, STATION):
        cloud.add_key(factory.TENANT_ID, key)
    cloud.load(factory.plan(clock.now(), 1))
    async with (
        cloud.serving("127.0.0.1", 0) as url,
        served(cloud={"url": url, "api_key": factory.CLOUD_KEY}) as box,
    ):
        async with asyncio.timeout(20):
            while (said := await box.send("GET", "/api-cells", key=STATION)).status != 200:
                assert (said.status, said.body["error"]["code"]) in ((503, "UNAVAILABLE"), (503, "BUSY")), said.text
                assert int(said.headers["Retry-After"]) > 0
                await asyncio.sleep(0.5)
        refused = await box.send("GET", "/api-cells", key=WRONG)
        assert (refused.status, refused.body["error"]["message"]) == (401, "Invalid API key")
        cloud.go_away()
        assert (await box.send("POST", "/api-jobs", {"job_number": "J-1"}, key=STATION)).status == 201
        assert (await box.send("GET", "/api-cells", key="ery_live_0n0ther")).status == 503
        listed = (await box.send("GET", "/api-key-generate")).body["data"]["api_keys"]
        assert [(key["origin"], key["scope"]) for key in listed if key["key_prefix"] == STATION[:12]] == [
            ("cloud", "admin")
        ]
        assert (await box.health())["links"]["cloud-keys"]["state"] in ("up", "down")


async def test_without_a_cloud_a_wrong_key_is_just_wrong(box):
    said = await box.send("GET", "/api-cells", key=STATION)
    assert (said.status, said.body["error"]["message"]) == (401, "Invalid API key")
