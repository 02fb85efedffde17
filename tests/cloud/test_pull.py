"""What comes down: the plan of our cells, whole parts, nothing of it twice, and nothing over work that is not sent."""

import json
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from cloud_shop import PLANNED_AT, shop_of, stand_in
from shift import BEND, CALLER, CUT, LASER, OTTO, WELD
from test_outage import pass_by

from gateway.catalog.commands import RowCommands
from gateway.catalog.tables import CELLS
from gateway.cloud import store
from gateway.cloud.absent import Here
from gateway.cloud.downlink import BUDGET_SHARE, DAY_S
from gateway.cloud.outcome import Kind, Outcome
from gateway.cloud.pull import Pull
from gateway.demo import factory
from gateway.demo.cloud_faults import Faults
from gateway.kernel import clock as time_
from gateway.kernel.clock import ManualClock
from gateway.operations.model import Verb
from gateway.operations.planning import OperationPlanning
from gateway.operations.trees.commands import JobTreeCommands, PartTreeCommands

ASSEMBLY = factory.named("cell", "Assembly")
FIRST = factory.named("part", "1", "Beam")
ITS_JOB = factory.named("job", "1")
PULL_EVERY_S = 0.1
MANY = 1_500


@pytest.fixture
async def shop(tmp_path, pulled):
    """It has pulled the plan once."""
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT), pulled) as shop:
        yield shop


@pytest.fixture
async def new_shop(tmp_path):
    async with shop_of(tmp_path / "shop", stand_in(PLANNED_AT)) as shop:
        yield shop


def pulling(shop, **more):
    return shop.linked(pull_every_s=PULL_EVERY_S, settle_after_s=0.1, **more)


async def ids(shop, table: str) -> set[str]:
    return {row[0] for row in await shop.ask(f"SELECT id FROM {table}")}


async def rounds(shop, count: int = 3) -> None:
    """So many whole pulls, from now on."""
    seen = len(lists(shop, "cells"))
    await shop.until(lambda _: len(lists(shop, "cells")) > seen + count, f"{count} pulls")


def lists(shop, table: str) -> list:
    return [one for one in shop.asked("GET") if one.path == f"/api-{table.replace('_', '-')}"]


async def conflicts(shop, row_id: str) -> list[tuple]:
    sql = "SELECT field, local, cloud, resolution, reason FROM cloud_conflicts WHERE row_id = ? ORDER BY rowid"
    found = await shop.ask(sql, row_id)
    return [(name, json.loads(ours), json.loads(theirs), how, why) for name, ours, theirs, how, why in found]


async def column(shop, name: str, operation_id: str = CUT):
    return (await shop.ask(f"SELECT {name} FROM operations WHERE id = ?", operation_id))[0][0]


# ------------------------------------------------------------------ which rows


@pytest.mark.parametrize("cell", ["Assembly", ASSEMBLY], ids=["by name", "by id"])
async def test_a_part_of_our_cell_comes_whole_and_the_others_do_not(new_shop, cell):
    async with pulling(new_shop, cells=(cell,)):
        await new_shop.until(lambda c: c.execute("SELECT count(*) FROM operations").fetchone()[0], "pulled")
        await rounds(new_shop)
    assert await ids(new_shop, "parts") == {FIRST}
    assert await ids(new_shop, "jobs") == {ITS_JOB}
    expected = {row["id"] for row in new_shop.cloud.rows("operations") if row["part_id"] == FIRST}
    assert await ids(new_shop, "operations") == expected
    assert len(expected) == len(factory.STEPS) + 1


async def test_a_cell_that_the_cloud_does_not_have_is_named_with_those_that_it_has(new_shop):
    async with pulling(new_shop, cells=("Lazer",)):
        link = new_shop.health.link("cloud-pull")
        await new_shop.until(lambda _: link.tried and link.state == "down", "down")
    assert link.error.startswith("the cloud has no cell Lazer: it has Assembly, Bending, Laser, Welding")
    assert await ids(new_shop, "operations") == set()


async def test_one_wrong_name_among_right_ones_is_told_and_does_not_stop_them(new_shop):
    async with pulling(new_shop, cells=("Assembly", "Lazer")):
        link = new_shop.health.link("cloud-pull")
        await new_shop.until(lambda _: link.state == "degraded", "degraded")
    assert "no cell Lazer" in link.error
    assert await ids(new_shop, "parts") == {FIRST}


