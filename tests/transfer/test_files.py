"""CSV: any row comes back as it was, no cell is a formula to a spreadsheet, and what is wrong is said with its line."""

import contextlib
import csv
import io
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.catalog.resources import Kind
from gateway.kernel.errors import BadRequest, Invalid, TooLarge
from gateway.outbox.event import encode
from gateway.transfer import files
from gateway.transfer.files import csv_line, csv_lines, csv_records, csv_rows, text_of

TEXTS = st.text() | st.text(alphabet="'=+-@\t\r\n\0,;\" ax", max_size=6)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
DEEP = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
VALUES = {
    Kind.TEXT: TEXTS,
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.NUMBER: NUMBERS,
    Kind.BOOLEAN: st.booleans(),
    Kind.JSON: DEEP,
    Kind.LIST: st.lists(TEXTS, max_size=4),
}
KINDS = {kind.value: kind for kind in VALUES}
ROWS = st.lists(
    st.fixed_dictionaries({kind.value: st.none() | values for kind, values in VALUES.items()}), min_size=1, max_size=4
)


def written(rows: list[dict], kinds: dict[str, Kind] = KINDS) -> str:
    header = csv_line(kinds, [Kind.TEXT] * len(kinds))
    return header + "".join(csv_line([row[name] for name in kinds], kinds.values()) for row in rows)


def read(text: str | bytes, kinds: dict[str, Kind] = KINDS) -> list[dict]:
    raw = text.encode() if isinstance(text, str) else text
    return [row for _, row in csv_rows(text_of(io.BytesIO(raw)), kinds)]


@settings(max_examples=400)
@given(ROWS)
@example([{**dict.fromkeys(KINDS), "text": "'=1"}])
@example([{**dict.fromkeys(KINDS), "text": ""}])
@example([{**dict.fromkeys(KINDS), "json": "", "number": -0.0}])
def test_any_row_comes_back_from_csv(rows):
    assert read(written(rows)) == rows


@given(ROWS)
def test_any_row_comes_back_from_json(rows):
    assert json.loads(encode(rows)) == rows


@given(ROWS)
def test_another_reader_sees_the_same_cells_and_no_formula(rows):
    text = written(rows)
    [header, *lines] = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == list(KINDS)
    assert text.endswith("\r\n")
    for line, row in zip(lines, rows, strict=True):
        for (name, kind), cell in zip(KINDS.items(), line, strict=True):
            if isinstance(row[name], str):
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\0"))
            if kind is Kind.INTEGER and row[name] is not None:
                assert cell == str(row[name])


@pytest.mark.parametrize(
    ("value", "kind", "cell"),
    [
        (None, Kind.TEXT, ""),
        ("", Kind.TEXT, '""'),
        (True, Kind.BOOLEAN, "true"),
        (False, Kind.BOOLEAN, "false"),
        (-7, Kind.INTEGER, "-7"),
        (-0.5, Kind.NUMBER, "-0.5"),
        ("2026-11-01T08:00:00+00:00", Kind.TIME, "2026-11-01T08:00:00+00:00"),
        ({"a": [1, None]}, Kind.JSON, '"{""a"":[1,null]}"'),
        (["x"], Kind.LIST, '"[""x""]"'),
        ("a,b", Kind.TEXT, '"a,b"'),
        (' "x" ', Kind.TEXT, '" ""x"" "'),
        ("a\r\nb", Kind.TEXT, '"a\r\nb"'),
        (" a", Kind.TEXT, '" a"'),
        ("a b", Kind.TEXT, "a b"),
        *((f"{mark}1", Kind.TEXT, f"'{mark}1") for mark in "=+-@"),
        ("\t1", Kind.TEXT, "'\t1"),
        ("\r1", Kind.TEXT, '"\'\r1"'),
        ("\0", Kind.TEXT, "'\0"),
        ("'a", Kind.TEXT, "'a"),
    ],
)
def test_how_a_cell_is_written(value, kind, cell):
    assert csv_line([value], [kind]) == cell + "\r\n"


