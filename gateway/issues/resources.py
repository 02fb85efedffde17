"""How issues look from outside."""

from gateway.catalog.resources import Column, Kind, Resource
from gateway.operations.quantities.resources import OPERATION_JSON

TITLE_MAX = 255
DESCRIPTION_MAX = 10_000
NCR_NUMBER_MAX = 50
CODE_MAX = 20

# Each in the order in which the cloud's database sorts it.
SEVERITIES = ("low", "medium", "high", "critical")
STATES = ("pending", "approved", "rejected", "closed")
TYPES = ("general", "ncr")
CATEGORIES = ("material_defect", "dimensional", "surface_finish", "process_error", "other")
DISPOSITIONS = ("scrap", "rework", "use_as_is", "return_to_supplier")

_REPORTER = """(SELECT json_object('id', f.id, 'full_name', f.full_name, 'username', f.username)
  FROM profiles f WHERE f.id = {t}.reported_by_id)"""
_CELL = "(SELECT json_object('id', c.id, 'name', c.name) FROM cells c WHERE c.id = {{t}}.{})"
_STAMPS = (
    Column("created_at", Kind.TIME, nullable=False, updatable=False),
    Column("updated_at", Kind.TIME, nullable=False, updatable=False),
)

ISSUES = Resource(
    table="issues",
    path="/api-issues",
    singular=("issue",),
    cell="(SELECT o.cell_id FROM operations o WHERE o.id = issues.operation_id)",
    columns=(
        Column("operation_id", Kind.UUID, required=True, updatable=False, references="operations"),
        Column("title", length_max=TITLE_MAX),
        Column("description", required=True, length_max=DESCRIPTION_MAX),
        Column("severity", nullable=False, choices=SEVERITIES, ranked=SEVERITIES, about="`medium` when not given."),
        Column("status", nullable=False, choices=STATES, ranked=STATES, about="A change must be a legal transition."),
        Column("issue_type", nullable=False, choices=TYPES),
        Column("ncr_number", length_max=NCR_NUMBER_MAX, about="Unique; made for an NCR that has none."),
        Column("ncr_category", choices=CATEGORIES),
        Column("disposition", choices=DISPOSITIONS, aliases=("ncr_disposition",)),
        Column("affected_quantity", Kind.INTEGER, minimum=0),
        Column(
            "causes_standstill", Kind.BOOLEAN, nullable=False, about="Holds the operation for as long as it is pending."
        ),
        Column("verification_required", Kind.BOOLEAN),
        Column("root_cause"),
        Column("corrective_action"),
        Column("preventive_action"),
        Column("resolution_notes"),
        Column("image_paths", Kind.LIST, lists_files=True),
        Column("created_by", Kind.UUID, references="profiles", about="The key's operator when not given."),
        Column("reported_by_id", Kind.UUID, references="profiles"),
        Column("reviewed_by", Kind.UUID, references="profiles", about="The key's operator, once no longer pending."),
        Column("reviewed_at", Kind.TIME, about="Now, once no longer pending."),
        Column("resolved_by_id", Kind.UUID, references="profiles"),
        Column("verified_by_id", Kind.UUID, references="profiles"),
        Column("verified_at", Kind.TIME, creatable=False, updatable=False),
        Column("current_cell_id", Kind.UUID, references="cells"),
        Column("intended_next_cell_id", Kind.UUID, references="cells"),
        Column("metadata", Kind.JSON, creatable=False, updatable=False, about="Words given that have no value here."),
        *_STAMPS,
    ),
    derived={
        "issue_id": "{t}.id",
        "verified": "json(CASE WHEN {t}.verified_at IS NULL THEN 'false' ELSE 'true' END)",
        "operation": OPERATION_JSON,
        "reporter": _REPORTER,
        "current_cell": _CELL.format("current_cell_id"),
        "intended_next_cell": _CELL.format("intended_next_cell_id"),
    },
    filters={
        name: f"issues.{name}"
        for name in ("severity", "status", "issue_type", "ncr_category", "reported_by_id", "operation_id")
    },
    search=("issues.title", "issues.description"),
    sort=("created_at", "severity", "status", "updated_at"),
)

# [U] no endpoint: it comes by import and goes by export.
ISSUE_CATEGORIES = Resource(
    table="issue_categories",
    path="",
    singular=("issue_category",),
    columns=(
        Column("code", required=True, length_max=CODE_MAX),
        Column("description", required=True),
        Column("severity_default", choices=SEVERITIES),
        Column("active", Kind.BOOLEAN, nullable=False),
        *_STAMPS,
    ),
)
