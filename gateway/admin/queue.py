"""`status` and `queue ...`: how the gateway is, and what its ways out have set aside."""

from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.outbox import parked


async def status(box: Box, _given: Arguments) -> dict[str, Any]:
    return await box.status()


async def listed(box: Box, given: Arguments) -> list[dict[str, Any]]:
    """reader: of this one only."""
    return await box.db.read(parked.listed, given.get("reader"))


async def retry(box: Box, given: Arguments) -> dict[str, Any]:
    """seqs, or all."""
    return {"retried": await box.db.write(parked.retry, given["reader"], given.get("seqs"))}


async def discard(box: Box, given: Arguments) -> dict[str, Any]:
    """seqs, or all. What is discarded is never sent, and counts as skipped."""
    return {"discarded": await box.db.write(parked.discard, given["reader"], given.get("seqs"))}
