"""The broker: our own Mosquitto as a child, somebody else's, or one inside our process. Ready is what answers a probe."""

import asyncio
import contextlib
import errno
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import structlog

from gateway.kernel.clock import Clock
from gateway.kernel.errors import StartupError, Unavailable
from gateway.kernel.health import Link
from gateway.kernel.secrets import is_sealed, usable
from gateway.kernel.supervise import first
from gateway.outbox.event import encode
from gateway.settings import Bridge, is_loopback, program
from gateway.settings import Broker as Settings
from gateway.tls import MQTT, Tls
from gateway.uns import mosquitto_config, users
from gateway.uns.client import Session, connected
from gateway.uns.door import Door
from gateway.uns.mosquitto import Mosquitto, NotStarted
from gateway.uns.mosquitto_config import PATCHED, RUNS, Plan
from gateway.uns.packets import Address, Message
from gateway.uns.topics import Place

PROBE_SCHEMA = "uns/probe/1"  # whoever listens to everything reads JSON
PROBE_EVERY_S = 5.0
PROBE_MAX_S = 5.0
START_MAX_S = 10.0
START_PAUSE_S = 0.05
LEAVE_MAX_S = 1.5  # in which who uses it may say goodbye before we end it
UPTIME, VERSION = "$SYS/broker/uptime", "$SYS/broker/version"
UPTIME_MAX_S = 30.0  # our Mosquitto tells it every 10 s
BRIDGE = "$SYS/broker/connection/{id}/state"  # 1 while the plant's broker is reached

log = structlog.get_logger(__name__)


