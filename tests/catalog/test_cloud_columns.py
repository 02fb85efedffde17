"""Every column that the cloud shows of a row is in our answers: what a client has read there it can read here."""

import pytest
from hall import Floor

# As the cloud's database has them; `search_vector` is its own business.
COLUMNS = {
    "/api-jobs": (
        "job",
        (
            "id tenant_id job_number customer due_date due_date_override status current_cell_id notes metadata created_at "
            "updated_at delivery_address delivery_city delivery_postal_code delivery_country delivery_lat delivery_lng "
            "total_weight_kg total_volume_m3 package_count external_id external_source synced_at sync_hash deleted_at "
            "deleted_by started_at paused_at resumed_at completed_at actual_duration parts"
        ),
    ),
    "/api-parts": (
        "part",
        (
            "id tenant_id job_id parent_part_id part_number material quantity status current_cell_id file_paths notes "
            "metadata created_at updated_at image_paths material_lot material_supplier material_cert_number weight_kg "
            "length_mm width_mm height_mm drawing_no cnc_program_name is_bullet_card external_id external_source synced_at "
            "sync_hash deleted_at deleted_by job"
        ),
    ),
    "/api-operations": (
        "operation",
        (
            "id tenant_id part_id cell_id assigned_operator_id operation_name sequence estimated_time actual_time status "
            "completion_percentage notes created_at updated_at completed_at metadata icon_name setup_time run_time_per_unit "
            "wait_time changeover_time planned_start planned_end external_id external_source synced_at deleted_at "
            "deleted_by status_before_hold started_at paused_at resumed_at cell part"
        ),
    ),
    "/api-cells": (
        "cell",
        (
            "id tenant_id name description color image_url sequence active created_at updated_at wip_limit "
            "wip_warning_threshold enforce_wip_limit show_capacity_warning icon_name capacity_hours_per_day external_id "
            "external_source synced_at deleted_at deleted_by"
        ),
    ),
    "/api-resources": (
        "resource",
        (
            "id tenant_id name type description identifier location status metadata active created_at updated_at "
            "external_id external_source synced_at deleted_at deleted_by"
        ),
    ),
    "/api-scrap-reasons": (
        "scrap_reason",
        "id tenant_id code description category active metadata created_at updated_at",
    ),
    "/api-time-entries": (
        "time_entrie",
        (
            "id tenant_id operator_id operation_id start_time end_time duration notes created_at is_paused time_type "
            "operation operator"
        ),
    ),
    "/api-operation-quantities": (
        "operation_quantitie",
        (
            "id tenant_id operation_id recorded_by quantity_produced quantity_good quantity_scrap quantity_rework "
            "scrap_reason_id material_lot material_supplier material_cert_number recorded_at notes metadata created_at "
            "updated_at operation scrap_reason recorded_by_user"
        ),
    ),
    "/api-substeps": (
        "substep",
        (
            "id tenant_id operation_id name sequence status notes completed_at completed_by created_at updated_at "
            "icon_name operation"
        ),
    ),
    "/api-assignments": (
        "assignment",
        (
            "id tenant_id operator_id part_id job_id assigned_by status created_at updated_at shop_floor_operator_id job "
            "part operator shop_floor_operator assigned_by_user"
        ),
    ),
    "/api-templates": (
        "substep_template",
        "id tenant_id name description operation_type is_global created_by created_at updated_at items",
    ),
}
LEAST = {
    "/api-jobs": {"job_number": "J-2"},
    "/api-parts": {"part_number": "P-2", "job_id": "{job}"},
    "/api-operations": {"part_id": "{part}", "cell_id": Floor.SAW, "operation_name": "Cut"},
    "/api-cells": {"name": "Bending"},
    "/api-resources": {"name": "Mold 3", "type": "mold"},
    "/api-scrap-reasons": {"code": "DIM", "description": "Out of tolerance", "category": "process"},
    "/api-time-entries": {"operation_id": "{operation}", "operator_id": Floor.ANNA},
    "/api-operation-quantities": {"operation_id": "{operation}"},
    "/api-substeps": {"operation_id": "{operation}", "name": "Deburr"},
    "/api-assignments": {"operator_id": Floor.ANNA, "assigned_by": Floor.BEN},
    "/api-templates": {"name": "Deburr set"},
}


@pytest.mark.parametrize("path", COLUMNS)
async def test_every_answer_with_a_row_has_every_column_and_no_other_tables_business(floor, path):
    job = await floor.job()
    ids = {"job": job["id"], "part": job["parts"][0]["id"], "operation": job["parts"][0]["operations"][0]["id"]}
    one, columns = COLUMNS[path]
    body = {name: value.format(**ids) for name, value in LEAST[path].items()}
    made = (await floor.make(path, body))[one]
    asked = f"{path}?id={made['id']}"
    changed = await floor.send("PATCH", asked, {"status": "accepted"} if one == "assignment" else changes(body))
    listed = next(row for row in (await floor.get(f"{path}?limit=1000"))[table(path)] if row["id"] == made["id"])
    for row in (made, (await floor.get(asked))[one], changed.data[one], listed):
        assert {*columns.split(), "row_version"} - row.keys() == set()
        assert row.keys() & {"search_vector", "moved_at", "extra"} == set()


def changes(body: dict) -> dict:
    """Something that may be changed in such a row."""
    name = next((name for name in body if name.endswith(("_number", "name", "code"))), None)
    return {name: "changed"} if name else {"notes": "changed"}


def table(path: str) -> str:
    return {"/api-templates": "substep_templates"}.get(path, path.removeprefix("/api-").replace("-", "_"))
