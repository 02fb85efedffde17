"""Which side wins, field by field: the table of `merge.py`, row by row."""

import pytest

from gateway.cloud.merge import merge

BASE = {"status": "in_progress", "notes": "as planned", "started_at": "2026-11-02T07:00:00+00:00"}


@pytest.mark.parametrize(
    ("ours", "theirs", "unsent", "adopted", "resolutions"),
    [
        ({}, {}, (), {}, []),
        ({}, {"notes": "new"}, (), {"notes": "new"}, []),
        ({"notes": "mine"}, {}, ("notes",), {}, []),
        ({"notes": "mine"}, {"notes": "new"}, ("notes",), {}, ["local"]),
        ({"notes": "mine"}, {"notes": "new"}, (), {"notes": "new"}, []),
        ({}, {"status": "on_hold"}, (), {"status": "on_hold"}, ["cloud"]),
        ({"status": "on_hold"}, {}, ("status",), {}, []),
        ({"status": "on_hold"}, {}, (), {}, []),
        ({"status": "on_hold"}, {"status": "not_started"}, ("status",), {}, ["local"]),
        ({"status": "on_hold"}, {"status": "not_started"}, (), {}, [None]),
        ({"status": "completed"}, {"status": "not_started"}, (), {}, ["local"]),
        ({}, {"status": "completed"}, (), {"status": "completed"}, ["cloud"]),
        ({"status": "on_hold"}, {"status": "completed"}, ("status",), {}, [None]),
    ],
)
def test_each_field_has_its_owner(ours, theirs, unsent, adopted, resolutions):
    merged = merge("operations", BASE | ours, BASE | theirs, BASE, unsent, owned=True)
    assert merged.adopt == adopted
    assert [one.resolution for one in merged.differences] == resolutions


def test_half_a_state_is_none():
    theirs = {"status": "on_hold", "started_at": "2026-11-02T06:00:00+00:00"}
    merged = merge("operations", BASE, BASE | theirs, BASE, ("started_at",), owned=True)
    assert merged.adopt == {}


def test_both_sides_of_a_difference_are_told():
    merged = merge("operations", BASE | {"notes": "mine"}, BASE | {"notes": "theirs"}, BASE, ("notes",), owned=True)
    (told,) = merged.differences
    assert (told.field, told.ours, told.theirs) == ("notes", "mine", "theirs")


def test_a_foreign_cell_is_simply_followed():
    merged = merge("operations", BASE, BASE | {"status": "completed"}, BASE, (), owned=False)
    assert merged.adopt == {"status": "completed"}
    assert merged.differences == ()


@pytest.mark.parametrize(
    ("theirs", "held", "adopted", "resolution"),
    [
        ("in_progress", True, None, "local"),
        ("not_started", True, None, "local"),
        ("in_progress", False, "in_progress", "cloud"),
        ("completed", True, "completed", "cloud"),  # a fact that no issue undoes
    ],
)
def test_a_standstill_keeps_its_hold(theirs, held, adopted, resolution):
    held_base = BASE | {"status": "on_hold"}
    merged = merge("operations", held_base, BASE | {"status": theirs}, held_base, (), owned=True, held=held)
    assert merged.adopt.get("status") == adopted
    assert [one.resolution for one in merged.differences] == [resolution]


@pytest.mark.parametrize(
    ("theirs", "adopted"), [("on_hold", False), ("not_started", False), ("completed", False), ("in_progress", True)]
)
def test_nobody_stops_in_the_cloud_what_is_worked_on_here(theirs, adopted):
    ours = BASE | {"status": "on_hold" if adopted else "in_progress"}  # on hold: his entry is paused
    merged = merge("operations", ours, BASE | {"status": theirs}, ours, (), owned=True, worked_on=True)
    assert merged.adopt == ({"status": theirs} if adopted else {})
    assert [one.resolution for one in merged.differences] == ["cloud" if adopted else None]


def test_instants_are_compared_as_instants():
    theirs = BASE | {"started_at": "2026-11-02T08:00:00+01:00"}
    assert merge("operations", BASE, theirs, BASE, (), owned=True).adopt == {}


def test_what_was_never_agreed_on_and_differs_is_told():
    """A gateway that was restored: its row waits to go up again, and it does not know what it sent before."""
    merged = merge("jobs", {"notes": "mine"}, {"notes": "the office's"}, {}, ("notes",), owned=True)
    assert merged.adopt == {}
    assert [(one.field, one.resolution) for one in merged.differences] == [("notes", "local")]
