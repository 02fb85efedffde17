"""The route table as OpenAPI 3.1."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Protocol

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from gateway.web.errors import MEANINGS
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
            "required": ["code", "message", "statusCode", "request_id"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string", "description": "Says the wrong value and the way out."},
                "statusCode": {"type": "integer"},
                "request_id": {"type": "string"},
                "details": {
                    "type": ["array", "object"],
                    "description": "Of 422: `[{field, message, constraint, value?}]`.",
                },
                "rateLimitInfo": {"type": "object"},
            },
        },
    },
}
_ID = {"type": "string", "format": "uuid"}
CREATED = 201
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "1 to 200 printable characters. The same key with the same request gets the first answer again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
_MATCH = {
    "name": "If-Match",
    "in": "header",
    "description": 'Only if the row still has this version: `"7"`, its ETag, several of them, or `*` for any.',
    "schema": {"type": "string"},
    "example": "*",
}
_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "description": "The ETag of an earlier answer: 304 without a body as long as everything shown is the same.",
    "schema": {"type": "string"},
    "example": '"an-earlier-etag"',
}
_NOT_MODIFIED = {"304": {"description": "As it was when the answer with that ETag was given."}}


class Examples(Protocol):
    """What is shown beside the schemas: see gateway/examples.py."""

    def bodies(self, method: str, path: str) -> Mapping[str, Mapping[str, Any]]: ...

    def row(self, path: str) -> str | None: ...


def document(routes: Iterable[Route], examples: Examples, *, version: str) -> dict[str, Any]:
    """Everything that can be called. Each route is also served without the base path."""
    table = list(routes)
    bodies = sorted({route.body for route in table if route.body is not None}, key=lambda model: model.__name__)
    names, schemas = _schemas(bodies)
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        told = _operation(route, names, schemas)
        _show(told, route, examples)
        if route.method == "POST" and route.status == CREATED:
            told["responses"][str(CREATED)]["links"] = dict(_links(route, table))
        paths.setdefault(route.path, {})[route.method.lower()] = told
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
            "responses": {str(status): _refused(meaning) for status, meaning in MEANINGS.items()},
        },
    }


def _refused(meaning: str) -> dict[str, Any]:
    return {"description": meaning, "content": {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}}}


class BodySchema(GenerateJsonSchema):
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
    found, definitions = models_json_schema(asked, ref_template=_REF, schema_generator=BodySchema)
    names: dict[Any, str] = {model: reference["$ref"].rsplit("/", 1)[-1] for (model, _), reference in found.items()}
    return names, dict(definitions.get("$defs", {}))


def _operation(route: Route, names: Mapping[Any, str], schemas: dict[str, Any]) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _ID if name.endswith("_id") else {"type": "string"}}
        for name in _IN_PATH.findall(route.path)
    ]
    parameters += [
        {"name": one.name, "in": "query", "required": bool(one.required), "schema": dict(one.schema)}
        | ({"description": one.about} if one.about else {})
        for one in route.parameters
    ]
    if route.mutates:
        parameters.append(_KEY)
    if route.conditional:
        parameters.append(_MATCH)
    cached = not route.mutates and not route.gives
    if cached:
        parameters.append(_NONE_MATCH)
    told: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "description": f"Scope: {route.scope.name.lower()}. Cells: {route.cells.value}.",
        "tags": [route.path.split("/")[1]],
        "parameters": parameters,
        "responses": {
            **{str(status): _answer(route, schemas) for status in (route.status, *route.also)},
            **(_NOT_MODIFIED if cached else {}),
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(route.statuses)},
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


def _show(told: dict[str, Any], route: Route, examples: Examples) -> None:
    shown = {
        name: {"summary": name, "value": dict(body)} for name, body in examples.bodies(route.method, route.path).items()
    }
    if shown and route.body is not None:
        told["requestBody"]["content"]["application/json"]["examples"] = shown
    row = examples.row(route.path)
    for parameter in told["parameters"]:
        a_list = parameter["name"] == "id" and route.method == "GET"  # is to be tried as a list
        in_the_path = parameter["in"] == "path" and parameter["name"].endswith("_id")
        if row and not a_list and (in_the_path or parameter["name"] in ("id", "part_id")):
            parameter["example"] = row


def _links(made: Route, table: Iterable[Route]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What can be done with a row that was just made: whatever asks for its id, on the same path or about the same thing."""
    things = {name for shape in made.shapes for name in shape}
    if not things:
        return
    row = next(name for shape in made.shapes for name in shape)
    for route in table:
        about = {name for shape in route.shapes for name in shape}
        by_id = any(one.name == "id" for one in route.parameters)
        if by_id and (route.path == made.path or things & about):
            name = _name(route)
            yield name, {"operationId": name, "parameters": {"id": f"$response.body#/data/{row}/id"}}


def _answer(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    if route.gives:
        media = {"schema": _data(route.shapes[0], schemas)} if route.answers else {}
        return {"description": "Done.", "content": dict.fromkeys(route.gives.split(", "), media)}
    shown = [_data(shape, schemas) for shape in route.shapes]
    envelope = {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": shown[0] if len(shown) == 1 else {"anyOf": shown}},
    }
    told: dict[str, Any] = {"description": "Done.", "content": {"application/json": {"schema": envelope}}}
    if not route.mutates:
        told["headers"] = {"ETag": {"schema": {"type": "string"}}}
    return told


def _data(shape: Mapping[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    properties = {name.removesuffix("?"): _shared(schema, schemas) for name, schema in shape.items()}
    return {"type": "object", "required": [name for name in shape if not name.endswith("?")], "properties": properties}


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
