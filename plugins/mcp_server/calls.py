"""The calls of the REST API that one call of a tool makes, all for the same agent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.plugin_api import Api, Caller, Outcome, Request


@dataclass(frozen=True, slots=True)
class Reply:
    """What is told: `data`, a remark, and where it stands in a list. `replayed`: the answer of an earlier call with that key."""

    data: Any
    message: str = ""
    pagination: Mapping[str, Any] | None = None
    replayed: bool = False


class Refused(Exception):
    """A tool that did not do what it should. `code` is one of the contract's."""

    def __init__(self, code: str, message: str, context: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.context = context


@dataclass(frozen=True, slots=True)
class Calls:
    """`key` is the Idempotency-Key of the whole; each call has its own, made of it."""

    api: Api
    caller: Caller
    key: str | None = None
    occurred_at: str | None = None

    async def target(self, method: str, path: str, given: Mapping[str, Any], row: str = "", step: str = "") -> Reply:
        """Each argument goes where the route wants it. Raises Refused."""
        known = self.api.fields(method, path)
        query = {name: _text(value) for name, value in given.items() if known[name].where == "query"}
        body = {name: value for name, value in given.items() if known[name].where == "body"}
        key = None if self.key is None else f"{self.key}{step}"
        sent = None if method in ("GET", "DELETE") else body
        outcome = await self.api.call(Request(method, path, query, sent, key, self.occurred_at), self.caller)
        return replace(_reply(_data(outcome), row), replayed=outcome.replayed)

    async def get(self, path: str, **query: Any) -> Any:
        """The `data` of the answer. Raises Refused."""
        asked = {name: _text(value) for name, value in query.items()}
        return _data(await self.api.call(Request("GET", path, asked), self.caller))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return str(value)


def _reply(data: Any, row: str) -> Reply:
    if not isinstance(data, dict):
        return Reply(data)
    if "pagination" in data:
        (rows,) = (value for name, value in data.items() if name != "pagination")
        page = {name: data["pagination"][name] for name in ("offset", "limit", "total")}
        return Reply(rows, pagination={**page, "has_more": page["offset"] + len(rows) < page["total"]})
    warnings = data.get("warnings") or ()
    return Reply(data.get(row, data), " ".join(map(str, warnings)))


def _data(outcome: Outcome) -> Any:
    told = json.loads(outcome.body)
    if outcome.good:
        return told["data"]
    raise _refused(told["error"])


# Our codes in the contract's words; those that are not here are the same.
_CODES = {
    "FORBIDDEN": "INSUFFICIENT_PERMISSIONS",
    "CELL_NOT_ALLOWED": "INSUFFICIENT_PERMISSIONS",
    "BAD_REQUEST": "INVALID_INPUT",
    "INVALID_OPERATION": "INVALID_INPUT",
    "IDEMPOTENCY_KEY_REUSED": "INVALID_INPUT",
    "CONFLICT": "DUPLICATE_ENTRY",
    "UNAVAILABLE": "EXTERNAL_SERVICE_ERROR",
    "BUSY": "TIMEOUT",
    "STORAGE_FAILED": "DATABASE_ERROR",
    "INSUFFICIENT_STORAGE": "DATABASE_ERROR",
    "READ_ONLY": "DATABASE_ERROR",
}
_SAME = frozenset({"VALIDATION_ERROR", "NOT_FOUND", "INVALID_STATE_TRANSITION", "INTERNAL_ERROR"})


def _refused(error: Mapping[str, Any]) -> Refused:
    code = str(error["code"])
    details = error.get("details")
    context: dict[str, Any] = {"request_id": error["request_id"]}
    if code == "INVALID_STATE_TRANSITION" and isinstance(details, Mapping):
        context |= {"currentState": details.get("current_status"), "attemptedState": details.get("requested")}
    if details is not None:
        context["details"] = details
    told = code if code in _SAME else _CODES.get(code, "OPERATION_FAILED")
    if told == "DUPLICATE_ENTRY" and not (isinstance(details, Mapping) and "field" in details):
        told = "OPERATION_FAILED"
    if told != code:
        context["reason"] = code
    return Refused(told, str(error["message"]), context)
