"""The plain tables, one declaration each."""

from gateway.catalog.resources import Column, Kind, Resource

TEXT_MAX = 255
CATEGORIES = ("material", "process", "equipment", "operator", "design", "other")

_STAMPS = (
    Column("created_at", Kind.TIME, nullable=False, updatable=False),
    Column("updated_at", Kind.TIME, nullable=False, updatable=False),
)
_SYNC = (
    Column("external_id"),
    Column("external_source"),
    Column("synced_at", Kind.TIME, creatable=False, updatable=False),
    Column("sync_hash", creatable=False, updatable=False),
    Column("hash_alg", creatable=False, updatable=False, about="How `sync_hash` was made."),
)
_GONE = (
    Column("deleted_at", Kind.TIME, creatable=False, updatable=False),
    Column("deleted_by", Kind.UUID, creatable=False, updatable=False),
)

CELLS = Resource(
    table="cells",
    path="/api-cells",
    singular=("cell",),
    cell="cells.id",
    columns=(
        Column("name", required=True, length_max=TEXT_MAX),
        Column("description"),
        Column("color"),
        Column("image_url"),
        Column("sequence", Kind.INTEGER, nullable=False, about="The next free one when not given."),
        Column("active", Kind.BOOLEAN, nullable=False),
        Column("wip_limit", Kind.INTEGER, minimum=0),
        Column("wip_warning_threshold", Kind.INTEGER, minimum=0),
        Column("enforce_wip_limit", Kind.BOOLEAN, nullable=False),
        Column("show_capacity_warning", Kind.BOOLEAN, nullable=False),
        Column("icon_name", length_max=100),
        Column("capacity_hours_per_day", Kind.NUMBER, minimum=0, about="Of all its stations together."),
        *_SYNC,
        *_STAMPS,
        *_GONE,
    ),
    derived={"cell_id": "{t}.id"},
    filters={"active": "cells.active"},
    search=("cells.name",),
    sort=("name", "sequence", "created_at"),
    default_sort=(("sequence", "ASC"),),
)

RESOURCES = Resource(
    table="resources",
    path="/api-resources",
    singular=("resource",),
    soft_delete=True,
    columns=(
        Column("name", required=True, length_max=TEXT_MAX),
        Column("type", required=True, length_max=TEXT_MAX),
        Column("description"),
        Column("identifier"),
        Column("location"),
        Column("status", about="available, in_use, maintenance, unavailable; free text."),
        Column("notes", about="Kept here, not sent to the cloud."),
        Column("metadata", Kind.JSON),
        Column("active", Kind.BOOLEAN, nullable=False),
        *_SYNC,
        *_STAMPS,
        *_GONE,
    ),
    derived={"resource_id": "{t}.id"},
    filters={name: f"resources.{name}" for name in ("type", "status", "active", "external_source", "external_id")},
    search=("resources.name", "resources.description", "resources.identifier"),
    sort=("name", "type", "status", "created_at"),
    default_sort=(("name", "ASC"),),
)

SCRAP_REASONS = Resource(
    table="scrap_reasons",
    path="/api-scrap-reasons",
    singular=("scrap_reason",),
    gone='{"message":"Scrap reason deleted successfully"}',
    columns=(
        Column("code", required=True, length_max=TEXT_MAX),
        Column("description", required=True),
        Column("category", required=True, choices=CATEGORIES, text=True),
        Column("active", Kind.BOOLEAN, nullable=False),
        Column("metadata", Kind.JSON, nullable=False),
        *_STAMPS,
    ),
    derived={"scrap_reason_id": "{t}.id"},
    filters={"category": "scrap_reasons.category", "active": "scrap_reasons.active"},
    defaults={"active": "true"},  # [U] without the parameter only active ones are listed
    search=("scrap_reasons.code", "scrap_reasons.description"),
    sort=("code", "description", "category", "created_at"),
    default_sort=(("category", "ASC"), ("code", "ASC")),
)

_ITEMS = """(SELECT json_group_array(json_object('id', i.id, 'name', i.name, 'notes', i.notes, 'sequence', i.sequence))
  FROM (SELECT * FROM substep_template_items WHERE template_id = {t}.id ORDER BY sequence) i)"""

# [U] Its items cannot be written over REST: they come by import.
SUBSTEP_TEMPLATES = Resource(
    table="substep_templates",
    path="/api-templates",
    singular=("substep_template",),
    columns=(
        Column("name", required=True, length_max=TEXT_MAX),
        Column("description"),
        Column("operation_type"),
        Column("is_global", Kind.BOOLEAN, nullable=False),
        Column("created_by", Kind.UUID, references="profiles"),
        *_STAMPS,
    ),
    derived={"substep_template_id": "{t}.id", "items": _ITEMS},
    filters={name: f"substep_templates.{name}" for name in ("operation_type", "is_global")},
    search=("substep_templates.name", "substep_templates.description"),
    sort=("name", "operation_type", "created_at"),
    default_sort=(("name", "ASC"),),
)

# People, machines and materials have no endpoint that makes them: they come by import. [U] An API key cannot read them.
PROFILES = Resource(
    table="profiles",
    path="",
    singular=("profile",),
    columns=(
        Column("username", required=True, length_max=TEXT_MAX),
        Column("full_name", required=True, length_max=TEXT_MAX),
        Column("email", nullable=False),
        Column("role", nullable=False, choices=("operator", "admin")),
        Column("active", Kind.BOOLEAN, nullable=False),
        Column("is_machine", Kind.BOOLEAN, nullable=False),
        Column("employee_id"),
        *_STAMPS,
    ),
)
OPERATORS = Resource(
    table="operators",
    path="",
    singular=("operator",),
    columns=(
        Column("employee_id", required=True, length_max=TEXT_MAX),
        Column("full_name", required=True, length_max=TEXT_MAX),
        Column("active", Kind.BOOLEAN, nullable=False),
        Column("created_by", Kind.UUID, references="profiles"),
        *_STAMPS,
    ),
)
MATERIALS = Resource(
    table="materials",
    path="",
    singular=("material",),
    columns=(
        Column("name", required=True, length_max=TEXT_MAX),
        Column("description"),
        Column("color"),
        Column("active", Kind.BOOLEAN, nullable=False),
        *_STAMPS,
    ),
)

# What came from an ERP: one row for each kind of record in a request.
SYNC_IMPORTS = Resource(
    table="sync_imports",
    path="",
    singular=("sync_import",),
    columns=(
        Column("entity_type", required=True),
        Column("operation", nullable=False),
        Column("source"),
        Column("status"),
        Column("record_count", Kind.INTEGER),
        Column("total_records", Kind.INTEGER),
        Column("created_count", Kind.INTEGER),
        Column("updated_count", Kind.INTEGER),
        Column("skipped_count", Kind.INTEGER),
        Column("error_count", Kind.INTEGER),
        Column("sync_hash"),
        Column("errors", Kind.JSON),
        Column("metadata", Kind.JSON),
        Column("started_at", Kind.TIME),
        Column("completed_at", Kind.TIME),
        Column("created_at", Kind.TIME, nullable=False),
    ),
)
