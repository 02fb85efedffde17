"""Rolled back: what was booked with the newer version is there in the older one, and what it cannot hold is told and waits."""

import asyncio
from datetime import timedelta

import pytest
from hall import BURR
from older import CLOCK, NAME, NEXT, ask, do, newer_version, serving, standing, work, worked_by_the_newer

from gateway.backups import restore
from gateway.kernel.connection import check, offline
from gateway.kernel.errors import Invalid, NotFound, StartupError
from gateway.kernel.migrate import steps
from gateway.outbox import chain
from gateway.updates import note as notes
from gateway.updates.steps import begin, confirm, rollback

TODAY = max(steps())
CHANGED = """
INSERT INTO events (id, type, lane, aggregate, origin, occurred_at, recorded_at, clock_trusted, data, changes, hash)
SELECT ?1, NULL, 'row:' || ?2, 'scrap_reason:' || ?2, 'gw-test', recorded_at, recorded_at, 1, NULL,
'[{"table":"scrap_reasons","id":"' || ?2 || '","op":"update","version":2,"fields":["category"]}]', NULL
FROM events ORDER BY seq DESC LIMIT 1
"""


def epoch(data) -> list:
    return ask(data, "SELECT value FROM gateway_state WHERE key IN ('epoch', 'device_id', 'epochs') ORDER BY key")


def require_chained(data) -> None:
    with offline(data / NAME) as connection:
        found = chain.verified(connection, chain.at(connection, 0))
    assert (found.broken, found.through, found.unchained) == (None, True, 0)


def test_everything_that_was_booked_with_the_newer_version_is_there_and_work_goes_on(data, monkeypatch):
    life = epoch(data)
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch)
    do(data, "UPDATE event_readers SET position = 7 WHERE name = 'cloud'")
    do(data, "INSERT INTO event_lanes (reader, lane, position) VALUES ('cloud', 'job:x', 9)")
    before = standing(data)
    done = rollback(data, CLOCK)
    assert (done.schema_from, done.schema_to) == (NEXT, TODAY)
    assert standing(data) == before
    assert epoch(data) == life  # the same box goes on, and knows exactly what it has sent
    assert done.poured.left == {}
    check(data / NAME, after_unclean_stop=True)
    require_chained(data)
    assert notes.last(data).state == "rolled back"
    asyncio.run(goes_on(data))
    require_chained(data)


async def goes_on(data) -> None:
    async with serving(data) as gateway:
        assert gateway.health.problems() == []
        await work(gateway, 500)


def test_what_the_newer_version_has_left_is_set_aside_whole(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch)
    head = ask(data, "SELECT max(seq) FROM events")
    aside = rollback(data, CLOCK).aside
    assert ask(aside, "SELECT max(seq) FROM events") == head
    assert ask(aside, "PRAGMA user_version") == [(NEXT,)]


def test_also_long_after_it_was_confirmed(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch)
    confirm(data, CLOCK)
    before = standing(data)
    rollback(data, CLOCK)
    assert standing(data) == before


def test_and_by_the_newer_versions_program(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch)
    before = standing(data)
    with newer_version(monkeypatch):
        rollback(data, CLOCK)
    assert standing(data) == before


def test_what_the_newer_version_deleted_stays_deleted_and_a_trimmed_journal_counts_on(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch)
    head = ask(data, "SELECT max(seq) FROM events")
    with offline(data / NAME) as connection:
        connection.execute("DELETE FROM time_entries")
        connection.execute("DELETE FROM events")
    rollback(data, CLOCK)
    assert ask(data, "SELECT count(*) FROM time_entries") == [(0,)]
    assert ask(data, "SELECT seq FROM sqlite_sequence WHERE name = 'events'") == head


def test_what_only_the_older_schema_knows_is_as_it_stood(data, monkeypatch):
    do(data, "UPDATE scrap_reasons SET metadata = '{\"shelf\":4}' WHERE id = ?", BURR)
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch, 1)
    do(data, "INSERT INTO scrap_reasons VALUES ('new', 'NEW', 'New one', 'process', 1, '2026', '2026', 1)")
    rollback(data, CLOCK)
    found = dict(ask(data, f"SELECT id, metadata FROM scrap_reasons WHERE id IN ('{BURR}', 'new')"))
    assert found == {BURR: '{"shelf":4}', "new": "{}"}


def test_what_the_older_schema_has_no_place_for_is_counted_and_told(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch, 1)
    do(data, "INSERT INTO tools VALUES ('t', 'Punch')")
    do(data, "UPDATE jobs SET promised_at = '2026-12-24' WHERE job_number = 'J-1'")
    done = rollback(data, CLOCK)
    assert done.poured.left == {"jobs.promised_at": 1, "tools": 1}
    assert done.poured.missing() == "the older version has no place for jobs.promised_at (1 rows), tools (1 rows)"
    assert ask(done.aside, "SELECT name FROM tools") == [("Punch",)]