@pytest.mark.parametrize(("cell", "text"), [("'=1", "=1"), ("'x", "'x"), ("''@", "'@"), ("'", "'"), ("'\t", "\t")])
def test_only_a_guard_is_taken_away(cell, text):
    assert read(f"a\r\n{cell}\r\n", {}) == [{"a": text}]


# ------------------------------------------------------------------ what others write


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_delimiter_the_ends_of_lines_and_the_mark_are_found_out(delimiter, end, mark):
    text = mark + end.join([f"name{delimiter}sequence", f'"La;s,er"{delimiter}1', "", f"Saw{delimiter}2", ""])
    assert csv_records(text.encode(), {"name": Kind.TEXT, "sequence": Kind.INTEGER}) == [
        (2, {"name": "La;s,er", "sequence": 1}),
        (4, {"name": "Saw", "sequence": 2}),
    ]


def test_columns_are_matched_whatever_their_spelling():
    fields = {"external_id": Kind.TEXT, "estimated_time_minutes": Kind.INTEGER, "active": Kind.BOOLEAN}
    text = "External ID;ESTIMATED-TIME-minutes;Active;Colour;\r\nE1;30;TRUE;red;\r\nE2;;0;;\r\nE3;soon;maybe\r\n"
    assert csv_records(text.encode(), fields) == [
        (2, {"external_id": "E1", "estimated_time_minutes": 30, "active": True, "Colour": "red"}),
        (3, {"external_id": "E2", "active": False}),
        (4, {"external_id": "E3", "estimated_time_minutes": "soon", "active": "maybe"}),
    ]


def test_a_cell_over_several_lines_counts_them():
    assert [number for number, _ in csv_lines(text_of(io.BytesIO(b'a,b\n"x\ny",1\n\nz,2\n')))] == [1, 2, 5]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the first line has to name every column"),
        (b"a,,b\n1,2,3\n", "the first line has to name every column"),
        (b"a,b,A\n", "stands there twice"),
        (b"a,b\n1,2,3\n", "line 2 has 3 cells for 2 columns"),
        (b'a,b\n1,"2\n3,4\n', "line 2: a quote is opened and never closed"),
        (b'a,b\n1,2\n"1"x,2\n', "line 3: something follows the closing quote of cell 1"),
        (b"a\n\xff\n", "is not UTF-8"),
        ("a\n1\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_what_is_no_csv_is_said_with_its_line(body, words):
    with pytest.raises(BadRequest) as refused:
        csv_records(body, {"a": Kind.TEXT})
    assert words in refused.value.message


def test_a_body_has_its_limits(monkeypatch):
    monkeypatch.setattr(files, "LINES_MAX", 2)
    assert len(csv_records(b"a\n1\n2\n", {})) == 2
    with pytest.raises(TooLarge, match="more than 2 rows"):
        csv_records(b"a\n1\n2\n3\n", {})
    monkeypatch.setattr(files, "BODY_MAX_BYTES", 5)
    with pytest.raises(TooLarge, match="more than 5 bytes"):
        csv_records(b"a\n1\n2\n", {})


@pytest.mark.parametrize("text", ['a\n"' + "x" * 100, "a\n" + "x" * 100])
def test_a_record_that_does_not_end_is_not_held(monkeypatch, text):
    monkeypatch.setattr(files, "RECORD_MAX_CHARACTERS", 50)
    with pytest.raises(Invalid, match="line 2 does not end within 50 characters"):
        read(text, {})


@given(st.binary(max_size=200) | st.text(alphabet="a,;\t\"'\r\n\0\ufeff=", max_size=60).map(str.encode))
def test_no_bytes_are_a_surprise(body):
    with contextlib.suppress(BadRequest):
        csv_records(body, KINDS)
