"""Two terminals and an ERP here, planners in the cloud, the line between them now and then: in the end both sides say the same.

The histories are generated; a failing one comes out as short as it can be. Longer: `pytest --hypothesis-profile=long`.
"""

import asyncio
import contextlib
import json
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from cloud_shop import PLANNED_AT, nothing_waits, shop_of, stand_in
from floor import PEOPLE, differences
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from office import Office

from gateway.demo import factory
from gateway.erp.commands import ErpCommands
from gateway.erp.model import Given, Order
from gateway.jobs.commands import JobCommands
from gateway.kernel.errors import GatewayError
from gateway.operations.model import ChangeOperation, Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.quantities.commands import QuantityCommands
from gateway.web.routes import Caller, Scope

HISTORIES = settings().max_examples // 4  # one takes about a second
ACTS_MAX = 25
PULL_EVERY_S = 0.15
AGREED_MAX_S = 12
UNSEEN = ("paused_at", "resumed_at", "completion_percentage")  # [U] of somebody else's work: no GET shows them
_CONFLICTS = "SELECT table_name, row_id, field, resolution, reason FROM cloud_conflicts"
_WORKED_ON = "SELECT 1 FROM time_entries WHERE operation_id = ? AND end_time IS NULL"
OPERATIONS = tuple(factory.named("operation", "1", "Beam", step) for step, _, _ in factory.STEPS[:2])
PARTS = tuple(factory.named("part", "1", name) for name in ("Beam", "Foot"))
JOBS = tuple(factory.named("job", number) for number in ("1", "2"))
CELLS = tuple(factory.named("cell", name) for name in factory.CELLS)
SAP = {"external_source": "sap"}

_terminal = st.sampled_from((0, 1))
_operation = st.sampled_from(OPERATIONS)  # few: they are to meet
_minutes_ago = st.sampled_from((0, 0, 2, 90))
_word = st.sampled_from(("red", "blue", "Ümlaut & Söhne"))
_number = st.integers(1, 9)
ACTS = st.one_of(
    st.tuples(st.just("press"), _terminal, _operation, st.sampled_from(Verb), _minutes_ago),
    st.tuples(st.just("count"), _terminal, _operation, _number, st.sampled_from((0, 2))),
    st.tuples(st.just("recount"), _number, st.none() | _number),
    st.tuples(st.just("note"), st.sampled_from(JOBS), _word),
    st.tuples(st.just("replan"), _operation, _word, _number),
    st.tuples(st.just("erp"), st.sampled_from((1, 2)), _number, _word),
    st.tuples(st.just("office_notes"), st.sampled_from(JOBS), _word),
    st.tuples(st.just("office_replans"), _operation, _word, _number),
    st.tuples(st.just("office_counts"), st.sampled_from(PARTS), _number),
    st.tuples(st.just("office_adds"), st.sampled_from(PARTS), st.sampled_from(CELLS), _word),
    st.tuples(st.just("office_deletes"), _operation),
    st.tuples(st.just("office_presses"), _operation, st.sampled_from(("start", "pause", "resume", "complete"))),
    st.tuples(st.just("line"), st.booleans()),
    st.tuples(st.just("breath")),
)


