"""All SQL about machines: how they stand, their last values, what is quarantined. Whole readings, small tables."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.jobs.store import at, text
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import NotFound
from gateway.machines.counters import Last
from gateway.machines.model import Quality, State
from gateway.machines.states import Candidate
from gateway.outbox.event import Change, Stamp, encode

TABLE = "machine_states"
_COLUMNS = (
    "id, state, raw, since, quality, online, source_timestamp, received_at, program, parts, started_operation_id, "
    "candidate_state, candidate_raw, candidate_since, candidate_due, told_at, version"
)
_GET = f"SELECT {_COLUMNS} FROM machine_states WHERE id = ?"  # nosec B608 # noqa: S608 -- constants only
_ALL = f"SELECT {_COLUMNS} FROM machine_states ORDER BY id"  # nosec B608 # noqa: S608 -- constants only
_SAVE = f"""
INSERT OR REPLACE INTO machine_states ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""  # nosec B608 # noqa: S608 -- constants only
_STARTED = """
INSERT INTO machine_states (id, started_operation_id) VALUES (?, ?)
ON CONFLICT (id) DO UPDATE SET started_operation_id = excluded.started_operation_id
"""
_VALUE = "SELECT value, at, unsure FROM machine_values WHERE device = ? AND input = ?"
_VALUES = "SELECT device, input, value FROM machine_values ORDER BY device, input"
_KEEP_VALUE = """
INSERT OR REPLACE INTO machine_values (device, input, value, at, unsure, received_at) VALUES (?, ?, ?, ?, 0, ?)
"""
_DOUBT = "UPDATE machine_values SET unsure = 1 WHERE device = ?1 AND input = coalesce(?2, input)"
_CELLS = """
SELECT id, name FROM cells WHERE deleted_at IS NULL
"""
_DOUBTS = "SELECT id, device, input, reason, last_value, value, pieces, found_at, acknowledged_at, acknowledged_by"
_LISTED = f"""
{_DOUBTS} FROM machine_quarantines WHERE acknowledged_at IS NULL OR ? ORDER BY found_at DESC, rowid DESC LIMIT ?
"""
_ONE = f"{_DOUBTS} FROM machine_quarantines WHERE id = ?"
_QUARANTINE = """
INSERT INTO machine_quarantines (id, device, input, reason, last_value, value, pieces, cells, found_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_OPEN = """
SELECT count(*), max(id) FROM machine_quarantines
WHERE device = ? AND input = ? AND reason = ? AND acknowledged_at IS NULL
"""
_GROW = "UPDATE machine_quarantines SET pieces = min(pieces + ?, ?), value = ? WHERE id = ?"
_ACKNOWLEDGE = """
UPDATE machine_quarantines SET acknowledged_at = ?, acknowledged_by = ? WHERE id = ? AND acknowledged_at IS NULL
"""
JUMP, HELD_TOO_MANY = "jump", "held_too_many"
OPEN_MAX = {JUMP: 20, HELD_TOO_MANY: 1}  # of one input that nobody has looked at; beyond it the last one grows
PIECES_MAX = 10**15  # that are told
LISTED_MAX = 1_000
ID_MAX = 64  # characters of a wrong one that are told
_TOLD = ("state", "raw", "since", "quality", "online", "program")  # a change of these is told to others


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A row of `machine_states`."""

    id: str
    state: State = State.UNKNOWN
    raw: Any = None
    since: datetime | None = None
    quality: Quality = Quality.BAD
    online: bool | None = None
    source_timestamp: datetime | None = None
    received_at: datetime | None = None
    program: str | None = None
    parts: float | None = None
    started_operation_id: str | None = None
    candidate: Candidate | None = None
    candidate_raw: Any = None
    told_at: datetime | None = None
    version: int = 0


def get(connection: sqlite3.Connection, device: str) -> MachineRow:
    """As nobody has heard of it when it never told anything."""
    row = connection.execute(_GET, (device,)).fetchone()
    return MachineRow(device) if row is None else _read(row)


def every(connection: sqlite3.Connection) -> dict[str, MachineRow]:
    return {row["id"]: _read(row) for row in connection.execute(_ALL)}


def save(tx: Tx, before: MachineRow, after: MachineRow) -> Change | None:
    """What is to be told, None when only instants are new."""
    fields = tuple(name for name in _TOLD if getattr(before, name) != getattr(after, name))
    version = before.version + 1 if fields or not before.version else before.version
    candidate = after.candidate
    tx.execute(
        _SAVE,
        (
            after.id,
            after.state,
            encode(after.raw),
            text(after.since),
            after.quality,
            None if after.online is None else int(after.online),
            text(after.source_timestamp),
            text(after.received_at),
            after.program,
            after.parts,
            after.started_operation_id,
            candidate.state if candidate else None,
            encode(after.candidate_raw) if candidate else None,
            text(candidate.since) if candidate else None,
            text(candidate.due) if candidate else None,
            text(after.told_at),
            version,
        ),
    )
    if not fields:
        return None
    return Change(
        TABLE, after.id, "update" if before.version else "insert", version, fields if before.version else None
    )


def started(tx: Tx, device: str, operation_id: str) -> None:
    """What this device started last. Nobody else is told."""
    tx.execute(_STARTED, (device, operation_id))


# ------------------------------------------------------------------ badges


def log_on(tx: Tx, device: str, operator_id: str, now: str) -> None:
    """Instead of whoever was logged on until now."""
    tx.execute(
        "INSERT OR REPLACE INTO machine_badges (device, operator_id, at) VALUES (?, ?, ?)", (device, operator_id, now)
    )


def log_off(tx: Tx, device: str, operator_id: str) -> None:
    tx.execute("DELETE FROM machine_badges WHERE device = ? AND operator_id = ?", (device, operator_id))


