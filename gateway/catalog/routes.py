"""Routes from declarations: `reading` gives a table its list and its single row, `writing` the verbs that change it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Protocol

import structlog

from gateway.catalog import models, store, tags
from gateway.catalog.models import Body
from gateway.catalog.resources import Resource
from gateway.catalog.tables import CELLS, RESOURCES, SCRAP_REASONS, SUBSTEP_TEMPLATES
from gateway.catalog.tags import Totals, View
from gateway.kernel.db import Database, Tx
from gateway.kernel.errors import BadRequest, NotFound
from gateway.kernel.ids import is_uuid
from gateway.outbox.receipts import Answer, Receipt
from gateway.web import conditions, listing
from gateway.web.routes import Call, Caller, Cells, Parameter, Raw, Route, Scope

log = structlog.get_logger(__name__)

_create_body, _patch_body = cache(models.create_model), cache(models.patch_model)  # each table has one of each

ID = Parameter("id", {"type": "string", "format": "uuid"}, "The row's id.")


class Writes(Protocol):
    """What changes the rows of a table: `RowCommands` for plain ones, a slice's own commands for the others."""

    async def create(self, given: Mapping[str, Any], caller: Caller, receipt: Receipt | None) -> Answer: ...

    async def update(
        self, row_id: str, given: Mapping[str, Any], caller: Caller, receipt: Receipt | None
    ) -> Answer: ...

    async def delete(self, row_id: str, caller: Caller, receipt: Receipt | None) -> Answer: ...


def reading(resource: Resource, db: Database) -> list[Route]:
    """GET: the list, or one row with `?id=`."""
    asked, totals = resource.listable, Totals()

    async def show(call: Call) -> Answer:
        view = View.of(resource, call, db)
        if row_id := call.query.get("id"):
            row_id = wanted(resource, row_id)
            if same := tags.unchanged(view, single=True):
                return same
            return await db.read(tags.row, view, row_id)
        if same := tags.unchanged(view, single=False):  # a tag is given for good questions only
            return same
        return await db.read(tags.page, view, listing.checked(call.query, asked), totals)

    row = models.row_schema(resource)
    answers: dict[str, Any] = {resource.plural: {"type": "array", "items": row}, "pagination": listing.PAGINATION}
    return [
        Route(
            "GET",
            resource.path,
            show,
            Scope.READ,
            _cells(resource, Cells.FILTERED),
            f"List {resource.plural.replace('_', ' ')}, or show one",
            parameters=(ID, *listing.parameters(asked)),
            answers=(answers, dict.fromkeys(resource.singular, row)),
        )
    ]


def writing(
    resource: Resource,
    commands: Writes,
    *,
    create: type[Body] | None = None,
    patch: type[Body] | None = None,
    scope: Scope = Scope.PLAN,
) -> list[Route]:
    """POST, PATCH, PUT (the same as PATCH) and DELETE. `create` and `patch` default to what the declaration gives."""
    name = resource.singular[-1].replace("_", " ")
    one = f"an {name}" if name[0] in "aeiou" else f"a {name}"
    body, changes = create or _create_body(resource), patch or _patch_body(resource)
    rule = _cells(resource, Cells.CHECKED)
    row = dict.fromkeys(resource.singular, models.row_schema(resource))
    message = {"message": {"type": "string"}}
    changed, gone = (replace(ID, required=f"ID parameter is required for {what}") for what in ("updates", "deletion"))

    async def post(call: Call) -> Answer:
        return await commands.create(call.body.given(), call.caller, call.receipt)

    async def update(call: Call) -> Answer:
        row_id, given = wanted(resource, call.query["id"]), call.body.given()
        if not given:
            raise BadRequest("No valid fields to update")
        return await commands.update(row_id, given, call.caller, guarded(call, resource, row_id, given))

    async def delete(call: Call) -> Answer:
        row_id = call.query["id"]
        try:
            row_id = wanted(resource, row_id)
            return await commands.delete(row_id, call.caller, guarded(call, resource, row_id))
        except NotFound:  # [U] whoever deletes twice, or asks again after a lost answer, has what he wants
            log.info("row.deleted_already", table=resource.table, id=row_id, request_id=call.request_id)
            return Answer(200, resource.gone)

    return [
        Route("POST", resource.path, post, scope, rule, f"Create {one}", body, (), row, 201),
        *(
            Route(method, resource.path, update, scope, rule, about, changes, (changed,), row, conditional=True)
            for method, about in (("PATCH", f"Update {one}"), ("PUT", f"Update {one} (the same as PATCH)"))
        ),
        Route("DELETE", resource.path, delete, scope, rule, f"Delete {one}", None, (gone,), message, conditional=True),
    ]


def guarded(call: Call, resource: Resource, row_id: str, names: Collection[str] | None = None) -> Receipt | None:
    """The call's receipt, good only for the version of the row that its `If-Match` names, or while the columns `names` are as in
    its `base_version`; None: all of the row. Raises BadRequest.

    The version is looked at in the transaction that would change the row.
    """
    sent = call.headers.get("If-Match")
    versions = conditions.versions(sent) if sent else None
    base = call.base_version or getattr(call.body, models.BASE_VERSION, None)
    if call.receipt is None or (versions is None and base is None):
        return call.receipt

    further = call.receipt.guard

    def guard(tx: Tx) -> None:
        if further is not None:
            further(tx)
        if versions is not None:
            store.require_version(tx, resource, row_id, call.caller.cells, versions)
        if base is not None:
            store.require_base(tx, resource, row_id, call.caller.cells, base, names)

    return replace(call.receipt, guard=guard)


def strict(route: Route) -> Route:
    """A parameter that is not known is refused, as in every function of our own."""

    async def show(call: Call) -> Answer | Raw:
        listing.known(call.query, route.parameters)
        return await route.handler(call)

    return replace(route, handler=show)


def wanted(resource: Resource, row_id: str) -> str:
    """The id as it is stored. Raises NotFound: what is no id is the id of nothing."""
    if not is_uuid(row_id):
        raise store.missing(resource, row_id)
    return row_id.lower()


def _cells(resource: Resource, rule: Cells) -> Cells:
    return Cells.NONE if resource.cell is None else rule


def routes(db: Database, commands: Callable[[Resource], Writes]) -> list[Route]:
    """The plain tables; `commands` makes what changes one of them."""
    plain = [
        route
        for resource in (CELLS, RESOURCES, SCRAP_REASONS, SUBSTEP_TEMPLATES)
        for route in (*reading(resource, db), *writing(resource, commands(resource)))
    ]
    return [*plain, _materials(db)]


def _materials(db: Database) -> Route:
    """[U] not a table: the names of the materials that parts are made of."""

    async def show(_call: Call) -> Answer:
        return Answer(200, await db.read(store.materials))

    answers = {"materials": {"type": "array", "items": {"type": "string"}}}
    return Route(
        "GET", "/api-materials", show, Scope.READ, Cells.NONE, "List materials", answers=answers, strict_method=True
    )
