"""What a GET of each resource shows, filters and sorts by. POST and PATCH answer with the whole row instead."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.cloud_database import Database, Row

Embed = Callable[[Database, Row], Any]


@dataclass(frozen=True, slots=True)
class Resource:
    table: str
    shown: tuple[str, ...]  # columns of a GET; none is every column
    embeds: Mapping[str, Embed] = field(default_factory=dict)
    exact: tuple[str, ...] = ()
    fuzzy: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    sort: tuple[str, ...] = ()
    order: tuple[str, ...] = ("created_at",)
    ascending: bool = False
    soft_delete: bool = False
    runs_early: bool = False  # the cloud's defect: such lists ignore limit and offset, and have no single row
    assumes: Mapping[str, str] = field(default_factory=dict)  # filters that hold unless the query says otherwise

    @property
    def singular(self) -> str:
        """The cloud cuts one `s`, whatever that leaves."""
        return self.table.removesuffix("s")

    def view(self, database: Database, row: Row) -> Row:
        return {name: row[name] for name in self.shown or row} | {
            name: embed(database, row) for name, embed in self.embeds.items()
        }


def one(table: str, column: str, names: str, **nested: Embed) -> Embed:
    """The row that `column` points at, whatever has become of it."""

    def embed(database: Database, row: Row) -> Row | None:
        target = database.get(table, row[column])
        return None if target is None else _part(database, target, names, nested)

    return embed


def many(table: str, column: str, names: str) -> Embed:
    """The rows that point here: deleted ones and those of other tenants too."""

    def embed(database: Database, row: Row) -> list[Row]:
        return [_part(database, held, names, {}) for held in database.pointing(table, column, row["id"])]

    return embed


def _part(database: Database, row: Row, names: str, nested: Mapping[str, Embed]) -> Row:
    return {name: row[name] for name in names.split()} | {key: embed(database, row) for key, embed in nested.items()}


_JOB = one("jobs", "job_id", "id job_number")
_OPERATION_TREE = one(
    "operations", "operation_id", "id operation_name", part=one("parts", "part_id", "id part_number", job=_JOB)
)
_OPERATION = one("operations", "operation_id", "id operation_name")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


RESOURCES = {
    "api-jobs": Resource(
        "jobs",
        _words("id job_number customer due_date due_date_override status notes metadata created_at updated_at"),
        {"parts": many("parts", "job_id", "id part_number material quantity status")},
        exact=("status",),
        fuzzy=("customer", "job_number"),
        search=("job_number", "customer"),
        sort=_words("job_number customer due_date created_at status"),
        soft_delete=True,
    ),
    "api-parts": Resource(
        "parts",
        _words(
            "id part_number material quantity status file_paths notes drawing_no cnc_program_name is_bullet_card"
            " created_at updated_at"
        ),
        {"job": one("jobs", "job_id", "id job_number customer")},
        exact=("job_id", "status"),
        fuzzy=("material",),
        search=("part_number", "material"),
        sort=_words("part_number created_at status"),
        soft_delete=True,
    ),
    "api-operations": Resource(
        "operations",
        _words(
            "id operation_name sequence status estimated_time actual_time cell_id part_id planned_start planned_end"
            " started_at completed_at created_at updated_at"
        ),
        {
            "cell": one("cells", "cell_id", "id name color"),
            "part": one("parts", "part_id", "id part_number material", job=_JOB),
        },
        exact=("cell_id", "part_id", "status"),
        search=("operation_name",),
        sort=_words("sequence operation_name created_at status"),
        order=("sequence",),
        ascending=True,
        soft_delete=True,
    ),
    "api-cells": Resource(
        "cells",
        _words("id name color sequence active created_at updated_at"),
        exact=("active",),
        search=("name",),
        sort=_words("name sequence created_at"),
        order=("sequence",),
        ascending=True,
    ),
    "api-resources": Resource(
        "resources",
        (),
        exact=_words("type status active external_source external_id"),
        search=_words("name description identifier"),
        sort=_words("name type status created_at"),
        order=("name",),
        ascending=True,
        soft_delete=True,
    ),
    "api-time-entries": Resource(
        "time_entries",
        _words("id start_time end_time duration is_paused notes time_type created_at"),
        {"operation": _OPERATION_TREE, "operator": one("profiles", "operator_id", "id username full_name")},
        exact=_words("operation_id operator_id time_type"),
        search=("notes",),
        sort=_words("start_time end_time duration created_at"),
        order=("start_time",),
        runs_early=True,
    ),
    "api-operation-quantities": Resource(
        "operation_quantities",
        _words(
            "id operation_id quantity_produced quantity_good quantity_scrap quantity_rework scrap_reason_id"
            " material_lot material_supplier material_cert_number notes metadata recorded_at recorded_by created_at"
            " updated_at"
        ),
        {
            "operation": _OPERATION_TREE,
            "scrap_reason": one("scrap_reasons", "scrap_reason_id", "id code description category"),
            "recorded_by_user": one("profiles", "recorded_by", "id full_name username"),
        },
        exact=_words("operation_id material_lot scrap_reason_id recorded_by"),
        search=("material_lot",),
        sort=_words("recorded_at quantity_good quantity_scrap quantity_rework"),
        order=("recorded_at",),
        runs_early=True,
    ),
    "api-scrap-reasons": Resource(
        "scrap_reasons",
        _words("id code description category active metadata created_at updated_at"),
        exact=("category", "active"),
        search=("code", "description"),
        sort=_words("code description category created_at"),
        order=("category", "code"),
        ascending=True,
        runs_early=True,
        assumes={"active": "true"},
    ),
    "api-issues": Resource(
        "issues",
        _words(
            "id title description severity status issue_type ncr_category disposition affected_quantity reported_by_id"
            " created_by root_cause corrective_action preventive_action resolution_notes verification_required"
            " current_cell_id intended_next_cell_id reviewed_at reviewed_by image_paths created_at updated_at"
            " operation_id"
        ),
        {
            "operation": _OPERATION,
            "reporter": one("profiles", "reported_by_id", "id full_name username"),
            "current_cell": one("cells", "current_cell_id", "id name"),
            "intended_next_cell": one("cells", "intended_next_cell_id", "id name"),
        },
        exact=_words("severity status issue_type ncr_category reported_by_id operation_id"),
        search=("title", "description"),
        sort=_words("created_at severity status updated_at"),
    ),
    "api-substeps": Resource(
        "substeps",
        _words("id operation_id name icon_name sequence status notes completed_at completed_by created_at updated_at"),
        {"operation": _OPERATION},
        exact=("operation_id", "status"),
        search=("name",),
        sort=_words("sequence created_at status"),
        order=("sequence",),
        ascending=True,
    ),
    "api-assignments": Resource(
        "assignments",
        _words("id job_id part_id operator_id shop_floor_operator_id assigned_by status created_at updated_at"),
        {
            "job": _JOB,
            "part": one("parts", "part_id", "id part_number"),
            "operator": one("profiles", "operator_id", "id username full_name"),
            "shop_floor_operator": one("operators", "shop_floor_operator_id", "id full_name"),
            "assigned_by_user": one("profiles", "assigned_by", "id username full_name"),
        },
        exact=_words("job_id part_id operator_id shop_floor_operator_id status"),
        sort=("created_at", "status"),
    ),
    "api-templates": Resource(
        "substep_templates",
        _words("id name description operation_type is_global created_at updated_at"),
        {"items": many("substep_template_items", "template_id", "id name notes sequence")},
        exact=("operation_type", "is_global"),
        search=("name", "description"),
        sort=_words("name operation_type created_at"),
        order=("name",),
        ascending=True,
        runs_early=True,
    ),
    "api-webhooks": Resource(
        "webhooks",
        _words("id url events active secret_key created_at"),
        exact=("active", "events"),
        search=("url",),
        sort=_words("created_at events url"),
    ),
    "api-webhook-logs": Resource(
        "webhook_logs",
        _words("id webhook_id event_type payload status_code error_message created_at"),
        {"webhook": one("webhooks", "webhook_id", "id url events")},
        exact=_words("webhook_id status_code event_type"),
        sort=("created_at", "status_code"),
        runs_early=True,
    ),
}
