"""Group commit: what waits together is written together, and nobody suffers from another's mistake."""

import asyncio
import random
import sqlite3
from collections import Counter

import pytest
from notebook import add, gathering, on_disk, prepare, texts
from structlog.testing import capture_logs
from waiting import until

from gateway.kernel import db as kernel_db
from gateway.kernel.errors import Busy, Conflict


async def ask(db, *writes) -> list[asyncio.Task]:
    """(body, *arguments) each; returns once all are queued."""
    tasks = [asyncio.create_task(db.write(*write)) for write in writes]
    await asyncio.sleep(0)
    return tasks


async def test_two_hundred_writes_that_wait_cost_one_commit_and_one_fsync(disk, db):
    before = db.commits.count, disk.syncs
    async with gathering(db):
        tasks = await ask(db, *((add, f"note {i}") for i in range(200)))
    ids = await asyncio.gather(*tasks)
    assert ids == list(range(1, 201)), "in the order in which they were asked for"
    assert (db.commits.count - before[0], disk.syncs - before[1]) == (1, 1)


async def test_nobody_gets_an_answer_before_the_fsync(disk, db):
    answered: list[bool] = []
    disk.at_sync = lambda: answered.extend(task.done() for task in tasks)
    async with gathering(db):
        tasks = await ask(db, (add, "a"), (add, "b"))
    await asyncio.gather(*tasks)
    assert answered == [False, False]


async def test_an_answer_means_that_it_is_in_the_file(tmp_path, db):
    await db.write(add, "kept")
    assert on_disk(tmp_path) == ["kept"]


async def test_a_group_has_a_limit(disk, db):
    before = disk.syncs
    async with gathering(db):
        tasks = await ask(db, *((add, f"note {i}") for i in range(kernel_db.GROUP_MAX + 1)))
    await asyncio.gather(*tasks)
    assert disk.syncs - before == 2


async def test_a_group_that_changes_nothing_costs_no_fsync_and_wakes_nobody(disk, db):
    before = db.commits.count, disk.syncs
    assert await db.write(texts) == []
    assert (db.commits.count, disk.syncs) == before


