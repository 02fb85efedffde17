"""What the checks look at, and how the machine is asked. Everything is measured before anything is judged."""

import os
import resource
import shutil
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.backups.store import newest
from gateway.kernel.disk import Ballast
from gateway.kernel.memory import taken_bytes
from gateway.repairs.rows import Rows
from gateway.settings import Settings, program
from gateway.updates import note

OWN_ONLY = 0o077  # what nobody but the owner may
FILES_LOOKED_AT_MAX = 1_000
FIRST_KEY = "first-admin-key"  # a file in the data folder, for its owner only
_MEMORY = Path("/proc/meminfo")
_OPEN = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Folder:
    """The data folder. `strangers`: files in it of another owner; `open_to`: how its mode lets others in, None when not; `update`:
    when one was begun that is neither confirmed nor rolled back.
    """

    there: bool = True
    writable: bool = True
    open_to: str | None = None
    strangers: tuple[str, ...] = ()
    ballast: bool = True
    first_key: bool = False
    newest_backup: datetime | None = None
    update: datetime | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """The gateway that runs. Memory in bytes."""

    files_open: int
    files_max: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Machine:
    """None: it does not tell."""

    free_bytes: int
    total_bytes: int
    folder: Folder
    memory_free_bytes: int | None = None
    process: Process | None = None
    python: tuple[int, ...] = field(default_factory=lambda: tuple(sys.version_info[:3]))
    sqlite: tuple[int, ...] = field(default_factory=lambda: tuple(sqlite3.sqlite_version_info))
    mosquitto: str | None = None


@dataclass(frozen=True, slots=True)
class Broker:
    """What stands at the broker's address. `reached`: somebody speaks MQTT there; `anonymous`: he lets everybody in; `on_lan`: he
    can be reached from other machines; `error`: why it could not be used.
    """

    reached: bool = False
    anonymous: bool = False
    on_lan: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """`told`: what people should know of it, None when it is good for long. `ends` None: it cannot be read."""

    file: Path
    ends: datetime | None
    told: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """`report`: what /healthz tells, None while the gateway is stopped; `rows`: None without a database of this version;
    `damage`: what is wrong with the file itself; `service`: why a gateway that runs does not answer; `config`: what is wrong
    with the file of the settings; `restart`: keys in it that only a restart brings; `clear`: secrets in it that
    are not sealed; `instead`: why another file is in force.
    """

    settings: Settings
    now: datetime
    machine: Machine
    rows: Rows | None = None
    report: Mapping[str, Any] | None = None
    broker: Broker | None = None
    certificates: tuple[Certificate, ...] = ()
    damage: str | None = None
    service: str | None = None
    config: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    instead: str | None = None
    clear: tuple[str, ...] = ()
    links: Mapping[str, Mapping[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "links", (self.report or {}).get("links", {}))


def machine(settings: Settings, *, served: bool) -> Machine:
    """`served`: this process is the gateway that runs. Reads files: beside the event loop."""
    folder = settings.data_dir
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    return Machine(
        *_disk(nearest),
        _folder(settings, nearest),
        _memory_free_bytes(),
        _process() if served else None,
        mosquitto=program("mosquitto"),
    )


def _disk(folder: Path) -> tuple[int, int]:
    told = shutil.disk_usage(folder)
    return told.free, told.total


def _folder(settings: Settings, nearest: Path) -> Folder:
    folder = settings.data_dir
    writable = os.access(nearest, os.W_OK | os.X_OK)
    if not folder.is_dir():
        return Folder(there=False, writable=writable and nearest.is_dir(), ballast=False)
    about = folder.stat()
    mode = about.st_mode & 0o777
    return Folder(
        writable=writable,
        open_to=f"{mode:o}" if mode & OWN_ONLY else None,
        strangers=_strangers(folder, about.st_uid),
        ballast=Ballast(folder).held,
        first_key=(folder / FIRST_KEY).exists(),
        newest_backup=newest(settings),
        update=note.open_since(folder),
    )


def _strangers(folder: Path, owner: int) -> tuple[str, ...]:
    """What a command that ran as somebody else has left: the gateway could not write it."""
    found = []
    with os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count >= FILES_LOOKED_AT_MAX:
                break
            if entry.stat(follow_symlinks=False).st_uid != owner:
                found.append(entry.name)
    return tuple(sorted(found))


def _memory_free_bytes() -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _process() -> Process:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Process(sum(1 for _ in _OPEN.iterdir()), soft, taken_bytes())
