"""`mcp`, and keys for agents: what the command needs that serves an agent on stdin and stdout."""

from typing import Any

from gateway.admin.box import Arguments, Box
from gateway.mcp_keys.model import NewMcpKey, Usage
from gateway.plugin_host import host


async def create_key(box: Box, given: Arguments) -> dict[str, Any]:
    """name, tools (names or `*`; None: those that only read), rate_limit (calls a minute). Raises Invalid for a tool that there
    is not.
    """
    tools = host.allowed_tools(given["tools"])
    key_id, key = await box.mcp_keys.create(NewMcpKey(given["name"], tools, given["rate_limit"]))
    told = {"id": key_id, "name": given["name"], "allowed_tools": tools, "rate_limit": given["rate_limit"]}
    return {**told, "key": key}


async def call(box: Box, given: Arguments) -> dict[str, Any]:
    """The fields of a `plugin_api.Request`."""
    return await box.call(given)


async def used(box: Box, given: Arguments) -> dict[str, Any]:
    """The fields of a `plugin_api.Usage`."""
    await box.mcp_keys.used(Usage(**given))
    return {}
