"""What an event says, by the first word of its name, as `/asyncapi.json` shows it. The slices build these; the tests hold what
they build against what stands here. No field is always there.
"""

from typing import Any

from typing_extensions import TypedDict  # pydantic reads those of `typing` from Python 3.12 on only

from gateway.uns.shapes import At

Minutes = int | float | None
Seconds = int | None


class _AtOperation(TypedDict, total=False):
    operation_id: str
    operation_name: str
    part_id: str
    part_number: str
    job_id: str
    job_number: str
    cell_id: str | None
    cell_name: str | None


class _Batched(TypedDict, total=False):
    batch_id: str
    batch_number: str
    batch_type: str
    production_mode: str
    monitoring_source: str


class OperationHappened(_AtOperation, _Batched, total=False):
    """`estimated_time`, `actual_time` in minutes, with seconds beside them. `cause`: who or what did it."""

    customer: str
    operator_id: str | None
    operator_name: str | None
    previous_status: str
    new_status: str
    timestamp: At
    started_at: At | None
    paused_at: At | None
    resumed_at: At | None
    completed_at: At | None
    estimated_time: Minutes
    estimated_time_seconds: Seconds
    actual_time: Minutes
    actual_time_seconds: Seconds
    completion_percentage: int | None
    pause_duration_seconds: Seconds
    time_entry_id: str | None
    cause: str | None
    notes: str | None
    occurred_at_claimed: At


class _AtJob(TypedDict, total=False):
    job_id: str
    job_number: str
    customer: str
    status: str
    previous_status: str
    new_status: str
    timestamp: At
    started_at: At | None
    completed_at: At | None
    cause: str | None
    changes: list[str]
    external_id: str | None
    created_at: At
    updated_at: At
    occurred_at_claimed: At


class JobHappened(_AtJob, total=False):
    parts_count: int
    operations_count: int
    actual_duration: Minutes
    actual_duration_seconds: Seconds


class PartHappened(_AtJob, total=False):
    part_id: str
    part_number: str
    quantity: int | None
    material: str | None
    external_source: str | None


class IssueHappened(_AtOperation, total=False):
    issue_id: str
    created_by: str | None
    operator_name: str | None
    severity: str | None
    title: str | None
    description: str | None
    issue_type: str | None
    ncr_category: str | None
    ncr_number: str | None
    affected_quantity: int | None
    disposition: str | None
    causes_standstill: bool
    created_at: At
    verified_by: str | None
    verified_at: At | None


class ScrapReason(TypedDict):
    reason_id: str
    reason_code: str | None
    reason_description: str | None
    category: str | None
    quantity: int | None


class ProductionHappened(_AtOperation, total=False):
    quantity_id: str
    quantity_produced: int
    quantity_good: int
    quantity_scrap: int
    quantity_rework: int
    yield_percentage: float | None
    scrap_reasons: list[ScrapReason]
    recorded_by: str | None
    recorded_by_name: str | None
    recorded_at: At
    cause: str | None


class StepHappened(_AtOperation, total=False):
    substep_id: str
    name: str
    sequence: int | None
    status: str
    completed_by: str | None
    completed_at: At | None
    created_at: At


class BatchHappened(_Batched, total=False):
    cell_id: str | None
    cell_name: str | None
    status: str
    operations: int
    operator_id: str | None
    operator_name: str | None
    started_at: At | None
    completed_at: At | None
    total_minutes: Minutes
    total_seconds: Seconds
    distribution_method: str | None
    distribution: list[dict[str, Any]]
    cause: str | None
    occurred_at_claimed: At


class SyncHappened(TypedDict, total=False):
    """`entities` and the totals: of sync.batch.completed."""

    entity_type: str
    entities: list[str]
    source: str | None
    summary: dict[str, int]
    total_records: int
    total_created: int
    total_updated: int
    total_skipped: int
    total_errors: int
    duration_ms: int
    external_ids: list[str | None]
    synced_at: At


class ResourceHappened(TypedDict, total=False):
    resource_id: str
    name: str | None
    type: str | None
    status: str | None
    changes: list[str]
    timestamp: At


class ConflictHappened(TypedDict, total=False):
    """What the cloud and this gateway saw differently. `local` and `cloud`: the two values."""

    conflict_id: str
    entity: str
    row_id: str
    field: str
    local: Any
    cloud: Any
    reason: str | None
    resolution: str | None
    resolved_by: str | None
    cell_id: str | None
    timestamp: At


BY_KIND: dict[str, Any] = {
    "job": JobHappened,
    "part": PartHappened,
    "operation": OperationHappened,
    "production": ProductionHappened,
    "issue": IssueHappened,
    "ncr": IssueHappened,
    "step": StepHappened,
    "batch": BatchHappened,
    "resource": ResourceHappened,
    "sync": SyncHappened,
    "conflict": ConflictHappened,
}


def kind_of(event_type: str) -> str:
    return event_type.partition(".")[0]
