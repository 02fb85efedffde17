"""The new version on a copy: what it would change is told, nobody outside hears of it, and nothing of it stays."""

import asyncio
import contextlib
import socket

import pytest
from older import CLOCK, NEXT, do, newer_version, serving, settings, standing, work

from gateway.cli.update import started
from gateway.kernel import migrate as migrate_
from gateway.kernel.errors import Invalid, StartupError
from gateway.kernel.migrate import steps
from gateway.updates.trial import tried

TODAY = max(steps())


@contextlib.contextmanager
def listener():
    """Somebody who hears every knock."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def knocks(server: socket.socket) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            server.accept()[0].close()
            count += 1
    return count


async def test_what_it_would_change_is_told_and_the_box_is_as_it_was(data, monkeypatch):
    before, there = standing(data), sorted(one.name for one in data.iterdir() if "-shm" not in one.name)
    with newer_version(monkeypatch):
        done = await tried(settings(data), CLOCK, started)
    assert (done.schema_from, done.schema_to) == (TODAY, NEXT)
    assert done.bytes > 0
    assert standing(data) == before
    assert sorted(one.name for one in data.iterdir() if one.name[-4:] not in ("-shm", "-wal")) == [
        name for name in there if name[-4:] != "-wal"
    ]


async def test_nobody_is_called_and_no_port_but_its_own_is_taken(data):
    with listener() as cloud, listener() as hook, listener() as taken:
        url = "http://127.0.0.1:{}/x".format
        do(
            data,
            "INSERT INTO webhooks (id, url, events, created_at, updated_at) VALUES ('w', ?, '[\"*\"]', '2026', '2026')",
            url(hook.getsockname()[1]),
        )
        do(data, "INSERT INTO event_readers (name, since, position, created_at) VALUES ('webhook:w', 0, 0, '2026')")
        here = settings(data)
        more = {
            "cloud": {"url": url(cloud.getsockname()[1]), "api_key": "ery_live_" + "x" * 32},
            "http": {"port": taken.getsockname()[1]},
            "webhooks": {"allow_http": True, "allowed_networks": ["127.0.0.0/8"]},
        }
        here = type(here).model_validate(here.model_dump(exclude_defaults=True) | more)
        await tried(here, CLOCK, started)
        assert (knocks(cloud), knocks(hook), knocks(taken)) == (0, 0, 0)


async def test_people_book_meanwhile_and_nothing_of_it_is_lost(data):
    async with serving(data) as gateway:
        trial = asyncio.create_task(tried(settings(data), CLOCK, started))
        number = 1_000
        while not trial.done():
            await work(gateway, number)
            number += 1
        await trial
        count = await gateway.db.read(lambda c: c.execute("SELECT count(*) FROM jobs").fetchone()[0])
    assert count == 5 + number - 1_000


@pytest.mark.parametrize("step", ["CREATE TABLE jobs (id TEXT);", "DELETE FROM cells;"])
async def test_a_version_that_cannot_take_the_database_over_is_found_out(data, monkeypatch, step):
    before = standing(data)
    monkeypatch.setattr(migrate_, "steps", lambda: {**steps(), NEXT: (f"{NEXT}_bad", step)})
    with pytest.raises(StartupError, match=f"could not be brought to schema {NEXT}"):
        await tried(settings(data), CLOCK, started)
    assert standing(data) == before
    assert not (data / "update-trial").exists()


async def test_a_version_that_does_not_answer_well_is_found_out(data):
    @contextlib.asynccontextmanager
    async def forgetful(settings):
        async with started(settings) as (url, _key):
            yield url, "ery_live_" + "0" * 32

    with pytest.raises(Invalid, match="does not work on this database: /api-jobs said 401"):
        await tried(settings(data), CLOCK, forgetful)
    assert not (data / "update-trial").exists()
