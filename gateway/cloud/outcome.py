"""What an answer of the cloud means. Pure.

The cloud calls almost everything 500, so the text decides; matched are quoted constraints and fixed phrases, never whole
sentences. No answer at all, a cut one or a page instead of JSON is UNKNOWN: the request may have run, or may still run.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PRIMARY_KEYS = frozenset(
    "jobs_pkey parts_pkey tasks_pkey stages_pkey resources_pkey time_entries_pkey operation_quantities_pkey issues_pkey "
    "substeps_pkey assignments_pkey scrap_reasons_pkey substep_templates_pkey".split()
)
OK_STATUSES = (200, 201)
TOO_MANY = 429

_CONSTRAINT = re.compile(r'constraint "([^"]+)"')
_STATE = re.compile(r"with status '(\w+)'")
_PLAN = re.compile(r"Your (\w+) plan allows (\d+)")
_NOT_LOADED = ("BOOT_ERROR", "NOT_FOUND")  # without an envelope they are the platform's words, not the function's
_CUT_ON_THE_WAY = ("Unterminated string in JSON", "Unexpected end of JSON input")
_TAKEN = "The resource already exists"  # of an address for an upload
_REFUSED = (
    "violates not-null",
    "violates check constraint",
    "invalid input value for enum",
    "invalid input syntax for type",
    "Could not find the '",
    "out of range for type",
    "can only be updated to DEFAULT",
    "unsupported Unicode escape sequence",
)


# The end of a foreign key's name -> what it points at.
_POINTS_AT = {
    "job_id": "job",
    "part_id": "part",
    "stage_id": "cell",
    "task_id": "operation",
    "operation_id": "operation",
    "operator_id": "person",
    "cell_id": "cell",
    "recorded_by": "person",
    "reported_by_id": "person",
    "reviewed_by": "person",
    "created_by": "person",
    "assigned_by": "person",
    "completed_by": "person",
    "scrap_reason_id": "scrap reason",
}


class Kind(StrEnum):
    OK = "ok"
    UNKNOWN = "unknown"
    OWN_ID_EXISTS = "own id exists"
    NAME_TAKEN = "another row has the name"
    PARENT_MISSING = "parent missing"
    IN_USE = "row in use"
    PLAN_LIMIT = "plan limit"
    REFUSED = "refused"
    QUOTA = "quota"
    OUTAGE = "outage"
    KEY = "key"
    GONE = "not found"
    WRONG_STATE = "wrong state"
    DOWN = "function down"
    STORED = "stored already"
    STAYS = "stays here"


_WHY = {
    Kind.NAME_TAKEN: "another row of the cloud has this number or name",
    Kind.IN_USE: "the cloud still uses this row",
    Kind.PLAN_LIMIT: "the cloud's plan does not allow more; tried again every day",
    Kind.UNKNOWN: "the cloud fails on it each time",
    Kind.DOWN: "this function of the cloud does not load; sent when it does",
    Kind.OUTAGE: "it does not arrive whole",
    Kind.STAYS: "it stays here",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`row` is the row that the cloud answered; `state` the status it named; `retry_after_s` what it asked for.

    `said`: the cloud's own word about this request, not silence or a cut line. `counted`: the day's counter over there has
    seen it. `database_away`: an OUTAGE because the cloud cannot read its own data. `loaded`: False when the platform said that the
    function does not start, or that there is none. `status`: of HTTP, None without an answer.
    """

    kind: Kind
    text: str = ""
    row: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    state: str | None = None
    constraint: str | None = None
    retry_after_s: float | None = None
    plan: tuple[str, int] | None = None
    said: bool = False
    counted: bool = True
    database_away: bool = False
    loaded: bool = True
    status: int | None = None


def told(outcome: Outcome) -> str:
    """Why it is parked, for a person; the cloud's words last, for who looks deeper."""
    why = _WHY.get(outcome.kind, "the cloud refuses it")
    if outcome.kind is Kind.PARENT_MISSING:
        named = (outcome.constraint or "").removesuffix("_fkey")
        row = next((words for part, words in _POINTS_AT.items() if named.endswith(part)), "row")
        why = f"the cloud does not have the {row} that it names"
    return f"{why}: {outcome.text}"


def unanswered(why: str, retry_after_s: float | None = None) -> Outcome:
    return Outcome(Kind.UNKNOWN, why, retry_after_s=retry_after_s)


def unreached(why: str) -> Outcome:
    """It never left: nothing was applied."""
    return Outcome(Kind.OUTAGE, why, counted=False)


