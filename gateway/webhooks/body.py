"""The body of a delivery: the bytes that `JSON.stringify(JSON.parse(body))` gives back, so that receivers may verify either. Pure.

A number is written as JavaScript prints it, keys that look like an index of an array come first, in their order.
"""

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gateway.outbox.event import Entry

EXACT_MAX = 2**53  # beyond it JavaScript does not tell one integer from the next
PLAIN_MAX = 1e21  # from here on it prints an exponent
PLAIN_MIN = 1e-6  # below here, too
INDEX_MAX = 2**32 - 2

_TEXT = json.encoder.encode_basestring
_INDEX = re.compile(r"0|[1-9]\d{0,9}", re.ASCII)
_EXPONENT_ZERO = re.compile(r"(?<=e[-+])0+")


def written(event: str, timestamp: str, data: Mapping[str, Any]) -> bytes:
    """`{"event","timestamp","data"}`, without spaces."""
    # What UTF-8 has no bytes for is escaped exactly as JavaScript does it.
    return _json({"event": event, "timestamp": timestamp, "data": data}).encode("utf-8", "backslashreplace")


def read(entry: Entry) -> dict[str, Any]:
    """What an entry of the journal tells."""
    found = json.loads(entry.data) if entry.data else {}
    return found if isinstance(found, dict) else {}


def _json(value: Any) -> str:
    if isinstance(value, str):
        return _TEXT(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        names = sorted(value, key=_place) if any(map(_is_index, value)) else value
        return "{" + ",".join([f"{_TEXT(name)}:{_json(value[name])}" for name in names]) + "}"
    return "[" + ",".join([_json(one) for one in value]) + "]"


def _number(value: float) -> str:
    if isinstance(value, int):
        if -EXACT_MAX <= value <= EXACT_MAX:
            return str(value)
        try:
            value = float(value)
        except OverflowError:
            return "null"
    if not math.isfinite(value):
        return "null"
    size = abs(value)
    if not size:
        return "0"
    if PLAIN_MIN <= size < PLAIN_MAX:
        text = format(Decimal(repr(value)), "f")  # the shortest digits that are this number, without an exponent
        return text.removesuffix(".0")
    return _EXPONENT_ZERO.sub("", repr(value))


def _is_index(name: str) -> bool:
    return "0" <= name[:1] <= "9" and _INDEX.fullmatch(name) is not None and int(name) <= INDEX_MAX


def _place(name: str) -> tuple[bool, int]:
    """Sorting is stable: the others stay in their order."""
    return (False, int(name)) if _is_index(name) else (True, 0)
