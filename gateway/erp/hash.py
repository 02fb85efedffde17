"""The hash that tells whether a record of an ERP has changed. Pure.

SHA-256 of the record as JSON text, written as JavaScript would: keys sorted, bookkeeping left out at every depth. The contract
has test vectors; the cloud's other two ways to hash are not comparable, which is why `ALGORITHM` is kept beside each hash.
"""

import functools
import hashlib
import math
import re
from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import Any

ALGORITHM = "sha256-sorted"
HEX_DIGITS = 32
SHAPES_KEPT = 256  # sets of keys whose order is remembered, if they are of a usual size
SHAPE_KEYS_MAX = 64
SHAPE_CHARACTERS_MAX = 1_024

# What says nothing about the record itself.
_DROPPED = frozenset("id tenant_id created_at updated_at deleted_at deleted_by synced_at sync_hash cached_at".split())
_SAFE = 2**53  # up to here a JavaScript number holds every integer
_INDEX_MAX = 2**32 - 2  # the largest key that JavaScript takes for a place in an array
_PLAIN_DIGITS = 21  # digits before the point, beyond which JavaScript writes an exponent
_LEADING_ZEROS = 6  # and after it
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_HALF = re.compile("[\ud800-\udfff]")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def sync_hash(normalised: str) -> str:
    """Of a text that `text` has made."""
    return hashlib.sha256(normalised.encode()).hexdigest()[:HEX_DIGITS]


def text(value: Any, kept: dict[int, str] | None = None) -> str:
    """A JSON value in its normalised form. `kept` is given the text of every object inside, under its `id()`: records that
    stand in records have hashes of their own.
    """
    kind = type(value)
    if kind is str:
        return _string(value)
    if kind is dict:
        keys = tuple(value)
        small = len(keys) <= SHAPE_KEYS_MAX and sum(map(len, keys)) <= SHAPE_CHARACTERS_MAX
        pairs = _shape(keys) if small else _shape.__wrapped__(keys)
        written = "{" + ",".join([name + text(value[key], kept) for key, name in pairs]) + "}"
        if kept is not None:
            kept[id(value)] = written
        return written
    if kind is list:
        return "[" + ",".join([text(one, kept) for one in value]) + "]"
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    return number(value)


def number(value: float) -> str:
    """As JavaScript prints it: 1, 0.5, 1e+21, 1e-7; never -0."""
    if isinstance(value, int) and -_SAFE <= value <= _SAFE:
        return str(value)
    try:
        value = float(value)
    except OverflowError:
        return "null"
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    before = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))  # digits before the point
    return sign + _written(digits.rstrip("0"), before)


def _written(digits: str, before: int) -> str:
    """`digits` with the point after the first `before` of them."""
    count = len(digits)
    if count <= before <= _PLAIN_DIGITS:
        return digits + "0" * (before - count)
    if 0 < before <= _PLAIN_DIGITS:
        return f"{digits[:before]}.{digits[before:]}"
    if -_LEADING_ZEROS < before <= 0:
        return f"0.{'0' * -before}{digits}"
    mantissa = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{before - 1:+d}"


@functools.lru_cache(SHAPES_KEPT)
def _shape(keys: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """(key, `"key":`) in order, of the keys that count. Records of one kind have the same keys again and again."""
    return tuple((key, _string(key) + ":") for key in _ordered(keys))


def _ordered(names: Iterable[str]) -> Iterable[str]:
    """Places in an array first, by number; then by UTF-16 code unit, which differs from Python's order beyond U+FFFF."""
    keys = [key for key in names if key not in _DROPPED]
    if any(key[:1].isdigit() for key in keys):
        places = [key for key in keys if _INDEX.fullmatch(key) and int(key) <= _INDEX_MAX]
        if places:
            rest = set(keys).difference(places)
            return [*sorted(places, key=int), *_by_code_unit(rest)]
    return _by_code_unit(keys)


def _by_code_unit(keys: Iterable[str]) -> list[str]:
    ordered = sorted(keys)
    if any(not key.isascii() and _ASTRAL.search(key) for key in ordered):
        ordered.sort(key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return ordered


def _string(value: str) -> str:
    written = encode_basestring(value)
    if not written.isascii() and _HALF.search(written):
        return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", written)
    return written
