"""All other rows: each that was answered 2xx is in the cloud once as it was told last, what was deleted is gone."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from judging import Verdict, alike

ABOVE = {"parts": "job_id", "operations": "part_id"}
BELOW = {"jobs": "parts", "parts": "operations"}
FUNCTIONS = ("cells", "resources", "scrap_reasons", "jobs", "parts", "operations", "issues", "substeps", "assignments")
FUNCTIONS += ("substep_templates",)
NOT_ROWS_THERE = ("operation_quantities", "operation_batches")  # looked at in `presses`; known to gateways only
BY_HAND = ("time_entries",)  # those of presses have ids that nobody was told
JOB_STATES = {
    "job start": "in_progress",
    "job stop": "on_hold",
    "job resume": "in_progress",
    "job complete": "completed",
}
LOCAL_NAMES = {"priority", "parts", "operations", "scrap_reasons"}  # the cloud has them elsewhere, or as rows


@dataclass
class Row:
    """What was told of it: `values` by column."""

    values: dict = field(default_factory=dict)
    gone: bool = False


Rows = dict[tuple[str, str], Row]


def judge(
    verdict: Verdict, won: list[dict], cloud: dict[str, list[dict]], plan: dict, waiting: Collection[str]
) -> None:
    """`waiting`: ids of rows with an open conflict, about which both sides may differ."""
    rows = told(won)
    for table in (*FUNCTIONS, *BY_HAND):
        seen = Counter(row["id"] for row in cloud[table])
        there = {row["id"]: row for row in cloud[table] if not row.get("deleted_at")}
        known = {row_id for name, row_id in rows if name == table} | {row["id"] for row in plan.get(table, ())}
        if table in ABOVE:  # an ERP is not told the ids of what lies below its order
            orders = {row_id for name, row_id in rows if name == ABOVE_TABLE[table]} | erp_rows(
                cloud, won, ABOVE_TABLE[table]
            )
            known |= {row["id"] for row in there.values() if row[ABOVE[table]] in orders and row["external_source"]}
        doubled = [one for one, times in seen.items() if times > 1]
        verdict.hold(not doubled, f"{table} doubled: {doubled[:3]}")
        foreign = [] if table in BY_HAND else sorted(there.keys() - known)
        verdict.hold(not foreign, f"{len(foreign)} {table} in the cloud that nobody made, e.g. {foreign[:3]}")
        for (name, row_id), row in rows.items():
            if name == table and row_id not in waiting:
                compare(verdict, table, row_id, row, there.get(row_id))
    externals(verdict, won, cloud)
    photos(verdict, won, cloud)
    batches(verdict, won, cloud)
    verdict.facts["other rows, each as it was told last"] = sum(not row.gone for row in rows.values())
    verdict.facts["deleted rows, all of them gone"] = sum(row.gone for row in rows.values())


ABOVE_TABLE = {"parts": "jobs", "operations": "parts"}


def compare(verdict: Verdict, table: str, row_id: str, row: Row, there: dict | None) -> None:
    if row.gone:
        verdict.hold(there is None, f"{table} {row_id} was deleted, and is in the cloud: {there}")
        return
    verdict.hold(there is not None, f"{table} {row_id} is lost: {row.values}")
    for name, value in row.values.items() if there is not None else ():
        theirs = (there["metadata"] or {}).get("priority") if name == "priority" else there[name]
        if name == "metadata":  # with what else is kept in it
            theirs = {key: one for key, one in (theirs or {}).items() if key in value}
        verdict.hold(alike(value, theirs), f"{table} {row_id} {name}: {value!r} was told, {theirs!r} is in the cloud")


def told(won: list[dict]) -> Rows:
    """All that stations made, changed and deleted, as they were told last."""
    rows: Rows = {}
    for note in won:
        table = note.get("table")
        if table is None or table in NOT_ROWS_THERE:
            continue
        if note["method"] == "DELETE":
            for key in family(rows, table, note["row"]):
                rows[key].gone = True
        elif note["kind"] in JOB_STATES:
            rows[table, note["row"]].values["status"] = JOB_STATES[note["kind"]]
        else:
            answer = next(one for one in note["answer"]["data"].values() if isinstance(one, dict) and "id" in one)
            take(rows, table, note["body"], answer)
    return rows


def take(rows: Rows, table: str, body: dict, answer: dict) -> None:
    row = rows.setdefault((table, answer["id"]), Row())
    sent = {name: value for name, value in body.items() if name not in LOCAL_NAMES - {"priority"} and name != "action"}
    row.values |= {name: answer.get(name, value) for name, value in sent.items()}
    below = BELOW.get(table)
    for one, made in zip(body.get(below or "", ()), answer.get(below or "") or (), strict=False):
        take(rows, below, {**one, ABOVE[below]: answer["id"]}, made)


def family(rows: Rows, table: str, row_id: str) -> Iterator[tuple[str, str]]:
    """A row and all that was made below it."""
    yield table, row_id
    below = BELOW.get(table)
    for name, one in [*rows]:
        if name == below and rows[name, one].values.get(ABOVE[name]) == row_id:
            yield from family(rows, name, one)


def erp_rows(cloud: dict, won: list[dict], table: str) -> set[str]:
    names = {note["external"][table] for note in won if note["kind"] == "erp"}
    return {row["id"] for row in cloud[table] if row["external_id"] in names}


def externals(verdict: Verdict, won: list[dict], cloud: dict[str, list[dict]]) -> None:
    """Each order of the ERP, its part and its step once."""
    counts = {table: Counter(row["external_id"] for row in cloud[table]) for table in ("jobs", "parts", "operations")}
    orders = [note["external"] for note in won if note["kind"] == "erp"]
    for order in orders:
        for table, name in order.items():
            verdict.hold(
                counts[table][name] == 1, f"{table} {name} of the ERP is {counts[table][name]} times in the cloud"
            )
    verdict.facts["orders of the ERP, each once with its part and step"] = len(orders) // 2


def photos(verdict: Verdict, won: list[dict], cloud: dict[str, list[dict]]) -> None:
    """The name of an image in the cloud ends in the first 16 digits of its SHA-256."""
    listed = Counter(path for row in cloud["parts"] for path in row["image_paths"] or ())
    deleted = {note["sha256"] for note in won if note["kind"] == "no photo"}
    taken = [note for note in won if note["kind"] == "photo" and note["sha256"] not in deleted]
    for note in taken:
        found = [path for path in listed if note["sha256"][:16] in path]
        verdict.hold(
            len(found) == 1 and listed[found[0]] == 1,
            f"photo {note['sha256'][:16]} of part {note['part']}: {found} in the cloud",
        )
    verdict.hold(len(listed) == len(taken), f"{len(taken)} photos were taken and kept, {len(listed)} are in the cloud")
    verdict.facts["photos of parts"] = len(taken)
    verdict.facts["deleted photos, all of them gone"] = len(deleted)


def batches(verdict: Verdict, won: list[dict], cloud: dict[str, list[dict]]) -> None:
    """A batch goes up as its work."""
    rows = {row["id"]: row for row in cloud["operations"]}
    stopped = [note for note in won if note["kind"] == "batch stop"]
    for one in (operation for note in stopped for operation in note["operations"]):
        status = rows.get(one, {}).get("status")
        verdict.hold(status == "completed", f"operation {one} was completed in a batch, and is {status} in the cloud")
    verdict.facts["batches whose work is completed in the cloud"] = len(stopped)


def office(
    verdict: Verdict,
    acts: list[dict],
    won: list[dict],
    cloud: dict[str, list[dict]],
    site: sqlite3.Connection,
    waiting: Collection[str],
) -> None:
    """What both have changed is the station's on both sides, what only the office has changed is the office's; what is completed
    stays so. Anything else must be an open conflict.
    """
    here = told(won)
    completed = {note["operation"] for note in won if note["kind"] == "complete"}
    worked = {note["operation"] for note in won if note["kind"] == "start"}
    rows = {(table, row["id"]): row for table in ("jobs", "parts", "operations") for row in cloud[table]}
    for act in acts:
        table, row_id = act["table"], act["row"]
        if row_id in waiting:
            continue
        there = rows[table, row_id]
        if act["values"] is None:
            sql = f"SELECT 1 FROM {table} WHERE id = ? AND deleted_at IS NULL"
            verdict.hold(
                there["deleted_at"] is not None, f"{table} {row_id} was deleted in the cloud, and is there again"
            )
            verdict.hold(
                not site.execute(sql, (row_id,)).fetchone(), f"{table} {row_id} was deleted, and is still here"
            )
            continue
        if table == "operations":
            status = here_status(site, row_id)
            verdict.hold(
                there["status"] == status, f"operation {row_id} is {status} here, {there['status']} in the cloud"
            )
            done = row_id in completed or (act["values"]["action"] == "complete" and row_id not in worked)
            verdict.hold(not done or status == "completed", f"operation {row_id} was completed, and is {status}")
            continue
        for name, value in act["values"].items():
            ours = here.get((table, row_id), Row()).values
            wanted = ours.get(name, value)
            verdict.hold(
                there[name] == wanted, f"{table} {row_id} {name}: {wanted!r} by the rule, {there[name]!r} in the cloud"
            )
    verdict.facts["changes by the office, each settled by the rule or open"] = len(acts)


def here_status(site: sqlite3.Connection, row_id: str) -> str:
    return site.execute("SELECT status FROM operations WHERE id = ?", (row_id,)).fetchone()[0]
