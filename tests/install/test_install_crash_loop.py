"""A gateway that does not get up: the last good configuration, else a page that says why. Real processes."""

import asyncio
import contextlib
import http.client
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from namespaces import needed
from program import ENDS_MAX_S, Program
from tcp import free_port

from gateway import error_page
from gateway.error_page import End
from gateway.kernel.migrate import steps
from gateway.settings import Http
from gateway.starts import Start

WAIT_MAX_S = 30
WATCHDOG_S = 0.6
CANARY = "canary-9f31"
QUICK = "from gateway import starts; starts.LASTS_S = 0.2; from gateway.__main__ import main; main()"
BROKEN = f'[broker]\nmode = "off"\npassword = "{CANARY}"\n[cloud]\napi_key = "{CANARY}"\nurl = "ftp://u:{CANARY}@x"\n'


@pytest.fixture
def program(tmp_path) -> Program:
    program = Program.at(tmp_path)
    program.configure()
    return program


def until(fact) -> None:
    ends_s = time.monotonic() + WAIT_MAX_S
    while not fact():
        assert time.monotonic() < ends_s, "waited in vain"
        time.sleep(0.05)


def died(program: Program, times: int) -> None:
    """So many starts with this configuration that came to nothing."""
    for _ in range(times):
        Start(program.data, program.config.read_bytes())


@contextlib.contextmanager
def not_up(program: Program, *before: str) -> Iterator[subprocess.Popen[bytes]]:
    """`run`, until its page is there."""
    command = [*before, sys.executable, "-m", "gateway", "run", "--config", str(program.config)]
    with (
        (program.folder / "log").open("a") as log,
        subprocess.Popen(command, stderr=log, env=program.environment, cwd=program.folder) as process,
    ):
        try:
            until(lambda: answers(program) or process.poll() is not None)
            assert process.poll() is None, (program.folder / "log").read_text()
            yield process
        finally:
            process.kill()


def answers(program: Program) -> bool:
    try:
        return program.get("/livez") == (200, "live")
    except OSError:
        return False


