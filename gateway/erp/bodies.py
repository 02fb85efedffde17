"""What a request may hold: records are checked one by one, so that a wrong one is nobody else's error."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, SkipValidation, StrictBool, StrictInt, StrictStr
from pydantic import create_model as pydantic_model

from gateway.catalog import models
from gateway.catalog.models import Body
from gateway.catalog.resources import Kind
from gateway.erp import hash as hash_
from gateway.erp.model import ENTITIES, Entity, Given, Item, Record
from gateway.jobs.resources import JOBS, PARTS
from gateway.kernel.errors import BadRequest, GatewayError, Invalid
from gateway.operations.resources import OPERATIONS
from gateway.operations.trees.routes import OPERATIONS_MAX, PARTS_MAX, WithOperations, WithParts
from gateway.transfer import files
from gateway.web import body as body_

RECORDS_MAX = 1_000  # of one kind in a request
RECORD_ROWS_MAX = 5_000  # that one record may become: it is written in one turn, and everybody waits for it
BODY_MAX_BYTES = 20 * 1024 * 1024
SOURCE_MAX = 255
UNKNOWN = "unknown"  # [U] what answers call a record without an external id

_Id = Annotated[StrictStr, Field(min_length=1, max_length=SOURCE_MAX)]
_IDS: dict[str, Any] = {"external_id": (_Id, ...), "external_source": (_Id | None, None)}
_IGNORED = ("deleted_at", "deleted_by", "synced_at", "sync_hash", "hash_alg", "cached_at")
# How far an operation is, the gateway knows better than the ERP.
_EXECUTION = ("status", "completion_percentage", "actual_time", "started_at", "paused_at", "resumed_at", "completed_at")


def _model(entity: Entity, without: Sequence[str] = (), base: type[Body] = Body, **more: Any) -> type[Body]:
    """The body of a record: a new row's, with the ERP's names for what it refers to."""
    left_out = [*_IDS, *_IGNORED, *without, *([entity.above.column] if entity.above else [])]
    fields = {**_IDS, **dict.fromkeys(_IGNORED, models.DROPPED), **more}
    if entity.above:
        fields |= {entity.above.column: (models.Uuid | None, None), entity.above.reference: (_Id | None, None)}
    name = f"Sync{entity.resource.title}"
    return models.create_model(entity.resource, name=name, without=left_out, more=fields, base=base)


def _models() -> dict[str, type[Body]]:
    cell: dict[str, Any] = {"cell_id": (models.Uuid | None, None), "cell_name": (StrictStr | None, None)}
    operation: Any = _model(ENTITIES[OPERATIONS.table], ("cell_id", *_EXECUTION), **cell)
    operations: Any = (list[operation] | None, Field(None, max_length=OPERATIONS_MAX))
    part: Any = _model(ENTITIES[PARTS.table], base=WithOperations, operations=operations)
    parts: Any = (list[part] | None, Field(None, max_length=PARTS_MAX))
    nested = {
        OPERATIONS.table: operation,
        PARTS.table: part,
        JOBS.table: _model(ENTITIES[JOBS.table], base=WithParts, parts=parts),
    }
    return {table: nested.get(table) or _model(entity) for table, entity in ENTITIES.items()}


RECORDS = _models()
_KNOWN = {
    table: frozenset(model.model_fields) | frozenset(model.spellings) for table, model in RECORDS.items()
}  # every name that a record may use


def in_file(entity: Entity, raw: bytes) -> list[Given]:
    """The records of a CSV file. Raises BadRequest with the line, Invalid with the columns that nobody knows, TooLarge."""
    known = _fields(entity)
    lines = files.csv_records(raw, known)
    if unknown := sorted({name for _, record in lines for name in record if name not in known}):
        message = f"Unknown columns: {', '.join(unknown)}. Known are {', '.join(known)}"
        raise Invalid(message, [body_.detail(name, f"Unknown column: {name}", "UNKNOWN_FIELD") for name in unknown])
    for line, record in lines:
        try:
            body_.check(record)
        except BadRequest as exc:
            raise BadRequest(f"line {line}: {exc.message}") from exc
    return [Given(record, line) for line, record in lines]


def _fields(entity: Entity) -> dict[str, Kind]:
    """The columns that a file may have, and what stands in them: every name of a record but the records inside it."""
    columns = {column.name: column.kind for column in entity.resource.columns}
    model = RECORDS[entity.table]
    names = _KNOWN[entity.table].difference({entity.below or "", *_IGNORED})
    return {name: columns.get(model.spellings.get(name, name), Kind.TEXT) for name in sorted(names)}


# ------------------------------------------------------------------ envelopes


@cache
def one(table: str) -> type[BaseModel]:
    """The body of PUT: an object, checked later."""
    model: Any = RECORDS[table]
    body: type[BaseModel] = type(f"Put{model.__name__}", (RootModel[SkipValidation[model]],), {})
    return body


@cache
def many(table: str) -> type[BaseModel]:
    """The body of bulk-sync: `items` or the table's name. Whatever else is there, the route says."""
    model: Any = RECORDS[table]
    records: Any = (SkipValidation[list[model]], None)
    named: dict[str, Any] = {"items": records, table: records}
    config = ConfigDict(extra="allow", title=f"Bulk{model.__name__}")
    return pydantic_model(f"Bulk{model.__name__}", __config__=config, **named)


