"""Which lane goes next."""

import random

import pytest

from gateway.cloud.lanes import BACKLOG_TURN, LIVE_S, RECENT_S, Lanes
from gateway.cloud.worth import FACT, PLAN, TRANSITION

LATER_S = LIVE_S + 1


def entries(*names, first=1, worth=PLAN):
    """One entry for each lane, in order."""
    return [(seq, name, worth, 1) for seq, name in enumerate(names, first)]


def old(*numbers):
    return entries(*(f"job:old-{number}" for number in numbers), first=numbers[0])


def new(*numbers):
    return entries(*(f"job:new-{number}" for number in numbers), first=numbers[0])


def taken(lanes, now_s=LATER_S, *, backlog_max=3, beside=(), short=False):
    return lanes.next(now_s, beside=beside, backlog_max=backlog_max, short=short)


def turn(lanes, now_s=LATER_S, **more):
    lane = taken(lanes, now_s, **more)
    return lane and lane.name


@pytest.fixture
def lanes():
    """Four job trees have waited for an hour; two were touched just now."""
    lanes = Lanes(0, {})
    lanes.seen(old(1, 2, 3, 4), 0.0, old=False, suspect=False)
    lanes.seen(new(5, 6), LATER_S, old=False, suspect=False)
    return lanes


def test_what_happens_now_overtakes_the_backlog_oldest_first(lanes):
    assert [turn(lanes) for _ in range(3)] == ["job:new-5", "job:new-6", "job:old-1"]


def test_the_backlog_has_turns_of_its_own(lanes):
    lanes.seen(new(7, 8, 9, 10, 11), LATER_S, old=False, suspect=False)
    names = [turn(lanes) for _ in range(2 * BACKLOG_TURN)]
    assert [place for place, name in enumerate(names, 1) if "old" in name] == [BACKLOG_TURN, 2 * BACKLOG_TURN]


def test_unless_there_is_no_room_for_it(lanes):
    assert [turn(lanes, backlog_max=0) for _ in range(3)] == ["job:new-5", "job:new-6", None]


def test_only_who_could_not_go_has_a_time_to_go(lanes):
    assert lanes.next_try_s(LATER_S) is None  # all of them could
    lane = taken(lanes)
    lane.next_try_s = LATER_S + 5
    lanes.release(lane, LATER_S)
    assert lanes.next_try_s(LATER_S) == LATER_S + 5
    assert lanes.next_try_s(LATER_S + 5) is None
    assert turn(lanes, LATER_S + 5) == "job:new-5"


def test_the_backlog_never_takes_the_last_place():
    lanes = Lanes(0, {})
    lanes.seen(old(1, 2, 3, 4), 0.0, old=False, suspect=False)
    busy = [taken(lanes) for _ in range(4)]
    assert [lane and lane.name for lane in busy] == ["job:old-1", "job:old-2", "job:old-3", None]
    lanes.seen(new(9), LATER_S, old=False, suspect=False)
    assert turn(lanes) == "job:new-9"
    lanes.finished(busy[0], 1)
    lanes.release(busy[0], LATER_S)
    assert turn(lanes) == "job:old-4"


def test_what_was_there_before_the_start_is_backlog():
    lanes = Lanes(0, {})
    lanes.seen(old(1), 100.0, old=True, suspect=True)
    lanes.seen(new(2), 100.0, old=False, suspect=False)
    assert [turn(lanes, 100.0), turn(lanes, 100.0)] == ["job:new-2", "job:old-1"]


def test_rows_that_the_trees_hang_on_are_never_backlog():
    lanes = Lanes(0, {})
    lanes.seen(entries("job:old-1", "cells:c1"), 0.0, old=False, suspect=False)
    assert turn(lanes) == "cells:c1"


def test_of_a_backlog_what_people_did_goes_before_what_they_counted_and_that_before_plans():
    lanes = Lanes(0, {})
    lanes.seen(old(1, 2), 0.0, old=False, suspect=False)
    lanes.seen(entries("job:counted", first=3, worth=FACT), 0.0, old=False, suspect=False)
    lanes.seen(entries("job:worked", first=4, worth=TRANSITION), 0.0, old=False, suspect=False)
    assert [turn(lanes, backlog_max=9) for _ in range(4)] == ["job:worked", "job:counted", "job:old-1", "job:old-2"]


def test_a_plan_that_is_worked_on_later_moves_forward_as_a_whole():
    lanes = Lanes(0, {})
    lanes.seen(old(1, 2), 0.0, old=False, suspect=False)
    lanes.seen(entries("job:old-2", first=3, worth=TRANSITION), 0.0, old=False, suspect=False)
    lane = taken(lanes)
    assert (lane.name, lane.first, lane.newest) == ("job:old-2", 2, 3)
    assert [turn(lanes), turn(lanes)] == ["job:old-1", None]


