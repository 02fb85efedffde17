"""What stands behind the terminals' pages, put together once for whoever serves them."""

from dataclasses import dataclass

from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.ids import NewId
from gateway.kernel.secrets import Secrets
from gateway.sections import Settings
from gateway.terminals.commands import TerminalCommands
from gateway.terminals.model import Policy
from gateway.terminals.pairing import Terminals
from gateway.terminals.pins import Pins
from gateway.terminals.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Station:
    """`gateway_id` is how the gateway is called."""

    gateway_id: str
    db: Database
    clock: Clock
    policy: Policy
    terminals: Terminals
    pins: Pins
    sessions: Sessions
    commands: TerminalCommands


def station(settings: Settings, db: Database, clock: Clock, new_id: NewId, terminals: Terminals) -> Station:
    policy = policy_of(settings)
    pins = Pins(db, clock, Secrets(settings.data_dir))
    sessions = Sessions(db, clock, new_id, pins, policy)
    commands = TerminalCommands(db, clock, new_id, settings.gateway.id, policy)
    return Station(settings.gateway.id, db, clock, policy, terminals, pins, sessions, commands)


def policy_of(settings: Settings) -> Policy:
    said = settings.terminal
    return Policy(
        said.badge_only,
        said.lock_after,
        said.own_cell_only,
        said.join,
        said.start_anyway,
        said.work_modes,
        said.checklist_required,
    )
