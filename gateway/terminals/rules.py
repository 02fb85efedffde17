"""When a tap happened, whether its session counts, how PINs and codes look, and what is in the way of a start or a finish. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.kernel.errors import ConfirmationNeeded, Invalid, SessionEnded
from gateway.terminals.model import Command, Pin, Session

PIN_DIGITS_MIN, PIN_DIGITS_MAX = 4, 6
WRONG_MAX = 5  # PINs in a row
LOCKED = timedelta(minutes=15)
SESSION = timedelta(hours=16)  # a shift and more: then it has ended by itself
SESSIONS_MAX = 6  # signed in at one terminal at once
SLACK = timedelta(minutes=2)  # by which a terminal's clock may be off when it says that a tap came before the end
LATE_MAX = timedelta(days=30)  # as long as a receipt is kept: later nobody could tell a repetition
FIRST_PINS = timedelta(minutes=15)  # after pairing, in which the first PINs can be set without a supervisor
HANDOFF_MAX = 280  # characters
PHOTOS_MAX = 5  # of one issue

_PIN = re.compile(rf"[0-9]{{{PIN_DIGITS_MIN},{PIN_DIGITS_MAX}}}")


def happened_at(command: Command, session: Session, now: datetime) -> datetime:
    """When the tap counts as having been: never in the future, never before its session began. Raises Invalid."""
    if command.age_ms is not None:
        at = now - timedelta(milliseconds=max(0, command.age_ms))
    elif command.tapped_at is not None:
        at = min(now, command.tapped_at)
    else:
        raise _wrong("age_ms", "neither age_ms nor tapped_at says when it was tapped")
    if now - at > LATE_MAX:
        raise _wrong("age_ms", f"it was tapped more than {LATE_MAX.days} days ago: book it by hand")
    return max(at, min(now, session.started_at))


def require_session(session: Session, at: datetime, *, again: bool) -> None:
    """`again`: the same person is signed in at this terminal now, and so vouches for what was tapped before.

    Raises SessionEnded.
    """
    over = min(session.ended_at or session.started_at + SESSION, session.started_at + SESSION)
    if at > over + SLACK and not again:
        raise SessionEnded(f"{session.person.name} is not signed in any more: sign in again, nothing is lost")


def live(session: Session, now: datetime) -> bool:
    return session.ended_at is None and now < session.started_at + SESSION


def check_pin(pin: Pin) -> None:
    """Raises Invalid, which never shows it."""
    if _PIN.fullmatch(pin.digits) is None:
        raise _wrong("pin", f"a PIN has {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits")


def locked_for_s(locked_until: datetime | None, now: datetime) -> int:
    """0 when it is not locked. An end that lies further away than any lock lasts was written by a clock that was wrong."""
    left = (locked_until - now) if locked_until else timedelta()
    return max(1, round(left.total_seconds())) if timedelta() < left <= LOCKED else 0


# ------------------------------------------------------------------ what is in the way

Blocker = Mapping[str, Any]
EARLIER, ASSEMBLY, NEXT_FULL = "earlier_open", "assembly_open", "next_cell_full"
OVER, UNDER = "over_plan", "under_plan"
CHECKLIST = "checklist_open"


def blocker(kind: str, message: str, *, may_confirm: bool, **told: Any) -> Blocker:
    return {"kind": kind, "message": message, "may_confirm": may_confirm, **told}


def at_start(
    earlier: Sequence[Mapping[str, Any]],
    children: Sequence[Mapping[str, Any]],
    next_cell: Mapping[str, Any] | None,
    *,
    start_anyway: bool,
) -> list[Blocker]:
    """`earlier`: operations of the part before this one that are open, `children`: parts below it that are. `next_cell` has
    `wip`, `wip_limit` and `enforce_wip_limit`.
    """
    found = []
    if earlier:
        names = ", ".join(one["name"] for one in earlier)
        message = f"an earlier step is not completed: {names}"
        found.append(blocker(EARLIER, message, may_confirm=start_anyway, operations=[*earlier]))
    if children:
        numbers = ", ".join(one["part_number"] for one in children)
        message = f"parts that this is assembled of are not completed: {numbers}"
        found.append(blocker(ASSEMBLY, message, may_confirm=start_anyway, parts=[*children]))
    if next_cell and next_cell["wip_limit"] is not None and next_cell["wip"] >= next_cell["wip_limit"]:
        message = f"{next_cell['name']} is full: {next_cell['wip']} of {next_cell['wip_limit']} are in work there"
        may = not next_cell["enforce_wip_limit"]
        found.append(blocker(NEXT_FULL, message, may_confirm=may, cell=dict(next_cell)))
    return found


def at_finish(
    planned: int, good: int, steps: Sequence[Mapping[str, Any]], *, checklist_required: bool
) -> list[Blocker]:
    """`good`: all good pieces of it, with those that are reported now. `steps`: those of its checklist that are open."""
    found = []
    if checklist_required and steps:
        names = ", ".join(one["name"] for one in steps)
        message = f"the checklist is not through: {names}"
        found.append(blocker(CHECKLIST, message, may_confirm=False, substeps=[*steps]))
    kind = OVER if good > planned else UNDER
    if good != planned:
        message = f"{good} good of {planned} planned"
        found.append(blocker(kind, message, may_confirm=True, planned=planned, good=good))
    return found


def require_clear(blockers: Iterable[Blocker], confirmed: Collection[str]) -> None:
    """Raises ConfirmationNeeded with all that is in the way, also with what was confirmed where that does not help."""
    left = [one for one in blockers if not (one["may_confirm"] and one["kind"] in confirmed)]
    if left:
        messages = dict.fromkeys(one["message"] for one in left)  # of a batch several may say the same
        raise ConfirmationNeeded("; ".join(messages), {"blockers": left})


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, [{"field": field, "message": message, "constraint": "CHECK_CONSTRAINT"}])
