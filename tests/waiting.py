"""Waiting for what another task or thread does."""

import asyncio

WAIT_MAX_S = 30  # a machine that stands still for seconds is not a defect of ours


async def until(fact, what: str = "") -> None:
    """Wait for a fact."""
    try:
        async with asyncio.timeout(WAIT_MAX_S):
            while not fact():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"waited in vain for {what or fact}") from None
