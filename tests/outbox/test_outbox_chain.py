"""The journal as an audit trail: whatever is done to it behind the gateway's back is found, what the gateway does itself is not."""

import asyncio
import hashlib
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import append, book, booking, event, opened, stamp

from gateway import housekeeping
from gateway.kernel.clock import ManualClock
from gateway.kernel.connection import offline
from gateway.kernel.errors import Conflict
from gateway.kernel.following import followed
from gateway.kernel.migrate import migrate, steps
from gateway.outbox import chain, journal
from gateway.outbox.chain import GENESIS, Link

DAY_S = 24 * 3600.0
NAMES = tuple(f"c{number}" for number in range(1, 31))
FROM_THE_BEGINNING = Link(0, None)


def verified(connection, last=FROM_THE_BEGINNING, page=7):
    """(entries checked, of them unchained, the break) over all pages."""
    checked = unchained = 0
    while True:
        told = chain.verified(connection, last, page)
        checked, unchained, last = checked + told.checked, unchained + told.unchained, told.at
        if told.through:
            return checked, unchained, told.broken


@pytest.fixture
def file(tmp_path):
    """A gateway's database with thirty entries, and nobody who serves it."""
    path = tmp_path / "gateway.sqlite"
    migrate(path, ManualClock())
    with offline(path) as connection:
        for name in NAMES:
            append(connection, stamp(), name)
    return path


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    path = tmp_path_factory.mktemp("empty") / "gateway.sqlite"
    migrate(path, ManualClock())
    return path


def trim(tx, sent_up_to):
    return journal.trim(tx, sent_up_to=sent_up_to, recorded_before="2030", now="2030")


# ------------------------------------------------------------------ what the gateway does itself


def test_a_hash_is_over_what_the_documentation_says(file):
    with offline(file) as connection:
        before = GENESIS
        for row in connection.execute(f"SELECT seq, {chain.CONTENT}, hash FROM events ORDER BY seq").fetchall():
            seq, *columns, stored = row
            first = f"{seq} {len(row['lane'])} {len(row['aggregate'])} {len(row['data'])}"
            written = "\n".join([first, *map(str, columns)])
            before = hashlib.blake2b(before + written.encode(), digest_size=32).digest()
            assert before == stored
        assert chain.head(connection) == Link(30, before)
        assert verified(connection) == (30, 0, None)


async def test_a_group_that_is_rolled_back_leaves_a_sound_chain(db):
    """One that fails after its first write has the whole group written again, and what was remembered is of no use."""
    commands = booking(db)
    await commands.book(None, "a")
    names = ("b", "refused 1", "c", "refused 2", "d")
    told = await asyncio.gather(*(commands.book(None, name) for name in names), return_exceptions=True)
    assert [isinstance(one, Conflict) for one in told] == [False, True, False, True, False]
    await commands.book(None, "e")
    assert await db.read(verified) == (5, 0, None)


async def test_what_is_taken_back_to_a_savepoint_leaves_a_sound_chain(db):
    def some(tx, of):
        append(tx, of, "a", "b")
        tx.execute("SAVEPOINT half")
        append(tx, of, *(f"gone {number}" for number in range(20)))
        tx.execute("ROLLBACK TO half")
        append(tx, of, *(f"c {number}" for number in range(20)))
        tx.execute("SAVEPOINT half")
        append(tx, of, "gone")
        tx.execute("ROLLBACK TO half")
        append(tx, of, "d")

    await db.write(some, stamp())
    await db.write(append, stamp(), "e")
    assert await db.read(verified) == (24, 0, None)


async def test_the_chain_goes_on_after_a_restart(tmp_path):
    for name in ("a", "b", "c"):
        async with opened(tmp_path) as db:
            await db.write(append, stamp(), name)
    async with opened(tmp_path) as db:
        assert await db.read(verified) == (3, 0, None)


async def test_an_entry_of_another_gateway_is_chained_as_it_stands_here(db):
    await db.write(append, stamp(), "a", "b")
    (entry,) = await db.read(journal.these, [1])
    assert await db.write(journal.copy, entry) == 3
    await db.write(append, stamp(), "c")
    assert await db.read(verified) == (4, 0, None)


