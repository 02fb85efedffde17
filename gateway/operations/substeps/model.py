"""The states of a substep."""

from enum import StrEnum


class Status(StrEnum):
    """Any of them may follow any other."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    BLOCKED = "blocked"
