"""What the answers hold, for the description of the API."""

from typing import Any

from gateway.catalog import models
from gateway.catalog.tables import SYNC_IMPORTS

Schema = dict[str, Any]

_COUNT: Schema = {"type": "integer"}
_TEXT: Schema = {"type": "string"}
_ID: Schema = {"type": "string", "format": "uuid"}
_DETAILS: Schema = {"type": "array", "items": {"type": "object"}}
_CHANGES: Schema = {"type": "array", "items": _TEXT, "description": "For a person: `quantity: 3 -> 4`."}
_DONE = ("created", "updated", "skipped", "errors")
_SEEN = ("to_create", "to_update", "unchanged", "errors")


def _object(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "required": [*required], "properties": properties}


def _counts(*names: str) -> dict[str, Schema]:
    return dict.fromkeys(names, _COUNT)


def _by_table(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": _object(required, **properties)}


_RESULT = _object(
    ("index", "external_id", "action"),
    index=_COUNT,
    line={"type": "integer", "description": "Of a file."},
    external_id=_TEXT,
    id=_ID,
    action={"type": "string", "enum": ["created", "updated", "skipped", "error"]},
    error=_TEXT,
    details=_DETAILS,
    changes=_CHANGES,
)
_RESULTS: Schema = {"type": "array", "items": _RESULT}
_ERROR = _object(("item", "error"), item={}, error={"type": ["string", "array"]})
_SUMMARY = _object(
    ("created", "updated", "failed", "errors"),
    **_counts("created", "updated", "failed"),
    errors={"type": "array", "items": _ERROR},
)
_DIFFERENCE = _object(
    ("index", "external_id", "external_source", "status"),
    index=_COUNT,
    external_id=_TEXT,
    external_source=_TEXT,
    status={"type": "string", "enum": ["create", "update", "unchanged", "error"]},
    existing_id=_ID,
    changes=_CHANGES,
    error=_TEXT,
    details=_DETAILS,
)
_LOGGED = models.row_schema(SYNC_IMPORTS)
_LOGGED["properties"] |= {"errors": {"type": ["array", "null"], "items": {"type": "object"}}}

ONE: Schema = {
    "action": {"type": "string", "enum": ["created", "updated"]},
    "id": _ID,
    "external_id": _TEXT,
    "changed": {"type": "boolean", "description": "False: it said nothing new."},
}
_MANY: Schema = {**_counts("total", *_DONE), "summary": _SUMMARY, "dry_run?": {"type": "boolean"}}
MANY = ({**_MANY, "results": _RESULTS}, {**_MANY, "results": _SUMMARY})  # as documented, and as the cloud does it today
SYNCED: Schema = {
    "summary": _object(
        (), **_counts("total_entities", "total_records", *(f"total_{one}" for one in _DONE), "duration_ms")
    ),
    "entities": _by_table(("results",), **_counts("total", *_DONE, "duration_ms"), results=_RESULTS),
}
DIFF: Schema = {
    "summary": _object((), **_counts("total_entities", "total_records", *(f"total_{one}" for one in _SEEN))),
    "entities": _by_table(
        ("records",),
        entity_type=_TEXT,
        **_counts("total", *_SEEN),
        records={"type": "array", "items": _DIFFERENCE},
    ),
}
HISTORY: Schema = {
    "stats": _object(
        (), **_counts("total_syncs", "successful", "failed", "total_created", "total_updated", "total_errors")
    ),
    "history": {"type": "array", "items": _LOGGED},
}
