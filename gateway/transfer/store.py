"""Rows into tables, whatever table it is, and what the journal is told of them. Every name in SQL is a table or column of ours."""

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.catalog.resources import Kind
from gateway.catalog.store import refusal
from gateway.jobs.model import MINUTE_S
from gateway.jobs.model import minutes as minutes_of
from gateway.kernel import clock as time_
from gateway.kernel.db import Tx
from gateway.kernel.errors import Invalid
from gateway.kernel.ids import is_uuid
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp, encode, job_lane, row_lane
from gateway.transfer.sources import Placed, Row
from gateway.transfer.tables import Kept, Shape, is_secret

EVENT_ROWS = 200  # changes in one journal entry
HELD_MAX = 10_000  # changes that wait to be written into the journal
WAITING_MAX = 100_000  # rows that stand before their parent
_MADE = ("created_at", "updated_at", "segment_id")  # of a row that is there already they stay
_IDS = ("id", "_by")
_TIMES = ("_at", "_date", "_time", "_start", "_end", "_override")


class Told:
    """What the journal has to be told, in the lane of its job; written before it grows too large."""

    def __init__(self, tx: Tx, stamp: Stamp) -> None:
        self._tx = tx
        self._stamp = stamp
        self._lanes: dict[str, list[Change]] = {}
        self._held = 0

    def add(self, kept: Kept, change: Change) -> None:
        found = self._tx.execute(kept.job, (change.id,)).fetchone() if kept.job else None
        lane = job_lane(found[0]) if found else row_lane(kept.table, change.id)
        self._lanes.setdefault(lane, []).append(change)
        self._held += 1
        if self._held == HELD_MAX:
            self.write()

    def write(self) -> None:
        journal.append(self._tx, self._stamp, _events(self._stamp, self._lanes))
        self._lanes, self._held = {}, 0


def _events(stamp: Stamp, lanes: Mapping[str, list[Change]]) -> list[Event]:
    return [
        Event(lane, lane, stamp.now, tuple(changes[start : start + EVENT_ROWS]))
        for lane, changes in lanes.items()
        for start in range(0, len(changes), EVENT_ROWS)
    ]


def _encoded(name: str, value: Any) -> str:
    try:
        return encode(value)
    except (ValueError, RecursionError) as exc:
        raise Invalid(f"{name}: it holds a number that is too large, or is nested too deeply") from exc


