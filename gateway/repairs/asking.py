"""Where the facts come from: this machine, the database, the broker's address; of a gateway that runs, and of a stopped one."""

import asyncio
import contextlib
import secrets
import sqlite3
import struct
import tomllib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import cache, partial
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from gateway import sealed
from gateway.configuration import Configuration
from gateway.kernel.clock import Clock
from gateway.kernel.connection import READER_PRAGMAS, complaints, connect, damage
from gateway.kernel.db import Database
from gateway.kernel.errors import StartupError, Unavailable
from gateway.kernel.migrate import steps
from gateway.repairs import rows
from gateway.repairs.facts import Broker, Certificate, Facts, machine
from gateway.repairs.rows import Rows
from gateway.sections import Broker as BrokerSettings
from gateway.settings import Settings, is_loopback, unused
from gateway.tls import Tls, ending, ends
from gateway.uns.broker import trusted
from gateway.uns.client import connected
from gateway.uns.packets import Address

CONNECT_MAX_S = 2.0
DOOR_EVERY_S = 300.0
OTHERS_MAY_READ = 0o044
_LISTENING = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"  # a state in these files
_V4_DIGITS = 8


async def of_running(
    settings: Settings,
    now: datetime,
    db: Database,
    report: Mapping[str, Any],
    configuration: Configuration,
    broker_door: Callable[[], Awaitable[Broker | None]],
) -> tuple[Facts, dict[str, str]]:
    """The facts, and what of it somebody knows of. This process is the gateway."""
    wanted = await asyncio.to_thread(_schema_wanted)
    found = await db.read(rows.look, now, settings.cloud.key_offline, wanted)
    here = await asyncio.to_thread(partial(machine, served=True), settings)
    told, restart = await asyncio.to_thread(_changed, settings, configuration)
    certified = await asyncio.to_thread(certificates, settings, now)
    # One of our own lets nobody in unnamed, and its link tells how it is.
    broker = await broker_door() if settings.broker.mode == "external" else None
    instead = configuration.instead.why if configuration.instead else None
    clear = await asyncio.to_thread(in_clear, configuration.file if configuration.read else None)
    facts = Facts(
        settings,
        now,
        here,
        found,
        report,
        broker,
        certified,
        config=told,
        restart=restart,
        clear=clear,
        instead=instead,
    )
    return facts, await db.read(rows.ignored, now)


async def of_stopped(
    settings: Settings, now: datetime, config: Path | None = None, service: str | None = None
) -> tuple[Facts, dict[str, str]]:
    """The same for one that does not run, or does not answer (`service` says how). Changes nothing and makes nothing."""
    found, ignored, damaged = await asyncio.to_thread(_read, settings, now)
    here = await asyncio.to_thread(partial(machine, served=False), settings)
    told, certified = configured(settings, config), certificates(settings, now)
    broker = None if service else await seen(settings.broker)
    facts = Facts(settings, now, here, found, None, broker, certified, damaged, service, told, clear=in_clear(config))
    return facts, ignored


