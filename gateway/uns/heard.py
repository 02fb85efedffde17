"""What devices may send, as `/asyncapi.json` shows it. `inbound/wire.py` takes more than this, because small clients cannot
build JSON; every example here goes through it in the tests.
"""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads those of `typing` from Python 3.12 on only

from gateway.uns.shapes import At

Number = int | float | str  # 1, 1.0 and "1" are the same
Scalar = bool | int | float | str


class Value(TypedDict):
    """A value with the moment at which the device had it."""

    v: Scalar
    ts: NotRequired[At]


class NamedState(TypedDict):
    state: Scalar
    ts: NotRequired[At]


class Presence(TypedDict):
    """The device's own birth or last will."""

    online: bool


class Program(TypedDict):
    """`parts`: how many pieces one run of it makes."""

    name: str
    parts: NotRequired[Number]


class FinishedCycle(TypedDict):
    """One cycle finished. A repeat with the same `id` is not booked again."""

    id: NotRequired[str | int]
    good: NotRequired[Number]
    scrap: NotRequired[Number]
    program: NotRequired[str | Program]
    duration_s: NotRequired[Number]
    ts: NotRequired[At]


class HeldBadge(TypedDict):
    """Somebody held a badge to the reader; `on` false: he leaves."""

    badge: str | int
    on: NotRequired[bool]


class Operator(TypedDict, total=False):
    badge: str
    id: str


class Command(TypedDict):
    """`request_id` unless the message has MQTT 5 correlation data: the same again gets the first answer.

    Which operation: `operation_id`, or `job_number` with `part_number`, `sequence` or `operation_name`, or the one that the device
    works on.
    """

    request_id: NotRequired[Annotated[str, Field(min_length=1, max_length=128)]]
    operation_id: NotRequired[str]
    job_number: NotRequired[str]
    part_number: NotRequired[str]
    sequence: NotRequired[int]
    operation_name: NotRequired[str]
    operator: NotRequired[Operator]
    expires_at: NotRequired[At]
    good: NotRequired[Number]
    scrap: NotRequired[Number]
    rework: NotRequired[Number]
    scrap_reason: NotRequired[str]


State = Value | NamedState | Scalar
Counter = Value | Number
Tag = Value | Scalar | dict[str, Any] | list[Any]
Cycle = FinishedCycle | Number
Badge = HeldBadge | str
Online = Presence | bool | Literal["online", "offline"]
