"""A box is swapped twice by the written steps, while stations work, below a gateway of the site and a cloud.

First with nothing of a shift sent: the line is cut, stations work, the backup is taken, the box dies. What it never sent goes up
from the new one. Then with a backup taken while stations work, whose box goes on, sends, and dies later: what the new one finds
unsent was sent already, and what was booked after the backup comes back from the site. In the end somebody finds the old box in a
cupboard, switches it on and works at it: the site refuses it. The judge of the drill counts: nothing lost, nothing doubled.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from judging import lines
from plan import PLANNED_MORE, REASONS, contested, contested_job, doomed, fixed, part_of, plan
from processes import START_MAX_S, Box, Floor, fetch, floor, say, until
from run import DRAIN_MAX_S, agree, verdict
from trouble import WORK_MAX_S

HERE = Path(__file__).parent
SWAP_MAX_S = 600.0  # what is promised: a box is swapped within ten minutes
AGREE_MAX_S = 90.0
SEEDS_APART = 1_000  # each station has its own, and names its rows by it
AT_WORK = 0.3  # of a shift, when the backup is taken


def drill(here: Floor, given: argparse.Namespace) -> int:
    rows = plan(given.stations, given.operations, 1)
    here.start_cloud(rows)
    here.configure([[f"Cell {one}" for one in range(given.stations)]])
    people = here.folder / "people.json"
    people.write_text(json.dumps({"cells": rows["cells"], "profiles": rows["profiles"]}))
    here.site.command("import", str(people))
    here.site.start()
    first = here.cells[0]
    first.start()
    planned = given.stations * (given.operations + PLANNED_MORE)
    until(lambda: first.holds("api-operations") >= planned, START_MAX_S, "the plan has come down")
    half = given.operations // 2

    here.site.stand_still()
    say("the line is cut")
    worked(here, first, given, range(half))
    waiting = first.link().get("pending", 0)
    file = backup(first)
    first.kill()
    say(f"{first.name} dies with {waiting} entries that nobody has heard of")
    second = swapped(here, first, file)
    here.site.go_on()
    until(second.drained, DRAIN_MAX_S, f"nothing waits: {second.link()}")

    stations = shift(here, second, given, range(half, given.operations))
    notes = here.folder / "notes.jsonl"
    before = len(lines(notes))
    share = before + given.stations * half * given.count * AT_WORK
    until(lambda: len(lines(notes)) >= share, WORK_MAX_S, "they are at work")
    began = datetime.now().astimezone()
    file = backup(second)
    latencies(lines(notes)[before:], began, datetime.now().astimezone())
    if stations.poll() is not None:
        raise SystemExit("the backup was to be taken while stations work: they were done before (more --count)")
    ended(here, stations)
    until(second.drained, DRAIN_MAX_S, f"nothing waits: {second.link()}")
    second.kill()
    third = swapped(here, second, file)
    until(lambda: third.drained() and agree(here), AGREE_MAX_S, f"all levels say the same: {third.link()}")
    return max(cupboard(here, second, third), verdict(here, given, swapped=True))


def worked(here: Floor, box: Box, given: argparse.Namespace, operations: range) -> None:
    ended(here, shift(here, box, given, operations))


def ended(here: Floor, stations) -> None:
    until(lambda: stations.poll() is not None, WORK_MAX_S, "the stations are done")
    if stations.returncode:
        raise SystemExit(f"a station could not do its work:\n{(here.folder / 'stations.log').read_text()[-2000:]}")


def shift(here: Floor, box: Box, given: argparse.Namespace, operations: range):
    """The stations begin to work on these operations."""
    work = {"count": given.count, "chores": given.chores}
    work["stations"] = [station(box, one, operations) for one in range(given.stations)]
    file = here.folder / f"work-{operations.start}.json"
    file.write_text(json.dumps(work))
    command = [sys.executable, HERE / "stations.py", "--work", file, "--notes", here.folder / "notes.jsonl"]
    return here.spawn([*command, "--seed", str(given.seed + operations.start * SEEDS_APART)], "stations.log")


def station(box: Box, place: int, operations: range) -> dict:
    job = contested_job(place)
    about = {"name": f"station-{place}", "url": f"{box.url}/functions/v1", "key": box.key}
    about |= {"operator": fixed("person", place), "cell": fixed("cell", place), "cell_name": f"Cell {place}"}
    about |= {"operations": [fixed("operation", place, number) for number in operations]}
    about |= {"contested": contested(place), "contested_job": job, "contested_part": part_of(contested(place)[-1])}
    about |= {"doomed": doomed(place), "contests": operations.start == 0}
    return about | {"reasons": [fixed("reason", one) for one in REASONS]}


def backup(box: Box) -> Path:
    file = box.folder / f"{box.name}.zip"
    began = time.monotonic()
    box.command("backup", "create", "--output", str(file))
    say(f"backup of {file.stat().st_size / 1e6:.1f} MB in {time.monotonic() - began:.1f} s")
    return file


def latencies(notes: list[dict], began: datetime, ended: datetime) -> None:
    """Of the answers that came while the backup was made."""
    took_ms = [one["took_ms"] for one in notes if began <= datetime.fromisoformat(one["pressed_at"]) <= ended]
    if len(took_ms) > 1:
        p50, p99 = statistics.median(took_ms), statistics.quantiles(took_ms, n=100)[98]
        say(f"{len(took_ms)} answers meanwhile: p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def swapped(here: Floor, old: Box, file: Path) -> Box:
    """Another box in its place, with its name and its address, from the backup alone."""
    new = Box(here.folder / f"box-{len(list(here.folder.glob('box-*')))}", old.name)
    new.http, new.mqtt, new.key, new.has_broker = old.http, old.mqtt, old.key, old.has_broker
    began = time.monotonic()
    new.config.write_text(old.config.read_text().replace(str(old.data), str(new.data)))
    new.command("restore", str(file), "--yes")
    new.start()
    took_s = time.monotonic() - began
    say(f"another box in its place: restored and ready after {took_s:.1f} s")
    if took_s > SWAP_MAX_S:
        raise SystemExit(f"the swap took {took_s:.0f} s: at most {SWAP_MAX_S:.0f} s")
    here.cells[here.cells.index(old)] = new
    old.end()
    return new


def cupboard(here: Floor, old: Box, new: Box) -> int:
    """The old one is switched on again, somewhere else. Exit code 1 when anything of it gets to the site."""
    apart = Box(here.folder / "cupboard", old.name)
    shutil.copytree(old.data, apart.data, ignore=shutil.ignore_patterns("admin.sock"))
    text = old.config.read_text().replace(str(old.data), str(apart.data))
    apart.config.write_text(text.replace(str(old.http), str(apart.http)).replace(str(old.mqtt), str(apart.mqtt)))
    apart.key, apart.has_broker = old.key, old.has_broker
    apart.start()
    with contextlib.ExitStack() as stack:
        stack.callback(apart.end)
        job = fetch(f"{apart.url}/functions/v1/api-jobs", {"job_number": "CUPBOARD", "customer": "Nobody"}, apart.key)
        if not isinstance(job, dict):
            raise SystemExit("the old box does not even take work of its own")
        until(lambda: "replaced" in str(apart.link().get("error")), START_MAX_S, f"it is told so: {apart.link()}")
        told = apart.link()
    say(f"the old box is refused: {told['error']}")
    with here.site.read() as site, new.read() as third:
        for name, box in (("the site", site), ("the new box", third)):
            if box.execute("SELECT 1 FROM jobs WHERE job_number = 'CUPBOARD'").fetchone():
                say(f"FAULT: what was booked at the old box stands at {name}")
                return 1
    return 0


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stations", type=int, default=10)
    arguments.add_argument(
        "--operations", type=int, default=6, help="of each station, half of them before the first swap"
    )
    arguments.add_argument("--count", type=int, default=30, help="quantities booked on each operation")
    arguments.add_argument("--chores", type=int, default=8, help="everything else that is done at each operation")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--keep", type=Path, help="leave everything in this folder, which must not be there yet")
    given = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        if given.keep:
            given.keep.mkdir(parents=True)
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="swap-")))
        code = drill(stack.enter_context(floor(folder, given.seed, 1)), given)
    say("passed" if code == 0 else "FAILED")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
