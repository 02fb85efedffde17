"""Do the numbers of a quantity agree, and what the world is told about it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.kernel.errors import Invalid
from gateway.operations.model import Operation

COUNTS = ("quantity_good", "quantity_scrap", "quantity_rework")
PERCENT = 100.0
YIELD_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """Who recorded it, by name, and through which way in: `rest`, `mqtt:<device>`."""

    recorder: str | None = None
    cause: str = "rest"


def counted(values: Mapping[str, Any], reasons: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The four numbers, the sum made when it was not given. Raises Invalid."""
    numbers = {name: int(values.get(name) or 0) for name in COUNTS}
    total = sum(numbers.values())
    produced = values.get("quantity_produced")
    if produced is not None and produced != total:
        message = f"quantity_produced is {produced}, but good + scrap + rework is {total}: leave it out or correct it"
        raise Invalid(message, [_detail("quantity_produced", message, produced)])
    explained = sum(reason["quantity"] for reason in reasons)
    if explained > numbers["quantity_scrap"]:
        message = f"the scrap reasons add up to {explained}, quantity_scrap is {numbers['quantity_scrap']}"
        raise Invalid(message, [_detail("scrap_reasons", message, explained)])
    return {"quantity_produced": total, **numbers}


def _detail(field: str, message: str, value: int) -> dict[str, Any]:
    return {"field": field, "message": message, "constraint": "CHECK_CONSTRAINT", "value": value}


def reported(row: Mapping[str, Any], operation: Operation, origin: Origin) -> dict[str, Any]:
    """Payload of production.quantity_reported."""
    produced, good = row["quantity_produced"], row["quantity_good"]
    return {
        **_about(row, operation, origin),
        "quantity_produced": produced,
        "quantity_good": good,
        "quantity_scrap": row["quantity_scrap"],
        "quantity_rework": row["quantity_rework"],
        "yield_percentage": round(PERCENT * good / produced, YIELD_DECIMALS) if produced else None,
    }


def scrapped(
    row: Mapping[str, Any], operation: Operation, origin: Origin, reasons: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Payload of production.scrap_recorded; `reasons` with code, description and category."""
    return {
        **_about(row, operation, origin),
        "quantity_scrap": row["quantity_scrap"],
        "scrap_reasons": [
            {
                "reason_id": reason["scrap_reason_id"],
                "reason_code": reason["code"],
                "reason_description": reason["description"],
                "category": reason["category"],
                "quantity": reason["quantity"],
            }
            for reason in reasons
        ],
    }


def _about(row: Mapping[str, Any], operation: Operation, origin: Origin) -> dict[str, Any]:
    return {
        "quantity_id": row["id"],
        "operation_id": operation.id,
        "operation_name": operation.operation_name,
        "part_id": operation.part.id,
        "part_number": operation.part.part_number,
        "job_id": operation.job.id,
        "job_number": operation.job.job_number,
        "cell_id": operation.cell_id,
        "cell_name": operation.cell_name,
        "recorded_by": row.get("recorded_by"),
        "recorded_by_name": origin.recorder,
        "recorded_at": row["recorded_at"],
        "cause": origin.cause,
    }
