"""Who may call which tool, how often, and what is remembered of it."""

import json

import aiohttp
import pytest
from hall import LASER, SAW
from mcp.shared.exceptions import MCPError
from mcp_shop import open_shop, plan

from gateway.housekeeping import clean
from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import Conflict, Unauthorized
from gateway.mcp_keys.model import NewMcpKey, Usage
from gateway.mcp_keys.redaction import ARGUMENTS_MAX, HIDDEN, redacted
from gateway.web.routes import Scope
from plugins.mcp_server.catalogue import TOOLS

READING = {tool.name for tool in TOOLS if tool.reads}


async def names(agent) -> set[str]:
    return {tool.name for tool in (await agent.session.list_tools()).tools}


async def test_a_key_shows_and_allows_only_its_tools(shop):
    ids = await plan(shop)
    async with shop.agent(await shop.key("fetch_jobs", "start_operation")) as agent:
        assert await names(agent) == {"fetch_jobs", "start_operation"}
        await agent.call("start_operation", id=ids["cut"])
        error = await agent.refused("complete_operation", id=ids["cut"])
        assert error["code"] == "INSUFFICIENT_PERMISSIONS"
        assert error["message"].startswith("this key does not allow complete_operation: ask for one that does")
    row = (await shop.log())[-1]
    assert (row["tool_name"], row["success"]) == ("complete_operation", 0)
    assert row["error_message"].startswith("INSUFFICIENT_PERMISSIONS")


async def test_a_key_starts_with_the_tools_that_only_read(shop):
    ids = await plan(shop)
    async with shop.agent(await shop.key()) as agent:
        assert await names(agent) == READING
        assert (await agent.refused("start_operation", id=ids["cut"]))["code"] == "INSUFFICIENT_PERMISSIONS"


async def test_an_api_key_may_use_the_tools_that_only_read_whatever_its_scope(shop):
    ids = await plan(shop)
    async with shop.agent(await shop.rest_key(Scope.ADMIN)) as agent:
        assert await names(agent) == READING
        assert (await agent.data("fetch_operations", status="not_started"))[0]["id"] in ids.values()
        error = await agent.refused("start_operation", id=ids["cut"])
        assert error["message"].startswith("start_operation changes something: an API key may only read here")
    rows = await shop.log()
    assert [(row["key_id"], row["caller"]) for row in rows] == [(None, "rest ADMIN")] * 2


async def test_an_api_key_that_sees_some_cells_sees_no_others_through_any_tool(shop):
    await plan(shop, "J-1")
    async with shop.agent(await shop.rest_key(Scope.READ, LASER)) as agent:
        operations = await agent.data("fetch_operations")
        assert {one["cell_id"] for one in operations} == {LASER}
        assert (await agent.data("get_dashboard_stats"))["operations"]["total"] == 1
        overview = await agent.data("get_job_overview", job_number="J-1")
        assert [one["operation_name"] for one in overview["parts"][0]["operations"]] == ["Cut"]
        assert [cell["cell_id"] for cell in await agent.data("get_qrm_data")] == [LASER]
        assert [cell["cell_id"] for cell in (await agent.data("get_cell_capacity", cell_id=SAW))["cells"]] == []


async def test_too_many_calls_are_answered_and_stand_in_the_log_as_failed(still):
    shop = still
    async with shop.agent(await shop.key(rate_limit=2)) as agent:
        await agent.call("fetch_jobs")
        await agent.call("fetch_jobs")
        with pytest.raises(MCPError) as refused:
            await agent.session.call_tool("fetch_jobs", {})
        assert refused.value.code == -32029
        assert 1 <= refused.value.data["retryAfter"] <= 60
        assert "2 requests a minute" in refused.value.message
    assert [row["success"] for row in await shop.log()] == [1, 1, 0]
    assert (await shop.log())[-1]["error_message"].startswith("Rate limit exceeded")


async def test_no_key_a_wrong_one_and_an_ended_one(shop):
    key = await shop.key()
    (row,) = await shop.query("SELECT id FROM mcp_authentication_keys")
    await shop.gateway.mcp_keys.revoke(row["id"])
    body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    async with aiohttp.ClientSession() as session:
        for headers in ({}, {"Authorization": "Bearer mcp_live_nobodyhasthisone"}, {"Authorization": f"Bearer {key}"}):
            async with session.post(shop.url, json=body, headers=headers) as answer:
                assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
                assert (await answer.json())["error"]["code"] == -32001
    assert await shop.log() == []


async def test_who_tries_keys_is_slowed_down(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.web.limits.FAILED_BURST", 3)
    async with (
        open_shop(tmp_path, clock=ManualClock()) as shop,
        aiohttp.ClientSession(headers={"Authorization": "Bearer mcp_live_guess"}) as session,
    ):
        statuses = []
        for _ in range(4):
            async with session.post(shop.url, json={}) as answer:
                statuses.append(answer.status)
                last = answer.headers
    assert statuses == [401, 401, 401, 429]
    assert int(last["Retry-After"]) >= 1


async def test_a_session_belongs_to_the_key_that_opened_it(shop):
    first, second = await shop.key(), await shop.key("*")
    opening = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
    accept = {"Accept": "application/json, text/event-stream"}
    async with aiohttp.ClientSession() as session:

        async def post(key, body, **headers):
            sent = {"Authorization": f"Bearer {key}", **accept, **headers}
            async with session.post(shop.url, json=body, headers=sent) as answer:
                return answer.status, answer.headers, await answer.text()

        status, headers, text = await post(first, opening)
        assert status == 200, text
        mine = {"Mcp-Session-Id": headers["Mcp-Session-Id"], "Mcp-Protocol-Version": "2025-06-18"}
        listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
        assert (await post(first, listing, **mine))[0] == 200
        assert (await post(second, listing, **mine))[0] == 404, "a stolen id opens nothing"
        assert (await post(first, listing, **{**mine, "Mcp-Session-Id": "f" * 32}))[0] == 404


EXPECTED = [
    ({"Host": "evil.example"}, 403),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "https://agent.example"}, 400),  # it comes as far as the library, which misses its session
    ({"Host": "localhost:8080"}, 400),
    ({}, 400),
]


