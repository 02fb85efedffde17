"""The judge: what the stations were told against what the cloud has, what the gateway has and what MQTT said.

Reads files only, and knows nothing of the gateway's inside but its event table, against which MQTT is held.
"""

import argparse
import json
import sqlite3
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path

VERBS = ("start", "pause", "resume", "complete")
STAMP = {"start": "started_at", "pause": "paused_at", "resume": "resumed_at", "complete": "completed_at"}
OK = (200, 201)
SHOWN_MAX = 40  # faults
TOLERANCE = timedelta(seconds=2)
COUNTED = ("quantity_produced", "quantity_good", "quantity_scrap", "quantity_rework")


class Verdict:
    def __init__(self) -> None:
        self.faults: list[str] = []
        self.facts: dict[str, object] = {}

    def hold(self, ok: bool, text: str) -> None:
        if not ok:
            self.faults.append(text)


def near(there: str | None, here: str) -> bool:
    """The same time, or so close to it that the cloud's own stamp of fresh work was left as it is."""
    return there is not None and abs(instant(there) - instant(here)) <= TOLERANCE


def instant(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def judge(
    notes: list[dict], cloud: dict[str, list[dict]], journal: list[int], heard: list[dict], log: list[dict]
) -> Verdict:
    verdict = Verdict()
    won = [note for note in notes if note["status"] in OK]
    verdict.facts["mutations acknowledged"] = len(won)
    verdict.facts["answers that were replays"] = sum(note["replayed"] for note in won)
    verdict.hold(len({note["key"] for note in won}) == len(won), "a key was acknowledged twice")
    races(verdict, notes)
    work: dict[str, dict[str, dict]] = defaultdict(dict)
    for note in won:
        if note["kind"] in VERBS:
            work[note["operation"]][note["kind"]] = note
    operations(verdict, work, {row["id"]: row for row in cloud["operations"]})
    above(verdict, cloud)
    entries(verdict, work, cloud["time_entries"])
    quantities(verdict, [note for note in won if note["kind"] == "quantity"], cloud["operation_quantities"])
    order(verdict, won, log)
    mqtt(verdict, journal, heard)
    return verdict


def races(verdict: Verdict, notes: list[dict]) -> None:
    starts = defaultdict(list)
    for note in notes:
        if note["kind"] == "start":
            starts[note["operation"]].append(note["status"])
    raced = {operation: statuses for operation, statuses in starts.items() if len(statuses) > 1}
    for operation, statuses in starts.items():
        verdict.hold(sum(status in OK for status in statuses) == 1, f"operation {operation} was started by {statuses}")
    verdict.facts["operations started by several at once, one winner each"] = len(raced)


def operations(verdict: Verdict, work: dict, rows: dict[str, dict]) -> None:
    for operation, notes in work.items():
        row = rows.get(operation)
        if row is None:
            verdict.hold(False, f"operation {operation} is not in the cloud")
            continue
        verdict.hold(
            row["status"] == "completed", f"operation {operation} is {row['status']} in the cloud, not completed"
        )
        for verb, note in notes.items():
            told = note["answer"]["data"]["operation"][STAMP[verb]]
            claimed = instant(note["occurred_at"])
            verdict.hold(instant(told) >= claimed, f"operation {operation}: {verb} at {told} before {claimed}")
            if verb in ("start", "complete"):
                there = row.get(STAMP[verb])
                verdict.hold(
                    near(there, told), f"operation {operation}: {STAMP[verb]} is {there} in the cloud, {told} here"
                )
    verdict.facts["operations with true start and end in the cloud"] = len(work)


def above(verdict: Verdict, cloud: dict[str, list[dict]]) -> None:
    """Every operation was completed: so is every part and every job, and a job's end is that of its last operation."""
    part_of = {row["id"]: row for row in cloud["parts"]}
    ends: dict[str, list[datetime]] = defaultdict(list)
    for row in cloud["operations"]:
        if end := instant(row["completed_at"]):
            ends[part_of[row["part_id"]]["job_id"]].append(end)
    for row in (*cloud["parts"], *cloud["jobs"]):
        verdict.hold(row["status"] == "completed", f"{row['id']} is {row['status']} in the cloud, not completed")
    for row in cloud["jobs"]:
        at = instant(row["completed_at"])
        true = at is not None and abs(at - max(ends[row["id"]])) <= TOLERANCE
        verdict.hold(true, f"job {row['id']} ended at {at}, its last operation at {max(ends[row['id']])}")
    verdict.facts["jobs whose end is true in the cloud"] = len(cloud["jobs"])


def entries(verdict: Verdict, work: dict, rows: list[dict]) -> None:
    """Each pause cuts the time in two: what was worked, neither more nor less, and nobody twice."""
    there = defaultdict(list)
    for row in rows:
        there[row["operation_id"]].append(row)
    count = 0
    for operation, notes in work.items():
        at = {verb: instant(note["answer"]["data"]["operation"][STAMP[verb]]) for verb, note in notes.items()}
        expected = sorted([(at["start"], at["pause"]), (at["resume"], at["complete"])])
        expected = [stretch for place, stretch in enumerate(expected) if place == 0 or stretch[0] != stretch[1]]
        found = sorted(
            (instant(row["start_time"]), instant(row["end_time"])) for row in there[operation] if row["end_time"]
        )
        count += len(found)
        verdict.hold(len(found) == len(there[operation]), f"operation {operation}: an entry is still open in the cloud")
        verdict.hold(
            found == expected, f"operation {operation}: worked {show(found)} in the cloud, {show(expected)} here"
        )
        people = {row["operator_id"] for row in there[operation]}
        verdict.hold(people <= {notes["start"]["operator"]}, f"operation {operation}: booked on {people}")
    extra = set(there) - set(work)
    verdict.hold(not extra, f"time entries on operations that nobody worked on: {sorted(extra)[:3]}")
    verdict.facts["time entries in the cloud, start and end as it happened"] = count


def quantities(verdict: Verdict, notes: list[dict], rows: list[dict]) -> None:
    told = {
        note["answer"]["data"]["operation_quantity"]["id"]: note["answer"]["data"]["operation_quantity"]
        for note in notes
    }
    seen = Counter(row["id"] for row in rows)
    there = {row["id"]: row for row in rows}
    lost, doubled, foreign = (
        told.keys() - there.keys(),
        [one for one, times in seen.items() if times > 1],
        there.keys() - told.keys(),
    )
    verdict.hold(not lost, f"{len(lost)} quantities lost, e.g. {sorted(lost)[:3]}")
    verdict.hold(not doubled, f"{len(doubled)} quantities doubled, e.g. {doubled[:3]}")
    verdict.hold(
        not foreign, f"{len(foreign)} quantities in the cloud that nobody was told of, e.g. {sorted(foreign)[:3]}"
    )
    for one, ours in told.items():
        theirs = there.get(one, ours)
        same = all(ours[name] == theirs[name] for name in ("operation_id", *COUNTED))
        verdict.hold(same, f"quantity {one} differs: {ours} here, {theirs} there")
    sums = [sum(row["quantity_good"] for row in side.values()) for side in (told, there)]
    verdict.hold(sums[0] == sums[1], f"{sums[0]} good pieces booked, {sums[1]} in the cloud")
    verdict.facts["quantities booked"] = len(told)
    verdict.facts["good pieces booked, and in the cloud"] = sums[1]


def order(verdict: Verdict, won: list[dict], log: list[dict]) -> None:
    """The quantities of one operation were written in the order in which they were booked."""
    written: dict[str, list[str]] = defaultdict(list)
    for request in log:
        body = request.get("body")
        if (
            request["method"] == "POST"
            and request["path"].endswith("api-operation-quantities")
            and isinstance(body, dict)
        ):
            arrived = written[body["operation_id"]]
            if request["status"] in (*OK, None) and body["id"] not in arrived:
                arrived.append(body["id"])
    booked: dict[str, list[str]] = defaultdict(list)
    for note in won:
        if note["kind"] == "quantity":
            booked[note["operation"]].append(note["answer"]["data"]["operation_quantity"]["id"])
    for operation, ids in booked.items():
        verdict.hold(written[operation] == ids, f"operation {operation}: quantities were written in another order")
    verdict.facts["operations whose order was looked at"] = len(booked)


def mqtt(verdict: Verdict, journal: list[int], heard: list[dict]) -> None:
    """Whoever listened knows of everything that was missed: each message names the one before it."""
    messages = {message["seq"]: message for message in heard}
    gaps, before = [], None
    for seq in sorted(messages):
        if before is not None and messages[seq]["prev"] != before:
            gaps.append((before, seq))
        before = seq
    first = min(messages, default=0)
    missed = [seq for seq in journal if seq >= first and seq not in messages]
    for seq in missed:
        verdict.hold(
            any(low < seq < high for low, high in gaps), f"event {seq} was missed on MQTT, and no gap tells of it"
        )
    verdict.facts["events heard on MQTT"] = len(messages)
    verdict.facts["events missed there, each inside a gap that shows"] = len(missed)


def show(stretches: list) -> str:
    return ", ".join(f"{start:%H:%M:%S.%f}-{end:%H:%M:%S.%f}" for start, end in stretches) or "nothing"


def lines(path: Path) -> list[dict]:
    """A last line that was cut by a kill is not a line."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    for name in ("--notes", "--cloud", "--log", "--database", "--heard"):
        arguments.add_argument(name, type=Path, required=True)
    given = arguments.parse_args()
    connection = sqlite3.connect(f"file:{given.database}?mode=ro", uri=True)
    journal = [row[0] for row in connection.execute("SELECT seq FROM events WHERE type IS NOT NULL ORDER BY seq")]
    cloud = json.loads(given.cloud.read_text())
    verdict = judge(lines(given.notes), cloud, journal, lines(given.heard), json.loads(given.log.read_text()))
    for name, value in verdict.facts.items():
        print(f"  {value:>8}  {name}")
    for fault in verdict.faults[:SHOWN_MAX]:
        print(f"  FAULT     {fault}")
    print(
        f"{len(verdict.faults)} faults" if verdict.faults else "0 lost, 0 doubled, order kept, times true, sums equal"
    )
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