def _changed(settings: Settings, configuration: Configuration) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is odd about the file that the gateway was started with, and keys in it that only a restart brings."""
    shown = configuration.shown(settings)
    told = configured(settings, configuration.file if configuration.read else None)
    return (*told, *(shown["error"] or "").splitlines()), tuple(shown["restart"])


def configured(settings: Settings, config: Path | None) -> tuple[str, ...]:
    """What is odd about the settings and their file, one sentence each."""
    found = unused(settings)
    with contextlib.suppress(OSError):
        if config is not None and config.stat().st_mode & OTHERS_MAY_READ and _holds_secrets(settings):
            found.append(f"{config} holds secrets and others may read it (mode {config.stat().st_mode & 0o777:o})")
    return tuple(found)


def in_clear(config: Path | None) -> tuple[str, ...]:
    """The secrets in the file that are not sealed. What is wrong with the file is told elsewhere."""
    with contextlib.suppress(OSError, ValueError):
        return tuple(sealed.in_clear(tomllib.loads(config.read_text(encoding="utf-8")))) if config else ()
    return ()


def certificates(settings: Settings, now: datetime) -> tuple[Certificate, ...]:
    """Those that are served with."""
    files = Tls(settings.data_dir).files(settings.http.tls_cert)
    return tuple(Certificate(file, _ends(file), ending(file, now)) for file in files)


def _ends(file: Path) -> datetime | None:
    try:
        return ends(file)
    except StartupError:
        return None


def _holds_secrets(settings: Settings) -> bool:
    cloud, broker = settings.cloud, settings.broker
    return any(one.get_secret_value() for one in (cloud.api_key, cloud.service_password, broker.password))


# ------------------------------------------------------------------ the database of a stopped one


def _read(settings: Settings, now: datetime) -> tuple[Rows | None, dict[str, str], str | None]:
    path = settings.data_dir / "gateway.sqlite"
    try:
        torn, orphans = complaints(path, after_unclean_stop=True)
        if found := torn + orphans:
            return None, {}, damage(path, found)
        if not path.exists():
            return None, {}, None
        wanted = _schema_wanted()
        with contextlib.closing(connect(path, READER_PRAGMAS, mode="ro")) as connection:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version != max(steps()):
                return Rows(version), {}, None
            return rows.look(connection, now, settings.cloud.key_offline, wanted), rows.ignored(connection, now), None
    except (sqlite3.Error, OSError) as exc:
        return None, {}, f"{path} cannot be read ({exc}): look at the disk, and at who may read the file"


@cache
def _schema_wanted() -> Mapping[str, str]:
    with contextlib.closing(connect(Path("schema"), mode="memory")) as connection:
        return rows.schema_wanted(connection)


# ------------------------------------------------------------------ the broker's address


class BrokerDoor:
    """What stands at the address of somebody else's broker, tried at most every DOOR_EVERY_S: whoever keeps a page open must not
    fill his log.
    """

    def __init__(self, settings: BrokerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._seen: tuple[float, Broker | None] | None = None

    async def __call__(self) -> Broker | None:
        now_s = self._clock.monotonic()
        if self._seen is None or now_s - self._seen[0] > DOOR_EVERY_S:
            self._seen = (now_s, await seen(self._settings))
        return self._seen[1]


async def seen(settings: BrokerSettings) -> Broker | None:
    """What stands there for somebody without a password. None: there is no fixed address."""
    if settings.mode == "off" or not settings.port:
        return None
    host, port = settings.host, settings.port
    try:
        async with asyncio.timeout(CONNECT_MAX_S):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, TimeoutError) as exc:
        return Broker(error=str(exc) or f"no answer within {CONNECT_MAX_S:.0f} s")
    on_lan = is_loopback(host) and await asyncio.to_thread(listens_on_lan, port)
    try:
        context = await asyncio.to_thread(trusted, settings) if settings.mode == "external" else None
        async with connected(Address(host, port, "", "", tls=context), f"doctor-{secrets.token_hex(4)}"):
            return Broker(reached=True, anonymous=True, on_lan=on_lan)
    except Unavailable as exc:
        return Broker(reached=True, on_lan=on_lan, error=exc.message)


def listens_on_lan(port: int, tables: tuple[Path, ...] = _LISTENING) -> bool:
    """Whether a program of this machine takes connections on that port from other machines."""
    for table in tables:
        with contextlib.suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                digits, _, number = local.partition(":")
                if state == _LISTEN and int(number, 16) == port and not _loopback(digits):
                    return True
    return False


def _loopback(digits: str) -> bool:
    """`digits`: an address as the kernel writes it, each four bytes in its own order."""
    raw = b"".join(struct.pack("=I", int(digits[at : at + _V4_DIGITS], 16)) for at in range(0, len(digits), _V4_DIGITS))
    if len(digits) == _V4_DIGITS:
        return IPv4Address(raw).is_loopback
    address = IPv6Address(raw)
    return (address.ipv4_mapped or address).is_loopback
