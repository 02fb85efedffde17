"""Who can be assigned, and how an assignment goes on. Pure."""

from collections.abc import Mapping
from typing import Any

from gateway.jobs.assignments.model import Status
from gateway.kernel.errors import Invalid, InvalidTransition

_ORDER = tuple(Status)


def require_whole(row: Mapping[str, Any]) -> None:
    """Somebody is assigned, by somebody. Raises Invalid."""
    if row.get("operator_id") is None and row.get("shop_floor_operator_id") is None:
        raise wrong("operator_id", "operator_id or shop_floor_operator_id is required", "NOT_NULL")
    if row.get("assigned_by") is None:
        message = "assigned_by is required: give a profile, or use a key that has an operator"
        raise wrong("assigned_by", message, "NOT_NULL")


def require_forward(before: Status, after: Status) -> None:
    """Steps may be left out, not taken back. Raises InvalidTransition."""
    if _ORDER.index(after) < _ORDER.index(before):
        allowed = list(_ORDER[: _ORDER.index(after) + 1])
        raise InvalidTransition(
            f"Cannot set assignment with status '{before}' to '{after}': only a key with the scope admin may go back.",
            {"current_status": before, "requested": after, "allowed_from": allowed},
        )


def wrong(field: str, message: str, constraint: str) -> Invalid:
    return Invalid(message, [{"field": field, "message": message, "constraint": constraint}])
