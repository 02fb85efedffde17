"""Mosquitto as a child of ours: its configuration, its start, its end. It dies with us, and a left one is ended first."""

import asyncio
import contextlib
import os
import signal
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import structlog

from gateway.kernel.clock import Clock, text
from gateway.kernel.errors import Unavailable
from gateway.kernel.supervise import die_with_parent, end
from gateway.settings import inherited
from gateway.uns import mosquitto_config, users
from gateway.uns.door import Door
from gateway.uns.mosquitto_config import Version
from gateway.uns.rights import acl_file

START_WATCH_S = 2.0  # what ends within this time did not like its configuration
VERSION_MAX_S = 5.0
END_MAX_S = 2.0  # with the moment in which its users say goodbye, less than a link has at the end
END_PAUSE_S = 0.05
LAST_WORDS_MAX_S = 1.0
DAMAGED_MAX = 3  # stores that are kept for whoever wants to know
SAID_MAX = 20  # of its last lines
STORE = "mosquitto.db"
_STORE_IS_BROKEN = ("database", "persist")  # words of the lines in which it says so
_CRASHED = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)

log = structlog.get_logger(__name__)


class NotStarted(Unavailable):
    """It does not start with this configuration."""


class Mosquitto:
    def __init__(self, program: str, door: Door, clock: Clock) -> None:
        self._program = program
        self._door = door
        self._folder = door.folder.absolute()
        self._clock = clock
        self._config = self._folder / "mosquitto.conf"
        self._good = self._folder / "mosquitto.conf.good"
        self._proven = False
        self._started_s = 0.0
        self._pid = self._folder / "mosquitto.pid"
        self._said: deque[str] = deque(maxlen=SAID_MAX)
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def running(self, config: str) -> AsyncIterator[None]:
        """Started when this begins, ended when it ends."""
        told = self._write_users()
        users.write(self._config, config)
        self._started_s = self._clock.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            "-c",
            str(self._config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=inherited(),  # it would tell systemd that it is ready, in our name
            preexec_fn=die_with_parent,
        )
        try:
            self._listening = asyncio.create_task(self._listen(self._process.stderr))
            users.write(self._pid, str(self._process.pid))
            if self._users() != told:
                self.admit()
            yield
        finally:
            await end(self._process, signal.SIGTERM, signal.SIGKILL, each_s=END_MAX_S)
            if self._listening is not None:
                self._listening.cancel()
                await asyncio.wait({self._listening})
            self._pid.unlink(missing_ok=True)

    async def gone(self) -> None:
        """Wait for its end. Raises Unavailable with what it said last; a store that it cannot read is moved aside."""
        assert self._process is not None, "only while it is running"  # nosec B101 # noqa: S101 -- a bug of ours
        assert self._listening is not None  # nosec B101 # noqa: S101 -- a bug of ours
        code = await self._process.wait()
        await asyncio.wait({self._listening}, timeout=LAST_WORDS_MAX_S)  # its end is known before its last words are
        told = " / ".join(self._said) or "without a word"
        ended_s = self._clock.monotonic() - self._started_s
        store = self._folder / STORE
        broken = code > 0 and any(word in told.lower() for word in _STORE_IS_BROKEN)
        if store.exists() and (broken or code in _CRASHED):
            self._move_aside(store, told)
        elif code > 0 and not self._proven and ended_s < START_WATCH_S:
            raise NotStarted(f"mosquitto does not start ({code}): {told}")
        raise Unavailable(f"mosquitto ended ({code}): {told}")

    async def version(self) -> Version | None:
        """What the program says; None when that is nothing that we know."""
        asked = await asyncio.create_subprocess_exec(
            self._program,
            "-h",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=inherited(),
            preexec_fn=die_with_parent,
        )
        try:
            told, _ = await asyncio.wait_for(asked.communicate(), VERSION_MAX_S)
        except TimeoutError:
            await end(asked, signal.SIGKILL, each_s=END_MAX_S)
            return None
        return mosquitto_config.version(told.decode(errors="replace"))

    def proven(self) -> None:
        """It answers: what it runs with is what to go back to."""
        if not self._proven:
            self._proven = True
            users.write(self._good, self._config.read_text())

    def last_good(self) -> str | None:
        return self._good.read_text() if self._good.exists() else None

    def admit(self) -> None:
        """Others get in now, or may do more or less; who gets in no more is thrown out."""
        self._write_users()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGHUP)

    def _move_aside(self, store: Path, told: str) -> None:
        aside = store.with_name(f"{STORE}.damaged-{text(self._clock.now())}")
        store.replace(aside)
        log.warning("broker.store_moved_aside", file=str(aside), said=told)
        for older in sorted(self._folder.glob(f"{STORE}.damaged-*"))[:-DAMAGED_MAX]:
            older.unlink()

    async def end_leftover(self) -> None:
        """What an earlier self left behind, when that was killed: it would still hold the port."""
        try:
            pid = int(self._pid.read_text())
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return
        if str(self._config).encode() not in words:
            return  # the number belongs to somebody else by now
        log.info("broker.leftover_ended", pid=pid)
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            ends_s = self._clock.monotonic() + END_MAX_S
            while self._clock.monotonic() < ends_s:
                if not _alive(pid):
                    return
                await self._clock.sleep(END_PAUSE_S)

    def _users(self) -> tuple[str, str]:
        """The files of passwords and of rights."""
        return users.password_file(self._door.hashes()), acl_file(self._door.rights())

    def _write_users(self) -> tuple[str, str]:
        passwords, rights = self._users()
        users.write(self._folder / "passwd", passwords)
        users.write(self._folder / "acl", rights)
        return passwords, rights

    async def _listen(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None, "stderr is a pipe"  # nosec B101 # noqa: S101 -- a bug of ours
        async for line in stream:
            words = line.decode(errors="replace").strip()
            self._said.append(words)
            log.debug("broker.said", words=words)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
