"""Loads plugins, checks their settings, runs them. One that fails touches neither another nor the core."""

import asyncio
import difflib
import json
import os
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
from gateway.kernel.db import Database
from gateway.kernel.errors import Invalid, NotFound, StartupError, Unavailable
from gateway.kernel.following import followed
from gateway.kernel.health import Health, Link
from gateway.kernel.secrets import is_sealed
from gateway.kernel.stalls import Stall, Stalls
from gateway.kernel.supervise import stop
from gateway.plugin_api import ALL, Agents, Api, Caller, Config, Context, Handler, Machines, Mount, Parts, Plugin
from gateway.plugin_host.reader import LocalJournal, PluginReader
from gateway.plugin_host.runs import Supervised, remembering
from gateway.plugin_host.sources import Sources, shipped
from gateway.web.gate import Gate
from gateway.web.routes import Scope

LINK = "plugin:{}"  # in /healthz
LENT = {"mcp_server": frozenset({"/mcp"})}  # root paths that a plugin may have
APART = frozenset().union(*LENT.values())  # what answers there has lists of its own of who may call it
FOLDER = "plugins"  # in the data folder: one for each plugin
STOP_MAX_S = 3.0  # in which all have to end, what they left behind too
SEALED = "a secret of it is sealed and does not open here: `eryxon-gateway config check` says which, and the way out"
STALL_TOLD_S = 600.0  # that a plugin kept the loop makes the whole degraded for so long

log = structlog.get_logger(__name__)

Sections = Mapping[str, Mapping[str, Any]]  # [plugins.<name>]


@dataclass(frozen=True, slots=True)
class Loaded:
    """One that is wanted, and its settings; `error`: why it cannot run."""

    name: str
    plugin: Plugin[Any] | None = None
    config: Config | None = None
    error: str | None = None


def wanted(sections: Sections, plugins_dir: Path | None = None) -> list[Loaded]:
    """All that are switched on, and those of which nobody can tell."""
    return _loaded_of(sections, Sources(plugins_dir)) if _any(sections) else []


def check(sections: Sections, plugins_dir: Path | None = None) -> None:
    """Raises StartupError, one line for each plugin whose settings are wrong."""
    sources = Sources(plugins_dir)
    found = _loaded_of(sections, sources)
    wrong = [f"[plugins.{one.name}] {one.error}" for one in found if one.error and one.error != SEALED]
    if told := sources.problem():
        wrong.insert(0, told)
    if wrong:
        raise StartupError("\n".join(wrong))


def listed(
    sections: Sections, links: Mapping[str, Mapping[str, Any]], plugins_dir: Path | None = None
) -> list[dict[str, Any]]:
    """All that there are and all with settings. `links`: those of /healthz, none while the gateway does not run."""
    sources = Sources(plugins_dir)
    errors = {one.name: one.error for one in _loaded_of(sections, sources)}
    found = []
    for name in sorted({*sources, *sections}):
        error = errors.get(name)
        link = links.get(LINK.format(name), {"state": "down" if error else "off", "error": error})
        told = {"state": link["state"], "error": link["error"], "since": link.get("since")}
        found.append({"name": name, "enabled": name in errors, "origin": sources.origin(name), **told})
    return found


def allowed_tools(names: Sequence[str] | None) -> tuple[str, ...]:
    """The tools of all shipped plugins with these names; None: those that only read. Raises Invalid for one that there is not."""
    tools: dict[str, bool] = {}
    sources = Sources(None)
    for name in shipped():
        tools |= sources.plugin(name).tools
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


def built(
    name: str, sections: Sections, api: Api, agents: Agents, clock: Clock, link: Link, version: str, data: Path
) -> Parts:
    """One alone, switched on or not, for a command that needs it. Raises StartupError."""
    one = _loaded(name, sections.get(name, {}), Sources(None))
    given = partial(Context, api=api, agents=agents, clock=clock, link=link, gateway_version=version)
    parts = _built(one, given, data)
    if isinstance(parts, str):
        raise StartupError(f"[plugins.{name}] {parts}")
    return parts


def carry_out(name: str, verb: str, data: Path, /, **given: Any) -> Any:
    """A verb of a shipped plugin, in its folder. `data`: the gateway's data folder. Raises StartupError."""
    return Sources(None).plugin(name).verbs[verb](data / FOLDER / name, **given)


# ------------------------------------------------------------------ settings


def _any(sections: Sections) -> bool:
    return any(_on(section) for section in sections.values())


def _on(section: Mapping[str, Any]) -> bool:
    return section.get("enabled", False) is not False


