"""`uns watch`: what is drawn, and what a client of ill will may not do to a terminal."""

import json

import pytest

from gateway.uns import watch
from gateway.uns.watch import Tree, age, fitting, plain, said

CELL = "acme/plant1/fabrication/laser/_state"


def filled(*topics: str, **payload) -> Tree:
    tree = Tree()
    for place, topic in enumerate(topics):
        tree.take(topic, json.dumps({"schema": "s", "quality": "good", **payload}).encode(), place)
    return tree


def test_topics_are_a_tree_with_what_they_said_how_often_and_how_long_ago():
    tree = filled(CELL, "acme/plant1/_job/j1", CELL, status="running")
    assert tree.lines(122, 80, 20) == [
        "acme/plant1",
        '  _job/j1  {"status": "running"}'.ljust(72) + " 1x   2m",
        '  fabrication/laser/_state  {"status": "running"}'.ljust(72) + " 2x   2m",
        "2 topics",
    ]


def test_what_is_not_good_says_so_also_where_there_is_little_room():
    tree = Tree()
    tree.take("a/machine", b'{"quality":"bad","state":"running"}', 0)
    assert tree.lines(0, 80, 9)[0].endswith(" bad 1x  now")
    narrow = tree.lines(0, 30, 9)[0]
    assert narrow == "a/machine" + " " * 9 + " bad 1x  now"
    assert all(len(line) <= 7 for line in tree.lines(0, 7, 9))


def test_what_was_taken_back_is_gone_and_begins_anew():
    tree = filled(CELL, CELL)
    assert tree.take(CELL, b"", 5) is None
    assert tree.lines(5, 80, 9) == ["0 topics"]
    assert tree.take(CELL, b"1", 6).count == 1


def test_where_not_all_fit_those_that_spoke_last_are_shown_in_their_order():
    tree = filled(*(f"a/{number:03}" for number in range(100)), "a/050")
    shown = tree.lines(100, 80, 5)
    assert len(shown) == 5
    assert [line.split()[0] for line in shown[:4]] == ["a", "050", "098", "099"]
    assert shown[4] == "100 topics, 97 not shown: name fewer"


def test_a_client_that_makes_up_topics_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(watch, "TOPICS_MAX", 3)
    tree = filled(*(f"a/{number}" for number in range(10)))
    assert len(tree.topics) == 3
    assert tree.left_out == 7
    assert tree.take("a/1", b"2", 1).count == 2


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b"8841", "8841"),
        (b"running", "running"),
        (b"\x08\xff\x12", "<3 bytes>"),
        (b'"\\u001b[2J\\u0007"', "\N{MIDDLE DOT}[2J\N{MIDDLE DOT}"),
        (b"a\x1b]0;title\x07b\nc", "a\N{MIDDLE DOT}]0;title\N{MIDDLE DOT}b\N{MIDDLE DOT}c"),
        (b"[" * 100_000, "[" * 1_000),
        (b'{"timestamp":"x","good":1}', '{"good": 1}'),
        (b'{"quality":7}', "{}"),
    ],
)
def test_whatever_is_sent_is_one_line_that_no_terminal_obeys(payload, shown):
    assert said(watch.read(payload)) == shown


def test_an_ideograph_takes_two_columns():
    assert fitting("焊接ab", 5) == "焊接a"
    assert fitting("焊接", 3) == "焊"
    assert plain("焊接 ok") == "焊接 ok"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.4, "now"), (59, "59s"), (3_599, "59m"), (86_399, "23h"), (200_000, "2d")]
)
def test_an_age_is_told_in_its_largest_unit(seconds, shown):
    assert age(seconds) == shown
