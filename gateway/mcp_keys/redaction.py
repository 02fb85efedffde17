"""What of a tool's arguments may be remembered: no secrets, not too much. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.outbox.event import encode

HIDDEN = "[redacted]"
TEXT_MAX = 500  # characters of one value
ARGUMENTS_MAX = 8_000  # characters of all of them

_NAME = re.compile(r"secret|password|passphrase|token|badge|(^|_)pin($|_)|(^|_|api)key$", re.IGNORECASE)
_IDENTIFIES = frozenset({"idempotency_key"})  # a name for a request, no secret
# What is a secret wherever it stands: keys of ours and of the cloud's, bearer headers, JSON web tokens.
_VALUE = re.compile(r"(?:ery|mcp|whsec)_\w{6,}|Bearer\s+\S+|eyJ[\w-]{8,}\.[\w-]+\.[\w-]*")


def redacted(arguments: Mapping[str, Any]) -> str:
    """As JSON text, an object."""
    told = encode(_object(arguments))
    return told if len(told) <= ARGUMENTS_MAX else encode({"cut": told[:ARGUMENTS_MAX]})


def _object(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(name): HIDDEN if _NAME.search(str(name)) and name not in _IDENTIFIES else _value(value)
        for name, value in given.items()
    }


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, list | tuple):
        return [_value(one) for one in value]
    if isinstance(value, str):
        clean = _VALUE.sub(HIDDEN, value)
        return clean if len(clean) <= TEXT_MAX else clean[:TEXT_MAX] + "..."
    return value
