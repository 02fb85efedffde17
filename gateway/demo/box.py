"""The gateway of the demo: a process of its own, started from the command line like anybody's, so a power cut is real."""

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path
from typing import Any

import aiohttp

from gateway.kernel.clock import Clock
from gateway.kernel.errors import StartupError
from gateway.kernel.supervise import die_with_parent, end

READY_MAX_S = 60.0
READY_PAUSE_S = 0.1
ASK_MAX_S = 1.0
STOP_MAX_S = 4.0  # then it is killed: nothing that it acknowledged depends on an orderly end
LAST_WORDS = 3  # lines of its log


class Box:
    """`folder` holds its configuration, its data and what it logs; `url` is where it will serve."""

    def __init__(self, folder: Path, url: str, clock: Clock) -> None:
        self.config = folder / "gateway.toml"
        self.data = folder / "data"
        self.log = folder / "gateway.log"
        self._url = url
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def command(self, *words: str) -> str:
        """One call of the product's own command line; its last line of output. Raises StartupError."""
        pipe = asyncio.subprocess.PIPE
        process = await self._spawn(*words, stdout=pipe, stderr=pipe)
        try:
            told, complaint = await process.communicate()
        finally:
            await end(process, signal.SIGKILL, each_s=STOP_MAX_S)
        if process.returncode:
            raise StartupError(f"eryxon-gateway {' '.join(words)}: {complaint.decode().strip()}")
        lines = told.decode().strip().splitlines()
        return lines[-1] if lines else ""

    async def start(self) -> None:
        """Does nothing when it runs; returns when it is ready. Raises StartupError."""
        if not self.running:
            with self.log.open("ab") as log:
                self._process = await self._spawn("run", stdout=log, stderr=log)
        ends_s = self._clock.monotonic() + READY_MAX_S
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_MAX_S)) as session:
            while self._clock.monotonic() < ends_s and self.running:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(self._url + "/readyz") as answer:
                        if answer.status == 200:  # noqa: PLR2004 -- the status by name
                            return
                await self._clock.sleep(READY_PAUSE_S)
        raise StartupError(f"the gateway did not get ready: {self.last_words()}")

    def last_words(self) -> str:
        return " / ".join(self.log.read_text(errors="replace").splitlines()[-LAST_WORDS:]) or "it said nothing"

    def viewer(self) -> str:
        """The password of the broker's read-only user; none before the broker was first started."""
        with contextlib.suppress(FileNotFoundError):
            users: dict[str, str] = json.loads((self.data / "broker" / "users.json").read_text())
            return users["viewer"]
        return ""

    async def power_cut(self) -> None:
        if self._process is not None:
            await end(self._process, signal.SIGKILL, each_s=STOP_MAX_S)

    async def stop(self) -> None:
        if self._process is not None:
            await end(self._process, signal.SIGTERM, signal.SIGKILL, each_s=STOP_MAX_S)

    async def _spawn(self, *words: str, **streams: Any) -> asyncio.subprocess.Process:
        """In a session of its own: Ctrl-C is for the demo, which ends the gateway when it is through."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "gateway", *words, "--config", str(self.config)),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=die_with_parent,
            **streams,
        )
