"""Three days without a line, then a plain cloud that grants so many requests a day: what goes up, in which order, and until when.

A cell's database is written by the product's own commands under virtual time, and so it goes on: first the cloud's smallest plan
for some days, then a larger one until everything is through, while people go on working and one answer in fifty is lost. Then the
same database once more, with a gateway and a cloud in processes of their own and no limit: memory, and the pace with much to go
and with little. Exit 1 on anything lost, doubled or different; when live work was late; when a plan went up before somebody's
work; when `drain_s` was wrong; on more than RSS_MAX_MIB.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
sys.path.insert(0, str(Path(__file__).parents[1] / "cloud"))

import structlog
from bench_drain import DRAIN_MAX_S, Box, Live, box
from cloud_shop import CALLER, Shop, all_sent, shop_of, stand_in
from floor import differences
from offline import CELL, PERSON, RSS_MAX_MIB, people, shift
from passing import nothing_unsettled, pass_by

from gateway.cloud import store
from gateway.demo import factory
from gateway.demo.cloud_gate import PLAN_REQUESTS_PER_DAY
from gateway.kernel.clock import ManualClock, SystemClock
from gateway.kernel.db import Database
from gateway.kernel.ids import uuid7
from gateway.kernel.migrate import migrate
from gateway.operations.model import Verb
from gateway.operations.trees.commands import JobTreeCommands
from gateway.outbox.event import CLOUD

SMALL, LARGE = "free", "premium"  # plans of the cloud
DAY_S, HOUR_S = 86_400.0, 3_600.0
OFFLINE_H = 72.0
STEP_S, LOOK_S = {SMALL: 180.0, LARGE: 30.0}, 5.0
SETTLE_AFTER_S = 60.0
LIVE_MAX_S, LIVE_LATE_SHARE = 300.0, 0.05
FIRST_H, PAUSE_H, STEPS_A_DAY = 6, 2, 2  # of the job that somebody works off each day
DRAIN_OFF = 2.5  # times too long, or too short
LIVE_A_DAY, REQUESTS_EACH = (
    50,
    0.85,
)  # requests: for what is done on a day and for reading; for each entry of the backlog
DRAIN_JUDGED_S = 6 * HOUR_S  # what is nearer is no estimate any more
LOST = 0.02
DAYS_MAX = 60
PLANNED = "PLAN-"
EARLY, LATE = (0.2, 0.4), (0.8, 1.0)  # shares of the backlog; before that everything is suspect, and written down twice
PACE_MIN = 0.5  # of the late pace: the early one


@dataclass
class Seen:
    """`marks`: at the end of each day (when, plan, entries that waited, drain_s)."""

    live_s: list[float] = field(default_factory=list)
    marks: list[tuple[float, str, int, float | None]] = field(default_factory=list)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


async def plan_ahead(folder: Path, jobs: int) -> None:
    """What a planner entered before all of it: older than any work, and worth less."""
    clock = ManualClock(SystemClock().now() - timedelta(hours=OFFLINE_H + 1))
    async with Database.open(folder, prepare=lambda path: migrate(path, clock)) as db:
        commands = JobTreeCommands(db, clock, uuid7(clock), "cell")
        for number in range(jobs):
            part = {"part_number": f"{PLANNED}{number}", "material": "S235", "quantity": 1}
            await commands.create({"job_number": f"{PLANNED}{number}", "parts": [part]}, CALLER, None)


# ------------------------------------------------------------------ under virtual time


async def drained_by_plan(database: Path, folder: Path, days: int) -> list[str]:
    """What was wrong."""
    clock, seen = ManualClock(SystemClock().now()), Seen()
    cloud = stand_in(clock.now(), clock=clock)
    tenant = cloud.add_tenant(factory.TENANT_ID, SMALL)
    cloud.load(people())
    cloud.faults.change(lose_reply=LOST)
    async with shop_of(folder, cloud, database, clock) as shop:
        made = await shop.db.read(lambda c: c.execute("SELECT count(*) FROM events").fetchone()[0])
        linked = partial(shop.linked, settle_after_s=SETTLE_AFTER_S, pull_every_s=DAY_S, poll_s=5.0)
        async with linked(requests_per_day=PLAN_REQUESTS_PER_DAY[SMALL]) as link:
            for number in range(days):
                await a_day(shop, link, number, seen, SMALL)
        wrong, tenant.plan = in_order(cloud), LARGE
        async with linked(requests_per_day=PLAN_REQUESTS_PER_DAY[LARGE]) as link:
            for number in range(days, DAYS_MAX):
                await a_day(shop, link, number, seen, LARGE)
                if await shop.db.read(all_sent):
                    break
            cloud.faults.change(lose_reply=0.0)
            await pass_by(shop, 2 * DAY_S, STEP_S[SMALL], until=nothing_unsettled)
        parked = await shop.ask("SELECT reason FROM event_parked")
        wrong += [f"parked: {reason}" for (reason,) in parked]
        wrong += await shop.db.read(differences, cloud)
    writes = len([one for one in cloud.log if one.method in ("POST", "PATCH", "DELETE") and one.status in (200, 201)])
    say(f"{made:,} entries of the backlog, and what was done meanwhile, went up as {writes:,} changes")
    return wrong + late(seen) + misjudged(seen)


async def a_day(shop: Shop, link, number: int, seen: Seen, plan: str) -> None:
    """One job is planned in the morning and worked off; whatever is left of the day and its requests is the backlog's."""
    began_s, step_s = shop.clock.monotonic(), STEP_S[plan]
    await pass_by(shop, FIRST_H * HOUR_S, step_s)
    steps = [{"operation_name": f"live {k}", "cell_id": CELL.format(1)} for k in range(STEPS_A_DAY)]
    given = {"job_number": f"LIVE-{number}", "parts": [{"part_number": f"LIVE-{number}", "operations": steps}]}
    answer = await JobTreeCommands(shop.db, shop.clock, shop.new_id, "cell").create(given, CALLER, None)
    for operation in json.loads(answer.data)["job"]["parts"][0]["operations"]:
        for verb, state in ((Verb.START, "in_progress"), (Verb.COMPLETE, "completed")):
            await shop.change(verb, operation["id"], operator_id=PERSON.format(1))
            seen.live_s.append(await told_after_s(shop, operation["id"], state))
            await pass_by(shop, PAUSE_H * HOUR_S / 2, step_s)
        await shop.count(operation["id"], 5)
    await pass_by(shop, max(0.0, DAY_S - (shop.clock.monotonic() - began_s)), step_s)
    pending, _ = await shop.db.read(store.pending)
    drain_s = link.drain_s(pending)
    seen.marks.append((shop.clock.monotonic(), plan, pending, drain_s))
    told = "nobody knows" if drain_s is None else f"{drain_s / DAY_S:.1f} days"
    say(
        f"day {number}, {plan}: {pending:,} entries wait, drain_s {told}, live {max(seen.live_s[-2 * STEPS_A_DAY :]):.0f} s"
    )


