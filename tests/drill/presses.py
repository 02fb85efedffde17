"""Presses and quantities against the cloud, to the second and to the piece: what the stations were told is what it has."""

from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta

from judging import OK, Verdict, instant

VERBS = ("start", "pause", "resume", "complete")
STAMP = {"start": "started_at", "pause": "paused_at", "resume": "resumed_at", "complete": "completed_at"}
TOLERANCE = timedelta(seconds=2)
COUNTED = ("quantity_produced", "quantity_good", "quantity_scrap", "quantity_rework")


def near(there: str | None, here: str) -> bool:
    """The same time, or so close to it that the cloud's own stamp of fresh work was left as it is."""
    return there is not None and abs(instant(there) - instant(here)) <= TOLERANCE


def judge(
    verdict: Verdict, notes: list[dict], cloud: dict[str, list[dict]], exact: Collection[str], log: list[dict]
) -> None:
    """`exact`: the operations on which nobody but the stations works."""
    exact = set(exact)
    won = [note for note in notes if note["status"] in OK]
    races(verdict, [note for note in notes if note.get("operation") in exact])
    work: dict[str, dict[str, dict]] = defaultdict(dict)
    for note in won:
        if note["kind"] in VERBS and note["operation"] in exact:
            work[note["operation"]][note["kind"]] = note
    operations(verdict, work, {row["id"]: row for row in cloud["operations"]})
    above(verdict, cloud, exact)
    by_hand = {note["answer"]["data"]["time_entry"]["id"] for note in won if note["kind"] == "book"}
    booked = [row for row in cloud["time_entries"] if row["operation_id"] in exact and row["id"] not in by_hand]
    entries(verdict, work, booked)
    counts = [note for note in won if note.get("table") == "operation_quantities"]
    quantities(verdict, counts, cloud["operation_quantities"])
    order(verdict, counts, log)


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
            claimed = instant(note["body"]["occurred_at"])
            verdict.hold(instant(told) >= claimed, f"operation {operation}: {verb} at {told} before {claimed}")
            if verb in ("start", "complete"):
                there = row.get(STAMP[verb])
                verdict.hold(
                    near(there, told), f"operation {operation}: {STAMP[verb]} is {there} in the cloud, {told} here"
                )
    verdict.facts["operations with true start and end in the cloud"] = len(work)


def above(verdict: Verdict, cloud: dict[str, list[dict]], exact: Collection[str]) -> None:
    """Every operation was completed: so is every part and every job, and a job's end is that of its last operation."""
    part_of = {row["id"]: row for row in cloud["parts"]}
    ends: dict[str, list[datetime]] = defaultdict(list)
    parts = set()
    for row in cloud["operations"]:
        if row["id"] in exact and (end := instant(row["completed_at"])):
            parts.add(row["part_id"])
            ends[part_of[row["part_id"]]["job_id"]].append(end)
    jobs = [row for row in cloud["jobs"] if row["id"] in ends]
    for row in (*(part_of[one] for one in parts), *jobs):
        verdict.hold(row["status"] == "completed", f"{row['id']} is {row['status']} in the cloud, not completed")
    for row in jobs:
        at = instant(row["completed_at"])
        true = at is not None and abs(at - max(ends[row["id"]])) <= TOLERANCE
        verdict.hold(true, f"job {row['id']} ended at {at}, its last operation at {max(ends[row['id']])}")
    verdict.facts["jobs whose end is true in the cloud"] = len(jobs)


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
    """`notes` in the order of their answers: what was told last of each is what is there; what was taken back is not."""
    told: dict[str, dict] = {}
    for note in notes:
        if note["method"] == "DELETE":
            del told[note["row"]]
        else:
            row = note["answer"]["data"]["operation_quantity"]
            split = (note["body"] or {}).get("scrap_reasons", told.get(row["id"], {}).get("split", []))
            told[row["id"]] = {**row, "split": split}
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
        splits = reasons(ours["split"]), reasons((theirs.get("metadata") or {}).get("scrap_reasons", []))
        verdict.hold(
            one not in there or splits[0] == splits[1],
            f"quantity {one}: scrapped for {splits[0]}, in the cloud {splits[1]}",
        )
    sums = [sum(row["quantity_good"] for row in side.values()) for side in (told, there)]
    verdict.hold(sums[0] == sums[1], f"{sums[0]} good pieces booked, {sums[1]} in the cloud")
    verdict.facts["quantities that stand"] = len(told)
    verdict.facts["corrections and withdrawals of quantities"] = sum(note["method"] != "POST" for note in notes)
    verdict.facts["good pieces booked, and in the cloud"] = sums[1]


def reasons(split: list[dict]) -> dict[str, int]:
    return {one["scrap_reason_id"]: one["quantity"] for one in split}


def order(verdict: Verdict, notes: list[dict], log: list[dict]) -> None:
    """The quantities of one operation were written in the order in which they were booked; one that was soon taken back need
    not have been.
    """
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
    taken_back = {note["row"] for note in notes if note["method"] == "DELETE"}
    booked: dict[str, list[str]] = defaultdict(list)
    for note in notes:
        if note["method"] == "POST":
            booked[note["operation"]].append(note["answer"]["data"]["operation_quantity"]["id"])
    for operation, ids in booked.items():
        expected = [one for one in ids if one in written[operation] or one not in taken_back]
        verdict.hold(written[operation] == expected, f"operation {operation}: quantities were written in another order")
    verdict.facts["operations whose order was looked at"] = len(booked)


def show(stretches: list) -> str:
    return ", ".join(f"{start:%H:%M:%S.%f}-{end:%H:%M:%S.%f}" for start, end in stretches) or "nothing"
