"""The log of publishers is bounded, by age and by number; and it says what a publisher never saw."""

import json

from gateway import housekeeping
from gateway.kernel.clock import text
from gateway.kernel.ids import uuid7
from gateway.outbox import journal
from gateway.outbox.event import Stamp
from gateway.publishers import store
from gateway.publishers.model import reader_of
from gateway.publishers.store import Told
from gateway.sections import Retention

PATH, LOGS = "/api-mqtt-publishers", "/api-mqtt-logs"
DAY_S = 86_400.0


async def made(floor, **more):
    body = {"name": "historian", "broker_url": "10.0.0.5", "events": ["*"], **more}
    return (await floor.make(PATH, body))["mqtt_publisher"]["id"]


async def told(floor, publisher_id: str, *topics: str) -> None:
    some = [Told("job.started", topic, "{}", None, 1) for topic in topics]
    await floor.db.write(store.log, uuid7(floor.clock), text(floor.clock.now()), publisher_id, some)


async def topics(floor) -> list[str]:
    return [one["topic"] for one in (await floor.get(f"{LOGS}?order=asc&sort=created_at&limit=1000"))["mqtt_logs"]]


async def test_rows_older_than_log_days_go_and_no_others(floor):
    publisher_id = await made(floor)
    await told(floor, publisher_id, *(f"old {n}" for n in range(1_200)))
    await floor.clock.advance(6 * DAY_S)
    await told(floor, publisher_id, "young")
    hook, at = floor.NOWHERE, "2026-10-01T00:00:00+00:00"
    await floor.do(
        "INSERT INTO webhooks (id, url, events, created_at, updated_at) VALUES (?, 'x', '[]', ?, ?)", hook, at, at
    )
    await floor.do(
        "INSERT INTO webhook_logs (id, webhook_id, event_type, payload, created_at) VALUES (?, ?, 'e', '{}', ?)",
        *(hook, hook, at),
    )
    cleaning = housekeeping.clean(floor.db, _Hurried(floor.clock), uuid7(floor.clock), Retention(log_days=5))
    await cleaning
    assert await topics(floor) == ["young"]
    assert await floor.query("SELECT count(*) FROM webhook_logs") == [(0,)]


async def test_of_one_publisher_only_so_many_are_kept_and_the_newest_of_each(floor, monkeypatch):
    monkeypatch.setattr(store, "LOG_ROWS_MAX", 3)
    one, other = await made(floor, name="one"), await made(floor, name="other")
    for number in range(6):
        await told(floor, one, f"one {number}")
        await floor.clock.advance(1)
    await told(floor, other, "other 0")
    await floor.db.write(store.cut_log, one)
    await floor.db.write(store.cut_log, other)
    assert await topics(floor) == ["one 3", "one 4", "one 5", "other 0"]


async def test_the_range_that_was_too_old_to_be_kept_is_named(floor):
    publisher_id = await made(floor)
    for number in range(3):
        await floor.job(f"J-{number}")
    await floor.clock.advance(40 * DAY_S)
    await floor.job("J-young")
    head, behind = await floor.db.read(journal.head), await floor.db.read(_position, publisher_id)
    await housekeeping.clean(floor.db, _Hurried(floor.clock), uuid7(floor.clock), Retention(journal_days=30))
    (row,) = (await floor.get(f"{LOGS}?mqtt_publisher_id={publisher_id}"))["mqtt_logs"]
    assert (row["event_type"], row["success"]) == (store.MOVED_ON, False)
    assert row["payload"]["after"] == behind
    assert behind < row["payload"]["to"] < head
    assert await floor.db.read(_position, publisher_id) == row["payload"]["to"]


async def test_one_that_is_told_after_it_was_deleted_leaves_nothing(floor):
    publisher_id = await made(floor)
    publisher = await floor.db.read(store.publisher, publisher_id)
    await floor.send("DELETE", f"{PATH}?id={publisher_id}")
    stamp = Stamp(floor.clock.now(), "gw-test", uuid7(floor.clock))
    await floor.db.write(store.delivered, stamp, publisher, [Told("job.started", "t", "{}", None, 1)], [], 99)
    await floor.db.write(store.stands, stamp, publisher_id, "gone")
    assert await floor.query("SELECT count(*) FROM mqtt_logs") == [(0,)]
    assert await floor.query("SELECT count(*) FROM event_readers WHERE name = ?", reader_of(publisher_id)) == [(0,)]


async def test_how_it_stands_is_a_change_like_any_other_and_written_only_when_it_is_news(floor):
    publisher_id = await made(floor)
    tag = (await floor.send("GET", PATH)).headers["ETag"]
    for error, changes in (("away", 1), ("away", 0), ("still away", 1), (None, 1)):
        before = len(await floor.events())
        stamp = Stamp(floor.clock.now(), "gw-test", uuid7(floor.clock))
        await floor.db.write(store.stands, stamp, publisher_id, error)
        assert len(await floor.events()) - before == changes
        row = (await floor.get(f"{PATH}?id={publisher_id}"))["mqtt_publisher"]
        assert row["last_error"] == error
    assert row["last_connected_at"] is not None
    assert (await floor.send("GET", PATH)).headers["ETag"] != tag
    (change,) = (await floor.events())[-1]["changes"]
    assert json.dumps(change["fields"]) == '["last_error", "last_connected_at"]'


def _position(connection, publisher_id: str) -> int:
    found = connection.execute("SELECT position FROM event_readers WHERE name = ?", (reader_of(publisher_id),))
    return found.fetchone()[0]


class _Hurried:
    """The floor's clock, on which nobody waits for room between two slices."""

    def __init__(self, clock) -> None:
        self.now, self.monotonic = clock.now, clock.monotonic

    async def sleep(self, _seconds: float) -> None:
        """It is later already."""
