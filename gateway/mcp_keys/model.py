"""Who calls tools, and what is remembered of a call."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.web.routes import Caller

PREFIXES = ("mcp_live_", "mcp_test_")
ALL = "*"  # among the allowed tools: every tool
RATE_LIMIT = 100  # calls a minute, unless the key says otherwise


@dataclass(frozen=True, slots=True)
class Agent:
    """Who is calling. `caller` is whom his calls of the REST API are made for; `tools` are the names that his key allows (`*`:
    all), None: those that only read. `key_id` is that of an MCP key, None for whoever comes with something else.

    `rate_limit`: calls a minute; None: his requests are counted elsewhere, or not at all.
    """

    caller: Caller
    tools: frozenset[str] | None
    key_id: str | None = None
    rate_limit: int | None = None


@dataclass(frozen=True, slots=True)
class NewMcpKey:
    """What is asked for. `tools`: names, or `*`."""

    name: str
    tools: tuple[str, ...]
    rate_limit: int = RATE_LIMIT
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """One call of a tool. `error` is None when it did what it should; `agent` the name of whoever called."""

    agent: str
    key_id: str | None
    tool: str
    arguments: Mapping[str, Any]
    error: str | None
    took_ms: int
    address: str | None = None
    program: str | None = None  # its User-Agent
