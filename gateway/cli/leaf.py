"""What every leaf command has in common: its options, how it reaches a gateway, how it answers and ends."""

import asyncio
import contextlib
import functools
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.admin import client
from gateway.admin.box import Arguments, Box
from gateway.admin.socket import NotRunning
from gateway.admin.verbs import carried_out
from gateway.configuration import Configuration
from gateway.identity import establish, machine
from gateway.kernel import logs
from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import GatewayError, StartupError
from gateway.kernel.health import Health
from gateway.kernel.ids import uuid7
from gateway.mcp_keys.keys import McpKeys
from gateway.opening import opened
from gateway.ops.switch import Switch
from gateway.outbox.event import Stamp
from gateway.settings import Settings, load, whereabouts
from gateway.terminals.pairing import Terminals
from gateway.uns.door import Door
from gateway.web.auth import Keys

if TYPE_CHECKING:  # what is looked at is imported by who looks
    from gateway.repairs.facts import Broker

STOPPED = "the stopped gateway"  # where it was done, on the trail
PROBLEM, UNREACHABLE = 1, 3  # 2, wrong usage, is click's

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Place:
    """Which gateway is meant, and how the answer is wanted."""

    config: Path | None
    data: Path | None
    as_json: bool

    def settings(self) -> Settings:
        return load(self.config, self.data)

    def show(self, answer: Any, text: str | None = None) -> None:
        """On stdout: JSON when asked for, else `text`, else readable JSON."""
        if self.as_json:
            click.echo(json.dumps(answer, ensure_ascii=False, default=str))
        else:
            click.echo(json.dumps(answer, ensure_ascii=False, indent=2, default=str) if text is None else text)

    def ask(self, verb: str, **given: Any) -> Any:
        """Through the socket of the running gateway, or on the data of a stopped one."""
        try:
            settings = self.settings()
        except StartupError:
            with contextlib.suppress(NotRunning):  # one that runs with the last good configuration
                return asyncio.run(client.ask(whereabouts(self.config, self.data).data_dir, verb, given))
            raise
        return asyncio.run(asked(settings, verb, given, (self.config, self.data)))


def leaf(command: F) -> F:
    """Adds `--config`, `--data` and `--json`; turns errors into one line on stderr and an exit code."""

    @click.option(
        "--config", type=click.Path(path_type=Path, dir_okay=False), help="The configuration; gateway.toml here."
    )
    @click.option(
        "--data", type=click.Path(path_type=Path, file_okay=False), help="The data folder, instead of the configured."
    )
    @click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
    @functools.wraps(command)
    def run(config: Path | None, data: Path | None, *, as_json: bool, **arguments: Any) -> None:
        try:
            sys.exit(command(Place(config, data, as_json), **arguments) or 0)
        except NotRunning as exc:
            sys.exit(_complain(f"the gateway cannot be reached: {exc}", UNREACHABLE))
        except GatewayError as exc:
            sys.exit(_complain(exc.message, PROBLEM))

    return run  # type: ignore[return-value] # click gives it other parameters than it takes


def _complain(text: str, code: int) -> int:
    click.echo(f"eryxon-gateway: {text}", err=True)
    return code


Source = tuple[Path | None, Path | None]


async def asked(settings: Settings, verb: str, given: Mapping[str, Any], source: Source = (None, None)) -> Any:
    """`source`: `--config` and `--data`. Raises NotRunning, GatewayError."""
    with contextlib.suppress(NotRunning):
        return await client.ask(settings.data_dir, verb, given)
    async with boxed(settings, source) as box:
        return await carried_out(box, STOPPED, verb, given)


@asynccontextmanager
async def boxed(settings: Settings, source: Source = (None, None)) -> AsyncIterator[Box]:
    """The data of a stopped gateway. Raises StartupError; NotRunning when it is not stopped after all."""
    logs.configure("warning", settings.log.format)
    clock = SystemClock()
    new_id = uuid7(clock)
    try:
        async with opened(settings, clock) as db:
            keys = Keys(db, clock, new_id)
            stamp = Stamp(clock.now(), settings.gateway.id, new_id)
            await db.write(establish, stamp, settings.site.tenant_id, machine())

            async def status() -> dict[str, Any]:
                from gateway.status import Status  # noqa: PLC0415 -- a seventh of a second, for one verb

                return await Status(db, clock, Health(clock), settings.gateway.id).full()

            def check(settings: Settings) -> None:
                from gateway.app import check as checked  # noqa: PLC0415 -- what `run` is made of takes half a second

                checked(settings)

            async def call(given: Arguments) -> dict[str, Any]:
                from gateway.cli.inside import called  # noqa: PLC0415 -- all of the API, for one verb

                return await called(settings, db, keys, clock, new_id, status, given)

            async def restart(_name: str) -> None:
                raise NotRunning("it is stopped, and its plugins with it")

            async def broker_door() -> "Broker | None":
                from gateway.repairs.asking import seen  # noqa: PLC0415 -- what speaks MQTT, for one verb

                return await seen(settings.broker)

            mcp_keys = McpKeys(db, clock, new_id)
            made = (settings, db, keys, clock, new_id, status, Door(settings, clock), mcp_keys)
            kept = (Configuration(*source, check), Switch(db, clock), broker_door)
            yield Box(*made, Terminals(db, clock, new_id), call, restart, *kept)
    except StartupError as exc:
        if "is in use by process" in exc.message:  # it runs, and its socket does not answer
            raise NotRunning(exc.message) from exc
        raise
