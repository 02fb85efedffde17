"""What the cloud's functions are called with and what they say back."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from gateway.demo.cloud_gate import Tenant

_AFTER_COMMA = re.compile(r",\s*$")
_V8_TEXTS = {
    "Expecting ':' delimiter": "Expected ':' after property name in JSON",
    "Invalid control character at": "Bad control character in string literal in JSON",
    "Extra data": "Unexpected non-whitespace character after JSON",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request behind the gate: whose it is, which function, what it asks."""

    method: str
    function: str
    path: tuple[str, ...]  # what follows the function's name
    query: Mapping[str, str]  # of a repeated parameter the first
    body: bytes
    tenant: Tenant
    content_type: str = ""

    @property
    def id(self) -> str:
        return self.query.get("id", "")

    def json(self) -> Any:
        """The body, read as the cloud's JavaScript reads it. Raises Refused with its words."""
        return parsed(self.body.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    enveloped: bool = True  # said by a function, with its CORS headers; else by the platform before it

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, str):
            return self.body.encode()
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode()


class Refused(Exception):
    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"code": code, "message": message, "statusCode": status, **more}

    def answer(self, headers: Mapping[str, str] | None = None) -> Answer:
        return Answer(self.status, {"success": False, "error": self.error}, headers or {})


def done(data: Any, status: int = 200) -> Answer:
    return Answer(status, {"success": True, "data": data})


def broken(message: str) -> Refused:
    """What the cloud makes of nearly every mistake of a client."""
    return Refused(500, "INTERNAL_ERROR", message)


def not_found(table: str, row_id: str) -> Refused:
    return Refused(404, "NOT_FOUND", f"{table} with ID {row_id} not found")


def parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_number, parse_constant=lambda name: _no_constant(text, name))
    except json.JSONDecodeError as exc:
        raise broken(_v8(text, exc)) from None


def _number(written: str) -> int | float | None:
    """JavaScript knows one kind of number: 5.0 goes on as 5, and what is too large as null."""
    number = float(written)
    if math.isinf(number):
        return None
    return int(number) if number.is_integer() else number


def _no_constant(text: str, name: str) -> NoReturn:
    raise json.JSONDecodeError("Expecting value", text, text.index(name))


def _v8(text: str, exc: json.JSONDecodeError) -> str:
    at = f"at position {exc.pos} (line {exc.lineno} column {exc.colno})"
    ended = exc.pos >= len(text.rstrip())
    match exc.msg:
        case "Unterminated string starting at":
            return f"Unterminated string in JSON at position {len(text)} (line 1 column {len(text) + 1})"
        case "Expecting property name enclosed in double quotes":
            what = "double-quoted property name" if _AFTER_COMMA.search(text[: exc.pos]) else "property name or '}'"
            return f"Expected {what} in JSON {at}"
        case "Expecting ',' delimiter":
            what = "',' or ']' after array element" if _in_array(text[: exc.pos]) else "',' or '}' after property value"
            return f"Expected {what} in JSON {at}"
        case "Expecting value" if ended:
            return "Unexpected end of JSON input"
        case "Expecting value":
            return f"Unexpected token '{text[exc.pos]}', \"{text}\" is not valid JSON"
        case other:
            return f"{_V8_TEXTS.get(other, 'Unexpected token in JSON')} {at}"


def _in_array(read: str) -> bool:
    """Whether the innermost bracket left open is that of an array."""
    closed = 0
    for sign in reversed(re.sub(r'"(?:[^"\\]|\\.)*"', "", read)):
        if sign in "]}":
            closed += 1
        elif sign in "[{":
            if closed == 0:
                return sign == "["
            closed -= 1
    return False
