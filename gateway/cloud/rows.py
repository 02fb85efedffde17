"""Brings one row of the cloud to where it should be, and keeps what we learn about it.

Every request here may be repeated at once: a create carries our own id, a change is absolute, a delete is a delete. What may
still run after nobody answered is marked unsettled before anything else happens.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gateway.cloud import conflicts, mapping, store
from gateway.cloud.client import CloudClient
from gateway.cloud.merge import Difference
from gateway.cloud.outcome import Kind, Outcome
from gateway.cloud.store import CloudRow
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.ids import NewId
from gateway.outbox.event import CLOUD, Stamp

CACHE_MAX = 5_000  # rows kept in memory; far more than are touched before the last second's are on disk
NOT_BY_ID = (
    "time_entries",
    "operation_quantities",
    "scrap_reasons",
    "substep_templates",
)  # [U] `?id=` of these lists is broken


class Again(Exception):
    """The request has to be made again later. `outcome` says why, `table` what it was about, `seqs` whose it was; `aggregate`
    what is parked should it never go, if that is not the entries' own.
    """

    def __init__(self, outcome: Outcome, table: str = "") -> None:
        super().__init__(outcome.text)
        self.outcome = outcome
        self.table = table
        self.seqs: tuple[int, ...] = ()
        self.aggregate = ""


class No(Exception):
    """The cloud will not take this; `request` is what was refused. `aggregate`: as in Again."""

    def __init__(self, outcome: Outcome, method: str, table: str, body: Mapping[str, Any] | None) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome
        self.aggregate = ""
        self.request = {"method": method, "path": table, "body": body}


@dataclass(frozen=True, slots=True)
class Settings:
    """`t_late_s`: how long a request that nobody answered may still run over there."""

    t_late_s: float


class Rows:
    def __init__(self, client: CloudClient, db: Database, clock: Clock, new_id: NewId, settings: Settings) -> None:
        self.client = client
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._settings = settings
        self._cache: OrderedDict[tuple[str, str], CloudRow] = OrderedDict()
        self._suspect_until = time_.text(clock.now() + timedelta(seconds=settings.t_late_s))
        self._taken: Counter[str] = Counter()  # lane -> changes that were confirmed
        self.learnt = 0  # things of any row, since the start

    async def known(self, table: str, row_id: str, lane: str) -> CloudRow:
        key = (table, row_id)
        if key not in self._cache:
            self._cache.setdefault(key, await self._db.read(store.row, table, row_id))  # of each row one object
            if len(self._cache) > CACHE_MAX:
                self._cache.popitem(last=False)
        self._cache.move_to_end(key)
        row = self._cache[key]
        row.lane = lane
        return row

    def refresh(self, rows: Iterable[CloudRow], before: int) -> None:
        """A pull that began when so much was `learnt` has written these. Whoever is busy with a row goes on with the same one, and
        what was learnt of it meanwhile is newer. Forgetting it would be worse: it may not be on the disk yet.
        """
        for pulled in rows:
            row = self._cache.get((pulled.table, pulled.id))
            if row is not None and row.learnt <= before:
                row.base.update(pulled.base)
                row.deleted = pulled.deleted

    def keep(self, row: CloudRow) -> None:
        self._db.write_soon(f"cloud:{row.table}:{row.id}", store.save, self._packed(row))

    def by_id(self, table: str) -> bool:
        """Can a single row of it be asked for?"""
        return table not in NOT_BY_ID and not (table == "operations" and self.client.functions.bare)

    def taken(self, lane: str) -> int:
        """How many changes of a lane were confirmed since somebody asked: is it getting on at all?"""
        return self._taken.pop(lane, 0)

    async def put(self, row: CloudRow, body: Mapping[str, Any], updated_at: str, *, earlier: bool = False) -> None:
        """Create the row with `body`, or change it. `earlier`: written in an earlier life of this box, which may have made it and
        gone on with it. Raises Again, No.
        """
        if row.deleted or not body:
            return
        if row.base:
            await self.change(row, body, updated_at)
        else:
            await self.create(row, body, earlier=earlier)

    async def create(self, row: CloudRow, values: Mapping[str, Any], *, earlier: bool = False) -> None:
        body = {"id": row.id, **mapping.first(row.table, values)}
        outcome = await self.client.create(row.table, body)
        match outcome.kind:
            case Kind.OK:
                await self._confirmed(row, values, body, outcome)
            case Kind.OWN_ID_EXISTS if (
                earlier
            ):  # and nothing that was filled in since is emptied: no closed entry opens again
                row.attempted = None
                await self._caught_up(row, {name: value for name, value in values.items() if value is not None})
            case Kind.OWN_ID_EXISTS:
                await self._ours_already(row, values, body)
            case Kind.PLAN_LIMIT | Kind.NAME_TAKEN if await self._is_there(row):
                await self._caught_up(row, values)
            case Kind.UNKNOWN:
                # Two attempts that say different things: nobody knows which of them was applied.
                row.attempted = body if row.attempted in (None, body) else {"id": row.id}
                await self.unsettle(row)
                raise Again(outcome, row.table)
            case _:
                raise verdict(outcome, "POST", row.table, body)

    async def change(self, row: CloudRow, body: Mapping[str, Any], updated_at: str) -> Outcome:
        """One absolute change. Raises Again, No. A row that is gone over there is noted and left."""
        outcome = await self.client.change(row.table, row.id, mapping.stamped(row.table, body, updated_at))
        match outcome.kind:
            case Kind.OK:
                row.base.update(body)
                row.written |= body.keys()
                self._took(row)
            case Kind.GONE:
                await self.gone(row, outcome)
            case Kind.UNKNOWN:
                await self.unsettle(row, body.keys())
                raise Again(outcome, row.table)
            case _:
                raise verdict(outcome, "PATCH", row.table, body)
        return outcome

    async def bury(self, row: CloudRow, values: Mapping[str, Any], old: Mapping[str, Any], updated_at: str) -> None:
        """Made and deleted before it ever went up, yet somebody has booked on it: it goes up as deleted, so that the
        bookings have something to stand on. Raises Again, No.
        """
        body = {"id": row.id, **{name: value for name, value in values.items() if value is not None}}
        body |= mapping.freed(row.table, old)
        outcome = await self.client.create(row.table, body)
        match outcome.kind:
            case Kind.OK:
                row.base, row.deleted = body, True
                self._took(row)
            case Kind.OWN_ID_EXISTS:  # an earlier attempt, which may have been of a living row
                row.base = {"id": row.id}
                await self.remove(row, old, updated_at)
            case Kind.UNKNOWN:
                row.attempted = body
                await self.unsettle(row)
                raise Again(outcome, row.table)
            case _:
                raise verdict(outcome, "POST", row.table, body)

    async def remove(self, row: CloudRow, old: Mapping[str, Any], updated_at: str) -> None:
        """Delete over there. What was never sent is only marked, so that it never will be."""
        if not row.base and row.attempted is None and row.unsettled_until is None:
            row.deleted = True
            self.keep(row)
            return
        if row.table in mapping.SOFT_DELETED:
            body = mapping.freed(row.table, old)
            outcome = await self.client.change(row.table, row.id, mapping.stamped(row.table, body, updated_at))
        else:
            outcome = await self.client.remove(row.table, row.id)
        match outcome.kind:
            case Kind.OK | Kind.GONE if row.deleted:
                self.keep(row)
            case Kind.OK | Kind.GONE:
                row.deleted = True
                self._took(row)
            case Kind.UNKNOWN:
                row.deleted = True  # a settle pass repeats it
                await self.unsettle(row)
                raise Again(outcome, row.table)
            case Kind.IN_USE if "active" in old:
                await self.change(row, {"active": False}, updated_at)
            case _:
                raise verdict(outcome, "DELETE", row.table, None)

    async def unsettle(self, row: CloudRow, fields: Iterable[str] = ()) -> None:
        """Durable before anything else: a request whose outcome is not known may still run."""
        row.unsettled_until = time_.text(self._clock.now() + timedelta(seconds=self._settings.t_late_s))
        row.written |= set(fields)
        await self.secured(row)

    async def secured(self, row: CloudRow) -> None:
        """On the disk before anything else: what is not known after a kill would be done twice."""
        await self._db.write(store.save, self._packed(row))

    async def suspect(self, row: CloudRow, fields: Iterable[str]) -> None:
        """An earlier self may have sent it just before it died; once marked for that long, a repeat changes nothing."""
        if (row.unsettled_until or "") < self._suspect_until:
            await self.unsettle(row, fields if row.base else ())

    async def took(self, row: CloudRow) -> None:
        """One more change of its lane was confirmed."""
        self._taken[row.lane] += 1
        await self.secured(row)

    async def settled(self, rows: Sequence[CloudRow]) -> None:
        """Nothing can come after what stands there now; written at once, or they would soon be due again."""
        for row in rows:
            row.unsettled_until = None
        await self._db.write(store.save, *map(self._packed, rows))

    async def gone(self, row: CloudRow, outcome: Outcome) -> None:
        """404 on a change. [U] lists that cannot be asked by id leave no second opinion."""
        if self.by_id(row.table):
            answer = await self.client.get(row.table, row.id)
            if answer.kind is Kind.OK:
                raise Again(outcome, row.table)
            if answer.kind is not Kind.GONE:
                raise verdict(answer, "GET", row.table, None)
        row.deleted = True
        self.keep(row)
        await self.conflict(
            row,
            "deleted_at",
            None,
            "deleted in the cloud",
            "it was deleted in the cloud: what was done here is kept here",
        )

    async def conflict(
        self, row: CloudRow, name: str, ours: Any, theirs: Any, reason: str, resolution: str | None = "dropped"
    ) -> None:
        """For people to see, and with `resolution` None to decide."""
        stamp = Stamp(self._clock.now(), CLOUD, self._new_id)
        found = Difference(name, ours, theirs, reason, resolution)
        await self._db.write(conflicts.record, stamp, row.table, row.id, found)

    async def _ours_already(self, row: CloudRow, values: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """An earlier attempt was applied. What it carried may be older than what we want now."""
        if row.attempted == body and self.by_id(row.table) and not await self._is_there(row):
            row.base = dict(body)
            row.deleted = True
            self.keep(row)
            await self.conflict(
                row, "id", row.id, None, "the cloud has this id but does not show it: deleted there, or somebody else's"
            )
            return
        await self._caught_up(row, values)

    async def _caught_up(self, row: CloudRow, values: Mapping[str, Any]) -> None:
        """From what an earlier attempt carried to what we want now; everything, where nobody knows what it carried."""
        row.base, row.attempted = row.attempted or {"id": row.id}, None
        bare = row.base.keys() == {"id"}
        changed = {name: value for name, value in values.items() if bare or not mapping.same(value, row.base.get(name))}
        if changed:
            await self.change(row, changed, self._now())
        else:
            self._took(row)

    async def _is_there(self, row: CloudRow) -> bool:
        if not self.by_id(row.table):
            return False
        answer = await self.client.get(row.table, row.id)
        if answer.kind not in (Kind.OK, Kind.GONE):
            raise verdict(answer, "GET", row.table, None)
        return answer.kind is Kind.OK

    async def _confirmed(
        self, row: CloudRow, values: Mapping[str, Any], body: Mapping[str, Any], outcome: Outcome
    ) -> None:
        """It is there; what a create could not carry follows at once."""
        echoed = outcome.row or {}
        row.base = {"id": row.id, **{name: echoed.get(name, body.get(name)) for name in values}}
        row.attempted = None
        self._took(row)
        if held := {name: value for name, value in values.items() if value is not None and body.get(name) != value}:
            await self.change(row, held, self._now())

    def _took(self, row: CloudRow) -> None:
        self._taken[row.lane] += 1
        self.keep(row)

    def _packed(self, row: CloudRow) -> tuple[object, ...]:
        self.learnt += 1
        row.learnt = self.learnt
        return row.packed(self._now())

    def _now(self) -> str:
        return time_.text(self._clock.now())


def verdict(outcome: Outcome, method: str, table: str, body: Mapping[str, Any] | None) -> Again | No:
    """What cannot be decided here: come back later, or never."""
    later = (Kind.UNKNOWN, Kind.QUOTA, Kind.OUTAGE, Kind.KEY, Kind.PARENT_MISSING)
    return Again(outcome, table) if outcome.kind in later else No(outcome, method, table, body)
