"""What a scan or a typed text means: an operation, a job, a part, a person, a reason."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gateway.kernel.errors import OperatorInactive, OperatorUnknown
from gateway.kernel.ids import is_uuid
from gateway.outbox.event import encode
from gateway.terminals import cards, store

TEXT_MAX = 100  # characters
FOUND_MAX = 50  # operations

_WORDS = "(SELECT value FROM json_each(:words))"
_OF_JOB = f"""
SELECT o.id FROM jobs j JOIN parts p ON p.job_id = j.id JOIN operations o ON o.part_id = p.id
WHERE j.job_number IN {_WORDS} AND j.deleted_at IS NULL AND o.deleted_at IS NULL ORDER BY p.rowid, o.sequence LIMIT {FOUND_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_OF_PART = f"""
SELECT o.id FROM parts p JOIN operations o ON o.part_id = p.id
WHERE p.part_number IN {_WORDS} AND p.deleted_at IS NULL AND o.deleted_at IS NULL ORDER BY o.sequence LIMIT {FOUND_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_OF_DRAWING = f"""
SELECT o.id FROM parts p JOIN operations o ON o.part_id = p.id
WHERE p.drawing_no IN {_WORDS} AND p.deleted_at IS NULL AND o.deleted_at IS NULL ORDER BY p.rowid, o.sequence LIMIT {FOUND_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
# job:part, job:part:sequence
_OF_PLACE = f"""
SELECT o.id FROM jobs j JOIN parts p ON p.job_id = j.id JOIN operations o ON o.part_id = p.id
WHERE j.job_number IN {_WORDS} AND p.part_number IN (SELECT value FROM json_each(:part)) AND (:sequence IS NULL
  OR o.sequence = :sequence) AND j.deleted_at IS NULL AND p.deleted_at IS NULL AND o.deleted_at IS NULL
ORDER BY o.sequence LIMIT {FOUND_MAX}
"""  # nosec B608 # noqa: S608 -- constants only
_REASON = f"SELECT id, code, description, category FROM scrap_reasons WHERE code IN {_WORDS} AND active = 1"  # nosec B608 # noqa: S608 -- constants only


def meant(connection: sqlite3.Connection, text: str, seen: Collection[str] | None) -> dict[str, Any]:
    """`{kind, operations, operator?, reason?}`; `seen`: the cells whose work may be shown, None: all."""
    for kind, ids in _work(connection, text.strip()):
        shown = [card for card in cards.these(connection, ids) if seen is None or card["cell_id"] in seen]
        if shown:
            return {"kind": kind, "operations": shown}
    words = encode(spellings(text))
    if (row := connection.execute(_REASON, {"words": words}).fetchone()) is not None:
        return {"kind": "reason", "operations": [], "reason": dict(row)}
    if (operator := _person(connection, text)) is not None:
        return {"kind": "operator", "operations": [], "operator": operator}
    return {"kind": "nothing", "operations": []}


def spellings(text: str) -> list[str]:
    """As it was scanned, without spaces, in capitals and in small letters: numbers are kept as somebody has typed them."""
    plain, packed = text.strip(), "".join(text.split())
    return list(dict.fromkeys((plain, packed, plain.upper(), packed.upper(), packed.lower())))


def _work(connection: sqlite3.Connection, text: str) -> Iterable[tuple[str, list[str]]]:
    """(kind, ids), the nearest first."""
    if is_uuid(text):
        yield "operation", [text.lower()]
    words = encode(spellings(text))
    job, _, place = text.partition(":")
    part, _, sequence = (
        place.rpartition(":") if place.rpartition(":")[2].isdigit() and ":" in place else (place, "", "")
    )
    if place:
        asked = {"words": encode(spellings(job)), "part": encode(spellings(part))}
        number = int(sequence) if sequence else None
        yield "operation", _ids(connection, _OF_PLACE, {**asked, "sequence": number})
    yield "job", _ids(connection, _OF_JOB, {"words": words})
    yield "part", _ids(connection, _OF_PART, {"words": words})
    yield "part", _ids(connection, _OF_DRAWING, {"words": words})


def _ids(connection: sqlite3.Connection, sql: str, asked: Mapping[str, Any]) -> list[str]:
    return [row[0] for row in connection.execute(sql, asked)]


def _person(connection: sqlite3.Connection, text: str) -> dict[str, Any] | None:
    for word in spellings(text):
        try:
            found = store.of_badge(connection, word)
        except (OperatorUnknown, OperatorInactive):
            continue
        return {"id": found.id, "name": found.name, "employee_id": found.employee_id, "role": found.role}
    return None
