"""`run` as a process: ready, one to a folder, the documented ports only, and its end whatever hangs."""

import contextlib
import http.client
import ipaddress
import json
import os
import resource
import signal
import socket
import sqlite3
import ssl
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

STOPS_IN_S = 10
WAIT_MAX_S = 20
LISTENING = "0A"  # in /proc/net/tcp


def stop(process, number=signal.SIGTERM) -> float:
    """How long it took to end, in order."""
    began_s = time.monotonic()
    process.send_signal(number)
    assert process.wait(STOPS_IN_S + 5) == 0
    return time.monotonic() - began_s


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port on which connections are taken by the kernel and nobody ever answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


def begin(caller: socket.socket, key: str, length: int) -> None:
    """A POST of a cell whose body is still to come; returns when the gateway waits for it."""
    caller.settimeout(WAIT_MAX_S)
    caller.sendall(
        f"POST /api-cells HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {length}\r\n"
        "Expect: 100-continue\r\n\r\n".encode()
    )
    assert caller.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"


def until(fact) -> None:
    ends_s = time.monotonic() + WAIT_MAX_S
    while not fact():
        assert time.monotonic() < ends_s, "waited in vain"
        time.sleep(0.05)


# ------------------------------------------------------------------ starting


def test_the_first_start_leaves_an_admin_key_for_its_owner_only(program):
    with program.serving() as process:
        file = program.data / "first-admin-key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        key = file.read_text().strip()
        status, body = program.get("/healthz", key)
        assert (status, json.loads(body)["gateway"]) == (200, "gw-test")
        stop(process)
    (listed,) = program.ok("keys", "list", "--json").json
    assert (listed["name"], listed["scope"]) == ("first admin", "admin")
    assert key not in (program.folder / "log").read_text()
    file.unlink()
    with program.serving():
        assert not file.exists()  # a second start makes none


@pytest.mark.parametrize("mode", ["off", "managed"])
def test_exactly_the_documented_ports_listen(program, mode):
    mqtt = program.free_port()
    program.configure(f'[broker]\nmode = "{mode}"\nport = {mqtt}\n')
    wanted = {("127.0.0.1", program.port)} | ({("127.0.0.1", mqtt)} if mode == "managed" else set())
    with program.serving() as process:
        until(lambda: listening(process.pid) >= wanted)
        assert listening(process.pid) == wanted
        assert stop(process) < STOPS_IN_S
        for host, port in wanted:  # the broker goes with us
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, port), timeout=1)


def listening(pid: int) -> set[tuple[str, int]]:
    """Every TCP port of this process and its children."""
    found: set[tuple[str, int]] = set()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in (str(pid), *children):
        sockets = set()
        for descriptor in Path(f"/proc/{one}/fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(str(descriptor.readlink()))
        for family, table in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
            for line in Path(f"/proc/{one}/net/{table}").read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENING and f"socket:[{words[9]}]" in sockets:
                    address, port = words[1].split(":")
                    packed = b"".join(bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8))
                    found.add((socket.inet_ntop(family, packed), int(port, 16)))
    return found


def test_a_second_start_on_the_same_folder_refuses_with_one_line(program):
    with program.serving() as process:
        program.configure(f'[http]\nport = {program.free_port()}\n[broker]\nmode = "off"\n')
        said = program.call("run")
        assert (said.code, said.out) == (1, "")
        complaint = said.err.strip().splitlines()[-1]
        assert f"is in use by process {process.pid}" in complaint
        assert program.get("/livez") == (200, "live")  # the first goes on


def test_a_port_that_is_taken_is_one_line_that_names_it(program):
    with socket.socket() as other:
        other.bind(("127.0.0.1", program.port))
        other.listen()
        said = program.call("run")
    assert (said.code, said.out) == (1, "")
    assert f"127.0.0.1:{program.port}" in said.err
    assert "[http]" in said.err
    assert "Traceback" not in said.err


def test_plain_http_on_the_lan_is_refused_unless_it_is_allowed(program):
    program.configure(f'[http]\nhost = "0.0.0.0"\nport = {program.port}\n[broker]\nmode = "off"\n')
    said = program.call("run")
    assert said.code == 1
    assert "allow_plain_lan" in said.err
    program.configure(
        f'[http]\nhost = "0.0.0.0"\nport = {program.port}\nallow_plain_lan = true\n[broker]\nmode = "off"\n'
    )
    with program.serving():
        told = program.call("status", "--json")
        assert told.json["status"] == "degraded"
        assert "allow_plain_lan" in told.json["problems"][0]
        assert told.code == 1


def test_it_asks_for_as_many_open_files_as_it_takes_connections(program):
    program.configure('[limits]\nconnections = 500\n[broker]\nmode = "off"\n')
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with program.serving() as process:
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] > 500
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ------------------------------------------------------------------ TLS


