"""GET /api-export: whole tables, as they stand at one moment, in every form, and nothing secret among them."""

import asyncio
import io
import json
import re
import zipfile

import aiohttp
import pytest
from filled import fill
from hall import Floor

from gateway.kernel import snapshots
from gateway.transfer.tables import KEPT, REFERENCE
from gateway.web import server
from gateway.web.routes import Scope

MACHINERY = {
    "api_keys",
    "files",
    "file_offers",
    "files_to_come",
    "gathered_pieces",
    "gateway_state",
    "hub_cells",
    "hub_gateways",
    "hub_received",
    "machine_badges",
    "ops_actions",
    "ops_history",
    "machine_quarantines",
    "machine_states",
    "machine_values",
    "mcp_authentication_keys",
    "mcp_key_usage_logs",
    "receipts",
    "hub_doubts",
    "repairs_ignored",
    "replays",
    "terminal_codes",
    "terminal_pins",
    "terminal_sessions",
    "terminals",
    "tombstones",
    "sqlite_sequence",
    "_sqlite_migrations",
}  # and events, cloud, uns


async def fetch(floor: Floor, query: str = "", key: str | None = None) -> tuple[int, dict, bytes]:
    headers = {"Authorization": f"Bearer {key or floor.key}"}
    async with floor.session.get(f"{floor.url}/api-export{query}", headers=headers) as answer:
        return answer.status, dict(answer.headers), await answer.read()


async def exported(floor: Floor, query: str = "") -> dict:
    status, _, body = await fetch(floor, query)
    assert status == 200, body
    return json.loads(body)


# ------------------------------------------------------------------ who may


@pytest.mark.parametrize("scope", [Scope.READ, Scope.OPERATE, Scope.PLAN])
async def test_only_an_admin_key_may(floor, scope):
    error = (await floor.send("GET", "/api-export", key=await floor.new_key(scope))).error
    assert (error["code"], error["statusCode"]) == ("FORBIDDEN", 403)
    assert error["message"] == "Admin role required for data export"


async def test_a_key_that_is_held_to_cells_may_not_see_all_of_them(floor):
    error = (await floor.send("GET", "/api-export", key=await floor.new_key(Scope.ADMIN, floor.LASER))).error
    assert (error["code"], error["statusCode"]) == ("FORBIDDEN", 403)


async def test_without_a_key_it_is_401_as_everywhere(floor):
    assert (await floor.send("GET", "/api-export", key="ery_live_nobody")).error["code"] == "UNAUTHORIZED"
    async with floor.session.get(f"{floor.url}/functions/v1/api-export") as answer:
        assert answer.status == 401


# ------------------------------------------------------------------ JSON


async def test_the_answer_is_the_documented_object_without_an_envelope(floor):
    await fill(floor)
    status, headers, body = await fetch(floor)
    told = json.loads(body)
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    name = r'attachment; filename="tenant-export-[0-9a-f-]{36}-\d{13}\.json"'
    assert re.fullmatch(name, headers["Content-Disposition"])
    assert "Access-Control-Allow-Origin" not in headers
    assert list(told) == [*REFERENCE, "_metadata", "_tenant_info"]
    metadata = told["_metadata"]
    assert metadata.keys() == {"exported_at", "tenant_id", "format", "tables"}
    assert metadata["tables"] == [{"name": name, "count": len(told[name])} for name in REFERENCE]
    assert metadata["format"] == "json"
    assert told["_tenant_info"] == {
        "name": "enterprise",
        "plan": "enterprise",
        "created_at": "2026-11-01T00:00:00+00:00",
    }
    assert body.decode().count("\n") > len(told["operations"])


