"""Issues in the cloud: what a create may not carry follows, and a standstill parks the operation there as it does here."""

import asyncio
import json

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from floor import differences
from shift import CALLER, CUT, OTTO

from gateway.issues.commands import IssueCommands
from gateway.operations.model import Verb


@pytest.fixture
async def shop(tmp_path, pulled):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


class Foreman:
    def __init__(self, shop):
        self._issues = IssueCommands(shop.db, shop.clock, shop.new_id, "gw-test")

    async def raises(self, **more) -> str:
        given = {
            "operation_id": CUT,
            "created_by": OTTO,
            "title": "Burr",
            "description": "left edge",
            "severity": "low",
        }
        answer = await self._issues.create({**given, **more}, CALLER, None)
        return json.loads(answer.data)["issue"]["id"]

    async def settles(self, issue_id: str, **given) -> None:
        await self._issues.update(issue_id, given, CALLER, None)

    async def drops(self, issue_id: str) -> None:
        await self._issues.delete(issue_id, CALLER, None)


@pytest.fixture
def foreman(shop):
    return Foreman(shop)


KINDS = {
    "plain": {},
    "critical": {"severity": "critical"},
    "ncr": {"issue_type": "ncr", "ncr_category": "process_error", "disposition": "rework", "affected_quantity": 3},
    "critical ncr": {"issue_type": "ncr", "ncr_category": "material_defect", "severity": "critical"},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_arrives_as_it_is_here(shop, foreman, kind):
    issue_id = await foreman.raises(**KINDS[kind])
    async with shop.online():
        await shop.drained()
    there = shop.cloud.row("issues", issue_id)
    assert {name: there[name] for name in KINDS[kind]} == KINDS[kind]
    assert (there["title"], there["created_by"], there["status"]) == ("Burr", OTTO, "pending")
    assert len([one for one in shop.cloud.rows("issues") if one["title"] == "Burr"]) == 1
    assert await shop.ask("SELECT reason FROM event_parked") == []


@pytest.mark.parametrize("fault", ["lose_reply", "truncated_body", "error_503"])
@pytest.mark.parametrize("kind", KINDS)
async def test_and_once_when_answers_are_lost(shop, foreman, kind, fault):
    async with shop.online():
        shop.cloud.faults.change(**{fault: 0.5})
        issue_id = await foreman.raises(**KINDS[kind])
        await asyncio.sleep(0.5)
        shop.cloud.faults.change(**{fault: 0.0})
        await shop.drained()
    assert [one["severity"] for one in shop.cloud.rows("issues") if one["id"] == issue_id] == [
        KINDS[kind].get("severity", "low")
    ]
    assert await shop.db.read(differences, shop.cloud) == []


@pytest.mark.parametrize("live", [True, False])
async def test_a_standstill_holds_the_operation_on_both_sides_until_it_is_settled(shop, foreman, live):
    async with shop.online():
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.drained()
        issue_id = await foreman.raises(causes_standstill=True)
        await shop.drained()
        assert shop.cloud.row("operations", CUT)["status"] == "on_hold"
        if live:
            await foreman.settles(issue_id, status="approved")
            await shop.drained()
    if not live:
        await foreman.settles(issue_id, status="approved")
        async with shop.online():
            await shop.drained()
    (here,) = await shop.ask("SELECT status FROM operations WHERE id = ?", CUT)
    assert shop.cloud.row("operations", CUT)["status"] == here[0]
    assert shop.cloud.row("issues", issue_id)["status"] == "approved"
    assert await shop.db.read(differences, shop.cloud) == []


async def test_what_the_office_sets_going_stays_on_hold_here_until_the_issue_is_settled(shop, foreman):
    async with shop.online(pull_every_s=0.1):
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        issue_id = await foreman.raises(causes_standstill=True)
        await shop.drained()
        await shop.in_the_office("operations", CUT, status="in_progress")
        told = "SELECT local, cloud, resolution, reason FROM cloud_conflicts WHERE row_id = ? AND field = 'status'"
        await shop.until(lambda c: c.execute(told, (CUT,)).fetchone(), "told")
        assert await shop.ask("SELECT status FROM operations WHERE id = ?", CUT) == [("on_hold",)]
        ((ours, theirs, resolution, reason),) = await shop.ask(told, CUT)
        assert (ours, theirs, resolution) == ('"on_hold"', '"in_progress"', "local")
        assert "standstill" in reason
        await foreman.settles(issue_id, status="approved")
        await shop.drained()
    assert await shop.ask("SELECT status FROM operations WHERE id = ?", CUT) == [("in_progress",)]
    assert shop.cloud.row("operations", CUT)["status"] == "in_progress"


async def test_one_that_is_settled_before_it_goes_up_never_parks_anything(shop, foreman):
    await shop.change(Verb.START, CUT, operator_id=OTTO)
    issue_id = await foreman.raises(causes_standstill=True)
    await foreman.settles(issue_id, status="approved")
    async with shop.online():
        await shop.drained()
    (here,) = await shop.ask("SELECT status FROM operations WHERE id = ?", CUT)
    assert shop.cloud.row("operations", CUT)["status"] == here[0]
    assert shop.cloud.row("operations", CUT)["status_before_hold"] is None


async def test_a_deleted_one_is_gone_there_too(shop, foreman):
    async with shop.online():
        issue_id = await foreman.raises()
        await shop.drained()
        await foreman.drops(issue_id)
        await shop.drained()
    assert [one for one in shop.cloud.rows("issues") if one["id"] == issue_id] == []