def page(program: Program, path: str = "/terminal/") -> tuple[int, str]:
    """As a browser asks."""
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=ENDS_MAX_S)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Accept": "text/html,*/*"})
        answer = connection.getresponse()
        assert "text/html" in answer.headers["Content-Type"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        return answer.status, answer.read().decode()


def left(program: Program) -> str:
    """All that it said and noted."""
    return (program.folder / "log").read_text() + (program.data / "starts.json").read_text()


# ------------------------------------------------------------------ the last good configuration


def test_a_configuration_that_is_broken_after_a_good_run_is_not_the_end_of_the_work(program):
    program.python = ("-c", QUICK)
    with program.serving():
        key = program.key()
        until((program.data / "last-good.toml").is_file)
    good = program.config.read_text()
    program.config.write_text(good.replace("[http]", f"[htpt]\npassword = '{CANARY}'\n[http]"))
    died(program, 3)
    said = program.call("run")
    assert said.code == 1
    assert "unknown key htpt" in said.err
    with program.serving():
        told = json.loads(program.get("/healthz", key)[1])
        assert told["status"] == "degraded"
        (problem,) = told["problems"]
        assert "the last good configuration is in force" in problem
        assert "unknown key htpt" in problem
        status = program.call("status", "--json")  # although its file cannot be read
        assert (status.code, status.json["problems"]) == (1, [problem])
        doctor = program.call("doctor", "--json")
        assert doctor.code == 1
        found = {one["id"]: one for one in doctor.json if not one["ok"]}
        assert found["last_good"]["found"] == problem
        assert "htpt" in found["config"]["found"]
        assert "core" not in found  # told once
        program.config.write_text(good)
    with program.serving():
        assert program.ok("status", "--json").json["status"] == "ok"
    assert CANARY not in left(program)


def test_one_that_is_killed_again_and_again_is_told_so_too(program):
    good = program.config.read_bytes()
    Start(program.data, good).lasted()
    program.configure('[broker]\nmode = "off"\n[retention]\njournal_days = 9\n')
    died(program, 4)
    with program.serving() as process:
        assert "did not say why" in program.call("status", "--json").json["problems"][0]
        process.kill()
    with not_up(program):
        assert "dies at once" in page(program)[1]


def test_orderly_restarts_are_no_loop(program):
    with program.serving():
        pass
    died(program, 3)
    for _ in range(2):
        with program.serving() as process:
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAIT_MAX_S) == 0
    with program.serving():
        assert program.call("status", "--json").json["status"] == "ok"


# ------------------------------------------------------------------ the page


def test_without_a_last_good_one_a_page_says_why_and_nothing_secret(program, tmp_path):
    program.configure(BROKEN)
    died(program, 4)
    address = tmp_path / "notify"
    program.environment |= {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line, not_listening(line, address), not_up(program) as run:
        assert program.get("/readyz") == (503, "stopped")
        for path in ("/", "/terminal/", "/ops/", "/api-cells"):
            status, text = page(program, path)
            assert status == 503
            assert "cloud: url = " in text
            assert CANARY not in text
        status, body = program.get("/functions/v1/api-cells", CANARY)
        assert (status, json.loads(body)["error"]["code"]) == (503, "UNAVAILABLE")
        assert CANARY not in body
        doctor = program.call("doctor", "--json")
        assert (doctor.code, doctor.json[0]["id"]) == (1, "config")
        first = line.recv(1000).decode().split("\n", 1)
        assert first[0] == "READY=1"
        assert first[1].startswith("STATUS=does not start: ")
        assert [line.recv(1000).decode() for _ in range(3)] == ["WATCHDOG=1"] * 3
        run.send_signal(signal.SIGTERM)
        assert run.wait(WAIT_MAX_S) == 0
        assert list(iter(lambda: line.recv(1000).decode(), "STOPPING=1"))[-1:] == ["WATCHDOG=1"]
    assert CANARY not in left(program)


@contextlib.contextmanager
def not_listening(line: socket.socket, address: Path) -> Iterator[None]:
    line.bind(str(address))
    line.settimeout(WAIT_MAX_S)
    yield


def test_a_changed_configuration_ends_the_page_and_is_tried(program):
    program.configure(BROKEN)
    died(program, 4)
    with not_up(program) as process:
        program.configure()
        assert process.wait(WAIT_MAX_S) == 0  # systemd starts it again
    with program.serving():
        assert program.get("/readyz")[0] == 200


def test_a_database_of_a_newer_version_is_said_on_the_page_and_tried_again(program):
    with program.serving():
        pass
    with contextlib.closing(sqlite3.connect(program.data / "gateway.sqlite")) as connection:
        connection.execute(f"PRAGMA user_version = {max(steps()) + 7}")
    died(program, 4)
    with not_up(program):
        text = page(program)[1]
        assert "gateway.sqlite" in text
        assert "newer" in text
        assert "every minute" in text  # it may be mended without the file being touched
        service = {one["kind"]: one for one in program.call("doctor", "--json").json}["service"]
        assert "does not get up" in service["found"]


def test_a_damaged_database_without_a_backup_is_said_on_the_page(program):
    with program.serving():
        pass
    (program.data / "gateway.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    died(program, 4)
    with not_up(program):
        assert "gateway.sqlite" in page(program)[1]


def test_a_disk_that_takes_nothing_is_said_at_the_first_start(program):
    """There nothing can be counted."""
    needed("--mount")
    program.data.mkdir(mode=0o700)
    closed = f'mount --bind "{program.data}" "{program.data}" && mount -o remount,ro,bind "{program.data}" && exec "$@"'
    with not_up(program, "unshare", "-m", "sh", "-c", closed, "sh"):
        assert "Read-only file system" in page(program)[1]
    assert list(program.data.iterdir()) == []


# ------------------------------------------------------------------ the page's end, in this process


async def test_a_page_of_what_may_mend_itself_ends_so_that_the_start_is_tried_again():
    place = Http(port=free_port())
    assert await error_page.shown(place, "no", lambda: False, 0.1) is End.RETRY


async def test_a_port_that_is_taken_ends_nothing():
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = Http(port=other.getsockname()[1])
        assert await error_page.shown(place, "no", lambda: False, 0.1) is End.RETRY


async def test_words_of_the_reason_are_no_markup():
    place, over = Http(port=free_port()), asyncio.Event()
    showing = asyncio.create_task(error_page.shown(place, "<script>", over.is_set, None))

    def asked() -> str:
        connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=WAIT_MAX_S)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={"Accept": "text/html"})
            return connection.getresponse().read().decode()

    async with asyncio.timeout(WAIT_MAX_S):
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                text = await asyncio.to_thread(asked)
                break
            await asyncio.sleep(0.02)
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    over.set()
    assert await showing is End.CHANGED
