"""`repairs ...`: problems that the box sees by itself."""

from datetime import timedelta
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.kernel import clock as time_
from gateway.kernel.errors import BadRequest, NotFound
from gateway.ops import repairs, standing, store
from gateway.ops.repairs import Problem

DAYS_MAX = 365


async def listed(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    """The worst first; `ignored_until` is null where nobody ignores it."""
    found = await problems(box)
    ignored = await box.db.read(store.ignored, time_.text(box.clock.now()))
    return [one.shown(ignored.get(one.id)) for one in found]


async def ignore(box: Box, given: Arguments) -> dict[str, Any]:
    """id; days: 0 heeds it again."""
    days = int(given["days"])
    if not 0 <= days <= DAYS_MAX:
        raise BadRequest(f"{days} days: 0 to {DAYS_MAX}")
    if all(one.id != given["id"] for one in await problems(box)):
        raise NotFound(f'there is no problem "{given["id"]}" (any more): `repairs list` shows what there is')
    now = box.clock.now()
    if not days:
        await box.db.write(store.heed, given["id"])
        return {"id": given["id"], "ignored_until": None}
    until = time_.text(now + timedelta(days=days))
    await box.db.write(store.ignore, given["id"], until, box.by.name, time_.text(now))
    return {"id": given["id"], "ignored_until": until}


async def problems(box: Box) -> list[Problem]:
    report = await box.status()
    restart = await standing.restart(box.configuration, box.settings)
    forgotten = await box.db.read(standing.forgotten, box.clock.now())
    return repairs.found(report, box.settings, restart, forgotten)
