"""What a client asks of rows: `status=eq.in_progress,sequence=gt.9`. Compiled when it joins, compared by the column's type. Pure.

A comma between two conditions means that both must hold. As in SQL, nothing compares with null.
"""

import operator
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.catalog.resources import ID, Column, Kind, Resource
from gateway.kernel import clock as time_
from gateway.kernel.errors import Invalid
from gateway.web import listing

VALUES_MAX = 100  # of one `in`
CHARACTERS_MAX = 8_192

Row = Mapping[str, Any]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "in": lambda found, wanted: found in wanted,
}
_BEGIN = re.compile(r"(\w+)=((?:not\.)?\w+)\.")
_NEXT = re.compile(
    r",(?=\w+=(?:not\.)?[a-z]+\.)"
)  # what follows is another condition: any other comma is a part of the value
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LIST = re.compile(r'\(((?:"(?:[^"\\]|\\.)*"|[^()"])*)\)')
_ITEM = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^,"]*))(?:,|$)')
_ESCAPED = re.compile(r"\\(.)")
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,3})?", re.ASCII)
TENANT_ID = Column("tenant_id", Kind.UUID)
VERSION = Column("row_version", Kind.INTEGER)


@dataclass(frozen=True, slots=True)
class Condition:
    """`wanted` is a value of the column's type, of `in` a set of them."""

    column: Column
    compare: str
    wanted: Any

    def holds(self, row: Row) -> bool:
        found = row.get(self.column.name)
        if found is None:
            return False
        try:
            return _COMPARE[self.compare](_found(self.column, found), self.wanted)
        except (TypeError, ValueError):
            return False  # what was imported may be of another type than its column says


def columns(resource: Resource) -> tuple[Column, ...]:
    """Of a row as clients are told it."""
    tenant = (TENANT_ID,) if resource.tenant else ()
    version = (VERSION,) if resource.versioned else ()
    return (ID, *tenant, *resource.columns, *version)


def compiled(text: str, resource: Resource | None) -> tuple[Condition, ...]:
    """Empty text asks for nothing. `resource` None: of a table that nobody here knows the columns of.

    Raises Invalid, in words for whoever wrote the filter.
    """
    if len(text) > CHARACTERS_MAX:
        raise Invalid(f"the filter has {len(text)} characters, at most {CHARACTERS_MAX} are taken")
    known = None if resource is None else {column.name: column for column in columns(resource)}
    found, place = list[Condition](), 0
    while place < len(text):
        begins = _BEGIN.match(text, place)
        if begins is None:
            raise Invalid(f'the filter "{text}" is not of the form column=operator.value')
        name, compare = begins.groups()
        if compare not in _COMPARE:
            raise Invalid(f'the operator "{compare}" is not offered: use one of {", ".join(_COMPARE)}')
        values, place = _values(text, begins.end(), compare)
        if known is None:
            continue
        if name not in known:
            raise Invalid(f'{resource.table if resource else ""} has no column "{name}": it has {", ".join(known)}')
        wanted = [_wanted(known[name], value) for value in values]
        found.append(Condition(known[name], compare, frozenset(wanted) if compare == "in" else wanted[0]))
    return tuple(found)


def holding(conditions: Collection[Condition], row: Callable[[], Row]) -> bool:
    """All of them; `row` is asked for only when there are any."""
    return not conditions or all(condition.holds(row()) for condition in conditions)


# ------------------------------------------------------------------ the values of one condition


def _values(text: str, start: int, compare: str) -> tuple[list[str], int]:
    """(the values, where the next condition begins). Raises Invalid."""
    if compare == "in":
        return _listed(text, start)
    if quoted := _QUOTED.match(text, start):
        return [_ESCAPED.sub(r"\1", quoted[1])], _after(text, quoted.end())
    following = _NEXT.search(text, start)
    end = following.start() if following else len(text)
    return [text[start:end]], min(end + 1, len(text))


def _listed(text: str, start: int) -> tuple[list[str], int]:
    found = _LIST.match(text, start)
    if found is None or not found[1].strip():
        raise Invalid(f'the filter "{text}" needs a list between brackets: column=in.(a,b,"c,d")')
    values, place = list[str](), 0
    inside = found[1]
    while place < len(inside):
        item = _ITEM.match(inside, place)
        if item is None:
            raise Invalid(f'the list ({inside}) is not one: as (a,b,"c,d")')
        values.append(item[2].strip() if item[1] is None else _ESCAPED.sub(r"\1", item[1]))
        place = item.end()
    if len(values) > VALUES_MAX:
        raise Invalid(f"the filter lists {len(values)} values, at most {VALUES_MAX} are taken")
    return values, _after(text, found.end())


def _after(text: str, end: int) -> int:
    if end < len(text) and text[end] != ",":
        raise Invalid(
            f'the filter "{text}" has "{text[end:]}" behind a value: a comma and another condition may stand there'
        )
    return end + 1


# ------------------------------------------------------------------ by the type of the column


def _wanted(column: Column, text: str) -> Any:
    """Raises Invalid."""
    if column.ranked:
        return column.ranked.index(listing.one_of(column.ranked)(column.name, text))
    match column.kind:
        case Kind.JSON | Kind.LIST:
            raise Invalid(
                f"{column.name} cannot be compared: it holds {'an object' if column.kind is Kind.JSON else 'a list'}"
            )
        case Kind.UUID:
            return listing.uuid(column.name, text)
        case Kind.INTEGER | Kind.NUMBER:
            return _number(column.name, text)
        case Kind.BOOLEAN:
            return bool(listing.boolean(column.name, text))
        case Kind.TIME:
            return time_.parse(listing.instant(column.name, text))
        case Kind.TEXT:
            return text


def _found(column: Column, value: Any) -> Any:
    """Raises ValueError."""
    if column.ranked:
        return column.ranked.index(value)
    match column.kind:
        case Kind.TIME:
            return time_.parse(value)
        case Kind.UUID:
            return value.lower()
    return value


def _number(name: str, text: str) -> float:
    """Raises Invalid."""
    if _NUMBER.fullmatch(text) is None:
        raise Invalid(f'"{text}" is no number, and {name} is one')
    return float(text) if any(mark in text for mark in ".eE") else int(text)
