"""A backup brought back: what was there is kept, a new life begins, and at every moment one of the two stands."""

import asyncio
import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from hall import floored
from keeping import Store, restored

from gateway.backups import restore
from gateway.backups.archive import Archive, Writing
from gateway.backups.copying import copied
from gateway.backups.manifest import Manifest
from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import Conflict, StartupError, StorageFull
from gateway.kernel.migrate import steps
from gateway.kernel.secrets import Secrets

RELEASES = sorted((Path(__file__).parents[1] / "databases").glob("v*.sql"))


def query(data: Path, sql: str) -> list[tuple]:
    connection = sqlite3.connect(data / "gateway.sqlite")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def state(data: Path) -> dict[str, str]:
    return dict(query(data, "SELECT key, value FROM gateway_state"))


async def served(store: Store) -> None:
    """The box has lived before."""
    await store.floor.do("INSERT INTO gateway_state VALUES ('epoch', '1700000000'), ('epochs', '[[1700000000, 0]]')")


async def test_on_another_box_everything_is_there_and_keys_work(store, tmp_path):
    await served(store)
    path = await store.file(b"a picture " * 1000)
    job = await store.floor.job("J-1")
    made = await store.make()
    other = tmp_path / "other"
    done = await restored(made.file, other, clock=store.floor.clock)
    assert (done.journal_head, done.aside, done.sealed) == (made.manifest.contents.journal_head, None, False)
    assert (other / "files" / "issues" / path.name).read_bytes() == path.read_bytes()
    assert query(other, "SELECT id, job_number FROM jobs") == [(job["id"], "J-1")]
    before = query(store.folder, "SELECT * FROM events")
    assert query(other, "SELECT * FROM events") == before
    (tmp_path / "third").mkdir()
    async with floored(tmp_path / "third", other / "gateway.sqlite") as floor:
        assert (await floor.send("GET", "/api-jobs", key=store.floor.key)).status == 200


async def test_a_new_life_begins_above_every_one_that_is_known(store, tmp_path):
    await served(store)
    await store.floor.job("J-1")
    made = await store.make()
    head = made.manifest.contents.journal_head
    clock = ManualClock()
    first = await restored(made.file, tmp_path / "other", clock=clock)
    assert first.epoch == int(clock.now().timestamp())
    clock.step(-10_000_000)  # a board without a battery
    again = await restored(made.file, tmp_path / "other", clock=clock)
    assert again.epoch == first.epoch + 1
    assert json.loads(state(tmp_path / "other")["epochs"]) == [[1_700_000_000, 0], [again.epoch, head]]
    with contextlib.closing(sqlite3.connect(tmp_path / "other" / "gateway.sqlite")) as there:
        told = there.execute("SELECT who, action, detail FROM ops_actions").fetchall()
    assert told == [("gateway", "gateway.restored", json.dumps({"epoch": again.epoch}))]


async def test_what_was_there_is_kept_whole(store, tmp_path):
    made = await store.make()
    here = tmp_path / "here"
    await restored(made.file, here)
    (here / "files" / "issues").mkdir(parents=True)
    (here / "files" / "issues" / "newer").write_text("newer")
    with sqlite3.connect(here / "gateway.sqlite") as connection:
        connection.execute("INSERT INTO gateway_state VALUES ('mark', 'here')")
    connection.close()
    Secrets(here).seal("a", "b")
    key = (here / "box.key").read_bytes()
    clock = ManualClock()
    clock.step(60)
    done = await restored(made.file, here, clock=clock)
    assert done.aside.name.startswith("before-restore-")
    assert state(done.aside)["mark"] == "here"
    assert "mark" not in state(here)
    assert (done.aside / "files" / "issues" / "newer").read_text() == "newer"
    assert (done.aside / "box.key").read_bytes() == (here / "box.key").read_bytes() == key


async def test_what_is_still_in_the_wal_is_kept_too_and_never_gets_into_the_new_one(store, tmp_path):
    made = await store.make()
    here = tmp_path / "here"
    await restored(made.file, here)
    connection = sqlite3.connect(here / "gateway.sqlite")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("INSERT INTO gateway_state VALUES ('mark', 'in the WAL')")
    connection.commit()
    wal = (here / "gateway.sqlite-wal").read_bytes()  # as after a power cut: nobody has moved it over
    database = (here / "gateway.sqlite").read_bytes()
    connection.close()
    (here / "gateway.sqlite").write_bytes(database)
    (here / "gateway.sqlite-wal").write_bytes(wal)
    clock = ManualClock()
    clock.step(60)
    done = await restored(made.file, here, clock=clock)
    assert state(done.aside)["mark"] == "in the WAL"
    assert "mark" not in state(here)
    assert query(here, "PRAGMA integrity_check") == [("ok",)]


async def test_a_running_gateway_is_not_restored(store):
    made = await store.make()
    with pytest.raises(StartupError, match=r"is in use by process \d+: stop that gateway first"):
        await restored(made.file, store.folder)


