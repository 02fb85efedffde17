"""Whom the whole gateway answers: the name that it is called by, and the page that calls."""

import asyncio
import json
import socket

import aiohttp
import pytest

from gateway.admin import client
from gateway.kernel.clock import SystemClock
from gateway.settings import Settings
from gateway.tls import HTTP, Tls

EVERYWHERE = [
    "/",
    "/api-jobs",
    "/functions/v1/api-jobs",
    "/api-nothing",
    "/livez",
    "/healthz",
    "/metrics",
    "/docs",
    "/ca.crt",
    "/trust",
    "/terminal/",
    "/terminal/api/snapshot",
    "/ops/",
    "/ops/setup",
    "/ops/api/session",
    "/realtime/v1/websocket",
    "/storage/v1/object/sign/a/b/c/d",
]


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_a_name_that_leads_here_from_elsewhere_opens_nothing(box, path):
    said = await box.send("GET", path, Host="rebound.evil.example")
    assert (said.status, said.error["code"]) == (421, "MISDIRECTED")
    assert '"rebound.evil.example"' in said.error["message"]
    assert "[http] hosts" in said.error["message"]
    assert "request_id" in said.error


@pytest.mark.parametrize("path", [path for path in EVERYWHERE if "websocket" not in path])
async def test_a_page_from_elsewhere_opens_nothing_either(box, path):
    said = await box.send("GET", path, Origin="https://evil.example")
    assert (said.status, said.error["code"]) == (403, "FORBIDDEN")
    assert "[http] cors_origins" in said.error["message"]


async def test_this_machine_is_known_by_its_names_and_addresses(box):
    port = box.gateway.addresses[0].rpartition(":")[2]
    host = socket.gethostname()
    for name in ("localhost", "127.0.0.1", host, f"{host.partition('.')[0]}.local", "10.1.2.3"):
        said = await box.send("GET", "/api-jobs", Host=f"{name}:{port}")
        assert said.status == 200, name
        said = await box.send("GET", "/api-jobs", Host=f"{name}:{port}", Origin=f"http://{name}:{port}")
        assert said.status == 200, name


async def test_a_proxy_in_front_is_named_in_the_settings(served):
    async with served(http={"port": 0, "hosts": ["mes.plant.example", "*.lab.example"]}) as box:
        for name in ("mes.plant.example", "gw.lab.example"):
            assert (await box.send("GET", "/api-jobs", Host=name)).status == 200
            assert (await box.send("GET", "/api-jobs", Host=name, Origin=f"https://{name}")).status == 200
        # the proxy says its own Host to us; the page is the one that people opened at the proxy
        assert (await box.send("GET", "/api-jobs", Origin="https://mes.plant.example")).status == 200
        assert (await box.send("GET", "/api-jobs", Host="other.plant.example")).status == 421


async def test_the_names_of_the_certificate_are_its_own(served, tmp_path):
    await asyncio.to_thread(Tls(tmp_path).issue, HTTP, SystemClock().now(), ["mes.plant.example"])
    async with served(http={"port": 0, "tls_host": "127.0.0.1", "tls_port": 0}) as box:
        assert (await box.send("GET", "/api-jobs", Host="mes.plant.example:8443")).status == 200
        assert (await box.send("GET", "/api-jobs", Host="erp.plant.example:8443")).status == 421


async def test_a_program_that_says_no_name_is_answered(box):
    host, _, port = box.gateway.addresses[0].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /livez HTTP/1.0\r\n\r\n")  # the check of a load balancer
    async with asyncio.timeout(20):
        assert (await reader.read()).startswith(b"HTTP/1.0 200 ")
    writer.close()
    await writer.wait_closed()


async def test_a_websocket_from_elsewhere_does_not_come_to_be(box):
    url = f"ws://{box.gateway.addresses[0]}/realtime/v1/websocket?apikey={box.key}&vsn=1.0.0"
    for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await box.session.ws_connect(url, headers=headers)
        assert refused.value.status == status
    async with box.session.ws_connect(url, headers={"Origin": f"http://{box.gateway.addresses[0]}"}) as socket_:
        await socket_.send_json({"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "1"})
        assert (await socket_.receive_json())["ref"] == "1"


async def test_the_command_line_needs_no_name(box):
    told = await client.ask(box.gateway.settings.data_dir, "status", {})
    assert json.dumps(told)


@pytest.mark.parametrize("wrong", ["https://mes.plant.example", "mes.plant.example:8443", "a b", "*.", "mes.*", ""])
def test_what_is_no_name_is_refused_in_the_settings(wrong):
    with pytest.raises(ValueError, match="is no name of a host"):
        Settings.model_validate({"http": {"hosts": [wrong]}})
