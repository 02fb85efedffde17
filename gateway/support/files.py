"""The files of a support bundle."""

import asyncio
import io
import json
import os
import platform
import sqlite3
import sys
import traceback
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.kernel.migrate import SET, steps
from gateway.settings import Settings
from gateway.support import redaction
from gateway.support.redaction import Scrub

CONTENTS = "contents.txt"
ABOUT = {
    "config.json": "every setting in force; secrets and names of users hidden",
    "versions.json": "gateway, Python, SQLite, operating system, installed packages",
    "doctor.json": "what `eryxon-gateway doctor` finds",
    "health.json": "what /healthz tells",
    "metrics.txt": "what /metrics tells",
    "log.jsonl": "the newest lines of the log, at most 2,000, or where it is to be found",
    "schema.sql": "tables and indexes of the database, without a row",
    "counts.json": "how many rows each table has, which migrations ran, where each way out stands in the journal",
    "threads.txt": "what each thread and task is at: names of functions, no values",
}
HEADER = """What is in this support bundle. No rows, no keys, no passwords, no PINs; names of people and customers and
numbers of jobs and parts that the database knows are replaced by ***. Read it before you send it: it is text.
"""
NO_LOG = (
    "The gateway is stopped: its log is where its standard error went, as `journalctl -u eryxon-gateway -n 2000`.\n"
)
_OURS = ("timestamp", "level", "event", "module", "kind", "what", "cause", "effect", "steps", "fix", "severity")
_RELEASE = Path("/etc/os-release")
_SCHEMA = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name"
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"


@dataclass(frozen=True, slots=True)
class Seen:
    """What has been gathered. `report`, `metrics`, `log` are of a gateway that runs; `log`: its newest records."""

    settings: Settings
    findings: Sequence[Mapping[str, Any]]
    report: Mapping[str, Any] | None = None
    metrics: str = ""
    log: Sequence[Mapping[str, Any]] | None = None
    threads: str = ""


@dataclass(frozen=True, slots=True)
class Inside:
    """What the database tells about itself. `known`: names and numbers that must not leave the house."""

    schema: str
    counts: Mapping[str, Any]
    known: Collection[str]


def told(seen: Seen) -> list[str]:
    """The texts in which a name may stand."""
    return [json.dumps([seen.findings, seen.report, seen.log, seen.settings.shown()], default=str), seen.metrics]


def inside(connection: sqlite3.Connection, words: Collection[str]) -> Inside:
    """`words`: of what was gathered."""
    schema = ";\n".join(str(row[0]) for row in connection.execute(_SCHEMA))
    tables = [str(row[0]) for row in connection.execute(_TABLES)]
    ran = [dict(row) for row in connection.execute("SELECT * FROM _sqlite_migrations WHERE migration_set = ?", (SET,))]
    readers = [dict(row) for row in connection.execute("SELECT * FROM event_readers")]
    counts = {
        "rows": {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables},  # nosec B608 # noqa: S608 -- of the schema
        "user_version": connection.execute("PRAGMA user_version").fetchone()[0],
        "migrations": ran,
        "readers": readers,
    }
    return Inside(schema + ";\n", counts, redaction.somebodys(connection, words))


def files(seen: Seen, database: Inside | None) -> dict[str, str]:
    """Name -> text, a list of what is in it among them."""
    scrub = Scrub({*redaction.secrets_in(seen.settings), *(database.known if database else ())})
    log = None if seen.log is None else [json.dumps(scrub.value(one, _OURS), ensure_ascii=False) for one in seen.log]
    found = {
        "config.json": _json(scrub.value(redaction.settings_shown(seen.settings))),
        "versions.json": _json(versions()),
        "doctor.json": _json(scrub.value(seen.findings, _OURS)),
        "health.json": _json(scrub.value(seen.report)) if seen.report else "",
        "metrics.txt": scrub.text(seen.metrics),
        "log.jsonl": NO_LOG if log is None else "\n".join([*log, ""]),
        "schema.sql": database.schema if database else "",
        "counts.json": _json(database.counts) if database else "",
        "threads.txt": seen.threads,
    }
    listed = [
        f"{name:15} {len(found[name].encode()):>8} bytes  {about}" for name, about in ABOUT.items() if found[name]
    ]
    there = {name: text for name, text in found.items() if text}
    return {CONTENTS: "\n".join([HEADER, *listed, ""]), **there}


def name(gateway: str, at: datetime) -> str:
    return f"support-{gateway}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.zip"


def packed(found: Mapping[str, str]) -> bytes:
    """As a zip."""
    packing = io.BytesIO()
    with zipfile.ZipFile(packing, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in found.items():
            archive.writestr(name, text)
    return packing.getvalue()


def versions() -> dict[str, Any]:
    packages = {one.metadata["Name"]: one.version for one in metadata.distributions()}
    release = _RELEASE.read_text().splitlines() if _RELEASE.exists() else []
    named = next((line.partition("=")[2].strip('"') for line in release if line.startswith("PRETTY_NAME=")), "")
    return {
        "gateway": __version__,
        "schema": max(steps()),
        "python": sys.version,
        "sqlite": sqlite3.sqlite_version,
        "system": named,
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": dict(sorted(packages.items())),
    }


def threads() -> str:
    """Of this process: where each thread and each task of this loop stands."""
    lines = []
    for number, frame in sys._current_frames().items():  # noqa: SLF001 -- the documented way to them
        lines += [f"thread {number}", *traceback.format_stack(frame)]
    for task in asyncio.all_tasks():
        lines.append(f"task {task.get_name()}")
        lines += ["".join(traceback.format_stack(frame)) for frame in task.get_stack()]
    return "\n".join(lines)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
