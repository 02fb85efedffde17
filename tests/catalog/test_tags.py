"""An ETag stands for one content, whatever it was that changed; 304 says that it did not."""

import asyncio
import random
import re

import pytest
from hall import NOWHERE

from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.migrate import migrate
from gateway.kernel.revisions import Known, Revisions
from gateway.outbox import journal
from gateway.outbox.event import Change, Event, Stamp
from gateway.transfer.commands import bring_in, planned
from gateway.web import conditions
from gateway.web.routes import Scope

LISTS = (
    "/api-cells",
    "/api-resources",
    "/api-scrap-reasons",
    "/api-jobs",
    "/api-parts",
    "/api-operations",
    "/api-time-entries",
    "/api-operation-quantities",
)


async def tag(floor, path: str, **more) -> str:
    reply = await floor.send("GET", path, **more)
    assert reply.status == 200, reply.body
    return reply.headers["ETag"]


async def again(floor, path: str, etag: str, **more):
    return await floor.send("GET", path, headers={"If-None-Match": etag}, **more)


async def is_same(floor, path: str, etag: str, **more) -> bool:
    """Is it 304? Asked twice: what was learned from the database, and what is known without it, must agree."""
    first, second = [await again(floor, path, etag, **more) for _ in range(2)]
    assert first.status == second.status
    assert first.status in (200, 304)
    return first.status == 304


@pytest.fixture
async def work(floor):
    """A job whose first operation has been worked on."""
    job = await floor.job()
    operation_id = job["parts"][0]["operations"][0]["id"]
    await floor.pressed(("start", operation_id, floor.ANNA, 60), ("pause", operation_id))
    body = {"operation_id": operation_id, "quantity_good": 3, "recorded_by": floor.ANNA}
    await floor.make("/api-operation-quantities", body)
    await floor.send("PATCH", f"/api-operations?id={operation_id}", {"notes": "n"})  # part and job follow the pause
    return job


# ------------------------------------------------------------------ the same


@pytest.mark.parametrize("path", LISTS)
async def test_a_list_that_did_not_change_is_304_without_a_body(floor, work, path):
    etag = await tag(floor, path)
    assert re.fullmatch(r'"[\w.]+"', etag)
    reply = await again(floor, path, etag)
    assert (reply.status, reply.body) == (304, None)
    assert reply.headers["ETag"] == etag
    assert (reply.headers["Cache-Control"], reply.headers["Vary"]) == ("no-store", "Origin, Authorization")
    assert "X-Request-Id" in reply.headers
    assert await is_same(floor, f"/functions/v1{path}/", etag)
    assert (await floor.send("HEAD", path, headers={"If-None-Match": etag})).status == 304


@pytest.mark.parametrize("path", LISTS)
async def test_so_is_a_row(floor, work, path):
    row = next(iter((await floor.get(path)).values()))[0]
    one = f"{path}?id={row['id']}"
    etag = await tag(floor, one)
    assert etag.startswith(f'"{row["row_version"]}-')
    assert await is_same(floor, one, etag)
    assert (await floor.send("HEAD", one)).headers["ETag"] == etag


@pytest.mark.parametrize("sent", ["*", "W/{}", '"x", {}', '{}, "x"', " {} , "])
async def test_a_tag_may_be_one_of_several_and_weak(floor, work, sent):
    for path in ("/api-jobs", f"/api-jobs?id={work['id']}"):
        etag = await tag(floor, path)
        assert await is_same(floor, path, sent.replace("{}", etag))


@pytest.mark.parametrize("sent", ['""', '"x"', "x", "{}x", "W/x", ",", '"7"', "é", '"' * 99, "*, {}"])
async def test_anything_else_gets_everything(floor, work, sent):
    for path in ("/api-jobs", f"/api-jobs?id={work['id']}"):
        etag = await tag(floor, path)
        assert not await is_same(floor, path, sent.replace("{}", etag))


async def test_what_is_no_table_has_a_tag_too(floor, work):
    etag = await tag(floor, "/api-materials")
    assert await is_same(floor, "/api-materials", etag)
    await floor.job("J-2", (floor.SAW,))
    assert await is_same(floor, "/api-materials", etag)
    part_id = work["parts"][0]["id"]
    await floor.send("PATCH", f"/api-parts?id={part_id}", {"material": "Brass"})
    assert not await is_same(floor, "/api-materials", etag)


async def test_a_write_has_none(floor):
    assert "ETag" not in (await floor.send("POST", "/api-cells", {"name": "New"})).headers


# ------------------------------------------------------------------ not the same


