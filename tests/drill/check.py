"""The judge: what stations and office were told against what the cloud has, what the gateways have and what MQTT said.

Reads files only. What is said of presses, quantities and final rows knows nothing of the gateway's inside; that all levels say
the same is looked up in their databases (`sides.py`).
"""

import argparse
import contextlib
import json
import sqlite3
from collections import Counter
from pathlib import Path

import final_rows
import presses
import sides
from judging import OK, Verdict, lines

SHOWN_MAX = 40  # faults


def judge(folder: Path) -> Verdict:
    verdict = Verdict()
    case, cloud, log = (json.loads((folder / f"{name}.json").read_text()) for name in ("case", "cloud", "cloud-log"))
    notes, office = lines(folder / "notes.jsonl"), lines(folder / "office.jsonl")
    won = [note for note in notes if note["status"] in OK]
    verdict.facts["mutations acknowledged"] = len(won)
    verdict.facts["kinds of them"] = len({(note["kind"], note["method"], note.get("table")) for note in won})
    verdict.facts["answers that were replays"] = sum(note["replayed"] for note in won)
    verdict.hold(len({note["key"] for note in won}) == len(won), "a key was acknowledged twice")
    presses.judge(verdict, notes, cloud, case["exact"], log)
    with contextlib.ExitStack() as stack:
        site, *cells = [stack.enter_context(opened(path)) for path in (case["site"], *case["cells"].values())]
        by_name = dict(zip(case["cells"], cells, strict=True))
        waiting = {row["row_id"] for box in (site, *cells) for row in sides.site_conflicts(box)}
        final_rows.judge(verdict, won, cloud, json.loads((folder / "plan.json").read_text()), waiting)
        final_rows.office(verdict, office, won, cloud, site, waiting)
        levels(verdict, site, by_name, cloud, swapped=case["swapped"])
        for name, path in case["brokers"].items():
            mqtt(verdict, stack.enter_context(opened(path)), lines(folder / f"heard-{name}.jsonl"))
    watched(verdict, lines(folder / "seen.jsonl"))
    return verdict


@contextlib.contextmanager
def opened(path: str):
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def levels(
    verdict: Verdict, site: sqlite3.Connection, cells: dict, cloud: dict[str, list[dict]], *, swapped: bool
) -> None:
    verdict.faults += sides.apart(site, [*cells.values()], cloud)
    open_ = [(name, *row) for name, box in {"site": site, **cells}.items() for row in sides.site_conflicts(box)]
    for one in open_:
        print(f"  open conflict  {' '.join(one)}")
    verdict.facts["conflicts that wait for a person"] = len(open_)
    resolved = "SELECT count(*) FROM cloud_conflicts WHERE resolution IS NOT NULL"
    verdict.facts["conflicts settled by a rule"] = sum(
        box.execute(resolved).fetchone()[0] for box in (site, *cells.values())
    )
    if cells:
        wrong, count = sides.journals(site, cells)
        verdict.faults += wrong
        verdict.facts["entries of the cells, each once in the site's journal"] = count
    wrong, count = sides.files(site, cells, swapped=swapped)
    verdict.faults += wrong
    verdict.facts["files, whole at every level that has them"] = count


def watched(verdict: Verdict, seen: list[dict]) -> None:
    """At any time: what was accepted is sent, waits, is parked or was skipped; and it never becomes less."""
    highest: Counter[str] = Counter()
    last: dict[str, dict] = {}
    for one in seen:
        name, counts = one["gateway"], [one[part] for part in ("sent", "pending", "parked", "skipped")]
        verdict.hold(one["accepted"] == sum(counts) and min(counts) >= 0, f"{name}: not all is accounted for: {one}")
        verdict.hold(one["accepted"] >= highest[name], f"{name}: {highest[name]} entries were accepted before: {one}")
        highest[name] = max(highest[name], one["accepted"])
        last[name] = one
    for name, one in last.items():
        verdict.hold(one["pending"] == one["parked"] == 0, f"{name} in the end: {one}")
    verdict.facts["looks at /healthz, everything accounted for"] = len(seen)


def mqtt(verdict: Verdict, box: sqlite3.Connection, heard: list[dict]) -> None:
    """Whoever listened knows of everything that was missed: each message names the one before it."""
    journal = [row[0] for row in box.execute("SELECT seq FROM events WHERE type IS NOT NULL ORDER BY seq")]
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
    for name, count in (
        ("events heard on MQTT", messages),
        ("events missed there, each inside a gap that shows", missed),
    ):
        verdict.facts[name] = verdict.facts.get(name, 0) + len(count)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--folder", type=Path, required=True, help="of the drill")
    verdict = judge(arguments.parse_args().folder)
    for name, value in verdict.facts.items():
        print(f"  {value:>8}  {name}")
    for fault in verdict.faults[:SHOWN_MAX]:
        print(f"  FAULT     {fault}")
    well = "0 lost, 0 doubled, order kept, times true, sums equal, all levels say the same"
    print(f"{len(verdict.faults)} faults" if verdict.faults else well)
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
