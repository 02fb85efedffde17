"""Query parameters of a list -> a checked Listing: which rows, in which order, from where on.

Every piece of SQL comes from a declaration, every value from the request is a named parameter. Unknown parameters are
ignored, as the cloud does; a known one with a value that cannot be is an error that names it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.errors import Invalid
from gateway.kernel.ids import is_uuid
from gateway.outbox.event import encode
from gateway.web import cursors
from gateway.web.cursors import Cursor
from gateway.web.routes import Parameter

LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000
INTEGER_MAX = 2**31 - 1  # the cloud's integers; no list is longer either

_NUMBER = re.compile(r"\s*([+-]?)(\d+)(?:\.\d*)?\s*", re.ASCII)
_LOST_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (?=\d\d:?\d\d$)", re.ASCII)
_BOOLEANS = dict.fromkeys(("true", "t", "yes", "y", "on", "1"), 1) | dict.fromkeys(
    ("false", "f", "no", "n", "off", "0"), 0
)
_WILDCARD = re.compile(r"[%_\\]")
_ITEM = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s",{}\\][^",{}\\]*')
_ARRAY = re.compile(rf"\{{\s*(?:(?:{_ITEM.pattern})\s*(?:,\s*(?:{_ITEM.pattern})\s*)*)?\}}")
_ESCAPED = re.compile(r"\\(.)")


# (name, text) of a parameter -> the value to compare with. Raises Invalid that names the parameter.
Read = Callable[[str, str], Any]


class Match(StrEnum):
    EXACT = "exactly this"
    PART = "a part of the text, whatever the case"
    SINCE = "this or later"
    UNTIL = "this or earlier"
    FLAG = "true: only rows for which the condition holds"


@dataclass(frozen=True, slots=True)
class Filter:
    """One query parameter. `sql` is what it is compared with (a condition for a FLAG).

    With `{}` in it, it is the whole condition and the braces stand for the value.
    """

    sql: str
    match: Match = Match.EXACT
    read: Read = lambda _name, text: text
    default: str | None = None  # used when the parameter is absent
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Listable:
    """What a list may be asked. `sort` maps names to SQL that is never null; `key` makes any order a definite one."""

    filters: Mapping[str, Filter]
    search: tuple[str, ...]
    sort: Mapping[str, str]
    default_sort: tuple[tuple[str, str], ...]
    key: str


@dataclass(frozen=True, slots=True)
class Listing:
    """A checked request for a list, as SQL with named parameters."""

    conditions: tuple[str, ...]
    values: Mapping[str, Any]
    terms: tuple[tuple[str, bool], ...]  # the order: SQL, descending?
    limit: int
    offset: int
    bound_to: bytes  # what its cursors are bound to
    cursor: Cursor | None = None

    @property
    def order(self) -> str:
        return ", ".join(f"{sql} {'DESC' if descending else 'ASC'}" for sql, descending in self.terms)


def checked(query: Mapping[str, str], listable: Listable) -> Listing:
    """Raises Invalid for a filter value that no row can have, and for a cursor of another list."""
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for name, declared in listable.filters.items():
        text = query.get(name, declared.default)
        if text is not None:
            conditions += _condition(name, declared, text, values)
    if sought := query.get("search"):
        conditions += _like(listable.search, "search", sought, values)
    terms = _terms(query, listable)
    bound_to = cursors.mark(listable.key, terms, conditions, values)
    cursor = cursors.read(sent, bound_to, len(terms)) if (sent := query.get("cursor")) else None
    offset = cursor.offset if cursor else max(_number(query.get("offset"), 0), 0)
    limit = min(max(_number(query.get("limit"), LIMIT_DEFAULT), 1), LIMIT_MAX)
    return Listing(tuple(conditions), values, terms, limit, offset, bound_to, cursor)


def _condition(name: str, declared: Filter, text: str, values: dict[str, Any]) -> list[str]:
    if declared.match is Match.PART:
        return _like((declared.sql,), name, text, values)
    value = declared.read(name, text)
    if declared.match is Match.FLAG:
        return [declared.sql] if value else []
    values[f"f_{name}"] = value
    if "{}" in declared.sql:
        return [declared.sql.replace("{}", f":f_{name}")]
    comparison = {Match.SINCE: ">=", Match.UNTIL: "<="}.get(declared.match, "=")
    return [f"{declared.sql} {comparison} :f_{name}"]


def _like(columns: tuple[str, ...], name: str, text: str, values: dict[str, Any]) -> list[str]:
    """Literal text anywhere in one of the columns; nothing to look for finds everything.

    SQLite ignores the case of A-Z only. For other letters the text is tried as it is, in small and in capital letters:
    "müller" finds "Müller" and "MÜLLER"; only a mixture of cases among several such letters is missed.
    """
    if not text or not columns:
        return []
    spellings = dict.fromkeys((text,) if text.isascii() else (text, text.lower(), text.upper(), text.title()))
    marks = []
    for number, spelling in enumerate(spellings):
        values[f"f_{name}_{number}"] = "%" + _WILDCARD.sub(r"\\\g<0>", spelling) + "%"
        marks.append(f":f_{name}_{number}")
    return ["(" + " OR ".join(f"{column} LIKE {mark} ESCAPE '\\'" for column in columns for mark in marks) + ")"]


def _terms(query: Mapping[str, str], listable: Listable) -> tuple[tuple[str, bool], ...]:
    """The key decides between equals; it goes the way of the first."""
    terms = list(listable.default_sort)
    usual = terms[0][1]
    asked = query.get("order")
    direction = usual if asked is None else "ASC" if asked == "asc" else "DESC"
    if (wanted := query.get("sort", "")) in listable.sort:
        terms = [(listable.sort[wanted], direction)]
    else:
        terms[0] = (terms[0][0], direction)
    return tuple((sql, way == "DESC") for sql, way in (*terms, (listable.key, terms[0][1])))


def _number(text: str | None, default: int) -> int:
    """Fractions are cut off; what is not a number is the default."""
    found = _NUMBER.fullmatch(text or "")
    if found is None:
        return default
    digits = found[2].lstrip("0") or "0"
    size = int(digits) if len(digits) < len(str(INTEGER_MAX)) else INTEGER_MAX
    return -size if found[1] == "-" else size


# ------------------------------------------------------------------ what filter values may be


def uuid(name: str, text: str) -> str:
    if not is_uuid(text):
        raise wrong(name, f"Invalid UUID format for {name}", "UUID_FORMAT", text)
    return text.lower()


def boolean(name: str, text: str) -> int:
    """In the spellings of the cloud's database: Python's `True` is one of them."""
    value = _BOOLEANS.get(text.strip().lower())
    if value is None:
        raise wrong(name, f"Invalid value for {name}. Must be one of: true, false", "TYPE_MISMATCH", text)
    return value


def integer(name: str, text: str) -> int:
    found = re.fullmatch(r"-?\d{1,10}", text, re.ASCII)
    if found is None or abs(int(text)) > INTEGER_MAX:
        raise wrong(name, f"Invalid integer for {name}", "TYPE_MISMATCH", text)
    return int(text)


def instant(name: str, text: str) -> str:
    """ISO 8601 or a bare date; in a query a `+` that was not escaped has become a space."""
    try:
        return time_.text(time_.parse(_LOST_PLUS.sub(r"\1+", text)))
    except (ValueError, OverflowError):
        message = f"Invalid date format for {name}: an ISO 8601 instant or a date is needed, such as 2026-01-31"
        raise wrong(name, message, "DATE_FORMAT", text) from None


def texts(name: str, text: str) -> str:
    """A whole list as the cloud's database writes one, `{a,"b c"}`, as it is stored here."""
    inside = text.strip()[1:-1]
    if not _ARRAY.fullmatch(text.strip()):
        message = f"Invalid array for {name}: all of its values between braces are needed, such as {{job.started,job.completed}}"
        raise wrong(name, message, "TYPE_MISMATCH", text)
    items = (found[0] for found in _ITEM.finditer(inside))
    return encode([_ESCAPED.sub(r"\1", item[1:-1]) if item.startswith('"') else item.strip() for item in items])


