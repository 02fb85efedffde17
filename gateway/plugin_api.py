"""All that a plugin may touch. A plugin imports this module and nothing else of ours.

It declares, the host calls: `plugin = Plugin(Config, build)`. `build` is called once, only when `[plugins.<name>] enabled` is
true, so a heavy library is imported there. What it returns runs in this process, supervised: a failure ends and restarts the plugin
alone. There is no database handle and there are no secrets here: a plugin reads and changes what any client of the REST API
can read and change, through the same routes, rules and receipts.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from gateway.kernel.clock import Clock
from gateway.kernel.disk import write_whole
from gateway.kernel.errors import GatewayError, StartupError, TooFast, Unauthorized, Unavailable
from gateway.kernel.health import Link
from gateway.kernel.supervise import first
from gateway.mcp_keys.model import ALL, Agent, Usage
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
    "Entry",
    "Field",
    "GatewayError",
    "Journal",
    "Link",
    "Mount",
    "Outcome",
    "Parts",
    "Plugin",
    "Request",
    "Scope",
    "StartupError",
    "TooFast",
    "Unauthorized",
    "Unavailable",
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
class Request:
    """One call of the REST API, or of a report (`GET /reports/<name>`).

    `key` is its Idempotency-Key: the same call with the same key is carried out once. `occurred_at`: when it happened, for a
    route that asks for that and a body that does not say.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    key: str | None = None
    occurred_at: str | None = None


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
class Entry:
    """What stands in the journal: what happened, and the rows that it touched.

    `type` and `data` are None for what has no name. `lane`: `job:<id>`, or `<table>:<id>` outside a job. A change has `table`, `id`
    and `op` (insert, update, delete).
    """

    seq: int
    lane: str
    type: str | None
    occurred_at: str
    data: Mapping[str, Any] | None
    changes: Sequence[Mapping[str, Any]]


class Journal(Protocol):
    """Everything that happens here, in order."""

    async def head(self) -> int:
        """The `seq` of the last entry; 0 in an empty journal."""
        ...

    def tail(self, since: int) -> AsyncIterator[Sequence[Entry]]:
        """Pages of what comes after `since`, for ever; nobody remembers how far a plugin has read."""
        ...


C = TypeVar("C", bound=Config)


@dataclass(frozen=True, slots=True)
class Context(Generic[C]):
    """What a plugin gets. `link` is its entry in /healthz (`plugin:<name>`): `up()` once it works, `down(why)`, `degraded(why)`;
    numbers for people go into `link.facts`. `folder` is the plugin's own in the data folder; it may have to be made.
    """

    config: C
    api: Api
    agents: Agents
    journal: Journal
    clock: Clock
    link: Link
    folder: Path
    gateway_version: str


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
    """

    run: Callable[[], Awaitable[None]]
    mounts: tuple[Mount, ...] = ()
    end: Callable[[], None] | None = None
    stdio: Callable[[Agent], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Plugin(Generic[C]):
    """`tools`: what keys of agents can be held to, name -> does it only read?

    `verbs`: what the command line does in the plugin's folder, whether the gateway runs or not, name -> function of the folder
    and arguments by name; it raises StartupError.
    """

    config: type[C]
    build: Callable[[Context[C]], Parts]
    version: int = VERSION
    tools: Mapping[str, bool] = field(default_factory=dict)
    verbs: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