def logged_on(connection: sqlite3.Connection, device: str) -> tuple[str, datetime] | None:
    """(profile, since when), valid or not."""
    row = connection.execute("SELECT operator_id, at FROM machine_badges WHERE device = ?", (device,)).fetchone()
    return None if row is None else (row[0], time_.parse(row[1]))


# ------------------------------------------------------------------ quarantines


@dataclass(frozen=True, slots=True)
class Doubt:
    """Pieces that are not booked before somebody has looked. `reason`: jump, held_too_many."""

    device: str
    input: str
    reason: str
    pieces: int
    cells: str | None
    last: Any = None
    value: Any = None


def quarantine(tx: Tx, stamp: Stamp, doubt_: Doubt) -> str:
    """Its id. What is held too long is one row that grows until somebody has looked, and so are the jumps of a counter
    that never ends to jump.
    """
    pieces = min(doubt_.pieces, PIECES_MAX)
    open_, newest = tx.execute(_OPEN, (doubt_.device, doubt_.input, doubt_.reason)).fetchone()
    if open_ >= OPEN_MAX[doubt_.reason]:
        tx.execute(_GROW, (pieces, PIECES_MAX, encode(doubt_.value), newest))
        return str(newest)
    row_id = stamp.new_id()
    values = (row_id, doubt_.device, doubt_.input, doubt_.reason, encode(doubt_.last), encode(doubt_.value))
    tx.execute(_QUARANTINE, (*values, pieces, doubt_.cells, stamp.text))
    return row_id


def quarantines(connection: sqlite3.Connection, *, acknowledged_too: bool = False) -> list[dict[str, Any]]:
    """Newest first."""
    rows = connection.execute(_LISTED, (acknowledged_too, LISTED_MAX))
    return [
        {**dict(row), "last_value": json.loads(row["last_value"]), "value": json.loads(row["value"])} for row in rows
    ]


def device_of(connection: sqlite3.Connection, row_id: str) -> str:
    """Whose pieces they are. Raises NotFound."""
    row = connection.execute(_ONE, (row_id,)).fetchone()
    if row is None:
        raise NotFound(f'no quarantine has the id "{row_id[:ID_MAX]}": `eryxon-gateway machines list` shows them')
    return str(row["device"])


def acknowledge(tx: Tx, row_id: str, by: str, now: str) -> dict[str, Any]:
    """Somebody has looked at one that is there. Again: nothing changes."""
    tx.execute(_ACKNOWLEDGE, (now, by, row_id))
    row = tx.execute(_ONE, (row_id,)).fetchone()
    return {**dict(row), "last_value": json.loads(row["last_value"]), "value": json.loads(row["value"])}


def forget(tx: Tx, acknowledged_before: str) -> int:
    """What was acknowledged long ago. Returns how many went."""
    return tx.execute("DELETE FROM machine_quarantines WHERE acknowledged_at < ?", (acknowledged_before,)).rowcount


def open_count(connection: sqlite3.Connection) -> int:
    count: int = connection.execute(
        "SELECT count(*) FROM machine_quarantines WHERE acknowledged_at IS NULL"
    ).fetchone()[0]
    return count


# ------------------------------------------------------------------ values


def last(connection: sqlite3.Connection, device: str, key: str) -> Last | None:
    """The last reading of a counter."""
    row = connection.execute(_VALUE, (device, key)).fetchone()
    return None if row is None else Last(json.loads(row[0]), at(row[1]), bool(row[2]))


def keep_value(tx: Tx, device: str, key: str, value: Any, claimed: datetime | None, now: str) -> None:
    tx.execute(_KEEP_VALUE, (device, key, encode(value), text(claimed), now))


def doubt(tx: Tx, device: str, key: str | None = None) -> None:
    """It was offline or silent, or one value was bad: a counter that is to be rebased is, with its next value."""
    tx.execute(_DOUBT, (device, key))


def values(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """device -> input -> value."""
    found: dict[str, dict[str, Any]] = {}
    for device, key, value in connection.execute(_VALUES):
        found.setdefault(device, {})[key] = json.loads(value)
    return found


# ------------------------------------------------------------------ cells


def cells(connection: sqlite3.Connection) -> Mapping[str, str]:
    """id -> name of every live cell."""
    return {row[0]: row[1] for row in connection.execute(_CELLS)}


def cell_ids(wanted: Sequence[str], known: Mapping[str, str]) -> tuple[str, ...]:
    """Those that are there, by id or name."""
    return tuple(one for one, name in known.items() if one in wanted or name in wanted)


def missing(wanted: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """Names and ids that no cell has: it may still be on its way with the first pull."""
    return [one for one in wanted if one != "*" and one not in known and one not in known.values()]


def decoded(written: str) -> Any:
    return json.loads(written)


def _read(row: sqlite3.Row) -> MachineRow:
    candidate = None
    since, due = at(row["candidate_since"]), at(row["candidate_due"])
    if row["candidate_state"] and since and due:
        candidate = Candidate(State(row["candidate_state"]), since, due)
    return MachineRow(
        id=row["id"],
        state=State(row["state"]),
        raw=json.loads(row["raw"]) if row["raw"] else None,
        since=at(row["since"]),
        quality=Quality(row["quality"]),
        online=None if row["online"] is None else bool(row["online"]),
        source_timestamp=at(row["source_timestamp"]),
        received_at=at(row["received_at"]),
        program=row["program"],
        parts=row["parts"],
        started_operation_id=row["started_operation_id"],
        candidate=candidate,
        candidate_raw=json.loads(row["candidate_raw"]) if row["candidate_raw"] else None,
        told_at=at(row["told_at"]),
        version=row["version"],
    )