async def test_trimming_keeps_what_is_behind_it_verifiable(db):
    """Parked entries stay, as islands; later they go too; at the end all of it is gone and the chain still goes on."""
    await db.write(append, stamp(), *NAMES)
    for entry in await db.read(journal.these, [5, 6, 20]):
        await db.write(lambda tx, one=entry: journal.park(tx, "cloud", [one], "no", "2026", state="parked"))
    assert (await db.write(trim, 25)).rows == 22
    assert await db.read(verified) == (8, 0, None), "5, 6, 20 and the young ones"
    await db.write(append, stamp(), "more")
    await db.write(lambda tx: tx.execute("DELETE FROM event_parked") and None)
    assert (await db.write(trim, 31)).rows == 9
    assert await db.read(verified) == (0, 0, None)
    assert await db.read(lambda c: c.execute("SELECT seq FROM event_anchors").fetchall()[0][0]) == 31
    await db.write(append, stamp(), "later", "still later")
    assert await db.read(verified) == (2, 0, None)
    assert await db.read(lambda c: c.execute("SELECT count(*) FROM event_anchors").fetchone()[0]) == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 20)),
            st.tuples(st.just("trim"), st.integers(0, 60)),
            st.tuples(st.just("park"), st.integers(0, 60)),
            st.tuples(st.just("release"), st.integers(0, 60)),
            st.tuples(st.just("roll back"), st.integers(1, 20)),
        ),
        max_size=25,
    )
)
def test_whatever_the_gateway_does_is_verified(empty, tmp_path_factory, deeds):
    path = tmp_path_factory.mktemp("chain") / "gateway.sqlite"
    shutil.copy(empty, path)
    of = stamp()
    with offline(path) as connection:
        for deed, number in deeds:
            connection.execute("BEGIN")
            if deed in ("append", "roll back"):
                append(connection, of, *(f"n{one}" for one in range(number)))
            elif deed == "trim":
                trim(connection, number)
            elif deed == "park":
                entries = journal.these(connection, [number])
                journal.park(connection, "cloud", entries, "no", "2026", state="parked")
            else:
                connection.execute("DELETE FROM event_parked WHERE seq <= ?", (number,))
            connection.execute("ROLLBACK" if deed == "roll back" else "COMMIT")
            assert verified(connection)[2] is None


async def test_housekeeping_leaves_a_sound_chain(tmp_path):
    clock = ManualClock()
    async with opened(tmp_path, clock) as db:
        await db.write(append, stamp(clock), *(f"o{number}" for number in range(2_500)))
        await clock.advance(31 * DAY_S)
        await db.write(append, stamp(clock), "young")
        for _ in range(3):
            await db.write(housekeeping._trim_events, stamp(clock).new_id, *housekeeping._limits(clock.now(), 30))
        assert await db.read(verified) == (1, 0, None)


# ------------------------------------------------------------------ an old database


