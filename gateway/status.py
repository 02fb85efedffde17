"""How the gateway is doing, as one JSON object: `/healthz`, `/metrics` and `eryxon-gateway status` show the same."""

import math
import sqlite3
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any

from gateway import __version__
from gateway.cloud import conflicts
from gateway.cloud import store as cloud_
from gateway.hub import gateways
from gateway.hub.entities import epoch
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database
from gateway.kernel.health import Health, Link
from gateway.kernel.secrets import kept_back
from gateway.outbox import journal

PLUGINS = "plugin:"  # how the links of plugins begin
FACTS_MAX, FACT_MAX_CHARACTERS = 50, 1_000  # of one plugin
FACT_LEVELS_MAX, FACT_ENTRIES_MAX = 3, 200  # of one fact that holds others, as the machines of a plugin that reads them


class Status:
    """`epoch` is 0 when nobody has served this database yet. `drain_s(pending)`: in how many seconds so many entries will have
    gone up. `hidden`: what nobody is shown, wherever a text quotes it.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        health: Health,
        gateway_id: str,
        drain_s: Callable[[int], float | None] | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        self._db = db
        self._clock = clock
        self._health = health
        self._gateway_id = gateway_id
        self._drain_s = drain_s
        self._hidden = hidden

    def brief(self) -> str:
        """`degraded` when something of our own is wrong; a cloud or broker that is away is not."""
        return "degraded" if self._problems() else "ok"

    def _problems(self) -> list[str]:
        return [*self._health.problems(), *(told for told in (self._db.read_only, self._db.warning) if told)]

    def _kept_back(self, value: Any) -> Any:
        """What the other side says is shown, and so is what a plugin failed on: without our secrets in it."""
        if isinstance(value, str):
            return kept_back(value, self._hidden)
        if isinstance(value, Mapping):
            return {name: self._kept_back(one) for name, one in value.items()}
        return [self._kept_back(one) for one in value] if isinstance(value, list | tuple) else value

    async def full(self) -> dict[str, Any]:
        head, epoch, readers = await self._db.read(_facts)
        now = self._clock.now()
        links: dict[str, dict[str, Any]] = {
            link.name: self._kept_back({"state": link.state, "since": link.since, "error": link.error, **_shown(link)})
            for link in self._health
        }
        for name, facts in readers.items():
            oldest = facts.pop("oldest")
            waits_s = max(0.0, (now - time_.parse(oldest)).total_seconds()) if oldest else 0.0
            links.setdefault(name, {"state": "off", "since": None, "error": "not running"})
            links[name] |= {"behind": facts["pending"], "oldest_s": round(waits_s, 1), **facts}
            if name == cloud_.READER and self._drain_s is not None:
                drain_s = self._drain_s(facts["pending"])
                links[name]["drain_s"] = None if drain_s is None else round(drain_s)
        told = {
            "status": self.brief(),
            "version": __version__,
            "gateway": self._gateway_id,
            "epoch": epoch,
            "journal_head": head,
            "clock_trusted": time_.trusted(now),
            "links": links,
        }
        more = {"gateways": await self._db.read(gateways.known), "problems": self._problems()}
        return told | {name: value for name, value in more.items() if value}


def _shown(link: Link) -> dict[str, Any]:
    """The facts of a link. What a plugin puts there may be anything, and must not be what /healthz fails on."""
    facts = link.facts.copy()
    if not link.name.startswith(PLUGINS):
        return facts
    return {
        str(name): _plain(value, FACT_LEVELS_MAX)
        for name, value in islice(facts.items(), FACTS_MAX)
        if name not in ("state", "since", "error")
    }


def _plain(value: Any, levels: int) -> Any:
    """As JSON can have it."""
    if isinstance(value, str | int | None) or _finite(value):
        return value
    if levels and isinstance(value, Mapping):
        entries = islice(value.items(), FACT_ENTRIES_MAX)
        return {str(name): _plain(entry, levels - 1) for name, entry in entries}
    if levels and isinstance(value, list | tuple):
        return [_plain(entry, levels - 1) for entry in value[:FACT_ENTRIES_MAX]]
    return str(value)[:FACT_MAX_CHARACTERS]


def _finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _facts(connection: sqlite3.Connection) -> tuple[int, int, dict[str, dict[str, Any]]]:
    """(head of the journal, epoch, reader -> its counts). accepted = sent + pending + parked + skipped, always."""
    head = journal.head(connection)
    readers: dict[str, dict[str, Any]] = {}
    for reader in journal.readers(connection):
        accepted, skipped, parked = head - reader["since"], reader["skipped"], reader["parked"]
        pending, oldest = _waiting(connection, reader["name"], reader["position"], head)
        readers[reader["name"]] = {
            "oldest": oldest,
            "accepted": accepted,
            "sent": accepted - pending - parked - skipped,
            "pending": pending,
            "parked": parked,
            "skipped": skipped,
        }
    if cloud_.READER in readers:
        readers[cloud_.READER]["conflicts"] = conflicts.open_count(connection)
    return head, epoch(connection), readers


def _waiting(connection: sqlite3.Connection, name: str, position: int, head: int) -> tuple[int, str | None]:
    """(how many entries wait for this reader, when the oldest of them was recorded)."""
    if name == cloud_.READER:
        return cloud_.pending(connection)
    oldest = connection.execute(
        "SELECT recorded_at FROM events WHERE seq > ? ORDER BY seq LIMIT 1", (position,)
    ).fetchone()
    return head - position, oldest[0] if oldest else None
