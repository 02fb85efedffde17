"""`conflicts ...`: what was seen differently here and in the cloud."""

import json
from functools import partial
from typing import Any

from gateway.admin.box import CALLER, Arguments, Box
from gateway.catalog.routes import wanted
from gateway.conflicts import store
from gateway.conflicts.commands import ConflictCommands
from gateway.conflicts.resources import CONFLICTS


async def listed(box: Box, given: Arguments) -> list[dict[str, Any]]:
    """resolved_too."""
    return await box.db.read(partial(store.listed, resolved_too=given["resolved_too"]))


async def resolve(box: Box, given: Arguments) -> dict[str, Any]:
    """id, resolution: `local` or `cloud`."""
    commands = ConflictCommands(box.db, box.clock, box.new_id, box.settings.gateway.id)
    answer = await commands.resolve(wanted(CONFLICTS, given["id"]), given["resolution"], CALLER, None)
    row: dict[str, Any] = json.loads(answer.data)["conflict"]
    return row