async def test_a_tag_belongs_to_its_address_and_its_key(floor, work):
    etag = await tag(floor, "/api-operations")
    for path in (
        "/api-operations?limit=1",
        "/api-operations?cell_name=Laser",
        "/api-operations?order=desc",
        "/api-jobs",
    ):
        assert not await is_same(floor, path, etag)
    key, other = await floor.new_key(Scope.READ, floor.LASER), await floor.new_key(Scope.READ, floor.SAW)
    assert not await is_same(floor, "/api-operations", etag, key=key)
    assert await is_same(floor, "/api-operations", await tag(floor, "/api-operations", key=key), key=key)
    assert not await is_same(floor, "/api-operations", await tag(floor, "/api-operations", key=key), key=other)
    assert await is_same(floor, "/api-operations", etag, key=await floor.new_key(Scope.ADMIN))


async def test_every_change_of_what_is_embedded_counts(floor, work):
    """Each change -> who shows it, and who does not."""
    part, operation = work["parts"][0], work["parts"][0]["operations"][0]
    rows = {path: (await floor.get(path)) for path in LISTS}
    ones = {path: f"{path}?id={next(iter(rows[path].values()))[0]['id']}" for path in LISTS}
    jobs, parts, operations = "/api-jobs", "/api-parts", "/api-operations"
    entries, quantities = "/api-time-entries", "/api-operation-quantities"

    async def person(name: str) -> None:
        stamp = Stamp(floor.clock.now(), "gw-test", iter(f"{NOWHERE[:-3]}{n}" for n in range(100, 999)).__next__)
        rows = {"profiles": [{"id": floor.ANNA, "username": "anna", "full_name": name, "role": "operator"}]}
        await floor.db.write(bring_in, stamp, planned(rows))

    async def change(path: str, row_id: str, **body) -> None:
        assert (await floor.send("PATCH", f"{path}?id={row_id}", body)).status == 200

    changes = (
        (lambda: change("/api-cells", floor.LASER, name="Laser 2"), {"/api-cells", operations}),
        (lambda: change(jobs, work["id"], job_number="J-9"), {jobs, parts, operations, entries, quantities}),
        (lambda: change(parts, part["id"], part_number="P-9"), {jobs, parts, operations, entries, quantities}),
        (lambda: change(operations, operation["id"], operation_name="Cut"), {operations, entries, quantities}),
        (lambda: change("/api-scrap-reasons", floor.BURR, description="B"), {"/api-scrap-reasons", quantities}),
        (lambda: change("/api-resources", floor.JIG, location="Rack"), {"/api-resources"}),
        (lambda: person("Anna B."), {entries, quantities}),
    )
    for doing, shown_by in changes:
        lists = {path: await tag(floor, path) for path in LISTS}
        single = {path: await tag(floor, ones[path]) for path in LISTS}
        await doing()
        assert {path for path in LISTS if not await is_same(floor, path, lists[path])} == shown_by
        assert {path for path in LISTS if not await is_same(floor, ones[path], single[path])} == shown_by


async def test_a_row_that_is_gone_is_404(floor, work):
    path = f"/api-jobs?id={(await floor.job('J-2'))['id']}"
    etag = await tag(floor, path)
    await floor.send("DELETE", path)
    assert (await again(floor, path, etag)).status == 404


async def test_what_another_start_called_by_that_tag_is_not_ours(floor, work):
    etags = {path: await tag(floor, path) for path in (*LISTS, f"/api-jobs?id={work['id']}")}
    floor.db.revisions = Revisions()  # as if it had been started anew
    for path, etag in etags.items():
        assert not await is_same(floor, path, etag)


async def test_a_list_as_of_before_the_journal_was_trimmed_is_read_anew(floor, work):
    etag = await tag(floor, "/api-jobs")
    await floor.job("J-2")
    await floor.do("DELETE FROM events")
    assert not await is_same(floor, "/api-jobs", etag)


async def test_who_was_away_for_long_gets_everything(floor, work, monkeypatch):
    etag = await tag(floor, "/api-resources")
    monkeypatch.setattr(journal, "PAGE_MAX", 2)
    for name in "abc":
        await floor.send("POST", "/api-cells", {"name": name})
    assert not await is_same(floor, "/api-resources", etag)


