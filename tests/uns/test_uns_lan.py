"""The listener for devices on the LAN: there as long as there are devices, with TLS and a certificate of our own CA."""

import asyncio
import contextlib
import socket
import ssl
import subprocess

import aiomqtt
import pytest
from getting_in import DEVICES, let_in, pid
from tcp import free_port, serving
from uns_hall import HOST, ROOT, listening, program, until

from gateway.kernel.clock import SystemClock
from gateway.tls import MQTT, RENEW_DAYS, Tls

SAW = f"{ROOT}/_dev/saw-1"


@pytest.fixture
def hall(make_hall):
    hall = make_hall(uns={"device": DEVICES}, broker={"tls_port": free_port()})
    hall.version = 5
    return hall


@contextlib.asynccontextmanager
async def over_tls(hall, user: str | None, password: str | None, **more):
    context = ssl.create_default_context(cafile=hall.settings.data_dir / "tls" / "ca.crt")
    if "pair" in more:
        pair = more.pop("pair")
        context.load_cert_chain(pair.certificate, pair.key)
    port = hall.settings.broker.tls_port
    async with aiomqtt.Client(
        HOST, port, username=user, password=password, tls_context=context, protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        yield client


async def test_it_comes_with_the_first_device_and_goes_with_the_last(hall):
    async with hall.on():
        port = hall.settings.broker.tls_port
        assert not answers(port)
        password = await let_in(hall, "laser-1")
        assert hall.link("broker").facts["lan"] == f"{HOST}:{port}"
        async with over_tls(hall, "laser-1", password) as client:
            await client.publish(f"{ROOT}/_dev/laser-1/in/state", "4", qos=1)
        with pytest.raises(aiomqtt.MqttError):
            async with over_tls(hall, "laser-1", "wrong"):
                pass
        before = hall.pid()
        hall.door.add("saw-1")  # the second one disturbs nobody
        hall.door.remove("saw-1")
        assert hall.pid() == before
        hall.door.remove("laser-1")
        await until(lambda: pid(hall) not in (None, before) and hall.link("uns").state == "up")
        assert not answers(port)
        assert "lan" not in hall.link("broker").facts


async def test_a_client_of_the_line_trusts_our_ca_and_nobody_else_is_trusted(hall, tmp_path):
    async with hall.on():
        password = await let_in(hall, "saw-1")
        Tls(tmp_path / "other").issue(MQTT, SystemClock().now())
        ours, other = hall.settings.data_dir / "tls" / "ca.crt", tmp_path / "other" / "tls" / "ca.crt"
        for ca, worked in ((ours, True), (other, False)):
            command = [
                program("mosquitto_pub"),
                "-h",
                "localhost",
                "-p",
                str(hall.settings.broker.tls_port),
                "--cafile",
                str(ca),
            ]
            command += ["-u", "saw-1", "-P", password, "-V", "mqttv5", "-q", "1", "-t", f"{SAW}/in/state", "-m", "4"]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False, timeout=10)
            assert (done.returncode == 0) is worked, done.stderr


async def test_its_certificate_is_renewed_before_it_ends_and_the_ca_stays(hall, monkeypatch):
    async with hall.on():
        await let_in(hall, "laser-1")
    own = Tls(hall.settings.data_dir)
    ca, first = own.ca.certificate.read_bytes(), own.pair(MQTT).certificate.read_bytes()
    async with hall.on():
        assert own.pair(MQTT).certificate.read_bytes() == first
    monkeypatch.setattr("gateway.tls.CERTIFICATE_DAYS", RENEW_DAYS - 1)
    own.issue(MQTT, SystemClock().now())
    monkeypatch.undo()
    async with hall.on():
        assert own.pair(MQTT).certificate.read_bytes() != first
        assert own.problem(SystemClock().now()) is None
        assert own.ca.certificate.read_bytes() == ca


async def test_with_client_certificates_the_name_in_it_is_the_user(make_hall, tmp_path):
    hall = make_hall(uns={"device": DEVICES}, broker={"tls_port": free_port(), "client_certificates": True})
    hall.version = 5
    async with hall.on():
        await let_in(hall, "saw-1")
        own, now = Tls(hall.settings.data_dir), SystemClock().now()
        saw, stranger = own.client("saw-1", tmp_path / "usb", now), own.client("stranger", tmp_path / "usb", now)
        assert {file.name for file in (tmp_path / "usb").iterdir()} >= {"saw-1.crt", "saw-1.key", "ca.crt"}
        with pytest.raises((aiomqtt.MqttError, OSError)):
            async with over_tls(hall, "saw-1", "without a certificate"):
                pass
        async with hall.ear(f"{ROOT}/_dev/#") as ear, over_tls(hall, None, None, pair=saw) as client:
            await client.publish(f"{SAW}/in/state", "4", qos=1)
            async with over_tls(hall, None, None, pair=stranger) as other:
                await other.publish(f"{ROOT}/_dev/stranger/in/state", "4", qos=1)
                await other.publish(f"{SAW}/in/state", "5", qos=1)
            await client.publish(f"{SAW}/in/state", "6", qos=1)
            await until(lambda: [one.text for one in ear.heard if one.topic == f"{SAW}/in/state"] == ["4", "6"])
            hall.door.add("laser-1")  # or nobody would listen on the LAN any more
            hall.door.remove("saw-1")
            async with over_tls(hall, None, None, pair=saw) as removed:
                await removed.publish(f"{SAW}/in/state", "7", qos=1)
            end = f"{ROOT}/_dev/laser-1/in/end"
            address = hall.broker.address()
            async with listening(address.port, "x", address.username, address.password) as own_client:
                await own_client.client.publish(end, "1", qos=1)
            await until(lambda: end in {one.topic for one in ear.heard})
            assert not any(one.text == "7" or "stranger" in one.topic for one in ear.heard)


async def test_a_lan_port_that_is_taken_is_said_with_the_way_out(make_hall):
    port = free_port()
    hall = make_hall(uns={"device": DEVICES}, broker={"tls_port": port})
    hall.door.add("laser-1")

    async def nothing(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        pass

    async with serving(nothing, port), hall.on(wait=False):
        await until(lambda: "[broker] tls_port" in (hall.link("broker").error or ""))
        assert f"port {port} is taken" in hall.link("broker").error


def answers(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection((HOST, port)).close()
        return True
    return False
