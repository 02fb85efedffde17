"""What a primary host says of itself on its STATE topic. Pure."""

import json
from dataclasses import dataclass

STATE_BYTES_MAX = 256


@dataclass(frozen=True, slots=True)
class HostState:
    online: bool
    timestamp: int


def heard(payload: bytes, before: HostState | None) -> HostState | None:
    """The newest that is known: what is older than `before`, or no state at all, changes nothing."""
    try:
        told = json.loads(payload) if len(payload) <= STATE_BYTES_MAX else None
    except ValueError:
        return before
    if not isinstance(told, dict):
        return before
    online, timestamp = told.get("online"), told.get("timestamp")
    if not isinstance(online, bool) or not isinstance(timestamp, int) or isinstance(timestamp, bool):
        return before
    if before is not None and timestamp < before.timestamp:
        return before
    return HostState(online, timestamp)
