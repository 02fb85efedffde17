"""How batches look from outside."""

from gateway.batches.model import BatchStatus, Mode, Type
from gateway.catalog.resources import Column, Kind, Resource
from gateway.operations.resources import CELL_JSON

TEXT_MAX = 255
PATH_MAX = 1_024
IMAGES = ("nesting_image_url", "layout_image_url")

_COUNT = """(SELECT count(*) FROM batch_operations b JOIN operations o ON o.id = b.operation_id
  WHERE b.batch_id = operation_batches.id AND o.deleted_at IS NULL)"""
_OPERATIONS = """(SELECT json_group_array(json_object('id', x.id, 'operation_name', x.operation_name, 'status', x.status,
  'cell_id', x.cell_id, 'estimated_time', x.estimated_time, 'sequence_in_batch', x.sequence_in_batch,
  'quantity_in_batch', x.quantity_in_batch)) FROM (SELECT o.*, b.sequence_in_batch, b.quantity_in_batch
  FROM batch_operations b JOIN operations o ON o.id = b.operation_id
  WHERE b.batch_id = {t}.id AND o.deleted_at IS NULL ORDER BY b.sequence_in_batch, b.rowid) x)"""

BATCHES = Resource(
    table="operation_batches",
    path="/api-batches",
    singular=("operation_batche", "batch"),
    cell="operation_batches.cell_id",
    columns=(
        Column("batch_number", required=True, length_max=TEXT_MAX),
        Column("batch_type", nullable=False, choices=tuple(Type), ranked=tuple(Type)),
        Column(
            "status",
            nullable=False,
            choices=tuple(BatchStatus),
            ranked=tuple(BatchStatus),
            about="A change must be a legal transition.",
        ),
        Column("production_mode", nullable=False, choices=tuple(Mode), about="`automated` is for laser_nesting only."),
        Column("cell_id", Kind.UUID, required=True, references="cells"),
        Column("parent_batch_id", Kind.UUID, references="operation_batches"),
        Column("material", length_max=TEXT_MAX),
        Column("thickness_mm", Kind.NUMBER, minimum=0),
        Column("notes"),
        Column("nesting_metadata", Kind.JSON),
        *(
            Column(name, length_max=PATH_MAX, lists_files=True, about="Path of an object: <tenant id>/...")
            for name in IMAGES
        ),
        Column("operations_count", Kind.INTEGER, creatable=False, updatable=False, stored=_COUNT),
        Column("estimated_time", Kind.NUMBER, minimum=0, about="Minutes."),
        Column(
            "actual_time",
            Kind.INTEGER,
            creatable=False,
            updatable=False,
            stored="CAST(round(operation_batches.actual_time_s / 60.0) AS INTEGER)",
            about="Minutes between start and stop.",
        ),
        Column("material_requirement_metadata", Kind.JSON),
        Column("material_requirement_raised", Kind.BOOLEAN),
        Column("created_by", Kind.UUID, references="profiles", updatable=False),
        Column("started_by", Kind.UUID, creatable=False, updatable=False),
        Column("completed_by", Kind.UUID, creatable=False, updatable=False),
        Column("started_at", Kind.TIME, creatable=False, updatable=False),
        Column("completed_at", Kind.TIME, creatable=False, updatable=False),
        Column("external_id"),
        Column("external_source"),
        Column("created_at", Kind.TIME, nullable=False, updatable=False),
        Column("updated_at", Kind.TIME, nullable=False, updatable=False),
    ),
    derived={
        "batch_id": "{t}.id",
        "actual_time_seconds": "{t}.actual_time_s",
        "operations": _OPERATIONS,
        "cell": CELL_JSON,
    },
    filters={name: f"operation_batches.{name}" for name in ("status", "batch_type", "cell_id")},
    fuzzy={"material": "operation_batches.material"},
    search=("operation_batches.batch_number", "operation_batches.material"),
    sort=("batch_number", "created_at", "status", "batch_type"),
)

# Which operations are in a batch. No endpoint of its own: written with the batch, and by add-operations.
MEMBERS = Resource(
    table="batch_operations",
    path="",
    singular=("batch_operation",),
    columns=(
        Column("batch_id", Kind.UUID, required=True, references="operation_batches"),
        Column("operation_id", Kind.UUID, required=True, references="operations"),
        Column("sequence_in_batch", Kind.INTEGER),
        Column("quantity_in_batch", Kind.INTEGER),
        Column("created_at", Kind.TIME, nullable=False),
        Column("updated_at", Kind.TIME, nullable=False),
    ),
)

# Material that a batch asks for. It comes and goes by import and export alone.
REQUIREMENTS = Resource(
    table="batch_requirements",
    path="",
    singular=("batch_requirement",),
    columns=(
        Column("batch_id", Kind.UUID, required=True, references="operation_batches"),
        Column("material_name", required=True),
        Column("quantity", Kind.INTEGER, nullable=False),
        Column("status"),
        Column("created_at", Kind.TIME, nullable=False),
    ),
)
