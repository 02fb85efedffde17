"""What the writer runs in one transaction, and what came of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Job:
    body: Callable[..., Any]
    args: tuple[Any, ...]
    future: asyncio.Future[Any] | None  # None: deferred, nobody waits


@dataclass(slots=True)
class Outcome:
    job: Job
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class Round:
    """What came of one group."""

    outcomes: list[Outcome]
    changed: bool = False