async def told_after_s(shop: Shop, operation_id: str, state: str) -> float:
    """How long until the cloud says so."""
    waited_s = 0.0
    while waited_s < DAY_S:
        with contextlib.suppress(KeyError):
            if shop.cloud.row("operations", operation_id)["status"] == state:
                break
        waited_s += await pass_by(shop, LOOK_S, LOOK_S)
    return waited_s


def in_order(cloud) -> list[str]:
    """On a small plan nothing that was only planned may have gone up: work has waited all the time."""
    numbers = [row["job_number"] for row in cloud.rows("jobs")]
    planned = [number for number in numbers if number.startswith(PLANNED)]
    say(f"on the small plan {len(numbers)} jobs went up, {len(planned)} of them only planned")
    return [f"{number} went up before somebody's work" for number in planned]


def late(seen: Seen) -> list[str]:
    slow = [one for one in seen.live_s if one > LIVE_MAX_S]
    say(
        f"live: {len(seen.live_s)} transitions, the slowest {max(seen.live_s):.0f} s, {len(slow)} above {LIVE_MAX_S:.0f} s"
    )
    return [f"{len(slow)} live transitions were late"] if len(slow) > LIVE_LATE_SHARE * len(seen.live_s) else []


def misjudged(seen: Seen) -> list[str]:
    """`drain_s` of the large plan against when it was through; of the small one against what its requests are enough for."""
    wrong = []
    each = PLAN_REQUESTS_PER_DAY[SMALL] - LIVE_A_DAY  # what the small plan leaves for the backlog
    through_s = seen.marks[-1][0]
    for at_s, plan, pending, told_s in seen.marks:
        true_s = pending * REQUESTS_EACH / each * DAY_S if plan == SMALL else through_s - at_s
        if not pending or (plan == LARGE and true_s < DRAIN_JUDGED_S):
            continue
        if told_s is None or not true_s / DRAIN_OFF <= told_s <= true_s * DRAIN_OFF:
            told = "nothing" if told_s is None else f"{told_s / DAY_S:.1f}"
            wrong.append(f"drain_s said {told} days, and it is {true_s / DAY_S:.1f} ({plan}, {pending:,} entries)")
    return wrong


