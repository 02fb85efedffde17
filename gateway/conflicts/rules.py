"""What a person's decision means: which of our columns go up, which of the cloud's are taken. Pure.

Execution fields go together: half a state is none. Completed is never taken back, on neither side.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cloud.mapping import same
from gateway.cloud.merge import COMPLETED, EXECUTION
from gateway.kernel.errors import Conflict, InvalidTransition

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of the row in the cloud's words: as ours stands now, and as the cloud showed theirs last.

    `unsent`: the columns that still have to go up, None for all. `worked_on`: somebody's time runs on it.
    """

    table: str
    field: str
    ours: Fields
    theirs: Fields
    unsent: Collection[str] | None = ()
    worked_on: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The columns that are decided together; all of them where it is about the row as a whole."""
        execution = EXECUTION.get(self.table, frozenset())
        if self.field in execution:
            return execution & self.ours.keys()
        return frozenset((self.field,) if self.field in self.ours else self.ours)


def to_send(sides: Sides) -> frozenset[str]:
    """Ours stays: the columns that go up again. Raises InvalidTransition."""
    names = sides.names
    if "status" in names and sides.theirs.get("status") == COMPLETED != sides.ours["status"]:
        raise InvalidTransition(
            f"it is completed in the cloud, and {sides.ours['status']} here: completed is never taken back. "
            "Reopen it in the cloud, or take the cloud's side",
            {"current_status": sides.ours["status"], "cloud_status": COMPLETED},
        )
    return names


def to_take(sides: Sides) -> dict[str, Any]:
    """Theirs is taken: the columns that change, with the cloud's values. Raises InvalidTransition, Conflict."""
    names, theirs = sides.names, sides.theirs
    require_sent(sides)
    values = {name: theirs[name] for name in names & theirs.keys() if not same(sides.ours[name], theirs[name])}
    if "status" not in values:
        return values
    if sides.ours["status"] == COMPLETED:
        raise InvalidTransition(
            f"it is completed here, and {theirs['status']} in the cloud: completed is never taken back. Keep ours",
            {"current_status": COMPLETED, "cloud_status": theirs["status"]},
        )
    if theirs["status"] == COMPLETED and sides.worked_on:
        raise Conflict("somebody's time runs on it, and the cloud has it completed: end the time entry first")
    return values


def require_sent(sides: Sides) -> None:
    """Raises Conflict: what waits to go up would bring ours back."""
    if sides.unsent is None or sides.names.intersection(sides.unsent):
        raise Conflict(
            "what was done here has not gone up yet, and would overwrite the cloud's value: wait until it has, "
            "or give it up (`queue list`, `queue discard`)"
        )
