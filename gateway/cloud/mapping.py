"""Our rows in the cloud's words. Pure.

A row may become several rows there: the cloud cannot write pauses, so a time entry that was paused goes up as one entry for
each stretch of work. The first keeps the entry's id, the later ones the ids that their pauses were given.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.operations.model import shares

Row = Mapping[str, Any]

# Columns that only we have, or that the cloud makes itself.
_PLAIN: dict[str, Sequence[str]] = {
    "cells": (
        "name description color image_url sequence active wip_limit wip_warning_threshold enforce_wip_limit "
        "show_capacity_warning icon_name capacity_hours_per_day external_id external_source created_at"
    ).split(),
    "resources": "name type description identifier location status metadata active external_id external_source created_at".split(),
    "scrap_reasons": "code description category active metadata created_at".split(),
    "jobs": (
        "job_number customer due_date due_date_override status current_cell_id notes metadata delivery_address delivery_city "
        "delivery_postal_code delivery_country delivery_lat delivery_lng total_weight_kg total_volume_m3 package_count "
        "started_at paused_at resumed_at completed_at external_id external_source created_at"
    ).split(),
    "parts": (
        "job_id parent_part_id part_number material quantity status current_cell_id file_paths notes metadata material_lot "
        "material_supplier material_cert_number weight_kg length_mm width_mm height_mm drawing_no cnc_program_name is_bullet_card "
        "external_id external_source created_at"
    ).split(),
    "operations": (
        "part_id cell_id assigned_operator_id operation_name sequence estimated_time status completion_percentage notes metadata "
        "icon_name setup_time run_time_per_unit wait_time changeover_time planned_start planned_end started_at paused_at "
        "resumed_at completed_at external_id external_source created_at"
    ).split(),
    "operation_quantities": (
        "operation_id recorded_by quantity_produced quantity_good quantity_scrap quantity_rework scrap_reason_id material_lot "
        "material_supplier material_cert_number recorded_at notes metadata created_at"
    ).split(),
    "issues": (
        "operation_id created_by title description severity status issue_type ncr_category disposition affected_quantity "
        "causes_standstill verification_required root_cause corrective_action preventive_action resolution_notes reported_by_id "
        "reviewed_by reviewed_at image_paths current_cell_id intended_next_cell_id created_at"
    ).split(),
    "substeps": "operation_id name icon_name sequence status notes completed_at completed_by created_at".split(),
    "assignments": "job_id part_id operator_id shop_floor_operator_id assigned_by status created_at".split(),
    "substep_templates": "name description operation_type is_global created_by created_at".split(),
}
_JSON = frozenset(("metadata", "file_paths", "image_paths"))
# Columns that list files, and go up once their bytes are there. [U] a part's images are listed by their own endpoint.
LISTS = {"parts": "file_paths", "issues": "image_paths"}
FILES_IN: Mapping[str, frozenset[str]] = {
    "parts": frozenset(("file_paths", "image_paths")),
    "issues": frozenset(("image_paths",)),
}
_BOOLEAN = frozenset(
    "active enforce_wip_limit show_capacity_warning is_bullet_card is_global causes_standstill verification_required".split()
)
CRITICAL = "critical"
_HOSTED_ONLY = {  # [U] columns that a cloud which was built from its migrations does not have
    "jobs": frozenset("started_at paused_at resumed_at completed_at actual_duration".split()),
    "operations": frozenset(("started_at", "paused_at", "resumed_at")),
}
_HAS_UPDATED_AT = frozenset(_PLAIN)
_UNIQUE = {"jobs": "job_number", "parts": "part_number", "resources": "name", "operations": None}
WHOLE = frozenset(
    ("time_entries", "operation_quantities")
)  # what hangs below them changes them: compared as they stand
SOFT_DELETED = frozenset(_UNIQUE)  # deleted by a change that also frees the name, which a DELETE would not


@dataclass(frozen=True, slots=True)
class Wanted:
    """One row as it should stand in the cloud. `empty`: a stretch of no length, which only matters if it is there."""

    table: str
    id: str
    values: Mapping[str, Any]
    empty: bool = False


def forwarded(table: str) -> bool:
    """Is there an endpoint of the cloud for it?"""
    return table in _PLAIN or table == "time_entries"


def wanted(table: str, row: Row, below: Sequence[Row] = ()) -> list[Wanted]:
    """The cloud's rows for one of ours. `below`: the pauses of a time entry, the scrap reasons of a quantity, the files
    in the list of a part or an issue.
    """
    if table == "time_entries":
        return _segments(row, below)
    values = {name: _value(name, row[name]) for name in _PLAIN[table]}
    if name := LISTS.get(table):
        values[name] = _listed(values[name], below)
    if extra := _EXTRA.get(table):
        values |= extra(row, values, below)  # nosec B610 # a function of ours, not Django's
    return [Wanted(table, row["id"], values)]


def first(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a create may carry of it; the rest follows as a change. [U] an issue that is critical from the beginning makes a notice
    that the notices' own check refuses, and the category of an NCR is refused in a create.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if table == "issues":
        given.pop("ncr_category", None)
        if given.get("severity") == CRITICAL:
            given["severity"] = "high"
    return given


def without_hosted(table: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """What every cloud has a column for."""
    return {name: value for name, value in body.items() if name not in _HOSTED_ONLY.get(table, ())}


def cloud_fields(table: str, fields: Iterable[str]) -> set[str]:
    """The cloud's columns behind the names that a change lists."""
    names = {"metadata" if table == "jobs" and name == "priority" else name for name in fields}
    return {name for name in names if name in _PLAIN.get(table, ()) or name in ("actual_time", "actual_duration")}