def refused_by_the_older(data) -> None:
    """A reason that is changed to, and one that is new with, a category that the older version does not know."""
    do(data, "UPDATE scrap_reasons SET category = 'weather' WHERE id = ?", BURR)
    do(data, "INSERT INTO scrap_reasons VALUES ('rain', 'RAIN', 'Rain', 'weather', 1, '2026', '2026', 1)")
    do(
        data,
        "UPDATE operation_quantities SET scrap_reason_id = 'rain' WHERE rowid = (SELECT max(rowid) FROM operation_quantities)",
    )
    with offline(data / NAME) as connection:
        connection.execute("BEGIN")
        last = chain.counted(connection)
        for number, row_id in enumerate((BURR, "rain")):
            connection.execute(CHANGED, (f"event-{number}", row_id))
        chain.anew(connection, last, last + 2)
        connection.execute("COMMIT")


def test_a_value_that_the_older_version_refuses_waits_parked_and_is_told_for_a_week(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch, 1)
    refused_by_the_older(data)
    entries = ask(data, "SELECT count(*) FROM events")
    done = rollback(data, CLOCK)
    assert ask(data, "SELECT count(*) FROM events") == entries
    require_chained(data)
    check(data / NAME, after_unclean_stop=True)
    categories = dict(ask(data, "SELECT id, category FROM scrap_reasons"))
    assert (categories[BURR], "rain" in categories) == ("process", False)
    refused = {key: why for key, why in done.poured.refused.items() if key[0] == "scrap_reasons"}
    assert refused.keys() == {("scrap_reasons", BURR), ("scrap_reasons", "rain")}
    parked = ask(data, "SELECT aggregate, reason FROM event_parked WHERE reader = 'cloud' ORDER BY seq")
    assert len(parked) == done.poured.parked
    assert [f"scrap_reason:{BURR}", "scrap_reason:rain"] == [one[0] for one in parked[-2:]]
    # the pieces stay, without their reason; the entry that tells of them waits with it
    (quantity,) = ask(data, "SELECT id, scrap_reason_id FROM operation_quantities ORDER BY rowid DESC LIMIT 1")
    assert quantity[1] is None
    assert f"quantity:{quantity[0]}" in [one[0] for one in parked]
    assert asyncio.run(problems(data)) == [f"the update was rolled back: {done.poured.missing()}"]
    with offline(data / NAME) as connection:
        assert restore.lost(connection, CLOCK.now() + timedelta(days=8)) is None


async def problems(data) -> list[str]:
    async with serving(data) as gateway:
        return gateway.health.problems()


def test_what_was_sent_already_is_not_parked(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch, 1)
    refused_by_the_older(data)
    do(data, "UPDATE event_readers SET position = (SELECT max(seq) FROM events)")
    assert rollback(data, CLOCK).poured.parked == 0


def test_a_database_that_the_newer_version_has_not_changed_simply_stays(data):
    begin(data, CLOCK)
    before = (data / NAME).read_bytes()
    done = rollback(data, CLOCK)
    assert (done.schema_from, done.schema_to, done.aside, done.poured) == (TODAY, TODAY, None, None)
    assert (data / NAME).read_bytes() == before


def test_the_older_version_refuses_the_newer_database_and_says_the_way_out(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch, 1)
    with pytest.raises(StartupError, match=rf"schema {NEXT}, this one knows {TODAY}.*`eryxon-gateway update rollback`"):
        asyncio.run(goes_on(data))


def test_a_damaged_database_is_not_carried_back(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch, 1)
    (page,) = ask(data, "SELECT rootpage FROM sqlite_schema WHERE name = 'events_by_lane'")[0]
    with (data / NAME).open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 4096)
    before = (data / NAME).read_bytes()
    with pytest.raises(StartupError, match="is damaged"):
        rollback(data, CLOCK)
    assert (data / NAME).read_bytes() == before


def test_without_the_copy_there_is_nothing_to_go_back_to(data, monkeypatch):
    note = begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch, 1)
    (data / note.copy).unlink()
    with pytest.raises(Invalid, match="there is nothing to go back to"):
        rollback(data, CLOCK)


def test_once(data, monkeypatch):
    with pytest.raises(NotFound, match=r"no update to roll back$"):
        rollback(data, CLOCK)
    begin(data, CLOCK)
    rollback(data, CLOCK)
    with pytest.raises(NotFound, match="the last one was rolled back at"):
        rollback(data, CLOCK)