async def test_whatever_happens_304_is_never_said_of_something_new(floor):
    """At random: a client that keeps what it got and asks by tag always has what the gateway has."""
    rng, kept = random.Random(1107), {}
    job = await floor.job()
    operations = [one["id"] for one in job["parts"][0]["operations"]]
    key = await floor.new_key(Scope.READ, floor.SAW)
    paths = [*LISTS, f"/api-jobs?id={job['id']}", f"/api-operations?id={operations[1]}", "/api-jobs?limit=1&offset=1"]

    async def something() -> None:
        choice = rng.randrange(6)
        if choice == 0:
            await floor.send("POST", "/api-cells", {"name": str(rng.random())})
        elif choice == 1:
            await floor.press(
                rng.choice(("start", "pause", "resume")), rng.choice(operations), rng.choice((None, floor.ANNA))
            )
        elif choice == 2:
            body = {"operation_id": rng.choice(operations), "quantity_good": 1}
            await floor.send("POST", "/api-operation-quantities", body)
        elif choice == 3:
            await floor.send("PATCH", f"/api-parts?id={job['parts'][0]['id']}", {"notes": str(rng.random())})
        elif choice == 4:
            await floor.send("PATCH", f"/api-cells?id={floor.SAW}", {"color": str(rng.random())})

    async def look(path: str, who: str | None) -> None:
        etag, body = kept.get((path, who), ("", None))
        reply = await floor.send("GET", path, key=who, headers={"If-None-Match": etag} if etag else None)
        told.append(reply.status)
        if reply.status == 304:
            assert (await floor.send("GET", path, key=who)).body == body
        else:
            kept[path, who] = (reply.headers["ETag"], reply.body)

    told: list[int] = []
    for _ in range(120):
        if rng.random() < 0.5:
            await something()
        await asyncio.gather(*(look(rng.choice(paths), rng.choice((None, key))) for _ in range(3)))
    assert {*told} == {200, 304}


async def test_one_tag_for_one_content_while_others_write(floor):
    """Readers and the writer at the same time: the same tag never stands for two contents (the hall checks every GET)."""
    jobs = [await floor.job(f"J-{number}") for number in range(4)]

    async def write(job) -> None:
        for verb in ("start", "pause", "resume", "pause", "resume", "complete"):
            await floor.press(verb, job["parts"][0]["operations"][0]["id"])
            await floor.send("PATCH", f"/api-jobs?id={job['id']}", {"notes": verb})

    async def read(path: str) -> None:
        for _ in range(25):
            etag = (await floor.send("GET", path)).headers["ETag"]
            await again(floor, path, etag)

    await asyncio.gather(*map(write, jobs), *map(read, LISTS), *map(read, LISTS))
    assert len(floor.told) > len(LISTS)


# ------------------------------------------------------------------ the bookkeeping


def test_a_revision_is_the_last_entry_that_touched_one_of_the_tables():
    known = Known().moved(10, None)
    assert known.of({"jobs"}, 10) == 10
    known = known.moved(12, {"jobs"}).moved(15, {"cells"})
    assert [known.of({table}, 15) for table in ("jobs", "cells", "parts")] == [12, 15, 10]
    assert known.of({"jobs", "cells"}, 15) == 15
    assert known.of(set(), 15) == 10


def test_an_older_snapshot_never_gets_the_number_of_a_newer_content():
    known = Known().moved(10, None).moved(15, {"cells"})
    assert (known.of({"cells"}, 13), known.of({"jobs"}, 13)) == (13, 10)


def test_what_is_not_known_is_a_change_of_everything():
    assert Known().moved(10, None).moved(12, {"jobs"}).moved(900, None).of({"parts"}, 900) == 900


def test_nobody_takes_back_what_another_has_seen():
    revisions = Revisions()
    newer, older = Known(upto=7), Known(upto=5)
    revisions.learn(newer, 3)
    revisions.learn(older, 4)
    assert (revisions.known.upto, revisions.known.commits) == (7, 3)
    revisions.learn(newer, 2)
    assert revisions.known.commits == 3
    assert Revisions().boot != revisions.boot


async def test_the_journal_tells_which_tables_were_touched(tmp_path):
    clock = ManualClock()
    ids = iter(f"{number}" for number in range(99))
    stamp = Stamp(clock.now(), "gw", ids.__next__)
    old = {"notes": '{"table":"cells","id":', "metadata": "{}"}
    changes = [
        Change("jobs", "a", "insert", 1),
        Change("parts", "b", "update", 2, ("x",)),
        Change("jobs", "a", "delete", 3, old),
    ]
    async with Database.open(tmp_path, prepare=lambda path: migrate(path, clock)) as db:
        for change in changes:
            await db.write(journal.append, stamp, [Event("l", "a", stamp.now, (change,))])
        assert await db.read(journal.touched, 0, 3) == {"jobs", "parts"}
        assert await db.read(journal.touched, 2, 3) == {"jobs"}
        assert await db.read(journal.touched, 3, 3) == frozenset()
        assert await db.read(journal.touched, -1, 3) is None
        assert await db.read(journal.touched, 0, 4) is None
        assert await db.read(journal.touched, 0, journal.PAGE_MAX + 1) is None


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("*", None),
        ('"7"', {7}),
        ('"7-ab.1.cd"', {7}),
        ('W/"7"', {7}),
        ('"7", "8-x" ,W/"9"', {7, 8, 9}),
        ('"x"', set()),
        ('"7x"', set()),
        ('"-7"', set()),
        ('""', set()),
        (f'"{"9" * 30}"', set()),
    ],
)
def test_if_match_names_versions(header, found):
    assert conditions.versions(header) == found
