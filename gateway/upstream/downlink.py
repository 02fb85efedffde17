"""A hub's changes into the local copy within milliseconds: a long poll on its journal, a snapshot where that is cut off."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import structlog

from gateway.cloud import agreeing, missed, own_cells
from gateway.cloud.absent import Key
from gateway.cloud.own_cells import Own, own
from gateway.hub.raw import Raw, tables
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import CursorExpired, Unavailable
from gateway.kernel.health import Link
from gateway.kernel.ids import NewId
from gateway.kernel.room import Use
from gateway.outbox.event import CLOUD, Stamp, encode
from gateway.upstream import doubts, feed
from gateway.upstream.adopting import TABLES, News, adopt_all, apart, follow_deletions
from gateway.upstream.client import HubClient
from gateway.upstream.echo import Echo
from gateway.upstream.feed import Place, Spooled
from gateway.upstream.returning import Returning

PAGE = 500  # journal entries
CHUNK = 300  # rows of a snapshot in one transaction
MET_POLL_S = 0.2
LOOK_EVERY_S = 0.3
LOOK_MAX = 50  # rows at a time
ENTITIES = ",".join(TABLES)  # the others are told by nobody but ourselves

log = structlog.get_logger(__name__)


class HubDownlink:
    """`wanted`: names or ids of the cells that are ours, `*` for all. `met()`: the life of the hub that the uplink has greeted;
    `heard()` returns when what is on its way up has its answer.
    """

    def __init__(
        self,
        client: HubClient,
        db: Database,
        clock: Clock,
        new_id: NewId,
        link: Link,
        own_id: str,
        echo: Echo,
        wanted: Sequence[str],
        met: Callable[[], int],
        heard: Callable[[], Awaitable[None]],
    ) -> None:
        self._client = client
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._link = link
        self._own_id = own_id
        self._echo = echo
        self._wanted = wanted
        self._met = met
        self._heard = heard
        self._returning = Returning(client, db, clock, new_id, own_id)
        self._own = Own(frozenset())
        self._raw: Mapping[str, Raw] = {}
        self._doubted = asyncio.Event()

    def cells(self) -> Sequence[str]:
        """Those that are ours alone, as far as we know them; none while all are."""
        return sorted(self._own.ids or ())

    async def run(self) -> None:
        """Read for ever. Raises Unavailable when the hub does not answer, or the disk has no room for plans."""
        self._raw = await self._db.read(tables)
        self._own = await self._db.write(_found, self._wanted)
        self._doubt(await self._db.write(_doubts))
        if (life := await self._returning.due()) is not None:
            await self._return(life)
        while True:
            self._db.room.require(Use.PLAN)
            place = await self._db.read(feed.load)
            if place is None:
                await self._snapshot()
            else:
                try:
                    await self._page(place)
                except CursorExpired as exc:
                    log.warning("hub.snapshot", why=exc.message)
                    await self._db.write(feed.forget)
            await agreeing.follow(self._db, Stamp(self._clock.now(), CLOUD, self._new_id))
            self._tell(self._missing or await self._follow_deletions())

    async def _follow_deletions(self) -> str:
        """What waits for a person, empty: nothing."""
        if not await self._db.read(missed.anything):
            return ""
        return await self._db.write(follow_deletions, Stamp(self._clock.now(), CLOUD, self._new_id))

    def _tell(self, but: str) -> None:
        self._link.facts["last_pull"] = time_.zulu(self._clock.now())
        if self._link.degraded(but) if but else self._link.up():
            log.info("link.up", link=self._link.name, but=but or None)

    def _doubt(self, count: int) -> None:
        self._link.facts["doubtful"] = count
        if count:
            self._doubted.set()
        else:
            self._doubted.clear()

    async def look_again(self) -> None:
        """Rows that were changed here and there at once: once ours is sent, the hub says how they stand."""
        last = doubts.FIRST
        while True:
            await self._doubted.wait()
            await self._clock.sleep(LOOK_EVERY_S)
            some = await self._db.read(doubts.after, last, LOOK_MAX)
            last = some[-1] if len(some) == LOOK_MAX else doubts.FIRST
            if not (sent := await self._db.read(doubts.sent, some)):
                continue
            try:
                found = [
                    (table, await self._client.row(TABLES[table].path.lstrip("/"), row_id)) for table, row_id in sent
                ]
            except Unavailable:  # `run` tells it
                continue
            await self._take([feed.whole(table, row) for table, row in found if row is not None], None, sent)

    async def _page(self, place: Place) -> None:
        page = await self._client.changes(place.seq, place.epoch, PAGE, ENTITIES)
        await self._heard()  # some of it may be said about what we have just sent: it must not count as unsent any more
        news = feed.of_page(page["changes"], self._own_id, self._echo, self._raw)
        if cells := [one for one in news if one.table == "cells"]:  # they come before the work in them
            await self._take(cells, None)
        await self._take(await self._own_trees(news, self._own.ids), Place(page["epoch"], page["next"]))
        self._echo.told(page["next"])

    async def _return(self, life: int) -> None:
        """What this box did before it was restored, and then everything that others did."""
        await self._hub_met()
        rows = await self._returning.fetched(life, self._own.ids)
        rounds = []
        try:
            if rows is not None:
                rounds.append(await self._returning.take(rows, self._raw))
            await self._db.write(feed.forget)
            await self._snapshot()
            if rows is not None:
                rounds.append(await self._returning.take(rows, self._raw))
        finally:
            if rows is not None:
                rows.close()
        await self._returning.done(life, rounds)

    async def _hub_met(self) -> None:
        epoch = (await self._client.capabilities())["epoch"]
        while self._met() != epoch:
            await self._clock.sleep(MET_POLL_S)

    async def _snapshot(self) -> None:
        """First the uplink has to meet this hub: what a restored one has lost is unsent work again, and must not be overwritten."""
        await self._hub_met()
        spooled = Spooled(self._db.path.parent)
        try:
            await spooled.fill(self._client.snapshot(ENTITIES))
            await self._take([feed.whole(table, row) for table, row in spooled.rows() if table == "cells"], None)
            rows = feed.of_snapshot(spooled, self._own.ids, self._echo, self._raw)
            while chunk := [*islice(rows, CHUNK)]:
                await self._take(chunk, None)
            await self._db.write(feed.save, spooled.place)
            log.info("hub.snapshot_taken", seq=spooled.place.seq)
        finally:
            spooled.close()

    async def _take(self, news: Sequence[News], place: Place | None, looked_at: Sequence[Key] = ()) -> None:
        stamp = Stamp(self._clock.now(), CLOUD, self._new_id)
        ids, echo, raw = self._own.ids, self._echo, self._raw
        self._doubt(await self._db.write(_apply, stamp, news, ids, place, echo, raw, looked_at))
        if any(one.table == "cells" for one in news):
            self._own = await self._db.write(_found, self._wanted)

    async def _own_trees(self, news: Sequence[News], cells: frozenset[str] | None) -> list[News]:
        """Without those that have nothing to do with our cells; a part that gets work in them comes whole."""
        if cells is None:
            return [*news]
        known = await self._db.read(_known, [one.id for one in news] + [_part(one) for one in news])
        kept: list[News] = []
        wanted: dict[str, None] = {}
        for one in news:
            if one.table in ("jobs", "parts"):
                if one.id in known:
                    kept.append(one)
            elif one.table != "operations" or one.id in known or _part(one) in known:
                kept.append(one)
            elif (one.row or {}).get("cell_id") in cells:
                wanted[_part(one)] = None
        for part_id in wanted:
            kept += await self._tree(part_id)
        return kept

    async def _tree(self, part_id: str) -> list[News]:
        part = await self._client.row("api-parts", part_id)
        job = None if part is None else await self._client.row("api-jobs", feed.job_of(part))
        if part is None or job is None:
            return []
        rows: list[tuple[str, Mapping[str, Any]]] = [("jobs", job), ("parts", part)]
        below = await self._client.below("api-operations", "operations", {"part_id": part_id})
        rows += [("operations", row) for row in below]
        return [feed.whole(table, row) for table, row in rows]

    @property
    def _missing(self) -> str:
        if not self._own.missing:
            return ""
        return f"the hub has no cell {', '.join(self._own.missing)}: correct [cloud] cells"


def _part(one: News) -> str:
    return str((one.row or {}).get("part_id", ""))


def _found(tx: Tx, wanted: Sequence[str]) -> Own:
    """The cells that are ours."""
    known = own_cells.remembered(tx)
    names: dict[str, str] = dict(tx.execute("SELECT id, name FROM cells").fetchall())
    found = own(wanted, names, known)
    if found.found != known:
        own_cells.remember(tx, found.found)
    return found


def _known(connection: sqlite3.Connection, ids: Sequence[str]) -> set[str]:
    sql = " UNION ALL ".join(
        f"SELECT id FROM {table} WHERE id IN (SELECT value FROM json_each(:ids))"  # nosec B608 # noqa: S608 -- these three
        for table in ("jobs", "parts", "operations")
    )
    return {row[0] for row in connection.execute(sql, {"ids": encode(ids)})}


def _apply(
    tx: Tx,
    stamp: Stamp,
    news: Sequence[News],
    cells: frozenset[str] | None,
    place: Place | None,
    echo: Echo,
    raw: Mapping[str, Raw],
    looked_at: Sequence[Key],
) -> int:
    """How many rows are to be looked at again."""
    if place is not None:
        feed.save(tx, place)
    doubts.looked_at(tx, looked_at)
    doubts.add(tx, adopt_all(tx, stamp, [feed.still_fresh(one, echo, raw) for one in news], cells))
    return doubts.count(tx)


def _doubts(tx: Tx) -> int:
    """How many there are at the start."""
    doubts.add(tx, apart(tx))
    return doubts.count(tx)
