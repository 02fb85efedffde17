"""Sparkplug B on the wire: as much of its protobuf as an edge node writes, and what it must understand of a command. Pure.

Field numbers and datatypes are those of the Sparkplug specification 3.0, section 6.4.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

COMMAND_BYTES_MAX = 64 * 1024  # whoever may command sends one metric
VARINT_BITS_MAX = 64
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_MORE = 0x80  # the bit of a varint's byte that says that another follows
_TIMESTAMP, _METRIC, _SEQ = 1, 2, 3  # of a payload
_NAME, _METRIC_TIMESTAMP, _DATATYPE, _IS_NULL = 1, 3, 4, 7  # of a metric
_LONG, _BOOLEAN, _STRING = 11, 14, 15  # of a metric's value


class Datatype(IntEnum):
    INT64 = 4
    BOOLEAN = 11
    STRING = 12


_VALUE_FIELD = {Datatype.INT64: _LONG, Datatype.BOOLEAN: _BOOLEAN, Datatype.STRING: _STRING}
_INT64_BITS = 64

Value = int | bool | str | None


@dataclass(frozen=True, slots=True)
class Metric:
    """One value with its name; None is Sparkplug's null: known to be nothing."""

    name: str
    datatype: Datatype
    value: Value


def written(metrics: Iterable[Metric], at: datetime, seq: int | None) -> bytes:
    """A payload. `seq` None: a death certificate of the node has none."""
    milliseconds = round(at.timestamp() * 1000)
    parts = [_number(_TIMESTAMP, milliseconds)]
    parts += [_bytes(_METRIC, _metric(metric, milliseconds)) for metric in metrics]
    if seq is not None:
        parts.append(_number(_SEQ, seq))
    return b"".join(parts)


def commands(payload: bytes) -> dict[str, Value]:
    """Name -> value of the metrics that are booleans or texts. Raises ValueError for what is no Sparkplug payload."""
    if len(payload) > COMMAND_BYTES_MAX:
        raise ValueError(f"{len(payload)} bytes are more than a command has")
    found: dict[str, Value] = {}
    for number, metric in _fields(payload):
        if number == _METRIC and isinstance(metric, bytes):
            name, value = _read(metric)
            found[name] = value
    return found


def _metric(metric: Metric, milliseconds: int) -> bytes:
    parts = [_bytes(_NAME, metric.name.encode()), _number(_METRIC_TIMESTAMP, milliseconds)]
    parts.append(_number(_DATATYPE, metric.datatype))
    field = _VALUE_FIELD[metric.datatype]
    if metric.value is None:
        parts.append(_number(_IS_NULL, 1))
    elif isinstance(metric.value, str):
        parts.append(_bytes(field, metric.value.encode()))
    else:
        parts.append(_number(field, metric.value % (1 << _INT64_BITS)))  # below zero: its two's complement
    return b"".join(parts)


def _read(metric: bytes) -> tuple[str, Value]:
    name = ""
    value: Value = None
    for number, found in _fields(metric):
        if number == _NAME and isinstance(found, bytes):
            name = found.decode()
        elif number == _BOOLEAN and isinstance(found, int):
            value = bool(found)
        elif number == _STRING and isinstance(found, bytes):
            value = found.decode()
    return name, value


# ------------------------------------------------------------------ protobuf


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | _LENGTH) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value >= _MORE:
        parts.append(value % _MORE | _MORE)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field, value) one after the other. Raises ValueError when it is cut off or something else."""
    place = 0
    while place < len(message):
        key, place = _varint_at(message, place)
        field, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint_at(message, place)
            yield field, value
            continue
        if kind == _LENGTH:
            size, place = _varint_at(message, place)
        elif kind in _FIXED_BYTES:
            size = _FIXED_BYTES[kind]
        else:
            raise ValueError(f"wire type {kind} is none of protobuf's")
        if place + size > len(message):
            raise ValueError("it is cut off")
        yield field, message[place : place + size]
        place += size


def _varint_at(message: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, VARINT_BITS_MAX + 1, 7):
        if place >= len(message):
            raise ValueError("it is cut off")
        byte = message[place]
        place += 1
        value |= byte % _MORE << shift
        if byte < _MORE:
            return value, place
    raise ValueError("a number is too long")