def _loaded_of(sections: Sections, sources: Sources) -> list[Loaded]:
    return [_loaded(name, section, sources) for name, section in sections.items() if _on(section)]


def _loaded(name: str, section: Mapping[str, Any], sources: Sources) -> Loaded:
    if section.get("enabled", True) is not True:
        return Loaded(name, error=f"enabled = {json.dumps(section['enabled'], default=str)}: true or false is wanted")
    if _sealed(section):
        return Loaded(name, error=SEALED)
    given = {key: value for key, value in section.items() if key != "enabled"}
    try:
        plugin = sources.plugin(name)
        return Loaded(name, plugin, plugin.config.model_validate(given))
    except (NotFound, StartupError) as exc:
        return Loaded(name, error=exc.message)
    except ValidationError as exc:
        return Loaded(name, error="; ".join(_wrong(plugin, error) for error in exc.errors(include_url=False)))
    except (Exception, SystemExit) as exc:
        log.exception("plugin.not_loaded", plugin=name)
        return Loaded(name, error=f"it cannot be loaded: {type(exc).__name__}: {exc}")


def _sealed(value: Any) -> bool:
    """A secret that is sealed and does not open here is none: nothing is sent anywhere in its place."""
    if isinstance(value, Mapping):
        return any(map(_sealed, value.values()))
    return any(map(_sealed, value)) if isinstance(value, list | tuple) else isinstance(value, str) and is_sealed(value)


def _wrong(plugin: Plugin[Any], error: Mapping[str, Any]) -> str:
    key = ".".join(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"unknown key {key}; known here: {', '.join(['enabled', *plugin.config.model_fields])}"
    return f"{key}: {str(error['msg']).removeprefix('Value error, ')}"


# ------------------------------------------------------------------ at work


class Host:
    """Those that are switched on. Building them imports what they need; nothing runs yet."""

    def __init__(
        self,
        sections: Sections,
        api: Api,
        agents: Agents,
        clock: Clock,
        health: Health,
        rng: random.Random,
        version: str,
        db: Database,
        data: Path,
        plugins_dir: Path | None,
        machines: Callable[[str], Machines],
    ) -> None:
        self._clock = clock
        self._health = health
        self._rng = rng
        self._db = db
        self._parts: dict[str, Parts] = {}
        self._works: dict[str, Supervised] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}  # name -> its work, while this runs
        self._one_restart = asyncio.Lock()
        self._wanted: list[str] = []
        self._roots: dict[str, Path] = {}  # name -> folder or file of its code
        self._stalled: dict[str, tuple[float, str]] = {}  # name -> until when it is told, what
        if not _any(sections):
            return
        sources, journal = Sources(plugins_dir), LocalJournal(db)
        health.watch(sources.problem)
        health.watch(self._problem)
        for one in _loaded_of(sections, sources):
            self._wanted.append(one.name)
            link = health.link(LINK.format(one.name))
            given = partial(Context, api=api, agents=agents, clock=clock, link=link, gateway_version=version)
            parts = _built(one, partial(given, machines=machines(one.name), journal=journal), data)
            if isinstance(parts, Parts):
                self._parts[one.name] = parts
                self._works[one.name] = Supervised(one.name, self._runs(parts, link), link, clock, rng)
                self._roots[one.name] = sources.root(one.name)
            else:
                link.down(parts)
                log.error("plugin.not_started", plugin=one.name, error=parts)

    def _runs(self, parts: Parts, link: Link) -> list[Callable[[], Awaitable[None]]]:
        runs = [] if parts.run is None else [parts.run]
        if parts.on_events is not None:
            given = (parts.on_events, parts.events, self._db, self._clock, link)
            runs.append(PluginReader(*given, alone=parts.run is None).run)
        return runs

    def add_to(self, app: web.Application, gate: Gate) -> None:
        """Their routes, and what ends their streams."""
        for name, parts in self._parts.items():
            for mount in parts.mounts:
                path = _path(name, mount)
                handler = self._works[name].handler(mount.handler)
                app.router.add_route(
                    mount.method, path, handler if mount.scope is None else _guarded(handler, mount.scope, gate)
                )
            if parts.end is not None:
                app.on_shutdown.append(partial(_ended, name, parts.end))

    async def run(self) -> None:
        """All of them, until this is cancelled: then each has ended, and all that it has begun."""
        if not self._works:
            return
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()
        loop.set_task_factory(remembering)
        self._tasks = {name: self._begun(name) for name in self._works}
        watch = asyncio.create_task(Stalls(self._whose, self._over).run(), name="loop-watch")
        try:
            await asyncio.Event().wait()  # for ever: one that has ended may be started again
        finally:
            tasks, self._tasks = self._tasks, {}
            await asyncio.gather(*(stop(task, within_s=STOP_MAX_S) for task in (watch, *tasks.values())))
            loop.set_task_factory(before)

    def _begun(self, name: str) -> asyncio.Task[None]:
        with followed(None):  # whoever asked for it: what the plugin does from now on is not his request
            return asyncio.create_task(self._works[name].run(), name=LINK.format(name))

    async def restart(self, name: str) -> None:
        """Its work is ended, with all that it has begun, and begins anew, also when it was given up; the code and the settings are
        those that the gateway was started with. Raises NotFound; Unavailable when it never started or does not end.
        """
        if name not in self._wanted:
            raise NotFound(f'no plugin "{name}" is switched on; those that are: {", ".join(self._wanted) or "none"}')
        link = self._health.link(LINK.format(name))
        if name not in self._works:
            raise Unavailable(f"{name} cannot be started ({link.error}): restart the gateway once that is mended")
        async with self._one_restart:
            if (task := self._tasks.get(name)) is None:
                raise Unavailable("plugins are not at work now: the gateway is about to begin, or to end")
            await stop(task, within_s=STOP_MAX_S)
            if not task.done():
                raise Unavailable(f"{name} does not end within {STOP_MAX_S:.0f} s: restart the gateway")
            link.anew()
            self._tasks[name] = self._begun(name)
        log.info("plugin.restarted", plugin=name)

    # ------------------------------------------------------------------ who keeps the loop

    def _whose(self, file: str) -> str | None:
        for name, root in self._roots.items():
            if file == str(root) or file.startswith(f"{root}{os.sep}"):
                return name
        return None

    def _over(self, stall: Stall) -> None:
        if stall.owner is None:
            return
        link = self._health.link(LINK.format(stall.owner))
        told = f"it kept everything else waiting for {stall.lasted_s:.1f} s, at {stall.place}"
        link.facts["stalls"] = link.facts.get("stalls", 0) + 1
        link.facts["stalled_at"] = stall.place
        link.degraded(told)
        self._stalled[stall.owner] = (self._clock.monotonic() + STALL_TOLD_S, told)

    def _problem(self) -> str | None:
        now_s = self._clock.monotonic()
        told = [f"plugin {name}: {what}" for name, (until_s, what) in self._stalled.items() if until_s > now_s]
        return "; ".join(told) or None


