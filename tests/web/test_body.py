"""What is JSON here and what is not; how a wrong field is told."""

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from gateway.catalog.models import Body
from gateway.kernel.errors import BadRequest, Invalid
from gateway.outbox.event import encode
from gateway.web import body


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not valid JSON"),
        (b"{bad", "not valid JSON"),
        (b'{"a":1}}', "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"a":1,"b":2,"a":3}', 'the key "a" stands there twice'),
        (b'{"o":{"a":1,"a":1}}', "twice"),
        (b'{"a":"\xff"}', "not UTF-8: byte 6"),
        (b'{"a":"\xc3"}', "not UTF-8"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a":"\\u0000"}', "NUL"),
        (b'{"\\u0000":1}', "NUL"),
        (b'{"a":"\\ud800"}', "half a character"),
        (b'{"a":"x\ny"}', "not valid JSON"),
        (b"[" * 33 + b"]" * 33, "deeper than 32"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "deeper than 32"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a":' * 100_000, "not valid JSON"),
    ],
)
def test_what_is_not_strict_json_is_a_bad_request(raw, why):
    with pytest.raises(BadRequest) as refused:
        body.parse(raw)
    assert why in refused.value.message


def test_32_levels_a_byte_order_mark_and_whole_surrogate_pairs_are_fine():
    assert body.parse(b"[" * 32 + b"]" * 32)
    assert body.parse(b'\xef\xbb\xbf{"a":1}') == {"a": 1}
    assert body.parse(b'"\\ud83d\\ude00"') == "\U0001f600"


_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


@given(_values)
def test_what_we_write_we_read(value):
    assert body.parse(encode(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_bad_request(raw):
    try:
        body.parse(raw)
    except BadRequest as refused:
        assert refused.message.startswith("the body ")  # noqa: PT017 -- both outcomes are fine


# ------------------------------------------------------------------ details


class Hole(Body):
    diameter: Annotated[int, Field(strict=True, ge=1, le=50)]
    kind: Literal["round", "slot"] = "round"


class Plate(Body):
    name: Annotated[str, Field(strict=True, min_length=1, max_length=5)]
    holes: list[Hole] = Field(default_factory=list)
    secret_key: Annotated[str, Field(max_length=3)] = ""


Plate.entity = "plate"


def told(value) -> list[dict]:
    with pytest.raises(Invalid) as refused:
        body.validate(Plate, value)
    return list(refused.value.details)


@pytest.mark.parametrize(
    ("value", "field", "constraint", "message"),
    [
        ({}, "name", "NOT_NULL", "Missing required field: name"),
        ({"name": ""}, "name", "NOT_NULL", "Missing required string field: name"),
        ({"name": None}, "name", "NOT_NULL", "name must not be null"),
        ({"name": 7}, "name", "TYPE_MISMATCH", "Invalid string for name"),
        ({"name": "too long"}, "name", "MAX_LENGTH", "name must be at most 5 characters"),
        ({"name": "a", "size": 1}, "size", "UNKNOWN_FIELD", "Unknown field, or one that cannot be set here: size"),
        ({"name": "a", "holes": {}}, "holes", "TYPE_MISMATCH", "Invalid array for holes"),
        ({"name": "a", "holes": [{"diameter": 0}]}, "holes[0].diameter", "MIN_VALUE", "diameter must be >= 1"),
        (
            {"name": "a", "holes": [{"diameter": True}]},
            "holes[0].diameter",
            "TYPE_MISMATCH",
            "Invalid integer for diameter",
        ),
        (
            {"name": "a", "holes": [{"diameter": 1}, {"diameter": 2, "kind": "oval"}]},
            "holes[1].kind",
            "ENUM_CONSTRAINT",
            "Invalid value for kind. Must be one of: round, slot",
        ),
        ([], "body", "TYPE_MISMATCH", "Invalid object for body"),
        (None, "body", "NOT_NULL", "body must not be null"),
    ],
)
def test_a_wrong_field_is_named_by_its_path_in_the_contracts_words(value, field, constraint, message):
    (detail,) = told(value)
    assert (detail["field"], detail["constraint"], detail["message"]) == (field, constraint, message)


def test_a_detail_says_which_row_it_is_about_and_shows_the_wrong_value():
    (detail,) = told({"name": "a", "holes": [{"diameter": 1}, {"diameter": 99}]})
    assert (detail["entityType"], detail["entityIndex"], detail["value"]) == ("hole", 1, 99)
    (outer,) = told({"name": "too long"})
    assert (outer["entityType"], outer["entityIndex"]) == ("plate", 0)


def test_a_secret_is_not_shown_again():
    (detail,) = told({"name": "a", "secret_key": "hunter2"})
    assert "hunter2" not in str(detail)


def test_a_thousand_errors_are_counted_and_a_hundred_are_told():
    with pytest.raises(Invalid) as refused:
        body.validate(Plate, {"name": "a", **{f"x{number}": 1 for number in range(1000)}})
    assert refused.value.message.startswith("1000 validation error(s) in plate")
    assert len(refused.value.details) == body.ERRORS_MAX
