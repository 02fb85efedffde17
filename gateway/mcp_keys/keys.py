"""The MCP keys that are in use: who comes with one, and how fast he may call. All are held in memory."""

import asyncio
import hmac
import json
import secrets

from gateway.kernel.clock import Clock, text
from gateway.kernel.db import Database
from gateway.kernel.errors import Unauthorized, Unavailable
from gateway.kernel.ids import NewId
from gateway.kernel.room import Use
from gateway.mcp_keys import store
from gateway.mcp_keys.model import PREFIXES, Agent, NewMcpKey, Usage
from gateway.web.auth import PREFIX_CHARACTERS, UNKNOWN, digest
from gateway.web.limits import Buckets, Rate
from gateway.web.routes import Caller, Scope

SECRET_BYTES = 24  # 32 characters of base64
RATES_MAX = 100  # different limits that are counted at once


class McpKeys:
    def __init__(self, db: Database, clock: Clock, new_id: NewId) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id
        self._known: list[tuple[str, Agent]] | None = None  # (hash, who); not read yet
        self._buckets: dict[int, Buckets] = {}  # calls a minute -> those who have that limit
        self._loading = asyncio.Lock()

    async def load(self) -> None:
        """Read the keys that are in use; call it after any change to them."""
        async with self._loading:
            rows = await self._db.read(store.enabled)
            self._known = [
                (row["key_hash"], _agent(row["id"], row["name"], row["allowed_tools"], row["rate_limit"]))
                for row in rows
            ]

    def identify(self, key: str) -> Agent:
        """Raises Unauthorized; Unavailable before the keys have been read."""
        if self._known is None:
            raise Unavailable("the gateway is starting: try again in a moment")
        hashed = digest(key)
        found = None
        for known, agent in self._known:  # all of them, whichever it is: how long it takes tells nothing
            if hmac.compare_digest(known, hashed):
                found = agent
        if found is None:
            raise Unauthorized(UNKNOWN)
        return found

    def take(self, agent: Agent) -> None:
        """One call of a tool. Raises TooFast."""
        if agent.rate_limit is None or agent.key_id is None:
            return
        if agent.rate_limit not in self._buckets and len(self._buckets) >= RATES_MAX:
            self._buckets.clear()
        rate = Rate(agent.rate_limit, agent.rate_limit)
        self._buckets.setdefault(agent.rate_limit, Buckets(rate, self._clock)).take(agent.key_id)

    async def create(self, wanted: NewMcpKey) -> tuple[str, str]:
        """(id, the key itself: shown once, only its hash is kept). Raises Conflict."""
        key, key_id = PREFIXES[0] + secrets.token_urlsafe(SECRET_BYTES), self._new_id()
        await self._db.write(
            store.insert, key_id, wanted, digest(key), key[:PREFIX_CHARACTERS], text(self._clock.now())
        )
        await self.load()
        return key_id, key

    async def revoke(self, name_or_id: str) -> NewMcpKey:
        """What it was. Raises NotFound."""
        row = await self._db.write(store.revoke, name_or_id, text(self._clock.now()))
        await self.load()
        return NewMcpKey(row["name"], tuple(json.loads(row["allowed_tools"])), row["rate_limit"], row["description"])

    async def used(self, usage: Usage) -> None:
        """Remember a call, while the disk has room for logs."""
        if not self._db.room.admits(Use.TELEMETRY):
            return
        await self._db.write(store.log, self._new_id(), usage, text(self._clock.now()))


def _agent(key_id: str, name: str, tools: str, rate_limit: int) -> Agent:
    """Its tools are the limit: what they call, a planner may."""
    return Agent(Caller(key_id, name, Scope.PLAN), frozenset(json.loads(tools)), key_id, rate_limit)
