"""Whatever happens to the process or the disk: a file is whole and verified under its name, or not there."""

import asyncio
import errno
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pictures import PNG

from gateway.files import blobs as blobs_
from gateway.files.blobs import Blobs
from gateway.files.signing import Signing
from gateway.files.sweep import sweep
from gateway.kernel.clock import ManualClock
from gateway.kernel.db import Database
from gateway.kernel.errors import StorageFailed, StorageFull, TooLarge
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.kernel.secrets import Secrets
from gateway.outbox.event import Stamp

PROCESS = Path(__file__).parent / "uploading_process.py"
ROUNDS = 5


def roomy(_size_bytes: int) -> None:
    """There is always room."""


async def pieces(*data: bytes):
    for one in data:
        yield one


def stamp() -> Stamp:
    clock = ManualClock()
    return Stamp(clock.now(), "gw-test", uuid7(clock))


@asynccontextmanager
async def opened(folder):
    async with Database.open(folder, prepare=lambda path: migrate(path, ManualClock())) as db:
        yield db


# ------------------------------------------------------------------ kill -9


def killed_at_work(folder: Path, round_: int, rng: random.Random) -> set[tuple[str, str]]:
    """(id, sha256) of everything that the process said before it was killed."""
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, str(PROCESS), str(folder), str(round_)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                if len(lines) == 8:
                    break
            time.sleep(rng.uniform(0, 0.2))
        finally:
            process.kill()
        lines += [line for line in process.stdout if line.endswith("\n")]
    assert len(lines) >= 8, "it did not get to work"
    return {(line.split()[1], line.split()[2]) for line in lines}


