"""`machines ...`: where each stands, and counts that wait for a person."""

import json
from dataclasses import asdict
from typing import Any

from gateway.admin.box import CALLER, Arguments, Box
from gateway.machines.quarantines import QuarantineCommands
from gateway.machines.registry import machines
from gateway.machines.standing import standing


async def listed(box: Box, given: Arguments) -> dict[str, Any]:
    """all: also what is acknowledged."""
    known = machines(box.settings.uns)
    commands = QuarantineCommands(box.db, box.clock, box.new_id, box.settings.gateway.id, known)
    stand = [asdict(one) for one in await box.db.read(standing, known)]
    return {"machines": stand, "quarantines": await commands.listed(CALLER, acknowledged_too=given["all"])}


async def acknowledge(box: Box, given: Arguments) -> dict[str, Any]:
    """id."""
    known = machines(box.settings.uns)
    commands = QuarantineCommands(box.db, box.clock, box.new_id, box.settings.gateway.id, known)
    answer = await commands.acknowledge(given["id"], CALLER, None)
    row: dict[str, Any] = json.loads(answer.data)["quarantine"]
    return row
