"""The drill: real gateways, a real broker and a stand-in cloud, and everything that can happen to them in one shift.

The plan is pulled. The line to the cloud is cut. Twenty stations do all that a floor does, the office goes on in the cloud at the
same rows; the gateway is killed ten times and the broker twice while they do. The line comes back, but the cloud loses one reply
in ten after it has committed, and hands one request in thirty over only seconds after the client gave up. When everything has
drained, an independent judge compares what the stations were told with what the cloud has, and both sides with each other.
With three levels, two gateways of cells stand below one of the site. Exit 1 on any loss, any double, wrong time or difference.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sides
import trouble
from judging import lines as lines_of
from plan import PLANNED_MORE, REASONS, contested, contested_job, doomed, exact, fixed, part_of, plan
from processes import CLOUD_KEY, PULL_EVERY_S, START_MAX_S, Box, Floor, floor, say, until

HERE = Path(__file__).parent
DRAIN_MAX_S = 300.0
AGREE_MAX_S = 4 * PULL_EVERY_S + 20.0  # until the office's last change has been pulled
CELL_GATEWAYS = 2
STATIONS_TO_A_JOB = 2  # with three levels: each of another gateway


def drill(here: Floor, given: argparse.Namespace) -> int:
    rows = plan(given.stations, given.operations, STATIONS_TO_A_JOB if here.cells else 1)
    here.start_cloud(rows)
    cells = [[f"Cell {one}" for one in range(place, given.stations, CELL_GATEWAYS)] for place in range(CELL_GATEWAYS)]
    here.configure(cells)
    people = here.folder / "people.json"
    people.write_text(json.dumps({"cells": rows["cells"], "profiles": rows["profiles"]}))
    here.site.command("import", str(people))
    for box in (here.site, *here.cells):
        say(f"{box.name} ready after {box.start():.1f} s")
    total = len(rows["operations"])
    until(lambda: here.site.holds("api-operations") >= total, START_MAX_S, f"{total} operations pulled")
    for box, own in zip(here.cells, cells, strict=False):
        count = len(own) * (given.operations + PLANNED_MORE)
        until(
            lambda box=box, count=count: box.holds("api-operations") >= count, START_MAX_S, f"{box.name} has its plan"
        )
    say(f"plan pulled: {total} operations of {given.stations} stations")
    listeners = [listen(here, box) for box in here.boxes]
    watcher = watch(here)
    here.cloud.away(100_000)
    say("the line to the cloud is cut")
    if not shift(here, given):
        return 1
    say("the stations are done; waiting for the cloud to have everything")
    began = time.monotonic()
    until(lambda: all(box.drained() for box in here.all), DRAIN_MAX_S, f"nothing waits: {lines(here)}")
    say(f"drained {time.monotonic() - began:.0f} s after the last booking")
    trouble.all_well(here)
    agreed(here)
    until(lambda: looked_last(here), START_MAX_S, "the watcher has seen the end")
    for one in (*listeners, watcher):
        one.terminate()
    return verdict(here, given)


def shift(here: Floor, given: argparse.Namespace) -> bool:
    """Stations and office work, and trouble meets them. False: one of them could not do its work."""
    seed = ["--seed", str(given.seed)]
    work = {
        "count": given.count,
        "chores": given.chores,
        "stations": [station(here, given, one) for one in range(given.stations)],
    }
    (here.folder / "work.json").write_text(json.dumps(work))
    (here.folder / "office-work.json").write_text(json.dumps({**work, "url": here.cloud.office_url, "key": CLOUD_KEY}))
    notes = here.folder / "notes.jsonl"
    command = [sys.executable, HERE / "stations.py", "--work", here.folder / "work.json", "--notes", notes]
    stations = here.spawn([*command, *seed], "stations.log")
    command = [sys.executable, HERE / "office.py", "--work", here.folder / "office-work.json"]
    office = here.spawn([*command, "--notes", here.folder / "office.jsonl", *seed], "office.log")
    office_done = lambda: until(lambda: office.poll() is not None, trouble.WORK_MAX_S, "the office is done")  # noqa: E731
    trouble.make(here, given, stations, notes, office_done)
    until(lambda: stations.poll() is not None, trouble.WORK_MAX_S, "the stations are done")
    for name, process in (("stations", stations), ("office", office)):
        if process.returncode:
            say(f"{name} ended with {process.returncode}:\n{(here.folder / f'{name}.log').read_text()[-2000:]}")
    return not (stations.returncode or office.returncode)


def station(here: Floor, given: argparse.Namespace, place: int) -> dict:
    """What it has to know."""
    box = here.boxes[place % len(here.boxes)]
    job = contested_job(place)
    about = {"name": f"station-{place}", "url": f"{box.url}/functions/v1", "key": box.key}
    about |= {"operator": fixed("person", place), "cell": fixed("cell", place), "cell_name": f"Cell {place}"}
    about |= {"operations": [fixed("operation", place, number) for number in range(given.operations)]}
    about |= {"contested": contested(place), "contested_job": job, "contested_part": part_of(contested(place)[-1])}
    about["doomed"] = doomed(place)
    return about | {"reasons": [fixed("reason", one) for one in REASONS]}


def lines(here: Floor) -> dict:
    return {box.name: box.link() for box in here.all}


def listen(here: Floor, box: Box) -> subprocess.Popen:
    """As the product's `viewer`, whose password lies beside the broker's configuration."""
    viewer = json.loads((box.data / "broker" / "users.json").read_text())["viewer"]
    command = [sys.executable, HERE / "listener.py", "--host", "127.0.0.1", "--port", str(box.mqtt)]
    command += [
        "--user",
        "viewer",
        "--password",
        viewer,
        "--topic",
        "#",
        "--heard",
        here.folder / f"heard-{box.name}.jsonl",
    ]
    return here.spawn(command, f"listener-{box.name}.log")


def watch(here: Floor) -> subprocess.Popen:
    boxes = here.folder / "boxes.json"
    boxes.write_text(json.dumps([{"name": box.name, "url": box.url, "key": box.key} for box in here.all]))
    command = [sys.executable, HERE / "watcher.py", "--boxes", boxes, "--seen", here.folder / "seen.jsonl"]
    return here.spawn(command, "watcher.log")


def looked_last(here: Floor) -> bool:
    """Has the watcher looked at every gateway since nothing waits there? A pull may have had something to tell just now."""
    last = {one["gateway"]: one["pending"] for one in lines_of(here.folder / "seen.jsonl")}
    return all(box.drained() for box in here.all) and not any(last.get(box.name, 1) for box in here.all)


def agreed(here: Floor) -> None:
    """Wait until all levels say the same and have heard each other out. What never does is the judge's."""
    began = time.monotonic()
    with contextlib.suppress(SystemExit):
        until(lambda: agree(here), AGREE_MAX_S, "all levels say the same")
    say(f"all levels heard out after {time.monotonic() - began:.0f} s")


