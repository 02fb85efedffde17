"""`/sync` and `/bulk-sync` of five tables, and `/api-erp-sync`: HTTP -> commands, and nothing else."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.catalog import models
from gateway.erp import bodies, shapes, store
from gateway.erp.commands import ErpCommands
from gateway.erp.model import ENTITIES, Entity, Given, Order
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest, Invalid
from gateway.outbox.receipts import Answer, Receipt, request_hash
from gateway.web.body import detail
from gateway.web.incoming import Incoming
from gateway.web.routes import Call, Cells, Parameter, Route, Scope

CSV = "text/csv"
HISTORY_SHOWN = 20
HISTORY_MAX = 100
_MODES = "Invalid endpoint. Use /diff, /sync, or /status"


def routes(db: Database, commands: ErpCommands) -> list[Route]:
    found = []
    for entity in ENTITIES.values():
        found += [_put(entity, commands), _bulk(entity, commands)]
    return [*found, *_unified(commands), _status(db), *_elsewhere()]


def _put(entity: Entity, commands: ErpCommands) -> Route:
    async def put(call: Call) -> Answer:
        order = Order("api", call.caller, call.request_id, call.receipt)
        return await commands.upsert_one(entity.table, call.body.root, order)

    row = dict.fromkeys(entity.resource.singular, models.row_schema(entity.resource))
    return Route(
        "PUT",
        f"{entity.resource.path}/sync",
        put,
        Scope.PLAN,
        _rule(entity),
        f"Take over one {entity.noun} of an ERP, by its external id",
        bodies.one(entity.table),
        answers={**row, **shapes.ONE},
        also=(201,),
        body_max_bytes=bodies.BODY_MAX_BYTES,
    )


def _bulk(entity: Entity, commands: ErpCommands) -> Route:
    async def bulk(call: Call) -> Answer:
        if call.incoming is not None:
            return await from_file(call, call.incoming)
        sent = call.body.items if call.body.items is not None else getattr(call.body, entity.table)
        if not isinstance(sent, list):
            raise BadRequest(f'Request body must be {{"items": [...]}} or {{"{entity.table}": [...]}}')
        if unknown := call.body.model_extra:
            name = next(iter(unknown))
            message = f"Unknown field, or one that cannot be set here: {name}"
            raise Invalid(message, [detail(name, message, "UNKNOWN_FIELD")])
        if len(sent) > bodies.RECORDS_MAX:
            raise BadRequest(f"Maximum {bodies.RECORDS_MAX} items per bulk-sync request")
        return await taken_over(call, "api", [Given(one) for one in sent], call.receipt)

    async def from_file(call: Call, incoming: Incoming) -> Answer:
        raw = await incoming.whole()
        given = await asyncio.get_running_loop().run_in_executor(None, bodies.in_file, entity, raw)
        receipt = call.receipt
        if receipt is not None:  # so far it knows the address only
            receipt = replace(receipt, request_hash=request_hash(receipt.request_hash, raw))
        return await taken_over(call, "csv", given, receipt)

    async def taken_over(call: Call, source: str, given: Sequence[Given], receipt: Receipt | None) -> Answer:
        dry_run = call.query.get("dry_run", "").lower() in ("true", "1")
        order = Order(source, call.caller, call.request_id, receipt, dry_run)
        return await commands.upsert_many(entity.table, given, order, call.query.get("external_source"))

    return Route(
        "POST",
        f"{entity.resource.path}/bulk-sync",
        bulk,
        Scope.PLAN,
        _rule(entity),
        f"Take over many {entity.table} of an ERP, by their external ids",
        bodies.many(entity.table),
        parameters=(
            Parameter("external_source", about="Of records that name none."),
            Parameter("dry_run", {"type": "boolean"}, "Say what would happen, and write nothing."),
        ),
        answers=shapes.MANY,
        takes=(CSV,),
        body_max_bytes=bodies.BODY_MAX_BYTES,
        patient=True,
    )


def _unified(commands: ErpCommands) -> list[Route]:
    async def diff(call: Call) -> Answer:
        return await commands.sync(_lists(call.body), _order(call, dry_run=True))

    async def sync(call: Call) -> Answer:
        return await commands.sync(_lists(call.body), _order(call, dry_run=False))

    body = bodies.unified()
    return [
        Route(
            "POST",
            f"/api-erp-sync/{mode}",
            handler,
            scope,
            Cells.CHECKED,
            summary,
            body,
            answers=answers,
            strict_method=True,
            body_max_bytes=bodies.BODY_MAX_BYTES,
            patient=True,
        )
        for mode, handler, scope, summary, answers in (
            ("diff", diff, Scope.READ, "What would change, record by record", shapes.DIFF),
            ("sync", sync, Scope.PLAN, "Take over what an ERP sends: jobs, parts, operations and more", shapes.SYNCED),
        )
    ]


def _lists(body: Any) -> dict[str, Sequence[Any]]:
    """table -> records, in the order of the request. Raises BadRequest, Invalid."""
    if body is None:
        raise BadRequest("Invalid JSON in request body")
    found: dict[str, Sequence[Any]] = {}
    for table in ENTITIES:
        sent = getattr(body, table)
        if sent is None:
            continue
        if not isinstance(sent, list):
            message = f"Invalid array for {table}"
            raise Invalid(message, [detail(table, message, "TYPE_MISMATCH")])
        if len(sent) > bodies.RECORDS_MAX:
            raise BadRequest(f"Maximum {bodies.RECORDS_MAX} {table} per sync request")
        found[table] = sent
    return found


def _order(call: Call, *, dry_run: bool) -> Order:
    options = call.body.options if call.body else None
    chosen: Mapping[str, bool] = {}
    if options is not None:
        chosen = {"skip_unchanged": options.skip_unchanged, "record_history": options.record_history}
    sender = call.body.source if call.body else None
    return Order("api_erp_sync", call.caller, call.request_id, call.receipt, dry_run, sender, **chosen)


def _status(db: Database) -> Route:
    async def status(call: Call) -> Answer:
        asked = (call.query.get("entity_type"), call.query.get("source"))
        return Answer(200, await db.read(store.history, *asked, _limit(call.query.get("limit", ""))))

    return Route(
        "GET",
        "/api-erp-sync/status",
        status,
        Scope.READ,
        Cells.NONE,
        "What was taken over, newest first",
        parameters=(
            Parameter("entity_type"),
            Parameter("source", about="api, csv or api_erp_sync."),
            Parameter("limit", {"type": "integer", "minimum": 1, "maximum": HISTORY_MAX, "default": HISTORY_SHOWN}),
        ),
        answers=shapes.HISTORY,
        strict_method=True,
    )


def _limit(asked: str) -> int:
    """What is no number is the default, as for lists."""
    try:
        return min(max(int(float(asked)), 1), HISTORY_MAX)
    except (ValueError, OverflowError):
        return HISTORY_SHOWN


def _elsewhere() -> list[Route]:
    async def nowhere(_call: Call) -> Answer:
        raise BadRequest(_MODES)

    return [
        Route("POST", path, nowhere, Scope.READ, Cells.NONE, "Always refused: `/diff`, `/sync` or `/status`")
        for path in ("/api-erp-sync", "/api-erp-sync/{mode}")
    ]


def _rule(entity: Entity) -> Cells:
    return Cells.NONE if entity.resource.cell is None else Cells.CHECKED
