"""Which lanes go next to a hub."""

from gateway.upstream.waiting import BACKLOG_TURN, Waiting

A, B, C = "job:a", "job:b", "cells:c"


def names(lanes) -> list[str]:
    return [lane.name for lane in lanes]


def test_what_was_just_written_goes_first_with_its_backlog():
    waiting = Waiting(0, {})
    waiting.seen([(1, A), (2, B)], live=False)
    waiting.seen([(3, B)], live=True)
    assert names(waiting.take(1, 0.0)) == [B]
    assert names(waiting.take(5, 0.0)) == [A]
    assert waiting.take(5, 0.0) == []


def test_every_fourth_turn_begins_with_the_oldest():
    waiting = Waiting(0, {})
    waiting.seen([(1, A)], live=False)
    waiting.seen([(seq, f"job:{seq}") for seq in range(2, 10)], live=True)
    first = [names(waiting.take(1, 0.0))[0] for _ in range(BACKLOG_TURN)]
    assert first.index(A) == BACKLOG_TURN - 1


def test_the_watermark_is_before_the_oldest_that_is_not_done():
    waiting = Waiting(10, {B: 12})
    waiting.seen([(11, A), (12, B), (13, B), (14, C)], live=False)
    lanes = {lane.name: lane for lane in waiting.take(9, 0.0)}
    assert lanes[B].done == 12  # what an earlier self has sent is not sent again
    waiting.finished(lanes[B], 13)
    waiting.finished(lanes[C], 14)
    assert waiting.watermark() == 10
    waiting.finished(lanes[A], 11)
    assert (waiting.watermark(), len(waiting)) == (14, 0)


def test_a_lane_that_could_not_go_waits_and_new_entries_do_not_push_it():
    waiting = Waiting(0, {})
    waiting.seen([(1, A)], live=False)
    (lane,) = waiting.take(1, 0.0)
    waiting.later(lane, 5.0)
    waiting.seen([(2, A)], live=True)
    assert waiting.take(1, 4.0) == []
    assert waiting.next_try_s() == 5.0
    assert names(waiting.take(1, 5.0)) == [A]


def test_a_lane_that_is_not_through_comes_again_and_one_without_room_at_once():
    waiting = Waiting(0, {})
    waiting.seen([(1, A), (2, A), (3, B)], live=False)
    first, second = waiting.take(2, 0.0)
    waiting.give_back([second])
    waiting.finished(first, 1)
    assert names(waiting.take(2, 0.0)) == [B, A]


def test_parked_entries_of_a_quiet_lane_wake_it():
    waiting = Waiting(7, {})
    waiting.wake(A)
    (lane,) = waiting.take(1, 0.0)
    assert lane.done == 7
    waiting.finished(lane, 7)
    assert (len(waiting), waiting.watermark()) == (0, 7)


def test_rows_outside_the_trees_may_be_what_others_hang_on():
    waiting = Waiting(0, {})
    waiting.seen([(1, C), (2, A)], live=False)
    assert waiting.rows_before(2)
    assert not waiting.rows_before(1)


def test_files_have_a_line_of_their_own_and_nothing_waits_for_them():
    waiting = Waiting(0, {})
    waiting.seen([(1, "files:x"), (2, A), (3, "files:y"), (4, A)], live=True)
    assert names(waiting.take(9, 0.0)) == [A]
    first = waiting.take_file(0.0)
    assert (first.name, waiting.files()) == ("files:x", 2)
    assert not waiting.rows_before(4)
    waiting.later(first, 5.0)
    second = waiting.take_file(0.0)
    assert second.name == "files:y"
    assert waiting.take_file(4.0) is None
    waiting.finished(second, 3)
    assert waiting.take_file(5.0) is first
    assert (waiting.watermark(), waiting.files()) == (0, 1)
