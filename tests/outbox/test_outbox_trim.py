"""What leaves the journal, what must not, and that the counts of every reader add up whatever happens."""

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledger import append, opened, position, seqs, stamp

from gateway import housekeeping
from gateway.cloud import store as cloud_
from gateway.kernel.clock import ManualClock, text
from gateway.kernel.connection import offline
from gateway.kernel.health import Health
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.outbox import journal, parked, receipts
from gateway.outbox.journal import MovedOn, Trimmed
from gateway.settings import Retention
from gateway.status import Status, _facts

REGISTERED = "2026-11-02T07:00:00+00:00"
DAY_S = 24 * 3600.0


async def at(db, clock, *names: str) -> None:
    await db.write(append, stamp(clock), *names)


def trim(tx, clock, sent_up_to: int, days: int = 30) -> Trimmed:
    before, now = housekeeping._limits(clock.now(), days)
    return journal.trim(tx, sent_up_to=sent_up_to, recorded_before=before, now=now)


@pytest.fixture
def clock():
    return ManualClock()


async def test_what_is_old_and_sent_goes_and_nothing_else(db, clock):
    await at(db, clock, "old 1", "old 2", "old 3")
    await clock.advance(31 * DAY_S)
    await at(db, clock, "young")
    assert await db.write(trim, clock, 2) == Trimmed(2)
    assert await db.read(seqs) == [3, 4], "3 is not sent, 4 is not old"
    assert await db.write(trim, clock, 4) == Trimmed(1)
    assert await db.write(trim, clock, 4) == Trimmed(0)
    assert await db.read(seqs) == [4]


async def test_it_goes_in_slices_of_a_thousand_at_most(db, clock):
    assert journal.TRIM_SLICE == 1000
    await at(db, clock, *(f"c{i}" for i in range(2500)))
    await clock.advance(31 * DAY_S)
    assert [(await db.write(trim, clock, 2500)).rows for _ in range(4)] == [1000, 1000, 500, 0]


async def test_what_is_parked_stays_whoever_parked_it(db, clock):
    await at(db, clock, *(f"c{i}" for i in range(5)))
    entries = await db.read(journal.after, 0)
    await db.write(park, "cloud", [entries[1]])
    await db.write(park, "webhook:1", [entries[3]])
    await clock.advance(31 * DAY_S)
    assert (await db.write(trim, clock, 5)).rows == 3
    assert await db.read(seqs) == [2, 4]
    await db.write(parked.discard, "cloud")
    assert (await db.write(trim, clock, 5)).rows == 1
    assert await db.read(seqs) == [4]


def park(tx, reader: str, entries) -> None:
    journal.park(tx, reader, entries, "the other side will not have it", REGISTERED, state="parked")


async def test_another_reader_that_is_behind_is_moved_on_and_the_range_is_told(db, clock):
    await db.write(journal.register, "webhook:1", REGISTERED, 0)
    await db.write(journal.register, "uns", REGISTERED, 0)
    await at(db, clock, *(f"c{i}" for i in range(6)))
    await db.write(journal.advance, "webhook:1", 2)
    await db.write(journal.advance, "uns", 6)
    await clock.advance(31 * DAY_S)
    await at(db, clock, "young")
    assert await db.write(trim, clock, 7) == Trimmed(6, (MovedOn("webhook:1", 2, 6),))
    found = {row["name"]: (row["position"], row["skipped"]) for row in await db.read(journal.readers)}
    assert found == {"webhook:1": (6, 4), "uns": (6, 0)}


async def test_entries_that_a_clock_running_ahead_has_dated_do_not_keep_the_others(db, clock):
    clock.step(400 * DAY_S)
    await at(db, clock, "dated next year")
    clock.step(-400 * DAY_S)
    await at(db, clock, "old 1", "old 2")
    await clock.advance(31 * DAY_S)
    assert (await db.write(trim, clock, 3)).rows == 2
    assert await db.read(seqs) == [1]