async def test_what_was_deleted_here_for_good_does_not_come_back_before_the_cloud_knows(shop):
    cells = RowCommands(CELLS, shop.db, shop.clock, shop.new_id, "gw-test")
    made = json.loads((await cells.create({"name": "Mistake"}, CALLER, None)).data)["cell"]["id"]
    async with pulling(shop):
        await shop.drained()
    await cells.delete(made, CALLER, None)
    await shop.in_the_office("cells", made, color="red")
    shop.cloud.faults.change(error_503=1.0, only="DELETE /api-cells")
    async with pulling(shop):
        await rounds(shop)
        assert made not in await ids(shop, "cells")
        shop.cloud.faults.change(error_503=0.0)
        await shop.drained()
        assert made not in {row["id"] for row in shop.cloud.rows("cells")}
        await rounds(shop)
    assert made not in await ids(shop, "cells")


@dataclass(slots=True)
class Meanwhile(Faults):
    """Does something when a list's second page is asked for; `times` of them."""

    doing: object = None
    times: int = 1
    seen: list = field(default_factory=list)

    def fall(self, _rng, _method: str, target: str) -> str:
        if "api-resources" in target and "offset=1000" in target and len(self.seen) < self.times:
            self.seen.append(target)
            self.doing()
        return ""


def many_resources(shop, first: int, count: int) -> None:
    rows = [
        {
            "id": shop.new_id(),
            "name": f"Jig {number}",
            "type": "tooling",
            "active": True,
            "created_at": "2026-11-01T00:00:00Z",
        }
        for number in range(first, first + count)
    ]
    shop.cloud.load({"resources": rows})


async def test_a_list_that_changes_while_it_is_read_is_read_again(new_shop):
    many_resources(new_shop, 0, MANY)
    new_shop.cloud.faults = meanwhile = Meanwhile(doing=lambda: many_resources(new_shop, MANY, 1))
    async with pulling(new_shop):
        await new_shop.until(lambda c: c.execute("SELECT count(*) FROM resources").fetchone()[0] == MANY + 1, "all")
    assert len(meanwhile.seen) == 1
    assert len(lists(new_shop, "resources")) == 4


async def test_a_list_that_never_stands_still_is_not_taken_over_in_part(new_shop):
    many_resources(new_shop, 0, MANY)
    new_shop.cloud.faults = Meanwhile(
        doing=lambda: many_resources(new_shop, len(new_shop.cloud.rows("resources")), 1), times=99
    )
    async with pulling(new_shop):
        link = new_shop.health.link("cloud-pull")
        await new_shop.until(lambda _: link.tried, "tried")
    assert link.error == "the list of resources keeps changing while it is read"
    assert await ids(new_shop, "resources") == set()


# ------------------------------------------------------------------ what becomes of them


async def test_nothing_that_was_pulled_goes_up_again(shop):
    await shop.in_the_office("operations", CUT, estimated_time=77, operation_name="Cut it")
    await shop.in_the_office("jobs", ITS_JOB, customer="Somebody else")
    told = len(shop.mutations())
    async with pulling(shop):
        await shop.until(lambda c: c.execute("SELECT 1 FROM jobs WHERE customer = 'Somebody else'").fetchone(), "here")
        await rounds(shop)
        await shop.drained()
    assert len(shop.mutations()) == told
    assert (await column(shop, "estimated_time"), await column(shop, "operation_name")) == (77, "Cut it")


async def test_a_quiet_pull_writes_nothing(shop):
    async with pulling(shop):
        await rounds(shop)
        before = await shop.ask("SELECT (SELECT max(seq) FROM events), (SELECT max(seen_at) FROM cloud_rows)")
        await rounds(shop)
        assert await shop.ask("SELECT (SELECT max(seq) FROM events), (SELECT max(seen_at) FROM cloud_rows)") == before


async def test_a_plan_that_changed_on_both_sides_keeps_ours_and_tells(shop):
    planning = OperationPlanning(shop.db, shop.clock, shop.new_id, "gw-test")
    await shop.count(CUT, 1)  # it is stuck, and what comes after it waits
    await planning.update(CUT, {"estimated_time": 11}, CALLER, None)
    await shop.in_the_office("operations", CUT, estimated_time=22, sequence=8)
    shop.cloud.faults.change(error_503=1.0, only="POST /api-operation-quantities")
    async with pulling(shop):
        await shop.until(
            lambda c: c.execute("SELECT sequence FROM operations WHERE id = ?", (CUT,)).fetchone()[0] == 8, ""
        )
        assert await column(shop, "estimated_time") == 11
        shop.cloud.faults.change(error_503=0.0)
        await shop.drained()
    assert shop.cloud.row("operations", CUT)["estimated_time"] == 11
    ((name, ours, theirs, resolution, _),) = await conflicts(shop, CUT)
    assert (name, ours, theirs, resolution) == ("estimated_time", 11, 22, "local")


