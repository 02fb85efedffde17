"""Request bodies: strict JSON, then the route's model."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.kernel.errors import BadRequest, Invalid

DEPTH_MAX = 32
ERRORS_MAX = 100  # details in one answer

Model = TypeVar("Model", bound=BaseModel)

# pydantic's kinds of error -> the contract's names for what was broken; anything else is a TYPE_MISMATCH
_CONSTRAINTS = {
    "missing": "NOT_NULL",
    "extra_forbidden": "UNKNOWN_FIELD",
    "string_too_short": "MIN_LENGTH",
    "string_too_long": "MAX_LENGTH",
    "too_short": "MIN_LENGTH",
    "too_long": "MAX_LENGTH",
    "greater_than_equal": "MIN_VALUE",
    "less_than_equal": "MAX_VALUE",
    "literal_error": "ENUM_CONSTRAINT",
    "enum": "ENUM_CONSTRAINT",
    "string_pattern_mismatch": "PATTERN_MISMATCH",
}


def parse(raw: bytes) -> Any:
    """JSON without NaN, duplicate keys, NUL or more than 32 levels. Raises BadRequest."""
    try:
        value = json.loads(raw, object_pairs_hook=_pairs, parse_constant=_constant)
    except (ValueError, RecursionError) as exc:
        raise BadRequest(f"the body is not valid JSON: {exc}") from None
    _check(value, DEPTH_MAX)
    return value


def validate(model: type[Model], value: Any) -> Model:
    """Raises Invalid with one detail per field, named by its path: `parts[0].operations[1].cell_id`."""
    try:
        return model.model_validate(value)
    except ValidationError as exc:
        details = [
            detail(path(error["loc"]), error["msg"], str(error.get("ctx", {}).get("constraint") or _CONSTRAINTS.get(error["type"], "TYPE_MISMATCH")))
            for error in exc.errors(include_url=False, include_input=False)[:ERRORS_MAX]
        ]
        raise Invalid(f"{len(details)} validation error(s)", details) from None


def detail(field: str, message: str, constraint: str) -> dict[str, Any]:
    return {"field": field, "message": message, "constraint": constraint}


def path(location: Sequence[str | int]) -> str:
    """("parts", 0, "cell_id") -> "parts[0].cell_id"."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'the key "{twice}" stands there twice')
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check(value: Any, levels: int) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise BadRequest("the body holds a NUL character (\\u0000): no text may")
        return
    if levels == 0:
        raise BadRequest(f"the body is nested deeper than {DEPTH_MAX} levels")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check(name, levels)
            _check(inner, levels - 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, levels - 1)
