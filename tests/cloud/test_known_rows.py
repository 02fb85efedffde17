"""What we know of a row over there has one place, whoever learns of it, and however late it comes to the disk."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in

from gateway.cloud import store
from gateway.cloud.budget import Budget
from gateway.cloud.client import CloudClient
from gateway.cloud.functions import Functions
from gateway.cloud.rows import Rows, Settings
from gateway.demo import factory
from gateway.kernel.clock import text

JOB = factory.named("job", "1")
LANE = f"job:{JOB}"


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


@pytest.fixture
async def rows(shop):
    budget = Budget(shop.db, shop.clock, random.Random(1), None)
    client = CloudClient(shop.url, factory.CLOUD_KEY, shop.clock, budget, Functions(shop.clock), timeout_s=2.0)
    async with client.connected():
        yield Rows(client, shop.db, shop.clock, shop.new_id, Settings(60.0))


async def pulls(shop, rows, before: int, **theirs) -> None:
    """A pull that began when so much was known writes what it has read, and tells."""
    known = await shop.db.read(store.row, "jobs", JOB)
    known.base |= theirs
    await shop.db.write(store.save, known.packed(text(shop.clock.now() + timedelta(seconds=1))))
    rows.refresh([replace(known)], before)


async def test_what_a_pull_has_read_is_known_to_who_is_busy_with_the_row(shop, rows):
    row = await rows.known("jobs", JOB, LANE)
    await pulls(shop, rows, rows.learnt, customer="Office")
    assert row.base["customer"] == "Office"
    assert await rows.known("jobs", JOB, LANE) is row


async def test_what_was_confirmed_while_a_pull_was_written_is_not_forgotten(shop, rows):
    row = await rows.known("jobs", JOB, LANE)
    before = rows.learnt
    row.base["customer"] = "Floor"  # and not on the disk yet
    rows.keep(row)
    await pulls(shop, rows, before, customer="Office")
    assert (await rows.known("jobs", JOB, LANE)).base["customer"] == "Floor"


async def test_a_row_that_was_just_made_is_there_although_the_disk_does_not_know_it_yet(shop, rows):
    """Read from the disk it would never have been sent, and a deletion of it would go nowhere."""
    new, at = shop.new_id(), text(shop.clock.now())
    before = rows.learnt
    row = await rows.known("jobs", new, f"job:{new}")
    await rows.create(row, {"job_number": "NEW", "status": "not_started"})
    await pulls(shop, rows, before, customer="Office")
    assert (await rows.known("jobs", new, f"job:{new}")).base["job_number"] == "NEW"
    await rows.remove(row, {"deleted_at": at, "job_number": "NEW", "id": new, "external_id": None}, at)
    assert shop.cloud.row("jobs", new)["deleted_at"] is not None
