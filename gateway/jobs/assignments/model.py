"""The states of an assignment."""

from enum import StrEnum


class Status(StrEnum):
    """In the order in which they follow each other."""

    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
