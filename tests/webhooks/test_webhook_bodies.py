"""A receiver may verify the bytes that came, or those that JavaScript makes of what it has read: they are the same."""

import base64
import json
import subprocess
from pathlib import Path

import javascript
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.outbox.event import in_seconds
from gateway.webhooks import body

NUMBERS = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats(-1e-3, 1e-3)
    | st.floats(1e14, 1e24)
    | st.decimals(allow_nan=False, allow_infinity=False, places=2).map(float)
)
TEXTS = st.text(st.characters(exclude_categories=()))  # halves of a pair included
KEYS = TEXTS | st.integers(0, 2**33).map(str) | st.sampled_from(("__proto__", "constructor", "01", "-1", "4294967295"))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=6),
    max_leaves=20,
)


class Stringify:
    """JSON.stringify(JSON.parse(...)) of a real JavaScript."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process

    def __call__(self, text: bytes) -> bytes:
        self._process.stdin.write(base64.b64encode(text) + b"\n")
        self._process.stdin.flush()
        return base64.b64decode(self._process.stdout.readline())


@pytest.fixture(scope="module")
def stringify():
    script = Path(__file__).parent / "stringify.cjs"
    with subprocess.Popen([javascript.node(), script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Stringify(process)
        process.stdin.close()


@settings(max_examples=150)
@given(data=st.dictionaries(KEYS, VALUES, max_size=6))
@example(data={"a": 95.0, "b": -0.0, "c": 1e-7, "d": 1e21, "e": 5e-324, "f": 2**53 + 1, "g": 0.1 + 0.2, "h": 10**400})
@example(data={"b": 1, "10": 2, "9": 3, "a": 4, "4294967294": 5, "4294967295": 6})
@example(data={"x": "\u2028\u2029\x00\x1f\x7f\u00e4\U0001f600/<>&'\"\\", "\ud800": "\udfff\ud83d"})
def test_javascript_gives_the_same_bytes_back(stringify, data):
    written = body.written("job.started", "2026-11-02T07:00:00.000Z", data)
    assert stringify(written) == written
    assert b"\n" not in written


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (95.0, "95"),
        (99.5, "99.5"),
        (1e-6, "0.000001"),
        (1.5e-7, "1.5e-7"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (2**63, "9223372036854776000"),
        (float("inf"), "null"),
        (True, "true"),
    ],
)
def test_a_number_is_written_as_javascript_prints_it(number, text):
    assert body.written("e", "t", {"n": number}) == f'{{"event":"e","timestamp":"t","data":{{"n":{text}}}}}'.encode()


def test_it_is_compact_and_what_is_not_ascii_stands_as_it_is():
    written = body.written("job.started", "2026-11-02T07:00:00.000Z", {"customer": "Müller & Söhne", "n": None})
    text = (
        '{"event":"job.started","timestamp":"2026-11-02T07:00:00.000Z","data":{"customer":"Müller & Söhne","n":null}}'
    )
    assert written == text.encode()
    assert json.loads(written)["data"]["customer"] == "Müller & Söhne"


def test_minutes_become_seconds_for_who_reads_those():
    told = in_seconds({"actual_time": 150, "actual_time_seconds": 9000, "estimated_time": 1, "n": 1})
    assert told == {"actual_time": 9000, "actual_time_seconds": 9000, "estimated_time": 1, "n": 1}