def classify(method: str, status: int, body: bytes, retry_after: str | None) -> Outcome:
    answer = _json(body)
    if status in OK_STATUSES:
        if answer is None or answer.get("success") is not True:
            return unanswered(f"{status} without a whole answer")
        data = answer.get("data")
        return Outcome(Kind.OK, row=_row(data), data=data if isinstance(data, dict) else {})
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    if status == TOO_MANY:
        return _quota(answer, seconds)
    error = (answer or {}).get("error")
    if not isinstance(error, dict):
        if (code := (answer or {}).get("code")) in _NOT_LOADED:
            return Outcome(Kind.UNKNOWN, f"{status} {code}", retry_after_s=seconds, loaded=False)
        return unanswered(f"{status} without an envelope", seconds)
    text = str(error.get("message", ""))
    if status in _BY_STATUS:
        return _BY_STATUS[status](error, text)
    return _database(method, text) if status == 500 else unanswered(f"{status}: {text}", seconds)  # noqa: PLR2004 -- by name


def stored(status: int, body: bytes) -> Outcome:
    """What the storage says to the bytes of a file, in its own words. [U] a refusal's status stands in its body."""
    if status in OK_STATUSES:
        return Outcome(Kind.OK)
    answer = _json(body)
    if answer is None:
        return unanswered(f"{status} without a whole answer")
    text = str(answer.get("message", ""))
    match str(answer.get("statusCode", status)):
        case "409":
            return Outcome(Kind.STORED, text)
        case "413" | "415" | "422":
            return Outcome(Kind.REFUSED, text)
        case code:  # an address that is too old is one of them: the next one is new
            return Outcome(Kind.UNKNOWN, f"{code}: {text}", said=True)


def _unauthorized(_error: Mapping[str, Any], text: str) -> Outcome:
    """[U] "Authentication failed" means that the cloud's database did not answer; nothing was applied."""
    away = text == "Authentication failed"
    return Outcome(Kind.OUTAGE if away else Kind.KEY, text, counted=False, database_away=away)


def _payment(error: Mapping[str, Any], text: str) -> Outcome:
    details = error.get("details")
    unread = isinstance(details, dict) and details.get("limit") == 0  # the tenant's row could not be read
    return Outcome(Kind.OUTAGE if unread else Kind.PLAN_LIMIT, text, database_away=unread)


def _bad_request(error: Mapping[str, Any], text: str) -> Outcome:
    if error.get("code") == "INVALID_STATE_TRANSITION":
        named = _STATE.search(text)
        return Outcome(Kind.WRONG_STATE, text, state=named.group(1) if named else None)
    return Outcome(Kind.REFUSED, text)


def _unprocessable(error: Mapping[str, Any], text: str) -> Outcome:
    """[U] without a word it is about room for files: the error is put together wrongly over there."""
    if not text:
        return Outcome(Kind.PLAN_LIMIT, "its storage is full")
    return Outcome(Kind.REFUSED, f"{text} {json.dumps(error.get('details'), ensure_ascii=False)}")


_BY_STATUS: dict[int, Callable[[Mapping[str, Any], str], Outcome]] = {
    400: _bad_request,
    401: _unauthorized,
    402: _payment,
    403: lambda _error, text: Outcome(Kind.REFUSED, text),
    404: lambda _error, text: Outcome(Kind.GONE, text),
    409: lambda _error, text: Outcome(Kind.IN_USE, text),
    422: _unprocessable,
}


def _quota(answer: Mapping[str, Any] | None, seconds: float | None) -> Outcome:
    error = (answer or {}).get("error")
    text = str(error.get("message", "")) if isinstance(error, dict) else ""
    named = _PLAN.search(text)
    return Outcome(
        Kind.QUOTA, text, retry_after_s=seconds, plan=(named.group(1), int(named.group(2))) if named else None
    )


def _database(method: str, text: str) -> Outcome:
    """A 500 whose text is the database's."""
    named = _CONSTRAINT.search(text)
    constraint = named.group(1) if named else None
    if "duplicate key value" in text:
        kind = Kind.OWN_ID_EXISTS if constraint in PRIMARY_KEYS else Kind.NAME_TAKEN
    elif "violates foreign key constraint" in text:
        kind = Kind.IN_USE if method == "DELETE" else Kind.PARENT_MISSING
    elif _TAKEN in text:
        kind = Kind.STORED
    elif any(phrase in text for phrase in _CUT_ON_THE_WAY):
        kind = Kind.OUTAGE  # the body was cut before it arrived: nothing was applied
    elif any(phrase in text for phrase in _REFUSED):
        kind = Kind.REFUSED
    else:
        kind = Kind.UNKNOWN
    return Outcome(kind, text, constraint=constraint, said=True)


def _json(body: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _row(data: Any) -> Mapping[str, Any] | None:
    """The one row of an answer to a write or to `?id=`."""
    if not isinstance(data, dict):
        return None
    rows = [value for value in data.values() if isinstance(value, dict) and "id" in value]
    return rows[0] if rows else None
