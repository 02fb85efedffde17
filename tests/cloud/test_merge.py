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


def test_instants_are_compared_as_instants():
    theirs = BASE | {"started_at": "2026-11-02T08:00:00+01:00"}
    assert merge("operations", BASE, theirs, BASE, (), owned=True).adopt == {}
