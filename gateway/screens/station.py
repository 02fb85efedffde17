"""What stands behind the terminals' pages, put together once for whoever serves them."""

from dataclasses import dataclass
from pathlib import Path

from gateway.files.blobs import Blobs
from gateway.files.commands import FileCommands, Sizes
from gateway.files.pages import Pages
from gateway.files.signing import Signing
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.ids import NewId
from gateway.kernel.secrets import Secrets
from gateway.sections import Settings
from gateway.terminals.commands import TerminalCommands
from gateway.terminals.model import Policy
from gateway.terminals.pairing import Terminals
from gateway.terminals.photos import Photos
from gateway.terminals.pins import Pins
from gateway.terminals.sessions import Sessions

PAGES = Path("cache") / "pages"  # in the data folder


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
    photos: Photos
    blobs: Blobs
    pages: Pages


def station(
    settings: Settings, db: Database, clock: Clock, new_id: NewId, terminals: Terminals, blobs: Blobs
) -> Station:
    policy = policy_of(settings)
    box = Secrets(settings.data_dir, settings.credentials)
    pins = Pins(db, clock, box)
    sessions = Sessions(db, clock, new_id, pins, policy)
    made = (db, clock, new_id, settings.gateway.id)
    sizes = Sizes(settings.limits.image_bytes, settings.limits.upload_bytes)
    photos = Photos(db, FileCommands(*made, blobs, Signing(box), sizes), policy)
    papers = (photos, blobs, Pages(blobs, settings.data_dir / PAGES))
    commands = TerminalCommands(*made, policy)
    return Station(settings.gateway.id, db, clock, policy, terminals, pins, sessions, commands, *papers)


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
        said.pedal_key,
    )
