"""The broker: our own Mosquitto as a child, somebody else's, or one inside our process. Ready is what answers a probe."""

import asyncio
import contextlib
import os
import random
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Link
from gateway.settings import Broker as Settings
from gateway.uns import users
from gateway.uns.client import Address, Message, Session, connected, first
from gateway.uns.mosquitto import Mosquitto
from gateway.uns.topics import PROBE

PROBE_EVERY_S = 5.0
PROBE_MAX_S = 5.0
START_MAX_S = 10.0
START_PAUSE_S = 0.05
SEARCHED = ("/usr/sbin", "/usr/local/sbin")  # not on every user's PATH

log = structlog.get_logger(__name__)


class Broker:
    """`run` keeps it up; `ready` is set while it answers; `address` is where and as whom to connect."""

    def __init__(self, settings: Settings, folder: Path, clock: Clock, link: Link, rng: random.Random) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._link = link
        self._rng = rng
        self._users: dict[str, str] = {}
        self._program = _program()
        self.mode = self._chosen()
        self.ready = asyncio.Event()

    @property
    def named(self) -> str:
        """What it is, for people."""
        return {"managed": "mosquitto", "embedded": "embedded", "external": "external"}.get(self.mode, "off")

    def address(self, user: str = users.OURS) -> Address:
        host, port = self._settings.host, self._settings.port
        if self.mode == "external":
            return Address(host, port, self._settings.username, self._settings.password.get_secret_value())
        return Address(host, port, user, self._users.get(user, ""), mqtt5=self.mode != "embedded")

    async def run(self) -> None:
        """Raises Unavailable when it is gone."""
        if self.mode == "off":
            self._link.off("[broker] mode is off")
            return
        try:
            async with self._started() as gone:
                await first(self._probing(), gone())
        finally:
            self.ready.clear()

    def _chosen(self) -> str:
        if self._settings.mode != "auto":
            return self._settings.mode
        return "managed" if self._program else "embedded"

    @contextlib.asynccontextmanager
    async def _started(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Yields what ends, with Unavailable, when the broker does."""
        if self.mode == "external":
            yield _never
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._users = users.passwords(self._folder)
        if self.mode == "managed":
            if self._program is None:
                raise Unavailable('there is no mosquitto program here: install it, or set [broker] mode = "embedded"')
            child = Mosquitto(
                self._program, self._folder, self._settings.host, self._settings.port, self._users, self._clock
            )
            await child.end_leftover()
            self._require_free_port()
            async with child.running():
                yield child.gone
            return
        from gateway.uns.embedded import embedded  # noqa: PLC0415 -- half a second that only this mode pays

        self._require_free_port()
        async with embedded(self._folder, self._settings.host, self._settings.port, self._users):
            yield _never

    def _require_free_port(self) -> None:
        """Raises Unavailable: whoever listens there is not ours."""
        host, port = self._settings.host, self._settings.port
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as exc:
                raise Unavailable(
                    f"port {port} is taken by another program ({exc.strerror}): set another [broker] port, or end it "
                    "(Debian's own: systemctl disable --now mosquitto), or use it with mode = external"
                ) from None

    async def _probing(self) -> None:
        """Connect, and see our own words come back, again and again."""
        async with self._patiently() as session:
            topic = f"{PROBE}/{self._rng.getrandbits(64):016x}"
            await session.subscribe(topic)
            words = session.received()
            number = 0
            while True:
                number += 1
                await session.publish([Message(topic, str(number))])
                try:
                    async with asyncio.timeout(PROBE_MAX_S):
                        await anext(words)
                except (TimeoutError, StopAsyncIteration):
                    raise Unavailable(
                        f"the broker took our probe and did not give it back in {PROBE_MAX_S:.0f} s"
                    ) from None
                self._answered()
                await self._clock.sleep(PROBE_EVERY_S)

    @contextlib.asynccontextmanager
    async def _patiently(self) -> AsyncIterator[Session]:
        """A broker that has just been started needs a moment before it listens."""
        ends_s = self._clock.monotonic() + START_MAX_S
        while True:
            try:
                connection = connected(self.address(), f"probe-{self._rng.getrandbits(32):08x}")
                session = await connection.__aenter__()
                break
            except Unavailable:
                if self._clock.monotonic() > ends_s:
                    raise
                await self._clock.sleep(START_PAUSE_S)
        try:
            yield session
        finally:
            await connection.__aexit__(None, None, None)

    def _answered(self) -> None:
        self.ready.set()
        if self.mode == "embedded":
            fresh = self._link.degraded("embedded broker: install mosquitto for a real one")
        else:
            fresh = self._link.up()
        if fresh:
            log.info("broker.ready", mode=self.mode, host=self._settings.host, port=self._settings.port)


async def _never() -> None:
    await asyncio.Event().wait()


def _program() -> str | None:
    return shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", os.defpath), *SEARCHED)))
