"""What the process and the disk are like, as metrics."""

import platform
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.backups.store import newest
from gateway.kernel.connection import wal_bytes
from gateway.kernel.errors import StartupError
from gateway.kernel.room import Room, Use
from gateway.kernel.tally import Tally
from gateway.metrics.family import Labels, family, histogram, single
from gateway.settings import Settings
from gateway.tls import Tls, ends

_BALLAST = "ballast"


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted since the start, as it is at one moment."""

    requests: Sequence[tuple[Labels, float]]
    requests_took: Sequence[tuple[Labels, Tally]]
    commits: int
    commits_took: Tally
    waiting: int  # commands, for the writer
    loop_lag: Tally


def told(report: Mapping[str, Any], ready: str | None) -> Iterator[Any]:
    """What /healthz and /readyz say."""
    versions = {"version": report["version"], "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    about = {"gateway": report["gateway"], **versions}
    yield family("gateway_info", "Which gateway this is.", (*about,), [((*about.values(),), 1.0)])
    yield single("gateway_healthy", "1 while nothing of our own is wrong.", report["status"] == "ok")
    yield single("gateway_problems", "How many things of our own are wrong.", len(report.get("problems", ())))
    yield single("gateway_ready", "1 while a durable write is possible.", ready is None)
    yield single("gateway_disk_full", "1 while there is no room for a write.", ready == "full")
    yield single("gateway_epoch", "Grows with every restore and clone.", report["epoch"])
    yield single("gateway_journal_head", "Number of the newest journal entry.", report["journal_head"])
    yield single("gateway_clock_trusted", "1 while the clock shows a possible time.", report["clock_trusted"])


def counted(since: Counted) -> Iterator[Any]:
    names = ("route", "method", "status")
    yield family("gateway_http_requests_total", "Requests that were answered.", names, since.requests)
    about = "How long an answer took; those that are streamed are not timed."
    yield histogram("gateway_http_request_duration_seconds", about, ("route",), since.requests_took)
    yield single("gateway_database_commits_total", "Groups of commands that changed something.", since.commits)
    about = "How long a group of commands took in the writer, its fsync included."
    yield histogram("gateway_database_commit_duration_seconds", about, (), [((), since.commits_took)])
    yield single("gateway_database_commands_waiting", "Commands that wait for the writer.", since.waiting)
    about = "How much later than asked for the event loop came back."
    yield histogram("gateway_event_loop_lag_seconds", about, (), [((), since.loop_lag)])


def on_disk(settings: Settings, database: Path, room: Room) -> Iterator[Any]:
    """Reads files: not on the event loop."""
    folder = settings.data_dir
    usage = shutil.disk_usage(folder)
    yield single("gateway_disk_size_bytes", "Size of the disk with the data folder.", usage.total)
    yield single("gateway_disk_free_bytes", "Room on that disk that the gateway may use.", usage.free)
    refused = [((use.name.lower(),), float(not room.admits(use))) for use in Use]
    yield family("gateway_disk_refused", "1 while the disk is too full for this class of writes.", ("class",), refused)
    yield single("gateway_ballast_bytes", "Kept back for the journal; 0 while it is in use.", _size(folder / _BALLAST))
    yield single("gateway_database_size_bytes", "Size of the database, its WAL apart.", _size(database))
    yield single("gateway_wal_size_bytes", "Size of the WAL.", wal_bytes(database))
    last = newest(settings)
    at = 0.0 if last is None else last.timestamp()
    yield single("gateway_backup_timestamp_seconds", "When the last backup was made; 0: never.", at)
    about = "When a certificate that is served with ends."
    yield family("gateway_certificate_expiry_timestamp_seconds", about, ("certificate",), _ends(settings))


def _ends(settings: Settings) -> Iterator[tuple[tuple[str, ...], float]]:
    for file in Tls(settings.data_dir).files(settings.http.tls_cert):
        try:
            yield (file.name,), ends(file).timestamp()
        except StartupError:
            yield (file.name,), 0.0  # nobody can be served with it


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
