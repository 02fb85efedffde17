"""What holds for every pair of sides, whatever they say: rules of `merge.py`."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.cloud.mapping import same
from gateway.cloud.merge import COMPLETED, EXECUTION, Merged, merge

STATES = ("not_started", "in_progress", "on_hold", COMPLETED)
INSTANTS = (None, "2026-11-02T07:00:00+00:00", "2026-11-02T08:00:00+01:00", "2026-11-02T09:30:00+00:00")
VALUES = {
    "status": STATES,
    "started_at": INSTANTS,
    "completed_at": INSTANTS,
    "actual_time": (0, 5, 90),
    "actual_duration": (None, 5),
    "current_cell_id": (None, "laser", "bending"),
    "notes": (None, "as planned", "new"),
    "metadata": (None, {"a": 1}, {"a": 2}),
    "quantity": (1, 3),
    "due_date": INSTANTS,
}
TABLES = ("jobs", "parts", "operations", "cells")


def some_of(row):
    """A row of the same columns, of which some may be missing."""
    return st.fixed_dictionaries({}, optional=row)


def sides_of(table: str):
    """Arguments of `merge`: our row is whole, the cloud shows some of its columns, and of some we have never known hers."""
    names = [name for name in VALUES if table != "cells" or name not in EXECUTION["jobs"]]
    row = {name: st.sampled_from(VALUES[name]) for name in names}
    return st.fixed_dictionaries(
        {
            "table": st.just(table),
            "ours": st.fixed_dictionaries(row),
            "theirs": some_of(row),
            "base": some_of(row),
            "unsent": st.frozensets(st.sampled_from(names)),
            "owned": st.booleans(),
            "held": st.booleans(),
            "worked_on": st.booleans(),
        }
    )


sides = st.sampled_from(TABLES).flatmap(sides_of)


def execution(given: dict) -> frozenset[str]:
    return EXECUTION.get(given["table"], frozenset()) & given["theirs"].keys()


def after(given: dict, merged: Merged) -> dict:
    """As it is afterwards: what was adopted is ours, and both sides know what the cloud showed."""
    return given | {"ours": given["ours"] | merged.adopt, "base": given["base"] | given["theirs"]}


@given(sides)
def test_what_is_not_sent_yet_is_never_overwritten(given):
    merged, state = merge(**given), execution(given)
    assert merged.adopt.keys().isdisjoint(given["unsent"] - state)
    if given["unsent"] & state:
        assert merged.adopt.keys().isdisjoint(state)


@given(sides)
def test_completed_is_never_taken_back(given):
    if given["ours"].get("status") == COMPLETED:
        assert merge(**given).adopt.get("status", COMPLETED) == COMPLETED


@given(sides)
def test_only_the_clouds_own_values_are_taken_and_only_where_they_differ(given):
    for name, value in merge(**given).adopt.items():
        assert value == given["theirs"][name]
        assert not same(value, given["ours"][name])


@given(sides)
def test_no_news_of_the_cloud_is_dropped_in_silence(given):
    """Of a state one column speaks for all of it: half a state is none. A time that is empty there, and of which we have never
    known anything, is no news.
    """
    merged, state = merge(**given), execution(given)
    ours, theirs, base = given["ours"], given["theirs"], given["base"]
    told = {one.field: one for one in merged.differences}
    assert all((one.ours, one.theirs) == (ours[name], theirs[name]) for name, one in told.items())
    for name in {*theirs} - {*merged.adopt}:
        known = base.get(name) if name in state and base else base.get(name, "nothing")
        if not same(theirs[name], ours[name]) and not same(theirs[name], known):
            assert name in told or (name in state and state & told.keys()), name


@given(sides)
def test_half_a_state_is_never_taken(given):
    merged, state = merge(**given), execution(given)
    differing = {name for name in state if not same(given["ours"][name], given["theirs"][name])}
    assert state & merged.adopt.keys() in (set(), differing)


@given(sides)
def test_equal_sides_give_nothing(given):
    equal = given | {"theirs": {name: given["ours"][name] for name in given["theirs"]}}
    assert merge(**equal) == Merged()


@given(sides)
def test_the_same_news_twice_changes_nothing_more(given):
    assert merge(**after(given, merge(**given))) == Merged()


@given(sides)
def test_what_waits_for_a_person_changes_nothing(given):
    merged, state = merge(**given), execution(given)
    if any(one.resolution is None for one in merged.differences):
        assert merged.adopt.keys().isdisjoint(state)