def one_of(choices: tuple[str, ...]) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if text not in choices:
            message = f"Invalid value for {name}. Must be one of: {', '.join(choices)}"
            raise wrong(name, message, "ENUM_CONSTRAINT", text)
        return text

    return read


def known(query: Mapping[str, str], parameters: Sequence[Parameter]) -> None:
    """For functions that only a gateway has. Raises Invalid for a parameter that there is not."""
    names = [one.name for one in parameters]
    for name, value in query.items():
        if name not in names:
            told = f"only {', '.join(names)}" if names else "none"
            raise wrong(name, f'the query parameter "{name}" is not known here, {told}', "UNKNOWN_FIELD", value)


def wrong(name: str, message: str, constraint: str, value: str) -> Invalid:
    return Invalid(message, [{"field": name, "message": message, "constraint": constraint, "value": value}])


# ------------------------------------------------------------------ as OpenAPI shows it

PAGINATION = {
    "title": "Pagination",
    "type": "object",
    "properties": {
        "total": {"type": "integer", "description": "Exact; on a page by cursor as the first page counted it."},
        "offset": {"type": "integer"},
        "limit": {"type": "integer"},
        "next_cursor": {"type": ["string", "null"], "description": "Of the next page; null on the last."},
    },
    "required": ["total", "offset", "limit", "next_cursor"],
}


def parameters(listable: Listable) -> tuple[Parameter, ...]:
    found = [Parameter(name, wanted.schema, f"{wanted.match}.") for name, wanted in listable.filters.items()]
    if listable.search:
        names = " or ".join(column.rpartition(".")[2] for column in listable.search)
        found.append(Parameter("search", about=f"A part of {names}."))
    if listable.sort:
        found.append(Parameter("sort", {"type": "string", "enum": [*listable.sort]}))
    found.append(Parameter("order", {"type": "string", "enum": ["asc", "desc"]}))
    page = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
    return (
        *found,
        Parameter("limit", page),
        Parameter("offset", {"type": "integer", "minimum": 0, "default": 0}),
        Parameter("cursor", about="`pagination.next_cursor` of the page before; instead of an offset."),
    )
