"""What the verbs work on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.configuration import Configuration
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.ids import NewId
from gateway.kernel.logs import Tail
from gateway.mcp_keys.keys import McpKeys
from gateway.ops.switch import Switch
from gateway.settings import Settings
from gateway.terminals.pairing import Terminals
from gateway.uns.door import Door
from gateway.web.auth import Keys
from gateway.web.routes import Caller, Scope

if TYPE_CHECKING:  # what is looked at is imported by who looks
    from gateway.repairs.facts import Broker

CALLER = Caller("admin.sock", "admin socket", Scope.ADMIN)

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Box:
    """`status` tells what `/healthz` does; `call` carries out a call of the REST API, see `plugin_host.ports.carried_out`.
    `restart` a plugin: NotRunning where none is at work. `broker_door` tells what stands at the broker's address; `tail` holds
    the log of a gateway that runs; `scrape` tells what /metrics does; `by` is who asks.
    """

    settings: Settings
    db: Database
    keys: Keys
    clock: Clock
    new_id: NewId
    status: Callable[[], Awaitable[dict[str, Any]]]
    door: Door
    mcp_keys: McpKeys
    terminals: Terminals
    call: Callable[[Arguments], Awaitable[dict[str, Any]]]
    restart: Callable[[str], Awaitable[None]]
    configuration: Configuration
    switch: Switch
    broker_door: "Callable[[], Awaitable[Broker | None]]"
    tail: Tail | None = None
    scrape: Callable[[], Awaitable[tuple[bytes, str]]] | None = None
    by: Caller = CALLER