class Bodies:
    """Writes that count how often they are run."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()

    def good(self, tx, text: str) -> str:
        self.runs[text] += 1
        add(tx, text)
        return text

    def refused(self, _tx, text: str) -> None:
        self.runs[text] += 1
        raise Conflict(f"no {text}")

    def late(self, tx, text: str) -> None:
        """Fails after its first write."""
        self.runs[text] += 1
        add(tx, f"{text} begun")
        raise Conflict(f"no {text}")


async def results(tasks) -> list:
    return [
        one.message if isinstance(one, Conflict) else one
        for one in await asyncio.gather(*tasks, return_exceptions=True)
    ]


async def test_a_refusal_before_the_first_write_ends_that_command_alone_and_nobody_runs_twice(db):
    bodies = Bodies()
    async with gathering(db):
        tasks = await ask(db, (bodies.good, "a"), (bodies.refused, "b"), (bodies.good, "c"))
    assert await results(tasks) == ["a", "no b", "c"]
    assert await db.read(texts) == ["a", "c"]
    assert bodies.runs == {"a": 1, "b": 1, "c": 1}


async def test_an_error_after_a_write_takes_only_itself_back(db):
    bodies = Bodies()
    async with gathering(db):
        tasks = await ask(db, (bodies.good, "a"), (bodies.late, "b"), (bodies.good, "c"), (bodies.late, "d"))
    assert await results(tasks) == ["a", "no b", "c", "no d"]
    assert await db.read(texts) == ["a", "c"]
    assert bodies.runs == {"a": 2, "b": 2, "c": 1, "d": 1}, "the group ran again from its beginning, once"


async def test_an_error_of_sql_is_the_commands_own(db):
    async with gathering(db):
        tasks = await ask(db, (add, "a"), (add, "a"), (add, "b", 77), (add, "c"))
    first, twice, orphan, last = await asyncio.gather(*tasks, return_exceptions=True)
    assert (first, last) == (1, 2)
    assert isinstance(twice, sqlite3.IntegrityError)
    assert isinstance(orphan, sqlite3.IntegrityError)
    assert await db.read(texts) == ["a", "c"]


def pulled(tx, *wanted: str) -> list[str]:
    """A row that does not fit must not keep the others out: a savepoint of its own for each."""
    kept = []
    for text in wanted:
        tx.execute("SAVEPOINT pulled")
        try:
            add(tx, f"{text} draft")
            add(tx, text)
            kept.append(text)
        except sqlite3.IntegrityError:
            tx.execute("ROLLBACK TO pulled")
        finally:
            tx.execute("RELEASE pulled")
    return kept


@pytest.mark.parametrize("neighbour", ["good", "late"], ids=["in a group", "in a group that runs again"])
async def test_a_command_may_use_savepoints_of_its_own(db, neighbour):
    bodies = Bodies()
    await db.write(add, "old")
    async with gathering(db):
        tasks = await ask(db, (pulled, "x", "old", "y"), (getattr(bodies, neighbour), "n"), (pulled, "old", "z"))
    kept = await results(tasks)
    assert (kept[0], kept[2]) == (["x", "y"], ["z"])
    left = ["n"] if neighbour == "good" else []
    assert await db.read(texts) == ["old", "x draft", "x", "y draft", "y", *left, "z draft", "z"]


async def test_a_caller_who_goes_away_leaves_the_write_to_finish(db):
    async with gathering(db):
        (gone, _) = await ask(db, (add, "his"), (add, "hers"))
        gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    await until(lambda: db.commits.count == 1)
    assert await db.read(texts) == ["his", "hers"]


async def test_a_full_queue_refuses_by_name_and_what_is_in_it_is_written(db):
    async with gathering(db):
        tasks = await ask(db, *((add, f"note {i}") for i in range(kernel_db.QUEUE_MAX)))
        with pytest.raises(Busy, match="queue is full"):
            await db.write(add, "one too many")
    await asyncio.gather(*tasks)
    assert len(await db.read(texts)) == kernel_db.QUEUE_MAX
    assert await db.write(add, "now") == kernel_db.QUEUE_MAX + 1


async def test_stop_iteration_is_an_error_like_any_other(db):
    async with gathering(db):
        tasks = await ask(db, (lambda _tx: next(iter(())),), (add, "after it"))
    first, second = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, RuntimeError)
    assert second == 1


async def test_everybody_who_waits_for_a_commit_is_woken(db):
    seen = db.commits.count
    waiting = [asyncio.create_task(db.commits.beyond(seen)) for _ in range(5)]
    await asyncio.sleep(0)
    await db.write(add, "news")
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    await asyncio.wait_for(db.commits.beyond(seen), 1)  # who comes late does not wait


# ------------------------------------------------------------------ deferred writes


async def test_of_deferred_writes_the_last_of_a_name_wins_and_rides_along(disk, db):
    before = disk.syncs
    async with gathering(db):
        for i in range(3):
            db.write_soon("position", add, f"position {i}")
        db.write_soon("other", add, "other")
        tasks = await ask(db, (add, "a command"))
    await asyncio.gather(*tasks)
    assert await db.read(texts) == ["position 2", "other", "a command"]
    assert disk.syncs - before == 1


async def test_a_deferred_write_goes_alone_after_a_second_of_quiet(db, monkeypatch):
    monkeypatch.setattr(kernel_db, "DEFERRED_MAX_S", 0.05)
    db.write_soon("position", add, "alone")
    assert await db.read(texts) == []
    await until(lambda: db.commits.count == 1)
    assert await db.read(texts) == ["alone"]


async def test_a_deferred_write_that_fails_harms_nobody_and_is_told(db):
    await db.write(add, "old")
    with capture_logs() as logs:
        async with gathering(db):
            db.write_soon("position", add, "old")
            tasks = await ask(db, (add, "new"))
        assert await asyncio.gather(*tasks) == [2]
    assert [one["event"] for one in logs] == ["database.deferred_write_failed"]


async def test_what_is_deferred_is_written_before_the_end(tmp_path):

    async with kernel_db.Database.open(tmp_path, prepare=prepare) as db:
        db.write_soon("position", add, "last words")
    assert on_disk(tmp_path) == ["last words"]


@pytest.mark.parametrize("seed", range(20))
async def test_a_group_does_what_the_same_commands_would_do_one_after_the_other(tmp_path, seed):
    """Whatever is in it: same answers, same errors, same rows."""
    rng = random.Random(seed)
    bodies = Bodies()
    kinds = (bodies.good, bodies.refused, bodies.late, pulled, add)
    commands = [(rng.choice(kinds), f"note {rng.randint(1, 12)}") for _ in range(rng.randint(1, 25))]

    async def told(db, *, together: bool) -> list:
        if not together:
            return [(await results([asyncio.create_task(db.write(*one))]))[0] for one in commands]
        async with gathering(db):
            tasks = await ask(db, *commands)
        return await results(tasks)

    async with (
        kernel_db.Database.open(tmp_path / "group", prepare=prepare) as group,
        kernel_db.Database.open(tmp_path / "single", prepare=prepare) as single,
    ):
        one, other = await told(group, together=True), await told(single, together=False)
        assert [str(answer) for answer in one] == [str(answer) for answer in other]
        assert await group.read(texts) == await single.read(texts)