def certificate(folder: Path) -> tuple[Path, Path]:
    """Self-signed, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gw-test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(pem))
    files[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files


def test_there_is_a_tls_listener_once_there_is_a_certificate(program):
    cert, key = certificate(program.folder)
    tls = program.free_port()
    program.configure(
        f'[http]\nport = {program.port}\ntls_host = "127.0.0.1"\ntls_port = {tls}\ntls_cert = "{cert}"\ntls_key = "{key}"\n'
        '[broker]\nmode = "off"\n'
    )
    with program.serving() as process:
        assert listening(process.pid) == {("127.0.0.1", program.port), ("127.0.0.1", tls)}
        connection = http.client.HTTPSConnection(
            "127.0.0.1", tls, timeout=WAIT_MAX_S, context=ssl.create_default_context(cafile=str(cert))
        )
        with contextlib.closing(connection):
            connection.request("GET", "/api-cells", headers={"Authorization": f"Bearer {program.key()}"})
            answer = connection.getresponse()
            assert answer.status == 200
            assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
            answer.read()
        assert stop(process) < STOPS_IN_S


@pytest.mark.parametrize("broken", ["cert", "key"])
def test_a_certificate_that_cannot_be_used_is_one_line(program, broken):
    files = dict(zip(("cert", "key"), certificate(program.folder), strict=True))
    files[broken].write_text("not a certificate")
    program.configure(
        f'[http]\nport = {program.port}\ntls_cert = "{files["cert"]}"\ntls_key = "{files["key"]}"\n[broker]\nmode = "off"\n'
    )
    said = program.call("run")
    assert said.code == 1
    assert "tls_cert" in said.err
    assert "Traceback" not in said.err


# ------------------------------------------------------------------ ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_gateway_ends_at_once_and_leaves_nothing_behind(program, number):
    with program.serving() as process:
        assert stop(process, number) < STOPS_IN_S / 2
    assert (program.data / "lock").read_bytes() == b""
    assert not (program.data / "gateway.sqlite-wal").exists()
    assert not (program.data / "admin.sock").exists()


def test_it_ends_in_ten_seconds_with_a_broker_and_a_cloud_that_hang_and_requests_on_their_way(program):
    with silent() as broker, silent() as cloud:
        program.configure(
            f'[broker]\nmode = "external"\nport = {broker}\n'
            f'[cloud]\nurl = "http://127.0.0.1:{cloud}"\napi_key = "ery_live_x"\n'
        )
        with program.serving() as process:
            key = program.key()
            keep_alive, half_header, half_body = (socket.create_connection(("127.0.0.1", program.port)) for _ in "abc")
            with keep_alive, half_header, half_body:
                keep_alive.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                assert keep_alive.recv(1000).startswith(b"HTTP/1.1 200")
                half_header.sendall(b"POST /api-cells HTTP/1.1\r\nHost: x\r\n")
                begin(half_body, key, 50)
                half_body.sendall(b'{"name":')
                took_s = stop(process)
    assert took_s < STOPS_IN_S
    with contextlib.closing(sqlite3.connect(program.data / "gateway.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert (program.data / "lock").read_bytes() == b""


def test_a_mosquitto_that_hangs_goes_with_us(program):
    mqtt = program.free_port()
    program.configure(f'[broker]\nmode = "managed"\nport = {mqtt}\n')
    with program.serving() as process:
        # somebody uses it, whom its end waits for
        until(lambda: '"link": "uns", "event": "link.up"' in (program.folder / "log").read_text())
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGSTOP)
        assert stop(process) < STOPS_IN_S
    assert not Path(f"/proc/{child}").exists()


def test_what_was_asked_before_the_end_is_answered_and_kept(program):
    with program.serving() as process:
        key = program.key()
        with (
            contextlib.closing(sqlite3.connect(program.data / "gateway.sqlite", isolation_level=None)) as other,
            socket.create_connection(("127.0.0.1", program.port)) as caller,
        ):
            other.execute("BEGIN IMMEDIATE")  # the disk is slow: the write waits
            body = b'{"name":"Laser"}'
            begin(caller, key, len(body))
            caller.sendall(body)
            time.sleep(0.3)  # it has asked for the write
            process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            other.execute("ROLLBACK")
            assert caller.recv(1000).startswith(b"HTTP/1.1 201")
        assert process.wait(STOPS_IN_S) == 0
    with program.serving():
        assert "Laser" in program.get("/api-cells", key)[1]


def test_nobody_is_let_in_while_it_ends(program):
    with program.serving() as process:
        key = program.key()
        with socket.create_connection(("127.0.0.1", program.port)) as slow:
            begin(slow, key, 9)
            process.send_signal(signal.SIGTERM)

            def refused() -> bool:
                try:
                    socket.create_connection(("127.0.0.1", program.port), timeout=1).close()
                except ConnectionRefusedError:
                    return True
                return False

            until(refused)
            assert process.poll() is None  # it still waits for the one that had begun
        assert process.wait(STOPS_IN_S) == 0


def test_kill_9_loses_no_answered_write_and_the_epoch_stays(program):
    with program.serving() as process:
        key = program.key()
        epoch = json.loads(program.get("/healthz", key)[1])["epoch"]
        connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=WAIT_MAX_S)
        with contextlib.closing(connection):
            for number in range(20):
                connection.request(
                    "POST", "/api-cells", json.dumps({"name": f"C{number}"}), {"Authorization": f"Bearer {key}"}
                )
                answer = connection.getresponse()
                assert answer.status == 201
                answer.read()
        process.kill()
        process.wait()
    with program.serving():
        told = json.loads(program.get("/healthz", key)[1])
        assert told["epoch"] == epoch
        assert json.loads(program.get("/api-cells", key)[1])["data"]["pagination"]["total"] == 20