async def test_looking_stops_at_the_first_young_entry(db, clock):
    """Once an hour, in the writer: it must not read a month of work to find that nothing is old."""

    def steps(tx) -> int:
        count = itertools.count()
        tx.set_progress_handler(lambda: next(count) and None, 1)
        trim(tx, clock, 10_000)
        tx.set_progress_handler(None, 0)
        return next(count)

    await at(db, clock, *(f"c{i}" for i in range(10)))
    few = await db.write(steps)
    await at(db, clock, *(f"d{i}" for i in range(2000)))
    assert await db.write(steps) == few


# ------------------------------------------------------------------ housekeeping


async def clean(db, clock, days: int = 30) -> None:
    """One round; its pauses pass at once."""

    class Hurried(ManualClock):
        async def sleep(self, _delay_s: float) -> None:
            return

    hurried = Hurried(clock.now())
    await housekeeping.clean(db, hurried, uuid7(hurried), Retention(journal_days=days))


async def test_housekeeping_goes_by_what_the_uplink_has_sent(db, clock):
    await db.write(journal.register, cloud_.READER, REGISTERED, 0)
    await at(db, clock, *(f"c{i}" for i in range(5)))
    await clock.advance(31 * DAY_S)
    await clean(db, clock)
    assert await db.read(seqs) == [1, 2, 3, 4, 5], "nothing is sent: a line that is down for a month loses nothing"
    await db.write(cloud_.save_watermark, 3)
    await clean(db, clock)
    assert await db.read(seqs) == [4, 5]


async def test_without_an_uplink_age_alone_decides(db, clock):
    await at(db, clock, "a", "b")
    await clean(db, clock)
    assert await db.read(seqs) == [1, 2]
    await clock.advance(31 * DAY_S)
    await clean(db, clock)
    assert await db.read(seqs) == []


async def test_nothing_goes_while_the_clock_cannot_be_trusted(db, clock):
    await at(db, clock, "a")
    clock.step(-400 * DAY_S)
    await clean(db, clock, days=1)
    assert await db.read(seqs) == [1]


async def test_receipts_are_kept_for_thirty_days_at_least(db, clock):
    assert receipts.KEEP_DAYS == 30
    keep = (
        "INSERT INTO receipts (space, key, request_hash, status, answer, head, recorded_at) "
        "VALUES ('s', 'k', x'00', 200, '', 0, ?)"
    )
    await db.write(lambda tx: tx.execute(keep, (text(clock.now()),)))

    def left(connection) -> int:
        return connection.execute("SELECT count(*) FROM receipts").fetchone()[0]

    await clock.advance(29 * DAY_S)
    await clean(db, clock, days=1)
    assert await db.read(left) == 1
    await clock.advance(2 * DAY_S)
    await clean(db, clock, days=1)
    assert await db.read(left) == 0


# ------------------------------------------------------------------ parked entries


async def test_what_is_parked_is_listed_with_its_reason_and_request(db, clock):
    await at(db, clock, "c1", "c2")
    first, second = await db.read(journal.after, 0)
    await db.write(
        lambda tx: journal.park(
            tx,
            "cloud",
            [second],
            "part 7 is unknown",
            REGISTERED,
            state="parked",
            request={"method": "POST", "path": "/x"},
        )
    )
    await db.write(park, "webhook:1", [first])
    (one,) = await db.read(parked.listed, "cloud")
    assert (one["seq"], one["lane"], one["aggregate"], one["state"], one["reason"], one["request"]) == (
        2,
        "cells:c2",
        "cells:c2",
        "parked",
        "part 7 is unknown",
        '{"method":"POST","path":"/x"}',
    )
    assert [(one["reader"], one["seq"]) for one in await db.read(parked.listed)] == [("cloud", 2), ("webhook:1", 1)]


async def test_retry_and_discard_take_the_chosen_ones_or_all_of_one_reader(db, clock):
    await db.write(journal.register, "cloud", REGISTERED, 0)
    await at(db, clock, *(f"c{i}" for i in range(4)))
    entries = await db.read(journal.after, 0)
    await db.write(park, "cloud", entries)
    await db.write(park, "webhook:1", entries[:1])
    assert await db.write(parked.retry, "cloud", [2, 3, 99]) == 2
    assert [one["state"] for one in await db.read(parked.listed, "cloud")] == ["parked", "retry", "retry", "parked"]
    assert await db.write(parked.discard, "cloud", [1]) == 1
    assert await db.write(parked.discard, "cloud", [1]) == 0, "what is gone is not counted twice"
    assert await db.write(parked.discard, "cloud") == 3
    (row,) = await db.read(journal.readers)
    assert (row["skipped"], row["parked"]) == (4, 0)
    assert len(await db.read(parked.listed, "webhook:1")) == 1


