"""How assignments look from outside."""

from gateway.catalog.resources import Column, Kind, Resource
from gateway.jobs.assignments.model import Status

STATES = tuple(Status)

# An assignment to a part is a matter of that part's cells, one to a whole job of all the job's.
_CELLS = """SELECT o.cell_id FROM operations o WHERE o.part_id = assignments.part_id AND o.deleted_at IS NULL
  UNION ALL SELECT o.cell_id FROM parts p JOIN operations o ON o.part_id = p.id WHERE assignments.part_id IS NULL
  AND p.job_id = assignments.job_id AND p.deleted_at IS NULL AND o.deleted_at IS NULL"""
_JOB = "(SELECT json_object('id', j.id, 'job_number', j.job_number) FROM jobs j WHERE j.id = {t}.job_id)"
_PART = "(SELECT json_object('id', p.id, 'part_number', p.part_number) FROM parts p WHERE p.id = {t}.part_id)"
_PROFILE = """(SELECT json_object('id', f.id, 'username', f.username, 'full_name', f.full_name)
  FROM profiles f WHERE f.id = {{t}}.{column})"""
_SHOP_FLOOR_OPERATOR = """(SELECT json_object('id', f.id, 'full_name', f.full_name)
  FROM operators f WHERE f.id = {t}.shop_floor_operator_id)"""

ASSIGNMENTS = Resource(
    table="assignments",
    path="/api-assignments",
    singular=("assignment",),
    cell=_CELLS,
    columns=(
        Column("job_id", Kind.UUID, references="jobs"),
        Column("part_id", Kind.UUID, references="parts", about="Of that job, if both are given."),
        Column("operator_id", Kind.UUID, references="profiles", about="This one or shop_floor_operator_id is needed."),
        Column("shop_floor_operator_id", Kind.UUID, references="operators"),
        Column(
            "assigned_by",
            Kind.UUID,
            nullable=False,
            references="profiles",
            about="The key's operator when not given.",
        ),
        Column(
            "status",
            nullable=False,
            choices=STATES,
            ranked=STATES,
            about="Goes forward only; a key with `admin` may set any.",
        ),
        Column("created_at", Kind.TIME, nullable=False, updatable=False),
        Column("updated_at", Kind.TIME, nullable=False, updatable=False),
    ),
    derived={
        "assignment_id": "{t}.id",
        "job": _JOB,
        "part": _PART,
        "operator": _PROFILE.format(column="operator_id"),
        "shop_floor_operator": _SHOP_FLOOR_OPERATOR,
        "assigned_by_user": _PROFILE.format(column="assigned_by"),
    },
    filters={
        name: f"assignments.{name}" for name in ("job_id", "part_id", "operator_id", "shop_floor_operator_id", "status")
    },
    sort=("created_at", "status"),
)
