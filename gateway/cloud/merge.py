"""Cloud row + local row + what is not sent yet -> which wins. Pure.

Plan fields belong to the cloud, execution fields to the gateway of the operation's cell. Everything is compared in the
cloud's words, field by field, with the state in which both sides last agreed (`base`) between them:

| field          | changed here, not sent | changed there only | changed on both sides          |
|----------------|------------------------|--------------------|--------------------------------|
| plan           | ours                   | theirs             | ours, told as a conflict       |
| execution      | ours                   | theirs, told       | ours, waits for a person       |
| ... completed  | never goes back to another state, told as a conflict; if over there: waits for a person |
| ... held       | stays on hold until its standstill issue is settled, told as a conflict     |
| ... worked on  | neither held nor completed by the cloud, waits for a person                 |

Execution fields go together: half a state is none.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.cloud.mapping import same

Fields = Mapping[str, Any]

EXECUTION: Mapping[str, frozenset[str]] = {
    "operations": frozenset(
        "status started_at paused_at resumed_at completed_at actual_time completion_percentage".split()
    ),
    "parts": frozenset(("status", "current_cell_id")),
    "jobs": frozenset("status started_at paused_at resumed_at completed_at actual_duration current_cell_id".split()),
}
COMPLETED = "completed"
ON_HOLD = "on_hold"
IN_PROGRESS = "in_progress"
COMPLETED_THERE = "completed in the cloud while work here was not sent yet: please decide which is right"


@dataclass(frozen=True, slots=True)
class Difference:
    """Both sides of one field, and who won. `resolution` None: it waits for a person."""

    field: str
    ours: Any
    theirs: Any
    reason: str
    resolution: str | None


@dataclass(frozen=True, slots=True)
class Merged:
    """`adopt`: the columns that become the cloud's."""

    adopt: dict[str, Any] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()


def merge(
    table: str,
    ours: Fields,
    theirs: Fields,
    base: Fields,
    unsent: Collection[str],
    *,
    owned: bool,
    held: bool = False,
    worked_on: bool = False,
) -> Merged:
    """`theirs` holds the columns that the cloud showed; `owned`: the row belongs to one of our cells; `held`: an open
    standstill issue parks it here; `worked_on`: a time entry on it has not ended.
    """
    execution = EXECUTION.get(table, frozenset()) & theirs.keys()
    adopt: dict[str, Any] = {}
    differences: list[Difference] = []
    for name in sorted(theirs.keys() - execution):
        if name not in ours or same(ours[name], theirs[name]):
            continue
        if name not in unsent:
            adopt[name] = theirs[name]
        elif name not in base or not same(base[name], theirs[name]):
            reason = "changed here and in the cloud: what was done here is kept and goes up"
            differences.append(Difference(name, ours[name], theirs[name], reason, "local"))
    state = _execution(execution, ours, theirs, base, unsent, owned=owned, held=held, worked_on=worked_on)
    return Merged(adopt | state.adopt, (*differences, *state.differences))


def _execution(
    names: Collection[str],
    ours: Fields,
    theirs: Fields,
    base: Fields,
    unsent: Collection[str],
    *,
    owned: bool,
    held: bool,
    worked_on: bool,
) -> Merged:
    differing = [name for name in sorted(names) if name in ours and not same(ours[name], theirs[name])]
    if not differing:
        return Merged()
    ours_changed = bool(base) and any(name in base and not same(ours[name], base[name]) for name in differing)
    theirs_changed = not base or any(not same(theirs[name], base.get(name)) for name in differing)
    if not theirs_changed:
        return Merged()  # it is we who went on
    told = "status" if "status" in differing else differing[0]
    if ours.get("status") == COMPLETED != theirs.get("status", COMPLETED):
        return _kept(told, ours, theirs, "it is completed here: that is never taken back", "local")
    if theirs.get("status") == COMPLETED != ours.get("status", COMPLETED) and any(name in unsent for name in names):
        return _kept(told, ours, theirs, COMPLETED_THERE, None)
    if any(name in unsent for name in names):
        return _kept(told, ours, theirs, "changed in the cloud while work here was not sent yet: ours goes up", "local")
    if held and ours.get("status") == ON_HOLD and theirs.get("status") not in (ON_HOLD, COMPLETED):
        return _kept(
            told,
            ours,
            theirs,
            "an open standstill issue holds it here: it stays on hold until that is settled",
            "local",
        )
    if worked_on and "status" in differing and theirs["status"] != IN_PROGRESS:
        reason = "changed in the cloud while somebody's time runs on it here: end that, or decide which is right"
        return _kept(told, ours, theirs, reason, None)
    if ours_changed:
        return _kept(told, ours, theirs, "changed here and in the cloud: please decide which is right", None)
    if not owned or not base:
        return Merged({name: theirs[name] for name in differing})
    reason = "somebody else changed it in the cloud, although its cell belongs to this gateway"
    told_of = Difference(told, ours[told], theirs[told], reason, "cloud")
    return Merged({name: theirs[name] for name in differing}, (told_of,))


def _kept(name: str, ours: Fields, theirs: Fields, reason: str, resolution: str | None) -> Merged:
    return Merged({}, (Difference(name, ours[name], theirs[name], reason, resolution),))
