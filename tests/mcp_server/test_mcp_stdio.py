"""`eryxon-gateway mcp`: the same tools on stdin and stdout, with the gateway running and stopped; and other people's clients."""

import asyncio
import contextlib
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hall import HALL
from javascript import Script, running
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_shop import Agent, Asking
from program import Program
from waiting import until

from gateway.kernel.clock import SystemClock
from gateway.kernel.ids import uuid7
from gateway.opening import opened
from gateway.outbox.event import Stamp
from gateway.settings import load
from gateway.transfer.commands import bring_in, planned

AGENT = Path(__file__).with_name("agent.cjs")
ON = '[broker]\nmode = "off"\n[plugins.mcp_server]\nenabled = true\n'
JOB = {"job_number": "J-LATE", "customer": "Acme", "due_date": "2026-01-31T12:00:00Z"}


@pytest.fixture
async def program(tmp_path) -> Program:
    """A gateway that is stopped, with a hall in it."""
    program = Program.at(tmp_path)
    program.configure(ON)
    clock = SystemClock()
    async with opened(load(program.config, environment={}), clock) as db:
        await db.write(bring_in, Stamp(clock.now(), "gw-test", uuid7(clock)), planned(HALL))
    return program


@contextlib.asynccontextmanager
async def started(program: Program, *words: str) -> AsyncIterator[Agent]:
    """The official Python client has started us."""
    command = ["-m", "gateway", "mcp", *words, "--config", str(program.config)]
    here = StdioServerParameters(command=sys.executable, args=command, env=program.environment, cwd=program.folder)
    with (program.folder / "stderr").open("w") as complaints:
        async with stdio_client(here, errlog=complaints) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            yield Agent(session)


def log(program: Program) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(program.data / "gateway.sqlite")) as connection:
        return connection.execute(
            "SELECT caller, key_id, tool_name, success FROM mcp_key_usage_logs ORDER BY rowid"
        ).fetchall()


async def late_job(agent: Asking) -> str:
    steps = [{"operation_name": "Cut", "cell_id": HALL["cells"][0]["id"], "estimated_time": 30}]
    job = await agent.data("create_job", **JOB, parts=[{"part_number": "P-1", "operations": steps}])
    return str((await agent.data("fetch_operations", job_id=job["id"]))[0]["id"])


async def worked_off(agent: Asking) -> list[str]:
    """The story: a late job, what blocks it, start, report, complete, an NCR."""
    operation_id = await late_job(agent)
    due = await agent.data("get_parts_due_soon", due_within_days=0)
    assert [part["job_number"] for part in due["alerts"]["overdue_parts"]] == ["J-LATE"]
    assert (await agent.data("get_job_blockers", job_number="J-LATE"))["blockers"] == []
    await agent.call("start_operation", id=operation_id)
    await agent.call("report_quantity", operation_id=operation_id, quantity_good=4)
    assert (await agent.data("complete_operation", id=operation_id))["status"] == "completed"
    ncr = {"title": "Burr", "severity": "low", "ncr_category": "other"}
    await agent.call("create_ncr", operation_id=operation_id, **ncr)
    assert (await agent.data("fetch_jobs"))[0]["status"] == "completed"
    return (
        "create_job fetch_operations get_parts_due_soon get_job_blockers start_operation report_quantity complete_operation "
        "create_ncr fetch_jobs"
    ).split()


async def test_on_the_data_of_a_stopped_gateway(program):
    async with started(program) as agent:
        tools = await worked_off(agent)
    assert log(program) == [("stdio", None, tool, 1) for tool in tools]


async def test_through_the_socket_of_a_running_one_which_may_come_and_go(program):
    async with started(program, "--tools", "fetch_jobs,create_job,get_sync_status") as agent:
        with program.serving():
            await agent.call("create_job", **JOB)
            status, _ = await asyncio.to_thread(program.get, "/livez")
            assert status == 200
            links = (await agent.data("get_sync_status"))["links"]
            assert links["plugin:mcp_server"]["state"] == "up", "it is the running one that answers"
        assert [job["job_number"] for job in await agent.data("fetch_jobs")] == ["J-LATE"]
        assert (await agent.refused("delete_substep", id="7"))["code"] == "INSUFFICIENT_PERMISSIONS"
    assert [row[2:] for row in log(program)] == [
        ("create_job", 1),
        ("get_sync_status", 1),
        ("fetch_jobs", 1),
        ("delete_substep", 0),
    ]


# ------------------------------------------------------------------ the TypeScript SDK


@dataclass
class Scripted(Asking):
    """Calls tools with the TypeScript SDK."""

    script: Script

    async def told(self, tool: str, given: dict[str, Any]) -> Any:
        before = len(self.script.said)
        await self.script.tell({"tool": tool, "given": given})
        await until(lambda: len(self.script.said) > before, tool)
        return self.script.said[before]

    async def said(self, tool: str, given: dict[str, Any]) -> tuple[bool, Any]:
        told = await self.told(tool, given)
        assert "told" in told, told
        return told["error"], told["told"]


@contextlib.asynccontextmanager
async def scripted(*words: str) -> AsyncIterator[Scripted]:
    async with running(AGENT, *words) as script:
        await until(lambda: script.said, "the list of tools")
        yield Scripted(script)


async def test_the_typescript_sdk_over_http(shop):
    async with scripted("http", shop.url, await shop.key("*")) as agent:
        assert agent.script.said[0]["server"] == "eryxon-gateway"
        tools = await worked_off(agent)
    assert [(row["tool_name"], row["success"]) for row in await shop.log()] == [(tool, 1) for tool in tools]


async def test_the_typescript_sdk_is_told_what_it_may_not(still):
    key = await still.key("fetch_jobs", "create_ncr", rate_limit=2)
    async with scripted("http", still.url, key) as agent:
        assert sorted(agent.script.said[0]["tools"]) == ["create_ncr", "fetch_jobs"]
        assert (await agent.refused("complete_operation", id="7"))["code"] == "INSUFFICIENT_PERMISSIONS"
        await agent.call("fetch_jobs")
        assert (await agent.told("fetch_jobs", {}))["code"] == -32029
    assert [row["success"] for row in await still.log()] == [0, 1, 0]


async def test_the_typescript_sdk_over_stdio(program, monkeypatch):
    for name, value in program.environment.items():
        monkeypatch.setenv(name, value)
    with program.serving():
        async with scripted("stdio", sys.executable, "-m", "gateway", "mcp", "--config", str(program.config)) as agent:
            assert "batch_complete_operations" in agent.script.said[0]["tools"]
            tools = await worked_off(agent)
    assert log(program) == [("stdio", None, tool, 1) for tool in tools]