def test_an_old_journal_is_chained_from_the_update_on(tmp_path, monkeypatch):
    path = tmp_path / "gateway.sqlite"
    old = {number: step for number, step in steps().items() if number < 28}  # the step "upkeep" chains it
    monkeypatch.setattr("gateway.kernel.migrate.steps", lambda: old)
    migrate(path, ManualClock())
    with offline(path) as connection:
        for number in range(3):
            row = (f"e{number}", "lane", "a", "gw", "2026", "2026", 1, "[]")
            connection.execute(
                "INSERT INTO events (id, lane, aggregate, origin, occurred_at, recorded_at, clock_trusted, changes) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
    monkeypatch.undo()
    migrate(path, ManualClock())
    with offline(path) as connection:
        append(connection, stamp(), "a", "b")
        assert verified(connection) == (2, 3, None)
        trim(connection, 2)
        assert verified(connection) == (2, 1, None)
        trim(connection, 5)
        append(connection, stamp(), "c")
        assert verified(connection) == (1, 0, None)
        connection.execute("UPDATE events SET hash = NULL")
        assert verified(connection)[2].what == "inserted"


# ------------------------------------------------------------------ what somebody else does

ROW = "'x', 'job.created', 'l', 'a', 'gw', '2026', '2026', 1, '{}', '[]'"


@pytest.mark.parametrize(
    ("deed", "seq", "what"),
    [
        ("UPDATE events SET data = replace(data, 'c12', 'c99') WHERE seq = 12", 12, "changed"),
        ("UPDATE events SET occurred_at = '2026-11-02T08:00:00+00:00' WHERE seq = 1", 1, "changed"),
        ("UPDATE events SET type = 'job.created' WHERE seq = 30", 30, "changed"),
        ("UPDATE events SET data = NULL WHERE seq = 3", 3, "changed"),
        ("UPDATE events SET data = data || char(10), changes = changes WHERE seq = 3", 3, "changed"),
        ("UPDATE events SET clock_trusted = 0 WHERE seq = 4", 4, "changed"),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 9", 9, "changed"),
        ("DELETE FROM events WHERE seq = 12", 12, "removed"),
        ("DELETE FROM events WHERE seq BETWEEN 3 AND 9", 3, "removed"),
        ("DELETE FROM events WHERE seq = 1", 1, "removed"),
        ("DELETE FROM events WHERE seq >= 29", 29, "removed"),
        ("DELETE FROM events", 1, "removed"),
        (f"INSERT INTO events ({chain.CONTENT}) VALUES ({ROW})", 31, "inserted"),
        (f"INSERT INTO events ({chain.CONTENT}, hash) VALUES ({ROW}, zeroblob(32))", 31, "changed"),
        (
            "UPDATE events SET seq = -seq WHERE seq IN (7, 8); UPDATE events SET seq = 15 + seq WHERE seq < 0",
            7,
            "changed",
        ),
    ],
)
def test_the_first_entry_that_was_tampered_with_is_named(file, deed, seq, what):
    with offline(file) as connection:
        for statement in deed.split("; "):
            connection.execute(statement)
        broken = verified(connection)[2]
        assert (broken.seq, broken.what) == (seq, what), broken.told
        assert str(seq) in broken.told


def test_an_entry_among_those_that_were_trimmed_is_named(file):
    with offline(file) as connection:
        trim(connection, 20)
        connection.execute(f"INSERT INTO events (seq, {chain.CONTENT}, hash) VALUES (12, {ROW}, zeroblob(32))")
        broken = verified(connection)[2]
        assert (broken.seq, broken.what) == (12, "inserted")


def test_who_writes_the_hash_of_his_entry_too_is_found_at_the_next(file):
    with offline(file) as connection:
        connection.execute("UPDATE events SET data = '{}' WHERE seq = 12")
        chain.anew(connection, 11, 12)
        broken = verified(connection)[2]
        assert (broken.seq, broken.what) == (13, "changed")
        assert "entry 12" in broken.told


def test_who_writes_every_hash_anew_is_found_by_whoever_has_written_one_down(file):
    with offline(file) as connection:
        known = chain.at(connection, 20)
        connection.execute("UPDATE events SET data = '{}' WHERE seq = 12")
        chain.anew(connection, 11, 30)
        assert verified(connection)[2] is None, "this is what a chain alone cannot know"
        assert chain.at(connection, 20).hash != known.hash


def test_looking_can_begin_anywhere(file):
    with offline(file) as connection:
        connection.execute("UPDATE events SET data = '{}' WHERE seq = 5")
        assert verified(connection, chain.at(connection, 10)) == (20, 0, None)
        assert verified(connection, chain.at(connection, 4))[2].seq == 5


def test_an_update_of_a_remembered_newest_entry_is_found(file):
    """The writer does not read what it chains to: it remembers it."""
    with offline(file) as connection:
        append(connection, stamp(), "a")
        connection.execute("UPDATE events SET data = '{}' WHERE seq = 31")
        append(connection, stamp(), "b")
        assert verified(connection)[2].seq == 31


async def test_the_refused_write_nothing(db):
    """What a rule refuses has no entry, and leaves no hole."""
    with pytest.raises(Conflict):
        await db.write(book, stamp(), "refused")
    await db.write(lambda tx: journal.append(tx, stamp(), [event(stamp(), "a")]))
    assert await db.read(verified) == (1, 0, None)


async def test_which_request_an_entry_is_from_stands_beside_the_chain(tmp_path):
    """It only says where else to look; an older version, to which somebody goes back, has no place for it."""
    async with opened(tmp_path) as db:
        with followed("tap-1"):
            await db.write(append, stamp(), "a", "b")
        await db.write(append, stamp(), "c")
        assert [one.request_id for one in await db.read(journal.after, 0)] == ["tap-1", "tap-1", None]

        def forge(tx):
            tx.execute("UPDATE events SET request_id = 'tap-2' WHERE seq = 1")

        await db.write(forge)
        assert await db.read(verified) == (3, 0, None)
