"""Receipts: the same request has one effect and one answer; what was refused is judged anew."""

import asyncio
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import booking, opened, seqs, stamp

from gateway.kernel.errors import Conflict, KeyReused
from gateway.outbox import receipts
from gateway.outbox.receipts import Answer, Receipt, request_hash

OLD = "2026-11-02T07:00:00+00:00"
BEFORE = "2026-12-01T00:00:00+00:00"
NOW = "2027-01-01T00:00:00+00:00"


def receipt(key: str = "k1", request: str = "a", space: str = "rest:key") -> Receipt:
    return Receipt(space, key, request_hash(request))


def kept(connection) -> list[tuple[str, str]]:
    return [tuple(row) for row in connection.execute("SELECT space, key FROM receipts ORDER BY id")]


def cells(connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT id FROM cells ORDER BY rowid")]


async def test_the_same_key_with_the_same_request_gets_the_first_answer_and_nothing_happens_again(db):
    commands = booking(db)
    first = await commands.book(receipt(), "c1")
    again = await commands.book(receipt(), "another name, same hash")
    assert (first.status, first.replayed) == (201, False)
    assert again == Answer(first.status, first.data, replayed=True)
    assert (await db.read(cells), await db.read(seqs)) == (["c1"], [1])


async def test_the_answer_outlives_the_process(tmp_path):
    async with opened(tmp_path) as db:
        first = await booking(db).book(receipt(), "c1")
    async with opened(tmp_path) as db:
        assert await booking(db).book(receipt(), "c1") == Answer(201, first.data, replayed=True)
        assert await db.read(cells) == ["c1"]


async def test_the_same_key_with_another_request_is_refused_by_name_and_changes_nothing(db):
    commands = booking(db)
    await commands.book(receipt(), "c1")
    with pytest.raises(KeyReused, match='Idempotency-Key "k1" was used for another request: take a fresh key'):
        await commands.book(receipt(request="b"), "c2")
    assert await db.read(cells) == ["c1"]


async def test_the_keys_of_two_senders_have_nothing_to_do_with_each_other(db):
    commands = booking(db)
    assert not (await commands.book(receipt(), "c1")).replayed
    assert not (await commands.book(receipt(request="b", space="mqtt:saw"), "c2")).replayed
    assert await db.read(kept) == [("rest:key", "k1"), ("mqtt:saw", "k1")]


async def test_a_refusal_is_not_kept_and_the_key_stays_free(db):
    commands = booking(db)
    with pytest.raises(Conflict):
        await commands.book(receipt(), "refused")
    assert (await db.read(kept), await db.read(cells), await db.read(seqs)) == ([], [], [])
    assert not (await commands.book(receipt(request="b"), "c1")).replayed


async def test_of_many_at_the_same_time_one_is_done_and_all_get_its_answer(db):
    commands = booking(db)
    answers = await asyncio.gather(*(commands.book(receipt(), "c1") for _ in range(16)))
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 15
    assert len({answer.data for answer in answers}) == 1
    assert (await db.read(cells), await db.read(seqs)) == (["c1"], [1])


async def test_also_when_the_group_has_to_run_again(db):
    commands = booking(db)
    answers = await asyncio.gather(
        commands.book(receipt("k1"), "c1"),
        commands.book(receipt("k2"), "refused after its first write"),
        commands.book(receipt("k1"), "c1"),
        commands.book(receipt("k3"), "c3"),
        return_exceptions=True,
    )
    assert [getattr(one, "replayed", type(one)) for one in answers] == [False, Conflict, True, False]
    assert json.loads(answers[0].data)["cell"]["seq"] == 1, "the answer is that of the run that was committed"
    assert json.loads(answers[3].data)["cell"]["seq"] == 2
    assert await db.read(kept) == [("rest:key", "k1"), ("rest:key", "k3")]


async def test_without_a_key_every_request_stands_for_itself(db):
    commands = booking(db)
    await commands.book(None, "c1")
    with pytest.raises(Exception, match="UNIQUE"):
        await commands.book(None, "c1")
    assert await db.read(kept) == []


async def test_a_key_that_we_made_is_kept_like_any_other(db):
    commands = booking(db)
    made = Receipt("rest:key", "made-by-us", request_hash("a"), fresh=True)
    first = await commands.book(made, "c1")
    assert (await commands.book(Receipt("rest:key", "made-by-us", request_hash("a")), "c1")).data == first.data


@given(st.lists(st.text() | st.binary(), max_size=5), st.lists(st.text() | st.binary(), max_size=5))
def test_requests_are_the_same_only_when_every_part_is(one, other):
    def plain(parts) -> list[bytes]:
        return [part.encode() if isinstance(part, str) else part for part in parts]

    assert (request_hash(*one) == request_hash(*other)) == (plain(one) == plain(other))


async def test_random_repeats_have_one_effect_each(db):
    """Whatever is sent how often in which order: one effect a key."""
    rng = random.Random(5)
    commands = booking(db)
    wanted = [f"c{i}" for i in range(40)]
    sent = [name for name in wanted for _ in range(rng.randint(1, 4))]
    rng.shuffle(sent)
    answers = await asyncio.gather(*(commands.book(receipt(name, name), name) for name in sent))
    assert sorted(await db.read(cells)) == sorted(wanted)
    assert sum(not answer.replayed for answer in answers) == len(wanted)
    for name, answer in zip(sent, answers, strict=True):
        assert json.loads(answer.data)["cell"]["id"] == name


# ------------------------------------------------------------------ trimming


async def fill(db, count: int, recorded_at: str = OLD) -> None:
    commands = booking(db)
    await asyncio.gather(*(commands.book(receipt(f"{recorded_at} {i}"), f"{recorded_at} {i}") for i in range(count)))
    await db.write(
        lambda tx: tx.execute("UPDATE receipts SET recorded_at = ? WHERE key LIKE ?", (recorded_at, f"{recorded_at}%"))
    )


def trim(tx, sent_up_to: int, before: str = BEFORE) -> int:
    return receipts.trim(tx, sent_up_to=sent_up_to, recorded_before=before, now=NOW)


async def test_old_receipts_go_once_everything_before_them_is_sent(db):
    await fill(db, 5)
    await fill(db, 2, recorded_at="2026-12-24T00:00:00+00:00")
    assert await db.write(trim, 3) == 3
    assert await db.write(trim, 3) == 0, "never below the oldest event that is not sent"
    assert await db.write(trim, 7) == 2
    assert await db.write(trim, 7) == 0, "the young ones stay"
    assert len(await db.read(kept)) == 2


async def test_they_go_in_slices(db, monkeypatch):
    assert receipts.TRIM_SLICE <= 1000
    monkeypatch.setattr(receipts, "TRIM_SLICE", 4)
    await fill(db, 10)
    assert [await db.write(trim, 10) for _ in range(4)] == [4, 4, 2, 0]


async def test_a_receipt_that_a_clock_running_ahead_has_dated_does_not_keep_the_others(db):
    await fill(db, 1, recorded_at="2039-01-01T00:00:00+00:00")
    await fill(db, 3)
    assert await db.write(trim, 4) == 3


async def test_looking_for_old_receipts_stops_at_the_first_young_one(db):
    await fill(db, 50, recorded_at="2026-12-24T00:00:00+00:00")

    def steps(tx) -> int:
        count = 0

        def step() -> None:
            nonlocal count
            count += 1

        tx.set_progress_handler(step, 1)
        trim(tx, 50)
        tx.set_progress_handler(None, 0)
        return count

    few = await db.write(steps)
    await fill(db, 500, recorded_at="2026-12-25T00:00:00+00:00")
    assert await db.write(steps) == few


async def test_a_stamp_is_made_once_for_a_command():
    of = stamp()
    assert of.text == "2026-11-02T07:00:00+00:00"
