"""`replay`: a stretch of the journal to one way out again."""

import json
from typing import Any

from gateway.admin.box import CALLER, Arguments, Box
from gateway.replays.commands import ReplayCommands


async def ask(box: Box, given: Arguments) -> dict[str, Any]:
    """out, from_seq, to_seq."""
    commands = ReplayCommands(box.db, box.clock, box.new_id, box.settings.gateway.id)
    answer = await commands.ask(given["out"], given["from_seq"], given["to_seq"], CALLER, None)
    row: dict[str, Any] = json.loads(answer.data)["replay"]
    return row