class Writer:
    """Rows of one table, as the database keeps them."""

    def __init__(self, tx: Tx, stamp: Stamp, kept: Kept, here: Shape) -> None:
        self._tx = tx
        self._stamp = stamp
        self._kept = kept
        self._shape = here
        self._table = kept.table
        self._parent = next((one.name for one in kept.resource.columns if one.references == kept.table), None)
        self._json = {name for name, kind in here.kinds.items() if kind in (Kind.JSON, Kind.LIST)}
        # Not how often this database changed a row, and no secret: an export holds none, and those of others are not sealed.
        self._writable = {name for name in here.columns if name != "row_version" and not is_secret(name)}
        self._times = {name for name in here.columns if name.endswith(_TIMES)}
        self._ids = {
            name for name in here.columns if name.endswith(_IDS) and name != "external_id"
        }  # that is others' text

    def in_order(self, rows: Iterable[Placed]) -> Iterator[Placed]:
        """Parents before their children, whatever the order of the file. Raises Invalid when they are parents of each other."""
        if self._parent is None:
            yield from rows
            return
        waiting: dict[str, list[Placed]] = {}
        held = 0
        for placed in rows:
            parent = placed[1].get(self._parent)
            if isinstance(parent, str) and is_uuid(parent) and not self._there(parent):
                waiting.setdefault(parent.lower(), []).append(placed)
                held += 1
                if held > WAITING_MAX:
                    raise Invalid(
                        f"{self._table}: more than {WAITING_MAX} rows stand before their parent: put those first"
                    )
                continue
            free = [placed]
            while free:
                yield (one := free.pop())
                free += reversed(waiting.pop(one[1]["id"].lower(), ()))
        left = {row["id"].lower() for some in waiting.values() for _, row in some}
        if left and waiting.keys() <= left:
            raise Invalid(f"{self._table}: {', '.join(sorted(left)[:3])} are parents of each other")
        for some in waiting.values():
            yield from some  # each is refused by name

    def _there(self, row_id: str) -> bool:
        found = self._tx.execute(f"SELECT 1 FROM {self._table} WHERE id = ?", (row_id.lower(),))  # nosec B608 # noqa: S608 -- one of KEPT
        return found.fetchone() is not None

    def put(self, given: Row) -> Change | None:
        """Insert, or update what differs; None when nothing does."""
        row = self._stored(given)
        before = self._tx.execute(f"SELECT * FROM {self._table} WHERE id = ?", (row["id"],)).fetchone()  # nosec B608 # noqa: S608 -- one of KEPT
        row |= self._packed(given, before)
        if before is None:
            row |= self._made(row)
            names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            self._execute(f"INSERT INTO {self._table} ({names}) VALUES ({marks})", row)  # nosec B608 # noqa: S608 -- our columns
            return Change(self._table, row["id"], "insert", 1)
        rounded = {
            column for column, (_, exact) in self._shape.seconds.items() if not isinstance(given.get(exact), int)
        }
        values = {
            name: value
            for name, value in row.items()
            if self._differs(name, before[name], value, rounded=name in rounded)
        }
        if not values:
            return None
        parent = values.get(self._parent or "")
        if isinstance(parent, str) and is_uuid(parent):
            self._no_circle(row["id"], parent)
        versioned = "row_version" in self._shape.columns
        pairs = [f"{name} = :{name}" for name in values] + (["row_version = row_version + 1"] if versioned else [])
        self._execute(f"UPDATE {self._table} SET {', '.join(pairs)} WHERE id = :id", {**values, "id": row["id"]})  # nosec B608 # noqa: S608 -- our columns
        version = before["row_version"] + 1 if versioned else 1
        return Change(self._table, row["id"], "update", version, tuple(values))

    def _no_circle(self, row_id: str, parent: str) -> None:
        above = (
            f"WITH RECURSIVE above(id) AS (SELECT ? UNION SELECT t.{self._parent} FROM {self._table} t JOIN above USING (id)) "  # nosec B608 # noqa: S608 -- our columns
            "SELECT 1 FROM above WHERE id = ?"
        )
        if self._tx.execute(above, (parent, row_id)).fetchone() is not None:
            raise Invalid(f"{row_id} and {parent} are parents of each other")

    def _differs(self, name: str, before: Any, value: Any, *, rounded: bool) -> bool:
        """A value that is only written in another way is the same; so are whole minutes of exact ones."""
        if before == value or name in _MADE:
            return False
        if before is None or value is None:
            return True
        if rounded:
            return bool(value != minutes_of(before) * MINUTE_S)
        return name not in self._json or json.loads(before) != json.loads(value)

    def _stored(self, row: Row) -> dict[str, Any]:
        """As the database keeps it. Columns of the cloud that we do not have are left out."""
        here = self._shape
        stored = {name: self._value(name, value) for name, value in row.items() if name in self._writable}
        for column, (minutes, seconds) in here.seconds.items():
            given, exact = row.get(minutes), row.get(seconds)
            if isinstance(exact, int):
                stored[column] = exact
            elif minutes in row:
                if given is not None and not (isinstance(given, int | float) and math.isfinite(given)):
                    raise Invalid(f'{minutes}: "{given}" is no number of minutes')
                stored[column] = None if given is None else round(given * MINUTE_S)
        return stored

    def _packed(self, row: Row, before: sqlite3.Row | None) -> dict[str, Any]:
        """The columns that hold several fields as one JSON object; a field that the row does not have stays."""
        packed = {}
        for column, names in self._shape.packed.items():
            given = {name: row[name] for name in names if name in row}
            if column not in row and given:
                there = json.loads(before[column] or "{}") if before is not None else {}
                inside = {name: value for name, value in {**there, **given}.items() if value is not None}
                packed[column] = _encoded(column, inside) if inside else None
        return packed

    def _value(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, dict | list) or name in self._json:
            return _encoded(name, value)
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise Invalid(f"{name}: the number is too large")
        if not isinstance(value, str):
            return value
        if "\0" in value:
            raise Invalid(f"{name}: it holds a NUL character: no text may")
        if name in self._times:
            try:
                return time_.text(time_.parse(value))
            except ValueError:
                raise Invalid(f'{name}: "{value}" is no date or time') from None
        return value.lower() if name in self._ids and is_uuid(value) else value

    def _made(self, row: dict[str, Any]) -> dict[str, Any]:
        """What must be in a new row, whoever left it out."""
        missing = [name for name in _MADE if name in self._shape.columns and row.get(name) is None]
        created_at = row.get("created_at") or time_.text(time_.BUILD_DATE)
        return {name: self._stamp.new_id() if name == "segment_id" else created_at for name in missing}

    def _execute(self, statement: str, row: Row) -> None:
        try:
            self._tx.execute(statement, row)
        except OverflowError as exc:
            raise Invalid("a number is too large") from exc
        except UnicodeEncodeError as exc:
            raise Invalid("it holds half a character (\\ud800 to \\udfff): no text may") from exc
        except sqlite3.IntegrityError as exc:
            raise refusal(self._kept.resource, row, exc) from exc
