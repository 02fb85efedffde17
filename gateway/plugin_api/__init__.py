"""All that a plugin may touch. A plugin imports this module and nothing else of ours.

It declares, the host calls: `plugin = Plugin(Config, build)`. `build` is called once, only when `[plugins.<name>] enabled` is
true, so a heavy library is imported there. What it returns runs in this process, supervised: a failure ends and restarts the plugin
alone. There is no database handle and there are no secrets here: a plugin reads and changes what any client of the REST API
can read and change, through the same routes, rules and receipts. It is trusted code all the same: nothing in our process is
out of its reach, and while it does not let go of the event loop nobody else runs.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from gateway.kernel.clock import Clock
from gateway.kernel.disk import write_whole
from gateway.kernel.errors import GatewayError, Refused, StartupError, TooFast, Unauthorized, Unavailable
from gateway.kernel.health import Link
from gateway.kernel.supervise import first
from gateway.mcp_keys.model import ALL, Agent, Usage
from gateway.plugin_api.readings import Machines, Quality, Reading, Refusal, Source, Sources
from gateway.values import Duration, Names, Port
from gateway.web.fields import Field
from gateway.web.inside import Outcome
from gateway.web.routes import Caller, Scope

__all__ = [
    "ALL",
    "VERSION",
    "Agent",
    "Agents",
    "Api",
    "Caller",
    "Clock",
    "Config",
    "Context",
    "Duration",
    "Event",
    "Field",
    "GatewayError",
    "Journal",
    "Link",
    "Machines",
    "Mount",
    "Names",
    "Outcome",
    "Parts",
    "Plugin",
    "Port",
    "Quality",
    "Reading",
    "Refusal",
    "Refused",
    "Request",
    "Scope",
    "Source",
    "Sources",
    "StartupError",
    "TooFast",
    "Unauthorized",
    "Unavailable",
    "Upload",
    "Usage",
    "first",
    "write_whole",
]

VERSION = 1  # of this interface; a plugin says which one it was written for

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Config(BaseModel):
    """The base of a plugin's settings: unknown keys are errors, nothing is changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is no JSON, for a route that takes such a type: `text/csv`."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the REST API, or of a report (`GET /reports/<name>`).

    `key` is its Idempotency-Key: the same call with the same key is carried out once. `occurred_at`: when it happened, for a
    route that asks for that and a body that does not say. `upload` instead of `body`.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    key: str | None = None
    occurred_at: str | None = None
    upload: Upload | None = None


class Api(Protocol):
    """The REST API without HTTP."""

    def fields(self, method: str, path: str) -> Mapping[str, Field]:
        """What a route takes, by name. Raises NotFound."""
        ...

    async def call(self, request: Request, caller: Caller) -> Outcome:
        """Whatever goes wrong is an answer, too: the error envelope. Nobody may more than a planner, whatever his scope."""
        ...


class Agents(Protocol):
    """Who comes to call tools: with an MCP key, or with a REST key for those that only read."""

    async def identify(self, authorization: str | None, source: str) -> Agent:
        """`source` is the address that it came from. Raises Unauthorized, TooFast; Unavailable when nobody can tell."""
        ...

    def take(self, agent: Agent) -> None:
        """One call of a tool. Raises TooFast."""
        ...

    async def used(self, usage: Usage) -> None:
        """Put a call into the usage log; secrets among its arguments are blacked out."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the journal: what happened, and which rows it touched. `id` is the same however often it is told.

    `type` and `data` are None for changes that have no name. `changes`: `{"table", "id", "op", "version", "fields"}` of each row.
    `lane`: `job:<id>`, or `<table>:<id>` outside a job. `origin`: the id of a gateway, or `cloud`. Instants are ISO 8601 in UTC.
    """

    seq: int
    id: str
    lane: str
    type: str | None
    origin: str
    occurred_at: str
    recorded_at: str
    data: Mapping[str, Any] | None
    changes: Sequence[Mapping[str, Any]]


class Journal(Protocol):
    """For a live view: what happens from now on. What must not be missed comes by `Parts.on_events`."""

    async def head(self) -> int:
        """The `seq` of the last event; 0 in an empty journal."""
        ...

    def tail(self, since: int) -> AsyncIterator[Sequence[Event]]:
        """Everything that comes after `since`, for ever, a page at a time; nobody remembers how far a plugin has read."""
        ...


C = TypeVar("C", bound=Config)


@dataclass(frozen=True, slots=True)
class Context(Generic[C]):
    """What a plugin gets. `link` is its entry in /healthz (`plugin:<name>`): `up()` once it works, `down(why)`, `degraded(why)`;
    what people want to know goes into `link.facts`, and numbers of it into /metrics too.

    `caller` is the plugin itself, for its calls of the API; `folder` is its own, for what it has to remember.
    `machines`, `journal`: None where no gateway runs (`Parts.stdio`).
    """

    config: C
    api: Api
    agents: Agents
    clock: Clock
    link: Link
    gateway_version: str
    caller: Caller
    folder: Path
    machines: Machines | None = None
    journal: Journal | None = None


@dataclass(frozen=True, slots=True)
class Mount:
    """A route of a plugin: `/plugins/<name>` + path. A key with `scope` is asked for; None: the plugin checks who it is."""

    method: str  # `*` for any
    path: str
    handler: Handler
    scope: Scope | None = Scope.READ


@dataclass(frozen=True, slots=True)
class Parts:
    """What a plugin consists of.

    `run` is supervised: it raises Unavailable when the other side cannot be reached and is called again, sooner or later.
    `end` is called when the gateway stops: streams that are open close then. `stdio` serves a program that has started us on
    stdin and stdout (`eryxon-gateway mcp`), until that has had enough.

    `on_events` gets what happens, at least once and in order, up to 100 at a time; one call at a time. When it raises Unavailable
    the same ones come again, after a pause. When it raises Refused they come again one by one, and the one that is refused alone is
    set aside for people (`queue list`). `events`: the types it wants, `*` and `job.*` among them; None: every change, also those
    without a name. Its place in the journal is kept: it begins at the end, and goes on where it was.
    """

    run: Callable[[], Awaitable[None]] | None = None
    mounts: tuple[Mount, ...] = ()
    end: Callable[[], None] | None = None
    stdio: Callable[[Agent], Awaitable[None]] | None = None
    on_events: Callable[[Sequence[Event]], Awaitable[None]] | None = None
    events: tuple[str, ...] | None = ("*",)


@dataclass(frozen=True, slots=True)
class Plugin(Generic[C]):
    """`tools`: what keys of agents can be held to, name -> does it only read?

    `verbs`: what the command line does in the folder of a shipped plugin, whether the gateway runs or not: name -> function of the
    folder, which may have to be made, and arguments by name. It raises StartupError.
    """

    config: type[C]
    build: Callable[[Context[C]], Parts]
    version: int = VERSION
    tools: Mapping[str, bool] = field(default_factory=dict)
    verbs: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
