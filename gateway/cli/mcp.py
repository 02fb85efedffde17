"""`mcp`: the tools for agents on stdin and stdout, for a program on this machine that starts us."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from gateway import __version__
from gateway.admin.box import CALLER
from gateway.cli.inside import described_api
from gateway.cli.leaf import Place, asked, leaf
from gateway.kernel import logs
from gateway.kernel.clock import SystemClock
from gateway.kernel.errors import StartupError, Unauthorized
from gateway.kernel.health import Link
from gateway.plugin_api import Agent, Caller, Field, Outcome, Request, Usage
from gateway.plugin_host import host
from gateway.settings import Settings

PLUGIN = "mcp_server"


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
    agent = Agent(Caller(CALLER.key_id, "stdio", CALLER.scope), frozenset(host.allowed_tools(names)))
    asyncio.run(_serve(settings, agent))


async def _serve(settings: Settings, agent: Agent) -> None:
    clock, there = SystemClock(), _There(settings)
    given = (there, there, clock, Link(PLUGIN, clock), __version__, settings.data_dir)
    parts = host.built(PLUGIN, settings.plugins, *given)
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
