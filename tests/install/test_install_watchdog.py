"""What systemd hears of a gateway: ready, alive while loop and writer move, stopping; and nothing of one that is stuck."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from program import Program

from gateway import systemd
from gateway.kernel import db as kernel
from gateway.kernel.connection import offline
from gateway.kernel.db import Database
from gateway.kernel.errors import Busy

HEARD_MAX_S = 20
WATCHDOG_S = 0.6  # looks every 0.1 s; a writer that has finished nothing for 0.2 s is still
READY, ALIVE, STOPPING = "READY=1", "WATCHDOG=1", "STOPPING=1"


class Supervisor:
    """systemd's end of the line."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def hears(self, within_s: float = HEARD_MAX_S) -> str | None:
        """The next word; None when there is none within that time."""
        self._line.settimeout(within_s)
        try:
            return self._line.recv(100).decode()
        except TimeoutError:
            return None

    def forget(self) -> None:
        """What has been said so far."""
        self._line.settimeout(0)
        with contextlib.suppress(BlockingIOError):
            while self._line.recv(100):
                pass

    async def hears_soon(self) -> str | None:
        return await asyncio.to_thread(self.hears)

    async def hears_nothing(self) -> bool:
        """For twice as long as a writer may be still, once that has passed."""
        await asyncio.sleep(WATCHDOG_S / 2)
        self.forget()
        return await asyncio.to_thread(self.hears, WATCHDOG_S) is None


@pytest.fixture
def address(tmp_path) -> Path:
    return tmp_path / "notify"


@pytest.fixture
def supervisor(address) -> Iterator[Supervisor]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(address))
        yield Supervisor(line)


# ------------------------------------------------------------------ the program