async def test_a_row_is_its_columns_in_the_clouds_words(floor):
    await fill(floor)
    told = await exported(floor)
    operation = next(row for row in told["operations"] if row["status"] == "completed")
    shown = await floor.operation(operation["id"])
    for name, value in operation.items():
        if name != "moved_at":
            assert shown[name] == value, name
    assert (operation["actual_time"], operation["actual_time_seconds"]) == (3, 161)
    assert not {"part", "cell", "row_version", "actual_time_s"} & operation.keys()
    assert {job["deleted_at"] is None for job in told["jobs"]} == {True, False}
    for table in REFERENCE:
        assert [row["id"] for row in told[table]] == sorted(row["id"] for row in told[table])


async def test_entities_are_names_all_or_full_and_unknown_ones_are_ignored(floor):
    await fill(floor)
    assert list(await exported(floor, "?entities=jobs,nothing, CELLS,jobs"))[:-2] == ["jobs", "cells"]
    assert list(await exported(floor, "?entities=nothing")) == ["_metadata", "_tenant_info"]
    assert list(await exported(floor, "?entities=all"))[:-2] == REFERENCE
    full = await exported(floor, "?entities=full")
    assert full.keys() - {"_metadata", "_tenant_info"} == {*REFERENCE, *(kept.table for kept in KEPT)}
    assert full["operation_quantity_scrap_reasons"]
    assert len(await exported(floor, "?entities=operation_quantities,scrap_reasons")) == 4


