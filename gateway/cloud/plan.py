"""What to send for a stretch of the journal. Pure.

A stretch of one lane is cut into steps. A fresh transition of an operation is a step of its own: it goes through the cloud's
lifecycle call, so that the cloud's own webhooks fire. Everything between such steps is folded: per row one create, one change
or one delete, in the order in which the rows were first touched.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from gateway.cloud.mapping import FILES_IN, WHOLE, cloud_fields, forwarded
from gateway.kernel import clock as time_
from gateway.operations.model import STANDSTILL
from gateway.outbox.event import CLOUD, Entry, EventType

FRESH = timedelta(seconds=60)

LIFECYCLE = {
    "operation.started": "start",
    "operation.paused": "pause",
    "operation.resumed": "resume",
    "operation.completed": "complete",
}
# verb -> (the status it leads to, the column that holds its time, columns that it empties)
EFFECTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "start": ("in_progress", "started_at", ("paused_at",)),
    "pause": ("on_hold", "paused_at", ()),
    "resume": ("in_progress", "resumed_at", ("paused_at",)),
    "complete": ("completed", "completed_at", ()),
}
# What corrections change as well, between the transitions and after them.
SUMS = frozenset(("actual_time", "completion_percentage"))


@dataclass(slots=True)
class Intent:
    """What is to become of one row. `fields` None: all of it. `seqs`: the entries that asked for it, `files`: those of
    them that changed which files it lists. `decided`: the columns that go up whatever we believe stands there, because a
    person has decided so.
    """

    table: str
    id: str
    op: str  # insert | update | delete
    fields: set[str] | None = None
    seqs: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    old: Mapping[str, Any] | None = None  # a deleted row, as it was
    decided: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Step:
    """Entries that are answered for together. `verb`: the lifecycle call that they are, None when they are folded.

    `execution` holds an operation's state as the folded events left it: operation id -> columns.
    """

    entries: list[Entry]
    intents: list[Intent]
    verb: str | None = None
    execution: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def last_seq(self) -> int:
        return self.entries[-1].seq


def steps(entries: Sequence[Entry], *, now: datetime, live: bool) -> list[Step]:
    """`entries` of one lane in order. `live`: lifecycle calls may be used for what is fresh."""
    cut: list[Step] = []
    for entry in entries:
        verb = _verb(entry) if live and entry.origin != CLOUD and fresh(entry, now) else None
        if verb or not cut or cut[-1].verb:
            cut.append(Step([], [], verb))
        cut[-1].entries.append(entry)
    for step in cut:
        _fill(step)
    for place, step in enumerate(cut):
        if step.verb is None:
            _hold_back(step, cut[place + 1 :])
    return [step for step in cut if step.entries]


def fresh(entry: Entry, now: datetime) -> bool:
    return now - time_.parse(entry.occurred_at) < FRESH


def stamps(entry: Entry) -> dict[str, Any]:
    """The columns of the operation as a lifecycle event left them, in the cloud's words."""
    data = json.loads(entry.data or "{}")
    status, column, emptied = EFFECTS[LIFECYCLE[entry.type or ""]]
    values = {"status": data.get("new_status", status), **dict.fromkeys(emptied)}
    if data.get(column) and data.get("cause") != STANDSTILL:
        values[column] = data[column]
    for name in ("actual_time", "completion_percentage"):
        if data.get(name) is not None:
            values[name] = data[name]
    return values


def _verb(entry: Entry) -> str | None:
    """A standstill is no press of a button: the cloud's call would end the time of everybody who waits beside it."""
    verb = LIFECYCLE.get(entry.type or "")
    return None if verb and json.loads(entry.data or "{}").get("cause") == STANDSTILL else verb


def _fill(step: Step) -> None:
    intents: dict[tuple[str, str], Intent] = {}
    for entry in step.entries:
        if entry.origin == CLOUD:
            continue  # nobody is sent his own echo
        for change in json.loads(entry.changes):
            _fold(intents, change, entry.seq, decided=entry.type == EventType.CONFLICT_RESOLVED)
            for corrected in SUMS.intersection(change["fields"] or () if change["op"] == "update" else ()):
                step.execution.get(change["id"], {}).pop(corrected, None)  # as it stands now, not as an event left it
        if entry.type in LIFECYCLE:
            operation_id = entry.aggregate.partition(":")[2]
            step.execution.setdefault(operation_id, {}).update(stamps(entry))
        elif entry.data and (known := step.execution.get(entry.aggregate.partition(":")[2])):
            known |= json.loads(entry.data).get("corrected", {})  # the clock was wrong when the events were written
    step.intents = list(intents.values())


def _fold(
    intents: dict[tuple[str, str], Intent], change: Mapping[str, Any], seq: int, *, decided: bool = False
) -> None:
    table, row_id, op = change["table"], change["id"], change["op"]
    if not forwarded(table):
        return
    known = intents.setdefault((table, row_id), Intent(table, row_id, op, None if op != "update" else set()))
    known.seqs.append(seq)
    if _lists_other_files(change):
        known.files.append(seq)
    if op == "delete":
        known.op, known.fields, known.old = "delete", None, change["fields"]
        return
    names = _fields(table, change["fields"] or ()) if op == "update" else set()
    known.decided |= names if decided else set()
    if known.fields is not None:
        known.fields |= names


def _lists_other_files(change: Mapping[str, Any]) -> bool:
    names = FILES_IN.get(change["table"])
    if names is None or change["op"] == "delete":
        return False
    return change["op"] == "insert" or not names.isdisjoint(change["fields"] or ())


def _fields(table: str, names: Sequence[str]) -> set[str]:
    """A time entry or quantity goes up as it stands, whatever of it changed."""
    return set(names) if table in WHOLE else cloud_fields(table, names)


def _hold_back(step: Step, later: Sequence[Step]) -> None:
    """Before a lifecycle call an operation must stand in the cloud as it did before that call, not as it does now."""
    for live in later:
        entry = live.entries[0]
        previous = json.loads(entry.data or "{}").get("previous_status") if live.verb else None
        if previous:
            operation_id = entry.aggregate.partition(":")[2]
            step.execution.setdefault(operation_id, {}).setdefault("status", previous)
