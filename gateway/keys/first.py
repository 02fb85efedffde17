"""The first key of a box."""

import os
import sqlite3
from pathlib import Path

import structlog

from gateway.kernel.db import Database
from gateway.web.auth import Keys, NewKey
from gateway.web.routes import Scope

log = structlog.get_logger(__name__)


async def first_key(db: Database, keys: Keys, file: Path) -> None:
    """A box that nobody has a key for gets one, in a file that only its owner can read."""
    if await db.read(_has_keys):
        return
    _, key = await keys.create(NewKey("first admin", Scope.ADMIN))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as written:
        written.write(key + "\n")
    log.info("key.created", name="first admin", file=str(file))


def _has_keys(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM api_keys LIMIT 1").fetchone() is not None
