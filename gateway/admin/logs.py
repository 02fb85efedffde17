"""`logs ...`: what a running gateway has said of late, and how much it says."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.kernel.clock import zulu
from gateway.kernel.errors import BadRequest, Unavailable
from gateway.kernel.logs import LEVELS, Tail

MINUTES, MINUTES_MAX = 30, 240
SHOWN_MAX = 500


async def show(box: Box, given: Arguments) -> dict[str, Any]:
    """level, module, request_id: only these; limit. The newest, the oldest first."""
    tail = _tail(box)
    found = [{"number": number, **record} for number, record in tail.after(0) if wanted(record, given)]
    limit = max(1, min(int(given.get("limit") or SHOWN_MAX), SHOWN_MAX))
    return {"level": tail.level, "configured": tail.configured, "records": found[-limit:]}


async def level(box: Box, given: Arguments) -> dict[str, Any]:
    """level; minutes (30): then it is again what is configured."""
    tail = _tail(box)
    minutes = int(given.get("minutes") or MINUTES)
    if given["level"] not in LEVELS or not 1 <= minutes <= MINUTES_MAX:
        raise BadRequest(f"a level is {', '.join(LEVELS)}, for 1 to {MINUTES_MAX} minutes")
    tail.show(given["level"], asyncio.get_running_loop(), minutes * 60.0)
    return {"level": tail.level, "until": zulu(box.clock.now() + timedelta(minutes=minutes))}


def wanted(record: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """`level` and whatever is worse; a `module` with all below it."""
    if given.get("level") and _rank(record.get("level")) < _rank(given["level"]):
        return False
    if given.get("module") and not str(record.get("module", "")).startswith(str(given["module"])):
        return False
    asked = given.get("request_id")
    return not asked or record.get("request_id") == asked or asked in record.get("request_ids", ())


def _rank(name: Any) -> int:
    """`critical` and what nobody knows count as errors."""
    return LEVELS.index(name) if name in LEVELS else len(LEVELS)


def _tail(box: Box) -> Tail:
    if box.tail is None:
        raise Unavailable(
            "the gateway is stopped: its log is where its standard error went, as `journalctl -u eryxon-gateway`"
        )
    return box.tail
