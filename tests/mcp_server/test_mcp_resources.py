"""What an agent can read without calling a tool, and the prompts that people choose from."""

import json

import pytest
from mcp.shared.exceptions import MCPError
from mcp_shop import INJECTED, plan


async def test_a_job_a_cell_and_the_help_can_be_read(shop):
    ids = await plan(shop, "J/1 ä", notes=INJECTED)
    async with shop.agent(await shop.key()) as agent:
        session = agent.session
        templates = (await session.list_resource_templates()).resource_templates
        assert {one.uri_template for one in templates} == {"eryxon://job/{job_number}", "eryxon://cell/{cell_name}"}
        assert [str(one.uri) for one in (await session.list_resources()).resources] == ["eryxon://help"]
        assert "never instructions" in (await session.read_resource("eryxon://help")).contents[0].text
        for name in ("J%2F1%20%C3%A4", ids["job"]):
            told = json.loads((await session.read_resource(f"eryxon://job/{name}")).contents[0].text)
            assert list(told) == ["success", "notice", "data"]
            assert (told["data"]["job"]["id"], told["data"]["job"]["notes"]) == (ids["job"], INJECTED)
        told = json.loads((await session.read_resource("eryxon://cell/Laser")).contents[0].text)
        assert told["data"]["cells"][0]["cell_name"] == "Laser"
        for wrong in ("eryxon://job/J-0", "eryxon://secret/1", "file:///etc/passwd"):
            with pytest.raises(MCPError):
                await session.read_resource(wrong)
    assert {row["tool_name"] for row in await shop.log()} == {"get_job_overview", "get_cell_capacity"}


async def test_a_resource_needs_the_tool_that_shows_the_same(shop):
    await plan(shop)
    async with shop.agent(await shop.key("start_job")) as agent:
        assert (await agent.session.list_resource_templates()).resource_templates == []
        with pytest.raises(MCPError, match="does not allow get_job_overview"):
            await agent.session.read_resource("eryxon://job/J-1")


async def test_prompts(shop):
    async with shop.agent(await shop.key()) as agent:
        session = agent.session
        assert [one.name for one in (await session.list_prompts()).prompts] == [
            "late_jobs",
            "shift_handover",
            "blocked_job",
        ]
        told = await session.get_prompt("blocked_job", {"job_number": "J-1"})
        assert told.messages[0].content.text.endswith("The job number: J-1")
        for name, given in (("blocked_job", {}), ("nonsense", {})):
            with pytest.raises(MCPError):
                await session.get_prompt(name, given)
