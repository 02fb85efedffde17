"""Plan data by a user's session: what the cloud's activity log says was touched, every few seconds.

Beside that the small tables every hour, which the log does not know, and everything once a day. Nothing of it counts against the
plan. Each round ends with a position that is kept: a restart goes on from there, and reading something twice does no harm.
"""

import contextlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta

import structlog

from gateway.cloud import own_cells, people
from gateway.cloud.absent import WORK, Key
from gateway.cloud.client import CloudClient
from gateway.cloud.feed import Feed, Touched
from gateway.cloud.pull import SELDOM, Pull, Pulled, Row, ours
from gateway.cloud.session import Session
from gateway.cloud.standing import all_known, standing
from gateway.cloud.tables import Tables
from gateway.cloud.taking import Taking
from gateway.cloud.trees import Trees, alive, changed
from gateway.kernel import clock as time_
from gateway.kernel import state
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.errors import Unavailable

FLAT_EVERY_S = 3600.0
FLAT_AGAIN_S = 60.0  # when something of it could not be taken over
EVERYTHING_EVERY = timedelta(hours=24)
AT_ONCE = 1000  # rows that are read and written in one go
_KEY = "cloud.feed"

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Kept:
    """What is stored. `cursor`: how far the log was read; `later`: rows that could not be taken over yet; instants as text."""

    cursor: str = ""
    everything_at: str = ""
    tenant: str = ""
    later: list[Key] = field(default_factory=list)


class Direct:
    def __init__(
        self,
        client: CloudClient,
        session: Session,
        taking: Taking,
        db: Database,
        clock: Clock,
        cells: Collection[str],
    ) -> None:
        self._client = client
        self._session = session
        self._taking = taking
        self._db = db
        self._clock = clock
        self._wanted = cells
        self._tables = Tables(session)
        self._trees = Trees(self._tables, db)
        self._feed = Feed(self._tables)
        self._kept: _Kept | None = None
        self._cells: frozenset[str] | None = None  # the ids of ours
        self._unknown = self._waits = ""  # for people
        self._flat_due_s = 0.0
        self._doubted: Mapping[Key, int] = {}  # gone, or back, as the last round saw it

    async def round(self) -> str:
        """Returns what people should look at. Raises Unavailable: then nothing of the round counts as read."""
        kept = self._kept or await self._last()
        kept.later = [(table, row_id) for table, row_id in kept.later]
        whole = self._everything_due(kept)
        touched = await self._touched(kept, whole=whole)
        keys = touched.keys | {*kept.later}
        doubted: dict[Key, int] = {}
        started = time_.text(self._clock.now())
        if self._clock.monotonic() >= self._flat_due_s or any(table not in WORK for table, _ in touched.keys):
            doubted |= await self._small_tables(kept, started, whole=whole)
        if whole:
            keys |= await self._trees.open(self._cells)
        later: set[Key] = set()
        work = sorted(key for key in keys if key[0] in WORK)
        for first in range(0, len(work), AT_ONCE):
            began = time_.text(self._clock.now())
            found = await self._trees.look(work[first : first + AT_ONCE], self._cells)
            later.update(await self._taking.take(found, began))
            doubted |= found.missed
        await self._follow(doubted, kept, started)
        await self._taking.agree()
        later.update(key for key in doubted if key[0] in WORK)
        at = time_.text(self._clock.now()) if whole else kept.everything_at
        self._keep(_Kept(touched.cursor, at, kept.tenant, sorted(later)))
        self._feed.took(touched)
        return "; ".join(told for told in (self._unknown, self._waits) if told)

    async def _last(self) -> _Kept:
        stored = await self._db.read(state.get, _KEY)
        return _Kept(**json.loads(stored or "{}"))

    def _everything_due(self, kept: _Kept) -> bool:
        if not (kept.cursor and kept.everything_at):
            return True
        return not timedelta() <= self._clock.now() - time_.parse(kept.everything_at) < EVERYTHING_EVERY

    async def _touched(self, kept: _Kept, *, whole: bool) -> Touched:
        """Where everything is read anyway, the log begins anew."""
        if not whole:
            return await self._feed.read(kept.cursor)
        await self._check_tenant(kept)
        return Touched(set(), await self._feed.head(), {})

    async def _check_tenant(self, kept: _Kept) -> None:
        """What the user does not see may be missing because he may not see it. Raises Unavailable."""
        tenant = str((await self._session.own_profile())["tenant_id"])
        if kept.tenant not in ("", tenant):
            raise Unavailable(f"the service user belongs to another company now: {tenant}, and not {kept.tenant}")
        kept.tenant = tenant

    async def _small_tables(self, kept: _Kept, started: str, *, whole: bool) -> dict[Key, int]:
        """All of them, for the log does not tell of each. Returns what is gone or back, and not yet known to be."""
        got, gone = Pulled(), dict[Key, int]()
        for table in ("cells", *SELDOM):
            rows = {row["id"]: row for row in await self._tables.where(table, {})}
            got.add(table, alive(rows.values()).values() if rows or not whole else await self._by_key(table))
            if not rows:
                continue  # hidden from the user, rather than gone
            known = [row_id for _, row_id in await self._db.read(all_known, (table,))]
            gone |= changed(table, await self._db.read(standing, table, known), rows)
        remembered = await self._db.read(own_cells.remembered)
        found, self._unknown = ours(self._wanted, got.of("cells"), remembered)
        self._cells = found.ids
        if found.found != remembered:
            await self._db.write(own_cells.remember, found.found)
        told = {table: await self._tables.where(table, {}) for table in people.TABLES}
        got.cells = self._cells
        later = await self._taking.take(got, started)
        await self._check_tenant(kept)
        if news := await self._db.read(people.news, told):
            count = await self._db.write(people.take, self._taking.stamp(), news)
            log.info("pull.people", changed=count)
        pause_s = FLAT_AGAIN_S if later else FLAT_EVERY_S
        self._flat_due_s = self._clock.monotonic() + (0.0 if gone else pause_s)
        return gone

    async def _by_key(self, table: str) -> list[Row]:
        """What the user may not see. That costs the plan's requests: once a day, and not at any price."""
        with contextlib.suppress(Unavailable):
            return await Pull(self._client, self._wanted).flat(table)
        return []

    async def _follow(self, doubted: Mapping[Key, int], kept: _Kept, started: str) -> None:
        """Once no more go than the round before: many that go one after the other are judged together."""
        if doubted:
            await self._check_tenant(kept)
        if doubted.keys() <= self._doubted.keys():
            self._waits = await self._taking.follow(doubted, started)
        self._doubted = doubted

    def _keep(self, kept: _Kept) -> None:
        if kept != self._kept:
            self._db.write_soon(_KEY, state.put, _KEY, json.dumps(asdict(kept)))
        self._kept = kept
