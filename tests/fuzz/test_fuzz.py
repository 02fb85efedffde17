"""A short share of `make fuzz`."""

from throw import fuzz

CASES = 3


def test_generated_requests_are_answered_as_described(tmp_path):
    assert fuzz(tmp_path, CASES, seed=1) == 0
