"""Which lane goes next."""

import pytest

from gateway.cloud.lanes import BACKLOG_TURN, LIVE_S, Lanes

LATER_S = LIVE_S + 1


def turn(lanes, now_s=LATER_S, *, backlog_max=3, beside=()):
    lane = lanes.next(now_s, beside=beside, backlog_max=backlog_max)
    return lane and lane.name


@pytest.fixture
def lanes():
    """Four job trees have waited for an hour; two were touched just now."""
    lanes = Lanes(0, {})
    lanes.seen([(seq, f"job:old-{seq}") for seq in range(1, 5)], 0.0, suspect=False)
    lanes.seen([(5, "job:new-5"), (6, "job:new-6")], LATER_S, suspect=False)
    return lanes


def test_what_happens_now_overtakes_the_backlog_oldest_first(lanes):
    assert [turn(lanes) for _ in range(3)] == ["job:new-5", "job:new-6", "job:old-1"]


def test_the_backlog_has_turns_of_its_own(lanes):
    lanes.seen([(seq, f"job:new-{seq}") for seq in range(7, 12)], LATER_S, suspect=False)
    names = [turn(lanes) for _ in range(2 * BACKLOG_TURN)]
    assert [place for place, name in enumerate(names, 1) if "old" in name] == [BACKLOG_TURN, 2 * BACKLOG_TURN]


def test_unless_there_is_no_room_for_it(lanes):
    assert [turn(lanes, backlog_max=0) for _ in range(3)] == ["job:new-5", "job:new-6", None]


def test_only_who_could_not_go_has_a_time_to_go(lanes):
    assert lanes.next_try_s(LATER_S) is None  # all of them could
    lane = lanes.next(LATER_S, beside=(), backlog_max=3)
    lane.busy, lane.next_try_s = False, LATER_S + 5
    assert lanes.next_try_s(LATER_S) == LATER_S + 5


def test_the_backlog_never_takes_the_last_place():
    lanes = Lanes(0, {})
    lanes.seen([(seq, f"job:old-{seq}") for seq in range(1, 5)], 0.0, suspect=False)
    assert [turn(lanes) for _ in range(4)] == ["job:old-1", "job:old-2", "job:old-3", None]
    lanes.seen([(9, "job:new-9")], LATER_S, suspect=False)
    assert turn(lanes) == "job:new-9"


def test_what_was_there_before_the_start_is_backlog():
    lanes = Lanes(0, {})
    lanes.seen([(1, "job:old-1")], 100.0, suspect=True)
    lanes.seen([(2, "job:new-2")], 100.0, suspect=False)
    assert [turn(lanes, 100.0), turn(lanes, 100.0)] == ["job:new-2", "job:old-1"]


def test_rows_that_the_trees_hang_on_are_never_backlog():
    lanes = Lanes(0, {})
    lanes.seen([(1, "job:old-1"), (2, "cells:c1")], 0.0, suspect=False)
    assert turn(lanes) == "cells:c1"


def test_a_lane_that_goes_on_is_as_old_as_its_oldest_entry(lanes):
    lane = lanes.next(LATER_S, beside=("job:new-5", "job:new-6"), backlog_max=3)
    lanes.seen([(7, lane.name)], LATER_S, suspect=False)
    lane.busy = False
    lanes.finished(lane, 1)
    assert turn(lanes) == "job:new-5"
