"""A shift in which every kind of mutation happens once, in a fixed order; and accidents that meet one request of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.catalog.commands import RowCommands
from gateway.catalog.tables import CELLS, RESOURCES, SCRAP_REASONS
from gateway.demo import factory
from gateway.demo.cloud_faults import MUTATING, Faults
from gateway.jobs.commands import ChangeJob
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.quantities.commands import QuantityCommands
from gateway.operations.time_entries.commands import TimeEntryCommands
from gateway.operations.trees.commands import JobTreeCommands, PartTreeCommands
from gateway.web.routes import Caller, Scope

CALLER = Caller("shift", "shift", Scope.ADMIN)
OTTO, PETRA = (factory.named("profile", name) for name in factory.PEOPLE[:2])
CUT, BEND, WELD = (factory.named("operation", "1", "Beam", step) for step, _, _ in factory.STEPS)
FOOT_CUT = factory.named("operation", "1", "Foot", "Laser cutting")
BURR, DIM = (factory.named("scrap", code) for code, _, _ in factory.SCRAP)
LASER = factory.named("cell", "Laser")
DATABASE_AWAY_S = 0.15
CREATES_WITH_LIMIT = ("/api-jobs", "/api-parts")


class Shift:
    """`began`: hours ago for a shift that is reported late, None for one that is told as it happens."""

    def __init__(self, shop, began: datetime | None = None) -> None:
        made = (shop.db, shop.clock, shop.new_id, "gw-test")
        self._operations = OperationPlanning(*made)
        self._jobs = JobTreeCommands(*made)
        self._parts = PartTreeCommands(*made)
        self._quantities = QuantityCommands(*made)
        self._entries = TimeEntryCommands(*made)
        self._cells, self._resources, self._reasons = (
            RowCommands(one, *made) for one in (CELLS, RESOURCES, SCRAP_REASONS)
        )
        self._read = shop.db.read
        self._at = began

    async def work(self, after_each: Callable[[], Awaitable[None]]) -> None:
        """All of it; whatever is refused here fails the test."""
        for chapter in (self._office, self._one_operation, self._numbers, self._by_hand, self._jobs_move, self._cancel):
            async for _ in chapter():
                await after_each()

    def _now(self) -> datetime | None:
        """Late work: seven minutes after what was last."""
        if self._at is not None:
            self._at += timedelta(minutes=7)
        return self._at

    async def _press(self, verb: Verb, operation_id: str, operator_id: str | None = OTTO) -> None:
        await self._operations.change(ChangeOperation(operation_id, verb, operator_id, self._now()), CALLER, None)

    async def _office(self):
        steps = [{"operation_name": name, "cell_id": LASER, "estimated_time": 5} for name in ("Saw", "Drill")]
        parts = [{"part_number": "P-1", "quantity": 3, "operations": steps}, {"part_number": "P-2", "quantity": 1}]
        given = {"job_number": "J-1", "customer": "Ümlaut & Söhne", "priority": 2, "parts": parts}
        job = await self._made(self._jobs, {**given, "external_id": "E-1", "external_source": "erp"}, "job")
        yield
        self.job, (_, self.spare), (self.saw, self.drill) = (
            job["id"],
            ids(job["parts"]),
            ids(job["parts"][0]["operations"]),
        )
        await self._jobs.update(self.job, {"notes": "hurry", "priority": 7}, CALLER, None)
        yield
        part = await self._made(self._parts, {"part_number": "P-3", "job_id": self.job, "material": "Oak"}, "part")
        yield
        await self._parts.update(part["id"], {"quantity": 12, "metadata": {"a": [1]}}, CALLER, None)
        yield
        given = {"part_id": part["id"], "cell_id": LASER, "operation_name": "Plane"}
        self.plane = (await self._made(self._operations, given, "operation"))["id"]
        yield
        await self._operations.update(self.plane, {"estimated_time": 44, "sequence": 9}, CALLER, None)
        yield
        self.cell = (await self._made(self._cells, {"name": "Paint shop"}, "cell"))["id"]
        await self._operations.update(self.drill, {"cell_id": self.cell}, CALLER, None)
        yield
        await self._cells.update(self.cell, {"name": "Paint", "wip_limit": 3}, CALLER, None)
        yield
        self.jig = (await self._made(self._resources, {"name": "Jig", "type": "tooling"}, "resource"))["id"]
        yield
        await self._resources.update(self.jig, {"location": "A3", "status": "in_use"}, CALLER, None)
        yield
        given = {"code": "BENT", "description": "bent", "category": "process"}
        self.bent = (await self._made(self._reasons, given, "scrap_reason"))["id"]
        yield
        await self._reasons.update(self.bent, {"description": "bent twice"}, CALLER, None)
        yield

    async def _one_operation(self):
        for verb in (Verb.START, Verb.PAUSE, Verb.RESUME, Verb.COMPLETE):
            await self._press(verb, CUT)
            yield
        await self._press(Verb.START, self.saw, None)  # a machine: nobody's time runs
        yield
        await self._press(Verb.COMPLETE, self.saw, None)
        yield
        await self._press(Verb.START, BEND, PETRA)
        yield
        await self._press(Verb.PAUSE, BEND, PETRA)
        yield
        await self._press(Verb.COMPLETE, await self._started(WELD), OTTO)
        yield

    async def _started(self, operation_id: str) -> str:
        """At once, so that nothing of it has gone up before it is completed."""
        await self._press(Verb.START, operation_id)
        return operation_id

    async def _numbers(self):
        split = [{"scrap_reason_id": BURR, "quantity": 1}, {"scrap_reason_id": DIM, "quantity": 2}]
        given = {"operation_id": CUT, "quantity_good": 5, "quantity_scrap": 3, "quantity_rework": 1}
        row = await self._made(self._quantities, {**given, "scrap_reasons": split}, "operation_quantity")
        yield
        split = [{"scrap_reason_id": self.bent, "quantity": 4}, {"scrap_reason_id": DIM, "quantity": 1}]
        corrected = {"quantity_good": 4, "quantity_scrap": 5, "scrap_reasons": split}
        await self._quantities.update(row["id"], corrected, CALLER, None)
        yield
        row = await self._made(self._quantities, {"operation_id": CUT, "quantity_good": 2}, "operation_quantity")
        yield
        await self._quantities.delete(row["id"], CALLER, None)
        yield
        row = await self._made(self._quantities, {"operation_id": CUT, "quantity_good": 8}, "operation_quantity")
        await self._quantities.delete(row["id"], CALLER, None)
        yield

    async def _by_hand(self):
        ended = datetime.now(UTC) - timedelta(hours=9)
        given = {
            "operation_id": self.plane,
            "operator_id": PETRA,
            "start_time": (ended - timedelta(minutes=25)).isoformat(),
        }
        row = await self._made(self._entries, {**given, "end_time": ended.isoformat()}, "time_entry")
        yield
        await self._entries.update(row["id"], {"notes": "set up", "duration": 20, "time_type": "setup"}, CALLER, None)
        yield
        row = await self._made(
            self._entries, {**given, "operation_id": self.saw, "end_time": ended.isoformat()}, "time_entry"
        )
        yield
        await self._entries.delete(row["id"], CALLER, None)
        yield
        (entry,) = await self._paused_entry()
        await self._entries.delete(entry, CALLER, None)  # one that went up as a stretch of its own
        yield

    async def _paused_entry(self) -> list[str]:
        sql = "SELECT id FROM time_entries WHERE operation_id = ? AND end_time IS NULL"
        return [row[0] for row in await self._read(lambda c: c.execute(sql, (BEND,)).fetchall())]

    async def _jobs_move(self):
        for verb in ("stop", "resume", "complete"):
            await self._jobs.change(ChangeJob(self.job, verb, self._now()), CALLER, None)
            yield

    async def _cancel(self):
        await self._operations.delete(self.drill, CALLER, None)
        yield
        await self._parts.delete(self.spare, CALLER, None)
        yield
        await self._jobs.delete(factory.named("job", "2"), CALLER, None)  # a whole tree that the office had planned
        yield
        await self._cells.delete((await self._made(self._cells, {"name": "Mistake"}, "cell"))["id"], CALLER, None)
        yield
        await self._resources.delete(self.jig, CALLER, None)
        yield
        await self._reasons.update(self.bent, {"active": False}, CALLER, None)  # it is in use
        yield
        await self._reasons.delete(
            (
                await self._made(
                    self._reasons, {"code": "ODD", "description": "odd", "category": "other"}, "scrap_reason"
                )
            )["id"],
            CALLER,
            None,
        )
        yield
        await self._press(Verb.START, FOOT_CUT)
        yield

    async def _made(self, commands, given: dict, singular: str) -> dict:
        answer = await commands.create(given, CALLER, None)
        return json.loads(answer.data)[singular]


def ids(rows: list[dict]) -> list[str]:
    return [row["id"] for row in rows]


@dataclass(slots=True)
class Accident(Faults):
    """`fault` meets the mutation in this place (1 is the first), or the first after it that can; `times`: so many in a row."""

    fault: str = ""
    place: int = 0
    times: int = 1
    seen: int = 0
    met: str = ""

    def fall(self, _rng, method: str, target: str) -> str:
        if method not in MUTATING:
            return ""
        self.seen += 1
        if self.times == 0 or self.seen < self.place or not self._fits(method, target):
            return ""
        self.times -= 1
        self.met = self.met or f"{method} {target}"
        if self.fault != "database_away":
            return self.fault
        self.database_away = True
        asyncio.get_running_loop().call_later(DATABASE_AWAY_S, setattr, self, "database_away", False)
        return ""

    def _fits(self, method: str, target: str) -> bool:
        if self.fault != "false_402":
            return True
        return method == "POST" and target.partition("?")[0] in CREATES_WITH_LIMIT
