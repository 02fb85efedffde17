"""All SQL about terminals, their codes, sessions and PINs."""

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Conflict, Invalid, NotFound, OperatorInactive, OperatorUnknown, SessionEnded
from gateway.kernel.ids import is_uuid
from gateway.outbox.event import encode
from gateway.terminals.model import NewTerminal, Person, Session, Terminal

CODES_MAX = 50  # that wait to be used
LISTED_MAX = 1_000

_TERMINAL = "SELECT id, name, cell_id, language, theme, created_at, key_hash FROM terminals WHERE revoked_at IS NULL"
_LISTED = """
SELECT t.id, t.name, t.cell_id, (SELECT c.name FROM cells c WHERE c.id = t.cell_id) AS cell_name, t.language, t.theme,
  t.about, t.seen, t.created_at, t.last_seen_at, t.revoked_at
FROM terminals t ORDER BY t.revoked_at IS NOT NULL, t.name, t.id LIMIT ?
"""
_INSERT = """
INSERT INTO terminals (id, name, cell_id, language, theme, key_hash, about, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_PERSON = "p.id, p.full_name, p.employee_id, p.role"
_SESSION = f"""
SELECT s.id, s.terminal_id, s.started_at, s.ended_at, {_PERSON} FROM terminal_sessions s
JOIN profiles p ON p.id = s.operator_id WHERE s.terminal_id = :terminal_id
"""  # nosec B608 # noqa: S608 -- constants only


# ------------------------------------------------------------------ terminals and codes


def paired(connection: sqlite3.Connection) -> list[tuple[str, Terminal]]:
    """(hash of its key, terminal) of those that may connect."""
    return [(row[6], _terminal(row)) for row in connection.execute(_TERMINAL)]


def listed(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """All of them, revoked ones last; no secret is among it."""
    found = []
    for row in connection.execute(_LISTED, (LISTED_MAX,)):
        told = dict(row)
        about, seen = json.loads(told.pop("about")), json.loads(told.pop("seen"))
        found.append({**told, "active": told["revoked_at"] is None, "about": about, "seen": seen})
    return found


def keep_code(tx: Tx, hashed: str, wanted: NewTerminal, expires_at: str, now: str) -> None:
    """Raises Conflict, Invalid for a cell that is not there."""
    require_cell(tx, wanted.cell_id)
    tx.execute("DELETE FROM terminal_codes WHERE expires_at <= ?", (now,))
    if tx.execute("SELECT count(*) FROM terminal_codes").fetchone()[0] >= CODES_MAX:
        raise Conflict(f"{CODES_MAX} codes wait to be used: use them, or wait for them to expire")
    row = (hashed, wanted.name, wanted.cell_id, wanted.language, wanted.theme, expires_at)
    tx.execute("INSERT INTO terminal_codes VALUES (?, ?, ?, ?, ?, ?)", row)


def use_code(tx: Tx, hashed: str, terminal_id: str, key_hash: str, about: Mapping[str, Any], now: str) -> None:
    """The code is used up, the terminal is there. Raises NotFound."""
    row = tx.execute(
        "DELETE FROM terminal_codes WHERE code_hash = ? AND expires_at > ? RETURNING name, cell_id, language, theme",
        (hashed, now),
    ).fetchone()
    if row is None:
        raise NotFound("no terminal waits for this code: it was used, it is too old, or it is another one")
    tx.execute(_INSERT, (terminal_id, *row, key_hash, encode(about), now))


def change(tx: Tx, terminal_id: str, values: Mapping[str, Any]) -> None:
    """name, cell_id, language, theme: those that are given. Raises NotFound, Invalid."""
    if "cell_id" in values:
        require_cell(tx, values["cell_id"])
    row = tx.execute(_TERMINAL + " AND id = ?", (terminal_id,)).fetchone()
    if row is None:
        raise NotFound(f'no terminal that may connect has the id "{terminal_id}"')
    new = {**dict(row), **values}
    tx.execute(
        "UPDATE terminals SET name = ?, cell_id = ?, language = ?, theme = ? WHERE id = ?",
        (new["name"], new["cell_id"], new["language"], new["theme"], terminal_id),
    )


def revoke(tx: Tx, terminal_id: str, now: str) -> None:
    """Raises NotFound."""
    done = tx.execute(
        "UPDATE terminals SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING id", (now, terminal_id)
    ).fetchone()
    if done is None:
        raise NotFound(f'no terminal that may connect has the id "{terminal_id}"')
    tx.execute(
        "UPDATE terminal_sessions SET ended_at = ? WHERE terminal_id = ? AND ended_at IS NULL", (now, terminal_id)
    )


def seen(tx: Tx, terminal_id: str, told: Mapping[str, Any], now: str) -> None:
    tx.execute("UPDATE terminals SET seen = ?, last_seen_at = ? WHERE id = ?", (encode(told), now, terminal_id))


def terminal_id(connection: sqlite3.Connection, wanted: str) -> str:
    """Of one that may connect, by id or name. Raises NotFound; Conflict when several have that name."""
    sql = "SELECT id FROM terminals WHERE revoked_at IS NULL AND (id = ?1 OR name = ?1)"
    found = connection.execute(sql, (wanted,)).fetchall()
    if not found:
        raise NotFound(f'no paired terminal has the name or id "{wanted}": `terminals list` shows them')
    if len(found) > 1:
        raise Conflict(f'{len(found)} terminals are called "{wanted}": give the id')
    return str(found[0][0])


def cell_id(connection: sqlite3.Connection, wanted: str) -> str:
    """By id or name. Raises NotFound."""
    row = connection.execute(
        "SELECT id FROM cells WHERE (id = ?1 OR name = ?1) AND deleted_at IS NULL", (wanted,)
    ).fetchone()
    if row is None:
        raise NotFound(f'no cell has the name or id "{wanted}": import or pull the cells first')
    return str(row[0])


def require_cell(connection: sqlite3.Connection, wanted: str | None) -> None:
    """Raises Invalid."""
    if wanted is None:
        return
    sql = "SELECT 1 FROM cells WHERE id = ? AND deleted_at IS NULL"
    if connection.execute(sql, (wanted,)).fetchone() is None:
        message = f'no cell has the id "{wanted}"'
        raise Invalid(message, [{"field": "cell_id", "message": message, "constraint": "FK_CONSTRAINT"}])


def _terminal(row: sqlite3.Row) -> Terminal:
    return Terminal(row[0], row[1], row[2], row[3], row[4], time_.parse(row[5]))


# ------------------------------------------------------------------ people and sessions


def person(connection: sqlite3.Connection, operator_id: str) -> Person:
    """Raises OperatorUnknown, OperatorInactive."""
    wanted = operator_id.lower() if is_uuid(operator_id) else operator_id
    return _one(connection.execute(f"SELECT {_PERSON}, p.active FROM profiles p WHERE p.id = ?", (wanted,)))  # nosec B608 # noqa: S608 -- constants only


def of_badge(connection: sqlite3.Connection, badge: str) -> Person:
    """By employee number or user name. Raises OperatorUnknown, OperatorInactive."""
    sql = f"""SELECT {_PERSON}, p.active FROM profiles p WHERE (p.employee_id = ?1 OR p.username = ?1) AND p.is_machine = 0
      ORDER BY p.active DESC"""  # nosec B608 # noqa: S608 -- constants only
    return _one(connection.execute(sql, (badge.strip(),)))


def _one(found: sqlite3.Cursor) -> Person:
    rows = found.fetchall()
    active = [row for row in rows if row["active"]]
    if not rows or len(active) > 1:
        raise OperatorUnknown("nobody here has that badge or id: it has to be the employee number of one profile")
    if not active:
        raise OperatorInactive(f"{rows[0]['full_name']} is not active any more")
    return _person(active[0])


def _person(row: sqlite3.Row) -> Person:
    return Person(row["id"], row["full_name"], row["employee_id"], row["role"])


def session(connection: sqlite3.Connection, terminal_id: str, session_id: str) -> Session:
    """Of this terminal. Raises SessionEnded."""
    row = connection.execute(
        _SESSION + " AND s.id = :session_id", {"terminal_id": terminal_id, "session_id": session_id}
    ).fetchone()
    if row is None:
        raise SessionEnded("nobody is signed in under this session here: sign in")
    return _session(row)


def open_sessions(connection: sqlite3.Connection, terminal_id: str) -> list[Session]:
    """The oldest first; whether they have ended by themselves is not looked at."""
    sql = _SESSION + " AND s.ended_at IS NULL ORDER BY s.started_at"
    return [_session(row) for row in connection.execute(sql, {"terminal_id": terminal_id})]


def begin_session(tx: Tx, session: Session, forget_before: str) -> None:
    """Whoever was signed in here before is so anew."""
    at = time_.text(session.started_at)
    tx.execute(
        "UPDATE terminal_sessions SET ended_at = ? WHERE terminal_id = ? AND operator_id = ? AND ended_at IS NULL",
        (at, session.terminal_id, session.person.id),
    )
    tx.execute("DELETE FROM terminal_sessions WHERE started_at < ?", (forget_before,))
    tx.execute(
        "INSERT INTO terminal_sessions (id, terminal_id, operator_id, started_at) VALUES (?, ?, ?, ?)",
        (session.id, session.terminal_id, session.person.id, at),
    )


def end_session(tx: Tx, terminal_id: str, session_id: str, now: str) -> None:
    """Also one that has ended, or is not there."""
    tx.execute(
        "UPDATE terminal_sessions SET ended_at = ? WHERE id = ? AND terminal_id = ? AND ended_at IS NULL",
        (now, session_id, terminal_id),
    )


def _session(row: sqlite3.Row) -> Session:
    ended: datetime | None = time_.parse(row["ended_at"]) if row["ended_at"] else None
    who = Person(row[4], row[5], row[6], row[7])
    return Session(row["id"], row["terminal_id"], who, time_.parse(row["started_at"]), ended)


# ------------------------------------------------------------------ PINs


def pin(connection: sqlite3.Connection, operator_id: str) -> sqlite3.Row | None:
    """box, salt, verifier, wrong, locked_until."""
    row: sqlite3.Row | None = connection.execute(
        "SELECT box, salt, verifier, wrong, locked_until FROM terminal_pins WHERE operator_id = ?", (operator_id,)
    ).fetchone()
    return row


def count_attempt(tx: Tx, operator_id: str, wrong: int, locked_until: str | None) -> None:
    tx.execute(
        "UPDATE terminal_pins SET wrong = ?, locked_until = ? WHERE operator_id = ?", (wrong, locked_until, operator_id)
    )


def keep_pin(tx: Tx, operator_id: str, box: str, salt: bytes, verifier: bytes, now: str) -> None:
    """Instead of the one that was there; a lock ends with it."""
    row = (operator_id, box, salt, verifier, now)
    tx.execute(
        "INSERT OR REPLACE INTO terminal_pins (operator_id, box, salt, verifier, set_at) VALUES (?, ?, ?, ?, ?)", row
    )
