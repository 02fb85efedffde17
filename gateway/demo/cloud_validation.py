"""The validators that the cloud runs before an insert: jobs, issues and webhooks. Nothing else is validated."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeGuard

from gateway.demo.cloud_answer import Refused
from gateway.kernel.ids import is_uuid

TEXT_MAX = 255
URL_MAX = 2048
STATUSES = ("not_started", "in_progress", "on_hold", "completed")
_MISSING = object()

Detail = dict[str, Any]


class Checks:
    """Collects what is wrong with one body, in the order in which it is asked."""

    def __init__(self, entity: str, body: dict[str, Any]) -> None:
        self._entity = entity
        self._body = body
        self.details: list[Detail] = []

    def add(self, field: str, message: str, constraint: str, value: Any = _MISSING, **more: Any) -> None:
        shown = {} if value is _MISSING else {"value": value}
        where = {"entityType": self._entity, "entityIndex": 0} | more
        self.details.append({"field": field, "message": message, **shown, "constraint": constraint, **where})

    def raise_any(self) -> None:
        if self.details:
            text = f"\u2717 {len(self.details)} validation error(s) in {self._entity}"
            raise Refused(422, "VALIDATION_ERROR", text, details=self.details)

    def text(self, name: str, *, most: int = TEXT_MAX, pattern: str | None = None) -> None:
        value = self._body.get(name, _MISSING)
        if value is _MISSING or value is None or value == "":
            self.add(name, f"Missing required string field: {name}", "NOT_NULL", value)
        elif not isinstance(value, str):
            self.add(name, f"Invalid string for {name}", "TYPE_MISMATCH", value)
        elif len(value) > most:
            self.add(name, f"{name} must be at most {most} characters", "MAX_LENGTH", value)
        elif pattern and not re.search(pattern, value):
            self.add(name, f"{name} does not match required pattern", "PATTERN_MISMATCH", value)

    def choice(self, name: str, values: tuple[str, ...]) -> None:
        value = self._body.get(name)
        if value is not None and value not in values:
            listed = ", ".join(values)
            self.add(name, f"Invalid value for {name}. Must be one of: {listed}", "ENUM_CONSTRAINT", value)

    def number(self, name: str) -> None:
        value = self._body.get(name)
        if value is None:
            return
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.add(name, f"Invalid number for {name}", "TYPE_MISMATCH", value)
        elif value < 0:
            self.add(name, f"{name} must be >= 0", "MIN_VALUE", value)

    def date(self, name: str) -> None:
        value = self._body.get(name)
        if value is not None and not _is_date(value):
            self.add(name, f"Invalid date format for {name}", "DATE_FORMAT", value)

    def id(self, name: str, *, required: bool = False) -> None:
        value = self._body.get(name)
        if value is None:
            if required:
                self.add(name, f"Missing required UUID field: {name}", "NOT_NULL")
        elif not (isinstance(value, str) and is_uuid(value)):
            self.add(name, f"Invalid UUID format for {name}", "UUID_FORMAT", value)

    def filled_list(self, name: str) -> None:
        value = self._body.get(name)
        if not isinstance(value, list):
            self.add(name, f"Invalid array for {name}", "TYPE_MISMATCH", value)
        elif not value:
            self.add(name, f"{name} must have at least 1 items", "MIN_LENGTH", 0)


def job(body: dict[str, Any]) -> None:
    checks = Checks("job", body)
    checks.text("job_number")
    checks.choice("status", STATUSES)
    checks.number("priority")
    checks.date("due_date")
    checks.id("current_cell_id")
    if body.get("parts") is not None:
        checks.filled_list("parts")
        if isinstance(body["parts"], list):
            _parts(checks, body["parts"])
    checks.raise_any()


def _parts(checks: Checks, parts: list[Any]) -> None:
    for n, part in enumerate(parts):
        _part(checks, f"parts[{n}]", n, part if isinstance(part, dict) else {})
    numbers = [part.get("part_number") for part in parts if isinstance(part, dict)]
    twice = dict.fromkeys(number for number in numbers if number and numbers.count(number) > 1)
    if twice:
        checks.add("parts", f"Duplicate part numbers found: {', '.join(map(str, twice))}", "UNIQUE_CONSTRAINT")


def _part(checks: Checks, at: str, n: int, part: dict[str, Any]) -> None:
    where = {"entityType": "part", "entityIndex": n}
    if not part.get("part_number"):
        checks.add(f"{at}.part_number", "Part number is required", "NOT_NULL", **where)
    if not _at_least_one(part.get("quantity")):
        checks.add(f"{at}.quantity", "Part quantity must be >= 1", "MIN_VALUE", **where)
    for name in ("parent_part_id", "current_cell_id", "material_id"):
        if _is_no_uuid(part.get(name)):
            checks.add(f"{at}.{name}", f"Invalid UUID format for {name}", "UUID_FORMAT", **where)
    operations = part.get("operations")
    if not isinstance(operations, list):
        checks.add(f"{at}.operations", "Operations array is required", "NOT_NULL", **where)
    elif not operations:
        checks.add(f"{at}.operations", "At least one operation is required per part", "MIN_LENGTH", **where)
    else:
        for m, operation in enumerate(operations):
            _operation(checks, f"{at}.operations[{m}]", m, operation if isinstance(operation, dict) else {})
        for twice in _repeated(operations):
            text = f"Duplicate operation sequence found: {twice}"
            checks.add(f"{at}.operations", text, "UNIQUE_CONSTRAINT", **where)


def _operation(checks: Checks, at: str, n: int, operation: dict[str, Any]) -> None:
    where = {"entityType": "operation", "entityIndex": n}
    if not operation.get("operation_name"):
        checks.add(f"{at}.operation_name", "Operation name is required", "NOT_NULL", **where)
    sequence = operation.get("sequence")
    if not _at_least_one(sequence) or sequence % 1:
        checks.add(f"{at}.sequence", "Operation sequence must be a positive integer", "MIN_VALUE", **where)
    for name in ("cell_id", "assigned_operator_id"):
        if _is_no_uuid(operation.get(name)):
            checks.add(f"{at}.{name}", f"Invalid UUID format for {name}", "UUID_FORMAT", **where)


def issue(body: dict[str, Any]) -> None:
    checks = Checks("issue", body)
    checks.id("operation_id", required=True)
    checks.text("title")
    checks.text("description", most=10_000)
    checks.choice("issue_type", ("general", "ncr"))
    checks.choice("severity", ("low", "medium", "high", "critical"))
    checks.choice("status", ("pending", "approved", "rejected", "closed"))
    for name in ("reported_by_id", "created_by", "current_cell_id", "intended_next_cell_id"):
        checks.id(name)
    if body.get("issue_type") == "ncr":
        kinds = ("material", "process", "equipment", "design", "supplier", "documentation", "other")
        checks.choice("ncr_category", kinds)
        checks.choice("ncr_disposition", ("use_as_is", "rework", "repair", "scrap", "return_to_supplier"))
    checks.raise_any()


def webhook(body: dict[str, Any]) -> None:
    checks = Checks("webhook", body)
    checks.text("url", most=URL_MAX, pattern=r"^https?://")
    checks.filled_list("events")
    checks.text("secret_key")
    checks.raise_any()


def _repeated(operations: list[Any]) -> Iterator[Any]:
    seen = [operation.get("sequence") for operation in operations if isinstance(operation, dict)]
    yield from dict.fromkeys(n for n in seen if n is not None and seen.count(n) > 1)


def _at_least_one(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 1


def _is_no_uuid(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and is_uuid(value))


def _is_date(value: Any) -> bool:
    """Close enough to what JavaScript's Date reads: ISO dates, and any with a year at the end or the front."""
    if isinstance(value, int | float):
        return True
    if not isinstance(value, str):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return re.fullmatch(r"(0?[1-9]|1[0-2])/\d{1,2}/\d{4}|[A-Z][a-z]{2,8} \d{1,2},? \d{4}", value) is not None
    return True
