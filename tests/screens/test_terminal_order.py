"""A whole order with gloves on: eight taps, no internet, cut off from the gateway in the middle; the cloud has it all later."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import pytest_asyncio
from terminal_screen import serving
from work import at_work

from gateway.demo import factory
from gateway.demo.cloud import StandInCloud
from gateway.kernel.clock import SystemClock
from gateway.kernel.ids import uuid7
from gateway.outbox.event import Stamp
from gateway.transfer.commands import bring_in, planned

TAPS_MAX = 8
FORWARDED_MAX_S = 60
APART_MAX = timedelta(seconds=5)  # a machine that stands still is late with what it sends
TRIES = 4  # after so many it has been cut off for longer than that
OPERATION = factory.named("operation", "1", "Beam", "Laser cutting")
LABEL = "JOB-2601:JOB-2601-01:1"
PLANNED = 6


@pytest_asyncio.fixture(loop_scope="session")
async def cloud():
    clock = SystemClock()
    cloud = StandInCloud(clock, random.Random(5))
    cloud.add_tenant(factory.TENANT_ID)
    cloud.add_key(factory.TENANT_ID, factory.CLOUD_KEY)
    cloud.load(factory.plan(clock.now(), jobs=1))
    yield cloud


@pytest_asyncio.fixture(loop_scope="session")
async def hall(tmp_path, cloud):
    """A gateway that has pulled its plan, and whose people have PINs."""
    async with cloud.serving() as url:
        link = {"url": url, "api_key": factory.CLOUD_KEY, "settle_after": "2s"}
        async with serving(tmp_path, site={"tenant_id": factory.TENANT_ID}, cloud=link) as hall:
            clock = SystemClock()
            people = planned({"profiles": factory.people(clock.now())})
            await hall.gateway.db.write(bring_in, Stamp(clock.now(), "gw-test", uuid7(clock)), people)
            await hall.pins()
            async with asyncio.timeout(FORWARDED_MAX_S):
                while not await hall.rows("SELECT 1 FROM operations WHERE id = ?", OPERATION):
                    await asyncio.sleep(0.05)
            yield hall


async def test_an_order_in_eight_taps_without_the_internet_and_cut_off_in_the_middle(browser, hall, cloud):
    pairing = {"cell_id": factory.named("cell", "Laser"), "name": "Laser"}
    async with at_work(browser, hall, "Otto", pairing=pairing) as desk:
        await desk.knows(OPERATION)
        cloud.go_away()
        desk.taps = 0
        await desk.scan(LABEL)
        await desk.arrives("operation")
        began = datetime.now(UTC)
        await desk.do("start")
        await desk.stands(OPERATION, "in_progress")
        await desk.sent()

        await desk.watched.context.set_offline(True)
        await desk.do("report")
        await desk.key("4")
        await desk.field("scrap")
        await desk.tap_on(".reason:has-text('Burr')")
        reported = datetime.now(UTC)
        await desk.confirm()
        await desk.do("finish")
        await desk.arrives("quantity")
        finished = datetime.now(UTC)
        await desk.confirm()
        await desk.stands(OPERATION, "completed")
        taps = desk.taps
        await desk.state("no_gateway")
        await desk.page.wait_for_function("tries => app.outbox.failures >= tries", arg=TRIES)
        back = datetime.now(UTC)
        await desk.watched.context.set_offline(False)
        await desk.settle()
        assert desk.watched.complaints() == []
    assert taps <= TAPS_MAX
    cloud.come_back()
    await forwarded(hall)

    there = cloud.row("operations", OPERATION)
    assert there["status"] == "completed"
    assert_about(there["started_at"], began)
    assert_about(there["completed_at"], finished)
    assert finished + APART_MAX < back, "whether times are true cannot be seen"
    pieces = sorted(cloud.rows("operation_quantities"), key=lambda one: one["recorded_at"])
    counted = [(one["operation_id"], one["quantity_good"], one["quantity_scrap"], one["recorded_by"]) for one in pieces]
    otto = factory.named("profile", "Otto Operator")
    assert counted == [(OPERATION, 4, 1, otto), (OPERATION, PLANNED - 5, 0, otto)]
    for row, at in zip(pieces, (reported, finished), strict=True):
        assert_about(row["recorded_at"], at)
    [entry] = cloud.rows("time_entries")
    assert (entry["operation_id"], entry["operator_id"]) == (OPERATION, otto)
    assert_about(entry["start_time"], began)
    assert_about(entry["end_time"], finished)


def assert_about(told: str, at: datetime) -> None:
    assert abs(datetime.fromisoformat(told) - at) <= APART_MAX, f"{told} is not {at}"


async def forwarded(hall) -> None:
    async with asyncio.timeout(FORWARDED_MAX_S):
        while True:
            link = (await hall.send("GET", "/healthz")).body["links"]["cloud"]
            if link["pending"] == 0 and link["state"] == "up":
                return
            await asyncio.sleep(0.05)
