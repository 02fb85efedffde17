"""The broker: our own Mosquitto as a child, somebody else's, or one inside our process. Ready is what answers a probe."""

import asyncio
import contextlib
import errno
import random
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.errors import Unavailable
from gateway.kernel.health import Link
from gateway.outbox.event import encode
from gateway.settings import Broker as Settings
from gateway.settings import is_loopback, program
from gateway.uns import users
from gateway.uns.client import Session, connected, first
from gateway.uns.mosquitto import Mosquitto
from gateway.uns.packets import Address, Message

PROBE_SCHEMA = "uns/probe/1"  # whoever listens to everything reads JSON
PROBE_EVERY_S = 5.0
PROBE_MAX_S = 5.0
START_MAX_S = 10.0
START_PAUSE_S = 0.05
LEAVE_MAX_S = 1.5  # in which who uses it may say goodbye before we end it
UPTIME, VERSION = "$SYS/broker/uptime", "$SYS/broker/version"
UPTIME_MAX_S = 30.0  # our Mosquitto tells it every 10 s
PATCHED = (2, 0, 16)  # before it, only a distribution's back-ports close CVE-2023-0809, -3592, -28366

log = structlog.get_logger(__name__)


class Broker:
    """`run` keeps it up; `ready` is set while it answers; `address` is where and as whom to connect.

    `probe`: the topic below which it is tried.
    """

    def __init__(
        self, settings: Settings, folder: Path, clock: Clock, link: Link, rng: random.Random, probe: str
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._link = link
        self._rng = rng
        self._probe = probe
        self._port = settings.port
        self._users: dict[str, str] = {}
        self._using = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._version: str | None = None
        self._program = program("mosquitto")
        self.mode = self._chosen()
        self.ready = asyncio.Event()

    @property
    def named(self) -> str:
        """What it is, for people: `mosquitto 2.0.11` once it has told."""
        return self._version or {"managed": "mosquitto"}.get(self.mode, self.mode)

    def address(self, user: str = users.OURS) -> Address:
        host, port = self._settings.host, self._port
        if self.mode == "external":
            return Address(host, port, self._settings.username, self._settings.password.get_secret_value())
        return Address(host, port, user, self._users.get(user, ""), mqtt5=self.mode != "embedded")

    @contextlib.asynccontextmanager
    async def used(self) -> AsyncIterator[None]:
        """While somebody does, an orderly end of the broker waits a moment for him to leave."""
        self._using += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._using -= 1
            if not self._using:
                self._unused.set()

    async def run(self) -> None:
        """Raises Unavailable when it is gone."""
        if self.mode == "off":
            self._link.off("[broker] mode is off")
            return
        async with self._started() as gone:
            try:
                await first(self._probing(), gone())
            except asyncio.CancelledError:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LEAVE_MAX_S):
                        await self._unused.wait()
                raise
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
            child = Mosquitto(self._program, self._folder, self._users, self._clock)
            await child.end_leftover()
            self._take_port()
            async with child.running(self._settings.host, self._port):
                yield child.gone
            return
        from gateway.uns.embedded import embedded  # noqa: PLC0415 -- half a second that only this mode pays

        if not is_loopback(self._settings.host):
            raise Unavailable(f"the embedded broker serves this machine only, not {self._settings.host}: use Mosquitto")
        self._take_port()
        async with embedded(self._folder, self._settings.host, self._port, self._users):
            yield _never

    def _take_port(self) -> None:
        """Raises Unavailable when the port cannot be ours."""
        host, port = self._settings.host, self._settings.port
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, port))
            except OSError as exc:
                if exc.errno != errno.EADDRINUSE:
                    raise Unavailable(
                        f"no broker can listen on {host}:{port} ({exc.strerror}): see [broker] host, port"
                    ) from None
                raise Unavailable(
                    f"port {port} is taken by another program: set another [broker] port, or end it "
                    "(Debian's own: systemctl disable --now mosquitto), or use it with mode = external"
                ) from None
            self._port = trial.getsockname()[1]

    async def _probing(self) -> None:
        """Connect, and see our own words come back, again and again."""
        async with self._patiently() as session:
            topic = f"{self._probe}/{self._rng.getrandbits(64):016x}"
            await session.subscribe(topic)
            if self.mode != "embedded":
                await session.subscribe(VERSION)
                await session.subscribe(UPTIME)
            async with contextlib.aclosing(session.received()) as words:
                await self._again_and_again(session, words, topic)

    async def _again_and_again(self, session: Session, words: AsyncIterator[tuple[str, bytes]], topic: str) -> None:
        told_s = self._clock.monotonic()
        while True:
            try:
                async with asyncio.timeout(PROBE_MAX_S):
                    uptime = await self._asked(session, words, topic)
            except TimeoutError:
                raise Unavailable(f"the broker did not give our probe back in {PROBE_MAX_S:.0f} s") from None
            now_s = self._clock.monotonic()
            told_s = now_s if uptime else told_s
            if self.mode == "managed" and now_s - told_s > UPTIME_MAX_S:
                raise Unavailable(f"mosquitto has not told its uptime for {UPTIME_MAX_S:.0f} s")
            self._answered()
            await self._clock.sleep(PROBE_EVERY_S)

    async def _asked(self, session: Session, words: AsyncIterator[tuple[str, bytes]], topic: str) -> bool:
        """One probe, there and back. Returns whether the broker has told its uptime meanwhile."""
        probe = encode({"schema": PROBE_SCHEMA, "number": f"{self._rng.getrandbits(64):016x}"})
        if await session.publish([Message(topic, probe)]):
            raise Unavailable(
                f'the broker does not let "{self.address().username}" write {topic}: its ACL must allow '
                f"readwrite {self._probe.split('/_gateway/')[0]}/# (docs/mqtt.md)"
            )
        uptime = False
        async for heard, payload in words:
            if heard == topic and payload == probe.encode():
                return uptime
            if heard == UPTIME:
                uptime = True
            elif heard == VERSION:
                self._version = payload.decode(errors="replace").replace(" version ", " ")
        raise Unavailable("the connection to the broker is gone")

    @contextlib.asynccontextmanager
    async def _patiently(self) -> AsyncIterator[Session]:
        """A broker that we have just started needs a moment before it listens."""
        ends_s = self._clock.monotonic() + (0 if self.mode == "external" else START_MAX_S)
        async with contextlib.AsyncExitStack() as stack:
            while True:
                try:
                    connection = connected(self.address(), f"probe-{self._rng.getrandbits(32):08x}")
                    session = await stack.enter_async_context(connection)
                    break
                except Unavailable:
                    if self._clock.monotonic() >= ends_s:
                        raise
                    await self._clock.sleep(START_PAUSE_S)
            yield session

    def _answered(self) -> None:
        self.ready.set()
        if self._version and "version" not in self._link.facts and _number(self._version) < PATCHED:
            log.warning("broker.old", version=self._version, advice="2.0.16, or a distribution that closed its holes")
        self._link.facts |= {"mode": self.mode, "version": self._version}
        if self.mode == "embedded":
            fresh = self._link.degraded("embedded broker: install mosquitto for a real one")
        else:
            fresh = self._link.up()
        if fresh:
            log.info("broker.ready", mode=self.mode, host=self._settings.host, port=self._port)


def _number(version: str) -> tuple[int, ...]:
    """`mosquitto 2.0.11` -> (2, 0, 11); of another broker, one that is as good as new."""
    found = re.fullmatch(r"mosquitto (\d+)\.(\d+)\.(\d+).*", version)
    return tuple(int(part) for part in found.groups()) if found else PATCHED


async def _never() -> None:
    await asyncio.Event().wait()