async def test_every_table_of_the_work_is_kept(floor):
    """A new table has to be declared for the export, or to be one of the gateway's own."""
    tables = {row[0] for row in await floor.query("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    own = {name for name in tables if name.startswith(("event", "cloud_", "uns_")) or name in MACHINERY}
    assert tables - own == {kept.table for kept in KEPT} - MACHINERY


async def test_a_format_that_there_is_not(floor):
    assert (await floor.send("GET", "/api-export?format=xml")).error["details"][0]["field"] == "format"


async def test_head_and_other_methods(floor):
    async with floor.session.head(
        f"{floor.url}/api-export", headers={"Authorization": f"Bearer {floor.key}"}
    ) as answer:
        assert answer.status == 200
    assert (await floor.send("POST", "/api-export", {})).status == 405
    await exported(floor)


async def test_it_sees_one_moment(floor, monkeypatch):
    """What is written while it goes out is not in it."""
    monkeypatch.setattr("gateway.transfer.export.ROWS_MAX", 1)
    await fill(floor)
    before = await exported(floor, "?entities=full")
    headers = {"Authorization": f"Bearer {floor.key}"}
    async with floor.session.get(f"{floor.url}/api-export?entities=full", headers=headers) as answer:
        begun = await answer.content.readany()
        await floor.job("J-9")
        told = json.loads(begun + await answer.read())
    for table in before.keys() - {"_metadata"}:
        if table != "api_keys":
            assert told[table] == before[table]


# ------------------------------------------------------------------ CSV


async def test_one_table_as_csv(floor):
    await fill(floor)
    status, headers, body = await fetch(floor, "?entities=jobs&format=csv")
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert headers["Content-Disposition"] == 'attachment; filename="jobs.csv"'
    lines = body.decode().split("\r\n")
    assert lines[0].startswith("id,tenant_id,job_number,")
    assert "\"'=1+1" in body.decode()


async def test_several_tables_as_csv_are_a_zip(floor):
    await fill(floor)
    status, headers, body = await fetch(floor, "?entities=full&format=csv")
    assert (status, headers["Content-Type"]) == (200, "application/zip")
    assert headers["Content-Disposition"].endswith('.zip"')
    told = await exported(floor, "?entities=full")
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        assert packed.testzip() is None
        assert {name.filename for name in packed.infolist()} == {
            "_metadata.json",
            *(f"{table}.csv" for table in told if table[0] != "_"),
        }
        metadata = json.loads(packed.read("_metadata.json"))
        assert metadata["tables"] == told["_metadata"]["tables"]
        assert packed.read("webhook_logs.csv").startswith(b"id,webhook_id,event_type,payload,")


# ------------------------------------------------------------------ secrets


CANARY = "canary-5f1c"


@pytest.mark.parametrize("query", ["", "?entities=full", "?entities=full&format=csv", "?entities=api_keys&format=csv"])
async def test_no_secret_leaves_the_house(floor, query):
    """Every column whose name says so holds a canary; the whole key and its hash are looked for as well."""
    await floor.new_key(Scope.READ)
    planted = 0
    for kept in KEPT:
        columns = [row[1] for row in await floor.query(f"SELECT * FROM pragma_table_info('{kept.table}')")]
        for column in columns:
            if re.search("secret|password|pin_hash|key_hash|token", column):
                await floor.do(f"UPDATE {kept.table} SET {column} = ? || id", CANARY)
                planted += 1
    assert planted
    _, headers, body = await fetch(floor, query)
    if headers["Content-Type"] == "application/zip":
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            body = b"".join(packed.read(name) for name in packed.namelist())
    assert CANARY.encode() not in body
    assert floor.key.encode() not in body
    assert floor.key[:12].encode() in body


async def test_of_a_key_only_what_is_for_people(floor):
    [key] = (await exported(floor, "?entities=api_keys"))["api_keys"]
    assert key.keys() == {"id", "tenant_id", "name", "key_prefix", "prefix", "active", "created_at", "last_used_at"}
    assert (key["prefix"], key["active"]) == (floor.key[:12], True)


# ------------------------------------------------------------------ one at a time, and it ends with its reader


async def large(floor: Floor, rows: int = 4000) -> None:
    """More than the buffers of a connection hold."""
    await floor.do(
        "INSERT INTO materials (id, name, description, created_at, updated_at) "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) "
        "SELECT printf('00000000-0000-4000-8000-%012x', i), i, ?, '2026-11-01', '2026-11-01' FROM n",
        *(rows, "x" * 5000),
    )


async def test_a_second_one_has_to_wait(floor):
    await large(floor)
    headers = {"Authorization": f"Bearer {floor.key}"}
    async with floor.session.get(f"{floor.url}/api-export?entities=materials", headers=headers) as answer:
        await answer.content.readany()
        second = await floor.send("GET", "/api-export")
        assert (second.status, second.error["code"]) == (503, "BUSY")
        assert "Retry-After" in second.headers
        answer.close()
    assert (await until_free(floor))["jobs"] == []


async def until_free(floor: Floor) -> dict:
    async with asyncio.timeout(10):
        while True:
            status, _, body = await fetch(floor)
            if status == 200:
                return json.loads(body)
            await asyncio.sleep(0.02)


async def test_who_takes_nothing_is_left(floor, monkeypatch):
    """The snapshot is given up, and the connection as well."""
    monkeypatch.setattr(snapshots, "TAKEN_MAX_S", 0.1)
    monkeypatch.setattr(server, "CHUNK_MAX_S", 0.3)
    await large(floor)
    headers = {"Authorization": f"Bearer {floor.key}"}
    async with floor.session.get(f"{floor.url}/api-export?entities=materials", headers=headers) as answer:
        await answer.content.readany()
        await until_free(floor)
        await asyncio.sleep(0.5)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_a_log_of_writes_that_grows_too_far_ends_it(floor, monkeypatch):
    monkeypatch.setattr(snapshots, "WAL_HELD_MAX_BYTES", 1000)
    await large(floor, 10)
    reply = await floor.send("GET", "/api-export")
    assert (reply.status, reply.error["code"]) == (503, "BUSY")
    assert "too much was written meanwhile" in reply.error["message"]


async def test_rows_larger_than_a_piece_go_out_one_by_one(floor):
    await large(floor, 30)
    await floor.do(
        "UPDATE materials SET description = ? WHERE description IS NOT NULL AND name % 3 = 0", "y" * 5_000_000
    )
    rows = (await exported(floor, "?entities=materials"))["materials"]
    assert len(rows) == 31
    assert sum(len(row["description"] or "") for row in rows) == 10 * 5_000_000 + 20 * 5000
