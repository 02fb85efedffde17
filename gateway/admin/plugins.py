"""`plugins ...`: what is optional."""

from typing import Any

from gateway import plugin_host
from gateway.admin.box import Arguments, Box


async def listed(box: Box, _given: Arguments) -> list[dict[str, Any]]:
    links = (await box.status())["links"]
    return plugin_host.listed(box.settings.plugins, links, box.settings.gateway.plugins_dir)
