"""What is no sound backup is told so, by name, and nothing is restored from it."""

import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from keeping import restored

from gateway.backups.archive import Archive
from gateway.backups.restore import verify
from gateway.kernel.clock import ManualClock
from gateway.kernel.errors import Invalid
from gateway.kernel.migrate import steps

HERE = Path(__file__).parent
KILLED_MAX_S = 60
MAKER = """
import pathlib, sys
sys.path[:0] = sys.argv[2].split(":")
from keeping import settings_of
from gateway.backups import pace
from gateway.backups.store import Backups
from gateway.kernel.clock import SystemClock
stops, at = int(sys.argv[3]), [0]
def wrote(self, size):
    at[0] += 1
    if at[0] == stops:
        print("in the middle", flush=True)
        sys.stdin.read()
pace.Pace.wrote = wrote
folder = pathlib.Path(sys.argv[1])
Backups(settings_of(folder), SystemClock()).create(folder / "gateway.sqlite")
print("made", flush=True)
"""


@pytest.fixture
async def made(store) -> Path:
    await store.file(os.urandom(50_000))
    for number in range(3):
        await store.floor.job(f"J-{number}")
    return (await store.make()).file


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(file: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in content.items():
            archive.writestr(name, text)
    return file


def refused(file: Path, folder: Path) -> str:
    with pytest.raises(Invalid) as told:
        verify(file, folder, ManualClock())
    assert not [*folder.glob(".verifying-*")]
    return told.value.message


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
async def test_a_truncated_file(made, tmp_path, share):
    cut = tmp_path / "cut.zip"
    cut.write_bytes(made.read_bytes()[: int(made.stat().st_size * share)])
    assert "cut.zip is no sound backup: it is cut off" in refused(cut, tmp_path)


async def test_a_flipped_bit_wherever_it_is(made, tmp_path):
    content = made.read_bytes()
    for place in range(40, len(content), len(content) // 25):
        hurt = tmp_path / "hurt.zip"
        hurt.write_bytes(content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :])
        try:
            verify(hurt, tmp_path, ManualClock())
        except Invalid as exc:
            assert "no sound backup" in exc.message  # noqa: PT017 -- some bits of a zip mean nothing
            continue
        assert members(hurt) == members(made)


async def test_a_member_that_was_exchanged_and_packed_anew(made, tmp_path):
    for name in members(made):
        content = members(made)
        if name == "manifest.json":
            continue
        content[name] = content[name][:-1] + b"\x00"
        assert f"{name} in it is damaged" in refused(written(tmp_path / "other.zip", content), tmp_path)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda tree: tree.update(format=2), "format 2, this gateway reads 1"),
        (lambda tree: tree.pop("contents"), "manifest.json cannot be read"),
        (lambda tree: tree["members"].update({"../../etc/passwd": {"bytes": 1, "sha256": ""}}), "names other members"),
        (lambda tree: tree["members"].update({"files/a/..": {"bytes": 1, "sha256": ""}}), "names other members"),
        (lambda tree: tree["members"].pop("database.sqlite"), "names other members"),
        (lambda tree: tree["contents"]["counts"].update(jobs=4), "jobs has 3 rows, not 4"),
        (lambda tree: tree["contents"].update(journal_head=1), "holds something else than it says"),
    ],
)
async def test_a_manifest_that_does_not_fit(made, tmp_path, change, told):
    content = members(made)
    tree = json.loads(content["manifest.json"])
    change(tree)
    content["manifest.json"] = json.dumps(tree).encode()
    assert told in refused(written(tmp_path / "other.zip", content), tmp_path)


async def test_one_that_unpacks_to_more_than_it_says_is_cut(made, tmp_path):
    content = members(made)
    content["database.sqlite"] += bytes(50_000_000)
    assert "database.sqlite in it is damaged" in refused(written(tmp_path / "bomb.zip", content), tmp_path)


async def test_one_of_a_newer_gateway(made, tmp_path):
    content = members(made)
    tree = json.loads(content["manifest.json"])
    tree["contents"]["schema"], tree["version"] = max(steps()) + 1, "9.0"
    content["manifest.json"] = json.dumps(tree).encode()
    newer = written(tmp_path / "newer.zip", content)
    told = refused(newer, tmp_path)
    assert f"was made by a newer gateway (9.0, schema {max(steps()) + 1}; this one knows {max(steps())})" in told
    with pytest.raises(Invalid, match="install that version, then restore"):
        await restored(newer, tmp_path / "other")
    assert not (tmp_path / "other" / "gateway.sqlite").exists()


@pytest.mark.parametrize("name", ["notes.txt", "other.zip"])
def test_something_else(tmp_path, name):
    file = tmp_path / name
    with zipfile.ZipFile(file, "w") if name.endswith("zip") else io.BytesIO() as other:
        if name.endswith("zip"):
            other.writestr("a", "b")
        else:
            file.write_text("Dear diary")
    with pytest.raises(Invalid, match="is no sound backup"):
        Archive(file)


@pytest.mark.parametrize("stops", [1, 4])
async def test_killed_while_it_is_written_nothing_has_its_name(store, tmp_path, stops):
    await store.file(os.urandom(600_000))
    with subprocess.Popen(
        [sys.executable, "-c", MAKER, str(store.folder), f"{HERE}:{HERE.parent}:{HERE.parents[1]}", str(stops)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout.readline() == "in the middle\n"
        finally:
            process.send_signal(signal.SIGKILL)
        process.wait(KILLED_MAX_S)
    assert all(one.name.startswith(".work-") for one in store.backups.folder.iterdir())
    assert store.backups.listed() == []
    made = await store.make()
    assert {one.name for one in store.backups.folder.iterdir()} == {made.file.name, "last"}
