"""What was tapped is in the cloud afterwards: each once, with its true time, whatever the lines did meanwhile."""

import asyncio
import contextlib
import random

import pytest
from floor import differences
from station import PIN, serving
from waiting import WAIT_MAX_S

from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock

ANNA, BEN = (factory.named("profile", name) for name in (*factory.PEOPLE,)[:2])


@pytest.fixture
async def cloud():
    clock = SystemClock()
    made = StandInCloud(clock, random.Random(2))
    made.add_tenant(factory.TENANT_ID)
    made.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
    made.load(factory.plan(clock.now(), 2))
    return made


async def eventually(fact, what: str) -> None:
    async with asyncio.timeout(2 * WAIT_MAX_S):
        while not await fact():
            await asyncio.sleep(0.05)
    assert what


async def people(hall) -> None:
    for one in factory.people(SystemClock().now()):
        names = [name for name in one if name != "is_machine"]
        marks = ", ".join("?" for _ in names)
        await hall.do(f"INSERT INTO profiles ({', '.join(names)}) VALUES ({marks})", *(one[name] for name in names))


@contextlib.asynccontextmanager
async def linked(folder, url):
    given = {"url": url, "api_key": factory.CLOUD_KEY, "pull_every": "2s", "settle_after": "1s", "timeout": "2s"}
    async with serving(folder, SystemClock(), cloud=given, site={"tenant_id": factory.TENANT_ID}) as hall:
        await people(hall)
        yield hall


async def test_a_shift_at_a_terminal_without_the_internet_is_in_the_cloud_afterwards(tmp_path, cloud):
    async with cloud.serving("127.0.0.1", 0) as url, linked(tmp_path, url) as hall:
        planned = len(cloud.rows("operations"))

        async def pulled():
            return await hall.query("SELECT count(*) FROM operations") == [(planned,)]

        await eventually(pulled, "the plan is here")
        ((first, quantity),) = await hall.query(
            "SELECT o.id, p.quantity FROM operations o JOIN parts p ON p.id = o.part_id WHERE o.status = 'not_started' "
            "ORDER BY o.sequence, o.id LIMIT 1"
        )
        terminal = await hall.terminal(cell_id=None)
        anna, ben = await terminal.sign_in(ANNA, PIN), await terminal.sign_in(BEN, PIN)
        cloud.go_away()
        confirmed = {"confirmed": ["earlier_open", "next_cell_full", "under_plan"]}
        await terminal.tapped("start", first, confirmed, session=anna)
        await terminal.tapped("start", first, {"join": True}, session=ben)
        await terminal.tapped("pause", first, session=anna)
        await terminal.tapped("handoff", first, {"text": "Half of it"}, session=anna)
        await terminal.tapped("report", first, {"good": 1}, session=ben)
        await terminal.tapped("issue", first, {"title": "Rattles"}, session=ben)
        await terminal.tapped("resume", first, session=anna)
        ended = await terminal.tapped("finish", first, {"good": quantity - 1, **confirmed}, session=anna)
        assert ended["operations"][0]["status"] == "completed"
        cloud.come_back()

        async def sent():
            row = await hall.query("SELECT position FROM event_readers WHERE name = 'cloud'")
            head = await hall.query("SELECT coalesce(max(seq), 0) FROM events")
            left = await hall.query("SELECT count(*) FROM cloud_rows WHERE unsettled_until IS NOT NULL")
            return row >= head and left == [(0,)]

        await eventually(sent, "all is sent and settled")
        assert await hall.query("SELECT reason FROM event_parked") == []
        assert await hall.gateway.db.read(differences, cloud) == []
        booked = [row for row in cloud.rows("operation_quantities") if row["operation_id"] == first]
        assert sum(row["quantity_good"] for row in booked) == quantity
        link = (await terminal.get("/snapshot"))["link"]["cloud"]
        assert (link["state"], link["pending"], link["parked"]) == ("up", 0, 0)
