"""Whoever follows `next_cursor` to the end has every row of the list exactly once, in the order of the list."""

import base64
import contextlib
import importlib
import json
import pkgutil
import re
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gateway
from gateway.catalog import store
from gateway.catalog.resources import Resource
from gateway.catalog.tables import CELLS, RESOURCES, SCRAP_REASONS
from gateway.jobs.resources import JOBS, PARTS
from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import offline
from gateway.kernel.errors import Invalid
from gateway.kernel.migrate import migrate
from gateway.operations.quantities.resources import QUANTITIES
from gateway.operations.resources import OPERATIONS
from gateway.operations.time_entries.resources import TIME_ENTRIES
from gateway.web import cursors, listing
from gateway.web.cursors import Cursor

LISTS = (CELLS, RESOURCES, SCRAP_REASONS, JOBS, PARTS, OPERATIONS, TIME_ENTRIES, QUANTITIES)
WORDS = ("", "A", "a", "b", "é", "%_", "Ω", "\U0001f600", "a'b", "x" * 300)
STATES = ("not_started", "in_progress", "on_hold", "completed")
INSTANTS = ("2026-01-31T07:00:00.000000+00:00", "2026-01-31T07:00:00.000001+00:00", "2026-02-01T00:00:00.000000+00:00")
NUMBERS = (0, 1, 2, 10)

