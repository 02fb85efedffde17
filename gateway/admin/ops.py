"""What the operations page shows beside everything else; `ops code` lets somebody in there for the first time."""

import shutil
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.admin.repairs import found
from gateway.kernel import clock as time_
from gateway.kernel.errors import BadRequest
from gateway.ops import access, history, store
from gateway.ops.overview import overview as told

COUNTED = ("parked", "conflicts", "way_out")  # the overview has these numbers by themselves


async def code(box: Box, _given: Arguments) -> dict[str, Any]:
    """A new code for /ops/setup: it sets the password of the operations page, once."""
    return {"code": await access.make_code(box.db)}


async def overview(box: Box, _given: Arguments) -> dict[str, Any]:
    """See `ops.overview.overview`; with every link, and the disk."""
    report = await box.status()
    peak = await box.db.read(store.peak)
    repairs = sum(one.needs_you and one.check.kind not in COUNTED for one in await found(box))
    disk = shutil.disk_usage(box.settings.data_dir)
    return {
        **told(report, peak, repairs),
        **{name: report[name] for name in ("gateway", "version", "epoch", "journal_head", "clock_trusted", "links")},
        "now": time_.zulu(box.clock.now()),
        "disk": {"free_bytes": disk.free, "total_bytes": disk.total},
    }


async def history_(box: Box, given: Arguments) -> dict[str, Any]:
    """hours: 1, 24 or 168."""
    hours = int(given.get("hours") or 1)
    if hours not in history.STEPS:
        raise BadRequest(f"{hours} hours: {', '.join(map(str, history.STEPS))}")
    return await history.shown(box.db, box.clock, hours)


async def actions(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    """What was done on the operations page, the newest first."""
    return await box.db.read(store.actions)
