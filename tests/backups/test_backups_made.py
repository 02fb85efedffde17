"""A backup of a hall that works: one moment, whole, proven, without secrets unless they were asked for."""

import asyncio
import sqlite3
import zipfile
from types import SimpleNamespace

import pytest
from little_room import leave

from gateway.admin import backups as admin
from gateway.backups.restore import verify
from gateway.backups.store import Backups
from gateway.kernel.errors import Busy, Invalid, NotFound, StorageFull
from gateway.kernel.secrets import Secrets

PASSPHRASE = "correct horse battery"
CANARIES = ("cloud-canary-0123456789", "hook-canary-0123456789", "broker-canary-0123456789", "plugin-canary-0123456789")


def everything(file) -> bytes:
    with zipfile.ZipFile(file) as archive:
        return file.read_bytes() + b"".join(archive.read(name) for name in archive.namelist())


def rows_of(file, tmp_path, sql) -> list[tuple]:
    with zipfile.ZipFile(file) as archive:
        archive.extract("database.sqlite", tmp_path / "out")
    connection = sqlite3.connect(tmp_path / "out" / "database.sqlite")
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


async def test_it_is_one_moment_of_a_hall_that_goes_on_working(store, tmp_path, monkeypatch):
    """The copy is made in many steps, and whoever books meanwhile is in none of them: jobs and the journal fit."""
    monkeypatch.setattr("gateway.backups.copying.STEP_BYTES", 16 * 4096)
    for number in range(20):
        await store.floor.job(f"J-{number}")
    making = asyncio.create_task(store.make())
    booked = 20
    while not making.done():
        await store.floor.job(f"J-{booked}")
        booked += 1
    made = await making
    assert booked > 20
    jobs = rows_of(made.file, tmp_path, "SELECT count(*) FROM jobs")[0][0]
    told = rows_of(made.file, tmp_path, "SELECT count(*) FROM events WHERE type = 'job.created'")[0][0]
    assert 20 <= jobs == told <= booked
    assert made.manifest.contents.counts["jobs"] == jobs
    assert verify(made.file, tmp_path, store.floor.clock)["journal_head"] == made.manifest.contents.journal_head
    assert {file.name for file in store.backups.folder.iterdir()} == {made.file.name, "last"}


async def test_the_files_that_the_hall_keeps_go_along_by_their_digest(store):
    path = await store.file(b"a picture " * 1000)
    gone = await store.file(b"gone", "01930000-0000-7000-8000-000000000002")
    hurt = await store.file(b"hurt", "01930000-0000-7000-8000-000000000003")
    gone.unlink()
    hurt.write_bytes(b"HURT")
    made = (await store.make()).manifest
    assert made.members[f"files/issues/{path.name}"].bytes == 10_000
    assert made.files_missing == (f"issues/{gone.name}", f"issues/{hurt.name}")
    assert made.told()["files"] == 1


async def secretive(store):
    cloud, hook, broker, plugin = CANARIES
    box = Secrets(store.folder)
    await store.floor.do(
        "INSERT INTO webhooks (id, url, events, secret_key, created_at, updated_at) VALUES ('w', 'https://a', '[]', ?, '', '')",
        box.seal(hook, "webhooks:w"),
    )
    store.sections |= {
        "cloud": {"url": "https://cloud.example/functions/v1", "api_key": cloud},
        "broker": {"mode": "external", "password": broker},
        "plugins": {"modbus": {"enabled": True, "token": plugin, "devices": [{"password": plugin, "host": "a"}]}},
    }
    return (store.folder / "box.key").read_bytes()


async def test_no_secret_is_in_it_unless_it_was_asked_for(store):
    key = await secretive(store)
    content = everything((await store.make()).file)
    for secret in (*(one.encode() for one in CANARIES), key, key.hex().encode(), store.floor.key.encode()):
        assert secret not in content
    assert b"cloud.api_key" in content  # the names of those that are missing are
    assert b"plugins.modbus.devices.0.password" in content
    assert b"https://cloud.example" in content