# Columns that lists are ordered and filtered by -> what they may hold here: few values, so that many are equal.
VARIED = {
    "cells": {"name": WORDS, "sequence": NUMBERS, "created_at": INSTANTS, "active": (0, 1)},
    "resources": {"type": WORDS, "status": (None, *WORDS), "created_at": INSTANTS},
    "scrap_reasons": {
        "category": ("material", "process"),
        "description": WORDS,
        "active": (0, 1),
        "created_at": INSTANTS,
    },
    "jobs": {"customer": (None, *WORDS), "due_date": (None, *INSTANTS), "created_at": INSTANTS, "status": STATES},
    "parts": {"created_at": INSTANTS, "status": STATES, "material": WORDS},
    "operations": {"sequence": NUMBERS, "operation_name": WORDS, "created_at": INSTANTS, "status": STATES},
    "time_entries": {
        "start_time": INSTANTS,
        "end_time": (None, *INSTANTS),
        "duration_s": (None, 0, 29, 31, 90),
        "created_at": INSTANTS,
    },
    "operation_quantities": {"recorded_at": INSTANTS, "counts": NUMBERS},
}
# What else a row needs.
FIXED = {
    "resources": {"name": "{}"},
    "scrap_reasons": {"code": "{}"},
    "jobs": {"job_number": "{}"},
    "parts": {"job_id": "job", "part_number": "{}"},
    "operations": {"part_id": "part", "cell_id": "cell"},
    "time_entries": {"operation_id": "operation", "operator_id": "person"},
    "operation_quantities": {"operation_id": "operation"},
}
FILTERS = {
    "scrap_reasons": ({"active": "true"}, {"active": "false"}),
    "jobs": ({"status": "on_hold"}, {"customer": "a"}, {"search": "1"}),
    "operations": ({"status": "completed"}, {"cell_name": "Laser"}, {"job_id": str(uuid.UUID(int=9_000))}),
    "operation_quantities": ({"has_scrap": "true"},),
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A database with one of everything that rows hang on; every example takes its own rows back."""
    path = tmp_path_factory.mktemp("lists") / "gateway.sqlite"
    migrate(path, ManualClock())
    with offline(path) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")  # the parents are names here
        connection.execute("PRAGMA synchronous=OFF")
        put(connection, "cells", 99, {"id": "cell", "name": "Laser", "sequence": 1})
        put(connection, "jobs", 9_000, {})
        put(connection, "parts", 99, {"id": "part", "job_id": str(uuid.UUID(int=9_000))})
        yield connection


@contextlib.contextmanager
def taken_back(connection):
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.rollback()


def put(connection, table: str, number: int, chosen: dict) -> str:
    row = {"id": str(uuid.UUID(int=number)), "created_at": INSTANTS[0]}
    row |= {name: value.format(number) for name, value in FIXED.get(table, {}).items()}
    row |= chosen
    if "counts" in row:
        good = row.pop("counts")
        row |= {"quantity_good": good, "quantity_scrap": good % 2, "quantity_produced": good + good % 2}
    columns = {one["name"] for one in connection.execute(f"PRAGMA table_info({table})")}
    needed = {"updated_at": INSTANTS[0], "material": "Steel", "description": "d", "category": "material"}
    row |= {name: value for name, value in needed.items() if name in columns and name not in row}
    row = {name: value for name, value in row.items() if name in columns}
    names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", row)
    return row["id"]


def page(connection, resource, query: dict) -> tuple[list[str], dict]:
    asked = listing.checked(query, resource.listable)
    told = json.loads(
        store.page(connection, resource, asked, None, lambda: store.count(connection, resource, asked, None))
    )
    return [row["id"] for row in told[resource.table]], told["pagination"]


def pages(connection, resource, query: dict):
    """Every page, one after the other, as a client walks."""
    following = ""
    while following is not None:
        ids, told = page(connection, resource, {**query, "cursor": following})
        following = told["next_cursor"]
        yield ids, told


def rows_of(table: str):
    columns = VARIED[table]
    return st.lists(
        st.fixed_dictionaries({name: st.sampled_from(values) for name, values in columns.items()}), max_size=25
    )


def asked_of(resource):
    sorts = [{}, *({"sort": name} for name in resource.sort)]
    orders = [{}, {"order": "asc"}, {"order": "desc"}]
    filters = [{}, *FILTERS.get(resource.table, ())]
    parts = (st.sampled_from(sorts), st.sampled_from(orders), st.sampled_from(filters))
    limit = st.integers(1, 7).map(lambda number: {"limit": str(number)})
    return st.tuples(*parts, limit).map(lambda some: {name: value for one in some for name, value in one.items()})


few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
every_list = pytest.mark.parametrize("resource", LISTS, ids=lambda resource: resource.table)


@every_list
@few
@given(data=st.data())
def test_a_walk_is_the_list(shop, resource, data):
    rows, query = data.draw(rows_of(resource.table)), data.draw(asked_of(resource))
    with taken_back(shop):
        for number, row in enumerate(rows, 1):
            put(shop, resource.table, number, row)
        whole, told = page(shop, resource, {**query, "limit": "1000"})
        assert told == {"total": len(whole), "offset": 0, "limit": 1000, "next_cursor": None}
        walked = list(pages(shop, resource, query))
        assert [one for ids, _ in walked for one in ids] == whole
        for ids, told in walked:
            by_offset, same = page(shop, resource, {**query, "offset": str(told["offset"])})
            assert (by_offset, same["total"]) == (ids, told["total"] if ids else len(whole))


@every_list
@few
@given(data=st.data())
def test_what_comes_and_goes_meanwhile_moves_nothing(shop, resource, data):
    """Whoever is there from the beginning to the end comes once; whoever comes or goes, at most once."""
    rows, query = data.draw(rows_of(resource.table)), data.draw(asked_of(resource))
    news = data.draw(rows_of(resource.table))
    with taken_back(shop):
        for number, row in enumerate(rows, 1):
            put(shop, resource.table, number, row)
        stay = page(shop, resource, {**query, "limit": "1000"})[0]
        gone: set[str] = set()
        seen: list[str] = []
        walk = pages(shop, resource, query)
        for ids, _ in walk:
            seen += ids
            if news:
                put(shop, resource.table, 1_000 + len(news), news.pop())
            if ids and data.draw(st.booleans()):
                leaving = data.draw(st.sampled_from(stay))
                shop.execute(f"DELETE FROM {resource.table} WHERE id = ?", (leaving,))
                gone.add(leaving)
        assert len(set(seen)) == len(seen)
        assert [one for one in seen if one in stay and one not in gone] == [one for one in stay if one not in gone]


# ------------------------------------------------------------------ what is no cursor of this list


def a_cursor(connection, **query: str) -> str:
    for number in range(1, 4):
        put(connection, "operations", number, {"sequence": 1, "operation_name": "a", "status": "completed"})
    found = page(connection, OPERATIONS, {"limit": "1", **query})[1]["next_cursor"]
    assert found
    return found


def refused(connection, text: str, resource=OPERATIONS, **query: str) -> None:
    with pytest.raises(Invalid) as caught:
        page(connection, resource, {"cursor": text, **query})
    assert caught.value.details[0]["field"] == "cursor"
    assert "leave cursor out" in caught.value.message


@pytest.mark.parametrize(
    "other",
    [
        {"sort": "created_at"},
        {"order": "desc"},
        {"status": "completed"},
        {"search": "a"},
        {"sort": "status", "order": "asc"},
    ],
)
def test_a_cursor_of_another_order_or_filter_is_refused(shop, other):
    with taken_back(shop):
        refused(shop, a_cursor(shop), **other)


def test_a_cursor_of_another_list_is_refused(shop):
    with taken_back(shop):
        refused(shop, a_cursor(shop), resource=JOBS)


def test_the_limit_may_change_on_the_way(shop):
    with taken_back(shop):
        cursor = a_cursor(shop, sort="status")
        assert len(page(shop, OPERATIONS, {"cursor": cursor, "sort": "status", "limit": "9"})[0]) == 2


def test_an_offset_beside_a_cursor_says_nothing(shop):
    with taken_back(shop):
        cursor = a_cursor(shop)
        ids, told = page(shop, OPERATIONS, {"cursor": cursor, "offset": "77"})
        assert (len(ids), told["offset"], told["total"]) == (2, 1, 3)


@pytest.mark.parametrize("text", ["x", "%", "é", "null", "AAAA", "A" * 5000, "ey" * 40, "=", " ", "\ud800", "\x00"])
def test_anything_else_is_refused(shop, text):
    refused(shop, text)


@few
@given(place=st.integers(0, 200), bit=st.integers(0, 5))
def test_a_changed_cursor_is_refused(shop, place, bit):
    with taken_back(shop):
        cursor = a_cursor(shop)
        place %= len(cursor)
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        other = letters[letters.index(cursor[place]) ^ (1 << bit)]
        changed = cursor[:place] + other + cursor[place + 1 :]
        if base64.urlsafe_b64decode(changed + "==") != base64.urlsafe_b64decode(cursor + "=="):
            refused(shop, changed)


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "[1]",
        "{}",
        "[1,1,1]",
        "[1,1,1,2,3]",
        "[1,1,{},2]",
        "[1,1,[1],2]",
        "[1,1,true,2]",
        "[1.5,1,1,2]",
        "[-1,1,1,2]",
        "[true,1,1,2]",
        "[1,1,99999999999999999999,2]",
        "[1,1,NaN,2]",
        '[1,1,"\\ud800",2]',
        "[" * 100_000,
    ],
)
def test_who_forges_one_well_gets_no_further(shop, body):
    bound_to = listing.checked({}, OPERATIONS.listable).bound_to
    check = cursors._check(body.encode(), bound_to)
    refused(shop, base64.urlsafe_b64encode(check + body.encode()).decode())


def test_a_place_that_is_too_long_to_travel_is_counted_instead(shop):
    with taken_back(shop):
        for number in range(1, 4):
            put(shop, "resources", number, {"type": "t", "status": str(number) * cursors.PLACE_MAX_BYTES})
        walked = [(ids, told["next_cursor"]) for ids, told in pages(shop, RESOURCES, {"sort": "status", "limit": "1"})]
        assert [ids for ids, _ in walked] == [[str(uuid.UUID(int=number))] for number in (1, 2, 3)]
        assert max(len(following or "") for _, following in walked) < 100


def test_a_cursor_says_what_it_was_told():
    told = Cursor(7, 3, ("é", None, -1, 0.5))
    assert cursors.read(cursors.written(told, b"k"), b"k", 4) == told


def test_no_value_of_an_order_is_null(shop):
    """An order is compared as a row of values, and a null compares with nothing."""
    resources = list(declared())
    assert {one.table for one in LISTS} <= {one.table for one in resources}
    for resource in resources:
        columns = shop.execute(f"PRAGMA table_info({resource.table})")
        never_null = {f"{resource.table}.{one['name']}" for one in columns if one["notnull"]}
        asked = resource.listable
        for sql in (*asked.sort.values(), *(sql for sql, _ in asked.default_sort)):
            assert sql in never_null or not re.fullmatch(r"\w+\.\w+", sql), f"{sql} may be null: Column(nullable=...)"


def declared():
    """Every resource that has a list, of whichever slice."""
    for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if found.name.endswith((".resources", ".tables")):
            for value in vars(importlib.import_module(found.name)).values():
                if isinstance(value, Resource) and value.path:
                    yield value
