"""How SQLite finds a page: in tables that grow, through an index that has its rows in order already."""

import re
import uuid

import hall
import pytest

from gateway.catalog import store
from gateway.jobs.resources import JOBS, PARTS
from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import offline
from gateway.kernel.migrate import migrate
from gateway.operations.quantities.resources import QUANTITIES
from gateway.operations.resources import OPERATIONS
from gateway.operations.time_entries.resources import TIME_ENTRIES
from gateway.web import cursors, listing

GROWING = (JOBS, PARTS, OPERATIONS, TIME_ENTRIES, QUANTITIES)
VALUES = {"status": "on_hold", "time_type": "rework", "has_scrap": "true", "has_rework": "true"}
FEW = ("operation_id", "part_id", "job_id", "cell_name")  # what they find is little enough to be sorted
# Nobody looks for a part of a text through an index. Nearly every entry is a run: the order finds them soon enough.
THROUGH_THE_ORDER = ("customer", "job_number", "material", "time_type")
SHAPES = (((hall.LASER, hall.SAW),), ((hall.SAW,),), ((hall.LASER,), (hall.SAW,)), ((hall.LASER, hall.LASER),))
# Each cell has its own in order; of many cells the first rows are found by a short sort.
STATES_OF_ALL_CELLS = ((OPERATIONS, "status"),)
LASER, SAW = (str(uuid.UUID(int=number)) for number in (1, 2))


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("plans") / "gateway.sqlite"
    migrate(path, ManualClock())
    with offline(path) as connection:
        yield connection


def asked(resource, query: dict):
    return listing.checked(query, resource.listable)


def plans(database, resource, query: dict, cells=None, total=None, cursor=None) -> list[str]:
    """Of every stretch of a page, its steps."""
    wanted = asked(resource, query)
    if cursor:
        wanted = asked(resource, {**query, "cursor": cursors.written(cursor, wanted.bound_to)})
    values = {**wanted.values, "limit": 1}
    statements = store.chosen_by(resource, wanted, cells, values, total)
    return [plan(database, sql, values) for sql in statements]


def plan(database, sql: str, values: dict) -> str:
    return "; ".join(row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values))


def value(name: str) -> str:
    dates = name.endswith("_date")
    return VALUES.get(name, "2026-01-31" if dates else str(uuid.UUID(int=7)))


CASES = [(resource, name) for resource in GROWING for name in (None, *resource.listable.filters)]


@pytest.mark.parametrize(("resource", "name"), CASES, ids=[f"{one.table}-{name}" for one, name in CASES])
def test_the_usual_order_is_that_of_an_index(database, resource, name):
    (found,) = plans(database, resource, {name: value(name)} if name else {})
    assert re.match(r"(SCAN|SEARCH) \w+ USING (COVERING )?INDEX ", found), found
    if name not in FEW and (resource, name) not in STATES_OF_ALL_CELLS:
        assert "TEMP B-TREE" not in found
    if name is not None and name not in THROUGH_THE_ORDER and not name.startswith("has_"):
        assert found.startswith("SEARCH"), found


@pytest.mark.parametrize("resource", GROWING, ids=lambda resource: resource.table)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_by_cursor_begins_at_its_place(database, resource, order):
    """Each stretch is a range of the index, the first one inside the rows of equal value."""
    terms = len(asked(resource, {}).terms)
    cursor = cursors.Cursor(9, 5, (1,) * terms)
    first, *others = plans(database, resource, {"order": order}, cursor=cursor)
    assert re.search(r"\((.* AND )?\w+=\? AND rowid[<>]\?\)", first), first
    for found in (first, *others):
        assert found.startswith("SEARCH"), found
        assert "TEMP B-TREE" not in found


def test_so_it_does_in_a_cell(database):
    cursor = cursors.Cursor(9, 5, (1, 1))
    for query in ({"cell_id": LASER}, {"cell_id": LASER, "status": "on_hold"}):
        for found in plans(database, OPERATIONS, query, cursor=cursor):
            assert re.match(r"SEARCH operations USING (COVERING )?INDEX operations_by_cell", found), found
            assert "TEMP B-TREE" not in found


@pytest.mark.parametrize("resource", GROWING, ids=lambda resource: resource.table)
@pytest.mark.parametrize("cells", [frozenset((LASER,)), frozenset((LASER, SAW))], ids=["one cell", "two cells"])
def test_a_key_that_sees_much_reads_in_order_and_one_that_sees_little_finds_it(database, resource, cells):
    (much,) = plans(database, resource, {}, cells, total=store.FEW_MAX + 1)
    assert "TEMP B-TREE FOR ORDER BY" not in much
    (little,) = plans(database, resource, {}, cells, total=store.FEW_MAX)
    assert little.startswith(f"SEARCH {resource.table}"), little
    assert "operations_by_cell" in little


@pytest.mark.parametrize("resource", [OPERATIONS, JOBS, PARTS], ids=lambda resource: resource.table)
def test_rows_are_counted_in_an_index_alone(database, resource):
    sql = f"SELECT count(*) FROM {resource.table} WHERE deleted_at IS NULL"
    assert "INDEX" in plan(database, sql, {})
    if resource is OPERATIONS:
        status = OPERATIONS.filters["status"].replace("{}", ":v")
        for more in ("cell_id = :v", f"cell_id = :v AND {status}", status):
            found = plan(database, f"{sql} AND {more}", {"v": LASER})
            assert found.startswith("SEARCH operations USING"), found


# ------------------------------------------------------------------ both ways show the same


async def test_both_ways_show_a_key_the_same(floor, monkeypatch):
    jobs = [await floor.job(f"J-{number}", *shape) for number, shape in enumerate(SHAPES)]
    for job in jobs:
        for part in job["parts"]:
            for one in part["operations"]:
                await floor.make("/api-operation-quantities", {"operation_id": one["id"], "quantity_good": 1})
                entry = {"operation_id": one["id"], "operator_id": floor.ANNA}
                times = {"start_time": "2026-01-31T07:00:00Z", "end_time": "2026-01-31T07:05:00Z"}
                await floor.make("/api-time-entries", entry | times)
    await floor.send("DELETE", f"/api-operations?id={jobs[0]['parts'][0]['operations'][0]['id']}")
    for cells in ((hall.LASER,), (hall.SAW,), (hall.LASER, hall.SAW), (floor.NOWHERE,)):
        for resource in GROWING:
            wanted = asked(resource, {"limit": "3"})
            told = []
            for few_max in (0, 10**9):
                monkeypatch.setattr(store, "FEW_MAX", few_max)
                told.append(await floor.db.read(_page, resource, wanted, frozenset(cells)))
            assert told[0] == told[1], (resource.table, cells)


def _page(connection, resource, wanted, cells):
    return store.page(connection, resource, wanted, cells, lambda: store.count(connection, resource, wanted, cells))
