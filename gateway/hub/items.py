"""The calls in a request to /api-forward: in their order, each once, and none after a refusal in its job tree.

They are handed to the writer one after the other without waiting for each other's commit, so that it takes many of them in one
transaction, a savepoint each where one fails. Whether what an item hangs on was carried out is looked up there, in the same
transaction: it has left its receipt, or it was refused.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from pydantic import Field, StrictInt, StrictStr

from gateway.catalog.models import Body, Instant
from gateway.hub import gateways
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import GatewayError, Invalid, NotRun
from gateway.outbox import receipts
from gateway.outbox.event import encode
from gateway.web import errors
from gateway.web.body import detail
from gateway.web.inside import BASE, Inner, Inside, Outcome
from gateway.web.routes import Call

AT_ONCE = 100  # items that are on their way to the writer together; it has a queue of some thousand for everybody
_PARENTS = ("operation_id", "part_id", "job_id")


class Item(Body):
    """One call of the REST API."""

    key: Annotated[StrictStr, Field(pattern=r"^[\x21-\x7e][\x20-\x7e]{0,199}$")] = Field(
        description="Its Idempotency-Key, in the gateway's own space."
    )
    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[StrictStr, Field(pattern=r"^/[\x21-\x7e]{0,2000}$")] = Field(description="With its query.")
    body: dict[str, Any] | None = None
    occurred_at: Instant | None = Field(None, description="For a body that takes it and does not say.")
    depends_on: StrictStr | None = Field(None, description="The key of an item before it.")
    base_version: Annotated[StrictInt, Field(ge=1)] | None = Field(
        None, description="The `row_version` that it was made on: 409 if somebody has changed the same since."
    )


def require_order(items: Sequence[Item]) -> None:
    """Raises Invalid: a key twice, or a dependency that does not stand before."""
    known: set[str] = set()
    for place, item in enumerate(items):
        if item.key in known:
            wrong = detail(f"items[{place}].key", f'the key "{item.key}" stands there twice', "UNIQUE")
        elif item.depends_on is not None and item.depends_on not in known:
            wrong = detail(f"items[{place}].depends_on", "no item before it has that key", "FK_CONSTRAINT")
        else:
            known.add(item.key)
            continue
        raise Invalid(f"1 validation error(s) in forward: {wrong['message']}", [wrong])


@dataclass(frozen=True, slots=True)
class Placed:
    """`repeat`: it was carried out before, and is answered as it was then."""

    item: Item
    lane: str
    repeat: bool


def placed(connection: sqlite3.Connection, space: str, items: Sequence[Item]) -> list[Placed]:
    """Each with its job tree; what is made further up in the same request is known by its id."""
    known = receipts.known(connection, space, [item.key for item in items])
    lanes: dict[str, str] = {}
    found = []
    for item in items:
        lane = _lane(connection, item, lanes)
        made = (item.body or {}).get("id")
        if isinstance(made, str):
            lanes[made.lower()] = lane
        found.append(Placed(item, lane, item.key in known))
    return found


def _lane(connection: sqlite3.Connection, item: Item, lanes: Mapping[str, str]) -> str:
    path, _, query = item.path.partition("?")
    function = "/" + path.removeprefix(BASE).lstrip("/").partition("/")[0].replace("-lifecycle", "s")
    values = {name: found[0] for name, found in parse_qs(query).items()}
    values |= {name: value for name, value in (item.body or {}).items() if isinstance(value, str)}
    asked = [(gateways.parent_function(name), values[name].lower()) for name in _PARENTS if name in values]
    if "id" in values:
        asked.insert(0, (function, values["id"].lower()))
    for of, row_id in asked:
        if lane := lanes.get(row_id) or gateways.job_of(connection, of, row_id):
            return lane
    return asked[0][1] if asked else item.key


@dataclass(slots=True)
class _Stopped:
    """What was refused so far: `lanes`: job tree -> the key of its first refusal."""

    lanes: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def before(self, one: Placed) -> str | None:
        """What it hangs on that was refused."""
        return one.item.depends_on if one.item.depends_on in self.keys else self.lanes.get(one.lane)

    def refused(self, one: Placed) -> None:
        self.keys.add(one.item.key)
        self.lanes.setdefault(one.lane, one.item.key)


class Items:
    """Those of one request by one gateway; `guard` is asked in the transaction of each."""

    def __init__(self, db: Database, inside: Inside, call: Call, gateway_id: str, guard: Callable[[Tx], None]) -> None:
        self._db = db
        self._inside = inside
        self._call = call
        self._gateway_id = gateway_id
        self._space = f"hub:{gateway_id}"
        self._guard = guard
        self._stopped = _Stopped()
        self._seen = _Stopped()  # before those that are on their way have their answers
        self._waited: set[str] = set()  # keys of items that stood in the queue when the next one was looked at
        self._last: dict[str, str] = {}  # lane -> the last of them

    async def results(self, items: Sequence[Item]) -> list[str]:
        """As JSON text, in their order."""
        all_ = await self._db.read(placed, self._space, items)
        told: list[str] = []
        for first in range(0, len(all_), AT_ONCE):
            some = all_[first : first + AT_ONCE]
            outcomes = await self._outcomes(some)
            told += [self._told(one, outcome) for one, outcome in zip(some, outcomes, strict=True)]
        return told

    async def _outcomes(self, some: Sequence[Placed]) -> list[Outcome | None]:
        """None: it was not even begun."""
        begun: list[asyncio.Task[Outcome] | None] = []
        async with asyncio.TaskGroup() as group:
            for one in some:
                if not one.repeat and any(known.before(one) is not None for known in (self._stopped, self._seen)):
                    self._seen.refused(one)
                    begun.append(None)
                    continue
                begun.append(await self._begun(group, one))
        return [None if task is None else task.result() for task in begun]

    async def _begun(self, group: asyncio.TaskGroup, one: Placed) -> asyncio.Task[Outcome]:
        """It stands in the writer's queue, or is through."""
        queued = asyncio.Event()
        running = self._inside.run(self._inner(one, queued.set), self._call.caller, self._call.request_id)
        task = group.create_task(running)
        task.add_done_callback(lambda _: queued.set())
        await queued.wait()
        if one.repeat:
            await task
        if not task.done():
            self._last[one.lane] = one.item.key
            self._waited.add(one.item.key)
        elif not task.result().good:
            self._seen.refused(one)
        return task

    def _inner(self, one: Placed, queued: Callable[[], None]) -> Inner:
        item = one.item
        after = frozenset(key for key in (self._last.get(one.lane), item.depends_on) if key in self._waited)
        return Inner(
            item.method,
            item.path,
            item.body,
            item.key,
            self._space,
            self._gateway_id,
            partial(_guarded, guard=self._guard, space=self._space, after=after),
            None if item.occurred_at is None else str(item.occurred_at),
            item.base_version,
            queued,
        )

    def _told(self, one: Placed, outcome: Outcome | None) -> str:
        before = self._stopped.before(one)
        if outcome is None or (before is not None and not outcome.good):
            refusal = _not_run(before or "")
            outcome = Outcome(errors.status_of(refusal), errors.envelope(refusal, self._call.request_id))
        if not outcome.good:
            self._stopped.refused(one)
        replayed = "true" if outcome.replayed else "false"
        head = f'"key":{encode(one.item.key)},"status":{outcome.status}'
        return f'{{{head},"body":{outcome.body},"replayed":{replayed}}}'


def _guarded(tx: Tx, *, guard: Callable[[Tx], None], space: str, after: frozenset[str]) -> None:
    """Raises NotRun: something that it hangs on has not left its receipt."""
    guard(tx)
    if after and (missing := after - receipts.known(tx, space, after)):
        raise _not_run(min(missing))


def _not_run(before: str) -> GatewayError:
    return NotRun(f'not carried out: "{before}" before it was refused', {"refused": before})