def _built(one: Loaded, context: Callable[..., Context[Any]], data: Path) -> Parts | str:
    """The plugin, or why there is none. `data`: the gateway's data folder."""
    if one.plugin is None or one.config is None:
        return one.error or "it cannot be loaded"
    try:
        caller = Caller(LINK.format(one.name), one.name, Scope.PLAN)
        parts = one.plugin.build(context(one.config, caller=caller, folder=_folder(data, one.name)))
        if not isinstance(parts, Parts):
            return f"its build returned {type(parts).__name__}: Parts are wanted"
        _check_routes(one.name, parts)
    except ImportError as exc:
        return f"a package is missing ({exc}): install {'eryxon-gateway[all]' if one.name in shipped() else 'it'}"
    except (Exception, SystemExit) as exc:
        log.exception("plugin.not_built", plugin=one.name)
        return f"{type(exc).__name__}: {exc}"
    return parts


def _path(name: str, mount: Mount) -> str:
    return mount.path if mount.path in LENT.get(name, ()) else f"/plugins/{name}{mount.path}"


def _check_routes(name: str, parts: Parts) -> None:
    """Raises what the router would: later that would be the whole gateway's error."""
    router = web.UrlDispatcher()
    for mount in parts.mounts:
        if not mount.path.startswith("/"):
            raise ValueError(f'the path of its route, "{mount.path}", does not begin with a /')
        router.add_route(mount.method, _path(name, mount), _nowhere)


async def _nowhere(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound


def _folder(data: Path, name: str) -> Path:
    """Of its own, for nobody else's eyes."""
    folder = data / FOLDER / name
    for one in (data, folder.parent, folder):
        one.mkdir(mode=0o700, exist_ok=True)
    return folder


def _guarded(handler: Handler, scope: Scope, gate: Gate) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        caller = await gate.caller(request, {})
        caller.require(scope)
        return await handler(request)

    return handle


async def _ended(name: str, end: Callable[[], None], _app: web.Application) -> None:
    try:
        end()
    except Exception:
        log.exception("plugin.not_ended", plugin=name)
