"""`status`, `queue` and `conflicts` as subprocesses: what waits, why, and what a person does about it."""

import json
from datetime import UTC, datetime

from gateway.cloud import conflicts
from gateway.cloud.merge import Difference
from gateway.kernel.clock import SystemClock
from gateway.kernel.connection import offline
from gateway.kernel.ids import uuid7
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp

CELL = "00000000-0000-4000-8000-00000000ce01"
PERSON = "00000000-0000-4000-8000-00000000a001"
ROWS = json.dumps(
    {
        "cells": [{"id": CELL, "name": "Laser", "sequence": 1}],
        "profiles": [{"id": PERSON, "username": "anna", "full_name": "Anna", "role": "operator"}],
        "shipments": [{"id": CELL}],
    }
)


def test_status_tells_what_healthz_tells(running):
    key = running.key("read")
    told = running.ok("status", "--json").json
    status, body = running.get("/healthz", key)
    assert status == 200
    page = json.loads(body)
    for changing in ("uns", "cloud", "broker"):
        assert told["links"][changing].keys() == page["links"][changing].keys()
    assert {**told, "links": 0} == {**page, "links": 0}
    assert told["links"].keys() == page["links"].keys()
    plain = running.ok("status").out
    assert plain.startswith("gw-test  ok  version ")
    assert "cloud" in plain


def test_status_of_a_stopped_gateway_comes_from_its_database(program):
    told = program.ok("status", "--json").json
    assert (told["status"], told["gateway"], told["journal_head"]) == ("ok", "gw-test", 0)


def test_the_queue_is_empty_and_says_so(either):
    assert either.ok("queue", "list").out == "nothing is parked\n"
    assert either.ok("queue", "list", "--reader", "cloud", "--json").json == []
    assert either.ok("queue", "retry", "--all").out == "0 will be sent again\n"
    assert either.ok("queue", "discard", "7", "--json").json == {"discarded": 0}


def park_two(file) -> None:
    """What the uplink does with two entries that the cloud refuses."""
    now = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    stamp = Stamp(now, "gw-test", uuid7(SystemClock()))
    with offline(file) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        journal.register(connection, "cloud", stamp.text, 0)
        changes = (Change("cells", CELL, "update", 2, ("name",)),)
        journal.append(connection, stamp, [Event(f"cells:{CELL}", f"cell:{CELL}", now, changes) for _ in "ab"])
        entries = journal.after(connection, 0)
        journal.park(connection, "cloud", entries, "the cloud says: name too long", stamp.text, state="parked")
        journal.advance(connection, "cloud", 2)


def test_what_is_parked_is_shown_with_its_reason_sent_again_or_given_up(program):
    program.ok("status")
    park_two(program.data / "gateway.sqlite")
    told = program.ok("queue", "list").out
    assert told.count("the cloud says: name too long") == 2
    assert [one["seq"] for one in program.ok("queue", "list", "--reader", "cloud", "--json").json] == [1, 2]
    assert program.ok("queue", "list", "--reader", "uns", "--json").json == []
    assert program.ok("queue", "retry", "1").out == "1 will be sent again\n"
    assert [one["state"] for one in program.ok("queue", "list", "--json").json] == ["retry", "parked"]
    assert program.ok("queue", "discard", "2", "--json").json == {"discarded": 1}
    counts = program.ok("status", "--json").json["links"]["cloud"]
    assert {name: counts[name] for name in ("accepted", "sent", "pending", "parked", "skipped")} == {
        "accepted": 2,
        "sent": 0,
        "pending": 0,
        "parked": 1,
        "skipped": 1,
    }
    assert "parked" in program.ok("status").out
    with program.serving():
        assert [one["seq"] for one in program.ok("queue", "list", "--json").json] == [1]
        assert program.ok("queue", "discard", "--all").out == "1 given up\n"


def differ(file, *names: str) -> None:
    """What the pull does when a cell has another name in the cloud, and nobody knows which is right."""
    stamp = Stamp(datetime(2026, 11, 23, 7, 0, tzinfo=UTC), "cloud", uuid7(SystemClock()))
    with offline(file) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")
        journal.register(connection, "cloud", stamp.text, 0)
        for number, name in enumerate(names):
            found = Difference("name" if number else "color", "Laser", name, "changed on both sides", None)
            conflicts.record(connection, stamp, "cells", CELL, found)


def test_no_conflict_is_there_and_it_says_so(either):
    assert either.ok("conflicts", "list").out == "nothing waits for a decision\n"
    assert either.ok("conflicts", "list", "--all").out == "no conflicts\n"
    assert either.ok("conflicts", "list", "--json").json == []


def test_a_conflict_is_shown_with_both_sides_and_decided(program):
    program.ok("import", "-", stdin=ROWS)
    differ(program.data / "gateway.sqlite", "Laser 1", "Laser 2")
    newest, other = program.ok("conflicts", "list", "--json").json
    assert (newest["entity"], newest["local"], newest["cloud"], newest["open"]) == ("cells", "Laser", "Laser 2", True)
    plain = program.ok("conflicts", "list").out
    assert f'cells {CELL} name: "Laser" here, "Laser 2" in the cloud\n  changed on both sides' in plain
    assert program.ok("status", "--json").json["links"]["cloud"]["conflicts"] == 2
    assert "2 conflicts" in program.ok("status").out
    told = program.ok("conflicts", "resolve", newest["id"], "--keep", "local").out
    assert told == f"resolved: cells {CELL} name, local\n"
    again = program.call("conflicts", "resolve", newest["id"], "--keep", "cloud")
    assert (again.code, "resolved already" in again.err) == (1, True)
    with program.serving():
        assert [one["id"] for one in program.ok("conflicts", "list", "--json").json] == [other["id"]]
        row = program.ok("conflicts", "resolve", other["id"], "--keep", "local", "--json").json
        assert (row["resolution"], row["resolved_by"]) == ("local", "admin socket")
        assert "local, by admin socket" in program.ok("conflicts", "list", "--all").out
        status, metrics = program.get("/metrics")
    assert (status, 'gateway_reader_conflicts{reader="cloud"} 0.0' in metrics) == (200, True)