class Options(BaseModel):
    """`batch_size` and `continue_on_error` are taken and have no effect, as in the cloud."""

    model_config = ConfigDict(extra="forbid")

    skip_unchanged: StrictBool = True
    record_history: StrictBool = True
    batch_size: StrictInt | None = None
    continue_on_error: StrictBool | None = None


class Unified(BaseModel):
    """Records of several kinds."""

    model_config = ConfigDict(extra="forbid")

    options: Options | None = None
    source: Annotated[StrictStr, Field(max_length=SOURCE_MAX)] | None = None


@cache
def unified() -> type[BaseModel]:
    lists: dict[str, Any] = {}
    for table, model in RECORDS.items():
        record: Any = model
        lists[table] = (SkipValidation[list[record]], None)
    return pydantic_model("UnifiedSync", __base__=Unified, **lists)


# ------------------------------------------------------------------ records


def items(entity: Entity, given: Sequence[Given], external_source: str | None, *, lenient: bool) -> list[Item]:
    """Each record, checked. `external_source` is that of records without one; `lenient`: unknown fields are ignored."""
    found = []
    for index, one_ in enumerate(given):
        try:
            record = checked(entity, one_.record, external_source, lenient=lenient)
            found.append(Item(index, one_, record))
        except GatewayError as exc:
            found.append(Item(index, one_, error=exc))
    return found


def checked(entity: Entity, given: Any, external_source: str | None = None, *, lenient: bool = False) -> Record:
    """Raises Invalid with the contract's words for what is missing, and a detail for each field that is wrong."""
    if not isinstance(given, dict):
        raise Invalid("a record is a JSON object", [body_.detail("body", "a record is a JSON object", "TYPE_MISMATCH")])
    record = given
    if external_source and not record.get("external_source"):
        record = {**record, "external_source": external_source}
    if not (record.get("external_id") and record.get("external_source")):
        field = "external_source" if record.get("external_id") else "external_id"
        raise missing(field, "external_id and external_source are required")
    _complete(entity, record, "")
    _referring(entity, record, "")
    if lenient:
        record = _known(entity, record)
    values = body_.validate(RECORDS[entity.table], record).given()
    texts: dict[int, str] = {}
    hash_.text(given, texts)
    found = _record(entity, values, given, values["external_source"], texts, "")
    if found.rows > RECORD_ROWS_MAX:
        message = (
            f"{found.rows} rows in one record: {RECORD_ROWS_MAX} are the most, send its {entity.below} by themselves"
        )
        raise Invalid(message, [body_.detail(str(entity.below), message, "MAX_LENGTH")])
    return found


def missing(field: str, message: str) -> Invalid:
    return Invalid(message, [body_.detail(field, message, "NOT_NULL")])


def _complete(entity: Entity, record: Mapping[str, Any], path: str) -> None:
    for name in entity.required:
        if record.get(name) in (None, ""):
            raise missing(f"{path}{name}", f"{name} is required")
    if "cell_name" in RECORDS[entity.table].model_fields and not (record.get("cell_id") or record.get("cell_name")):
        raise missing(f"{path}cell_name", "cell_id or cell_name is required")
    children = record.get(entity.below) if entity.below else None
    if not isinstance(children, list):
        return
    for place, child in enumerate(children):
        if isinstance(child, dict):
            inside = f"{path}{entity.below}[{place}]."
            if not child.get("external_id"):
                raise missing(f"{inside}external_id", f"{inside}external_id is required")
            _complete(ENTITIES[str(entity.below)], child, inside)


def _referring(entity: Entity, record: Mapping[str, Any], path: str) -> None:
    above = entity.above
    if above and not (record.get(above.column) or record.get(above.reference)):
        raise missing(f"{path}{above.reference}", f"{above.column} or {above.reference} is required")


def _known(entity: Entity, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record without what we have no field for."""
    names = _KNOWN[entity.table]
    kept = {name: value for name, value in record.items() if name in names}
    if entity.below and isinstance(children := kept.get(entity.below), list):
        inner = ENTITIES[entity.below]
        kept[entity.below] = [_known(inner, child) if isinstance(child, dict) else child for child in children]
    return kept


def _record(
    entity: Entity, values: dict[str, Any], given: Mapping[str, Any], source: str, texts: Mapping[int, str], path: str
) -> Record:
    """`values` is checked, `given` the same as it was sent."""
    below = []
    if entity.below:
        inner = ENTITIES[entity.below]
        for place, child in enumerate(values.pop(entity.below, None) or ()):
            sent = given[entity.below][place]
            own = child.get("external_source") or source
            below.append(_record(inner, child, sent, own, texts, f"{path}{entity.below}[{place}]."))
    values.pop("external_source", None)
    external_id, cell_name = values.pop("external_id"), values.pop("cell_name", None)
    above = above_id = None
    if entity.above:
        above, above_id = values.pop(entity.above.reference, None), values.pop(entity.above.column, None)
    digest = hash_.sync_hash(texts[id(given)])
    return Record(entity, external_id, source, values, digest, above, above_id, cell_name, tuple(below), path)
