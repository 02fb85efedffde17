"""`config ...`: what is set, what another text would set, keys to be set."""

import asyncio
from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.kernel.errors import Invalid, StartupError


async def show(box: Box, _given: Arguments) -> dict[str, Any]:
    """See `Configuration.shown`."""
    return await asyncio.to_thread(box.configuration.shown, box.settings)


async def check(box: Box, given: Arguments) -> dict[str, Any]:
    """text: of a whole configuration."""
    return await asyncio.to_thread(box.configuration.checked, str(given["text"]))


async def diff(box: Box, given: Arguments) -> list[dict[str, Any]]:
    """text. What it would change, against what is in force."""
    try:
        return await asyncio.to_thread(box.configuration.diff, box.settings, str(given["text"]))
    except StartupError as exc:
        raise Invalid(exc.message) from exc


async def write(box: Box, given: Arguments) -> dict[str, Any]:
    """changes: key -> value, null takes it out. In force after a restart."""
    return await asyncio.to_thread(box.configuration.write, dict(given["changes"]))


async def seal(box: Box, _given: Arguments) -> dict[str, Any]:
    """The secrets that stand in the file in the clear are sealed; what they are does not change."""
    return await asyncio.to_thread(box.configuration.seal)
