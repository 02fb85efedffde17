"""`plugins ...`: what is optional."""

from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.plugin_host import host


async def listed(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    links = (await box.status())["links"]
    return host.listed(box.settings.plugins, links, box.settings.gateway.plugins_dir)


async def restart(box: Box, given: Arguments) -> dict[str, Any]:
    """name."""
    await box.restart(given["name"])
    return {"name": given["name"], "restarted": True}
