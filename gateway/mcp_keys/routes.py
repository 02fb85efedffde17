"""`/api-mcp-keys` and `/api-mcp-logs`: functions that only a gateway has. Keys are made and ended by the command line."""

from dataclasses import replace

from gateway.catalog.resources import Resource
from gateway.catalog.routes import reading
from gateway.kernel.db import Database
from gateway.mcp_keys.resources import MCP_KEYS, MCP_LOGS
from gateway.outbox.receipts import Answer
from gateway.web import listing
from gateway.web.routes import Call, Raw, Route, Scope


def routes(db: Database) -> list[Route]:
    return [_read(one, db) for one in (MCP_KEYS, MCP_LOGS)]


def _read(resource: Resource, db: Database) -> Route:
    (rows,) = reading(resource, db)

    async def show(call: Call) -> Answer | Raw:
        listing.known(call.query, rows.parameters)
        return await rows.handler(call)

    return replace(rows, handler=show, scope=Scope.ADMIN)
