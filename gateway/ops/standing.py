"""Facts beside `/healthz` that somebody who looks after the box wants to know."""

import asyncio
import sqlite3
from datetime import datetime, timedelta

from gateway.configuration import Configuration
from gateway.kernel import clock as time_
from gateway.settings import Settings

FORGOTTEN_AFTER = timedelta(hours=12)
_FORGOTTEN = "SELECT count(*) FROM time_entry_pauses WHERE resumed_at IS NULL AND paused_at < ?"


def forgotten(connection: sqlite3.Connection, now: datetime) -> int:
    """Pauses that began so long ago that somebody went home."""
    return int(connection.execute(_FORGOTTEN, (time_.text(now - FORGOTTEN_AFTER),)).fetchone()[0])


async def restart(configuration: Configuration, running: Settings) -> list[str]:
    """Keys that a restart would change."""
    found: list[str] = (await asyncio.to_thread(configuration.shown, running))["restart"]
    return found
