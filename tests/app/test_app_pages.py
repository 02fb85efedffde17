"""`/livez /readyz /healthz /metrics /openapi.json /docs`: one word, one shape, and who may see it."""

import asyncio
import json
import random
import re
from pathlib import Path

import aiohttp
import pytest
from aiohttp import test_utils, web
from openapi_spec_validator import validate

from gateway.api import described
from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock
from gateway.web.auth import NewKey
from gateway.web.pages import Pages
from gateway.web.routes import KEY_SCOPES, Cells, Scope

ZULU = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TOP = {"status", "version", "gateway", "epoch", "journal_head", "clock_trusted", "links"}
COUNTS = {"behind", "oldest_s", "accepted", "sent", "pending", "parked", "skipped"}


async def test_live_and_ready_are_one_word_without_a_key(box):
    for path, word in (("/livez", "live"), ("/readyz", "ready")):
        said = await box.bare(path)
        assert (said.status, said.text) == (200, word)


async def test_health_without_a_key_is_the_status_and_no_more(box):
    assert (await box.bare("/healthz")).body == {"status": "ok"}
    assert (await box.send("GET", "/healthz", key="ery_live_wrong")).body == {"status": "ok"}


@pytest.mark.parametrize("scope", KEY_SCOPES)
async def test_health_with_any_key_is_everything(box, scope):
    _, key = await box.gateway.keys.create(NewKey("any", scope))
    told = (await box.send("GET", "/healthz", key=key)).body
    assert told.keys() == TOP
    assert (told["gateway"], told["status"], told["clock_trusted"]) == ("gw-test", "ok", True)
    assert isinstance(told["epoch"], int)
    assert told["epoch"] > 0


async def test_every_link_has_its_state_and_since_when(box):
    links = (await box.health())["links"]
    assert {"cloud", "uns", "broker"} <= links.keys()
    for link in links.values():
        assert link["state"] in ("up", "down", "degraded", "off")
        assert ZULU.fullmatch(link["since"])
        assert "error" in link
    assert links["cloud"]["state"] == links["broker"]["state"] == links["uns"]["state"] == "off"


async def test_our_own_parts_are_not_down_when_they_work(box):
    async with asyncio.timeout(5):
        while (await box.health())["links"]["housekeeping"]["state"] != "up":
            await asyncio.sleep(0.02)


async def test_the_counts_of_every_reader_add_up_while_work_is_done(served):
    cloud = StandInCloud(SystemClock(), random.Random(1))
    cloud.add_tenant(factory.TENANT_ID)
    cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
    async with (
        cloud.serving("127.0.0.1", 0) as url,
        served(cloud={"url": url, "api_key": factory.CLOUD_KEY}) as box,
    ):
        async with asyncio.timeout(20):
            while (await box.health())["links"]["cloud"]["state"] != "up":
                await asyncio.sleep(0.05)
        cloud.go_away()
        for number in range(10):
            said = await box.send("POST", "/api-jobs", {"job_number": f"J-{number}"})
            assert said.status == 201, said.text
            told = await box.health()
            check_counts(told)
        waiting = told["links"]["cloud"]
        assert waiting["pending"] == waiting["behind"] == 10
        assert waiting["accepted"] == told["journal_head"]
        cloud.come_back()
        async with asyncio.timeout(60):
            while (told := await box.health())["links"]["cloud"]["pending"]:
                check_counts(told)
                await asyncio.sleep(0.05)
        check_counts(told)
        assert told["links"]["cloud"]["sent"] == told["journal_head"]
        assert {"cloud", "cloud-pull"} <= told["links"].keys()


def check_counts(told) -> None:
    for name, link in told["links"].items():
        if "accepted" in link:
            assert link.keys() >= COUNTS
            assert link["accepted"] == link["sent"] + link["pending"] + link["parked"] + link["skipped"], name
            assert min(link[count] for count in COUNTS) >= 0, link


