"""Where agents are served: may this one call that tool, are the arguments right, what came of it. Every call is logged."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from jsonschema import Draft202012Validator, ValidationError

from gateway.plugin_api import ALL, Agent, Agents, Api, Clock, GatewayError, TooFast, Usage
from plugins.mcp_server import results
from plugins.mcp_server.calls import Calls, Refused, Reply
from plugins.mcp_server.tool import IDEMPOTENCY_KEY, OCCURRED_AT, Tool

VALUE_MAX_CHARACTERS = 100  # of a wrong value that is shown again

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """Who calls, from where, with which program."""

    agent: Agent
    address: str | None = None
    program: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    error: bool = False


class Desk:
    def __init__(self, tools: Iterable[Tool], api: Api, agents: Agents, clock: Clock) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self.schemas = {name: tool.schema(api) for name, tool in self._tools.items()}
        self._api = api
        self._agents = agents
        self._clock = clock

    def shown(self, agent: Agent) -> list[Tool]:
        """The tools that this agent may call."""
        return [tool for tool in self._tools.values() if _may(agent, tool)]

    async def call(self, name: str, given: Mapping[str, Any], visit: Visit) -> Said:
        """Raises TooFast: that is the transport's business. Everything else is an answer."""
        began_s = self._clock.monotonic()
        error: str | None = "it broke off"
        try:
            self._agents.take(visit.agent)
            reply = await self._carried_out(name, given, visit.agent)
        except TooFast as exc:
            error = exc.message
            raise
        except Refused as exc:
            error = f"{exc.code}: {exc.message}"
            return Said(results.refused(exc), error=True)
        else:
            error = None
            return Said(results.told(reply))
        finally:
            await self._log(name, given, visit, error, self._clock.monotonic() - began_s)

    async def _carried_out(self, name: str, given: Mapping[str, Any], agent: Agent) -> Reply:
        tool = self._tools.get(name)
        if tool is None:
            near = difflib.get_close_matches(name, [one.name for one in self.shown(agent)], n=1)
            raise Refused("INTERNAL_ERROR", f"Unknown tool: {name}" + (f". Did you mean {near[0]}?" if near else ""))
        if not _may(agent, tool):
            raise Refused("INSUFFICIENT_PERMISSIONS", _forbidden(agent, tool))
        _check(self.schemas[name], given)
        args = {key: value for key, value in given.items() if key not in (IDEMPOTENCY_KEY, OCCURRED_AT)}
        return await tool.call(Calls(self._api, agent.caller, given.get(IDEMPOTENCY_KEY), given.get(OCCURRED_AT)), args)

    async def _log(self, name: str, given: Mapping[str, Any], visit: Visit, error: str | None, took_s: float) -> None:
        """What has been done is done, also when the disk does not take a line about it."""
        agent = visit.agent
        about = (agent.caller.name, agent.key_id, name, given, error, round(1000 * took_s))
        try:
            await self._agents.used(Usage(*about, visit.address, visit.program))
        except GatewayError as exc:
            log.warning("mcp.not_logged", tool=name, error=exc.message)


def _may(agent: Agent, tool: Tool) -> bool:
    return tool.reads if agent.tools is None else bool(agent.tools & {ALL, tool.name})


def _forbidden(agent: Agent, tool: Tool) -> str:
    if agent.tools is None:
        return f"{tool.name} changes something: an API key may only read here. Ask for an MCP key that allows it"
    return f"this key does not allow {tool.name}: ask for one that does (`keys create --mcp --tools {tool.name}`)"


def _check(schema: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raises Refused that names all that is wrong."""
    wrong = sorted(
        Draft202012Validator(schema).iter_errors(given), key=lambda error: [str(step) for step in error.path]
    )
    if not wrong:
        return
    told = [f"{_path(error)}: {error.message[: VALUE_MAX_CHARACTERS * 3]}" for error in wrong]
    missing = all(error.validator == "required" for error in wrong)
    raise Refused("MISSING_REQUIRED_FIELD" if missing else "VALIDATION_ERROR", f"Validation failed: {', '.join(told)}")


def _path(error: ValidationError) -> str:
    return ".".join(str(step) for step in error.path) or "arguments"
