"""What may happen to an update: the first start of the newer version killed at any moment, a disk without room."""

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from booking import book, people
from processes import say
from tcp import free_port
from versions import Box, Version

KILLS = 25
ROOM_BYTES = 24 * 1024 * 1024  # beside the database: less than the copy that a migration makes first


def accidents(folder: Path, old: Version, new: Version, entries: int) -> list[str]:
    """What was wrong."""
    say(f"accidents on {entries:,} entries")
    box = Box(folder / "cell", "cell", free_port(), 'kind = "off"')
    box.configure(old, people())
    with box.serving(old):
        book(box, "old", entries)
    box.update(new, "begin")
    before = _standing(box.database)
    return [*_killed(box, old, new, before), *_full(folder, box, old, new, before)]


def _killed(box: Box, old: Version, new: Version, before: dict) -> list[str]:
    """Each time from the same data: old or new, whole, with everything in it."""
    wrong, kept = [], box.folder / "kept"
    shutil.copytree(box.data, kept, ignore=shutil.ignore_patterns("ballast", "*.sock"))
    with box.serving(new):
        whole_s = box.starts[-1]
    schemas: list[int] = []
    for number in range(KILLS):
        shutil.rmtree(box.data)
        shutil.copytree(kept, box.data)
        _start_and_kill(box, new, whole_s * (number + 1) / KILLS)
        found = _standing(box.database)
        schemas.append(found.pop("schema"))
        wrong += [f"killed {number}: {what} is not what it was" for what in found if found[what] != before[what]]
    if {*schemas} - {old.schema, new.schema}:
        wrong.append(f"a kill left the schemas {sorted({*schemas})}")
    back = box.update(new, "rollback")
    with box.serving(old):
        pass
    say(
        f"  killed {KILLS} times within {whole_s:.1f} s: {schemas.count(old.schema)} times the old database stood, "
        f"{schemas.count(new.schema)} times the new one; back at {back['schema']['to']}"
    )
    return wrong


def _start_and_kill(box: Box, version: Version, after_s: float) -> None:
    command = [sys.executable, "-m", "gateway", "run", "--config", str(box.config)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=version.environment, cwd=box.folder
    )
    time.sleep(after_s)  # the moment is the point
    process.send_signal(signal.SIGKILL)
    process.wait()


def _full(folder: Path, box: Box, old: Version, new: Version, before: dict) -> list[str]:
    """On a small disk: the newer version cannot make its copy, says so, and the older one goes on."""
    size = sum(file.stat().st_size for file in box.data.rglob("gateway.sqlite*")) + ROOM_BYTES
    with _small_disk(folder / "disk", size) as disk:
        if disk is None:
            say("  no file system can be mounted here: the full disk is left to the tests, which fail SQLite's writes")
            return []
        shutil.copy(box.database, disk / "gateway.sqlite")
        (disk / "fill").write_bytes(bytes(max(0, shutil.disk_usage(disk).free - ROOM_BYTES // 8)))
        small = Box(box.folder, box.name, box.port, box.cloud, box.key)
        config = box.config.read_text()
        box.config.write_text(config.replace(str(box.data), str(disk)))
        started = new.call(box.config, "run")
        wrong = (
            [] if started.returncode and "it is as it was before" in started.stderr else [f"on a full disk: {started}"]
        )
        begun = new.call(box.config, "update", "begin")
        wrong += [] if begun.returncode and "too full" in begun.stderr else [f"begin on a full disk: {begun}"]
        (disk / "fill").unlink()
        found = _standing(disk / "gateway.sqlite")
        wrong += [f"full: {what} is not what it was" for what in found if found[what] != before[what]]
        with small.serving(old):
            say("  a full disk: the newer version and `update begin` refused, the older one goes on")
        box.config.write_text(config)
    return wrong


@contextlib.contextmanager
def _small_disk(place: Path, size: int) -> Iterator[Path | None]:
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _standing(database: Path) -> dict:
    """The schema, and what was booked."""
    tables = ("jobs", "parts", "operations", "time_entries", "operation_quantities")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        if connection.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
            raise SystemExit(f"{database} is damaged")
        found = {one: connection.execute(f"SELECT id, row_version FROM {one} ORDER BY id").fetchall() for one in tables}
        found["events"] = connection.execute("SELECT seq, id, hash FROM events ORDER BY seq").fetchall()
        return found | {"schema": connection.execute("PRAGMA user_version").fetchone()[0]}
