"""The place in a list at which its next page begins, as text that only we read.

It holds the values by which its last row was ordered, so that rows which come or go elsewhere move nothing; beside them
what the first page counted. It is bound to the list, its order and its filters, and checked when it comes back.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.kernel.errors import Invalid

SHOWN_MAX_CHARACTERS = 80  # of a wrong cursor that is shown again
PLACE_MAX_BYTES = 4_096  # a cursor travels in the request line; beyond it only the number of rows before is kept
CHECK_BYTES = 9
INTEGER_MAX = 2**63 - 1

Value = str | int | float | None
LAST = b""  # stands for null in an order: to SQLite it is larger than any number and any text


@dataclass(frozen=True, slots=True)
class Cursor:
    """`offset` rows of `total` came before; `place` is the last of them, empty when its values are too long."""

    total: int
    offset: int
    place: tuple[Value, ...]


def mark(*parts: Any) -> bytes:
    """What a cursor is bound to."""
    return hashlib.blake2b(repr(parts).encode(errors="surrogatepass"), digest_size=16).digest()


def written(cursor: Cursor, bound_to: bytes) -> str:
    body = json.dumps([cursor.total, cursor.offset, *cursor.place], separators=(",", ":")).encode()
    if len(body) > PLACE_MAX_BYTES:
        body = json.dumps([cursor.total, cursor.offset]).encode()
    return base64.urlsafe_b64encode(_check(body, bound_to) + body).rstrip(b"=").decode()


def read(text: str, bound_to: bytes, terms: int) -> Cursor:
    """`terms`: how many values make a place. Raises Invalid: not one of ours, or of another list, order or filter."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        check, body = raw[:CHECK_BYTES], raw[CHECK_BYTES:]
        if check != _check(body, bound_to):
            raise ValueError(text)
        total, offset, *place = json.loads(body, parse_constant=_no_number)
        "".join(value for value in place if isinstance(value, str)).encode()  # half a surrogate is no text
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _wrong(text) from None
    counts = all(type(count) is int and 0 <= count <= INTEGER_MAX for count in (total, offset))
    if not counts or len(place) not in (0, terms) or not all(map(_is_value, place)):
        raise _wrong(text)
    return Cursor(total, offset, tuple(place))


def _check(body: bytes, bound_to: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=CHECK_BYTES, key=bound_to).digest()


def _is_value(value: Any) -> bool:
    return value is None or type(value) in (str, float) or (type(value) is int and abs(value) <= INTEGER_MAX)


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _wrong(text: str) -> Invalid:
    message = (
        "this cursor is not one of this list with this order and these filters: "
        "leave cursor out to begin at the first page, then follow pagination.next_cursor"
    )
    shown = text if len(text) <= SHOWN_MAX_CHARACTERS else text[:SHOWN_MAX_CHARACTERS] + "..."
    return Invalid(message, [{"field": "cursor", "message": message, "constraint": "CURSOR", "value": shown}])


def after(terms: Sequence[tuple[str, bool]], place: Sequence[Value], values: dict[str, Any]) -> list[str]:
    """Conditions for what comes behind `place`, one after the other; adds its values. `terms`: (SQL, descending?), never null.

    First the rows that differ from it in the last term alone, then those in the last but one ...: each of these stretches
    is one range of an index, which a comparison of all terms at once is not.
    """
    values |= {f"c_{number}": LAST if value is None else value for number, value in enumerate(place)}
    stretches = []
    for number in reversed(range(len(terms))):
        sql, descending = terms[number]
        equal = [f"{terms[one][0]} = :c_{one}" for one in range(number)]
        stretches.append(" AND ".join([*equal, f"{sql} {'<' if descending else '>'} :c_{number}"]))
    return stretches
