"""A short share of `make payloads`."""

from payloads import throw

PAYLOADS = 600


def test_mutated_messages_are_told_by_name_and_disturb_nobody(tmp_path):
    assert throw(tmp_path, PAYLOADS, seed=1) == []
