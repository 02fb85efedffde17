"""The log of webhooks: a list that nobody writes over REST."""

import json

import pytest

from gateway.kernel.secrets import Secrets
from gateway.web.routes import Scope
from gateway.webhooks.commands import about

PATH, LOGS = "/api-webhooks", "/api-webhook-logs"
URL = "https://erp.example.com/hook"
SECRET = "CANARY-9f3b-canary"  # what must be found nowhere
HIDDEN = "[redacted]"
BODY = {"url": URL, "events": ["operation.started", "job.started"], "secret_key": SECRET}
RECORDED = {"id", "tenant_id", "url", "events", "secret_key", "active", "created_at"}


async def made(floor, **more):
    return (await floor.make(PATH, {**BODY, **more}))["webhook"]


def kept(floor) -> str:
    """Everything that is on the disk, as text."""
    folder = floor.db.path.parent
    return "".join(file.read_bytes().decode("latin-1") for file in folder.iterdir() if file.name.startswith("gateway."))


async def opened(floor, row_id: str) -> str | None:
    """The secret that the database has."""
    ((stored,),) = await floor.query("SELECT secret_key FROM webhooks WHERE id = ?", row_id)
    return Secrets(floor.db.path.parent).open(stored, about(row_id))


async def logged(floor, *cells: str | None) -> tuple[str, list[str]]:
    """A webhook and an entry of its log for each of these cells."""
    row, ids = await made(floor), []
    for number, cell in enumerate(cells):
        payload = {
            "event": "operation.started",
            "timestamp": "2026-11-02T07:00:00.000Z",
            "data": {"cell_id": cell, "n": number},
        }
        ids.append(f"00000000-0000-4000-8000-0000000005{number:02}")
        await floor.do(
            "INSERT INTO webhook_logs (id, webhook_id, event_type, payload, status_code, created_at) VALUES (?, ?, ?, ?, ?, ?)",
            *(ids[-1], row["id"], "operation.started" if number else "job.started"),
            *(json.dumps(payload), 200 + number, f"2026-11-02T07:00:0{number}+00:00"),
        )
    return row["id"], ids


async def test_a_log_entry_is_as_recorded(floor):
    hook, (entry, _) = await logged(floor, floor.LASER, floor.SAW)
    row = (await floor.get(f"{LOGS}?id={entry}"))["webhook_log"]
    assert row.items() >= {"id": entry, "webhook_id": hook, "event_type": "job.started", "status_code": 200}.items()
    assert row["payload"]["data"] == {"cell_id": floor.LASER, "n": 0}
    assert row["webhook"] == {"id": hook, "url": URL, "events": BODY["events"]}
    assert row["error_message"] is None
    assert "tenant_id" not in row


async def test_the_log_is_filtered_sorted_and_paged(floor):
    hook, ids = await logged(floor, None, None, None)

    async def found(query: str) -> list[str]:
        return [row["id"] for row in (await floor.get(LOGS + query))["webhook_logs"]]

    assert await found("") == ids[::-1]
    assert await found("?sort=status_code&order=asc&limit=2") == ids[:2]
    assert await found("?limit=1&offset=1") == [ids[1]]
    assert await found("?event_type=job.started") == [ids[0]]
    assert await found("?status_code=201") == [ids[1]]
    assert await found(f"?webhook_id={hook}&status_code=202") == [ids[2]]
    assert await found(f"?webhook_id={floor.NOWHERE}") == []
    for query in ("?webhook_id=x", "?status_code=ok"):
        assert (await floor.send("GET", LOGS + query)).status == 422


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
async def test_nobody_writes_the_log(floor, method):
    _, (entry,) = await logged(floor, None)
    reply = await floor.send(method, f"{LOGS}?id={entry}", {})
    assert (reply.status, reply.error["code"]) == (400, "BAD_REQUEST")
    assert (await floor.get(LOGS))["pagination"]["total"] == 1


@pytest.mark.parametrize("query", ["?id=11111111-2222-4333-8444-555555555555", "?id=zz"])
async def test_an_entry_that_is_not_there_is_404(floor, query):
    assert (await floor.send("GET", LOGS + query)).status == 404


async def test_the_log_goes_with_its_webhook(floor):
    hook, _ = await logged(floor, None, None)
    await floor.send("DELETE", f"{PATH}?id={hook}")
    assert (await floor.get(LOGS))["webhook_logs"] == []


async def test_who_is_held_to_a_cell_sees_what_happened_there(floor):
    _, ids = await logged(floor, floor.LASER, floor.SAW, None)
    key = await floor.new_key(Scope.READ, floor.LASER)
    assert [row["id"] for row in (await floor.get(LOGS, key=key))["webhook_logs"]] == [ids[0]]
    assert (await floor.send("GET", f"{LOGS}?id={ids[1]}", key=key)).status == 404