def test_a_lane_that_goes_on_is_as_old_as_what_is_left_of_it(lanes):
    lane = taken(lanes, beside=("job:new-5", "job:new-6"))
    lanes.seen(entries(lane.name, first=7), LATER_S, old=False, suspect=False)
    lanes.finished(lane, 1)
    lanes.release(lane, LATER_S)
    assert [turn(lanes, backlog_max=0) for _ in range(3)] == ["job:new-5", "job:new-6", lane.name]


def test_one_that_still_has_some_of_its_backlog_gets_no_lift_from_new_work(lanes):
    lanes.seen(entries("job:old-1", first=7), 0.0, old=False, suspect=False)
    lane = taken(lanes, beside=("job:new-5", "job:new-6"))
    lanes.seen(entries(lane.name, first=8), LATER_S, old=False, suspect=False)
    lanes.finished(lane, 1)
    lanes.release(lane, LATER_S)
    assert turn(lanes, backlog_max=0, beside=("job:new-5", "job:new-6")) is None


def test_who_must_not_go_now_keeps_his_place(lanes):
    assert turn(lanes, beside=("job:new-5",)) == "job:new-6"
    assert turn(lanes) == "job:new-5"


def test_what_was_read_beyond_what_was_seen_is_nobody_elses():
    """A lane may be answered for further than the journal was looked through; what comes after that is its own all the same."""
    lanes = Lanes(0, {})
    lanes.seen(entries("job:a"), 0.0, old=False, suspect=False)
    lane = taken(lanes, 0.0, backlog_max=3)
    lanes.finished(lane, 1)  # the first of two steps, the second is entry 2
    assert not lanes.idle("job:a")
    lanes.seen(entries("job:a", "job:a", first=2), 0.0, old=False, suspect=False)
    assert turn(lanes, 0.0) is None  # one at a time
    lanes.finished(lane, 2)
    lanes.release(lane, 0.0)
    assert lanes.watermark() == 2
    again = taken(lanes, 0.0, backlog_max=3)
    assert (again.name, again.done, again.newest) == ("job:a", 2, 3)


def test_the_watermark_never_passes_what_is_not_done():
    """Against a plain list of what is open, whatever the order in which lanes are done."""
    rng, open_ = random.Random(4), {}
    lanes, seq = Lanes(0, {}), 0
    for _ in range(3_000):
        for _ in range(rng.randint(0, 3)):
            seq += 1
            name = f"job:{rng.randint(1, 40)}"
            open_.setdefault(name, []).append(seq)
            lanes.seen([(seq, name, rng.randint(TRANSITION, PLAN), 1)], float(seq), old=False, suspect=False)
        lane = taken(lanes, float(seq), backlog_max=4)
        if lane is not None:
            assert lane.done < open_[lane.name][0]
            upto = rng.choice(open_[lane.name])
            open_[lane.name] = [one for one in open_[lane.name] if one > upto]
            lanes.finished(lane, upto)
            lanes.release(lane, float(seq))
        left = [one for waiting in open_.values() for one in waiting]
        assert lanes.watermark() <= min(left, default=seq + 1) - 1
    while lane := taken(lanes, float(seq), backlog_max=4):
        lanes.finished(lane, lane.newest)
        lanes.release(lane, float(seq))
    assert lanes.watermark() == seq
    assert len(lanes) == 0
    assert (lanes.left, lanes.gone) == (pytest.approx(0, abs=1e-6), pytest.approx(seq))


def test_an_entry_that_is_to_be_tried_again_holds_nothing_up():
    lanes = Lanes(0, {})
    lanes.seen(entries("job:a", "job:b"), 0.0, old=False, suspect=False)
    for seq in (1, 2):
        lane = taken(lanes, 0.0, backlog_max=3)
        lanes.finished(lane, seq)
        lanes.release(lane, 0.0)
    lanes.wake("job:a", 0.0)
    lane = taken(lanes, 0.0, backlog_max=3)
    lane.failures, lane.next_try_s = 1, 5.0  # not yet
    lanes.release(lane, 0.0)
    assert turn(lanes, 0.0) is None
    lane = taken(lanes, 5.0, backlog_max=3)
    lane.failures = 0
    lanes.finished(lane, max(lane.newest, lane.done))
    lanes.release(lane, 5.0)
    lanes.seen(entries("job:c", first=3), 5.0, old=False, suspect=False)
    assert lanes.watermark() == 2


def test_while_requests_run_short_what_is_old_waits_and_what_a_short_silence_has_held_up_does_not():
    lanes = Lanes(0, {})
    lanes.seen(old(1), 0.0, old=False, suspect=False)
    lanes.seen(entries("job:held-2", first=2, worth=FACT), RECENT_S - 300.0, old=False, suspect=False)
    lanes.seen(new(3), RECENT_S, old=False, suspect=False)
    lanes.seen(entries("job:planned-4", first=4), RECENT_S - 300.0, old=False, suspect=False)
    assert [turn(lanes, RECENT_S, short=True) for _ in range(3)] == ["job:new-3", "job:held-2", None]
    assert [turn(lanes, RECENT_S), turn(lanes, RECENT_S)] == ["job:old-1", "job:planned-4"]