async def test_metrics_say_the_same_and_need_no_key_on_this_machine(box):
    said = await box.bare("/metrics")
    assert said.status == 200
    assert said.headers["Content-Type"].startswith("text/plain")
    for line in ('gateway_info{gateway="gw-test"', "gateway_healthy 1.0", 'gateway_link_up{link="cloud"} 0.0'):
        assert line in said.text
    assert "process_resident_memory_bytes" in said.text


async def test_metrics_from_outside_need_a_key(box):
    @web.middleware
    async def far_away(request, handler):
        return await handler(request.clone(remote="192.0.2.7"))

    app = web.Application(middlewares=[far_away])
    gateway = box.gateway
    Pages(gateway.db, gateway.keys, gateway.status, gateway.metrics.text, {}, Path(), Path()).add_to(app)
    async with test_utils.TestClient(test_utils.TestServer(app)) as outside:
        assert (await outside.get("/metrics")).status == 401
        assert (await outside.get("/metrics", headers={"Authorization": "Bearer ery_live_no"})).status == 401
        assert (await outside.get("/metrics", headers={"Authorization": f"Bearer {box.key}"})).status == 200
        assert (await outside.get("/livez")).status == 200


async def test_a_plain_lan_is_said_in_health(served):
    async with served(http={"port": 0, "allow_plain_lan": True}) as box:
        assert (await box.bare("/healthz")).body == {"status": "degraded"}
        assert "allow_plain_lan" in (await box.health())["problems"][0]


async def test_not_ready_once_the_disk_has_failed(box):
    box.gateway.db.read_only = "3 disk errors"
    said = await box.bare("/readyz")
    assert (said.status, said.text) == (503, "read-only")
    assert (await box.health())["problems"] == ["3 disk errors"]
    assert (await box.bare("/livez")).status == 200


async def test_a_page_that_fails_has_the_envelope(box):
    async def broken():
        raise RuntimeError("the secret recipe is 42")

    box.gateway.status.full = broken
    said = await box.send("GET", "/healthz")
    assert (said.status, said.body["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "recipe" not in said.text


# ------------------------------------------------------------------ OpenAPI


async def test_the_document_that_is_served_is_the_one_of_the_command(box):
    said = await box.bare("/openapi.json")
    assert said.body == json.loads(json.dumps(described()))


def test_a_validator_takes_the_document():
    validate(json.loads(json.dumps(described())))


async def test_every_route_is_described_with_its_scope_and_its_cell_rule(box):
    paths = described()["paths"]
    for route in box.gateway.routes:
        operation = paths[route.path][route.method.lower()]
        assert isinstance(route.scope, Scope)
        assert isinstance(route.cells, Cells)
        assert f"Scope: {route.scope.name.lower()}. Cells: {route.cells.value}." == operation["description"]
    assert sum(len(methods) for methods in paths.values()) == len(box.gateway.routes)


async def test_every_route_that_writes_asks_for_more_than_read(box):
    only_looks = {"/api-erp-sync/diff", "/api-erp-sync", "/api-erp-sync/{mode}"}  # the last two are always refused
    readable = {route.path for route in box.gateway.routes if route.mutates and route.scope is Scope.READ}
    assert readable == only_looks


async def test_docs_are_a_page(box):
    said = await box.bare("/docs")
    assert said.status == 200
    assert (await box.bare("/docs/start.js")).headers["Content-Type"].startswith("text/javascript")
    assert (await box.bare("/docs/..%2f..%2f__init__.py")).status == 404


async def test_the_admin_verbs_are_not_on_the_network(box):
    assert (await box.send("POST", "/_admin/keys.list", {})).status == 404


async def test_the_admin_socket_serves_verbs_and_api(box):
    path = str(box.gateway.settings.data_dir / "admin.sock")
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as session:
        async with session.post("http://gateway/_admin/keys.list", data=b"{}") as answer:
            assert {key["name"] for key in await answer.json()} == {"first admin", "test"}
        async with session.get("http://gateway/api-cells") as answer:
            assert answer.status == 200
        async with session.post("http://gateway/_admin/nothing", data=b"{}") as answer:
            assert answer.status == 404
        async with session.post("http://gateway/_admin/keys.create", data=b"{}") as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (400, "BAD_REQUEST")
