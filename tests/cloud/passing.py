"""Hours and days that pass by a clock that we turn, while the link talks to a real stand-in cloud."""

import asyncio

TICK_S = 0.004  # real seconds in which what was woken can talk to the cloud


async def pass_by(shop, seconds: float, step_s: float = 5.0, *, until=None) -> float:
    """Let time pass; returns how much of it, when `until(connection)` is true before the end."""
    passed = 0.0
    while passed < seconds:
        if until is not None:
            await shop.db.write(lambda _tx: None)
            if await shop.db.read(until):
                break
        await shop.clock.advance(step_s)
        passed += step_s
        await asyncio.sleep(TICK_S)
    return passed


def nothing_unsettled(connection) -> bool:
    sql = "SELECT count(*) FROM cloud_rows WHERE unsettled_until IS NOT NULL"
    return connection.execute(sql).fetchone()[0] == 0
