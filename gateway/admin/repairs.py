"""`repairs ...`: what may be wrong with this box, and what somebody knows of."""

import asyncio
from datetime import timedelta
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.kernel import clock as time_
from gateway.kernel.errors import BadRequest, NotFound, StorageFailed
from gateway.repairs import rows
from gateway.repairs.asking import of_running
from gateway.repairs.examined import CHECKS, examined
from gateway.repairs.model import Finding

DAYS_MAX = 365
OWNER_ONLY = 0o700


async def listed(box: Box, given: Arguments) -> list[dict[str, Any]]:
    """all: also what is well. The worst first, see `Finding.shown`."""
    return [one.shown() for one in await found(box) if one.bad is not None or given.get("all")]


async def found(box: Box) -> list[Finding]:
    report, now = await box.status(), box.clock.now()
    facts, ignored = await of_running(box.settings, now, box.db, report, box.configuration, box.broker_door)
    return examined(facts, ignored)


async def ignore(box: Box, given: Arguments) -> dict[str, Any]:
    """id; days: for how long nobody is told of it, 0 heeds it again."""
    problem, days = str(given["id"]), int(given["days"])
    if not 0 <= days <= DAYS_MAX:
        raise BadRequest(f"{days} days: 0 to {DAYS_MAX}")
    if problem.partition(":")[0] not in {check.kind for check in CHECKS}:
        raise NotFound(f'there is no problem "{problem}": `eryxon-gateway doctor --json` shows their ids')
    if not days:
        await box.db.write(rows.heed, problem)
        return {"id": problem, "ignored_until": None}
    now = box.clock.now()
    until = time_.text(now + timedelta(days=days))
    await box.db.write(rows.ignore, problem, until, box.by.name, time_.text(now))
    return {"id": problem, "ignored_until": until}


async def close_folder(box: Box, _given: Arguments) -> dict[str, Any]:
    """The data folder for its owner only."""
    folder = box.settings.data_dir
    try:
        await asyncio.to_thread(folder.chmod, OWNER_ONLY)
    except OSError as exc:
        raise StorageFailed(f"{folder} cannot be changed ({exc.strerror}): run `chmod 700` as its owner") from exc
    return {"folder": str(folder), "mode": f"{OWNER_ONLY:o}"}
