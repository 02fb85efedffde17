"""Request models from declarations: what a body may hold, checked once at the edge.

Models nest: `PartOperation = create_model(OPERATIONS, without=("part_id",), name="PartOperation")`, then
`create_model(PARTS, more={"operations": (list[PartOperation], Field(min_length=1))})`.
"""

import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import pydantic
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.catalog.resources import ID, Column, Kind, Resource
from gateway.kernel import clock as time_
from gateway.kernel.ids import is_uuid
from gateway.outbox.event import encode

TEXT_MAX = 65_536  # characters, where the contract names no limit
METADATA_MAX_BYTES = 65_536
LIST_MAX = 1_000
INTEGER_MAX = 2**31 - 1  # the cloud's integers
NUMBER_MAX = 10**12

BASE_VERSION = "base_version"
BaseVersion = Annotated[
    Annotated[StrictInt, Field(ge=1)] | None,
    Field(
        exclude=True, description="The `row_version` that this was made on: 409 if somebody has changed the same since."
    ),
]

# What a client may send along because it stood in the row it read; it never changes anything in an update.
_PROTECTED = ("id", "tenant_id", "created_at", "updated_at", "row_version")


class Body(BaseModel):
    """A body by declaration. Unknown fields are refused; two spellings of one field must agree."""

    model_config = ConfigDict(extra="forbid", defer_build=True)  # most of them are never used between two starts

    entity: ClassVar[str] = ""  # what errors call it
    spellings: ClassVar[Mapping[str, str]] = {}  # alias -> column

    @model_validator(mode="before")
    @classmethod
    def _agree(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for alias, name in cls.spellings.items():
            if alias in data and name in data:
                if data[alias] != data[name]:
                    raise PydanticCustomError(
                        "given_twice", "the same as {name}: give one of them", {"field": alias, "name": name}
                    )
                data = {key: value for key, value in data.items() if key != alias}
        return data

    def given(self) -> dict[str, Any]:
        """What the client sent, by column name; nested rows as such dictionaries."""
        return self.model_dump(exclude_unset=True)


def create_model(
    resource: Resource,
    *,
    name: str | None = None,
    without: Collection[str] = (),
    more: Mapping[str, tuple[Any, Any]] | None = None,
    base: type[Body] = Body,
) -> type[Body]:
    """The body of a new row. `without`: columns that are known from elsewhere; `more`: fields that are not columns;
    `base`: checks over several fields.

    As in the cloud a client may choose the `id`; the tenant is always ours, whatever the body says.
    """
    columns = [ID, *(column for column in resource.columns if column.creatable)]
    fields = {column.name: _field(column, required=column.required) for column in columns if column.name not in without}
    fields = {"tenant_id": DROPPED, **fields, **(more or {})}
    return _model(name or f"{resource.title}Create", resource, columns, fields, base)


def patch_model(
    resource: Resource,
    *,
    name: str | None = None,
    without: Collection[str] = (),
    more: Mapping[str, tuple[Any, Any]] | None = None,
    dropped: Collection[str] = (),
) -> type[Body]:
    """The body of an update: every field optional. Id, tenant and stamps may be there and are left alone, as are `dropped`."""
    columns = [column for column in resource.columns if column.updatable]
    fields = {column.name: _field(column, required=False) for column in columns if column.name not in without}
    ignored = dict.fromkeys((one for one in (*_PROTECTED, *dropped) if one not in fields), DROPPED)
    if resource.versioned:
        fields[BASE_VERSION] = (BaseVersion, None)
    return _model(name or f"{resource.title}Update", resource, columns, ignored | fields | dict(more or {}))


def row_schema(resource: Resource) -> dict[str, Any]:
    """JSON schema of one row in an answer."""
    names = ["id", *(["tenant_id"] if resource.tenant else [])]
    properties: dict[str, Any] = {name: {"type": "string", "format": "uuid"} for name in names}
    properties |= {column.name: _shown(column) for column in resource.columns}
    properties |= {name: _derived(name, sql) for name, sql in resource.derived.items() if name not in properties}
    if resource.versioned:
        properties["row_version"] = {"type": "integer", "description": "Counts its changes; for `If-Match`."}
    return {"title": resource.title, "type": "object", "properties": properties, "required": list(properties)}


def _model(
    name: str, resource: Resource, columns: Collection[Column], fields: Mapping[str, Any], base: type[Body] = Body
) -> type[Body]:
    spellings = {alias: column.name for column in columns if column.name in fields for alias in column.aliases}
    model: type[Body] = pydantic.create_model(name, __base__=base, **dict(fields))
    model.entity = resource.singular[-1]
    model.spellings = spellings
    model.model_config["title"] = name
    model.__doc__ = f"A {resource.singular[-1].replace('_', ' ')} in a request."
    return model


def _field(column: Column, *, required: bool) -> tuple[Any, Any]:
    kind: Any = _TYPES[column.kind](column)
    if column.nullable and not column.required:
        kind = kind | None
    names = AliasChoices(column.name, *column.aliases) if column.aliases else None
    also = f"Also: {', '.join(column.aliases)}." if column.aliases else ""
    about = f"{column.about} {also}".strip()
    default: Any = ... if required else None  # an absent field is never read: `given` leaves it out
    return kind, Field(default, validation_alias=names, description=about or None)


_Unseen: TypeAlias = SkipJsonSchema[Any]  # accepted, not documented
DROPPED: tuple[Any, Any] = (_Unseen, Field(None, exclude=True))  # a field that may be there and is left alone


# ------------------------------------------------------------------ kinds of values


def _text(column: Column) -> Any:
    if column.choices:
        return Literal[column.choices]
    shortest = 1 if column.required else None
    return Annotated[StrictStr, Field(min_length=shortest, max_length=column.length_max or TEXT_MAX)]


def _integer(column: Column) -> Any:
    low = -INTEGER_MAX if column.minimum is None else column.minimum
    return Annotated[StrictInt, Field(ge=low, le=INTEGER_MAX if column.maximum is None else column.maximum)]


def _number(column: Column) -> Any:
    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise PydanticCustomError("number", "Invalid number", {"constraint": "TYPE_MISMATCH"})
        return value

    low = -NUMBER_MAX if column.minimum is None else column.minimum
    high = NUMBER_MAX if column.maximum is None else column.maximum
    schema = {"type": "number", "minimum": low, "maximum": high}
    return Annotated[int | float, Field(ge=low, le=high), BeforeValidator(check), WithJsonSchema(schema)]


def _an_id(value: Any) -> Any:
    if not isinstance(value, str) or not is_uuid(value):
        raise PydanticCustomError("uuid", "Invalid UUID format", {"constraint": "UUID_FORMAT"})
    return value.lower()


Uuid = Annotated[str, BeforeValidator(_an_id), WithJsonSchema({"type": "string", "format": "uuid"})]


def _time(_column: Column) -> Any:
    def check(value: Any) -> Any:
        try:
            return time_.text(time_.parse(value))
        except (TypeError, ValueError, OverflowError):
            raise PydanticCustomError("date", "Invalid date format", {"constraint": "DATE_FORMAT"}) from None

    schema = {"type": "string", "format": "date-time", "description": "ISO 8601, or a bare date: midnight UTC."}
    return Annotated[str, BeforeValidator(check), WithJsonSchema(schema)]


def _an_instant(value: Any) -> datetime:
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError
        return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise PydanticCustomError("date", "Invalid date format", {"constraint": "DATE_FORMAT"}) from None


# When something happened: with its zone, or an hour would be lost twice a year.
Instant = Annotated[datetime, BeforeValidator(_an_instant), WithJsonSchema({"type": "string", "format": "date-time"})]


def _json(_column: Column) -> Any:
    def check(value: dict[str, Any]) -> dict[str, Any]:
        if len(encode(value).encode()) > METADATA_MAX_BYTES:
            limits = {"constraint": "MAX_LENGTH", "limit": METADATA_MAX_BYTES}
            raise PydanticCustomError("json_too_long", "must be at most {limit} bytes of JSON", limits)
        return value

    return Annotated[dict[str, Any], AfterValidator(check)]


def _list(column: Column) -> Any:
    item = Annotated[StrictStr, Field(max_length=column.length_max or TEXT_MAX)]
    return Annotated[list[item], Field(max_length=LIST_MAX)]


_TYPES: dict[Kind, Callable[[Column], Any]] = {
    Kind.TEXT: _text,
    Kind.UUID: lambda _column: Uuid,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: lambda _column: StrictBool,
    Kind.TIME: _time,
    Kind.JSON: _json,
    Kind.LIST: _list,
}

_SHOWN: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"type": "string"},
    Kind.UUID: {"type": "string", "format": "uuid"},
    Kind.INTEGER: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.TIME: {"type": "string", "format": "date-time"},
    Kind.JSON: {"type": "object"},
    Kind.LIST: {"type": "array", "items": {"type": "string"}},
}


def _shown(column: Column) -> dict[str, Any]:
    schema = dict(_SHOWN[column.kind])
    if column.nullable and not column.required:
        schema["type"] = [schema["type"], "null"]
    elif column.choices:
        schema["enum"] = list(column.choices)
    if column.about:
        schema["description"] = column.about
    return schema


def _derived(name: str, sql: str) -> dict[str, Any]:
    """What its name and its SQL say of it: embedded rows are objects, lists of them arrays."""
    if sql.startswith("(SELECT json_group_array("):
        return {"type": "array", "items": {"type": "object"}}
    if sql.startswith("json_object("):
        return {"type": "object"}
    if sql.startswith("(SELECT json_object("):
        return {"type": ["object", "null"]}
    if name.endswith("_id"):
        return {"type": ["string", "null"], "format": "uuid"}
    return {"type": ["integer", "null"]} if name.endswith("_seconds") else {}