@pytest.mark.parametrize("status", ["on_hold", "in_progress", "completed"])
async def test_what_somebody_else_does_in_a_cell_of_ours_is_followed_and_told(shop, status):
    await shop.in_the_office("operations", CUT, status=status)
    async with pulling(shop, cells=("Laser",)):
        await shop.until(
            lambda c: c.execute("SELECT status FROM operations WHERE id = ?", (CUT,)).fetchone()[0] == status, ""
        )
        await rounds(shop)
    ((name, ours, theirs, resolution, reason),) = await conflicts(shop, CUT)
    assert (name, ours, theirs, resolution) == ("status", "not_started", status, "cloud")
    assert "its cell belongs to this gateway" in reason


async def test_nobody_is_stopped_from_the_cloud_while_his_time_runs(shop):
    """His entry would go on here, and there would be no way to end it."""
    async with pulling(shop):
        await shop.change(Verb.START, CUT, operator_id=OTTO)
        await shop.drained()
        await shop.in_the_office("operations", CUT, status="completed")
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM cloud_conflicts WHERE row_id = ?", (CUT,)).fetchone(), "told"
        )
        assert await column(shop, "status") == "in_progress"
        await shop.change(Verb.COMPLETE, CUT, operator_id=OTTO)
        await shop.drained()
    ((name, ours, theirs, resolution, _),) = await conflicts(shop, CUT)
    assert (name, ours, theirs, resolution) == ("status", "in_progress", "completed", None)
    assert [row["end_time"] is not None for row in shop.cloud.rows("time_entries")] == [True]


async def test_what_others_do_in_their_cells_is_simply_followed(shop):
    async with pulling(shop, cells=("Welding",)):
        await rounds(shop)
        await shop.in_the_office("operations", CUT, status="completed")
    async with pulling(shop, cells=("Welding",)):  # whole trees are read again every hour, and at the start
        await rounds(shop, 2)
        link = shop.health.link("cloud-pull")
        await shop.until(lambda _: link.state == "up", "up")
    assert await conflicts(shop, WELD) == []


async def test_what_is_completed_over_there_is_all_done_here(shop):
    """The cloud's list does not show how far it is."""
    async with pulling(shop):
        await rounds(shop)
        await shop.in_the_office("operations", CUT, status="completed", completion_percentage=100)
        await shop.until(
            lambda c: c.execute("SELECT status FROM operations WHERE id = ?", (CUT,)).fetchone()[0] == "completed", ""
        )
    assert await column(shop, "completion_percentage") == 100


async def test_what_the_office_completed_meanwhile_is_not_taken_back_by_late_work(shop):
    async with pulling(shop):
        await rounds(shop)
    await shop.change(Verb.START, CUT, operator_id=OTTO)
    await shop.in_the_office("operations", CUT, status="completed", completed_at="2026-11-02T07:00:00+00:00")
    async with pulling(shop):
        await shop.drained()
        await rounds(shop, 2)
    assert shop.cloud.row("operations", CUT)["status"] == "completed"
    found = [one for one in await conflicts(shop, CUT) if one[3] is None]
    assert [(name, ours, theirs) for name, ours, theirs, *_ in found] == [("status", "in_progress", "completed")]


async def test_who_completes_what_the_office_has_completed_brings_his_own_start(shop):
    started = "2026-11-02T07:00:00+00:00"
    async with pulling(shop):
        await rounds(shop)
        await shop.in_the_office("operations", CUT, status="completed", started_at=started, completed_at=started)
    await shop.change(Verb.START, CUT)
    await shop.change(Verb.COMPLETE, CUT)
    async with pulling(shop):
        await shop.drained()
        await rounds(shop)
    there = shop.cloud.row("operations", CUT)
    assert there["status"] == "completed"
    assert time_.parse(there["started_at"]) == time_.parse(await column(shop, "started_at"))


async def test_completed_is_never_taken_back(shop):
    await shop.change(Verb.START, CUT, operator_id=OTTO)
    await shop.change(Verb.COMPLETE, CUT, operator_id=OTTO)
    async with pulling(shop):
        await shop.drained()
        await shop.in_the_office("operations", CUT, status="in_progress")
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM cloud_conflicts WHERE row_id = ?", (CUT,)).fetchone(), "told"
        )
        await rounds(shop)
    assert await column(shop, "status") == "completed"
    ((name, ours, theirs, resolution, _),) = await conflicts(shop, CUT)
    assert (name, ours, theirs, resolution) == ("status", "completed", "in_progress", "local")