async def test_with_secrets_they_are_under_the_passphrase(store, tmp_path):
    key = await secretive(store)
    made = await store.make(PASSPHRASE)
    content = everything(made.file)
    for secret in (*(one.encode() for one in CANARIES), key, PASSPHRASE.encode()):
        assert secret not in content
    verify(made.file, tmp_path, store.floor.clock, PASSPHRASE)
    with pytest.raises(Invalid, match="the passphrase does not open"):
        verify(made.file, tmp_path, store.floor.clock, "incorrect horse battery")
    with pytest.raises(Invalid, match="too short: at least 12"):
        await store.make("short")


async def test_a_full_disk_refuses_by_name_and_nothing_is_left(store, monkeypatch):
    store.sections["limits"] = {"upload_reserve_bytes": 2**60}
    with pytest.raises(StorageFull, match=r"too full for a backup: it may take \d+ MiB in .*\[backup\] folder"):
        await store.make()
    store.sections.clear()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.backups.pace.os.fsync", full)
    monkeypatch.setattr("gateway.backups.pace.STEP_BYTES", 1)
    with pytest.raises(StorageFull, match="nothing of the backup is left"):
        await store.make()
    assert [*store.backups.folder.iterdir()] == []


async def test_one_at_a_time(store):
    with store.backups._alone(), pytest.raises(Busy, match="one at a time"):
        await store.make()


async def test_what_a_killed_one_left_behind_goes_with_the_next(store):
    left = store.backups.folder / ".work-1"
    left.mkdir(parents=True)
    (left / "database.sqlite").write_text("half")
    await store.make()
    assert not left.exists()


async def test_old_ones_make_room_and_what_is_not_ours_stays(store):
    store.sections["backup"] = {"keep_daily": 2, "keep_weekly": 0}
    made = []
    for _ in range(3):
        made.append((await store.make()).file)
        await store.floor.clock.advance(86_400)
    other = store.backups.folder / made[0].name.replace("gw-test", "gw-other")
    other.write_bytes(b"of another box")
    (store.backups.folder / "notes.txt").write_text("mine")
    newest = (await store.make()).file
    assert {one.name for one in store.backups.folder.iterdir()} == {
        made[2].name,
        newest.name,
        other.name,
        "notes.txt",
        "last",
    }
    told = {one["name"]: one["error"] for one in store.backups.listed()}
    assert told[newest.name] is None
    assert "no sound backup" in told[other.name]


async def test_one_that_is_to_be_fetched_is_no_backup_of_the_folder(store):
    made = await store.make(kept=False)
    assert store.backups.listed() == []
    assert store.backups.find(made.file.name) == made.file
    store.backups.drop(made.file.name)
    with pytest.raises(NotFound):
        store.backups.find(made.file.name)
    for name in ("../gateway.sqlite", "last"):
        store.backups.drop(name)
        with pytest.raises(NotFound):
            store.backups.find(name)
    assert (store.folder / "gateway.sqlite").exists()


async def test_an_outgoing_one_that_nobody_fetched_goes_after_a_day(store):
    left = (await store.make(kept=False)).file
    await store.floor.clock.advance(86_400 + 60)
    await store.make(kept=False)
    assert not left.exists()


async def test_people_are_told_when_there_is_no_new_one_for_a_week_once_there_was_one(store):
    assert store.backups.problem() is None
    await store.floor.clock.advance(30 * 86_400)
    assert store.backups.problem() is None  # who never made one does it elsewhere
    await store.make(kept=False)  # wherever it went
    await store.floor.clock.advance(7 * 86_400)
    assert store.backups.problem() is None
    await store.floor.clock.advance(86_400)
    assert store.backups.problem().startswith("no backup for 8 days")


async def test_the_folder_is_the_one_that_was_set(store, tmp_path):
    store.sections["backup"] = {"folder": tmp_path / "usb"}
    assert (await store.make()).file.parent == tmp_path / "usb"


async def test_on_a_disk_that_fills_up_a_backup_is_refused_unless_it_goes_to_another(store, monkeypatch):
    box = SimpleNamespace(settings=store.settings, clock=store.floor.clock, db=store.floor.db)
    leave(monkeypatch, 300)
    with pytest.raises(StorageFull, match="uploads and backups are refused: 300 MiB are free"):
        await admin.create(box, {})
    store.sections["backup"] = {"folder": "/proc/backups"}
    assert not store.backups.beside_the_data
    del store.sections["backup"]
    assert store.backups.beside_the_data
    monkeypatch.setattr(Backups, "beside_the_data", False)
    assert (await admin.create(box, {}))["bytes"]