def stamped(table: str, body: Mapping[str, Any], updated_at: str) -> dict[str, Any]:
    """A change with the true time of the change: the cloud does not keep `updated_at` by itself."""
    return {**body, "updated_at": updated_at} if table in _HAS_UPDATED_AT else dict(body)


def freed(table: str, row: Row) -> dict[str, Any]:
    """The change that deletes a row there: one request marks it, at the true time, and gives its name free."""
    name = _UNIQUE[table]
    body = {"deleted_at": row["deleted_at"]} | ({name: f"{row[name]}~{row['id'][:8]}"} if name else {})
    return body | {"external_id": None} if row["external_id"] else body


def same(ours: Any, theirs: Any) -> bool:
    """Equal as the cloud sees it: instants by time, numbers by value, objects by content."""
    if ours == theirs:
        return True
    if isinstance(ours, str) and isinstance(theirs, str):
        try:
            return datetime.fromisoformat(ours) == datetime.fromisoformat(theirs)
        except (ValueError, TypeError):
            return False
    return False


def dominant(reasons: Sequence[Row]) -> str | None:
    """The reason that stands for most of the scrap: the cloud's REST takes one only."""
    return max(reasons, key=lambda reason: reason["quantity"])["scrap_reason_id"] if reasons else None


def _value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _JSON:
        return json.loads(value)
    return bool(value) if name in _BOOLEAN else value


def _listed(paths: Sequence[str] | None, files: Sequence[Row]) -> list[str] | None:
    """The cloud's paths for ours: without those of files that have not gone up; what is no file of ours stays as it is."""
    there = {file["path"]: file["cloud_path"] for file in files}
    return None if paths is None else [there.get(path) or path for path in paths if there.get(path, path)]


def _minutes(seconds: int | None) -> int | None:
    return None if seconds is None else (seconds + 30) // 60


def _job(row: Row, values: Mapping[str, Any], _below: Sequence[Row]) -> dict[str, Any]:
    extra: dict[str, Any] = {"actual_duration": _minutes(row["actual_duration_s"])}
    if row["priority"] is not None:
        extra["metadata"] = {**(values["metadata"] or {}), "priority": row["priority"]}
    return extra


def _operation(row: Row, _values: Mapping[str, Any], _below: Sequence[Row]) -> dict[str, Any]:
    return {"actual_time": _minutes(row["actual_time_s"])}


def _quantity(row: Row, values: Mapping[str, Any], reasons: Sequence[Row]) -> dict[str, Any]:
    if not reasons:
        return {}
    split = [
        {"scrap_reason_id": reason["scrap_reason_id"], "quantity": reason["quantity"], "notes": reason["notes"]}
        for reason in reasons
    ]
    return {
        "scrap_reason_id": row["scrap_reason_id"] or dominant(reasons),
        "metadata": {**(values["metadata"] or {}), "scrap_reasons": split},
    }


_EXTRA: dict[str, Callable[[Row, Mapping[str, Any], Sequence[Row]], dict[str, Any]]] = {
    "jobs": _job,
    "operations": _operation,
    "operation_quantities": _quantity,
}


def _segments(entry: Row, pauses: Sequence[Row]) -> list[Wanted]:
    """`pauses` in order of time. While paused, or between its pauses, nothing runs: no entry there."""
    ends = [pause["paused_at"] for pause in pauses] + [entry["end_time"]]
    begins = [(entry["id"], entry["start_time"])]
    begins += [(pause["segment_id"], pause["resumed_at"]) for pause in pauses if pause["resumed_at"]]
    stretches = [(one, start, end) for (one, start), end in zip(begins, ends, strict=False)]
    counted = _counted_min(entry["duration_s"], [_worked_s(start, end) for _, start, end in stretches])
    segments = []
    for (segment_id, start, end), minutes in zip(stretches, counted, strict=True):
        empty = segment_id != entry["id"] and end == start  # resumed and ended in one moment: nobody worked
        segments.append(Wanted("time_entries", segment_id, _entry(entry, start, end, minutes), empty))
    return segments


def _counted_min(duration_s: int | None, worked_s: Sequence[int | None]) -> list[int | None]:
    """What each stretch counts: what the clock says, unless the entry counts something else. Somebody may have said that, or
    it is a share of a batch's time; the stretches then add up to it. Seconds that were lost by rounding are no reason to
    change what is over there already.
    """
    clock_s = [one or 0 for one in worked_s]
    rounding_s = len(clock_s) if len(clock_s) > 1 else 0
    if duration_s is None or abs(sum(clock_s) - duration_s) <= rounding_s:
        return [_minutes(one) for one in worked_s]
    return [*shares(_minutes(duration_s) or 0, clock_s)]


def _worked_s(start: str, end: str | None) -> int | None:
    if end is None:
        return None
    return max(0, round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()))


def _entry(entry: Row, start: str, end: str | None, minutes: int | None) -> dict[str, Any]:
    return {
        "operation_id": entry["operation_id"],
        "operator_id": entry["operator_id"],
        "time_type": entry["time_type"],
        "start_time": start,
        "end_time": end,
        "duration": minutes,
        "notes": entry["notes"],
        "created_at": entry["created_at"],
    }
