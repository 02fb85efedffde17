"""What a snapshot holds, in how many questions it is read, and through which indexes."""

import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
from hall import BURR, SCRATCH
from station import ANNA, LASER, SAW

from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import offline
from gateway.kernel.migrate import migrate
from gateway.terminals import blockers, cards, detail, finding, snapshot, touched

GROWING = frozenset(
    "operations parts jobs time_entries time_entry_pauses operation_quantities operation_quantity_scrap_reasons issues substeps "
    "batch_operations operation_batches operation_resources operation_handoffs files".split()
)
_NAMED = re.compile(r"(?:FROM|JOIN)\s+(\w+)\s+(\w+)")  # a table, and what it is called in the statement


async def test_it_holds_all_that_a_page_begins_with(hall):
    first, _ = await hall.job()
    await hall.do("UPDATE profiles SET employee_id = '1042', full_name = 'Anna van Dijk' WHERE id = ?", ANNA)
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    scrap = [{"reason_id": SCRATCH, "quantity": 1}]
    await terminal.tapped("report", first, {"scrap": scrap})
    told = await terminal.get(f"/snapshot?cell={LASER}")
    assert told["gateway"] == "gw-test"
    assert (told["terminal"]["name"], told["policy"]["lock_after_s"], told["policy"]["pin_digits_max"]) == (
        "Laser 1",
        300,
        6,
    )
    assert told["link"]["cloud"]["state"] == "off"
    assert [(cell["name"], cell["load"]["in_progress"], cell["load"]["not_started"]) for cell in told["cells"]] == [
        ("Laser", 1, 0),
        ("Saw", 0, 1),
    ]
    anna = told["operators"][0]
    assert (anna["name"], anna["initials"], anna["employee_id"], anna["has_pin"]) == (
        "Anna van Dijk",
        "AD",
        "1042",
        True,
    )
    assert [(one["id"], one["used"]) for one in told["scrap_reasons"]] == [(SCRATCH, 1), (BURR, 0)]
    (card,) = told["operations"]
    assert card["on_it"][0] | {"entry_id": ""} == {
        "operator_id": ANNA,
        "name": "Anna van Dijk",
        "entry_id": "",
        "since": "2026-11-02T07:00:00+00:00",
        "setup": False,
        "paused": False,
        "paused_at": None,
        "paused_s": 0,
    }
    assert (card["job_number"], card["planned"], card["scrap"], card["estimated_s"]) == ("J-1", 10, 1, 1800)
    assert len((await terminal.get("/snapshot"))["operations"]) == 2
    assert (await terminal.send("GET", "/snapshot?call=x")).status == 422


async def test_the_order_is_that_in_which_the_work_is_to_be_done(hall):
    late, *_ = await hall.job("J-1", LASER)
    soon, *_ = await hall.job("J-2", LASER)
    rush, *_ = await hall.job("J-3", LASER, is_bullet_card=True)
    planned, *_ = await hall.job("J-4", LASER)
    for number, day in (("J-1", "2026-11-20"), ("J-2", "2026-11-10"), ("J-3", "2026-12-01"), ("J-4", "2026-12-01")):
        await hall.do("UPDATE jobs SET due_date = ? WHERE job_number = ?", f"{day}T00:00:00+00:00", number)
    await hall.do("UPDATE operations SET planned_start = '2026-11-03T06:00:00+00:00' WHERE id = ?", planned)
    terminal = await hall.terminal()
    assert [card["id"] for card in (await terminal.get("/snapshot"))["operations"]] == [rush, planned, soon, late]


async def test_what_was_completed_long_ago_is_not_in_it(hall):
    first, _ = await hall.job()
    terminal = await hall.terminal()
    await terminal.sign_in()
    await terminal.tapped("start", first)
    await terminal.tapped("finish", first, {"good": 10})
    assert [card["id"] for card in (await terminal.get(f"/snapshot?cell={LASER}"))["operations"]] == [first]
    await hall.clock.advance(cards.ENDED.total_seconds())
    assert (await terminal.get(f"/snapshot?cell={LASER}"))["operations"] == []


# ------------------------------------------------------------------ how it is read


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "gateway.sqlite"
    migrate(path, ManualClock())
    with offline(path) as connection:
        yield connection


@contextmanager
def asked(connection):
    """The statements that are run meanwhile."""
    found: list[str] = []
    connection.set_trace_callback(found.append)
    try:
        yield found
    finally:
        connection.set_trace_callback(None)


def plan(connection, sql: str) -> str:
    return "; ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))


def read_everything(connection):
    now = ManualClock().now()
    snapshot.taken(connection, LASER, None, "", now)
    snapshot.taken(connection, None, None, "", now)
    cards.these(connection, ["a", "b"])
    cards.beside(connection, ["a"])
    finding.meant(connection, "J-1:P-1:2", None)
    detail.activity(connection, "a", now - timedelta(hours=8), now)
    ids = {"operation_id": "a", "part_id": "b", "job_id": "c"}
    blockers.earlier(connection, ids)
    blockers.children(connection, ids)
    blockers.next_cell(connection, ids)
    below = {table: {"a"} for table in touched._BELOW}
    touched.read(connection, touched.Touched({"a"}, below, {"a"}), 1)


def test_tables_that_grow_are_read_through_an_index(database):
    with asked(database) as statements:
        read_everything(database)
    assert len(statements) > 20
    for sql in statements:
        tables = {alias: table for table, alias in _NAMED.findall(sql)}
        scans = [step.split() for step in plan(database, sql).split("; ") if step.startswith("SCAN ")]
        whole = {tables.get(step[1], step[1]) for step in scans if "INDEX" not in step}
        assert whole & GROWING == set(), sql


async def test_a_snapshot_asks_as_many_questions_for_many_operations_as_for_one(hall):
    terminal = await hall.terminal()

    async def questions() -> int:
        def count(connection):
            with asked(connection) as statements:
                snapshot.taken(connection, LASER, None, "", ManualClock().now())
            return len(statements)

        return await hall.gateway.db.read(count)

    await hall.job("J-0")
    few = await questions()
    for number in range(1, 8):
        await hall.job(f"J-{number}", *([LASER] * 8))
    assert await questions() == few < 12
    assert len((await terminal.get(f"/snapshot?cell={LASER}"))["operations"]) == 57
    assert len((await terminal.get(f"/snapshot?cell={SAW}"))["operations"]) == 1
