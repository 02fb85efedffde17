"""What a terminal sends, as it is checked."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr, model_validator

from gateway.catalog.models import Instant, Uuid
from gateway.issues.resources import CATEGORIES, DESCRIPTION_MAX, SEVERITIES, TITLE_MAX
from gateway.operations.quantities.resources import COUNT_MAX
from gateway.operations.time_entries.resources import DURATION_MAX_MIN
from gateway.terminals import rules
from gateway.terminals.model import Kind

TEXT_MAX = 500  # characters of what is said in passing
ABOUT_MAX = 1_000
CONFIRMED_MAX = 10
REASONS_MAX = 50
AGE_MAX_MS = 10**12

_Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
_Text = Annotated[StrictStr, Field(max_length=TEXT_MAX)]
_Given = Annotated[StrictStr, Field(min_length=1, max_length=TEXT_MAX)]
_Digits = Annotated[StrictStr, Field(max_length=rules.PIN_DIGITS_MAX)]
_Pin = Annotated[_Digits | None, Field(repr=False)]
_Severity: Any = Literal[SEVERITIES]
_Category: Any = Literal[CATEGORIES]
_Step = Literal["not_started", "in_progress", "completed", "blocked"]


class Sent(BaseModel):
    model_config = ConfigDict(extra="forbid")


class About(Sent):
    """What the browser says of itself."""

    user_agent: Annotated[str, Field(max_length=ABOUT_MAX)] | None = None
    secure_context: bool | None = None
    service_worker: bool | None = None


class Pair(Sent):
    code: Annotated[StrictStr, Field(max_length=20, repr=False)]
    about: About = About()


class SignIn(Sent):
    """Who, and the proof."""

    operator_id: Uuid | None = None
    badge: Annotated[_Given | None, Field(repr=False)] = None
    pin: _Pin = None


class Unlock(Sent):
    pin: _Pin = None


class SetPin(Sent):
    operator_id: Uuid
    pin: Annotated[_Digits, Field(repr=False)]
    session: Uuid | None = None


class Seen(Sent):
    """How the terminal stands."""

    waiting: _Count = 0
    oldest_age_ms: Annotated[int, Field(ge=0, le=AGE_MAX_MS)] | None = None
    build: Annotated[str, Field(max_length=100)] | None = None
    reload_protection: bool | None = None
    battery: Annotated[float, Field(ge=0, le=1)] | None = None
    clock_offset_ms: Annotated[int, Field(ge=-AGE_MAX_MS, le=AGE_MAX_MS)] | None = None


class Discarded(Sent):
    """A command that a person gave up: who, and what the gateway had said of it."""

    id: Uuid
    type: Kind
    operation_id: Uuid | None = None
    by: _Text
    code: _Text | None = None
    message: _Text | None = None


class Tap(Sent):
    """One command; its payload is checked by its type."""

    id: Uuid
    type: Kind
    operation_id: Uuid
    payload: dict[str, Any] = {}
    session: Uuid
    age_ms: Annotated[int, Field(ge=0, le=AGE_MAX_MS)] | None = None
    tapped_at: Instant | None = None


# ------------------------------------------------------------------ payloads


class Scrapped(Sent):
    reason_id: Uuid
    quantity: Annotated[int, Field(ge=1, le=COUNT_MAX)]


_Scrap = Annotated[list[Scrapped], Field(max_length=REASONS_MAX)]
_Confirmed = Annotated[list[_Given], Field(max_length=CONFIRMED_MAX)]


class Start(Sent):
    setup: StrictBool = False
    pause_other: Uuid | None = None
    join: StrictBool = False
    batch: StrictBool = False
    confirmed: _Confirmed = []

    @model_validator(mode="after")
    def _is_set_up_alone(self) -> "Start":
        if self.batch and self.setup:
            raise ValueError("setup or batch: one operation of a batch is set up, not all of them")
        return self


class Pause(Sent):
    pass


class Resume(Sent):
    reason: _Given | None = None
    pause_other: Uuid | None = None


class Report(Sent):
    good: _Count = 0
    scrap: _Scrap = []
    rework: _Count = 0


class Finish(Report):
    batch: StrictBool = False
    confirmed: _Confirmed = []


class Issue(Sent):
    category_id: Uuid | None = None
    severity: _Severity | None = None
    title: Annotated[StrictStr, Field(max_length=TITLE_MAX)] | None = None
    description: Annotated[StrictStr, Field(max_length=DESCRIPTION_MAX)] | None = None
    stops_work: StrictBool = False
    ncr_type: _Category | None = None
    affected_quantity: _Count | None = None
    photos: Annotated[int, Field(ge=0, le=rules.PHOTOS_MAX)] = 0

    @model_validator(mode="after")
    def _says_something(self) -> "Issue":
        if not (self.category_id or self.title or self.description):
            raise ValueError("category_id, title or description: what is wrong?")
        return self


class Check(Sent):
    substep_id: Uuid
    status: _Step
    notes: _Text | None = None


class Handoff(Sent):
    text: Annotated[StrictStr, Field(min_length=1, max_length=rules.HANDOFF_MAX)]


class Correct(Sent):
    """A quantity with its right numbers, or a time entry with its right times (`duration` in minutes)."""

    quantity_id: Uuid | None = None
    entry_id: Uuid | None = None
    good: _Count | None = None
    scrap: _Scrap | None = None
    rework: _Count | None = None
    start_time: Instant | None = None
    end_time: Instant | None = None
    duration: Annotated[int, Field(ge=0, le=DURATION_MAX_MIN)] | None = None
    reason: _Given
    supervisor_session: Uuid


PAYLOADS: dict[Kind, type[Sent]] = {
    Kind.START: Start,
    Kind.PAUSE: Pause,
    Kind.RESUME: Resume,
    Kind.FINISH: Finish,
    Kind.REPORT: Report,
    Kind.ISSUE: Issue,
    Kind.CHECK: Check,
    Kind.HANDOFF: Handoff,
    Kind.CORRECT: Correct,
}
