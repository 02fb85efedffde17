"""What a decision may do, as a table."""

import pytest

from gateway.cloud.merge import EXECUTION
from gateway.conflicts.rules import Sides, require_sent, to_send, to_take
from gateway.kernel.errors import Conflict, InvalidTransition

RUNS = {"status": "in_progress", "started_at": "2026-11-02T07:00:00Z", "completed_at": None, "notes": "ours"}
DONE = {**RUNS, "status": "completed", "completed_at": "2026-11-02T08:00:00Z", "notes": "theirs"}
WAITS = {**RUNS, "status": "on_hold", "notes": "theirs"}
ALL = frozenset(RUNS)
STATE = ALL - {"notes"}


@pytest.mark.parametrize("table", sorted(EXECUTION))
def test_a_state_is_decided_as_a_whole(table):
    names = to_send(Sides(table, "status", RUNS, WAITS))
    assert names == EXECUTION[table] & ALL
    assert to_take(Sides(table, "status", RUNS, WAITS)) == {"status": "on_hold"}


@pytest.mark.parametrize("field", ["id", "deleted_at"])
def test_a_row_as_a_whole_goes_up_with_everything(field):
    assert to_send(Sides("operations", field, RUNS, WAITS)) == ALL


def test_a_field_of_the_plan_is_decided_alone_whatever_the_state():
    assert to_send(Sides("operations", "notes", RUNS, DONE)) == {"notes"}
    assert to_take(Sides("operations", "notes", DONE, RUNS)) == {"notes": "ours"}
    assert to_take(Sides("operations", "notes", RUNS, DONE, unsent={"status"}, worked_on=True)) == {"notes": "theirs"}


def test_completed_is_taken_back_on_neither_side():
    with pytest.raises(InvalidTransition, match="completed in the cloud"):
        to_send(Sides("operations", "status", RUNS, DONE))
    with pytest.raises(InvalidTransition, match="completed here"):
        to_take(Sides("operations", "status", DONE, RUNS))
    assert to_send(Sides("operations", "status", DONE, RUNS)) == STATE
    assert to_take(Sides("operations", "status", RUNS, DONE)).keys() == {"status", "completed_at"}


def test_nothing_is_completed_under_the_hands_of_somebody():
    with pytest.raises(Conflict, match="time runs on it"):
        to_take(Sides("operations", "status", RUNS, DONE, worked_on=True))
    assert to_take(Sides("operations", "status", RUNS, WAITS, worked_on=True)) == {"status": "on_hold"}


@pytest.mark.parametrize("unsent", [None, {"completed_at"}, {"status", "notes"}])
def test_what_has_not_gone_up_is_not_overwritten(unsent):
    with pytest.raises(Conflict, match="has not gone up"):
        to_take(Sides("operations", "status", RUNS, WAITS, unsent))
    with pytest.raises(Conflict, match="has not gone up"):
        require_sent(Sides("operations", "deleted_at", RUNS, WAITS, unsent))
    assert to_send(Sides("operations", "status", RUNS, WAITS, unsent)) == STATE


def test_both_sides_that_agree_by_now_need_nothing():
    assert to_take(Sides("operations", "status", RUNS, RUNS)) == {}
