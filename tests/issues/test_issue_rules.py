"""The states of an issue, all pairs."""

import pytest

from gateway.issues import rules
from gateway.issues.rules import Status
from gateway.kernel.errors import InvalidTransition

LEGAL = {
    ("pending", "approved"),
    ("pending", "rejected"),
    ("pending", "closed"),
    ("approved", "closed"),
    ("rejected", "pending"),
    ("rejected", "closed"),
    ("closed", "pending"),
    *((state, state) for state in Status),
}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("target", Status)
def test_every_change_of_state_is_legal_or_says_from_where_it_would_be(status, target):
    if (status, target) in LEGAL:
        rules.require(status, target)
        return
    with pytest.raises(InvalidTransition) as refused:
        rules.require(status, target)
    sources = {one for one, other in LEGAL if other == target and one != target}
    assert set(refused.value.details["allowed_from"]) == sources
    assert refused.value.details.items() >= {"current_status": status, "requested": target}.items()


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("causes_standstill", [0, 1])
def test_only_a_pending_standstill_holds(status, causes_standstill):
    issue = {"status": status, "causes_standstill": causes_standstill}
    assert rules.holds(issue) is (status is Status.PENDING and causes_standstill == 1)
