"""GET /api-export: whole tables, streamed."""

from gateway.kernel.errors import Forbidden
from gateway.transfer.export import FORMATS, Exports
from gateway.transfer.tables import BY_NAME, REFERENCE
from gateway.web.routes import Call, Cells, Parameter, Raw, Route, Scope

_ENTITIES = Parameter(
    "entities",
    {"type": "string", "default": "all"},
    f"Names with commas between ({', '.join(sorted({*REFERENCE, *BY_NAME}))}), `all` for the documented ones, "
    "`full` for everything that an import can read. Unknown names are ignored.",
)
_FORMAT = Parameter(
    "format",
    {"type": "string", "enum": [*FORMATS], "default": "json"},
    "csv: one table as text/csv, several as application/zip with a file for each.",
)


def routes(exports: Exports) -> list[Route]:
    async def export(call: Call) -> Raw:
        if call.caller.cells is not None:
            raise Forbidden("an export holds the rows of every cell: use an admin key that is not held to cells")
        made = await exports.open(call.query.get("entities") or "all", call.query.get("format") or "json")
        headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
        return Raw(made.content_type, made.chunks, headers=headers)

    return [
        Route(
            "GET",
            "/api-export",
            export,
            Scope.ADMIN,
            Cells.NONE,
            "Whole tables as they stand at one moment.",
            parameters=(_ENTITIES, _FORMAT),
            gives="application/json, text/csv, application/zip",
            strict_method=True,
            patient=True,
            forbidden="Admin role required for data export",
        )
    ]