async def test_the_backup_of_another_gateway_is_refused(store, tmp_path):
    made = await store.make()
    with pytest.raises(Conflict, match='of the gateway "gw-test", and this one is "gw-b"'):
        await restored(made.file, tmp_path / "other", gateway="gw-b")


@pytest.mark.parametrize("at", ["set_aside", "_put_in_place", "replace"])
async def test_whatever_fails_the_old_one_stands(store, tmp_path, monkeypatch, at):
    made = await store.make()
    here = tmp_path / "here"
    await restored(made.file, here)
    epoch = state(here)["epoch"]

    def fails(*_args):
        raise OSError(5, "Input/output error")

    clock = ManualClock()
    clock.step(60)
    with monkeypatch.context() as patched:
        patched.setattr(*((Path, at, fails) if at == "replace" else (restore, at, fails)))
        with pytest.raises(OSError, match="Input/output"):
            await restored(made.file, here, clock=clock)
    assert state(here)["epoch"] == epoch
    assert not [*here.glob(".restoring-*")]


async def test_a_full_disk_refuses_before_anything_is_touched(store, tmp_path, monkeypatch):
    made = await store.make()
    monkeypatch.setattr(restore, "free_bytes", lambda _folder: 1_000_000)
    with pytest.raises(StorageFull, match="the disk is too full"):
        await restored(made.file, tmp_path / "other")
    assert not (tmp_path / "other" / "gateway.sqlite").exists()


async def test_the_preview_says_what_would_be_lost_and_changes_nothing(store, tmp_path):
    await served(store)
    await store.floor.job("J-1")
    made = await store.make()
    await store.floor.job("J-2")
    await store.floor.do("INSERT INTO event_readers (name, since, position, created_at) VALUES ('cloud', 0, 1, '')")
    head = (await store.floor.query("SELECT max(seq) FROM events"))[0][0]
    told = await asyncio.to_thread(restore.preview, made.file, store.folder)
    after = made.manifest.contents.journal_head
    assert (told["lost"]["entries"], told["lost"]["pending"]) == (head - after, head - 1)
    assert told["backup"]["journal_head"] == after
    assert restore.preview(made.file, tmp_path / "nothing")["here"] is None
    (tmp_path / "gateway.sqlite.d").mkdir()
    (tmp_path / "gateway.sqlite.d" / "gateway.sqlite").write_text("Dear diary " * 1000)
    assert "not a database" in restore.preview(made.file, tmp_path / "gateway.sqlite.d")["here"]["error"]


async def test_secrets_come_back_under_the_passphrase_and_are_asked_for_without_it(store, tmp_path):
    sealed = Secrets(store.folder).seal("hook secret", "webhooks:w")
    await store.floor.do(
        "INSERT INTO webhooks (id, url, events, secret_key, created_at, updated_at) VALUES ('w', 'https://a', '[]', ?, '', '')",
        sealed,
    )
    (store.folder / "tls").mkdir()
    (store.folder / "tls" / "ca.key").write_text("of the CA")
    made = await store.make("correct horse battery")
    assert (await restored(made.file, tmp_path / "without")).sealed
    assert Secrets(tmp_path / "without").open(sealed, "webhooks:w") is None
    with Archive(made.file) as archive:
        kept = restore.secrets(archive, "correct horse battery")
    assert not (await restored(made.file, tmp_path / "with", kept=kept)).sealed
    assert Secrets(tmp_path / "with").open(sealed, "webhooks:w") == "hook secret"
    assert (tmp_path / "with" / "tls" / "ca.key").read_text() == "of the CA"
    assert (tmp_path / "with" / "tls" / "ca.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("release", RELEASES, ids=lambda file: file.stem)
async def test_a_backup_of_every_release_is_brought_up_to_this_one(tmp_path, release):
    old = tmp_path / "old.sqlite"
    connection = sqlite3.connect(old)
    connection.executescript(release.read_text())
    connection.close()
    file = tmp_path / "gw-a1-20260101T000000Z.backup.zip"
    copy = tmp_path / "copy.sqlite"
    contents = copied(old, copy)
    with Writing(file) as writing:
        for name, content in (("database.sqlite", copy), ("gateway.toml", tmp_path / "empty")):
            content.touch()
            with content.open("rb") as source:
                writing.add(name, source, packed=True)
        writing.finish(Manifest("2026-01-01T00:00:00+00:00", "0.0", "gw-a1", contents, writing.members))
    before = query_file(old)
    restore.verify(file, tmp_path, ManualClock())
    done = await restored(file, tmp_path / "data", gateway="gw-a1")
    assert query(tmp_path / "data", "PRAGMA user_version") == [(max(steps()),)]
    assert query(tmp_path / "data", "SELECT count(*) FROM events") == before
    assert done.epoch > contents.epoch
    assert not (tmp_path / "data" / "backups").exists()


def query_file(file: Path) -> list[tuple]:
    connection = sqlite3.connect(file)
    try:
        return connection.execute("SELECT count(*) FROM events").fetchall()
    finally:
        connection.close()