async def test_a_kill_in_the_middle_of_uploads_leaves_whole_files_with_their_rows_and_nothing_else(tmp_path, furnished):
    shutil.copy(furnished, tmp_path)
    rng, promised, swept = random.Random(4), set(), 0
    for round_ in range(ROUNDS):
        promised |= killed_at_work(tmp_path, round_, rng)
        files = tmp_path / "files"
        before = len([file for file in files.rglob("*") if file.is_file()])
        async with opened(tmp_path) as db:
            await sweep(db, Blobs(files, roomy), stamp())
            rows = await db.read(lambda connection: connection.execute("SELECT id, sha256 FROM files").fetchall())
        there = {
            (file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files.rglob("*") if file.is_file()
        }
        swept += before - len(there)
        assert there == {(row[0], row[1]) for row in rows}, (
            "no file without a row, no row without a file, each one whole"
        )
        assert promised <= there, "what was acknowledged is there"
    assert swept, "some upload was in the middle"


# ------------------------------------------------------------------ the sweep


async def test_a_start_removes_what_has_no_row_and_forgets_what_has_no_bytes(uploads, floor, tmp_path):
    part_id = await uploads.part()
    kept = await uploads.image(part_id)
    gone = await uploads.stored("gone.png", "image/png", PNG)
    files = tmp_path / "files"
    ((gone_id,),) = await floor.query("SELECT id FROM files WHERE path = ?", gone)
    (files / "issues" / gone_id).unlink()
    (files / "issues" / "without-a-row").write_bytes(b"x")
    (files / "parts-cad").mkdir()
    (files / "parts-cad" / "of-nobody").write_bytes(b"x")
    (files / "incoming" / "half").write_bytes(b"x")
    await sweep(floor.db, Blobs(files, roomy), stamp())
    await uploads.agree()
    assert list((await uploads.rows()).values()) == [kept["path"]]
    (entry,) = [entry for entry in await floor.events() if entry["aggregate"] == f"file:{gone_id}"][1:]
    assert [(change["op"], change["fields"]["path"]) for change in entry["changes"]] == [("delete", gone)]
    assert (await uploads.fetch(kept["url"]))[2] == PNG


async def test_a_start_with_nothing_stored_does_nothing(floor, tmp_path):
    await sweep(floor.db, Blobs(tmp_path / "files", roomy), stamp())
    assert not (tmp_path / "files").exists()


async def test_a_folder_that_cannot_be_looked_at_does_not_keep_the_gateway_from_starting(floor, tmp_path, monkeypatch):
    (tmp_path / "files").mkdir()

    def broken(_path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "iterdir", broken)
    await sweep(floor.db, Blobs(tmp_path / "files", roomy), stamp())


async def test_whoever_is_refused_after_the_bytes_are_there_leaves_none(uploads, floor):
    """The part goes away while the image is on its way."""
    part_id = await uploads.part()
    release = asyncio.Event()
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'

    async def slowly():
        yield head + PNG
        await release.wait()
        yield b"\r\n--x--\r\n"

    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    path = f"/api-parts-images/{part_id}/upload"
    upload = asyncio.create_task(uploads.raw("POST", path, slowly(), headers=kind))
    await asyncio.sleep(0.2)
    assert (await floor.send("DELETE", f"/api-parts?id={part_id}")).status == 200
    release.set()
    assert (await upload).status == 404
    assert not uploads.on_disk()


# ------------------------------------------------------------------ the disk


async def receive(blobs: Blobs, *data: bytes, bytes_max: int = 10**9, announced: int = 0) -> None:
    async with blobs.receiving("one", pieces(*data), announced=announced, bytes_max=bytes_max) as got:
        await blobs.keep(got, ("issues", "one"))


async def test_what_was_received_is_kept_under_its_name(tmp_path):
    blobs, data = Blobs(tmp_path / "files", roomy), [os.urandom(700_000) for _ in range(5)]
    async with blobs.receiving("one", pieces(*data), announced=0, bytes_max=10**9) as got:
        assert (got.size_bytes, got.head) == (3_500_000, data[0][:1024])
        assert got.sha256 == hashlib.sha256(b"".join(data)).hexdigest()
        assert not await blobs.places()
        await blobs.keep(got, ("issues", "one"))
    assert await blobs.places() == {("issues", "one")}
    assert b"".join([block async for block in blobs.read(("issues", "one"), 0, 3_500_000, got.sha256)]) == b"".join(
        data
    )
    assert b"".join([block async for block in blobs.read(("issues", "one"), 9, 19, None)]) == data[0][9:19]
    await blobs.drop(("issues", "one"))
    await blobs.drop(("issues", "one"))
    assert not await blobs.places()


async def test_what_was_not_kept_is_gone(tmp_path):
    blobs = Blobs(tmp_path / "files", roomy)
    with pytest.raises(TooLarge):
        await receive(blobs, b"12345", b"6", bytes_max=5)
    await receive(blobs, b"12345", bytes_max=5)
    assert [file.name for file in (tmp_path / "files").rglob("*") if file.is_file()] == ["one"]
    async with blobs.receiving("two", pieces(b"x"), announced=0, bytes_max=5):
        pass
    assert await blobs.places() == {("issues", "one")}


async def test_room_is_asked_for_before_and_while_it_comes(tmp_path, monkeypatch):
    wanted = []
    monkeypatch.setattr(blobs_, "BLOCK_BYTES", 1000)
    await receive(Blobs(tmp_path / "files", wanted.append), b"x" * 1000, b"x" * 1000, announced=2000)
    assert wanted == [2000, 1000, 1000, 0]
    left = [2000, 1000]

    def full(size_bytes: int) -> None:
        if not left or left.pop(0) < size_bytes:
            raise StorageFull("kept for the work")

    with pytest.raises(StorageFull):
        await receive(Blobs(tmp_path / "files", full), b"x" * 1000, b"x" * 1000)
    assert not list((tmp_path / "files" / "incoming").iterdir())


@pytest.mark.parametrize(
    ("code", "error"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageFailed)]
)
@pytest.mark.parametrize("what", ["fsync", "rename"])
async def test_an_error_of_the_disk_is_told_and_nothing_stays(tmp_path, monkeypatch, what, code, error):
    blobs = Blobs(tmp_path / "files", roomy)
    await receive(blobs, b"x")
    await blobs.drop(("issues", "one"))

    def broken(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(*((os, "fsync", broken) if what == "fsync" else (Path, "rename", broken)))
    with pytest.raises(error):
        await receive(blobs, b"x")
    assert not [file for file in (tmp_path / "files").rglob("*") if file.is_file()]


async def test_who_is_cancelled_leaves_nothing(tmp_path):
    blobs = Blobs(tmp_path / "files", roomy)

    async def endless():
        while True:
            yield b"x" * 1_100_000
            await asyncio.sleep(0.01)

    async def upload() -> None:
        async with blobs.receiving("one", endless(), announced=0, bytes_max=10**12):
            pass

    task = asyncio.create_task(upload())
    await asyncio.sleep(0.15)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [file for file in (tmp_path / "files").rglob("*") if file.is_file()]
    for _ in range(blobs_.AT_ONCE_MAX + 1):
        await receive(blobs, b"x")


# ------------------------------------------------------------------ the key


async def test_the_key_is_the_box_s_own_and_stays(tmp_path):
    first = await Signing(Secrets(tmp_path)).key()
    assert await Signing(Secrets(tmp_path)).key() == first
    assert len(first) == 32
    assert first not in (tmp_path / "box.key").read_bytes()
    (tmp_path / "other").mkdir()
    assert await Signing(Secrets(tmp_path / "other")).key() != first


async def test_without_a_place_for_a_key_nothing_is_signed(tmp_path):
    with pytest.raises(StorageFailed):
        await Signing(Secrets(tmp_path / "nowhere")).key()
