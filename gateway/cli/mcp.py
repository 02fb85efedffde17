"""`mcp`: the tools for agents on stdin and stdout, for a program on this machine that starts us."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from gateway import __version__, plugin_host
from gateway.admin.box import CALLER
from gateway.cli.inside import described_api
from gateway.cli.leaf import Place, asked, leaf
from gateway.kernel import logs
from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import StartupError, Unauthorized, Unavailable
from gateway.kernel.health import Link
from gateway.plugin_api import Agent, Caller, Entry, Field, Outcome, Request, Usage
from gateway.settings import Settings

PLUGIN = "mcp_server"
FOLLOWED_BY_NOBODY = "a command does not follow the journal"


@click.command()
@click.option(
    "--tools", default="*", show_default=True, help="Only these, names with commas; `read` for those that only read."
)
@leaf
def mcp(place: Place, tools: str) -> None:
    """Serve a program that has started this, on stdin and stdout. Whoever may open the data folder needs no key."""
    settings = place.settings()
    logs.configure("warning", settings.log.format)
    names = None if tools == "read" else [one.strip() for one in tools.split(",") if one.strip()]
    agent = Agent(Caller(CALLER.key_id, "stdio", CALLER.scope), frozenset(plugin_host.allowed_tools(names)))
    asyncio.run(_serve(settings, agent))


async def _serve(settings: Settings, agent: Agent) -> None:
    clock, there = SystemClock(), _There(settings)
    ports = plugin_host.Ports(there, there, there, clock, settings.data_dir / plugin_host.FOLDER, __version__)
    parts = plugin_host.built(PLUGIN, settings.plugins, ports, Link(PLUGIN, clock))
    if parts.stdio is None:
        raise StartupError(f"the plugin {PLUGIN} does not serve on stdin and stdout")
    await parts.stdio(agent)


class _There:
    """The gateway that runs, through its socket; the data of a stopped one. Looked for again with each call: it may come and go."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._described = described_api(settings)

    def fields(self, method: str, path: str) -> Mapping[str, Field]:
        return self._described.fields(method, path)

    async def call(self, request: Request, _caller: Caller) -> Outcome:
        told: dict[str, Any] = await asked(self._settings, "api.call", asdict(request))
        return Outcome(**told)

    async def identify(self, _authorization: str | None, _source: str) -> Agent:
        raise Unauthorized("nobody comes over HTTP here")

    def take(self, _agent: Agent) -> None:
        """Nobody counts what the owner of the data folder does."""

    async def used(self, usage: Usage) -> None:
        await asked(self._settings, "mcp.used", asdict(usage))

    async def head(self) -> int:
        raise Unavailable(FOLLOWED_BY_NOBODY)

    def tail(self, _since: int) -> AsyncIterator[Sequence[Entry]]:
        raise Unavailable(FOLLOWED_BY_NOBODY)
