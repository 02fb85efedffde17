"""`status` and `queue ...`: how the gateway is, what its ways out have set aside, and what still waits."""

from dataclasses import asdict
from typing import Any

import structlog

from gateway.admin.box import Arguments, Box
from gateway.kernel.errors import BadRequest, NotFound
from gateway.ops import store
from gateway.outbox import parked

WAITING_MAX = 500
REASON_MAX = 500  # characters

log = structlog.get_logger(__name__)


async def status(box: Box, _given: Arguments) -> dict[str, Any]:
    return await box.status()


async def listed(box: Box, given: Arguments) -> list[dict[str, Any]]:
    """reader: of this one only."""
    return await box.db.read(parked.listed, given.get("reader"))


async def retry(box: Box, given: Arguments) -> dict[str, Any]:
    """seqs, or all."""
    return {"retried": await box.db.write(parked.retry, given["reader"], given.get("seqs"))}


async def discard(box: Box, given: Arguments) -> dict[str, Any]:
    """seqs, or all; reason. What is discarded is never sent, and counts as skipped."""
    gone = await box.db.write(parked.discard, given["reader"], given.get("seqs"))
    told = {"reader": given["reader"], "seqs": given.get("seqs") or "all", "by": box.by.name}
    log.warning("queue.discarded", count=gone, reason=_reason(given), **told)
    return {"discarded": gone}


async def waiting(box: Box, given: Arguments) -> list[dict[str, Any]]:
    """reader; after: a seq; limit. What is still to be sent, the oldest first, with its lane's attempts."""
    limit = min(int(given.get("limit") or 100), WAITING_MAX)
    return await box.db.read(store.waiting, given["reader"], int(given.get("after") or 0), limit)


async def tables(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    """How far the cloud is known, table by table: {table, rows, seen_at, unsettled}."""
    return await box.db.read(store.cloud_tables)


async def look(box: Box, given: Arguments) -> dict[str, Any]:
    """seq: one entry of the journal."""
    found = await box.db.read(store.entry, int(given["seq"]))
    if found is None:
        raise NotFound(f"the journal has no entry {given['seq']} (any more)")
    return found


async def pause(box: Box, given: Arguments) -> dict[str, Any]:
    """reason. Nothing goes to the cloud and nothing is read from there until `resume`."""
    return asdict(await box.switch.pause(box.by.name, _reason(given)))


async def now(box: Box, _given: Arguments) -> dict[str, Any]:
    """Try the cloud link now, however long it would have waited after a failure."""
    box.switch.again()
    return {}


async def resume(box: Box, _given: Arguments) -> dict[str, Any]:
    await box.switch.resume(box.by.name)
    return {"paused": None}


def _reason(given: Arguments) -> str:
    reason = str(given.get("reason") or "")
    if len(reason) > REASON_MAX:
        raise BadRequest(f"a reason of {len(reason)} characters: at most {REASON_MAX}")
    return reason
