"""A gateway whose disk fills up: which of its routes are refused when, on every way in."""

import aiohttp
import pytest
from little_room import leave

from gateway.api import api_routes
from gateway.app import running
from gateway.kernel.room import Use
from gateway.settings import Settings
from gateway.web.auth import NewKey
from gateway.web.routes import Scope

UPLOADS = {
    "/api-upload-url",
    "/api-parts-images",
    "/api-parts-images/{part_id}",
    "/api-parts-images/{part_id}/upload",
    "/api-forward/files/{file_id}",
    "/storage/v1/object/upload/sign/{bucket}/{tenant}/{folder}/{name}",
    "/storage/v1/object/upload/sign/{bucket}/{tenant}/{folder}/{owner}/{name}",
}
NOWHERE = None


def routes():
    return api_routes(Settings(), *[NOWHERE] * 5)


def test_each_route_says_what_it_wants_room_for():
    for route in routes():
        if not route.mutates:
            assert route.room is None
        elif route.method == "DELETE":
            assert route.room is Use.BOOKING, f"{route.path}: it makes room"
        elif route.path in UPLOADS:
            assert route.room is Use.UPLOAD, route.path
        else:
            wanted = Use.PLAN if route.scope >= Scope.PLAN else Use.BOOKING
            assert route.room is wanted, route.path
    assert {route.path for route in routes() if route.room is Use.UPLOAD} == UPLOADS


@pytest.fixture
async def gateway(tmp_path):
    given = {"gateway": {"data_dir": tmp_path}, "http": {"port": 0}, "broker": {"mode": "off"}}
    async with running(Settings.model_validate(given)) as gateway:
        yield gateway


@pytest.fixture
async def ask(gateway):
    _, key = await gateway.keys.create(NewKey("test", Scope.ADMIN))
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:

        async def ask(method: str, path: str, body=None):
            async with session.request(method, gateway.urls[0] + path, json=body) as answer:
                return answer, await answer.json()

        yield ask


async def planned(ask) -> tuple[str, str]:
    operation = {"operation_name": "Cut", "sequence": 1}
    part = {"part_number": "P-1", "material": "S235", "quantity": 5, "operations": [operation]}
    _, cell = await ask("POST", "/api-cells", {"name": "Laser"})
    operation["cell_id"] = cell["data"]["cell"]["id"]
    _, told = await ask("POST", "/api-jobs", {"job_number": "J-1", "parts": [part]})
    job = told["data"]["job"]
    return job["id"], job["parts"][0]["operations"][0]["id"]


async def test_bookings_go_on_while_everything_else_is_refused_by_name(gateway, ask, monkeypatch):
    job_id, operation_id = await planned(ask)
    leave(monkeypatch, 100)
    for method, path, body, what in (
        ("POST", "/api-upload-url", {"filename": "a.png", "content_type": "image/png"}, "upload"),
        ("PATCH", f"/api-jobs?id={job_id}", {"notes": "later"}, "plan"),
        ("POST", "/api-jobs/bulk-sync", {"jobs": []}, "plan"),
        ("POST", "/api-key-generate", {"name": "x"}, "plan"),
    ):
        answer, told = await ask(method, path, body)
        assert (answer.status, told["error"]["code"]) == (507, "INSUFFICIENT_STORAGE"), path
        assert told["error"]["details"]["class"] == what
        assert "docs/disk-full.md" in told["error"]["message"]
        assert answer.headers["Retry-After"]
    started, _ = await ask("POST", f"/api-operation-lifecycle/start?id={operation_id}")
    assert started.status == 200
    quantity = {"operation_id": operation_id, "quantity_produced": 1, "quantity_good": 1}
    booked, _ = await ask("POST", "/api-operation-quantities", quantity)
    assert booked.status == 201
    read, _ = await ask("GET", "/api-jobs")
    assert read.status == 200
    gone, _ = await ask("DELETE", f"/api-jobs?id={job_id}")
    assert gone.status in (200, 409), "what makes room is not refused for want of it"


async def test_health_says_who_is_refused_and_how_much_is_free(gateway, ask, monkeypatch):
    leave(monkeypatch, 200)
    _, told = await ask("GET", "/healthz")
    assert told["status"] == "degraded"
    assert any("uploads and backups, machine values and logs are refused" in one for one in told["problems"])
    monkeypatch.undo()
    _, told = await ask("GET", "/healthz")
    assert "problems" not in told


async def test_what_comes_from_inside_is_held_to_the_same(gateway, monkeypatch):
    """Plugins, agents, a drop box and gateways below call the routes without HTTP."""
    leave(monkeypatch, 100)
    route = next(one for one in gateway.routes if (one.method, one.path) == ("POST", "/api-jobs"))
    with pytest.raises(Exception, match="plans and master data are refused"):
        await route.handler(None)
