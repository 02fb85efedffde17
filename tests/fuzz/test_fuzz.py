"""A short share of `make fuzz`."""

from throw import fuzz

CASES = 5
PHASES = "examples,fuzzing,stateful"  # the boundary values of each field take minutes


def test_generated_requests_are_answered_as_described(tmp_path):
    assert fuzz(tmp_path, CASES, seed=1, phases=PHASES) == 0