def test_run_says_ready_alive_and_stopping(tmp_path, address, supervisor):
    program = Program.at(tmp_path)
    program.configure()
    program.environment |= {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    with program.serving() as process:
        assert supervisor.hears() == READY
        assert program.get("/readyz")[0] == 200
        assert [supervisor.hears() for _ in range(3)] == [ALIVE] * 3
        process.send_signal(signal.SIGTERM)
        rest = list(iter(supervisor.hears, STOPPING))
        assert set(rest) <= {ALIVE}
        assert process.wait(HEARD_MAX_S) == 0
    assert supervisor.hears(0.1) is None


def test_a_frozen_process_is_not_alive(tmp_path, address, supervisor):
    program = Program.at(tmp_path)
    program.configure()
    program.environment |= {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
    with program.serving() as process:
        assert [supervisor.hears(), supervisor.hears()] == [READY, ALIVE]
        os.kill(process.pid, signal.SIGSTOP)
        supervisor.forget()
        assert supervisor.hears(WATCHDOG_S) is None
        os.kill(process.pid, signal.SIGCONT)
        assert supervisor.hears() == ALIVE


def test_without_a_wish_for_it_there_is_no_watchdog(tmp_path, address, supervisor):
    program = Program.at(tmp_path)
    program.configure()
    program.environment |= {"NOTIFY_SOCKET": str(address)}
    with program.serving():
        assert supervisor.hears() == READY
        assert supervisor.hears(WATCHDOG_S) is None
    assert supervisor.hears() == STOPPING


def test_its_mosquitto_says_nothing_in_its_name_and_sees_no_secret(tmp_path, address, supervisor):
    """Debian's Mosquitto talks to whatever NOTIFY_SOCKET names."""
    program = Program.at(tmp_path)
    port = program.free_port()
    program.configure(f'[broker]\nmode = "managed"\nport = {port}\n')
    secret = {"GATEWAY_WEBHOOKS__ALLOW_HTTP": "false", "GATEWAY_BROKER__PASSWORD": "hush"}
    program.environment |= {"NOTIFY_SOCKET": str(address), "LANG": "C", **secret}
    with program.serving():
        ends_s = time.monotonic() + HEARD_MAX_S
        while program.ok("status", "--json").json["links"]["broker"]["state"] != "up":
            assert time.monotonic() < ends_s
        child = (program.data / "broker" / "mosquitto.pid").read_text()
        seen = dict(word.split("=", 1) for word in Path(f"/proc/{child}/environ").read_text().split("\0") if word)
        assert seen["LANG"] == "C"
        assert not [name for name in seen if name.startswith(("GATEWAY_", "NOTIFY_", "WATCHDOG_"))]
    assert list(iter(supervisor.hears, STOPPING)) == [READY]


# ------------------------------------------------------------------ the writer


@contextlib.asynccontextmanager
async def watched(folder: Path, address: Path, monkeypatch) -> AsyncIterator[Database]:
    """A database whose writer is watched."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(address))
    monkeypatch.setenv("WATCHDOG_USEC", str(int(WATCHDOG_S * 1e6)))
    async with Database.open(folder, prepare=_prepare) as db, systemd.told(db):
        yield db


def _prepare(path: Path) -> None:
    with offline(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (text TEXT) STRICT")


@contextlib.asynccontextmanager
async def stuck(db: Database) -> AsyncIterator[None]:
    """The writer hangs, as in a disk that does not answer."""
    begun, go_on = threading.Event(), threading.Event()

    def hang(_tx) -> None:
        begun.set()
        go_on.wait(HEARD_MAX_S)

    hanging = asyncio.create_task(db.write(hang))
    await asyncio.to_thread(begun.wait, HEARD_MAX_S)
    try:
        yield
    finally:
        go_on.set()
        await hanging


async def test_a_stuck_writer_is_not_alive_and_one_that_goes_on_is(tmp_path, address, supervisor, monkeypatch):
    async with watched(tmp_path, address, monkeypatch) as db:
        assert [await supervisor.hears_soon(), await supervisor.hears_soon()] == [READY, ALIVE]
        async with stuck(db):
            assert await supervisor.hears_nothing()
        assert await supervisor.hears_soon() == ALIVE


async def test_a_stuck_writer_with_a_full_queue_is_not_alive(tmp_path, address, supervisor, monkeypatch):
    """A full queue answers at once, without the writer: that answer is no sign of life."""
    monkeypatch.setattr(kernel, "QUEUE_MAX", 5)
    async with watched(tmp_path, address, monkeypatch) as db:
        async with stuck(db):
            waiting = [asyncio.create_task(db.write(_read)) for _ in range(5)]
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                await db.write(_read)
            assert await supervisor.hears_nothing()
        assert await supervisor.hears_soon() == ALIVE
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_writer_that_is_slower_than_a_look_but_moves_is_alive(tmp_path, address, supervisor, monkeypatch):
    """Slow is not stuck: no write of ours comes back in time, and something is finished every now and then."""
    async with watched(tmp_path, address, monkeypatch) as db:

        async def work() -> None:
            for _ in range(6):
                await db.write(_slow)

        working = asyncio.gather(work(), work())  # while one is carried out, the other waits: there is always a next
        await asyncio.sleep(WATCHDOG_S / 2)
        supervisor.forget()
        assert await supervisor.hears_soon() == ALIVE
        assert not working.done()
        await working


async def test_a_gateway_that_only_reads_any_more_is_alive(tmp_path, address, supervisor, monkeypatch):
    """After too many disk errors it serves reads until a person comes: a restart would not be that."""
    async with watched(tmp_path, address, monkeypatch) as db:
        db.read_only = "3 disk errors"
        await asyncio.sleep(WATCHDOG_S)
        supervisor.forget()
        assert [await supervisor.hears_soon(), await supervisor.hears_soon()] == [ALIVE, ALIVE]


def _read(tx) -> None:
    tx.execute("SELECT 1 FROM notes")


def _slow(tx) -> None:
    time.sleep(WATCHDOG_S / 4)  # longer than a look
    tx.execute("INSERT INTO notes (text) VALUES ('slow')")
