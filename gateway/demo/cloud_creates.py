"""Creates that the cloud does in its own way: jobs and parts with what is beneath them, one insert after another.

There is no transaction around them: what failed is reported beside what was written, or not at all.
"""

from typing import Any

from gateway.demo import cloud_validation as validation
from gateway.demo.cloud_answer import Answer, Call, Refused, broken, done
from gateway.demo.cloud_crud import spread
from gateway.demo.cloud_database import Database, Row
from gateway.demo.cloud_gate import Tenant
from gateway.demo.cloud_values import DatabaseError


class Creates:
    def __init__(self, database: Database) -> None:
        self._db = database

    def job(self, call: Call) -> Answer:
        tenant = call.tenant
        if tenant.max_jobs is not None and tenant.jobs >= tenant.max_jobs:
            raise plan_limit("job", tenant.jobs, tenant.max_jobs)
        body = _body(call, "job_number")
        validation.job(body)
        job = self._insert("jobs", "job", {name: body[name] for name in body if name != "parts"}, tenant)
        tenant.jobs += 1
        parts, failed_parts, failed_operations = [], [], []
        for given in body.get("parts") or ():
            bare = {name: given[name] for name in given if name != "operations"}
            try:
                part = self._db.insert("parts", {**bare, "job_id": job["id"], "tenant_id": tenant.id})
            except DatabaseError as exc:
                failed_parts.append({"part": bare, "error": str(exc)})
                continue
            tenant.parts_this_month += part["quantity"] or 0
            operations = []
            for wanted in given["operations"]:
                try:
                    row = self._db.insert("operations", {**wanted, "part_id": part["id"], "tenant_id": tenant.id})
                    operations.append(dict(row))
                except DatabaseError as exc:
                    failed_operations.append({"operation": wanted, "part_id": part["id"], "error": str(exc)})
            parts.append(dict(part) | {"operations": operations})
        answer: dict[str, Any] = dict(job) | {"parts": parts}
        if failed_parts or failed_operations:
            answer["warnings"] = {
                "message": "Job created but some nested resources failed",
                "failed_parts": len(failed_parts),
                "failed_operations": len(failed_operations),
                "details": {"parts": failed_parts, "operations": failed_operations},
            }
        return done({"job": answer}, 201)

    def part(self, call: Call) -> Answer:
        tenant = call.tenant
        body = _body(call, "quantity")
        quantity = body.get("quantity") or 1
        wanted = quantity if isinstance(quantity, int | float) else 1
        if tenant.max_parts_per_month is not None and tenant.parts_this_month + wanted > tenant.max_parts_per_month:
            raise plan_limit("part", tenant.parts_this_month, tenant.max_parts_per_month)
        for name in ("part_number", "job_id"):
            if not body.get(name):
                raise Refused(400, "BAD_REQUEST", f"{name} is required")
        part = self._insert("parts", "part", {name: body[name] for name in body if name != "operations"}, tenant)
        tenant.parts_this_month += part["quantity"] or 0
        operations = []
        given = body.get("operations")
        for n, operation in enumerate(given if isinstance(given, list) else ()):
            values = {"sequence": n + 1, **spread(operation), "part_id": part["id"], "tenant_id": tenant.id}
            try:
                operations.append(dict(self._db.insert("operations", values | {"status": "not_started"})))
            except DatabaseError:
                continue  # the cloud drops it without a word
        return done({"part": dict(part) | {"operations": operations}}, 201)

    def issue(self, call: Call) -> Answer:
        body = _body(call, "operation_id")
        validation.issue(body)
        return done({"issue": dict(self._insert("issues", "issues", body, call.tenant))}, 201)

    def webhook(self, call: Call) -> Answer:
        body = _body(call, "url")
        validation.webhook(body)
        return done({"webhook": dict(self._insert("webhooks", "webhooks", body, call.tenant))}, 201)

    def _insert(self, table: str, said: str, values: dict[str, Any], tenant: Tenant) -> Row:
        try:
            return self._db.insert(table, {**values, "tenant_id": tenant.id})
        except DatabaseError as exc:
            raise broken(f"Failed to create {said}: {exc}") from None


def plan_limit(kind: str, current: int, limit: int) -> Refused:
    details = {"limitType": kind, "currentUsage": current, "limit": limit}
    return Refused(402, "QUOTA_EXCEEDED", f"{kind} limit exceeded ({current}/{limit})", details=details)


def _body(call: Call, first: str) -> dict[str, Any]:
    body = call.json()
    if body is None:
        raise broken(f"Cannot read properties of null (reading '{first}')")
    return spread(body)