async def test_pages_from_elsewhere_are_not_answered(tmp_path):
    plugins = {"mcp_server": {"enabled": True, "allowed_origins": ["https://agent.example"]}}
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    async with open_shop(tmp_path, plugins=plugins) as shop, aiohttp.ClientSession() as session:
        always = {"Authorization": f"Bearer {await shop.key()}", "Accept": "application/json, text/event-stream"}
        for headers, status in EXPECTED:
            async with session.post(shop.url, json=listing, headers={**always, **headers}) as answer:
                assert answer.status == status, (headers, await answer.text())


async def test_a_name_is_taken_as_long_as_its_key_is_in_use(shop):
    keys = shop.gateway.mcp_keys
    key_id, key = await keys.create(NewMcpKey("planner", ("fetch_jobs",), 7, "for planning"))
    with pytest.raises(Conflict, match="planner"):
        await keys.create(NewMcpKey("planner", ("*",)))
    assert keys.identify(key).tools == {"fetch_jobs"}
    assert await keys.revoke("planner") == NewMcpKey("planner", ("fetch_jobs",), 7, "for planning")
    with pytest.raises(Unauthorized):
        keys.identify(key)
    await keys.create(NewMcpKey("planner", ("*",)))
    rows = await shop.query("SELECT id, enabled, key_hash FROM mcp_authentication_keys ORDER BY rowid")
    assert [row["enabled"] for row in rows] == [0, 1]
    assert rows[0]["id"] == key_id
    assert key not in str(rows)


async def test_keys_and_the_log_are_listed_for_an_admin_without_secrets(shop):
    key = await shop.key("fetch_jobs")
    async with shop.agent(key) as agent:
        await agent.call("fetch_jobs", limit=1)
        await agent.refused("fetch_parts", api_key="ery_live_abcdef0123456789")
    admin, reader = await shop.rest_key(Scope.ADMIN), await shop.rest_key(Scope.PLAN)
    root = shop.url.removesuffix("/mcp")
    async with aiohttp.ClientSession() as session:

        async def get(path, key):
            async with session.get(root + path, headers={"Authorization": f"Bearer {key}"}) as answer:
                return answer.status, await answer.json()

        status, keys = await get("/api-mcp-keys", admin)
        (row,) = keys["data"]["mcp_keys"]
        assert status == 200
        assert (row["allowed_tools"], row["rate_limit"], row["active"], row["enabled"]) == (
            ["fetch_jobs"],
            10_000,
            True,
            True,
        )
        assert (row["usage_count"], row["last_used_at"] is not None) == (2, True)
        assert "key_hash" not in row
        _, logs = await get("/api-mcp-logs?success=false", admin)
        (row,) = logs["data"]["mcp_key_usage_logs"]
        assert (row["tool_name"], row["success"], row["tool_arguments"]) == ("fetch_parts", False, {"api_key": HIDDEN})
        assert row["ip_address"] == "127.0.0.1"
        assert row["user_agent"].startswith("python-httpx")
        assert row["response_time_ms"] >= 0
        assert (await get("/api-mcp-keys", reader))[0] == 403
        assert (await get("/api-mcp-logs?nonsense=1", admin))[0] == 422


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (
            {"password": "x", "idempotency_key": "k-1", "id": "7"},
            {"password": HIDDEN, "idempotency_key": "k-1", "id": "7"},
        ),
        ({"a": {"secret_key": 1, "ok": [1, None, True]}}, {"a": {"secret_key": HIDDEN, "ok": [1, None, True]}}),
        ({"notes": "use ery_live_0123456789abcdef now"}, {"notes": f"use {HIDDEN} now"}),
        ({"notes": "Authorization: Bearer abc.def"}, {"notes": f"Authorization: {HIDDEN}"}),
        ({"notes": "n" * 600}, {"notes": "n" * 500 + "..."}),
        ({"pin": "1234", "spinning": "1", "keyboard": "2"}, {"pin": HIDDEN, "spinning": "1", "keyboard": "2"}),
    ],
)
def test_secrets_among_the_arguments_are_blacked_out(given, kept):
    assert json.loads(redacted(given)) == kept


def test_arguments_that_are_too_many_are_cut():
    told = redacted({f"n{number}": "x" * 400 for number in range(100)})
    assert len(json.loads(told)["cut"]) == ARGUMENTS_MAX


async def test_the_log_has_an_end(shop, monkeypatch):
    monkeypatch.setattr("gateway.mcp_keys.store.LOG_ROWS_MAX", 3)
    for number in range(5):
        await shop.gateway.mcp_keys.used(Usage("agent", None, f"tool {number}", {}, None, 1))
    assert [row["tool_name"] for row in await shop.log()] == ["tool 2", "tool 3", "tool 4"]


async def test_old_lines_of_the_log_go_with_the_others(still):
    gateway, clock = still.gateway, still.gateway._clock
    keep = gateway.settings.retention
    await gateway.mcp_keys.used(Usage("agent", None, "old", {}, None, 1))
    await still.gateway.db.write(
        lambda tx: tx.execute("UPDATE mcp_key_usage_logs SET created_at = '2026-09-01'") and None
    )
    await gateway.mcp_keys.used(Usage("agent", None, "new", {}, None, 1))
    await clean(gateway.db, clock, gateway._new_id, keep)
    assert [row["tool_name"] for row in await still.log()] == ["new"]
