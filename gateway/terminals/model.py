"""What is known of a terminal, of who works at it, and of one tap."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.web.routes import Caller, Scope

SUPERVISOR = "admin"  # the role of a profile that may set PINs and correct what was booked


class Kind(StrEnum):
    """What a command can be."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    REPORT = "report"
    ISSUE = "issue"
    CHECK = "check"
    HANDOFF = "handoff"
    CORRECT = "correct"


@dataclass(frozen=True, slots=True)
class NewTerminal:
    """One that is to be paired. `cell_id`: where it stands; None: nowhere in particular."""

    name: str
    cell_id: str | None = None
    language: str | None = None
    theme: str | None = None


@dataclass(frozen=True, slots=True)
class Terminal:
    id: str
    name: str
    cell_id: str | None
    language: str | None
    theme: str | None
    created_at: datetime

    @property
    def space(self) -> str:
        """Of its receipts, and how it is called where work says who booked it."""
        return f"terminal:{self.id}"

    @property
    def told(self) -> dict[str, Any]:
        """As the page gets it."""
        return {name: getattr(self, name) for name in ("id", "name", "cell_id", "language", "theme")}


@dataclass(frozen=True, slots=True)
class Policy:
    """What the site wants: `[terminal]` in the settings, where each is explained."""

    badge_only: bool = False
    lock_after_s: float = 300.0
    own_cell_only: bool = False
    join: bool = True
    start_anyway: bool = True
    work_modes: bool = False
    checklist_required: bool = False
    pedal_key: str = ""

    def cells(self, terminal: Terminal) -> frozenset[str] | None:
        """Those that it may see and write in; None: all."""
        bound = self.own_cell_only and terminal.cell_id is not None
        return frozenset((terminal.cell_id or "",)) if bound else None


@dataclass(frozen=True, slots=True)
class Person:
    """A profile at work here."""

    id: str
    name: str
    employee_id: str | None
    role: str

    @property
    def supervisor(self) -> bool:
        return self.role == SUPERVISOR


@dataclass(frozen=True, slots=True)
class Pin:
    """As somebody has typed it. Nothing shows it, a traceback neither."""

    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Session:
    """One person, signed in at one terminal."""

    id: str
    terminal_id: str
    person: Person
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One tap. `age_ms`: how long ago it was, by a clock that only grows; without it `tapped_at`, by the terminal's own clock as it
    was corrected there.
    """

    id: str
    kind: Kind
    operation_id: str
    payload: Mapping[str, Any]
    session_id: str
    age_ms: int | None = None
    tapped_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """A tap that counts: by whom, when, and with what rights."""

    command: Command
    session: Session
    at: datetime
    policy: Policy
    terminal: Terminal
    caller: Caller = field(init=False)

    def __post_init__(self) -> None:
        cells = self.policy.cells(self.terminal)
        caller = Caller(self.terminal.space, self.terminal.name, Scope.OPERATE, cells, self.session.person.id)
        object.__setattr__(self, "caller", caller)

    @property
    def operation_id(self) -> str:
        return self.command.operation_id

    @property
    def payload(self) -> Mapping[str, Any]:
        return self.command.payload

    @property
    def operator_id(self) -> str:
        return self.session.person.id
