"""A stretch of the journal becomes steps."""

import json
from datetime import UTC, datetime, timedelta

from gateway.cloud import plan
from gateway.outbox.event import Entry

NOW = datetime(2026, 11, 2, 7, 0, tzinfo=UTC)


def entry(seq, kind, row, op="update", fields=("status",), *, age_s=0, origin="gw", data=None):
    table, row_id = row
    at = (NOW - timedelta(seconds=age_s)).isoformat()
    changes = [
        {"table": table, "id": row_id, "op": op, "version": 1, "fields": list(fields) if op == "update" else None}
    ]
    return Entry(
        seq,
        f"event-{seq}",
        kind,
        "job:j",
        f"operation:{row_id}",
        origin,
        at,
        at,
        1,
        json.dumps(data or {}),
        json.dumps(changes),
    )


def started(seq, *, age_s=0, origin="gw"):
    data = {"previous_status": "not_started", "new_status": "in_progress", "started_at": NOW.isoformat()}
    return entry(seq, "operation.started", ("operations", "o1"), age_s=age_s, origin=origin, data=data)


def completed(seq, *, age_s=0):
    data = {"previous_status": "in_progress", "new_status": "completed", "completed_at": NOW.isoformat()}
    return entry(seq, "operation.completed", ("operations", "o1"), age_s=age_s, data=data)


def quantity(seq):
    return entry(seq, "production.quantity_reported", ("operation_quantities", f"q{seq}"), "insert")


def verbs(steps):
    return [step.verb for step in steps]


def test_fresh_transitions_stand_alone_and_the_rest_is_folded():
    steps = plan.steps([started(1), quantity(2), quantity(3), completed(4)], now=NOW, live=True)
    assert verbs(steps) == ["start", None, "complete"]
    assert [intent.id for intent in steps[1].intents] == ["q2", "q3"]


def test_a_standstill_is_no_press_of_a_button():
    data = {
        "previous_status": "not_started",
        "new_status": "on_hold",
        "paused_at": NOW.isoformat(),
        "cause": "standstill",
    }
    held = entry(1, "operation.paused", ("operations", "o1"), data=data)
    data = {
        "previous_status": "on_hold",
        "new_status": "not_started",
        "resumed_at": NOW.isoformat(),
        "cause": "standstill",
    }
    released = entry(2, "operation.resumed", ("operations", "o1"), data=data)
    (step,) = plan.steps([held], now=NOW, live=True)
    assert (step.verb, step.execution) == (None, {"o1": {"status": "on_hold"}})
    (step,) = plan.steps([held, released], now=NOW, live=True)
    assert (step.verb, step.execution) == (None, {"o1": {"status": "not_started", "paused_at": None}})


def test_late_transitions_are_folded_into_one_change():
    steps = plan.steps([started(1, age_s=600), quantity(2), completed(3, age_s=500)], now=NOW, live=True)
    assert verbs(steps) == [None]
    (step,) = steps
    assert step.execution["o1"]["status"] == "completed"
    assert step.execution["o1"]["started_at"] == NOW.isoformat()
    assert [(intent.table, intent.seqs) for intent in step.intents] == [
        ("operations", [1, 3]),
        ("operation_quantities", [2]),
    ]


def test_without_lifecycle_calls_everything_is_folded():
    assert verbs(plan.steps([started(1), completed(2)], now=NOW, live=False)) == [None]


def test_nobody_is_sent_his_own_echo():
    steps = plan.steps([started(1, origin="cloud")], now=NOW, live=True)
    assert [step.intents for step in steps] == [[]]


def test_before_a_lifecycle_call_the_operation_stands_as_it_did_before_that_call():
    steps = plan.steps([started(1, age_s=600), completed(2)], now=NOW, live=True)
    assert verbs(steps) == [None, "complete"]
    assert steps[0].execution["o1"]["status"] == "in_progress"


def test_a_row_that_was_made_and_deleted_is_only_deleted():
    made = entry(1, None, ("operation_quantities", "q1"), "insert")
    gone = entry(2, None, ("operation_quantities", "q1"), "delete")
    ((intent,),) = [step.intents for step in plan.steps([made, gone], now=NOW, live=True)]
    assert (intent.op, intent.seqs) == ("delete", [1, 2])


def test_what_was_written_by_a_clock_that_was_wrong_goes_up_corrected():
    right = (NOW + timedelta(hours=1)).isoformat()
    correction = entry(2, None, ("operations", "o1"), fields=("started_at",), data={"corrected": {"started_at": right}})
    (step,) = plan.steps([started(1, age_s=90), correction], now=NOW, live=True)
    assert step.execution["o1"] == {"status": "in_progress", "started_at": right, "paused_at": None}
    (step,) = plan.steps([correction], now=NOW, live=True)  # the start has been sent before
    assert (step.execution, step.intents[0].fields) == ({}, {"started_at"})


def test_entries_that_change_which_files_a_row_lists_are_named():
    part, issue = ("parts", "p1"), ("issues", "i1")
    entries = [
        entry(1, None, part, "insert"),
        entry(2, None, part, fields=("material",)),
        entry(3, None, part, fields=("image_paths", "updated_at")),
        entry(4, None, issue, fields=("image_paths",)),
        entry(5, None, ("cells", "c1"), "insert"),
    ]
    (step,) = plan.steps(entries, now=NOW, live=True)
    assert {one.table: one.files for one in step.intents} == {"parts": [1, 3], "issues": [4], "cells": []}
