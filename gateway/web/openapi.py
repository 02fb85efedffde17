"""The route table as OpenAPI 3.1."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from gateway.web.errors import STATUSES
from gateway.web.routes import Route, Scope

BASE = "/functions/v1"
_REF = "#/components/schemas/{model}"
_IN_PATH = re.compile(r"\{(\w+)\}")
_ERROR = {
    "type": "object",
    "required": ["success", "error"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string", "description": "Says the wrong value and the way out."},
                "statusCode": {"type": "integer"},
                "request_id": {"type": "string"},
                "details": {},
            },
        },
    },
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "1 to 200 printable characters. The same key with the same request gets the first answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def document(routes: Iterable[Route], *, version: str) -> dict[str, Any]:
    """Everything that can be called. Each route is also served without the base path."""
    table = list(routes)
    bodies = sorted({route.body for route in table if route.body is not None}, key=lambda model: model.__name__)
    names, schemas = _schemas(bodies)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, names, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "eryxon-gateway",
            "version": version,
            "description": "The Eryxon MES REST API as the gateway serves it on the LAN.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": BASE}, {"url": "/"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key: ery_live_..."}},
            "schemas": {**schemas, "Error": _ERROR},
        },
    }


class _BodySchema(GenerateJsonSchema):
    """Pydantic's, without the noise: no title that repeats the name, no null where a field is simply left out."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 -- pydantic's signature
        return False


def _schemas(bodies: list[type[BaseModel]]) -> tuple[dict[Any, str], dict[str, Any]]:
    """Body -> its name among the components, and the components."""
    asked: list[tuple[type[BaseModel], Literal["validation"]]] = [(model, "validation") for model in bodies]
    found, definitions = models_json_schema(asked, ref_template=_REF, schema_generator=_BodySchema)
    names: dict[Any, str] = {model: reference["$ref"].rsplit("/", 1)[-1] for (model, _), reference in found.items()}
    return names, dict(definitions.get("$defs", {}))


def _operation(route: Route, names: Mapping[Any, str], schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _IN_PATH.findall(route.path)
    ]
    parameters += [
        {"name": one.name, "in": "query", "required": one.required, "schema": dict(one.schema)}
        | ({"description": one.about} if one.about else {})
        for one in route.parameters
    ]
    if route.mutates:
        parameters.append(_KEY)
    told: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "description": f"Scope: {route.scope.name.lower()}. Cells: {route.cells.value}.",
        "tags": [route.path.split("/")[1]],
        "parameters": parameters,
        "responses": {
            str(route.status): _answer(route, schemas),
            "default": {
                "description": "Refused: " + ", ".join(sorted({str(status) for status in STATUSES})),
                "content": {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}},
            },
        },
    }
    taken: dict[str, Any] = {kind: {} for kind in route.takes}
    if route.body is not None:
        taken["application/json"] = {"schema": {"$ref": _REF.format(model=names[route.body])}}
    if taken:
        told["requestBody"] = {"content": taken}
    if route.scope is Scope.NONE:
        told["security"] = []
    return told


def _answer(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    if route.gives:
        return {"description": "Done.", "content": {route.gives: {}}}
    shown = {name: _shared(schema, schemas) for name, schema in (route.answers or {}).items()}
    envelope = {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": {"type": "object", "properties": shown}},
    }
    return {"description": "Done.", "content": {"application/json": {"schema": envelope}}}


def _shared(schema: Any, schemas: dict[str, Any]) -> Any:
    """A row's schema stands once among the components, by its title; a text names one of those."""
    if isinstance(schema, str):
        return {"$ref": _REF.format(model=schema)}
    if "title" in schema and schema.get("type") == "object":
        schemas.setdefault(schema["title"], schema)
        return {"$ref": _REF.format(model=schema["title"])}
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return {**schema, "items": _shared(schema["items"], schemas)}
    return schema


def _name(route: Route) -> str:
    words = re.findall(r"\w+", route.path.replace("-", "_"))
    return "_".join([route.method.lower(), *words])
