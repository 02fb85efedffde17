"""The cloud's tables as its database knows them: columns, defaults, and the names its errors quote."""

import re
from dataclasses import dataclass

ENUMS = {
    "app_role": ("operator", "admin"),
    "assignment_status": ("assigned", "accepted", "in_progress", "completed"),
    "issue_severity": ("low", "medium", "high", "critical"),
    "issue_status": ("pending", "approved", "rejected", "closed"),
    "issue_type": ("general", "ncr"),
    "job_status": ("not_started", "in_progress", "completed", "on_hold"),
    "ncr_category": ("material_defect", "dimensional", "surface_finish", "process_error", "other"),
    "ncr_disposition": ("scrap", "rework", "use_as_is", "return_to_supplier"),
    "task_status": ("not_started", "in_progress", "completed", "on_hold"),
}

_COLUMN = re.compile(r"(\w+):([\w(),]+(?:\[\])?)(!?)(?:=(\S*))?")


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    nullable: bool
    default: str | None


@dataclass(frozen=True, slots=True)
class Unique:
    """An index that tells rows apart; a null in any of its columns never collides."""

    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key. `on_delete` of the row it points at: refuse, cascade or set_null."""

    name: str
    column: str
    table: str
    on_delete: str


@dataclass(frozen=True, slots=True)
class Table:
    columns: dict[str, Column]
    primary_key: str
    unique: tuple[Unique, ...]
    references: tuple[Reference, ...]
    one_of: dict[str, tuple[str, tuple[str, ...]]]  # check name -> column and the values it takes


def table(
    columns: str,
    *,
    primary_key: str = "",
    unique: str = "",
    references: str = "",
    one_of: dict[str, tuple[str, tuple[str, ...]]] | None = None,
) -> Table:
    """Columns read `name:type`, `!` for NOT NULL, `=` the default; keys read `name: columns [-> table [on delete]]`."""
    parsed = [Column(n, t, not bang, d or None) for n, t, bang, d in map(_column, columns.split())]
    indexes = [line.split(": ") for line in unique.strip().splitlines()]
    keys = [re.split(r": | -> | ", line.strip()) for line in references.strip().splitlines()]
    return Table(
        {column.name: column for column in parsed},
        primary_key,
        tuple(Unique(name.strip(), tuple(listed.split())) for name, listed in indexes),
        tuple(Reference(key[0], key[1], key[2], key[3] if len(key) > 3 else "refuse") for key in keys),  # noqa: PLR2004 -- the fourth word
        one_of or {},
    )


def _column(written: str) -> tuple[str, str, str, str]:
    match = _COLUMN.fullmatch(written)
    if match is None:
        raise ValueError(f"{written!r} is no column: write name:type, ! for NOT NULL, =default")
    name, kind, bang, default = match.groups()
    return name, kind, bang, default or ""


TABLES = {
    "profiles": table(
        """
            id:uuid! tenant_id:uuid! username:text! full_name:text! email:text! role:app_role!
            active:boolean=true is_machine:boolean=false created_at:timestamptz=now
            updated_at:timestamptz=now onboarding_completed:boolean=false onboarding_step:integer=0
            tour_completed:boolean=false mock_data_imported:boolean=false search_vector:generated
            is_root_admin:boolean=false has_email_login:boolean=true employee_id:text pin_hash:text
            active_tenant_id:uuid
        """,
        primary_key="profiles_pkey",
        unique="""
            profiles_employee_id_key: employee_id
            profiles_tenant_username_key: tenant_id username
        """,
    ),
    "operators": table(
        """
            id:uuid!=uuid tenant_id:uuid! employee_id:text! full_name:text! pin_hash:text!
            active:boolean=true created_at:timestamptz=now updated_at:timestamptz=now
            created_by:uuid failed_attempts:integer=0 locked_until:timestamptz
            last_login_at:timestamptz
        """,
        primary_key="operators_pkey",
        unique="""
            operators_tenant_id_employee_id_key: tenant_id employee_id
        """,
        references="""
            operators_created_by_fkey: created_by -> profiles
        """,
    ),
    "cells": table(
        """
            id:uuid!=uuid tenant_id:uuid! name:text! description:text color:text image_url:text
            sequence:integer! active:boolean=true created_at:timestamptz=now
            updated_at:timestamptz=now wip_limit:integer wip_warning_threshold:integer
            enforce_wip_limit:boolean=false show_capacity_warning:boolean=true
            icon_name:varchar(100) capacity_hours_per_day:numeric=8 external_id:text
            external_source:text synced_at:timestamptz deleted_at:timestamptz deleted_by:uuid
        """,
        primary_key="stages_pkey",
        unique="""
            idx_cells_external_sync: tenant_id external_source external_id
        """,
        references="""
            cells_deleted_by_fkey: deleted_by -> profiles
        """,
    ),
    "jobs": table(
        """
            id:uuid!=uuid tenant_id:uuid! job_number:text! customer:text due_date:timestamptz
            due_date_override:timestamptz status:job_status=not_started current_cell_id:uuid
            notes:text metadata:jsonb created_at:timestamptz=now updated_at:timestamptz=now
            search_vector:generated delivery_address:text delivery_city:text
            delivery_postal_code:text delivery_country:text=NL delivery_lat:numeric(10,8)
            delivery_lng:numeric(11,8) total_weight_kg:numeric(10,2) total_volume_m3:numeric(10,3)
            package_count:integer=1 external_id:text external_source:text synced_at:timestamptz
            sync_hash:text deleted_at:timestamptz deleted_by:uuid started_at:timestamptz
            paused_at:timestamptz resumed_at:timestamptz completed_at:timestamptz
            actual_duration:integer
        """,
        primary_key="jobs_pkey",
        unique="""
            jobs_tenant_id_job_number_key: tenant_id job_number
            idx_jobs_external_sync: tenant_id external_source external_id
        """,
        references="""
            jobs_current_stage_id_fkey: current_cell_id -> cells
            jobs_deleted_by_fkey: deleted_by -> profiles
        """,
    ),
    "parts": table(
        """
            id:uuid!=uuid tenant_id:uuid! job_id:uuid! parent_part_id:uuid part_number:text!
            material:text! quantity:integer=1 status:job_status=not_started current_cell_id:uuid
            file_paths:text[] notes:text metadata:jsonb created_at:timestamptz=now
            updated_at:timestamptz=now image_paths:text[]={} search_vector:generated
            material_lot:text material_supplier:text material_cert_number:text
            weight_kg:numeric(10,3) length_mm:numeric(10,2) width_mm:numeric(10,2)
            height_mm:numeric(10,2) drawing_no:text cnc_program_name:text
            is_bullet_card:boolean=false external_id:text external_source:text synced_at:timestamptz
            sync_hash:text deleted_at:timestamptz deleted_by:uuid
        """,
        primary_key="parts_pkey",
        unique="""
            parts_tenant_id_part_number_key: tenant_id part_number
            idx_parts_external_sync: tenant_id external_source external_id
        """,
        references="""
            parts_current_stage_id_fkey: current_cell_id -> cells
            parts_deleted_by_fkey: deleted_by -> profiles
            parts_job_id_fkey: job_id -> jobs cascade
            parts_parent_part_id_fkey: parent_part_id -> parts
        """,
    ),
    "operations": table(
        """
            id:uuid!=uuid tenant_id:uuid! part_id:uuid! cell_id:uuid! assigned_operator_id:uuid
            operation_name:text! sequence:integer! estimated_time:integer! actual_time:integer=0
            status:task_status=not_started completion_percentage:integer=0 notes:text
            created_at:timestamptz=now updated_at:timestamptz=now completed_at:timestamptz
            search_vector:generated metadata:jsonb icon_name:varchar(100) setup_time:numeric=0
            run_time_per_unit:numeric=0 wait_time:numeric=0 changeover_time:numeric=0
            planned_start:timestamptz planned_end:timestamptz external_id:text external_source:text
            synced_at:timestamptz deleted_at:timestamptz deleted_by:uuid
            status_before_hold:task_status started_at:timestamptz paused_at:timestamptz
            resumed_at:timestamptz
        """,
        primary_key="tasks_pkey",
        unique="""
            idx_operations_external_sync: tenant_id external_source external_id
        """,
        references="""
            operations_deleted_by_fkey: deleted_by -> profiles
            tasks_assigned_operator_id_fkey: assigned_operator_id -> profiles
            tasks_part_id_fkey: part_id -> parts cascade
            tasks_stage_id_fkey: cell_id -> cells
        """,
    ),
    "resources": table(
        """
            id:uuid!=uuid tenant_id:uuid! name:text! type:text! description:text identifier:text
            location:text status:text=available metadata:jsonb active:boolean=true
            created_at:timestamptz=now updated_at:timestamptz=now external_id:text
            external_source:text synced_at:timestamptz deleted_at:timestamptz deleted_by:uuid
        """,
        primary_key="resources_pkey",
        unique="""
            resources_tenant_id_name_key: tenant_id name
            idx_resources_external_sync: tenant_id external_source external_id
        """,
        references="""
            resources_deleted_by_fkey: deleted_by -> profiles
        """,
    ),
    "scrap_reasons": table(
        """
            id:uuid!=uuid tenant_id:uuid! code:text! description:text! category:text!
            active:boolean!=true metadata:jsonb={} created_at:timestamptz!=now
            updated_at:timestamptz!=now
        """,
        primary_key="scrap_reasons_pkey",
        unique="""
            scrap_reasons_tenant_id_code_key: tenant_id code
        """,
        one_of={
            "scrap_reasons_category_check": (
                "category",
                ("material", "process", "equipment", "operator", "design", "other"),
            )
        },
    ),
    "time_entries": table(
        """
            id:uuid!=uuid tenant_id:uuid! operator_id:uuid! operation_id:uuid!
            start_time:timestamptz!=now end_time:timestamptz duration:integer notes:text
            created_at:timestamptz=now is_paused:boolean=false time_type:text!=run
        """,
        primary_key="time_entries_pkey",
        references="""
            time_entries_operator_id_fkey: operator_id -> profiles
            time_entries_task_id_fkey: operation_id -> operations
        """,
        one_of={"time_entries_time_type_check": ("time_type", ("setup", "run", "rework", "wait", "breakdown"))},
    ),
    "operation_quantities": table(
        """
            id:uuid!=uuid tenant_id:uuid! operation_id:uuid! recorded_by:uuid
            quantity_produced:integer!=0 quantity_good:integer!=0 quantity_scrap:integer!=0
            quantity_rework:integer!=0 scrap_reason_id:uuid material_lot:text material_supplier:text
            material_cert_number:text recorded_at:timestamptz!=now notes:text metadata:jsonb={}
            created_at:timestamptz!=now updated_at:timestamptz!=now
        """,
        primary_key="operation_quantities_pkey",
        references="""
            operation_quantities_operation_id_fkey: operation_id -> operations cascade
            operation_quantities_recorded_by_fkey: recorded_by -> profiles set_null
            operation_quantities_scrap_reason_id_fkey: scrap_reason_id -> scrap_reasons set_null
        """,
    ),
    "issues": table(
        """
            id:uuid!=uuid tenant_id:uuid! operation_id:uuid! created_by:uuid! description:text!
            severity:issue_severity! status:issue_status=pending image_paths:text[] reviewed_by:uuid
            reviewed_at:timestamptz resolution_notes:text created_at:timestamptz=now
            updated_at:timestamptz=now search_vector:generated title:text
            issue_type:issue_type=general reported_by_id:uuid ncr_category:ncr_category
            disposition:ncr_disposition root_cause:text corrective_action:text
            preventive_action:text affected_quantity:integer verification_required:boolean=false
            current_cell_id:uuid intended_next_cell_id:uuid causes_standstill:boolean!=false
        """,
        primary_key="issues_pkey",
        references="""
            issues_created_by_fkey: created_by -> profiles
            issues_reported_by_id_fkey: reported_by_id -> profiles
            issues_reviewed_by_fkey: reviewed_by -> profiles
            issues_task_id_fkey: operation_id -> operations
            issues_current_cell_id_fkey: current_cell_id -> cells set_null
            issues_intended_next_cell_id_fkey: intended_next_cell_id -> cells set_null
        """,
    ),
    "substeps": table(
        """
            id:uuid!=uuid tenant_id:uuid! operation_id:uuid! name:text! sequence:integer!
            status:text=not_started notes:text completed_at:timestamptz completed_by:uuid
            created_at:timestamptz=now updated_at:timestamptz=now icon_name:varchar(100)
        """,
        primary_key="substeps_pkey",
        references="""
            substeps_operation_id_fkey: operation_id -> operations cascade
        """,
        one_of={"substeps_status_check": ("status", ("not_started", "in_progress", "completed", "blocked"))},
    ),
    "assignments": table(
        """
            id:uuid!=uuid tenant_id:uuid! operator_id:uuid part_id:uuid job_id:uuid
            assigned_by:uuid! status:assignment_status=assigned created_at:timestamptz=now
            updated_at:timestamptz=now shop_floor_operator_id:uuid
        """,
        primary_key="assignments_pkey",
        references="""
            assignments_assigned_by_fkey: assigned_by -> profiles
            assignments_job_id_fkey: job_id -> jobs
            assignments_operator_id_fkey: operator_id -> profiles
            assignments_part_id_fkey: part_id -> parts
            assignments_shop_floor_operator_id_fkey: shop_floor_operator_id -> operators
        """,
    ),
    "substep_templates": table(
        """
            id:uuid!=uuid tenant_id:uuid! name:text! description:text operation_type:text
            is_global:boolean=false created_by:uuid created_at:timestamptz=now
            updated_at:timestamptz=now
        """,
        primary_key="substep_templates_pkey",
        unique="""
            unique_template_name_per_tenant: tenant_id name
        """,
        references="""
            substep_templates_created_by_fkey: created_by -> profiles
        """,
    ),
    "substep_template_items": table(
        """
            id:uuid!=uuid template_id:uuid! name:text! notes:text sequence:integer!
            created_at:timestamptz=now updated_at:timestamptz=now
        """,
        primary_key="substep_template_items_pkey",
        unique="""
            unique_sequence_per_template: template_id sequence
        """,
        references="""
            substep_template_items_template_id_fkey: template_id -> substep_templates cascade
        """,
    ),
    "webhooks": table(
        """
            id:uuid!=uuid tenant_id:uuid! url:text! events:text[]! secret_key:text!
            active:boolean=true created_at:timestamptz=now
        """,
        primary_key="webhooks_pkey",
    ),
    "webhook_logs": table(
        """
            id:uuid!=uuid webhook_id:uuid! event_type:text! payload:jsonb! status_code:integer
            error_message:text created_at:timestamptz=now
        """,
        primary_key="webhook_logs_pkey",
        references="""
            webhook_logs_webhook_id_fkey: webhook_id -> webhooks cascade
        """,
    ),
    "materials": table(
        """
            id:uuid!=uuid tenant_id:uuid! name:text! description:text color:text active:boolean=true
            created_at:timestamptz=now updated_at:timestamptz=now
        """,
        primary_key="materials_pkey",
        unique="""
            materials_tenant_id_name_key: tenant_id name
        """,
    ),
}
