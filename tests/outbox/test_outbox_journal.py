"""The journal: append-only, in commit order, and nobody's position goes back."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from ledger import ORIGIN, append, append_in, event, opened, seqs, stamp

from gateway.kernel.clock import ManualClock, parse
from gateway.kernel.ids import is_uuid
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, EventType, job_lane, row_lane

NOW = "2026-11-02T07:00:00+00:00"
LATER = "2026-12-31T00:00:00+00:00"


async def test_an_entry_says_what_happened_when_and_to_which_rows(db):
    of = stamp()
    before = of.now - timedelta(minutes=5)
    started = Event(
        "job:j",
        "operation:o",
        before,
        (
            Change("operations", "o", "update", 2, ("status", "started_at")),
            Change("cells", "c", "delete", 3, {"name": "Säge"}),
        ),
        EventType.OPERATION_STARTED,
        {"operation_id": "o"},
    )
    await db.write(journal.append, of, [started])
    (entry,) = await db.read(journal.after, 0)
    assert (entry.seq, entry.type, entry.lane, entry.aggregate, entry.origin) == (
        1,
        "operation.started",
        "job:j",
        "operation:o",
        ORIGIN,
    )
    assert is_uuid(entry.id)
    assert (parse(entry.occurred_at), parse(entry.recorded_at), entry.clock_trusted) == (before, of.now, 1)
    assert json.loads(entry.data) == {"operation_id": "o"}
    assert json.loads(entry.changes) == [
        {"table": "operations", "id": "o", "op": "update", "version": 2, "fields": ["status", "started_at"]},
        {"table": "cells", "id": "c", "op": "delete", "version": 3, "fields": {"name": "Säge"}},
    ]


async def test_a_change_that_nobody_subscribes_to_has_neither_type_nor_data(db):
    of = stamp()
    await db.write(journal.append, of, [Event("cells:c", "cells:c", of.now, (Change("cells", "c", "insert", 1),))])
    (entry,) = await db.read(journal.after, 0)
    assert (entry.type, entry.data) == (None, None)


async def test_an_entry_under_a_clock_that_was_never_set_is_marked(db):
    of = stamp(ManualClock(datetime(1970, 1, 1, tzinfo=UTC)))
    await db.write(append, of, "c")
    (entry,) = await db.read(journal.after, 0)
    assert entry.clock_trusted == 0


async def test_a_number_that_json_does_not_know_is_no_event(db):
    of = stamp()
    with pytest.raises(ValueError, match="JSON compliant"):
        await db.write(journal.append, of, [Event("a", "a", of.now, (), data={"weight": float("nan")})])
    assert await db.read(journal.head) == 0


async def test_pages_follow_each_other_in_commit_order(db):
    await db.write(append, stamp(), *(f"c{i}" for i in range(7)))
    found: list[int] = []
    while page := await db.read(journal.after, found[-1] if found else 0, 3):
        assert len(page) <= 3
        found += [entry.seq for entry in page]
    assert found == [1, 2, 3, 4, 5, 6, 7]


async def test_a_lane_has_its_own_entries_in_order(db):
    for name, lane in (("a", "job:1"), ("b", "job:2"), ("c", "job:1"), ("d", "job:1")):
        await db.write(append_in, stamp(), lane, name)
    assert [entry.seq for entry in await db.read(journal.in_lane, "job:1", 0)] == [1, 3, 4]
    assert [entry.seq for entry in await db.read(journal.in_lane, "job:1", 1, 1)] == [3]
    assert await db.read(journal.in_lane, "job:2", 2) == []
    assert (job_lane("1"), row_lane("cells", "2")) == ("job:1", "cells:2")


async def test_a_journal_that_was_trimmed_empty_goes_on_counting_also_after_a_restart(tmp_path):
    async with opened(tmp_path) as db:
        assert await db.write(append, stamp(), "a", "b", "c") == 3
        done = await db.write(trimmed, 3)
        assert done.rows == 3
        assert await db.read(seqs) == []
        assert await db.read(journal.head) == 3
    async with opened(tmp_path) as db:
        assert await db.write(append, stamp(), "d") == 4
        assert await db.read(seqs) == [4]


def trimmed(tx, sent_up_to: int):
    return journal.trim(tx, sent_up_to=sent_up_to, recorded_before=LATER, now="2027-02-01T00:00:00+00:00")


async def test_what_is_taken_back_leaves_no_hole_in_the_counting(db):
    """Counts of a reader are differences of seqs: a hole would count as an entry."""

    def late(tx) -> None:
        append(tx, stamp(), "b")
        raise ValueError("after its first write")

    await db.write(append, stamp(), "a")
    with pytest.raises(ValueError, match="after its first"):
        await db.write(late)
    assert await db.write(append, stamp(), "c") == 2


# ------------------------------------------------------------------ readers


async def test_a_new_reader_begins_at_the_head_or_where_it_is_told_and_an_old_one_where_it_was(db):
    await db.write(append, stamp(), "a", "b")
    assert await db.write(journal.register, "new", NOW) == 2
    assert await db.write(journal.register, "cloud", NOW, 0) == 0
    await db.write(journal.advance, "cloud", 1)
    await db.write(append, stamp(), "c")
    assert await db.write(journal.register, "new", NOW) == 2
    assert await db.write(journal.register, "cloud", NOW, 0) == 1
    found = {row["name"]: (row["since"], row["position"]) for row in await db.read(journal.readers)}
    assert found == {"new": (2, 2), "cloud": (0, 1)}


async def test_a_position_never_goes_back_and_one_that_is_known_is_not_written_again(db):
    await db.write(append, stamp(), "a", "b", "c")
    await db.write(journal.register, "uns", NOW, 0)
    await db.write(journal.advance, "uns", 2)
    before = db.commits.count
    await db.write(journal.advance, "uns", 1)
    await db.write(journal.advance, "uns", 2)
    await db.write(journal.advance, "nobody", 2)
    (row,) = await db.read(journal.readers)
    assert row["position"] == 2
    assert db.commits.count == before, "who waits for news would wake for nothing, once a second, for ever"


async def test_events_are_what_the_rules_decided(db):
    of = stamp()
    assert json.loads(event(of, "c").changes[0].written) == {
        "table": "cells",
        "id": "c",
        "op": "insert",
        "version": 1,
        "fields": None,
    }
