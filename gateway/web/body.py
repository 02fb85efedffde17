"""Request bodies: strict JSON, then the route's model."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.kernel.errors import BadRequest, Invalid

DEPTH_MAX = 32
ERRORS_MAX = 100  # details in one answer
VALUE_MAX_CHARACTERS = 300  # of a wrong value that is shown again

Model = TypeVar("Model", bound=BaseModel)


def parse(raw: bytes, levels_max: int = DEPTH_MAX) -> Any:
    """JSON in UTF-8 without NaN, duplicate keys, NUL, half characters or more than that many levels. Raises BadRequest."""
    try:
        value = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_pairs, parse_constant=_constant)
    except UnicodeDecodeError as exc:
        raise BadRequest(f"the body is not UTF-8: byte {exc.start} cannot stand there") from None
    except (ValueError, RecursionError) as exc:
        raise BadRequest(f"the body is not valid JSON: {exc}") from None
    check(value, levels_max)
    return value


def check(value: Any, levels_max: int = DEPTH_MAX) -> None:
    """What `parse` asks of values beyond their being JSON, for those that came otherwise. Raises BadRequest."""
    _check(value, levels_max, levels_max)


def validate(model: type[Model], value: Any) -> Model:
    """Raises Invalid with one detail per field, named by its path: `parts[0].operations[1].cell_id`."""
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        entity = getattr(model, "entity", None)
        found = exc.errors(include_url=False)
        details = [_detail(error, entity) for error in found[:ERRORS_MAX]]
        where = f" in {entity}" if entity else ""
        raise Invalid(f"{len(found)} validation error(s){where}: {details[0]['message']}", details) from None


def detail(field: str, message: str, constraint: str) -> dict[str, Any]:
    return {"field": field, "message": message, "constraint": constraint}


def path(location: Sequence[str | int]) -> str:
    """("parts", 0, "cell_id") -> "parts[0].cell_id"."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


# ------------------------------------------------------------------ pydantic's errors in the contract's words


def _choice(name: str, context: Mapping[str, Any]) -> str:
    choices = re.findall("'([^']*)'", str(context["expected"]))
    return f"Invalid value for {name}. Must be one of: {', '.join(choices)}"


# kind of error -> (constraint, message about {name}); the rest is a TYPE_MISMATCH in pydantic's own words
_WORDS: dict[str, tuple[str, Callable[[str, Mapping[str, Any]], str]]] = {
    "missing": ("NOT_NULL", lambda name, _: f"Missing required field: {name}"),
    "extra_forbidden": ("UNKNOWN_FIELD", lambda name, _: f"Unknown field, or one that cannot be set here: {name}"),
    "string_too_short": ("NOT_NULL", lambda name, _: f"Missing required string field: {name}"),
    "string_too_long": ("MAX_LENGTH", lambda name, ctx: f"{name} must be at most {ctx['max_length']} characters"),
    "too_short": ("MIN_LENGTH", lambda name, ctx: f"{name} must have at least {ctx['min_length']} items"),
    "too_long": ("MAX_LENGTH", lambda name, ctx: f"{name} must have at most {ctx['max_length']} items"),
    "greater_than_equal": ("MIN_VALUE", lambda name, ctx: f"{name} must be >= {ctx['ge']}"),
    "less_than_equal": ("MAX_VALUE", lambda name, ctx: f"{name} must be <= {ctx['le']}"),
    "literal_error": ("ENUM_CONSTRAINT", _choice),
    "string_pattern_mismatch": ("PATTERN_MISMATCH", lambda name, ctx: f"{name} must match {ctx['pattern']}"),
    "model_type": ("TYPE_MISMATCH", lambda name, _: f"Invalid object for {name}"),
    "dict_type": ("TYPE_MISMATCH", lambda name, _: f"Invalid object for {name}"),
    "list_type": ("TYPE_MISMATCH", lambda name, _: f"Invalid array for {name}"),
    "string_type": ("TYPE_MISMATCH", lambda name, _: f"Invalid string for {name}"),
    "bool_type": ("TYPE_MISMATCH", lambda name, _: f"Invalid boolean for {name}"),
    "int_type": ("TYPE_MISMATCH", lambda name, _: f"Invalid integer for {name}"),
    "number": ("TYPE_MISMATCH", lambda name, _: f"Invalid number for {name}"),
    "uuid": ("UUID_FORMAT", lambda name, _: f"Invalid UUID format for {name}"),
    "date": ("DATE_FORMAT", lambda name, _: f"Invalid date format for {name}"),
}
_SECRET = re.compile(r"secret|password|token|badge|pin\b|key\b")


def _detail(error: ErrorDetails, entity: str | None) -> dict[str, Any]:
    context: Mapping[str, Any] = error.get("ctx", {})
    location = (*error["loc"], context["field"]) if "field" in context else error["loc"]
    field = path(location)[:VALUE_MAX_CHARACTERS] or "body"
    name = str(location[-1])[:VALUE_MAX_CHARACTERS] if location else "body"
    kind = "date" if error["type"].startswith(("datetime_", "timezone_")) else error["type"]
    constraint, words = _WORDS.get(kind, (str(context.get("constraint", "TYPE_MISMATCH")), None))
    told = detail(field, words(name, context) if words else f"{name}: {error['msg']}", constraint)
    value = error["input"]
    if value is None and kind != "missing":
        told |= {"message": f"{name} must not be null", "constraint": "NOT_NULL"}
    elif isinstance(value, str | int | float) and len(str(value)) <= VALUE_MAX_CHARACTERS and not _SECRET.search(name):
        told["value"] = value
    if entity:
        told |= _entity(location, entity)
    return told


def _entity(location: Sequence[str | int], entity: str) -> dict[str, Any]:
    """Which row of a nested body it is about: the innermost list's, or the outermost."""
    for place in range(len(location) - 1, 0, -1):
        index, name = location[place], location[place - 1]
        if isinstance(index, int) and isinstance(name, str):
            return {"entityType": name.removesuffix("s"), "entityIndex": index}
    return {"entityType": entity, "entityIndex": 0}


# ------------------------------------------------------------------ strictness


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the key "{twice}" stands there twice')
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check(value: Any, levels: int, levels_max: int) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise BadRequest("the body holds a number that is too large")
    elif isinstance(value, dict | list):
        if levels == 0:
            raise BadRequest(f"the body is nested deeper than {levels_max} levels")
        if isinstance(value, dict):
            for name in value:
                _check_text(name)
            value = value.values()
        for inner in value:
            _check(inner, levels - 1, levels_max)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise BadRequest("the body holds a NUL character (\\u0000): no text may")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadRequest("the body holds half a character (\\ud800 to \\udfff): no text may") from None
