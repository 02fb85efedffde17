"""How time entries look from outside."""

from gateway.catalog.resources import Column, Kind, Resource
from gateway.operations.quantities.resources import OPERATION_JSON

TIME_TYPES = ("setup", "run", "rework", "wait", "breakdown")
DURATION_MAX_MIN = 60 * 24 * 366

_OPERATOR = """(SELECT json_object('id', f.id, 'username', f.username, 'full_name', f.full_name)
  FROM profiles f WHERE f.id = {t}.operator_id)"""
_PAUSES = """(SELECT json_group_array(json_object('id', p.id, 'paused_at', p.paused_at, 'resumed_at', p.resumed_at,
  'duration', p.duration)) FROM (SELECT * FROM time_entry_pauses WHERE time_entry_id = {t}.id ORDER BY paused_at, rowid) p)"""

TIME_ENTRIES = Resource(
    table="time_entries",
    path="/api-time-entries",
    singular=("time_entrie", "time_entry"),
    cell="(SELECT o.cell_id FROM operations o WHERE o.id = time_entries.operation_id)",
    found_by_cells="time_entries.operation_id IN (SELECT o.id FROM operations o WHERE o.cell_id IN ({}))",
    columns=(
        Column("operation_id", Kind.UUID, required=True, updatable=False, references="operations"),
        Column("operator_id", Kind.UUID, required=True, updatable=False, references="profiles", aliases=("user_id",)),
        Column("time_type", nullable=False, choices=TIME_TYPES, text=True),
        Column("start_time", Kind.TIME, nullable=False, about="Now when not given."),
        Column("end_time", Kind.TIME, about="An entry without an end is running."),
        Column(
            "duration",
            Kind.INTEGER,
            minimum=0,
            maximum=DURATION_MAX_MIN,
            stored="CAST(round(time_entries.duration_s / 60.0) AS INTEGER)",
            about="Minutes without pauses; computed when not given.",
        ),
        Column("is_paused", Kind.BOOLEAN, creatable=False, updatable=False),
        Column("notes"),
        Column("created_at", Kind.TIME, nullable=False, updatable=False),
    ),
    derived={
        "time_entry_id": "{t}.id",
        "duration_seconds": "{t}.duration_s",
        "operation": OPERATION_JSON,
        "operator": _OPERATOR,
        "pauses": _PAUSES,
    },
    filters={name: f"time_entries.{name}" for name in ("operation_id", "operator_id", "time_type")},
    since={"start_date": "time_entries.start_time"},
    until={"end_date": "time_entries.start_time"},
    search=("time_entries.notes",),
    sort=("start_time", "end_time", "duration", "created_at"),
    default_sort=(("start_time", "DESC"),),
)
