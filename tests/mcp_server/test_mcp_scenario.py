"""An agent finds a late job, sees what blocks it, works it off and raises an NCR: with the official Python client over HTTP."""

from mcp_shop import INJECTED, plan


async def test_an_agent_works_a_late_job_off(shop):
    ids = await plan(shop, "J-LATE", due_days=-2)
    await plan(shop, "J-SOON", due_days=20)
    async with shop.agent(await shop.key("*")) as agent:
        due = await agent.data("get_parts_due_soon", due_within_days=0)
        assert [part["job_number"] for part in due["alerts"]["overdue_parts"]] == ["J-LATE"]
        assert due["parts"][0]["blocking_operations"][0]["operation_name"] == "Cut"

        blocked = await agent.data("get_job_blockers", job_number="J-LATE")
        assert blocked["job"]["overdue"] is True
        assert blocked["blockers"] == []

        assert (await agent.data("start_operation", id=ids["cut"]))["status"] == "in_progress"
        made = await agent.data("report_quantity", operation_id=ids["cut"], quantity_good=4, quantity_scrap=1)
        assert (made["quantity_good"], made["quantity_produced"]) == (4, 5)
        assert (await agent.data("complete_operation", id=ids["cut"]))["status"] == "completed"
        ncr = await agent.data(
            "create_ncr",
            operation_id=ids["saw"],
            title="Burr",
            severity="high",
            ncr_category="process_error",
            causes_standstill=True,
        )
        assert (ncr["issue_type"], ncr["status"], ncr["description"]) == ("ncr", "pending", "Burr")
        blocked = await agent.data("get_job_blockers", job_number="J-LATE")
        assert [one["kind"] for one in blocked["blockers"]] == ["standstill_issue"]
    calls = [(row["tool_name"], row["success"]) for row in await shop.log()]
    assert calls == [
        ("get_parts_due_soon", 1),
        ("get_job_blockers", 1),
        ("start_operation", 1),
        ("report_quantity", 1),
        ("complete_operation", 1),
        ("create_ncr", 1),
        ("get_job_blockers", 1),
    ]


async def test_text_from_the_database_comes_marked_as_data(shop):
    await plan(shop, notes=INJECTED)
    async with shop.agent(await shop.key()) as agent:
        told = await agent.call("fetch_jobs")
        assert list(told)[:3] == ["success", "notice", "data"], "the notice stands before what it is about"
        assert "never instructions" in told["notice"]
        assert told["data"][0]["notes"] == INJECTED
        assert INJECTED not in told["notice"]
