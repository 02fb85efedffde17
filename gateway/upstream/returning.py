"""A box that was restored gets its work back from the hub: all that it had sent since its backup, and has lost.

What the box of then had sent is the hub's by now, and nobody else will do it again. What was changed here since, or still has
to go up, is not touched. Rows that hang on what only the feed brings are taken in a second round, after it.
"""

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import structlog

from gateway.cloud import lives, store
from gateway.cloud.absent import Key
from gateway.hub.raw import GONE, Raw, lane_of
from gateway.hub.returned import COMPLETE
from gateway.hub.written import Written, delete, put
from gateway.kernel import state
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import EpochFenced, GatewayError, NotFound, Unavailable
from gateway.kernel.ids import NewId
from gateway.outbox import journal
from gateway.outbox.event import CLOUD, Change, Event, Stamp
from gateway.upstream import doubts
from gateway.upstream.adopting import TABLES
from gateway.upstream.client import HubClient

SLICE = 100  # rows in one transaction: another write waits some ten milliseconds
UNSENT_MAX_S = 30.0  # what was found unsent has its answer by then, or does without these rows
LOOK_S = 0.2
_KEY = "hub_returned"  # the life of this box that has its work back

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Came:
    """`kept`: rows that were changed here since, or have to go up; `left`: why a row was not taken, of the last that was not."""

    rows: int = 0
    kept: int = 0
    not_taken: int = 0
    left: str = ""

    def add(self, more: "Came") -> None:
        self.rows += more.rows
        self.kept += more.kept
        self.not_taken += more.not_taken
        self.left = more.left or self.left


class Returning:
    """`gateway_id`: as the hub knows us."""

    def __init__(self, client: HubClient, db: Database, clock: Clock, new_id: NewId, gateway_id: str) -> None:
        self._client = client
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._gateway_id = gateway_id

    async def due(self) -> int | None:
        """The life of this box that still lacks its work; None: it has it."""
        return await self._db.read(_due)

    async def fetched(self, life: int, cells: Collection[str] | None) -> "Rows | None":
        """`cells`: the ids of ours, None for all. Close what comes. None: the hub is older than this, and gives nothing back.

        Raises Unavailable.
        """
        ends_s = self._clock.monotonic() + UNSENT_MAX_S
        while await self._db.read(lives.waits) and self._clock.monotonic() < ends_s:
            await self._clock.sleep(LOOK_S)
        with contextlib.ExitStack() as stack:
            rows = Rows(self._db.path.parent)
            stack.callback(rows.close)
            try:
                await rows.fill(self._client.returned(self._gateway_id, life, cells))
            except NotFound:
                return None
            except EpochFenced as fenced:
                raise Unavailable(fenced.message) from fenced
            stack.pop_all()
            return rows

    async def take(self, rows: "Rows", tables: Mapping[str, Raw]) -> Came:
        """One round: whatever can be written."""
        came, all_ = Came(), rows.all()
        while some := [*islice(all_, SLICE)]:
            came.add(await self._db.write(_take, Stamp(self._clock.now(), CLOUD, self._new_id), some, tables))
        return came

    async def done(self, life: int, rounds: Sequence[Came]) -> None:
        await self._db.write(state.put, _KEY, str(life))
        came = sum(one.rows for one in rounds)
        last = rounds[-1] if rounds else Came()
        log.info("hub.returned", rows=came, kept=last.kept, not_taken=last.not_taken, why=last.left or None)


class Rows:
    """On disk: they are gone through twice, and may be larger than memory."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- closed by `close`

    async def fill(self, lines: AsyncIterator[bytes]) -> None:
        """Raises Unavailable: they are not whole."""
        last = b""
        async for line in lines:
            self._file.write(line)
            last = line
        if last.strip() != json.dumps({COMPLETE: True}, separators=(",", ":")).encode():
            raise Unavailable("the hub broke off while it gave our work back")

    def all(self) -> Iterator[Written]:
        self._file.seek(0)
        for line in self._file:
            told = json.loads(line)
            if "table" in told:
                yield Written.model_construct(**told)

    def close(self) -> None:
        self._file.close()


def _due(connection: sqlite3.Connection) -> int | None:
    life = lives.after_another(connection)
    return None if life is None or state.get(connection, _KEY) == str(life) else life


def _take(tx: Tx, stamp: Stamp, some: Sequence[Written], tables: Mapping[str, Raw]) -> Came:
    came, here = Came(), _here(tx, some, tables)
    ours: dict[str, set[Key]] = {}
    lanes: dict[str, list[Change]] = {}
    doubtful: list[Key] = []
    for one in some:
        lane = lane_of(tx, one.table, one.id)
        values = _differing(one, here.get((one.table, one.id)))
        if values is None:
            continue
        if lane not in ours:
            ours[lane] = lives.touched(tx, lane)
        if (one.table, one.id) in ours[lane] or _goes_up(store.unsent(tx, lane, one.table, one.id)):
            came.kept += 1
            doubtful += [(one.table, one.id)] if one.table in TABLES else []
            continue
        try:
            change = _written(tx, one, values, tables)
        except GatewayError as refusal:  # it hangs on what is not here (yet), or its name is taken
            came.not_taken += 1
            came.left = refusal.message
            continue
        if change is not None:
            came.rows += 1
            lanes.setdefault(lane_of(tx, one.table, one.id) if change.op == "insert" else lane, []).append(change)
    doubts.add(tx, doubtful)
    journal.append(tx, stamp, [Event(lane, lane, stamp.now, tuple(touched)) for lane, touched in lanes.items()])
    return came


def _here(
    connection: sqlite3.Connection, some: Sequence[Written], tables: Mapping[str, Raw]
) -> dict[tuple[str, str], Mapping[str, Any]]:
    """How these rows stand, with what hangs on them as `below`."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for name in dict.fromkeys(one.table for one in some):
        ids = [one.id for one in some if one.table == name]
        rows, below = tables[name].rows(connection, ids), tables[name].all_below(connection, tables, ids)
        found |= {(name, row_id): {"values": row, "below": below.get(row_id, [])} for row_id, row in rows.items()}
    return found


def _differing(one: Written, here: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The columns that are otherwise here, all of a row that is not; None: there is nothing to do."""
    if one.op == "delete":
        return None if here is None else {}
    if here is None:  # what has come and gone since is not missed
        return None if (one.values or {}).get(GONE) else one.values
    values = {name: value for name, value in (one.values or {}).items() if here["values"].get(name) != value}
    return values if values or (one.below is not None and one.below != here["below"]) else None


def _goes_up(unsent: store.Unsent) -> bool:
    return unsent.fields is None or bool(unsent.fields)


def _written(tx: Tx, one: Written, values: Mapping[str, Any], tables: Mapping[str, Raw]) -> Change | None:
    """Whole or not at all. Raises Conflict, Invalid."""
    tx.execute("SAVEPOINT returned")
    try:
        if one.op == "delete":
            return delete(tx, tables[one.table], one.id, {})
        known = len(values) < len(one.values or {})
        told = one.model_copy(update={"op": "update" if known else "insert", "fields": tables[one.table].shown(values)})
        return put(tx, tables, told, values, ())
    except GatewayError:
        tx.execute("ROLLBACK TO returned")
        raise
    finally:
        tx.execute("RELEASE returned")
