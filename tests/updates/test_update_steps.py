"""begin and confirm; what is refused; and what is there after a kill or a full disk at any point."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from disk_faults import faults
from older import CLOCK, NAME, ask, newer_version, standing, worked_by_the_newer

from gateway import __version__
from gateway.backups import archive
from gateway.kernel.connection import check, offline
from gateway.kernel.disk import DataLock
from gateway.kernel.errors import Conflict, NotFound, StartupError, StorageFull
from gateway.kernel.migrate import steps
from gateway.updates import note as notes
from gateway.updates.steps import begin, confirm, rollback

TODAY = max(steps())
DYING = Path(__file__).parent / "dying.py"
KILLS_MAX_S = 300


def copies(data: Path) -> list[str]:
    return sorted(file.name for file in (data / "backups").iterdir())


def test_begin_notes_what_stands_there_and_makes_a_copy_that_is_the_same(data):
    note = begin(data, CLOCK)
    head = ask(data, "SELECT max(seq) FROM events")[0][0]
    assert (note.state, note.from_, note.schema, note.head) == ("begun", __version__, TODAY, head)
    copy = data / note.copy
    assert (copy.parent.name, copy.name[:14], copy.stat().st_mode & 0o777) == ("backups", "before-update-", 0o600)
    check(copy, after_unclean_stop=True)
    copy.rename(data / "there.sqlite")
    assert ask(data, "SELECT count(*) FROM events") == [(head,)]
    assert notes.last(data) == note


def test_begin_says_which_version_the_database_was_last_opened_with(data, monkeypatch):
    with offline(data / NAME) as connection:
        connection.execute("UPDATE gateway_state SET value = '0.0.9' WHERE key = 'version'")
    note = begin(data, CLOCK)
    assert (note.from_, note.to) == ("0.0.9", __version__)
    with offline(data / NAME) as connection:
        connection.execute("DELETE FROM gateway_state WHERE key = 'version'")
    assert begin(data, CLOCK).from_ is None


def test_begin_can_be_done_again_until_the_database_has_changed(data, monkeypatch):
    first = begin(data, CLOCK)
    second = begin(data, CLOCK)
    assert copies(data) == [Path(second.copy).name]
    assert notes.all_of(data) == [second]
    assert first.at < second.at
    worked_by_the_newer(data, monkeypatch, 1)
    with pytest.raises(Conflict, match="neither confirmed nor rolled back"), newer_version(monkeypatch):
        begin(data, CLOCK)


def test_nothing_is_begun_while_a_gateway_runs(data):
    with DataLock(data):
        for step in (begin, rollback):
            with pytest.raises((StartupError, NotFound), match=f"in use by process {os.getpid()}|no update"):
                step(data, CLOCK)
    assert notes.last(data) is None


def test_a_box_without_a_database_begins_too(tmp_path):
    note = begin(tmp_path / "data", CLOCK)
    assert (note.schema, note.copy) == (None, None)
    assert confirm(tmp_path / "data", CLOCK).state == "confirmed"


def test_confirm_ends_it_once_and_the_newest_copies_stay(data):
    for number in range(4):
        note = begin(data, CLOCK)
        Path(data / note.copy).rename(data / "backups" / f"before-update-2026010{number}T000000Z.sqlite")
        confirm(data, CLOCK)
        (data / "backups" / f"before-schema-{number}-20260101T000000Z.sqlite").touch()
    note = confirm_of(data)
    assert note.to == __version__
    kept = copies(data)
    assert [name for name in kept if "-schema-" in name] == [
        f"before-schema-{number}-20260101T000000Z.sqlite" for number in (2, 3)
    ]
    assert len([name for name in kept if "-update-" in name]) == 2
    assert Path(note.copy).name in kept
    with pytest.raises(NotFound, match="no update is open"):
        confirm(data, CLOCK)
    assert [one.state for one in notes.all_of(data)] == ["confirmed"] * 5


def confirm_of(data: Path) -> notes.Note:
    begin(data, CLOCK)
    return confirm(data, CLOCK)


def test_a_note_that_cannot_be_read_is_said(data):
    (data / "update.json").write_text("{")
    with pytest.raises(StartupError, match=r"update\.json cannot be read"):
        begin(data, CLOCK)


def test_a_disk_without_room_refuses_before_anything_is_touched(data, monkeypatch):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch, 1)
    before, there = standing(data), sorted(one.name for one in data.iterdir())
    monkeypatch.setattr(archive.shutil, "disk_usage", lambda _folder: usage(60))
    with pytest.raises(StorageFull, match=r"the disk is too full.*Nothing was changed"):
        rollback(data, CLOCK)
    assert standing(data) == before
    assert sorted(one.name for one in data.iterdir()) == there


def usage(free_mib: int):
    return type("usage", (), {"total": 2**40, "used": 0, "free": free_mib * 2**20})


@pytest.mark.parametrize("after", [0, 3, 40])
def test_a_disk_that_fills_up_in_the_middle_leaves_what_was_there(data, monkeypatch, after):
    begin(data, CLOCK)
    worked_by_the_newer(data, monkeypatch, 1)
    before = standing(data)
    with faults(data) as disk:
        writes = 0

        def full() -> bool:
            nonlocal writes
            writes += 1
            return writes > after

        disk.full = full
        with pytest.raises(StorageFull, match="the disk is full: nothing was changed"):
            rollback(data, CLOCK)
        assert disk.refused
    assert standing(data) == before
    assert not [*data.glob(".rolling-back-*")]
    rollback(data, CLOCK)
    assert standing(data) == before


@pytest.mark.parametrize("step", ["begin", "rollback"])
def test_killed_at_any_touch_of_the_disk_the_old_or_the_new_stands_and_it_can_be_done_again(
    data, tmp_path, monkeypatch, step
):
    if step == "rollback":
        begin(data, CLOCK)
        worked_by_the_newer(data, monkeypatch, 1)
    command = [sys.executable, DYING, step, data, tmp_path]
    (tmp_path / "data").rename(tmp_path / "source")
    command[3] = tmp_path / "source"
    done = subprocess.run(command, capture_output=True, text=True, timeout=KILLS_MAX_S, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["deaths"] > 10
