"""When may a job move, and what do part and job become when the work below them does."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.jobs import events, rules
from gateway.jobs.model import Below, Job, Part, Status, minutes
from gateway.kernel.errors import InvalidTransition

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOB = Job("j", "J-1", None, Status.NOT_STARTED, None)
PART = Part("p", "j", "P-1", "Steel", 10, Status.NOT_STARTED, None)
NEW, BUSY, HELD, DONE = Status.NOT_STARTED, Status.IN_PROGRESS, Status.ON_HOLD, Status.COMPLETED

LEADS_TO = {
    (NEW, "start"): BUSY,
    (NEW, "stop"): None,
    (NEW, "resume"): None,
    (NEW, "complete"): None,
    (BUSY, "start"): None,
    (BUSY, "stop"): HELD,
    (BUSY, "resume"): None,
    (BUSY, "complete"): DONE,
    (HELD, "start"): BUSY,
    (HELD, "stop"): None,
    (HELD, "resume"): BUSY,
    (HELD, "complete"): None,
    (DONE, "start"): None,
    (DONE, "stop"): None,
    (DONE, "resume"): None,
    (DONE, "complete"): None,
}
MUST_BE = {
    "start": "'not_started' or 'on_hold'",
    "stop": "'in_progress'",
    "resume": "'on_hold'",
    "complete": "'in_progress'",
}


def test_the_table_holds_every_state_and_every_verb():
    assert set(LEADS_TO) == set(itertools.product(Status, rules.VERBS))


@pytest.mark.parametrize(("pair", "target"), LEADS_TO.items(), ids=lambda value: "-".join(value or ["refused"]))
def test_a_verb_leads_where_the_contract_says_or_is_refused(pair, target):
    status, verb = pair
    job = replace(JOB, status=status)
    if target is not None:
        assert rules.change(job, verb, NOW).status is target
        return
    with pytest.raises(InvalidTransition) as refused:
        rules.change(job, verb, NOW)
    assert refused.value.message == f"Cannot {verb} job with status '{status}'. Job must be {MUST_BE[verb]}."
    assert refused.value.details == {
        "current_status": status,
        "requested": verb,
        "allowed_from": list(rules.VERBS[verb][0]),
    }


def test_the_times_of_a_job_from_start_to_end():
    started = rules.change(JOB, "start", NOW)
    stopped = rules.change(started, "stop", NOW + HOUR)
    resumed = rules.change(stopped, "resume", NOW + 2 * HOUR)
    done = rules.change(resumed, "complete", NOW + 3 * HOUR)
    assert (stopped.paused_at, resumed.paused_at, resumed.resumed_at) == (NOW + HOUR, None, NOW + 2 * HOUR)
    assert (done.started_at, done.completed_at, done.actual_duration_s) == (NOW, NOW + 3 * HOUR, 3 * 3600)
    assert rules.change(stopped, "start", NOW + 2 * HOUR).started_at == NOW


@pytest.mark.parametrize(
    ("status", "target", "verb"),
    [
        (NEW, BUSY, "start"),
        (BUSY, HELD, "stop"),
        (HELD, BUSY, "resume"),
        (BUSY, DONE, "complete"),
        (NEW, DONE, None),
        (NEW, HELD, None),
        (HELD, DONE, None),
        (BUSY, NEW, None),
        (HELD, NEW, None),
        (DONE, NEW, None),
        (DONE, BUSY, None),
        (DONE, HELD, None),
    ],
)
def test_setting_a_status_is_a_transition_like_any_other(status, target, verb):
    if verb:
        assert rules.verb_to("job", rules.VERBS, status, target) == verb
        return
    with pytest.raises(InvalidTransition) as refused:
        rules.verb_to("job", rules.VERBS, status, target)
    assert refused.value.details["current_status"] == status


@pytest.mark.parametrize(
    ("claimed", "last", "counts"),
    [
        (None, None, NOW),
        (NOW - HOUR, None, NOW - HOUR),
        (NOW + HOUR, None, NOW),
        (NOW - 2 * HOUR, NOW - HOUR, NOW - HOUR),
        (None, NOW + HOUR, NOW + HOUR),
    ],
)
def test_what_counts_is_when_it_happened_within_the_order_of_events(claimed, last, counts):
    assert rules.effective(claimed, last, NOW) == counts


# ------------------------------------------------------------------ roll-up

NOTHING = Below(0, 0, begun=False)
UNTOUCHED = Below(2, 0, begun=False)
BEGUN = Below(2, 1, begun=True, running_in="saw")
ALL = Below(2, 2, begun=True)


@pytest.mark.parametrize(
    ("before", "below", "after"),
    [
        (NEW, NOTHING, NEW),
        (BUSY, NOTHING, BUSY),  # a part without operations says of itself how it stands
        (DONE, NOTHING, DONE),
        (NEW, UNTOUCHED, NEW),
        (NEW, BEGUN, BUSY),
        (NEW, ALL, DONE),
        (BUSY, UNTOUCHED, NEW),
        (BUSY, BEGUN, BUSY),
        (BUSY, ALL, DONE),
        (HELD, UNTOUCHED, HELD),  # an explicit hold stays
        (HELD, BEGUN, HELD),
        (HELD, ALL, HELD),
        (DONE, UNTOUCHED, NEW),
        (DONE, BEGUN, BUSY),  # an operation came back, or a new one came in
        (DONE, ALL, DONE),
    ],
)
def test_a_part_is_what_its_operations_make_of_it(before, below, after):
    assert rules.roll_up_part(replace(PART, status=before), below).status is after


@pytest.mark.parametrize(
    ("before", "below", "reopened", "after"),
    [
        (NEW, NOTHING, False, NEW),
        (BUSY, NOTHING, False, BUSY),
        (NEW, UNTOUCHED, False, NEW),
        (NEW, BEGUN, False, BUSY),
        (NEW, ALL, False, DONE),
        (BUSY, UNTOUCHED, False, BUSY),  # a job that somebody has started stays started
        (BUSY, BEGUN, False, BUSY),
        (BUSY, ALL, False, DONE),
        (HELD, UNTOUCHED, False, HELD),
        (HELD, BEGUN, False, HELD),
        (HELD, ALL, False, HELD),
        (DONE, BEGUN, False, DONE),  # completed early: its open work may still be finished
        (DONE, BEGUN, True, BUSY),
        (DONE, UNTOUCHED, True, BUSY),
        (DONE, ALL, True, DONE),
    ],
)
def test_a_job_is_what_its_parts_make_of_it(before, below, reopened, after):
    assert rules.roll_up_job(replace(JOB, status=before), below, NOW, reopened=reopened).status is after


def test_the_cell_is_the_first_in_which_somebody_works():
    assert rules.roll_up_part(PART, BEGUN).current_cell_id == "saw"
    assert rules.roll_up_part(replace(PART, current_cell_id="laser"), UNTOUCHED).current_cell_id == "laser"
    assert rules.roll_up_part(replace(PART, current_cell_id="laser"), ALL).current_cell_id is None
    assert (
        rules.roll_up_job(replace(JOB, current_cell_id="laser"), UNTOUCHED, NOW, reopened=False).current_cell_id is None
    )


def test_a_rolled_up_end_has_its_times_and_a_reopened_job_loses_them():
    done = rules.roll_up_job(replace(JOB, status=BUSY, started_at=NOW - HOUR), ALL, NOW, reopened=False)
    assert (done.completed_at, done.actual_duration_s) == (NOW, 3600)
    again = rules.roll_up_job(done, BEGUN, NOW, reopened=True)
    assert (again.completed_at, again.actual_duration_s, again.started_at) == (None, None, NOW - HOUR)


@pytest.mark.parametrize(
    ("before", "after", "part_event", "job_event"),
    [
        (NEW, BUSY, "part.started", "job.started"),
        (BUSY, DONE, "part.completed", "job.completed"),
        (DONE, BUSY, "part.updated", "job.updated"),
        (BUSY, BUSY, None, None),
    ],
)
def test_what_followed_has_a_name(before, after, part_event, job_event):
    assert events.part_type(replace(PART, status=before), replace(PART, status=after)) == part_event
    assert events.job_type(replace(JOB, status=before), replace(JOB, status=after)) == job_event


@pytest.mark.parametrize(("below", "told"), [(ALL, None), (NOTHING, None), (BEGUN, "1 of 2 parts are not completed")])
def test_who_completes_a_job_early_is_told_what_is_open(below, told):
    assert rules.unfinished(replace(JOB, status=DONE), below) == told
    assert rules.unfinished(replace(JOB, status=BUSY), below) is None


@pytest.mark.parametrize(("seconds", "shown"), [(0, 0), (29, 0), (30, 1), (90, 2), (89, 1), (3600, 60)])
def test_halves_of_a_minute_go_up(seconds, shown):
    assert minutes(seconds) == shown
