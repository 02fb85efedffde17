"""/api-forward/rows: the work of a gateway as it stands here, for one that was restored and has lost what it did since."""

import sqlite3
from collections.abc import Iterator, Mapping
from functools import partial

from gateway.hub import gateways
from gateway.hub.entities import ENTITIES, Sight, epoch
from gateway.hub.raw import BELOW, Raw, tables
from gateway.kernel.db import Database
from gateway.kernel.errors import BadRequest
from gateway.kernel.snapshots import Snapshots
from gateway.outbox import journal, tombstones
from gateway.outbox.event import encode
from gateway.web import listing
from gateway.web.routes import Call, Cells, Parameter, Route, Scope
from gateway.web.routes import Raw as Body

ROWS = 200  # in one piece
DIGITS_MAX = 18
COMPLETE = "complete"
# What a feed tells as it is for everybody (people, cells, resources ...) is not asked for here.
WORK = (
    "jobs parts operations substeps assignments time_entries operation_quantities issues operation_handoffs "
    "operation_batches batch_operations batch_requirements"
).split()
_ASKED = (
    Parameter("gateway_id", {"type": "string"}, "The gateway that asks.", "gateway_id is required"),
    Parameter("epoch", {"type": "integer", "minimum": 1}, "Its epoch.", "epoch is required"),
    Parameter("cells", about="Ids of its cells, with commas between; all work without it."),
)


def route(db: Database) -> Route:
    snapshots = Snapshots(db)

    async def rows(call: Call) -> Body:
        """Raises BadRequest, Invalid, Forbidden, EpochFenced, Busy."""
        listing.known(call.query, _ASKED)
        gateway_id, life = call.query["gateway_id"], call.query["epoch"]
        if not (life.isascii() and life.isdigit() and len(life) <= DIGITS_MAX):
            raise BadRequest(f'epoch is "{life[:DIGITS_MAX]}", a whole number is wanted')
        gateways.speaks_for(call.caller, gateway_id)
        gateways.require_rows(call.caller)
        await db.read(partial(gateways.require_epoch, gateway_id=gateway_id, epoch=int(life)))
        chunks = snapshots.open(partial(_document, seen=Sight(ENTITIES, _cells(call))))
        await chunks.begin()
        return Body("application/x-ndjson", chunks)

    return Route(
        "GET",
        "/api-forward/rows",
        rows,
        Scope.OPERATE,
        Cells.NONE,
        "The work of another gateway as it stands here: a row to a line, with the columns of the database",
        parameters=_ASKED,
        gives="application/x-ndjson",
        refuses=frozenset((409,)),
        patient=True,
    )


def _cells(call: Call) -> frozenset[str] | None:
    """None: all that its key may see. Raises Invalid."""
    own = call.caller.cells
    if "cells" not in call.query:
        return own
    asked = frozenset(listing.uuid("cells", one) for one in call.query["cells"].split(",") if one)
    return asked if own is None else asked & own


def _document(connection: sqlite3.Connection, seen: Sight) -> Iterator[bytes]:
    """Lines of JSON: where it stands in our journal, each row as `Written`, `{"complete":true}` or it is not whole."""
    known = tables(connection)
    yield _line({"seq": journal.head(connection), "epoch": epoch(connection)})
    for name in WORK:
        yield from _rows(connection, known, name, seen)
    cells = None if seen.cells is None else encode([*seen.cells, tombstones.FOR_ALL_CELLS])
    for name in reversed(WORK):
        for gone in tombstones.of_table(connection, name, cells):
            yield b"".join(_line({"table": name, "id": row_id, "op": "delete"}) for row_id, _ in gone)
    yield _line({COMPLETE: True})


def _rows(connection: sqlite3.Connection, known: Mapping[str, Raw], name: str, seen: Sight) -> Iterator[bytes]:
    table, last = known[name], ""
    wanted = f"{name}.id > :after AND ({seen.condition(ENTITIES[name])})"
    sql = f"SELECT {name}.id FROM {name} WHERE {wanted} ORDER BY {name}.id LIMIT {ROWS}"  # nosec B608 # noqa: S608 -- declared names only
    while found := [row[0] for row in connection.execute(sql, {**seen.values, "after": last}).fetchall()]:
        last = found[-1]
        rows = table.rows(connection, found)
        below = table.all_below(connection, known, found)
        lines = []
        for row_id in found:
            told = {"table": name, "id": row_id, "op": "insert", "values": rows[row_id]}
            lines.append(_line({**told, "below": below.get(row_id, [])} if name in BELOW else told))
        yield b"".join(lines)


def _line(told: object) -> bytes:
    return encode(told).encode() + b"\n"
