"""When may an operation move, when does that count as having happened, and what becomes of the time on it."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.jobs.model import Job, Part, Status
from gateway.kernel.errors import InvalidTransition
from gateway.operations import rules
from gateway.operations.model import ChangeOperation, Operation, Pause, TimeEntry, Verb, seconds

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOB = Job("j", "J-1", None, Status.NOT_STARTED, None)
PART = Part("p", "j", "P-1", "Steel", 10, Status.NOT_STARTED, None)
NEW = Operation("o", PART, JOB, "c", "Laser", "Cut", Status.NOT_STARTED, 30, 0, 0, None, None, None, None)

# every pair of a state and a verb: where it leads, None when it is refused
LEADS_TO = {
    (Status.NOT_STARTED, Verb.START): Status.IN_PROGRESS,
    (Status.NOT_STARTED, Verb.PAUSE): None,
    (Status.NOT_STARTED, Verb.RESUME): None,
    (Status.NOT_STARTED, Verb.COMPLETE): None,
    (Status.IN_PROGRESS, Verb.START): None,
    (Status.IN_PROGRESS, Verb.PAUSE): Status.ON_HOLD,
    (Status.IN_PROGRESS, Verb.RESUME): None,
    (Status.IN_PROGRESS, Verb.COMPLETE): Status.COMPLETED,
    (Status.ON_HOLD, Verb.START): Status.IN_PROGRESS,
    (Status.ON_HOLD, Verb.PAUSE): None,
    (Status.ON_HOLD, Verb.RESUME): Status.IN_PROGRESS,
    (Status.ON_HOLD, Verb.COMPLETE): None,
    (Status.COMPLETED, Verb.START): None,
    (Status.COMPLETED, Verb.PAUSE): None,
    (Status.COMPLETED, Verb.RESUME): None,
    (Status.COMPLETED, Verb.COMPLETE): None,
}
MUST_BE = {
    Verb.START: "'not_started' or 'on_hold'",
    Verb.PAUSE: "'in_progress'",
    Verb.RESUME: "'on_hold'",
    Verb.COMPLETE: "'in_progress'",
}


def decide(verb, operation=NEW, entries=(), *, by=None, claimed=None, closed_s=0, last=None, now=NOW):
    numbers = itertools.count(1)
    wish = ChangeOperation(operation.id, verb, by, claimed)
    new_id = lambda: f"new-{next(numbers)}"  # noqa: E731
    operation = replace(operation, moved_at=last) if last else operation
    return rules.decide(wish, operation, entries, closed_s, now=now, new_id=new_id)


def at(hour: int, minute: int = 0) -> datetime:
    return NOW.replace(hour=hour, minute=minute)


def test_the_table_holds_every_state_and_every_verb():
    assert set(LEADS_TO) == set(itertools.product(Status, Verb))


@pytest.mark.parametrize(("pair", "target"), LEADS_TO.items(), ids=lambda value: "-".join(value or ["refused"]))
def test_a_verb_leads_where_the_contract_says_or_is_refused(pair, target):
    status, verb = pair
    operation = replace(NEW, status=status)
    if target is not None:
        decision = decide(verb, operation)
        assert (decision.before.status, decision.after.status) == (status, target)
        return
    with pytest.raises(InvalidTransition) as refused:
        decide(verb, operation)
    assert (
        refused.value.message == f"Cannot {verb} operation with status '{status}'. Operation must be {MUST_BE[verb]}."
    )
    assert refused.value.details == {
        "current_status": status,
        "requested": verb,
        "allowed_from": list(rules.VERBS[verb][0]),
    }


@pytest.mark.parametrize("verb", [Verb.START, Verb.RESUME])
def test_nobody_starts_or_resumes_what_a_standstill_holds(verb):
    held = replace(NEW, status=Status.ON_HOLD, status_before_hold=Status.IN_PROGRESS, held=True)
    with pytest.raises(InvalidTransition, match="standstill") as refused:
        decide(verb, held)
    assert refused.value.details["reason"] == "standstill"


@pytest.mark.parametrize(
    ("verb", "status", "stamps"),
    [
        (Verb.START, Status.NOT_STARTED, {"started_at": NOW, "paused_at": None}),
        (Verb.START, Status.ON_HOLD, {"started_at": at(8), "paused_at": None}),
        (Verb.PAUSE, Status.IN_PROGRESS, {"started_at": at(8), "paused_at": NOW}),
        (Verb.RESUME, Status.ON_HOLD, {"resumed_at": NOW, "paused_at": None}),
        (Verb.COMPLETE, Status.IN_PROGRESS, {"completed_at": NOW, "completion_percentage": 100}),
    ],
)
def test_a_transition_stamps_its_own_columns_and_the_first_start_stays(verb, status, stamps):
    begun = None if status is Status.NOT_STARTED else at(8)
    paused = at(9) if status is Status.ON_HOLD else None
    after = decide(verb, replace(NEW, status=status, started_at=begun, paused_at=paused)).after
    assert {name: getattr(after, name) for name in stamps} == stamps


@pytest.mark.parametrize(
    ("claimed", "last", "counts"),
    [
        (None, None, NOW),
        (at(9), None, at(9)),  # booked late, with its true time
        (at(9), at(10), at(10)),  # before what came before it: the later of the two
        (NOW + HOUR, None, NOW),  # nothing happens in the future
        (None, NOW + HOUR, NOW + HOUR),  # the clock was turned back: order is kept
    ],
)
def test_what_counts_is_when_it_happened_within_the_order_of_events(claimed, last, counts):
    decision = decide(Verb.START, claimed=claimed, last=last)
    assert (decision.at, decision.after.started_at) == (counts, counts)


def test_a_time_that_does_not_count_is_kept_beside_the_one_that_does():
    wish = ChangeOperation("o", Verb.START, occurred_at=at(9))
    late = rules.event_data(decide(Verb.START, claimed=at(9), last=at(10)), wish, None)
    assert (late["started_at"], late["occurred_at_claimed"]) == (
        "2026-11-02T10:00:00+00:00",
        "2026-11-02T09:00:00+00:00",
    )
    assert "occurred_at_claimed" not in rules.event_data(decide(Verb.START, claimed=at(9)), wish, None)


# ------------------------------------------------------------------ time

RUNNING = replace(NEW, status=Status.IN_PROGRESS, started_at=at(8))
HELD = replace(NEW, status=Status.ON_HOLD, started_at=at(8), paused_at=at(9))
ANNA = TimeEntry("a", "o", "anna", at(8))
BEN = TimeEntry("b", "o", "ben", at(8, 30))


def paused(entry: TimeEntry, since: datetime, **more) -> TimeEntry:
    return replace(entry, pauses=(*entry.pauses, Pause(f"{entry.id}-pause", since)), **more)


def test_a_start_with_an_operator_opens_an_entry_and_one_without_opens_none():
    opened = decide(Verb.START, by="anna").time.opened
    assert (opened.operator_id, opened.operation_id, opened.start_time, opened.end_time) == ("anna", "o", NOW, None)
    assert decide(Verb.START).time == rules.Time()


def test_a_pause_keeps_every_entry_open_and_notes_the_pause_in_it():
    decision = decide(Verb.PAUSE, RUNNING, (ANNA, BEN), now=at(9))
    assert [entry.pauses[-1].paused_at for entry in decision.time.paused] == [at(9), at(9)]
    assert (decision.time.closed, decision.after.actual_time_s) == ((), 3600 + 1800)


def test_a_pause_leaves_alone_who_is_paused_already():
    decision = decide(Verb.PAUSE, RUNNING, (paused(ANNA, at(8, 15)), BEN), now=at(9))
    assert [entry.id for entry in decision.time.paused] == ["b"]
    assert decision.after.actual_time_s == 900 + 1800


def test_a_resume_ends_the_pauses_but_pulls_nobody_back_who_works_elsewhere():
    entries = (paused(ANNA, at(9)), paused(BEN, at(9), elsewhere=True))
    time = decide(Verb.RESUME, HELD, entries, by="anna", now=at(10)).time
    assert [(entry.id, entry.pauses[-1].duration_s) for entry in time.resumed] == [("a", 3600)]
    assert time.opened is None


def test_a_resume_by_somebody_new_opens_an_entry_for_him_beside_the_others():
    time = decide(Verb.RESUME, HELD, (paused(ANNA, at(9)),), by="cem", now=at(10)).time
    assert (time.opened.operator_id, [entry.id for entry in time.resumed]) == ("cem", ["a"])


def test_a_start_out_of_a_hold_takes_the_same_entry_up_again():
    time = decide(Verb.START, HELD, (paused(ANNA, at(9)), paused(BEN, at(9))), by="anna", now=at(10)).time
    assert (time.opened, [entry.id for entry in time.resumed]) == (None, ["a"])


def test_the_end_closes_every_entry_net_of_its_pauses():
    anna = replace(ANNA, pauses=(Pause("x", at(8, 30), at(9), 1800), Pause("y", at(9, 30), at(9, 45), 900)))
    decision = decide(Verb.COMPLETE, RUNNING, (anna, paused(BEN, at(9))), closed_s=60, now=at(10))
    closed = {entry.id: entry for entry in decision.time.closed}
    assert {name: entry.duration_s for name, entry in closed.items()} == {"a": 7200 - 2700, "b": 1800}
    assert all(entry.end_time == at(10) and not entry.paused for entry in closed.values())
    assert decision.after.actual_time_s == 60 + 4500 + 1800


def test_the_sum_is_made_anew_whatever_stood_there_before():
    wrong = replace(RUNNING, actual_time_s=999_999)
    assert decide(Verb.COMPLETE, wrong, (ANNA,), now=at(9)).after.actual_time_s == 3600


def test_without_an_open_entry_the_time_stays_as_it_is():
    said = replace(RUNNING, actual_time_s=1200)
    assert decide(Verb.COMPLETE, said).after.actual_time_s == 1200


@pytest.mark.parametrize(
    ("since", "until", "pauses", "net_s"),
    [
        (at(8), at(9), (), 3600),
        (at(8), at(9), (Pause("x", at(8, 10), at(8, 20), 600),), 3000),
        (at(9), at(8), (), 0),
        (at(8), at(9), (Pause("x", at(8), at(10), 7200),), 0),
    ],
)
def test_net_seconds_are_never_negative(since, until, pauses, net_s):
    assert seconds(since, until, pauses) == net_s


def test_an_entry_cannot_end_before_it_began():
    ended = rules.closed(replace(ANNA, start_time=at(11)), at(10))
    assert (ended.end_time, ended.duration_s) == (at(11), 0)