async def test_a_row_that_does_not_fit_is_told_and_keeps_nobody_out(shop):
    """Its number is one that we have given away ourselves, and not yet sent."""
    given = {"job_number": "J-TWICE", "customer": "Ours"}
    await JobTreeCommands(shop.db, shop.clock, shop.new_id, "gw-test").create(given, CALLER, None)
    theirs = shop.new_id()
    shop.cloud.load({"jobs": [{**shop.cloud.row("jobs", ITS_JOB), "id": theirs, "job_number": "J-TWICE"}]})
    await shop.in_the_office("jobs", ITS_JOB, customer="Somebody else")
    async with pulling(shop):
        await shop.until(
            lambda c: c.execute("SELECT 1 FROM jobs WHERE customer = 'Somebody else'").fetchone(), "others"
        )
        await rounds(shop)
    ((name, ours, shown, resolution, reason),) = await conflicts(shop, theirs)
    assert (name, ours, shown, resolution) == ("id", None, theirs, None)
    assert reason.startswith("the cloud's row cannot be kept here: ")
    assert "J-TWICE" in reason


class OddCloud:
    """Its own database would not have such a row; a proxy in between, or another cloud, may."""

    async def page(self, table, _query) -> Outcome:
        rows = [{"id": ASSEMBLY, "name": "Assembly"}, {"id": 'odd","op":"delete', "name": "Odd"}, {"id": None}, "row"]
        shown = rows if table == "cells" else []
        return Outcome(Kind.OK, data={table: shown, "pagination": {"total": len(shown)}})


async def test_a_row_whose_id_is_none_is_left_out():
    """Ids go into the journal as they are: nothing else may stand there."""
    pulled = await Pull(OddCloud(), ("*",)).read(Here(), catalogue=False)
    assert pulled.of("cells").keys() == {ASSEMBLY}


async def test_a_change_that_does_not_fit_is_told_and_keeps_nobody_out(shop):
    await PartTreeCommands(shop.db, shop.clock, shop.new_id, "gw-test").create(
        {"part_number": "P-TWICE", "job_id": ITS_JOB}, CALLER, None
    )
    shop.cloud.faults.change(error_503=1.0, only="POST /api-parts")
    await shop.in_the_office("parts", FIRST, part_number="P-TWICE")
    await shop.in_the_office("operations", BEND, estimated_time=66)
    async with pulling(shop):
        await shop.until(
            lambda c: c.execute("SELECT estimated_time FROM operations WHERE id = ?", (BEND,)).fetchone()[0] == 66, ""
        )
    ((_, _, _, resolution, reason),) = await conflicts(shop, FIRST)
    assert resolution is None
    assert "P-TWICE" in reason


# ------------------------------------------------------------------ what it costs


@pytest.mark.parametrize("broken", ["", "/api-parts"])
async def test_pulls_take_no_more_than_their_share_of_the_day(tmp_path, pulled, broken):
    clock = ManualClock(PLANNED_AT + timedelta(hours=1))
    shop_cloud, per_day, hours = stand_in(PLANNED_AT, clock=clock), 1_200, 6
    shop_cloud.faults.change(boot_error=1.0 if broken else 0.0, only=broken)
    async with (
        shop_of(tmp_path / "shop", shop_cloud, pulled, clock) as shop,
        shop.linked(requests_per_day=per_day, pull_every_s=60.0, poll_s=3_600.0),
    ):
        await pass_by(shop, hours * 3_600, 30.0)
        answered = [one for one in shop_cloud.log if one.status == 200]
    share = per_day * BUDGET_SHARE * hours * 3_600 / DAY_S
    first = 20  # the first round is on credit
    assert share / 2 < len(answered) <= share + first


async def test_rows_that_wait_to_be_sent_are_known_by_their_columns(shop):
    await shop.change(Verb.START, CUT, operator_id=OTTO)
    waiting = await shop.db.read(store.unsent, f"job:{ITS_JOB}", "operations", CUT)
    assert "status" in waiting.fields
    assert "estimated_time" not in waiting.fields
    assert waiting.states == {"not_started", "in_progress"}
    assert (await shop.db.read(store.unsent, f"job:{ITS_JOB}", "cells", LASER)).fields == set()