@dataclass
class Hall:
    """What the acts work on. `counted`: id -> pieces of each quantity that was taken and not deleted."""

    shop: object
    office: Office
    stack: contextlib.AsyncExitStack
    counted: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._line: contextlib.AsyncExitStack | None = None
        self._pressed: set[str] = set()  # operations that the office has worked on
        made = (self.shop.db, self.shop.clock, self.shop.new_id, "gw-test")
        self._operations = OperationPlanning(*made)
        self._quantities = QuantityCommands(*made)
        self._jobs = JobCommands(*made)
        self._erp = ErpCommands(*made)
        self._callers = [Caller(name, name, Scope.ADMIN) for name in ("terminal-1", "terminal-2")]

    async def play(self, acts) -> None:
        for name, *values in acts:
            with contextlib.suppress(GatewayError):  # a rule said no
                await getattr(self, name)(*values)

    # ------------------------------------------------------------------ here

    async def press(self, terminal: int, operation_id: str, verb: Verb, minutes_ago: int) -> None:
        at = datetime.now(UTC) - timedelta(minutes=minutes_ago) if minutes_ago else None
        wish = ChangeOperation(operation_id, verb, PEOPLE[terminal], at)
        await self._operations.change(wish, self._callers[terminal], None)

    async def count(self, terminal: int, operation_id: str, good: int, scrap: int) -> None:
        given = {"operation_id": operation_id, "quantity_good": good, "quantity_scrap": scrap}
        answer = await self._quantities.create(given, self._callers[terminal], None)
        self._counts(json.loads(answer.data)["operation_quantity"])

    async def recount(self, place: int, good: int | None) -> None:
        if not self.counted:
            return
        row_id = [*self.counted][place % len(self.counted)]
        if good is None:
            await self._quantities.delete(row_id, self._callers[0], None)
            del self.counted[row_id]
        else:
            answer = await self._quantities.update(row_id, {"quantity_good": good}, self._callers[0], None)
            self._counts(json.loads(answer.data)["operation_quantity"])

    def _counts(self, row: dict) -> None:
        self.counted[row["id"]] = row["quantity_good"] + row["quantity_scrap"]

    async def note(self, job_id: str, word: str) -> None:
        await self._jobs.update(job_id, {"notes": word}, self._callers[0], None)

    async def replan(self, operation_id: str, word: str, number: int) -> None:
        given = {"operation_name": word, "estimated_time": number}
        await self._operations.update(operation_id, given, self._callers[0], None)

    async def erp(self, number: int, quantity: int, word: str) -> None:
        steps = [{"external_id": f"O-{number}", "operation_name": word, "cell_name": "Laser", "sequence": 1}]
        part = {"external_id": f"P-{number}", "part_number": f"ERP-P-{number}", "quantity": quantity}
        tree = {"external_id": f"J-{number}", "job_number": f"ERP-{number}", "customer": word}
        record = {**SAP, **tree, "parts": [{**part, "operations": steps}]}
        await self._erp.upsert_many("jobs", [Given(record)], Order("api", self._callers[0], "erp", None))

    # ------------------------------------------------------------------ there

    async def office_notes(self, job_id: str, word: str) -> None:
        await self.office.changes("jobs", job_id, notes=f"office: {word}", customer=word)

    async def office_replans(self, operation_id: str, word: str, number: int) -> None:
        await self.office.changes("operations", operation_id, operation_name=f"office: {word}", sequence=number)

    async def office_counts(self, part_id: str, quantity: int) -> None:
        await self.office.changes("parts", part_id, quantity=quantity)

    async def office_adds(self, part_id: str, cell_id: str, word: str) -> None:
        await self.office.adds("operations", part_id=part_id, cell_id=cell_id, operation_name=word, sequence=9)

    async def office_deletes(self, operation_id: str) -> None:
        await self.office.deletes("operations", operation_id)

    async def office_presses(self, operation_id: str, verb: str) -> None:
        self._pressed.add(operation_id)
        await self.office.presses(verb, operation_id)

    # ------------------------------------------------------------------ between

    async def line(self, stands: bool) -> None:
        """Without a line the gateway works on, and is restarted before it has one again."""
        if stands and self._line is None:
            self._line = await self.stack.enter_async_context(contextlib.AsyncExitStack())
            await self._line.enter_async_context(self.shop.linked(pull_every_s=PULL_EVERY_S))
        elif not stands and self._line is not None:
            await self._line.aclose()
            self._line = None

    async def breath(self) -> None:
        """Somebody else gets a turn: what is on its way gets on."""
        await asyncio.sleep(PULL_EVERY_S if self._line else 0)

    async def home(self) -> None:
        """At the end of the shift nobody's time runs on: a call of the office has ended it over there."""
        for operation_id in OPERATIONS:
            for verb in (Verb.RESUME, Verb.COMPLETE):
                if await self.shop.ask(_WORKED_ON, operation_id):
                    with contextlib.suppress(GatewayError):
                        await self.press(0, operation_id, verb, 0)

    async def agree(self) -> list[str]:
        """Where the sides differ, when everything is sent and read; the rows of open conflicts may."""
        await self.line(stands=True)
        await self.home()
        await self.shop.drained()
        await self.line(stands=False)
        await self.line(stands=True)  # what is completed is read at the start, and every hour
        told = ["nobody has looked"]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGREED_MAX_S):
                while told or not await self.shop.db.read(nothing_waits):
                    await asyncio.sleep(PULL_EVERY_S)
                    await self.shop.db.write(lambda _tx: None)
                    told = await self.shop.db.read(self._differences)
        return told

    def _differences(self, connection) -> list[str]:
        open_ = [row[0] for row in connection.execute("SELECT row_id FROM cloud_conflicts WHERE resolution IS NULL")]
        told = [one for one in differences(connection, self.shop.cloud) if one.split()[1] not in open_]
        return [one for one in told if not (one.split()[1] in self._pressed and one.split()[2].strip(":") in UNSEEN)]


async def played(pulled: Path, folder: Path, acts) -> None:
    async with contextlib.AsyncExitStack() as stack:
        shop = await stack.enter_async_context(shop_of(folder / "shop", stand_in(PLANNED_AT), pulled))
        office = Office(shop.url, await stack.enter_async_context(aiohttp.ClientSession()))
        hall = Hall(shop, office, stack)
        await hall.play(acts)
        differing = await hall.agree()
        assert not differing, (differing, await shop.ask(_CONFLICTS), acts)
        there = shop.cloud.rows("operation_quantities")
        assert sum(row["quantity_good"] + row["quantity_scrap"] for row in there) == sum(hall.counted.values())
        assert {row["id"] for row in there} == hall.counted.keys()
        assert await shop.ask("SELECT seq, reason FROM event_parked") == []


@settings(
    max_examples=HISTORIES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.lists(ACTS, min_size=8, max_size=ACTS_MAX))
def test_in_the_end_both_sides_say_the_same(pulled, tmp_path_factory, acts):
    with tempfile.TemporaryDirectory(dir=tmp_path_factory.getbasetemp()) as folder:
        asyncio.run(played(pulled, Path(folder), acts))
