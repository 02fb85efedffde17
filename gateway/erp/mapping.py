"""ERP record -> our row, and what became of it -> the answer. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.catalog.store import stored
from gateway.erp.bodies import UNKNOWN
from gateway.erp.hash import ALGORITHM
from gateway.erp.model import Action, Done, Entity, Outcome, Record
from gateway.jobs import planning
from gateway.jobs.resources import PARTS
from gateway.outbox.event import Stamp, encode

ONLY_THE_HASH = "data changed (hash mismatch)"
_LONG = ("notes", "description", "metadata")  # told without their text
_PREVIEWED = {Action.CREATED: "create", Action.UPDATED: "update", Action.SKIPPED: "unchanged", Action.ERROR: "error"}
_DIFF_COUNTS = {
    "to_create": Action.CREATED,
    "to_update": Action.UPDATED,
    "unchanged": Action.SKIPPED,
    "errors": Action.ERROR,
}
_SYNC_COUNTS = {
    "created": Action.CREATED,
    "updated": Action.UPDATED,
    "skipped": Action.SKIPPED,
    "errors": Action.ERROR,
}


# ------------------------------------------------------------------ rows


def marks(record: Record, stamp: Stamp) -> dict[str, Any]:
    """What a row remembers of the record."""
    return {"sync_hash": record.hash, "hash_alg": ALGORITHM, "synced_at": stamp.text}


def origin(record: Record) -> dict[str, str]:
    return {"external_id": record.external_id, "external_source": record.external_source}


def news(entity: Entity, said: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """What is said and does not stand in the row, as the database keeps it. What is absent stays as it is."""
    given = {name: value for name, value in said.items() if name not in entity.kept}
    values = planning.part_values(row, given) if entity.resource is PARTS else stored(entity.resource, given)
    return planning.differing(row, values)


def told(row: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    """`quantity: 3 -> 4`, for a person."""
    for name, value in values.items():
        if name in _LONG or name == "extra":
            yield f"{name} updated"
        else:
            yield f"{name}: {encode(row[name])} -> {encode(value)}"


# ------------------------------------------------------------------ answers


def one(row: str, outcome: Outcome) -> str:
    """The answer of PUT: `row` under its names, then what became of it."""
    action = Action.CREATED if outcome.action is Action.CREATED else Action.UPDATED  # [U] knows no third
    changed = outcome.action is not Action.SKIPPED
    about = {"action": action, "id": outcome.id, "external_id": _external(outcome, "external_id"), "changed": changed}
    return f"{row[:-1]},{encode(about)[1:]}"


def bulk(done: Done, *, upstream: bool, dry_run: bool) -> str:
    """The documented shape with the cloud's object under `summary`; or, for clients of today's cloud, that as `results`."""
    counts = _counts(done, _SYNC_COUNTS)
    summary = {
        "created": counts["created"],
        "updated": counts["updated"] + counts["skipped"],  # [U] knows no third kind: what it has is up to date
        "failed": counts["errors"],
        "errors": [
            {"item": outcome.item.given.record, "error": outcome.details or outcome.error} for outcome in _errors(done)
        ],
    }
    results: Any = summary if upstream else [_result(outcome, detailed=True) for outcome in done.outcomes]
    data = {"total": len(done.outcomes), **counts, "results": results, "summary": summary}
    return encode(data | {"dry_run": True} if dry_run else data)


def synced(batches: Sequence[Done], duration_ms: int) -> str:
    """The answer of `/api-erp-sync/sync`."""
    entities = {
        done.entity.table: {
            "total": len(done.outcomes),
            **_counts(done, _SYNC_COUNTS),
            "results": [_result(outcome, detailed=True) for outcome in done.outcomes],
            "duration_ms": done.duration_ms,
        }
        for done in batches
    }
    summary = {**totals(batches, _SYNC_COUNTS), "duration_ms": duration_ms}
    return encode({"summary": summary, "entities": entities})


def previewed(batches: Sequence[Done]) -> str:
    """The answer of `/api-erp-sync/diff`."""
    entities = {
        done.entity.table: {
            "entity_type": done.entity.table,
            "total": len(done.outcomes),
            **_counts(done, _DIFF_COUNTS),
            "records": [_difference(outcome) for outcome in done.outcomes],
        }
        for done in batches
    }
    summary = totals(batches, _DIFF_COUNTS)
    return encode({"summary": summary, "entities": entities})


def totals(batches: Sequence[Done], names: Mapping[str, Action] = _SYNC_COUNTS) -> dict[str, int]:
    counts = {f"total_{name}": sum(done.count[action] for done in batches) for name, action in names.items()}
    records = sum(len(done.outcomes) for done in batches)
    return {"total_entities": len(batches), "total_records": records, **counts}


def errors(done: Done) -> list[dict[str, Any]]:
    """For the log of imports."""
    return [_result(outcome, detailed=False) for outcome in _errors(done)]


def completed(done: Done, sender: str | None, at: str) -> dict[str, Any]:
    """Payload of sync.<entity>.completed."""
    changed = (Action.CREATED, Action.UPDATED)
    return {
        "entity_type": done.entity.table,
        "source": sender,
        "summary": {"total": len(done.outcomes), **_counts(done, _SYNC_COUNTS)},
        "duration_ms": done.duration_ms,
        "external_ids": [_external(outcome, "external_id") for outcome in done.outcomes if outcome.action in changed],
        "synced_at": at,
    }


def all_completed(batches: Sequence[Done], sender: str | None, at: str, duration_ms: int) -> dict[str, Any]:
    """Payload of sync.batch.completed."""
    counts = totals(batches)
    del counts["total_entities"]
    entities = [done.entity.table for done in batches]
    return {"entities": entities, **counts, "duration_ms": duration_ms, "source": sender, "synced_at": at}


def _counts(done: Done, names: Mapping[str, Action]) -> dict[str, int]:
    return {name: done.count[action] for name, action in names.items()}


def _errors(done: Done) -> Iterable[Outcome]:
    return (outcome for outcome in done.outcomes if outcome.action is Action.ERROR)


def _result(outcome: Outcome, *, detailed: bool) -> dict[str, Any]:
    result: dict[str, Any] = {"external_id": _external(outcome, "external_id")}
    if outcome.id:
        result["id"] = outcome.id
    result["action"] = outcome.action
    if outcome.error is not None:
        result["error"] = outcome.error
    if detailed:
        if outcome.details:
            result["details"] = outcome.details
        if outcome.changes:
            result["changes"] = outcome.changes
        result["index"] = outcome.item.index
        if outcome.item.given.line is not None:
            result["line"] = outcome.item.given.line
    return result


def _difference(outcome: Outcome) -> dict[str, Any]:
    named = {name: _external(outcome, name) for name in ("external_id", "external_source")}
    record: dict[str, Any] = {**named, "status": _PREVIEWED[outcome.action]}
    if outcome.id:
        record["existing_id"] = outcome.id
    if outcome.changes:
        record["changes"] = outcome.changes
    if outcome.error is not None:
        record["error"] = outcome.error
    if outcome.details:
        record["details"] = outcome.details
    return {**record, "index": outcome.item.index}


def _external(outcome: Outcome, name: str) -> str:
    if outcome.item.record is not None:
        return str(getattr(outcome.item.record, name))
    given = outcome.item.given.record
    value = given.get(name) if isinstance(given, dict) else None
    return value if isinstance(value, str) and value else UNKNOWN
