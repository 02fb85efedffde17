"""What machines send, made into what we count with. Small controllers write 1, 1.0, "1" and mean the same. Pure."""

import math
import re
from typing import Any

from gateway.kernel.errors import Invalid

DIGITS_MAX = 25  # of a number as text: more than 2^64 has
SHOWN_MAX = 40  # characters of a wrong value that is told
_STEP = re.compile(r"([^.\[\]]+)|\[(\d{1,4})\]")
_WHOLE = re.compile(r"[+-]?\d{1,25}(?:\.0*)?")
_TRUE = frozenset(("1", "true", "on"))
_FALSE = frozenset(("0", "false", "off"))


def whole(value: Any, name: str) -> int:
    """A count. Raises Invalid for everything that is no whole number."""
    if isinstance(value, bool):
        raise _wrong(name, value, "a whole number")
    if isinstance(value, int) and abs(value) < 10**DIGITS_MAX:
        return value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer() and abs(value) < 10**DIGITS_MAX:
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    raise _wrong(name, value, "a whole number")


def pieces(value: Any, name: str, maximum: int) -> int:
    """A count of pieces. Raises Invalid."""
    found = whole(value, name)
    if not 0 <= found <= maximum:
        raise _wrong(name, value, f"a number from 0 to {maximum}")
    return found


def seconds(value: Any, name: str) -> float | None:
    """A duration. Raises Invalid."""
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(name, value, "seconds") from None
    if isinstance(value, bool) or not math.isfinite(found) or found < 0:
        raise _wrong(name, value, "seconds")
    return found


def switch(value: Any, name: str) -> bool:
    """On or off. Raises Invalid."""
    text = word(value)
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise _wrong(name, value, "true or false")


def word(value: Any) -> str:
    """A state's value as it stands in a map: 4, 4.0, "4" are "4"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    text = str(value) if isinstance(value, int | float | str) and _short(value) else ""
    text = text.strip()
    return text.partition(".")[0] if _WHOLE.fullmatch(text) else text.lower()


def scalar(value: Any, name: str) -> int | float | str | bool:
    """Something to show. Raises Invalid."""
    if isinstance(value, bool | int | float | str) and _short(value):
        return value
    raise _wrong(name, value, "a number, a text, true or false")


def at(value: Any, path: str | None, name: str) -> Any:
    """What stands at `a.b[0].c`. Raises Invalid when nothing does."""
    if path is None:
        return value
    for key, index in _STEP.findall(path):
        try:
            value = value[key] if key else value[int(index)]
        except (KeyError, IndexError, TypeError):
            message = f"{name}: nothing stands at {path}"
            raise Invalid(message, [{"field": name, "message": message, "constraint": "FORMAT"}]) from None
    return value


def _short(value: Any) -> bool:
    """Texts and numbers that nobody keeps are refused before they are written out: a whole number can have 4,000 digits."""
    if isinstance(value, str):
        return len(value) <= SHOWN_MAX * 10
    return isinstance(value, float) or abs(value) < 10**DIGITS_MAX


def _wrong(name: str, value: Any, wanted: str) -> Invalid:
    shown = type(value).__name__
    if isinstance(value, bool | int | float | str | None) and (value is None or _short(value)):
        shown = repr(value)[:SHOWN_MAX]
    message = f"{name} is {shown}: {wanted} is wanted"
    return Invalid(message, [{"field": name, "message": message, "constraint": "FORMAT"}])
