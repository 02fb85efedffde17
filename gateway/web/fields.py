"""What a route takes, as JSON schemas: for those who call it by name and not over HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from gateway.web.routes import Route


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that can be given; `definitions` are what its schema points to with `#/$defs/<name>`."""

    where: Literal["query", "body"]
    schema: Mapping[str, Any]
    required: bool
    definitions: Mapping[str, Any]


def fields(route: Route) -> Mapping[str, Field]:
    """By name; what stands in the body wins over a parameter of that name."""
    asked = {
        one.name: Field(
            "query", {**one.schema, **({"description": one.about} if one.about else {})}, bool(one.required), {}
        )
        for one in route.parameters
    }
    return asked if route.body is None else {**asked, **_in_body(route.body)}


@cache
def _in_body(model: type[BaseModel]) -> Mapping[str, Field]:
    from gateway.web.openapi import BodySchema  # noqa: PLC0415 -- paid by who asks for it

    schema = model.model_json_schema(schema_generator=BodySchema)
    required, definitions = schema.get("required", ()), schema.get("$defs", {})
    return {name: Field("body", one, name in required, definitions) for name, one in schema["properties"].items()}