# ------------------------------------------------------------------ the counts


class Counts(RuleBasedStateMachine):
    """accepted = sent + pending + parked + skipped for every reader, whatever happens to the journal, and each is true."""

    READERS = ("cloud", "uns", "webhook:1")

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ManualClock()
        path = Path(self.folder.name) / "gateway.sqlite"
        migrate(path, self.clock)
        self.opening = offline(path)
        self.tx = self.opening.__enter__()
        self.tx.execute("PRAGMA synchronous=OFF")  # nobody pulls the plug here
        self.delivered: dict[str, set[int]] = {}
        self.waiting: dict[str, set[int]] = {}
        self.parked: dict[str, set[int]] = {}
        self.skipped: dict[str, set[int]] = {}

    def teardown(self) -> None:
        if hasattr(self, "opening"):
            self.opening.__exit__(None, None, None)
            self.folder.cleanup()

    @rule(count=st.integers(1, 4), lane=st.sampled_from("ab"))
    def happen(self, count: int, lane: str) -> None:
        head = journal.head(self.tx)
        append(self.tx, stamp(self.clock), *(f"c{head + i}" for i in range(count)), lane=lane)
        for waiting in self.waiting.values():
            waiting |= set(range(head + 1, head + count + 1))

    @rule(name=st.sampled_from(READERS), early=st.booleans())
    def register(self, name: str, early: bool) -> None:
        if name in self.waiting:
            journal.register(self.tx, name, REGISTERED)
            return
        head = journal.head(self.tx)
        early = early and {*range(max(0, head - 2) + 1, head + 1)} <= {
            *seqs(self.tx)
        }  # nobody begins before what is there
        journal.register(self.tx, name, REGISTERED, None if not early else max(0, head - 2))
        self.waiting[name] = set(range(max(0, head - 2) + 1, head + 1)) if early else set()
        for kept in (self.delivered, self.parked, self.skipped):
            kept[name] = set()

    @precondition(lambda self: self.waiting.keys() - {"cloud"})
    @rule(data=st.data(), ends=st.sampled_from(["sent", "refused"]))
    def deliver(self, data, ends: str) -> None:
        """A reader that goes in order: it sends or parks what comes next."""
        name = data.draw(st.sampled_from(sorted(self.waiting.keys() - {"cloud"})))
        page = journal.after(self.tx, position(self.tx, name), data.draw(st.integers(1, 3)))
        if not page:
            return
        if ends == "refused":
            park(self.tx, name, page)
        journal.advance(self.tx, name, page[-1].seq)
        seen = {entry.seq for entry in page}
        # what it never saw because it is not there any more had been counted as skipped when it went
        self.waiting[name] -= seen
        (self.parked if ends == "refused" else self.delivered)[name].update(seen)

    @precondition(lambda self: "cloud" in self.waiting)
    @rule(lane=st.sampled_from("ab"), ends=st.sampled_from(["sent", "refused"]), data=st.data())
    def uplink(self, lane: str, ends: str, data) -> None:
        """The uplink goes on in one lane; the other may stand still."""
        found = self.tx.execute(
            "SELECT position FROM event_lanes WHERE reader = 'cloud' AND lane = ?", (lane,)
        ).fetchone()
        done = max(found[0] if found else 0, position(self.tx, "cloud"))
        page = journal.in_lane(self.tx, lane, done, data.draw(st.integers(1, 3)))
        page = [entry for entry in page if entry.seq in self.waiting["cloud"]]
        if not page:
            return
        if ends == "refused":
            park(self.tx, "cloud", page)
        cloud_.save_lane(self.tx, lane, page[-1].seq)
        seen = {entry.seq for entry in page}
        self.waiting["cloud"] -= seen
        (self.parked if ends == "refused" else self.delivered)["cloud"].update(seen)
        cloud_.save_watermark(self.tx, min(self.waiting["cloud"], default=journal.head(self.tx) + 1) - 1)

    @precondition(lambda self: any(self.parked.values()))
    @rule(data=st.data(), ends=st.sampled_from(["retry", "sent", "discard", "discard all"]))
    def decide(self, data, ends: str) -> None:
        """A person decides on what is parked; the uplink sends what it is told to try again."""
        name = data.draw(st.sampled_from(sorted(name for name, seqs_ in self.parked.items() if seqs_)))
        seq = data.draw(st.sampled_from(sorted(self.parked[name])))
        if ends == "retry":
            assert parked.retry(self.tx, name, [seq]) == 1
        elif ends == "discard":
            assert parked.discard(self.tx, name, [seq]) == 1
            self._move(name, {seq}, self.skipped)
        elif ends == "discard all":
            assert parked.discard(self.tx, name) == len(self.parked[name])
            self._move(name, set(self.parked[name]), self.skipped)
        elif name == "cloud":
            parked.retry(self.tx, name, [seq])
            cloud_.unpark(self.tx, seq)
            self._move(name, {seq}, self.delivered)

    def _move(self, name: str, chosen: set[int], to: dict[str, set[int]]) -> None:
        self.parked[name] -= chosen
        to[name] |= chosen

    @rule(days=st.integers(0, 20))
    def pass_time(self, days: int) -> None:
        self.clock._elapsed_s += days * DAY_S

    @rule(slice_=st.integers(1, 5))
    def trim(self, slice_: int) -> None:
        before = set(seqs(self.tx))
        limit, sent = journal.TRIM_SLICE, housekeeping._sent_up_to(self.tx)
        journal.TRIM_SLICE = slice_
        try:
            done = trim(self.tx, self.clock, sent)
        finally:
            journal.TRIM_SLICE = limit
        gone = before - set(seqs(self.tx))
        assert len(gone) == done.rows <= slice_
        assert all(seq <= sent for seq in gone)
        assert not any(gone & parked_ for parked_ in self.parked.values()), "what is parked stays"
        assert not gone & self.waiting.get("cloud", set()), "what is not sent stays"
        for moved in done.moved_on:
            missed = {seq for seq in self.waiting[moved.reader] if seq <= moved.to}
            assert missed == set(range(moved.after + 1, moved.to + 1))
            self.waiting[moved.reader] -= missed
            self.skipped[moved.reader] |= missed

    @invariant()
    def every_count_is_true_and_they_add_up(self) -> None:
        if not hasattr(self, "tx"):
            return
        head, _, counted = _facts(self.tx)
        assert counted.keys() == self.waiting.keys()
        for name, counts in counted.items():
            told = {what: counts[what] for what in ("accepted", "sent", "pending", "parked", "skipped")}
            assert told["accepted"] == told["sent"] + told["pending"] + told["parked"] + told["skipped"]
            assert told == {
                "accepted": sum(len(kept[name]) for kept in (self.delivered, self.waiting, self.parked, self.skipped)),
                "sent": len(self.delivered[name]),
                "pending": len(self.waiting[name]),
                "parked": len(self.parked[name]),
                "skipped": len(self.skipped[name]),
            }, name
            assert (counts["oldest"] is None) == (not self.waiting[name])
        assert head == journal.head(self.tx)


Counts.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestCounts = Counts.TestCase


async def test_the_counts_stand_in_the_health_report(tmp_path):
    clock = ManualClock()
    async with opened(tmp_path, clock) as db:
        await db.write(journal.register, "cloud", REGISTERED, 0)
        await at(db, clock, "a", "b", "c")
        await db.write(park, "cloud", (await db.read(journal.after, 0))[:1])
        await db.write(cloud_.save_watermark, 2)
        await clock.advance(90)
        told = await Status(db, clock, Health(clock), "gw-test").full()
    cloud = told["links"]["cloud"]
    assert {
        name: cloud[name] for name in ("accepted", "sent", "pending", "parked", "skipped", "behind", "oldest_s")
    } == {
        "accepted": 3,
        "sent": 1,
        "pending": 1,
        "parked": 1,
        "skipped": 0,
        "behind": 1,
        "oldest_s": 90.0,
    }
