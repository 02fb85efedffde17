"""How quantities look from outside."""

from gateway.catalog.resources import Column, Kind, Resource

COUNT_MAX = 10_000_000

_REASONS = """(SELECT json_group_array(json_object('id', r.id, 'reason_id', s.id, 'scrap_reason_id', s.id, 'code', s.code,
  'description', s.description, 'category', s.category, 'quantity', r.quantity, 'notes', r.notes))
  FROM (SELECT * FROM operation_quantity_scrap_reasons WHERE operation_quantity_id = {t}.id ORDER BY id) r
  JOIN scrap_reasons s ON s.id = r.scrap_reason_id)"""
_REASON = """(SELECT json_object('id', s.id, 'code', s.code, 'description', s.description, 'category', s.category)
  FROM scrap_reasons s WHERE s.id = {t}.scrap_reason_id)"""
OPERATION_JSON = """(SELECT json_object('id', o.id, 'operation_name', o.operation_name, 'part', json_object('id', p.id,
  'part_number', p.part_number, 'job', json_object('id', j.id, 'job_number', j.job_number)))
  FROM operations o JOIN parts p ON p.id = o.part_id JOIN jobs j ON j.id = p.job_id WHERE o.id = {t}.operation_id)"""
_BY = """(SELECT json_object('id', f.id, 'full_name', f.full_name, 'username', f.username)
  FROM profiles f WHERE f.id = {t}.recorded_by)"""
_PART_ID = "operation_quantities.operation_id IN (SELECT o.id FROM operations o WHERE o.part_id = {})"
_JOB_ID = """operation_quantities.operation_id IN
  (SELECT o.id FROM parts p JOIN operations o ON o.part_id = p.id WHERE p.job_id = {})"""

QUANTITIES = Resource(
    table="operation_quantities",
    path="/api-operation-quantities",
    singular=("operation_quantitie", "operation_quantity"),
    cell="(SELECT o.cell_id FROM operations o WHERE o.id = operation_quantities.operation_id)",
    found_by_cells="operation_quantities.operation_id IN (SELECT o.id FROM operations o WHERE o.cell_id IN ({}))",
    columns=(
        Column("operation_id", Kind.UUID, required=True, updatable=False, references="operations"),
        Column("recorded_by", Kind.UUID, references="profiles"),
        Column("quantity_produced", Kind.INTEGER, nullable=False, minimum=0, maximum=COUNT_MAX, about="Their sum."),
        Column("quantity_good", Kind.INTEGER, nullable=False, minimum=0, maximum=COUNT_MAX),
        Column("quantity_scrap", Kind.INTEGER, nullable=False, minimum=0, maximum=COUNT_MAX),
        Column("quantity_rework", Kind.INTEGER, nullable=False, minimum=0, maximum=COUNT_MAX),
        Column("scrap_reason_id", Kind.UUID, references="scrap_reasons"),
        Column("material_lot"),
        Column("material_supplier"),
        Column("material_cert_number"),
        Column("recorded_at", Kind.TIME, nullable=False, aliases=("occurred_at",), about="Now when not given."),
        Column("notes"),
        Column("metadata", Kind.JSON, nullable=False),
        Column("created_at", Kind.TIME, nullable=False, updatable=False),
        Column("updated_at", Kind.TIME, nullable=False, updatable=False),
    ),
    derived={
        "quantity_id": "{t}.id",
        "scrap_reasons": _REASONS,
        "yield_percentage": "CASE WHEN {t}.quantity_produced > 0 THEN "
        "round(100.0 * {t}.quantity_good / {t}.quantity_produced, 2) END",
        "operation": OPERATION_JSON,
        "scrap_reason": _REASON,
        "recorded_by_user": _BY,
    },
    filters={
        "operation_id": "operation_quantities.operation_id",
        "material_lot": "operation_quantities.material_lot",
        "scrap_reason_id": "operation_quantities.scrap_reason_id",
        "recorded_by": "operation_quantities.recorded_by",
        "part_id": _PART_ID,
        "job_id": _JOB_ID,
    },
    since={"from_date": "operation_quantities.recorded_at"},
    until={"to_date": "operation_quantities.recorded_at"},
    flags={
        "has_scrap": "operation_quantities.quantity_scrap > 0",
        "has_rework": "operation_quantities.quantity_rework > 0",
    },
    search=("operation_quantities.material_lot",),
    sort=("recorded_at", "quantity_good", "quantity_scrap", "quantity_rework"),
    default_sort=(("recorded_at", "DESC"),),
)