# ------------------------------------------------------------------ in processes


class CloudProcess:
    """The stand-in, as far as `Live` and a comparison need it."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.url, self._control = (process.stdout.readline().decode().strip() for _ in range(2))
        self._state: dict[str, list[dict]] = {}

    def ask(self, path: str) -> dict:
        return self._get(f"{self.url}{path}")

    def rows(self, table: str) -> list[dict]:
        self._state = self._state or self._get(f"{self._control}state")
        return self._state[table]

    def _get(self, url: str) -> dict:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {factory.CLOUD_KEY}"})  # noqa: S310 -- loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 -- loopback
            return json.loads(answer.read())


def drained_at_once(database: Path, folder: Path) -> list[str]:
    """What was wrong."""
    data = folder / "cell" / "data"
    data.mkdir(parents=True)
    shutil.copy(database, data / "gateway.sqlite")
    (folder / "people.json").write_text(json.dumps(people()))
    command = [sys.executable, "-m", "gateway.demo.cloud", "--load", folder / "people.json"]
    command += ["--key", factory.CLOUD_KEY, "--tenant", factory.TENANT_ID]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        cloud = CloudProcess(process)
        above = f'kind = "plain"\nurl = "{cloud.url}"\napi_key = "{factory.CLOUD_KEY}"\nsettle_after = "5s"\npull_every = "1h"'
        with box(folder / "cell", "cell", above) as cell:
            marks, live = measured(cell, cloud)
        with contextlib.closing(sqlite3.connect(data / "gateway.sqlite")) as connection:
            connection.row_factory = sqlite3.Row
            wrong = differences(connection, cloud)
    finally:
        process.terminate()
        process.wait()
    wrong += [f"{max(cell.rss):.0f} MiB"] if max(cell.rss) > RSS_MAX_MIB else []
    early, late_ = (pace(marks, *share) for share in (EARLY, LATE))
    say(
        f"at once: {max(cell.rss):.0f} MiB at most, {early:.0f} entries/s with most of it to go and {late_:.0f} at the end"
    )
    say(f"live meanwhile: {len(live)} jobs, the slowest {max(live, default=0.0):.1f} s")
    return wrong + ([f"the pace with all of it to go is {early:.0f} entries/s"] if early < PACE_MIN * late_ else [])


def measured(cell: Box, cloud: CloudProcess) -> tuple[list[tuple[float, int]], list[float]]:
    """((when, entries that wait) on the way, seconds that live work took)."""
    began, ended, marks = time.monotonic(), threading.Event(), []
    live = Live(cell, cloud, ended)
    live.start()
    while (link := cell.ask("/healthz")["links"]["cloud"])["pending"] > 0:
        marks.append((time.monotonic(), link["pending"]))
        cell.look()
        if time.monotonic() - began > DRAIN_MAX_S or link["parked"]:
            raise SystemExit(f"it does not drain: {link}")
        time.sleep(0.5)
    ended.set()
    live.join()
    while cell.ask("/healthz")["links"]["cloud"]["pending"]:
        time.sleep(0.5)
    return marks, live.seconds


def pace(marks: list[tuple[float, int]], first: float, last: float) -> float:
    """Entries a second between two shares of the backlog."""
    most = marks[0][1]
    within = [mark for mark in marks if first <= 1 - mark[1] / most <= last]
    (began_s, waited), (ended_s, wait) = within[0], within[-1]
    return (waited - wait) / max(ended_s - began_s, 1e-9)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--mutations", type=int, default=50_000)
    arguments.add_argument("--planned", type=int, default=200, help="jobs that were planned before, and not worked on")
    arguments.add_argument("--days", type=int, default=10, help=f"on the plan {SMALL!r}, before it is {LARGE!r}")
    given = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="offline-plain-") as name:
        folder, made = Path(name), Path(name) / "made"
        asyncio.run(plan_ahead(made, given.planned))
        done = asyncio.run(shift(made, given.mutations, OFFLINE_H, CLOUD))
        database = made / "gateway.sqlite"
        say(f"{done:,} mutations in {OFFLINE_H:g} h of virtual time, {database.stat().st_size / 1e6:,.0f} MB")
        wrong = asyncio.run(drained_by_plan(database, folder / "by-plan", given.days))
        wrong += drained_at_once(database, folder / "at-once")
        print(*wrong[:20] or ["both sides are the same, and everything in its time"], sep="\n")
        return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
