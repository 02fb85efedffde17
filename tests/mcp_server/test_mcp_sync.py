"""What waits for a cloud that is away, and why."""

from mcp_shop import open_shop, plan
from waiting import until


async def test_an_agent_sees_what_waits_and_why(tmp_path):
    cloud = {"url": "http://127.0.0.1:9/functions/v1", "api_key": "ery_live_canary0123456789"}
    async with open_shop(tmp_path, cloud=cloud) as shop:
        await plan(shop)
        agent = await shop.direct(await shop.key())
        link = shop.gateway.health.link("cloud")
        await until(lambda: link.tried and link.state == "down", "the cloud to be away")
        why = await agent.data("explain_sync_delay")
        assert (why["behind"], why["pending"] >= 1, why["parked"]) == (True, True, 0)
        assert why["reasons"][0]["reason"].startswith("The cloud cannot be reached: ")
        outbox = await agent.data("list_outbox", limit=1)
        assert len(outbox["waiting"]) == 1
        assert outbox["parked"] == []
        told = str(await agent.call("get_sync_status"))
        assert "canary" not in told
