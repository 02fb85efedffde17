"""Filters of realtime bindings: compiled once, compared by the type of the column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.hub.entities import ENTITIES
from gateway.kernel.errors import Invalid
from gateway.realtime.filters import CHARACTERS_MAX, compiled, holding

CELL = "00000000-0000-4000-8000-0000000ce001"
ROW = {
    "id": "0199AB00-0000-7000-8000-000000000001",
    "tenant_id": "00000000-0000-4000-8000-0000000ff001",
    "cell_id": CELL,
    "operation_name": "Cut, then bend",
    "status": "in_progress",
    "sequence": 9,
    "setup_time": 2.5,
    "icon_name": None,
    "notes": None,
    "started_at": "2026-11-02T07:00:00.120000+00:00",
    "row_version": 3,
}


def holds(text: str, table: str = "operations", row=ROW) -> bool:
    return holding(compiled(text, ENTITIES[table]), lambda: row)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        (f"cell_id=eq.{CELL}", True),
        (f"cell_id=eq.{CELL.upper()}", True),
        (f"cell_id=neq.{CELL}", False),
        ("id=eq.0199ab00-0000-7000-8000-000000000001", True),
        ("tenant_id=eq.00000000-0000-4000-8000-0000000ff001", True),
        ("tenant_id=eq.00000000-0000-4000-8000-0000000ff002", False),
        ("row_version=eq.3", True),
        ("sequence=lt.10", True),  # as text it would not be
        ("sequence=gt.10", False),
        ("sequence=gte.9", True),
        ("sequence=lte.8", False),
        ("sequence=eq.9.0", True),
        ("sequence=in.(1,9,11)", True),
        ("sequence=in.(1, 2)", False),
        ("setup_time=gt.2.25", True),
        ("setup_time=lt.-1e3", False),
        ("status=eq.in_progress", True),
        ("status=neq.completed", True),
        ('status=in.(on_hold,"in_progress")', True),
        ("operation_name=eq.Cut, then bend", True),  # an old client quotes nothing
        ('operation_name=eq."Cut, then bend"', True),
        ('operation_name=in.(Bend,"Cut, then bend")', True),
        (r'operation_name=eq."Cut\"s"', False),
        ("operation_name=gt.Bend", True),
        ("started_at=gt.2026-11-02", True),
        ("started_at=eq.2026-11-02T08:00:00.12+01:00", True),
        ("started_at=lt.2026-11-02T07:00:00Z", False),
        ("notes=eq.x", False),  # nothing compares with null
        ("notes=neq.x", False),
        ("sequence=gt.5,status=eq.in_progress", True),
        ("sequence=gt.5,status=eq.completed", False),
        (f'sequence=in.(9),operation_name=eq."Cut, then bend",cell_id=eq.{CELL}', True),
    ],
)
def test_a_filter_compares_by_type(text, expected):
    assert holds(text) is expected


def test_booleans_and_what_has_an_order_of_its_own():
    cell = {"active": True, "wip_limit": 0}
    assert holds("active=eq.true", "cells", cell)
    assert holds("active=neq.f", "cells", cell)
    assert not holds("active=eq.false", "cells", cell)
    assert holds("wip_limit=eq.0", "cells", cell)
    issue = {"severity": "high"}
    assert holds("severity=gte.medium", "issues", issue)
    assert not holds("severity=gt.high", "issues", issue)
    assert holds("severity=in.(low,high)", "issues", issue)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("status", "not of the form"),
        ("status=eq", "not of the form"),
        ("=eq.1", "not of the form"),
        ("status=EQ.on_hold", '"EQ" is not offered: use one of eq, neq, lt, lte, gt, gte, in'),
        ("status=is.null", '"is" is not offered'),
        ("operation_name=match.^C", '"match" is not offered'),
        ("sequence=not.gt.3", '"not.gt" is not offered'),
        ("sequence=gt.5,operation_name=ilike.%cut%", '"ilike" is not offered'),
        ("pin_hash=eq.x", 'operations has no column "pin_hash"'),
        ("sequence=eq.nine", '"nine" is no number'),
        ("sequence=eq.", '"" is no number'),
        ("sequence=eq.NaN", "no number"),
        ("cell_id=eq.laser", "Invalid UUID"),
        ("cell_id=eq.null", "Invalid UUID"),
        ("started_at=gt.yesterday", "Invalid date"),
        ("metadata=eq.{}", "it holds an object"),
        ("sequence=in.()", "needs a list"),
        ("sequence=in.1,2", "needs a list"),
        ("sequence=in.(1,2", "needs a list"),
        ('sequence=in.(1,"2"3)', "is not one"),
        ("sequence=in.(1)x", 'has "x" behind a value'),
        ('operation_name=eq."a"b', 'has "b" behind a value'),
        ("sequence=in.(" + ",".join(["1"] * 101) + ")", "101 values, at most 100"),
        ("operation_name=eq." + "x" * CHARACTERS_MAX, f"at most {CHARACTERS_MAX} are taken"),
    ],
)
def test_a_wrong_filter_is_refused_with_its_reason(text, why):
    with pytest.raises(Invalid) as refused:
        compiled(text, ENTITIES["operations"])
    assert why in refused.value.message


def test_a_hundred_values_are_taken_and_a_table_without_known_columns_has_any():
    assert holds("sequence=in.(" + ",".join(map(str, range(100))) + ")")
    assert compiled("user_id=eq.me,read=eq.false", None) == ()
    with pytest.raises(Invalid):
        compiled("user_id=like.me", None)


def test_a_value_of_another_type_than_its_column_is_no_match():
    assert not holds("sequence=gt.5", row={"sequence": "many"})
    assert not holds("started_at=gt.2026-01-01", row={"started_at": "soon"})


@given(st.text(max_size=60), st.sampled_from(sorted(ENTITIES)))
def test_any_text_is_a_filter_or_a_refusal(text, table):
    try:
        conditions = compiled(text, ENTITIES[table])
    except Invalid:
        return
    assert isinstance(holding(conditions, dict), bool)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), min_size=1, max_size=20))
def test_what_is_quoted_comes_through_whole(values):
    quoted = ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    (condition,) = compiled(f"operation_name=in.({quoted})", ENTITIES["operations"])
    assert condition.wanted == frozenset(values)
