"""What comes in from a machine, and what becomes of it. Values are as the machine sent them: a way in translates no numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

STATE = "state"  # names of inputs, as far as they are fixed
CYCLE = "cycle"
BADGE = "badge"
COUNTER = "counter/"
TAG = "tag/"


class State(StrEnum):
    """The words that everybody reads, whatever the machine says."""

    RUNNING = "running"
    IDLE = "idle"
    SETUP = "setup"
    STOPPED = "stopped"
    FAULT = "fault"
    OFF = "off"
    UNKNOWN = "unknown"


class Quality(StrEnum):
    GOOD = "good"
    UNCERTAIN = "uncertain"  # its clock and ours do not agree
    BAD = "bad"  # offline, or silent for too long


class Verb(StrEnum):
    """What a machine may ask for."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    COMPLETE = "complete"
    REPORT = "report"
    ISSUE = "issue"
    ACTIVE = "active"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value. `input`: `state`, `counter/<name>`, `tag/<name>`, or the topic of a mapping; `occurred_at`: by the device's
    own clock; `kept`: it waited for us while we were away, and may be older than what we know. `quality`: what its source
    thinks of it; `id`: of this very value, for those that can be told again.
    """

    device: str
    input: str
    value: Any
    occurred_at: datetime | None = None
    kept: bool = False
    quality: Quality = Quality.GOOD
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle finished. `program` is a name, or an object {name, parts}: how many pieces one run of it makes."""

    device: str
    id: str | None = None
    good: Any = 0
    scrap: Any = 0
    program: Any = None
    duration_s: Any = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Badge:
    """Somebody held a badge to the reader; `on` False: he leaves. `id`: of this very moment, for those that can be told again."""

    device: str
    badge: str = field(repr=False)
    on: bool = True
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A machine asks for something. `body` without the request id; `queued`: it waited for us while we were away, and nobody
    said for how long it is worth something.
    """

    device: str
    verb: str
    request_id: str | None
    body: Mapping[str, Any]
    queued: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was not done, for whoever sent it: a code and a sentence. What it was part of is done all the same."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How a machine stands. `operation_id`: what it makes, by the rule for targets; None when nobody can tell."""

    device: str
    state: State
    raw: Any
    since: str | None
    quality: Quality
    source_timestamp: str | None
    received_at: str | None
    program: str | None
    counters: Mapping[str, Any]
    tags: Mapping[str, Any]
    version: int
    operation_id: str | None
