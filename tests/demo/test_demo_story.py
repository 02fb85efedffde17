"""The demo as a newcomer has it: what it prints works, it can be stopped at any moment, and nothing outlives it."""

import contextlib
import http.client
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from program import Program

from gateway.demo import words
from gateway.demo.run import HOST, free_port, playground
from gateway.kernel.errors import StartupError

TELLS_MAX_S = 60
ENDS_MAX_S = 10
SINCE = "2026-01-31T07:12:04.123Z"


class Playing:
    """A demo that runs; all that it printed so far is in `told`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.told = ""

    def until(self, words: str) -> None:
        for line in self.process.stdout:
            self.told += line
            if words in line:
                return
        raise AssertionError(f"ended without {words!r}: {self.told}")

    def ends(self, *signals: int) -> int:
        for number in signals:
            self.process.send_signal(number)
        began_s = time.monotonic()
        self.told += self.process.communicate(timeout=TELLS_MAX_S)[0]
        assert time.monotonic() - began_s < ENDS_MAX_S
        return self.process.returncode


@contextlib.contextmanager
def playing(program: Program, *more: str) -> Iterator[Playing]:
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--data", str(program.data), "--port", str(program.port), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=program.environment,
        cwd=program.folder,
    ) as process:
        try:
            yield Playing(process)
        finally:
            process.kill()


def left(folder: Path) -> list[str]:
    """Programs that were started on this folder and still run."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found += [line] if str(folder) in line else []
    return found


def done_as_printed(told: str) -> dict[str, Any]:
    """What the printed curl line would do; its answer."""
    (line,) = re.findall(r"^  (\S*curl .*)$", told, flags=re.MULTILINE)
    _, _, method, _, header, url = shlex.split(line)
    name, _, value = header.partition(": ")
    _, _, address, path = url.split("/", 3)
    with contextlib.closing(http.client.HTTPConnection(address, timeout=ENDS_MAX_S)) as connection:
        connection.request(method, f"/{path}", headers={name: value})
        answered: dict[str, Any] = json.load(connection.getresponse())
        return answered


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program.at(tmp_path)


@pytest.mark.slow
def test_the_printed_call_works_at_once_and_again_on_a_second_start_in_the_same_folder(program):
    states = []
    for _ in range(2):
        with playing(program, "--minutes", "0.01") as demo:
            demo.until("pulled the plan")
            states.append(done_as_printed(demo.told)["data"]["new_status"])
            assert demo.ends() == 0, demo.told
            assert "still waiting: 0 events" in demo.told
    assert states == ["in_progress", "on_hold"]
    config = program.data / "gateway.toml"
    keys = json.loads(program.call("keys", "list", "--json", "--config", str(config), where=False).out)
    assert [key["name"] for key in keys if key["active"]] == ["demo"]


@pytest.mark.slow
def test_a_demo_that_is_killed_takes_gateway_and_broker_with_it(program):
    with playing(program) as demo:
        demo.until("pulled the plan")
        assert [line for line in left(program.data) if " run " in line]
        demo.process.kill()
        demo.process.wait()
        ends_s = time.monotonic() + ENDS_MAX_S
        while (still := left(program.data)) and time.monotonic() < ends_s:
            time.sleep(0.05)
        assert not still


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_before_it_is_open_ends_at_once(program, number):
    with playing(program) as demo:
        demo.until("Starting")
        assert demo.ends(number) == 130
        assert demo.told.endswith("Stopped.\n")
        assert "Traceback" not in demo.told
        assert not left(program.data)


@pytest.mark.slow
def test_ctrl_c_closes_the_factory_in_order_and_counts(program):
    with playing(program) as demo:
        demo.until("pulled the plan")
        demo.until("starts")
        assert demo.ends(signal.SIGINT) == 0
        assert "Closing time" in demo.told
        assert re.search(r"Good pieces booked here: \d+; in the cloud: \d+; still waiting: \d+ events", demo.told)
        assert not left(program.data)


def test_a_folder_in_which_a_demo_plays_is_not_played_in_twice(tmp_path):
    with playground(tmp_path), pytest.raises(StartupError, match="another demo plays in"), playground(tmp_path):
        pass
    with playground(tmp_path):  # it is free again
        pass


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="file/below"), playground(tmp_path / "file" / "below"):
        pass


def test_a_port_that_is_taken_is_told_and_another_one_used(capsys):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        assert free_port(port) != port
    assert f"Port {port} is taken by another program: using " in capsys.readouterr().out
    assert free_port(port) == port
    assert free_port(port, but=port) != port
    assert free_port(0) != 0


# ------------------------------------------------------------------ the words


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ({"state": "up", "pending": 0, "sent": 23}, "Cloud: connected; nothing waits, 23 events forwarded so far"),
        (
            {"state": "up", "pending": 1, "sent": 2, "parked": 3},
            "Cloud: connected; 1 event on the way, 2 events forwarded so far, 3 set aside",
        ),
        (
            {"state": "down", "since": SINCE, "error": "cannot connect: [Errno 111]", "pending": 14, "oldest_s": 9.6},
            f"Cloud: away since {words.local(SINCE)} (cannot connect); 14 events waiting here, the oldest for 10 s",
        ),
        (
            {"state": "down", "since": SINCE, "error": None, "pending": 0, "oldest_s": 0},
            f"Cloud: away since {words.local(SINCE)}; nothing waits",
        ),
    ],
)
def test_the_way_to_the_cloud_is_told_in_plain_words(link, told):
    assert words.way_up(link) == told


def test_a_broker_that_is_away_or_embedded_is_told():
    assert "port 1883 is taken" in words.broker({"state": "down", "error": "port 1883 is taken"})
    assert "embedded broker" in words.broker({"state": "degraded", "mode": "embedded", "version": None})
    assert words.broker({"state": "up", "mode": "managed", "version": "mosquitto 2.0.11"}) == "mosquitto 2.0.11"
    up = {"state": "up", "pending": 0, "sent": 1}
    assert words.describe(up, {"state": "up", "sent": 7}).endswith("MQTT: 7 events published.")
    assert words.describe(up, {"state": "down", "error": "gone", "pending": 2}).endswith("(gone); 2 events wait.")


def test_a_program_is_shown_by_its_name_alone_only_where_everybody_finds_it(tmp_path, monkeypatch):
    program = tmp_path / "some folder" / "a-program"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    assert words.shown("a-program", "#") == f"'{program}' '#'"
    assert words.shown("env", "a b") == "env 'a b'"