def agree(here: Floor) -> bool:
    if not all(box.drained() for box in here.all):
        return False
    with contextlib.ExitStack() as stack:
        site, *cells = [stack.enter_context(box.read()) for box in (here.site, *here.cells)]
        if not all(sides.heard_out(cell, site) for cell in cells):
            return False
        return not sides.apart(site, cells, here.cloud.ask("state"))


def verdict(here: Floor, given: argparse.Namespace, *, swapped: bool = False) -> int:
    """`swapped`: a box is not the one that it was, and nobody listened all the time."""
    (here.folder / "cloud.json").write_text(json.dumps(here.cloud.ask("state")))
    (here.folder / "cloud-log.json").write_text(json.dumps(here.cloud.ask("log")))
    about = {
        "exact": exact(given.stations, given.operations),
        "cells": {box.name: str(box.database) for box in here.cells},
        "brokers": {} if swapped else {box.name: str(box.database) for box in here.boxes},
        "swapped": swapped,
    }
    (here.folder / "case.json").write_text(json.dumps({**about, "site": str(here.site.database)}))
    return subprocess.run([sys.executable, HERE / "check.py", "--folder", here.folder], check=False).returncode


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument(
        "--levels", type=int, choices=(1, 3), help="of gateways and cloud; without it one after the other"
    )
    arguments.add_argument("--stations", type=int, default=20)
    arguments.add_argument("--operations", type=int, default=6, help="of each station")
    arguments.add_argument("--count", type=int, default=14, help="quantities booked on each operation")
    arguments.add_argument("--chores", type=int, default=8, help="everything else that is done at each operation")
    arguments.add_argument("--gateway-kills", type=int, default=10)
    arguments.add_argument("--broker-kills", type=int, default=2)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--keep", type=Path, help="leave everything in this folder")
    given = arguments.parse_args()
    codes = [one_drill(given, levels) for levels in ((given.levels,) if given.levels else (1, 3))]
    return max(codes)


def one_drill(given: argparse.Namespace, levels: int) -> int:
    with contextlib.ExitStack() as stack:
        if given.keep:
            folder = given.keep / f"levels-{levels}"
            folder.mkdir(parents=True)  # never in that of another drill
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drill-")))
        began = time.monotonic()
        cells = CELL_GATEWAYS if levels > 1 else 0
        code = drill(stack.enter_context(floor(folder, given.seed, cells)), given)
        told = f"{'passed' if code == 0 else 'FAILED'} after {time.monotonic() - began:.0f} s"
        say(f"{told}: levels {levels}, seed {given.seed}")
        return code


if __name__ == "__main__":
    raise SystemExit(main())