class Broker:
    """`run` keeps it up; `ready` is set while it answers; `address` is where and as whom to connect."""

    def __init__(self, settings: Settings, door: Door, tls: Tls, clock: Clock, link: Link, rng: random.Random) -> None:
        lost = is_sealed(
            settings.bridge.password.get_secret_value()
        )  # does not open here: only the bridge is without it
        self._settings = settings.model_copy(update={"bridge": Bridge()}) if lost else settings
        self._door = door
        self._tls = tls
        self._clock = clock
        self._link = link
        self._rng = rng
        self._topics = door.topics
        self._client_id = f"gw-{door.topics.gateway_id}"  # as whom a bridge is known to the plant's broker
        self._host, self._port = settings.host, settings.port
        self._using = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._version: str | None = None
        self._program = program("mosquitto")
        self._child: Mosquitto | None = None
        self._throw_out: Callable[[], None] | None = None
        self._outdated = asyncio.Event()  # it listens in the wrong places
        self._for_lan: tuple[str, int] | None = None  # where it listens with TLS
        self._refused: str | None = None  # the configuration with which it did not start
        self._why_old: str | None = None  # it runs with the last good one instead
        self._bridged: bool | None = None
        self._trusting: ssl.SSLContext | None = None
        self.mode = self._chosen()
        self.ready = asyncio.Event()
        door.on_change = self._admit

    @property
    def named(self) -> str:
        """What it is, for people: `mosquitto 2.0.11` once it has told."""
        return self._version or {"managed": "mosquitto"}.get(self.mode, self.mode)

    def address(self, user: str = users.OURS) -> Address:
        host, port = self._host, self._port
        if self.mode == "external":
            password = self._settings.password.get_secret_value()
            return Address(host, port, self._settings.username, password, tls=self._trusting)
        return Address(host, port, user, self._door.password(user), mqtt5=self.mode != "embedded")

    def show(self, places: Iterable[Place]) -> None:
        """The cells that are there: devices may see those of their own."""
        self._door.show(places)
        self._warn()

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
        while True:  # again when it has to listen elsewhere
            async with self._started() as gone:
                try:
                    await first(self._probing(), gone(), self._until_outdated())
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
            usable(self._settings.password.get_secret_value(), "broker.password")
            self._trusting = await asyncio.to_thread(trusted, self._settings)
            yield _never
            return
        self._door.open()
        self._outdated.clear()
        if self.mode == "managed":
            async with self._managed() as gone:
                yield gone
            return
        from gateway.uns.embedded import embedded  # noqa: PLC0415 -- half a second that only this mode pays

        if not is_loopback(self._settings.host):
            raise Unavailable(f"the embedded broker serves this machine only, not {self._settings.host}: use Mosquitto")
        self._port = _free(self._settings.host, self._settings.port, "port")
        async with embedded(self._door, self._settings.host, self._port) as self._throw_out:
            yield _never
        self._throw_out = None

    @contextlib.asynccontextmanager
    async def _managed(self) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        if self._program is None:
            raise Unavailable('there is no mosquitto program here: install it, or set [broker] mode = "embedded"')
        child = Mosquitto(self._program, self._door, self._clock)
        await child.end_leftover()
        version = await child.version()
        if version is None or version < RUNS:
            told = "no version that we know" if version is None else ".".join(map(str, version))
            raise Unavailable(
                f"{self._program} is {told}: Mosquitto {'.'.join(map(str, RUNS))} or newer is needed, "
                'or [broker] mode = "embedded"'
            )
        wanted = mosquitto_config.written(await self._plan(), version)
        config = self._chosen_config(wanted, child.last_good())
        self._host, self._port = mosquitto_config.listens(config)

        async def gone() -> None:
            try:
                await child.gone()
            except NotStarted:
                self._refused = config
                raise

        self._child = child  # before it starts: whoever is let in or out meanwhile counts as well
        try:
            async with child.running(config):
                yield gone
        finally:
            self._child = None

    async def _plan(self) -> Plan:
        """What is wanted now. Takes the ports."""
        settings = self._settings
        port = _free(settings.host, settings.port, "port")
        tls = self._for_lan = None
        if self._door.has_devices:
            try:
                own = await asyncio.to_thread(self._tls.kept, MQTT, self._clock.now())
            except (StartupError, OSError) as exc:
                raise Unavailable(f"no certificate for devices on the LAN: {exc}") from exc
            tls = mosquitto_config.Tls(
                settings.tls_host,
                _free(settings.tls_host, settings.tls_port, "tls_port"),
                self._tls.ca.certificate.absolute(),
                own.certificate.absolute(),
                own.key.absolute(),
                settings.client_certificates,
            )
            self._for_lan = (tls.host, tls.port)
        as_root = os.geteuid() == 0
        folder = self._door.folder.absolute()
        bridged = f"{self._topics.root}/#"
        return Plan(folder, settings.host, port, tls, settings.bridge, bridged, self._client_id, as_root)

    def _chosen_config(self, wanted: str, good: str | None) -> str:
        """The one that is wanted, unless it was tried and there is one that is known to work."""
        if wanted != self._refused or good is None or good == wanted:
            self._why_old = None
            return wanted
        self._why_old = f"the configuration with which mosquitto does not start was taken back: {self._link.error}"
        return good

    def _admit(self) -> None:
        """Somebody gets in, or does not any more, or may do more or less."""
        self._warn()
        if self._child is not None:
            self._child.admit()
            if self._door.has_devices != (self._for_lan is not None):
                self._outdated.set()
        elif self._throw_out is not None:
            self._throw_out()

    def _warn(self) -> None:
        self._fact("warnings", self._door.missing() or None)

    def _fact(self, name: str, told: Any) -> None:
        """None: there is nothing to tell."""
        if told is None:
            self._link.facts.pop(name, None)
        else:
            self._link.facts[name] = told

    async def _until_outdated(self) -> None:
        await self._outdated.wait()
        log.info("broker.restarting", why="it has to listen elsewhere: the LAN is served as long as there are devices")

    async def _probing(self) -> None:
        """Connect, and see our own words come back, again and again."""
        async with self._patiently() as session:
            topic = f"{self._topics.probe}/{self._rng.getrandbits(64):016x}"
            await session.subscribe(topic)
            if self.mode != "embedded":
                await session.subscribe(VERSION)
                await session.subscribe(UPTIME)
                if self._settings.bridge.address:
                    await session.subscribe(BRIDGE.format(id=self._client_id))
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
                f"readwrite {self._topics.root}/# (docs/mqtt.md)"
            )
        uptime = False
        async for heard, payload in words:
            if heard == topic and payload == probe.encode():
                return uptime
            if heard == UPTIME:
                uptime = True
            elif heard == VERSION:
                self._version = payload.decode(errors="replace").replace(" version ", " ")
            elif heard.startswith(BRIDGE.partition("{")[0]):
                self._bridged = payload == b"1"
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
        if self._child is not None:
            self._child.proven()
        if self._version and "version" not in self._link.facts and _number(self._version) < PATCHED:
            log.warning("broker.old", version=self._version, advice="2.0.16, or a distribution that closed its holes")
        self._link.facts |= {"mode": self.mode, "version": self._version}
        self._fact("lan", ":".join(map(str, self._for_lan)) if self._for_lan and not self._why_old else None)
        bridge = "up" if self._bridged else "down"
        self._fact("bridge", bridge if self._settings.bridge.address and self.mode == "managed" else None)
        trouble = self._trouble()
        if self._link.degraded(trouble) if trouble else self._link.up():
            log.info("broker.ready", mode=self.mode, host=self._host, port=self._port, trouble=trouble)

    def _trouble(self) -> str | None:
        if self.mode == "embedded":
            return "embedded broker: install mosquitto for a real one"
        if self._why_old:
            return self._why_old
        if self._settings.bridge.address and self.mode == "managed" and not self._bridged:
            return f"the plant's broker at {self._settings.bridge.address} is not reached: the bridge tries again"
        return None


def trusted(settings: Settings) -> ssl.SSLContext | None:
    """Whom we believe to be the external broker that is meant; None without TLS. Reads files. Raises Unavailable."""
    if not settings.tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.ca)
    except OSError as exc:
        raise Unavailable(f"[broker] ca {settings.ca} cannot be used ({exc}): a PEM file is wanted") from exc


def _free(host: str, port: int, key: str) -> int:
    """The port; any free one for 0. Raises Unavailable when it cannot be ours."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise Unavailable(
                    f"no broker can listen on {host}:{port} ({exc.strerror}): see {key} and its host in [broker]"
                ) from None
            raise Unavailable(
                f"port {port} is taken by another program: set another [broker] {key}, or end it "
                "(Debian's own: systemctl disable --now mosquitto), or use it with mode = external"
            ) from None
        return int(trial.getsockname()[1])


def _number(version: str) -> tuple[int, ...]:
    """Of another broker than Mosquitto: as good as new."""
    return mosquitto_config.version(version) or PATCHED


async def _never() -> None:
    await asyncio.Event().wait()
