"""A page of the journal, as others are told it: which rows changed, and how they stand now."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.catalog.resources import Resource
from gateway.hub.entities import GONE, Sight, has_gone
from gateway.hub.position import head_from, trimmed
from gateway.outbox import journal, tombstones
from gateway.outbox.event import Entry, encode

CHANGES_MAX = 2_000  # in one page; one entry of an import has up to 200, and is never taken apart


@dataclass(frozen=True, slots=True)
class Asked:
    """`since`: everything up to here is known. `epoch`: of the box that said so, None when nobody remembers. `changes_max`: after
    which no further entry is begun.
    """

    since: int
    limit: int  # journal entries
    epoch: int | None = None
    changes_max: int = CHANGES_MAX


@dataclass(frozen=True, slots=True)
class Told:
    """One change as JSON text. `last`: nothing that comes after it tells of its journal entry, or of one before."""

    seq: int
    text: str
    last: bool


@dataclass(frozen=True, slots=True)
class Page:
    changes: tuple[Told, ...]
    next: int
    more: bool
    epoch: int

    @property
    def text(self) -> str:
        told = ",".join(change.text for change in self.changes)
        more = "true" if self.more else "false"
        return f'{{"changes":[{told}],"next":{self.next},"has_more":{more},"epoch":{self.epoch}}}'


@dataclass(frozen=True, slots=True)
class _Change:
    """Several of one row by one origin are one: the row is told as it is now, with all columns that changed since the entry with
    the seq `first`.
    """

    first: int
    entry: Entry
    table: str
    row_id: str
    op: str
    version: int
    fields: tuple[str, ...] | None  # None: of a new or deleted row
    old: Mapping[str, Any] | None  # of a deleted one


def page(connection: sqlite3.Connection, asked: Asked, sight: Sight) -> Page:
    """What happened after `since`. Raises CursorExpired when that cannot be told from there any more."""
    here, head = head_from(connection, asked.since, asked.epoch)
    entries = _unbroken(journal.after(connection, asked.since, asked.limit), asked.since)
    if not entries and head > asked.since:
        raise trimmed(asked.since, here, head)
    taken, changes = _taken(entries, sight, asked.changes_max)
    until = taken[-1].seq if taken else asked.since
    return Page(_told(connection, changes, sight), until, until < head, here)


def _unbroken(entries: list[Entry], since: int) -> list[Entry]:
    """Up to the first that was trimmed: parked ones stay behind alone."""
    return [entry for place, entry in enumerate(entries, since + 1) if entry.seq == place]


def _taken(entries: Iterable[Entry], sight: Sight, changes_max: int) -> tuple[list[Entry], list[_Change]]:
    """The entries of the page, and the latest change of each row by each origin, in order."""
    taken: list[Entry] = []
    latest: dict[tuple[str, str, str], _Change] = {}
    for entry in entries:
        if len(latest) >= changes_max:
            break
        taken.append(entry)
        for written in json.loads(entry.changes):
            if written["table"] not in sight.resources:
                continue
            key = written["table"], written["id"], entry.origin
            latest[key] = _merged(latest.pop(key, None), _read(entry, written))
    return taken, [*latest.values()]


def _read(entry: Entry, written: Mapping[str, Any]) -> _Change:
    fields, op = written["fields"], written["op"]
    names = tuple(fields) if op == "update" and fields is not None else None
    old = fields if op == "delete" else None
    return _Change(entry.seq, entry, written["table"], written["id"], op, written["version"], names, old)


def _merged(before: _Change | None, now: _Change) -> _Change:
    if before is None:
        return now
    if now.op != "update":
        return replace(now, first=before.first)
    fields = None if before.fields is None or now.fields is None else tuple(dict.fromkeys(before.fields + now.fields))
    return replace(now, first=before.first, fields=fields)


# ------------------------------------------------------------------ rows as they are now


@dataclass(frozen=True, slots=True)
class _Row:
    text: str
    gone: bool
    seen: bool


def _told(connection: sqlite3.Connection, changes: list[_Change], sight: Sight) -> tuple[Told, ...]:
    rows: dict[str, dict[str, _Row]] = {}
    for table in {change.table for change in changes}:
        ids = {change.row_id for change in changes if change.table == table}
        rows[table] = _rows(connection, sight.resources[table], ids, sight)
    told: list[Told] = []
    first = changes[-1].entry.seq + 1 if changes else 0  # of what comes after
    for change in reversed(changes):
        row = rows[change.table].get(change.row_id)
        if (text := _text(connection, change, row, sight)) is not None:
            told.append(Told(change.entry.seq, text, last=first > change.entry.seq))
            first = min(first, change.first)
    return tuple(reversed(told))


def _rows(connection: sqlite3.Connection, resource: Resource, ids: set[str], sight: Sight) -> dict[str, _Row]:
    table = resource.table
    gone = f"{table}.{GONE} IS NOT NULL" if has_gone(resource) else "0"
    seen = sight.condition(resource)
    found = connection.execute(
        f"SELECT {table}.id, {resource.row_json}, {gone}, {seen} FROM {table} "  # nosec B608 # noqa: S608 -- declared names only
        f"WHERE {table}.id IN (SELECT value FROM json_each(:ids))",
        {**sight.values, "ids": encode(sorted(ids))},
    )
    return {row[0]: _Row(row[1], bool(row[2]), bool(row[3])) for row in found}


def _text(connection: sqlite3.Connection, change: _Change, row: _Row | None, sight: Sight) -> str | None:
    """None: nothing that this caller may know of."""
    if row is None:
        if not was_seen(connection, change.old or {}, sight):
            return None
        return _written(change, "null")
    if not row.seen:
        # It has left the cells of who asks: for him it is gone. Its id is all that he is told.
        return _written(change, "null") if "cell_id" in (change.fields or ()) else None
    return _written(change, "null" if row.gone else row.text)


def was_seen(connection: sqlite3.Connection, old: Mapping[str, Any], sight: Sight) -> bool:
    """A row that is not there any more."""
    if sight.cells is None:
        return True
    cell = tombstones.cell_of(connection, old)
    return cell is None or cell in sight.cells


def _written(change: _Change, row: str) -> str:
    entry = change.entry
    about = {
        "seq": entry.seq,
        "entity": change.table,
        "id": change.row_id,
        "op": "delete" if row == "null" else "upsert",
        "row_version": change.version,
        "changed_fields": None if row == "null" or change.fields is None else [*change.fields],
        "origin": entry.origin,
        "occurred_at": entry.occurred_at,
        "recorded_at": entry.recorded_at,
        "request_id": entry.request_id,
    }
    return f'{encode(about)[:-1]},"row":{row}}}'
