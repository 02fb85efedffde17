"""How operations look from outside."""

from gateway.catalog.resources import Column, Kind, Resource
from gateway.jobs.model import RANKED

STATES = ("not_started", "in_progress", "on_hold", "completed")
TEXT_MAX = 255

_ABOVE = """parts p JOIN jobs j ON j.id = p.job_id JOIN cells c ON c.id = {t}.cell_id WHERE p.id = {t}.part_id"""
_PART = """json_object('id', p.id, 'part_number', p.part_number, 'material', p.material,
  'job', json_object('id', j.id, 'job_number', j.job_number, 'customer', j.customer))"""
_CELL = "json_object('id', c.id, 'name', c.name, 'color', c.color)"
# Every operation has a cell: said here so that one index, in which a start costs little, finds those of a state in all of them.
_STATUS = "operations.status = {} AND operations.cell_id IN (SELECT c.id FROM cells c)"
CELL_JSON = f"(SELECT {_CELL} FROM cells c WHERE c.id = {{t}}.cell_id)"  # nosec B608 # noqa: S608 -- constants only

OPERATIONS = Resource(
    table="operations",
    path="/api-operations",
    singular=("operation",),
    soft_delete=True,
    cell="operations.cell_id",
    beside=_ABOVE,
    columns=(
        Column("part_id", Kind.UUID, required=True, updatable=False, references="parts"),
        Column("cell_id", Kind.UUID, required=True, references="cells"),
        Column("assigned_operator_id", Kind.UUID, references="profiles"),
        Column("operation_name", required=True, length_max=TEXT_MAX),
        Column("sequence", Kind.INTEGER, filled=True, minimum=1, about="The next free one when not given."),
        Column("estimated_time", Kind.INTEGER, minimum=0, aliases=("estimated_time_minutes",), about="Minutes."),
        Column(
            "actual_time",
            Kind.INTEGER,
            nullable=False,
            minimum=0,
            stored="CAST(round(operations.actual_time_s / 60.0) AS INTEGER)",
            about="Minutes, the sum over the time entries; may be given as long as there are none.",
        ),
        Column("status", nullable=False, choices=STATES, ranked=RANKED, about="A change must be a legal transition."),
        Column("completion_percentage", Kind.INTEGER, minimum=0, maximum=100),
        Column("notes", aliases=("instructions",)),
        Column("metadata", Kind.JSON),
        Column("icon_name", length_max=100),
        Column("setup_time", Kind.NUMBER, minimum=0, aliases=("setup_time_minutes",)),
        Column("run_time_per_unit", Kind.NUMBER, minimum=0),
        Column("wait_time", Kind.NUMBER, minimum=0),
        Column("changeover_time", Kind.NUMBER, minimum=0),
        Column("planned_start", Kind.TIME),
        Column("planned_end", Kind.TIME),
        Column("started_at", Kind.TIME, updatable=False),
        Column("paused_at", Kind.TIME, updatable=False),
        Column("resumed_at", Kind.TIME, updatable=False),
        Column("completed_at", Kind.TIME, updatable=False),
        Column("status_before_hold", creatable=False, updatable=False),
        Column("external_id"),
        Column("external_source"),
        Column("synced_at", Kind.TIME, creatable=False, updatable=False),
        Column("sync_hash", creatable=False, updatable=False),
        Column("hash_alg", creatable=False, updatable=False, about="How `sync_hash` was made."),
        Column("created_at", Kind.TIME, nullable=False, updatable=False),
        Column("updated_at", Kind.TIME, nullable=False, updatable=False),
        Column("deleted_at", Kind.TIME, creatable=False, updatable=False),
        Column("deleted_by", Kind.UUID, creatable=False, updatable=False),
    ),
    derived={
        "operation_id": "{t}.id",
        "job_id": "p.job_id",
        "actual_time_seconds": "{t}.actual_time_s",
        "estimated_time_seconds": "{t}.estimated_time * 60",
        "part": _PART,
        "cell": _CELL,
    },
    filters={
        "cell_id": "operations.cell_id",
        "part_id": "operations.part_id",
        "status": _STATUS,
        "assigned_operator_id": "operations.assigned_operator_id",
        "job_id": "operations.part_id IN (SELECT p.id FROM parts p WHERE p.job_id = {})",
        "cell_name": "operations.cell_id IN (SELECT c.id FROM cells c WHERE c.name = {})",
    },
    search=("operations.operation_name",),
    sort=("sequence", "operation_name", "created_at", "status"),
    default_sort=(("sequence", "ASC"),),
)
