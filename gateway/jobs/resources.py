"""How jobs and parts look from outside."""

from gateway.catalog.resources import Column, Kind, Resource
from gateway.jobs.model import RANKED, Status

STATES = tuple(Status)
TEXT_MAX = 255

# Rows that belong to no cell themselves, but to those of the operations below them.
_JOB_CELLS = (
    "SELECT o.cell_id FROM parts p JOIN operations o ON o.part_id = p.id "
    "WHERE p.job_id = jobs.id AND p.deleted_at IS NULL AND o.deleted_at IS NULL"
)
_PART_CELLS = "SELECT o.cell_id FROM operations o WHERE o.part_id = parts.id AND o.deleted_at IS NULL"
_JOBS_OF = """jobs.id IN (SELECT p.job_id FROM operations o JOIN parts p ON p.id = o.part_id
  WHERE o.cell_id IN ({}) AND o.deleted_at IS NULL AND p.deleted_at IS NULL)"""
_PARTS_OF = "parts.id IN (SELECT o.part_id FROM operations o WHERE o.cell_id IN ({}) AND o.deleted_at IS NULL)"
_PARTS = """(SELECT json_group_array(json_object('id', p.id, 'part_id', p.id, 'part_number', p.part_number, 'material', p.material,
  'quantity', p.quantity, 'status', p.status)) FROM (SELECT * FROM parts WHERE job_id = {t}.id AND deleted_at IS NULL
  ORDER BY created_at, rowid) p)"""
_JOB = """(SELECT json_object('id', j.id, 'job_number', j.job_number, 'customer', j.customer)
  FROM jobs j WHERE j.id = {t}.job_id)"""

# Where a row came from, when it was made and marked as gone: every table of the work has these.
_HISTORY = (
    Column("external_id"),
    Column("external_source"),
    Column("synced_at", Kind.TIME, creatable=False, updatable=False),
    Column("sync_hash", creatable=False, updatable=False),
    Column("hash_alg", creatable=False, updatable=False, about="How `sync_hash` was made."),
    Column("created_at", Kind.TIME, nullable=False, updatable=False),
    Column("updated_at", Kind.TIME, nullable=False, updatable=False),
    Column("deleted_at", Kind.TIME, creatable=False, updatable=False),
    Column("deleted_by", Kind.UUID, creatable=False, updatable=False),
)

JOBS = Resource(
    table="jobs",
    path="/api-jobs",
    singular=("job",),
    soft_delete=True,
    cell=_JOB_CELLS,
    found_by_cells=_JOBS_OF,
    columns=(
        Column("job_number", required=True, length_max=TEXT_MAX),
        Column("customer", length_max=TEXT_MAX, aliases=("customer_name",)),
        Column("due_date", Kind.TIME),
        Column("due_date_override", Kind.TIME),
        Column("status", nullable=False, choices=STATES, ranked=RANKED, about="A change must be a legal transition."),
        Column("priority", Kind.INTEGER, minimum=0),
        Column("current_cell_id", Kind.UUID, references="cells"),
        Column("notes", aliases=("description",)),
        Column("metadata", Kind.JSON),
        Column("delivery_address"),
        Column("delivery_city"),
        Column("delivery_postal_code"),
        Column("delivery_country"),
        Column("delivery_lat", Kind.NUMBER),
        Column("delivery_lng", Kind.NUMBER),
        Column("total_weight_kg", Kind.NUMBER),
        Column("total_volume_m3", Kind.NUMBER),
        Column("package_count", Kind.INTEGER),
        Column("started_at", Kind.TIME, updatable=False),
        Column("paused_at", Kind.TIME, updatable=False),
        Column("resumed_at", Kind.TIME, updatable=False),
        Column("completed_at", Kind.TIME, updatable=False),
        Column(
            "actual_duration",
            Kind.INTEGER,
            creatable=False,
            updatable=False,
            stored="CAST(round(jobs.actual_duration_s / 60.0) AS INTEGER)",
            about="Minutes from the first start to the end, holds included.",
        ),
        *_HISTORY,
    ),
    derived={
        "job_id": "{t}.id",
        "customer_name": "{t}.customer",
        "description": "{t}.notes",
        "actual_duration_seconds": "{t}.actual_duration_s",
        "parts": _PARTS,
    },
    filters={"status": "jobs.status"},
    fuzzy={"customer": "jobs.customer", "job_number": "jobs.job_number"},
    search=("jobs.job_number", "jobs.customer"),
    sort=("job_number", "customer", "due_date", "created_at", "status"),
)

_EXTRA = "parts.extra ->> '$.{}'"  # documented fields for which the cloud has no column; kept here, not sent there

PARTS = Resource(
    table="parts",
    path="/api-parts",
    singular=("part",),
    soft_delete=True,
    cell=_PART_CELLS,
    found_by_cells=_PARTS_OF,
    columns=(
        Column("job_id", Kind.UUID, required=True, updatable=False, references="jobs"),
        Column("parent_part_id", Kind.UUID, references="parts", about="Another part of the same job."),
        Column("part_number", required=True, length_max=TEXT_MAX),
        Column("material", about="`Unknown` when not given."),
        Column("quantity", Kind.INTEGER, nullable=False, minimum=1, about="1 when not given."),
        Column("status", nullable=False, choices=STATES, ranked=RANKED, about="A change must be a legal transition."),
        Column("current_cell_id", Kind.UUID, references="cells"),
        Column("file_paths", Kind.LIST, lists_files=True),
        Column("image_paths", Kind.LIST, nullable=False, lists_files=True),
        Column("notes"),
        Column("metadata", Kind.JSON),
        Column("material_lot"),
        Column("material_supplier"),
        Column("material_cert_number"),
        Column("weight_kg", Kind.NUMBER),
        Column("length_mm", Kind.NUMBER),
        Column("width_mm", Kind.NUMBER),
        Column("height_mm", Kind.NUMBER),
        Column("drawing_no", length_max=TEXT_MAX),
        Column("cnc_program_name", length_max=TEXT_MAX),
        Column("is_bullet_card", Kind.BOOLEAN, nullable=False),
        Column("material_id", Kind.UUID, stored=_EXTRA.format("material_id")),
        Column("description", stored=_EXTRA.format("description")),
        Column("drawing_url", stored=_EXTRA.format("drawing_url")),
        Column("step_file_url", stored=_EXTRA.format("step_file_url")),
        *_HISTORY,
    ),
    derived={"part_id": "{t}.id", "job": _JOB},
    filters={"job_id": "parts.job_id", "status": "parts.status"},
    fuzzy={"material": "parts.material"},
    search=("parts.part_number", "parts.material"),
    sort=("part_number", "created_at", "status"),
)
EXTRA = ("material_id", "description", "drawing_url", "step_file_url")  # the columns that live in `parts.extra`
