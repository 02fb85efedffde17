"""How substeps look from outside."""

from gateway.catalog.resources import Column, Kind, Resource
from gateway.operations.substeps.model import Status

STATES = tuple(Status)

_OPERATION = """(SELECT json_object('id', o.id, 'operation_name', o.operation_name)
  FROM operations o WHERE o.id = {t}.operation_id)"""

SUBSTEPS = Resource(
    table="substeps",
    path="/api-substeps",
    singular=("substep",),
    cell="(SELECT o.cell_id FROM operations o WHERE o.id = substeps.operation_id)",
    columns=(
        Column("operation_id", Kind.UUID, required=True, references="operations"),
        Column("name", required=True, aliases=("description",)),
        Column("icon_name", length_max=100),
        Column("sequence", Kind.INTEGER, about="The next free one when not given."),
        Column("status", nullable=False, choices=STATES, text=True),
        Column("notes"),
        Column("completed_at", Kind.TIME, about="Kept while it is completed; now when not given."),
        Column(
            "completed_by",
            Kind.UUID,
            references="profiles",
            about="Kept while it is completed; the key's operator when not given.",
        ),
        Column("created_at", Kind.TIME, nullable=False, updatable=False),
        Column("updated_at", Kind.TIME, nullable=False, updatable=False),
    ),
    derived={
        "substep_id": "{t}.id",
        "description": "{t}.name",
        "completed": "json(CASE {t}.status WHEN 'completed' THEN 'true' ELSE 'false' END)",
        "operation": _OPERATION,
    },
    filters={"operation_id": "substeps.operation_id", "status": "substeps.status"},
    search=("substeps.name",),
    sort=("sequence", "created_at", "status"),
    default_sort=(("sequence", "ASC"),),
)
