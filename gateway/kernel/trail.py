"""The trail of the box: who came in or was refused, who changed what about it. Each is a row and a line in the log; what was booked
stands in the journal instead.
"""

import sqlite3
from dataclasses import dataclass

import structlog

from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import GatewayError
from gateway.kernel.ids import NewId

LISTED_MAX = 200
NOBODY = "?"  # who was refused
BOX, INSIDE = "gateway", "box"  # what it did by itself: who, and the source
REFUSED = 400

_ADD = "INSERT INTO ops_actions (id, created_at, who, source, action, detail, status) VALUES (?, ?, ?, ?, ?, ?, ?)"
_NEWEST = "SELECT * FROM ops_actions ORDER BY created_at DESC, id DESC LIMIT ?"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Act:
    """`source`: an address, `admin.sock`, `api`; `action`: a verb, or method and path; `detail`: JSON without secrets."""

    who: str
    source: str
    action: str
    detail: str = "{}"
    status: int = 200


@dataclass(frozen=True, slots=True)
class Trail:
    db: Database
    clock: Clock
    new_id: NewId

    async def add(self, act: Act) -> None:
        """A disk that takes nothing keeps nobody out: the line in the log is there all the same."""
        told(act)
        try:
            await self.db.write(add, self.new_id(), time_.text(self.clock.now()), act)
        except GatewayError as exc:
            log.warning("audit.not_kept", action=act.action, who=act.who, error=exc.message)


def add(tx: Tx, row_id: str, now: str, act: Act) -> None:
    tx.execute(_ADD, (row_id, now, act.who, act.source, act.action, act.detail, act.status))


def told(act: Act) -> None:
    say = log.info if act.status < REFUSED else log.warning
    say("audit.acted", who=act.who, source=act.source, action=act.action, status=act.status)


def newest(connection: sqlite3.Connection) -> list[sqlite3.Row]:
    return connection.execute(_NEWEST, (LISTED_MAX,)).fetchall()
