"""What is there and what stands in it, without a server: states of orders, nodes, values, what is told."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from plugins.opcua_mirror import nodes
from plugins.opcua_mirror.model import (
    ABORTED,
    CLOSED,
    ENDED,
    HELD,
    READY,
    RUNNING,
    SUSPENDED,
    WAITING,
    Cell,
    Operation,
    moved,
    plan_quality,
    steps,
)

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
OPERATION = Operation(
    id="op-1",
    operation_name="Cut",
    status="not_started",
    sequence=1,
    part_id="p-1",
    part_number="P-7",
    material=None,
    quantity=10,
    job_id="j-1",
    job_number="J-1042",
    job_status="not_started",
    priority=None,
    due_date=None,
    planned_start=None,
    planned_end=None,
    estimated_time=30,
    started_at=None,
    completed_at=None,
    actual_time_s=0,
    completion_percentage=None,
    updated_at="2026-11-30T11:00:00.000Z",
    program=None,
    waits=False,
    held=False,
    confirmed=False,
    operators=0,
    produced=0,
    good=0,
    scrap=0,
    rework=0,
)


def cell(*operations: Operation) -> Cell:
    return Cell("c-1", "Laser", "laser", None, len(operations), 0, operations)


def running(operation_id: str, started_at: str) -> Operation:
    return replace(OPERATION, id=operation_id, status="in_progress", started_at=started_at)


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, READY),
        ({"waits": True}, WAITING),
        ({"job_status": "on_hold"}, WAITING),
        ({"status": "in_progress", "waits": True}, RUNNING),
        ({"status": "on_hold"}, SUSPENDED),
        ({"status": "on_hold", "held": True}, HELD),
        ({"status": "completed"}, ENDED),
        ({"status": "completed", "confirmed": True}, CLOSED),
    ],
)
def test_the_state_of_an_order(given, state):
    assert replace(OPERATION, **given).state is state


def test_every_value_has_its_variable_and_every_variable_its_parent():
    one = cell(running("op-2", "2026-11-30T11:59:00.000Z"), OPERATION)
    made = [*nodes.frame(), *nodes.of_cell(one)]
    seen = {None}
    for node in made:
        assert node.parent in seen, node
        seen.add(node.id)
    variables = {node.id: node.kind for node in made if node.kind is not None}
    shown = nodes.values_of_cell(one, NOW) | nodes.values_of_status({}, "1", behind=False)
    assert {name: value.kind for name, value in shown.items()} == variables
    assert len({node.id for node in made}) == len(made)


def test_the_active_one_is_that_which_was_started_last():
    one = cell(running("old", "2026-11-30T10:00:00.000Z"), running("new", "2026-11-30T11:59:00.000Z"))
    shown = nodes.values_of_cell(one, NOW)
    assert shown["cell/c-1/active/OperationId"].value == "new"
    assert shown["cell/c-1/active/ElapsedSeconds"].value == 60.0
    assert shown["cell/c-1/next/0/OperationId"].value == ""


def test_nothing_is_null_but_times():
    empty = nodes.values_of_cell(cell(), NOW)
    assert {name for name, value in empty.items() if value.value is None} == {"cell/c-1/active/StartedAt"}
    assert nodes.values_of_cell(cell(OPERATION), NOW)["cell/c-1/next/0/Material"].value == ""


def test_more_work_than_there_are_slots():
    queue = [replace(OPERATION, id=f"op-{place}") for place in range(7)]
    shown = nodes.values_of_cell(cell(*queue), NOW)
    assert [shown[f"cell/c-1/next/{place}/OperationId"].value for place in range(5)] == [f"op-{n}" for n in range(5)]


def test_an_entry_of_the_journal_tells_of_a_state():
    data = {"operation_id": "op-1", "new_status": "on_hold"}
    assert moved("operation.paused", data) == ("op-1", SUSPENDED)
    assert moved("operation.paused", {**data, "cause": "standstill"}) == ("op-1", HELD)
    assert moved("operation.started", {**data, "new_status": "in_progress"}) == ("op-1", RUNNING)
    assert moved("job.started", data) is None
    assert moved(None, None) is None


def test_every_state_is_told_once_and_in_order():
    told = [("a", RUNNING), ("a", SUSPENDED), ("a", RUNNING)]
    assert steps({"a": READY}, told, {"a": RUNNING, "b": READY}) == [*told, ("b", READY)]
    assert steps({"a": RUNNING}, [("a", RUNNING)], {"a": RUNNING}) == []
    assert steps({"a": READY}, [], {"a": ABORTED}) == [("a", ABORTED)]
    assert steps({"a": RUNNING}, [("a", ENDED)], {"a": CLOSED}) == [("a", ENDED), ("a", CLOSED)]


@pytest.mark.parametrize(
    ("links", "quality"),
    [
        ({}, "good"),
        ({"cloud-pull": {"state": "off", "since": "2026-11-30T01:00:00.000Z"}}, "good"),
        ({"cloud-pull": {"state": "degraded", "since": "2026-11-30T01:00:00.000Z"}}, "good"),
        ({"cloud-pull": {"state": "down", "since": "2026-11-30T11:56:00.000Z"}}, "good"),
        ({"cloud-pull": {"state": "down", "since": "2026-11-30T11:54:00.000Z"}}, "uncertain"),
    ],
)
def test_a_plan_is_uncertain_once_the_cloud_has_been_away_for_long(links, quality):
    assert plan_quality(links, NOW) == quality


def test_only_what_was_planned_is_uncertain_then():
    shown = nodes.values_of_cell(cell(running("op-1", "2026-11-30T11:59:00.000Z")), NOW, "uncertain")
    quality = {node.rpartition("/")[2]: value.quality for node, value in shown.items() if "/active/" in node}
    uncertain = {name for name, one in quality.items() if one == "uncertain"}
    assert uncertain == nodes.PLANNED - {"DueDate"}
    assert shown["cell/c-1/QueueLength"].quality == "good"
    assert shown["cell/c-1/next/0/JobNumber"].quality == "good"  # an empty slot is not planned
