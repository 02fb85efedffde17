"""The watchdog of a real process whose disk is slow: it lives; and whose disk does not answer: it is not vouched for."""

import http.client
import json
import socket
import threading
import time
from pathlib import Path

import pytest
from program import ENDS_MAX_S, Program
from test_install_watchdog import ALIVE, READY, Supervisor

WATCHDOG_S = 3.0  # looks every half second; a writer that has finished nothing for one is still
SLOW_S = 0.7  # longer than a look
TURNS = 4
KERNEL_TESTS = Path(__file__).parents[1] / "kernel"
DISK = """
import sqlite3, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from disk_faults import faults
from gateway.__main__ import main
slow, hangs, hung = (Path({folder!r}, name) for name in ("slow", "hangs", "hung"))
def at_sync():
    time.sleep({slow_s} if slow.exists() else 0)
    while hangs.exists():
        hung.touch()
        time.sleep(0.05)
with faults(Path({data!r})) as disk:
    disk.at_sync = at_sync
    main()
"""


@pytest.fixture
def program(tmp_path) -> Program:
    program = Program.at(tmp_path)
    program.configure()
    given = {"tests": str(KERNEL_TESTS), "folder": str(tmp_path), "data": str(program.data), "slow_s": SLOW_S}
    program.python = ("-c", DISK.format(**given))
    program.environment |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    return program


def book(program: Program, key: str, name: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=ENDS_MAX_S)
    connection.request("POST", "/api-cells", json.dumps({"name": name}), {"Authorization": f"Bearer {key}"})
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_disk_that_is_slow_is_waited_for_and_one_that_hangs_is_not(program, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "notify"))
        supervisor = Supervisor(line)
        with program.serving():
            assert [supervisor.hears(), supervisor.hears()] == [READY, ALIVE]
            key = (program.data / "first-admin-key").read_text().strip()
            (tmp_path / "slow").touch()
            began_s = time.monotonic()
            for number in range(TURNS):
                assert book(program, key, f"slow {number}") == 201
                supervisor.forget()
                assert supervisor.hears() == ALIVE
            assert time.monotonic() - began_s >= TURNS * SLOW_S
            (tmp_path / "slow").unlink()
            (tmp_path / "hangs").touch()
            booked: list[int] = []
            booking = threading.Thread(target=lambda: booked.append(book(program, key, "hangs")))
            booking.start()
            ends_s = time.monotonic() + ENDS_MAX_S
            while not (tmp_path / "hung").exists():
                assert time.monotonic() < ends_s
                time.sleep(0.05)
            time.sleep(WATCHDOG_S / 2)  # longer than a writer may be still
            supervisor.forget()
            assert supervisor.hears(WATCHDOG_S) is None
            (tmp_path / "hangs").unlink()
            assert supervisor.hears() == ALIVE
            booking.join()
            assert booked == [201]
