"""Loads plugins, checks their settings, runs them. One that fails touches neither another nor the core."""

import asyncio
import difflib
import importlib
import json
import pkgutil
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from pydantic import ValidationError

from gateway.kernel.clock import Clock
from gateway.kernel.errors import Invalid, NotFound, StartupError, Unavailable
from gateway.kernel.health import Health, Link
from gateway.kernel.supervise import keep_running
from gateway.plugin_api import ALL, VERSION, Agents, Api, Config, Context, Journal, Mount, Parts, Plugin
from gateway.web.gate import Gate
from gateway.web.routes import Scope

PACKAGE = "plugins"
FOLDER = "plugins"  # in the data folder
LINK = "plugin:{}"  # in /healthz
LENT = {"mcp_server": frozenset({"/mcp"})}  # root paths that a plugin may have
CRASHES_MAX, CRASHES_S = 5, 600.0  # so many within that time: it is not started again

log = structlog.get_logger(__name__)

Sections = Mapping[str, Mapping[str, Any]]  # [plugins.<name>]


@dataclass(frozen=True, slots=True)
class Loaded:
    """One that is wanted, and its settings; `error`: why it cannot run."""

    name: str
    plugin: Plugin[Any] | None = None
    config: Config | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Ports:
    """What every plugin gets; `folder` holds a folder for each of them."""

    api: Api
    agents: Agents
    journal: Journal
    clock: Clock
    folder: Path
    version: str

    def context(self, name: str, config: Config, link: Link) -> Context[Any]:
        given = (self.api, self.agents, self.journal, self.clock)
        return Context(config, *given, link, self.folder / name, self.version)


def known() -> list[str]:
    """The names of those that are shipped."""
    package = importlib.import_module(PACKAGE)
    return sorted(one.name for one in pkgutil.iter_modules(package.__path__) if one.ispkg)


def found(name: str) -> Plugin[Any]:
    """Raises NotFound when there is none of that name, StartupError when it is for another version of us."""
    if name not in known():
        raise NotFound(f'there is no plugin "{name}"; known here: {", ".join(known()) or "none"}')
    plugin: Plugin[Any] = importlib.import_module(f"{PACKAGE}.{name}").plugin
    if plugin.version != VERSION:
        raise StartupError(f"it was written for version {plugin.version} of gateway.plugin_api, this is {VERSION}")
    return plugin


def wanted(sections: Sections) -> list[Loaded]:
    """All that are switched on, and those of which nobody can tell."""
    return [_loaded(name, section) for name, section in sections.items() if section.get("enabled", False) is not False]


def check(sections: Sections) -> None:
    """Raises StartupError, one line for each plugin whose settings are wrong."""
    wrong = [f"[plugins.{one.name}] {one.error}" for one in wanted(sections) if one.error]
    if wrong:
        raise StartupError("\n".join(wrong))


