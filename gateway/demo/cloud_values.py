"""How the cloud's database reads a value it is given, writes it back, and the words it refuses it with."""

import json
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from gateway.demo.cloud_schema import ENUMS, Column

INTEGER_MAX = 2**31 - 1
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TRUE = frozenset(("t", "true", "y", "yes", "on", "1"))
_FALSE = frozenset(("f", "false", "n", "no", "off", "0"))


class DatabaseError(Exception):
    """The database refused; the text is what the cloud hands on to its client."""


def stored(column: Column, given: Any) -> Any:
    """The value as it will stand in the row. Raises DatabaseError."""
    if has_nul(given):
        raise DatabaseError("unsupported Unicode escape sequence")
    if given is None:
        return None
    if column.type in ENUMS:
        return _enum(column.type, given)
    base, _, size = column.type.rstrip(")").partition("(")
    return _READERS[base](given, size)


def instant_text(instant: datetime) -> str:
    """A timestamptz as the database writes it: no zeros at the end of the fraction."""
    moment = instant.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}+00:00"


def has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, list):
        return any(map(has_nul, value))
    return isinstance(value, dict) and any("\0" in key or has_nul(held) for key, held in value.items())


def jsonb(value: Any) -> Any:
    """Objects come back with their keys sorted by length, then by bytes."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return {key: jsonb(value[key]) for key in keys}
    return [jsonb(item) for item in value] if isinstance(value, list) else value


def written(value: Any) -> str:
    """A JSON value as the text the database is handed."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _enum(name: str, given: Any) -> str:
    text = written(given)
    if text not in ENUMS[name]:
        raise DatabaseError(f'invalid input value for enum {name}: "{text}"')
    return text


def _syntax(kind: str, given: Any) -> DatabaseError:
    return DatabaseError(f'invalid input syntax for type {kind}: "{written(given)}"')


def _uuid(given: Any, _size: str) -> str:
    try:
        return str(uuid.UUID(written(given)))
    except ValueError:
        raise _syntax("uuid", given) from None


def _integer(given: Any, _size: str) -> int:
    text = written(given).strip()
    if not re.fullmatch(r"[+-]?\d+", text):
        raise _syntax("integer", given)
    number = int(text)
    if abs(number) > INTEGER_MAX:
        raise DatabaseError(f'value "{text}" is out of range for type integer')
    return number


def _numeric(given: Any, size: str) -> int | float:
    try:
        number = Decimal(written(given).strip())
    except InvalidOperation:
        raise _syntax("numeric", given) from None
    if size:
        precision, scale = map(int, size.split(","))
        number = number.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
        if abs(number) >= Decimal(10) ** (precision - scale):
            raise DatabaseError("numeric field overflow")
    return int(number) if number == number.to_integral_value() else float(number)


def _boolean(given: Any, _size: str) -> bool:
    text = written(given).strip().lower()
    if text not in _TRUE | _FALSE:
        raise _syntax("boolean", given)
    return text in _TRUE


def _text(given: Any, _size: str) -> str:
    return written(given)


def _varchar(given: Any, size: str) -> str:
    text = written(given)
    if len(text) > int(size):
        raise DatabaseError(f"value too long for type character varying({size})")
    return text


def _timestamp(given: Any, _size: str) -> str:
    text = written(given).strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # A date that leads says that it was meant as one: another text than for no date at all.
        if _DATE.match(text) and not re.search(r"[^\d:.TZ+ -]", text) and _out_of_range(text):
            raise DatabaseError(f'date/time field value out of range: "{text}"') from None
        raise _syntax("timestamp with time zone", given) from None
    return instant_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _out_of_range(text: str) -> bool:
    month, day = int(text[5:7]), int(text[8:10])
    return not (1 <= month <= 12 and 1 <= day <= 31)  # noqa: PLR2004 -- the calendar


def _text_list(given: Any, _size: str) -> list[str | None]:
    if isinstance(given, str) and re.fullmatch(r"\{.*\}", given):
        inner = given[1:-1]
        return [item.strip().strip('"') for item in inner.split(",")] if inner else []
    if not isinstance(given, list):
        raise DatabaseError(
            "expected JSON array" if not isinstance(given, str) else f'malformed array literal: "{given}"'
        )
    return [None if item is None else written(item) for item in given]


def _jsonb(given: Any, _size: str) -> Any:
    return jsonb(given)


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "uuid": _uuid,
    "integer": _integer,
    "numeric": _numeric,
    "boolean": _boolean,
    "text": _text,
    "varchar": _varchar,
    "timestamptz": _timestamp,
    "text[]": _text_list,
    "jsonb": _jsonb,
}
