"""What a newer database holds, in the schema of an older one.

The newer one is whole and sound, so nothing is salvaged: every table that both know is taken as it stands there, deletions,
positions of the ways out and the chain of the journal included. The older one gives the schema, and what only it has.
What the older schema has no place for stays behind, counted; a row that it refuses stays as it was before, and what waits to be
told of it is parked: sent without its row, an entry would say that the row is gone.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.backups.copying import UPLINK
from gateway.kernel.connection import Connection, connect
from gateway.kernel.db import Tx
from gateway.kernel.disk import synced
from gateway.kernel.errors import Invalid

TOLD_MAX = 5  # names, in a sentence
DEPTH_MAX = 20  # tables below each other
STEPS = "_sqlite_migrations"  # which steps a schema has behind it is the schema's own affair
_PRAGMAS = ("journal_mode=MEMORY", "synchronous=OFF", "foreign_keys=OFF")  # a file that nobody needs before it is whole
_BLANKS = {"INTEGER": "0", "TEXT": "''", "BLOB": "x''", "REAL": "0.0"}
_OURS = "name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
_WAITING = """
SELECT seq, lane, aggregate, changes FROM main.events e WHERE seq > ?2
AND NOT EXISTS (SELECT 1 FROM main.event_lanes l WHERE l.reader = ?1 AND l.lane = e.lane AND l.position >= e.seq)
AND NOT EXISTS (SELECT 1 FROM main.event_parked p WHERE p.reader = ?1 AND p.seq = e.seq)
"""
_PARK = """
INSERT INTO main.event_parked (reader, seq, lane, aggregate, state, reason, parked_at) VALUES (?, ?, ?, ?, 'parked', ?, ?)
"""
_REASON = "the update was rolled back, and the older version cannot hold {table} {id} as the newer one did: see `update status`"

Key = tuple[str, str]  # table, and its row's primary key as text


@dataclass
class Poured:
    """`rows`: that are there now. `left`: table, or table.column, that the older schema lacks -> rows that had something there.
    `refused`: rows that it does not allow, each with why. `parked`: entries that wait because of them.
    """

    rows: int = 0
    left: dict[str, int] = field(default_factory=dict)
    refused: dict[Key, str] = field(default_factory=dict)
    parked: int = 0

    def missing(self) -> str | None:
        """For people: what of the newer database is not here; None: nothing."""
        told = []
        if self.left:
            named = [f"{name} ({count} rows)" for name, count in self.left.items()]
            told.append(f"the older version has no place for {_some(named)}")
        if self.refused:
            named = [f"{table} {row_id} ({why})" for (table, row_id), why in self.refused.items()]
            told.append(f"{len(self.refused)} rows are not as the newer version had them: {_some(named)}")
        if self.parked:
            told.append(f"{self.parked} entries that tell of such rows are parked")
        return "; ".join(told) or None


def poured(older: Path, newer: Path, target: Path, at: str) -> Poured:
    """Makes `target`, whole and on the disk. `newer` is sound, has no WAL, and nobody has it open. `at`: ISO 8601, of what is
    parked.

    Raises Invalid (what came of it is not sound), sqlite3.Error, OSError.
    """
    told = Poured()
    target.touch(0o600)
    with contextlib.closing(connect(target, _PRAGMAS)) as connection:
        for name, file in (("older", older), ("newer", newer)):
            connection.execute(f"ATTACH ? AS {name}", (f"{file.absolute().as_uri()}?mode=ro",))
        connection.execute("BEGIN")
        tx = Tx(connection)
        tables = _made(connection)
        for table in tables:
            _table(tx, table, told)
        _put_back(tx, told)
        _counters(tx)
        _rest(connection)
        _left_out(connection, tables, told)
        _orphans(tx, told)
        _park(tx, told, at)
        told.rows = sum(_count(connection, "main", one) for one in tables if one != STEPS)
        connection.execute("COMMIT")
        _require_sound(connection)
    synced(target)
    return told


def _made(connection: Connection) -> list[str]:
    """The tables of the older one, empty."""
    found = connection.execute(f"SELECT name, sql FROM older.sqlite_schema WHERE type = 'table' AND {_OURS}").fetchall()  # nosec B608 # noqa: S608 -- constants only
    for _, sql in found:
        connection.execute(sql)
    version = connection.execute("PRAGMA older.user_version").fetchone()[0]
    connection.execute(f"PRAGMA main.user_version={version}")
    return [name for name, _ in found]


def _rest(connection: Connection) -> None:
    """Indexes last: they are made quicker than they are kept."""
    found = f"SELECT sql FROM older.sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL AND {_OURS}"  # nosec B608 # noqa: S608 -- constants only
    for (sql,) in connection.execute(found).fetchall():
        connection.execute(sql)


def _table(tx: Tx, table: str, told: Poured) -> None:
    have, wanted = _columns(tx, "newer", table), _columns(tx, "older", table)
    if table == STEPS or not have:
        tx.execute(f'INSERT INTO main."{table}" SELECT * FROM older."{table}"')  # nosec B608 # noqa: S608 -- the schema's own names
        return
    select = _select(table, wanted, have)
    written = f'INSERT INTO main."{table}" ({_listed(wanted)})'
    tx.execute("SAVEPOINT all_at_once")
    try:
        tx.execute(f"{written} {select}")
    except sqlite3.IntegrityError:
        tx.execute("ROLLBACK TO all_at_once")
        _one_by_one(tx, table, select, f"{written} VALUES ({', '.join('?' * len(wanted))})", told)
    tx.execute("RELEASE all_at_once")


def _one_by_one(tx: Tx, table: str, select: str, written: str, told: Poured) -> None:
    """A row that is refused takes only itself."""
    keys = _keys(tx, table)
    for row in tx.execute(select):
        try:
            tx.execute(written, tuple(row))
        except sqlite3.IntegrityError as exc:
            told.refused[table, _text(row[key] for key in keys)] = str(exc)


def _select(table: str, wanted: Mapping[str, sqlite3.Row], have: Mapping[str, sqlite3.Row]) -> str:
    """Each row of the newer one; a column that it lacks is as it stood before, or blank for a row that is new."""
    only_before = [name for name in wanted if name not in have]
    if not only_before:
        return f'SELECT {_listed(wanted)} FROM newer."{table}"'  # nosec B608 # noqa: S608 -- the schema's own names
    keys = [name for name, about in wanted.items() if about["pk"] and name in have] or ["rowid"]
    there = f'o."{keys[0]}" IS NOT NULL'
    values = [
        f'CASE WHEN {there} THEN o."{name}" ELSE {_blank(wanted[name])} END' if name in only_before else f'n."{name}"'
        for name in wanted
    ]
    same = " AND ".join(f'o."{key}" = n."{key}"' for key in keys)
    # The names stay: who looks a refused row up asks by them.
    named = ", ".join(f'{value} AS "{name}"' for value, name in zip(values, wanted, strict=True))
    return f'SELECT {named} FROM newer."{table}" n LEFT JOIN older."{table}" o ON {same}'  # nosec B608 # noqa: S608 -- the schema's own names


def _blank(about: sqlite3.Row) -> str:
    if about["dflt_value"] is not None:
        return str(about["dflt_value"])
    return _BLANKS.get(about["type"], "''") if about["notnull"] else "NULL"


def _put_back(tx: Tx, told: Poured) -> None:
    """What stood in place of a refused row before the update, where it still may: the row is not gone, it is as it was."""
    for table, row_id in told.refused:
        keys = _keys(tx, table)
        names = _listed(_columns(tx, "older", table))
        match = " AND ".join(f'"{key}" IS ?' for key in keys)
        with contextlib.suppress(sqlite3.IntegrityError):
            tx.execute(
                f'INSERT INTO main."{table}" ({names}) SELECT {names} FROM older."{table}" WHERE {match}',  # nosec B608 # noqa: S608 -- the schema's own names
                json.loads(row_id) if len(keys) > 1 else (row_id,),
            )


def _counters(tx: Tx) -> None:
    """A journal that was trimmed empty goes on where it was."""
    if tx.execute("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        tx.execute("DELETE FROM main.sqlite_sequence")
        tx.execute(
            "INSERT INTO main.sqlite_sequence SELECT name, seq FROM newer.sqlite_sequence "
            "WHERE name IN (SELECT name FROM main.sqlite_schema)"
        )


def _left_out(connection: Connection, tables: Sequence[str], told: Poured) -> None:
    found = connection.execute(f"SELECT name FROM newer.sqlite_schema WHERE type = 'table' AND {_OURS} ORDER BY name")  # nosec B608 # noqa: S608 -- constants only
    for (table,) in found.fetchall():
        if table not in tables:
            if count := _count(connection, "newer", table):
                told.left[table] = count
            continue
        known = _columns(connection, "older", table)
        for name, about in _columns(connection, "newer", table).items():
            if name in known or table == STEPS:
                continue
            filled = f'"{name}" IS NOT {about["dflt_value"] or "NULL"}'
            counted = f'SELECT count(*) FROM newer."{table}" WHERE {filled}'  # nosec B608 # noqa: S608 -- the schema's own names
            if count := connection.execute(counted).fetchone()[0]:
                told.left[f"{table}.{name}"] = count


def _orphans(tx: Tx, told: Poured) -> None:
    """A row that names one that could not come: without that name where it may, else it stays behind as well."""
    for _ in range(DEPTH_MAX):
        found = tx.execute("PRAGMA main.foreign_key_check").fetchall()
        if not found:
            return
        for table, rowid, parent, number in found:
            row = tx.execute(f'SELECT * FROM main."{table}" WHERE rowid = ?', (rowid,)).fetchone()  # nosec B608 # noqa: S608 -- the schema's own names
            if row is None:
                continue
            told.refused[table, _text(row[key] for key in _keys(tx, table))] = f"its {parent} is not here"
            column = _naming(tx, table, number)
            if _columns(tx, "older", table)[column]["notnull"]:
                tx.execute(f'DELETE FROM main."{table}" WHERE rowid = ?', (rowid,))  # nosec B608 # noqa: S608 -- the schema's own names
            else:
                tx.execute(f'UPDATE main."{table}" SET "{column}" = NULL WHERE rowid = ?', (rowid,))  # nosec B608 # noqa: S608 -- the schema's own names
    raise Invalid(f"rows of the newer version would stand on nothing in the older one, {found[0][0]} among them")


def _naming(connection: Connection, table: str, number: int) -> str:
    """The column of a foreign key, by the number that SQLite gives it."""
    keys = connection.execute(f'PRAGMA main.foreign_key_list("{table}")')
    return next(str(row["from"]) for row in keys if row["id"] == number)


def _park(tx: Tx, told: Poured, at: str) -> None:
    """What the uplink would tell of a refused row waits for a person, as everything that cannot be sent."""
    position = tx.execute("SELECT position FROM main.event_readers WHERE name = ?", (UPLINK,)).fetchone()
    if not told.refused or position is None:
        return
    waiting = tx.execute(_WAITING, (UPLINK, position[0]))
    named = ((row, next((key for key in _named(row["changes"]) if key in told.refused), None)) for row in waiting)
    for row, key in [(row, key) for row, key in named if key is not None]:
        reason = _REASON.format(table=key[0], id=key[1])
        tx.execute(_PARK, (UPLINK, row["seq"], row["lane"], row["aggregate"], reason, at))
        told.parked += 1


def _named(changes: str) -> Iterator[Key]:
    for change in json.loads(changes):
        yield change["table"], change["id"]


def _require_sound(connection: Connection) -> None:
    """Raises Invalid."""
    answer = connection.execute("PRAGMA main.integrity_check(1)").fetchone()[0]
    if answer != "ok":
        raise Invalid(f"what was carried back is not sound ({answer}): nothing was changed; look at the disk")


def _keys(connection: Connection, table: str) -> list[str]:
    keyed = [name for name, about in _columns(connection, "older", table).items() if about["pk"]]
    return keyed or [*_columns(connection, "older", table)]


def _columns(connection: Connection, schema: str, table: str) -> dict[str, sqlite3.Row]:
    return {row["name"]: row for row in connection.execute(f'PRAGMA {schema}.table_info("{table}")')}


def _count(connection: Connection, schema: str, table: str) -> int:
    return int(connection.execute(f'SELECT count(*) FROM {schema}."{table}"').fetchone()[0])  # nosec B608 # noqa: S608 -- the schema's own names


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _text(values: Iterator[Any]) -> str:
    """A key as one text: as it is, or as JSON when it has several columns."""
    found = [*values]
    return str(found[0]) if len(found) == 1 else json.dumps(found, default=str)


def _some(named: Sequence[str]) -> str:
    more = len(named) - TOLD_MAX
    return ", ".join(named[:TOLD_MAX]) + (f" and {more} more" if more > 0 else "")