def listed(sections: Sections, links: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All shipped ones and all with settings. `links`: those of /healthz, none while the gateway does not run."""
    errors = {one.name: one.error for one in wanted(sections)}
    found = []
    for name in sorted({*known(), *sections}):
        error = errors.get(name)
        link = links.get(LINK.format(name), {"state": "down" if error else "off", "error": error})
        told = {"state": link["state"], "error": link["error"], "since": link.get("since")}
        found.append({"name": name, "enabled": name in errors, **told})
    return found


def allowed_tools(names: Sequence[str] | None) -> tuple[str, ...]:
    """The tools of all shipped plugins with these names; None: those that only read. Raises Invalid for one that there is not."""
    tools: dict[str, bool] = {}
    for name in known():
        tools |= found(name).tools
    if names is None:
        return tuple(name for name, reads in tools.items() if reads)
    for name in names:
        if name != ALL and name not in tools:
            near = difflib.get_close_matches(name, tools, n=1)
            hint = f"did you mean {near[0]}?" if near else f"as {', '.join([*tools][:5])}; `*` for all"
            raise Invalid(
                f'there is no tool "{name}": {hint}',
                [{"field": "tools", "message": name, "constraint": "ENUM_CONSTRAINT"}],
            )
    return tuple(names)


def _loaded(name: str, section: Mapping[str, Any]) -> Loaded:
    if section.get("enabled", True) is not True:
        return Loaded(name, error=f"enabled = {json.dumps(section['enabled'], default=str)}: true or false is wanted")
    given = {key: value for key, value in section.items() if key != "enabled"}
    try:
        plugin = found(name)
        return Loaded(name, plugin, plugin.config.model_validate(given))
    except (NotFound, StartupError) as exc:
        return Loaded(name, error=exc.message)
    except ValidationError as exc:
        return Loaded(name, error="; ".join(_wrong(plugin, error) for error in exc.errors(include_url=False)))
    except Exception as exc:
        log.exception("plugin.not_loaded", plugin=name)
        return Loaded(name, error=f"it cannot be loaded: {type(exc).__name__}: {exc}")


def _wrong(plugin: Plugin[Any], error: Mapping[str, Any]) -> str:
    key = ".".join(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key {key}; known here: {', '.join(['enabled', *plugin.config.model_fields])}"
    return f"{key}: {str(error['msg']).removeprefix('Value error, ')}"


def built(name: str, sections: Sections, ports: Ports, link: Link) -> Parts:
    """One alone, switched on or not, for a command that needs it. Raises StartupError."""
    one = _loaded(name, sections.get(name, {}))
    parts = _built(one, ports, link)
    if isinstance(parts, str):
        raise StartupError(f"[plugins.{name}] {parts}")
    return parts


class Host:
    """Those that are switched on. Building them imports what they need; nothing runs yet."""

    def __init__(
        self,
        sections: Sections,
        ports: Ports,
        health: Health,
        rng: random.Random,
    ) -> None:
        self._clock = ports.clock
        self._health = health
        self._rng = rng
        self._parts: dict[str, Parts] = {}
        for one in wanted(sections):
            link = health.link(LINK.format(one.name))
            parts = _built(one, ports, link)
            if isinstance(parts, Parts):
                self._parts[one.name] = parts
            else:
                link.down(parts)
                log.error("plugin.not_started", plugin=one.name, error=parts)

    def add_to(self, app: web.Application, gate: Gate) -> None:
        """Their routes, and what ends their streams."""
        for name, parts in self._parts.items():
            for mount in parts.mounts:
                path = mount.path if mount.path in LENT.get(name, ()) else f"/plugins/{name}{mount.path}"
                app.router.add_route(
                    mount.method, path, mount.handler if mount.scope is None else _guarded(mount, mount.scope, gate)
                )
            if parts.end is not None:
                app.on_shutdown.append(partial(_ended, parts.end))

    def start(self) -> list[asyncio.Task[None]]:
        return [
            asyncio.create_task(self._kept(LINK.format(name), parts.run), name=LINK.format(name))
            for name, parts in self._parts.items()
        ]

    async def _kept(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        link = self._health.link(name)
        breaker = _Breaker(run, link, self._clock)
        await keep_running(breaker.run, link, clock=self._clock, rng=self._rng)


class _Breaker:
    """Gives up on a plugin that crashes again and again, and says so. One that cannot reach somebody has not crashed."""

    def __init__(self, run: Callable[[], Awaitable[None]], link: Link, clock: Clock) -> None:
        self._run = run
        self._link = link
        self._clock = clock
        self._crashed_s: list[float] = []

    async def run(self) -> None:
        try:
            await self._run()
        except Unavailable:
            raise
        except Exception as exc:
            now_s = self._clock.monotonic()
            self._crashed_s = [at_s for at_s in self._crashed_s if now_s - at_s < CRASHES_S] + [now_s]
            if len(self._crashed_s) < CRASHES_MAX:
                raise
            log.exception("plugin.given_up", link=self._link.name)
            why = f"it failed {CRASHES_MAX} times within {CRASHES_S / 60:.0f} minutes and is not started again"
            self._link.down(f"{why}: {type(exc).__name__}: {exc}. Restart the gateway once that is mended")


def _built(one: Loaded, ports: Ports, link: Link) -> Parts | str:
    """The plugin, or why there is none."""
    if one.plugin is None or one.config is None:
        return one.error or "it cannot be loaded"
    try:
        return one.plugin.build(ports.context(one.name, one.config, link))
    except ImportError as exc:
        return f"a package is missing ({exc}): install eryxon-gateway[all]"
    except Exception as exc:
        log.exception("plugin.not_built", plugin=one.name)
        return f"{type(exc).__name__}: {exc}"


def _guarded(mount: Mount, scope: Scope, gate: Gate) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        caller = await gate.caller(request, {})
        caller.require(scope)
        return await mount.handler(request)

    return handle


async def _ended(end: Callable[[], None], _app: web.Application) -> None:
    end()
