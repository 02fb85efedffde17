"""Replies and refusals as the text that an agent gets. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from plugins.mcp_server.calls import Refused, Reply
from plugins.mcp_server.texts import NOTICE


def told(reply: Reply) -> str:
    """The notice stands before the data: whoever reads has read it."""
    whole: dict[str, Any] = {"success": True, "notice": NOTICE, "data": reply.data}
    if reply.message:
        whole["message"] = reply.message
    if reply.pagination is not None:
        whole["pagination"] = reply.pagination
    return _pretty(whole)


def refused(refusal: Refused) -> str:
    error: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    if refusal.context is not None:
        error["context"] = refusal.context
    return _pretty({"success": False, "error": error})


def _pretty(whole: Mapping[str, Any]) -> str:
    return json.dumps(whole, ensure_ascii=False, indent=2)
