"""What is up, since when, and how far behind. Links report; `/healthz`, metrics and the CLI read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.kernel import clock as time_

State = Literal["up", "down", "degraded", "off"]
_NOT_TRIED = "not tried yet"


@dataclass(slots=True)
class Link:
    """One connection to somebody else, or one part of ourselves. `facts` are extra fields of its health entry."""

    name: str
    clock: time_.Clock
    state: State = "down"
    since: str = ""
    error: str | None = _NOT_TRIED
    facts: dict[str, Any] = field(default_factory=dict)
    tried: bool = False

    def __post_init__(self) -> None:
        self.since = time_.zulu(self.clock.now())

    def up(self) -> bool:
        """True when that is news: the moment for one line in the log. So do the others."""
        return self._become("up", None)

    def down(self, error: str) -> bool:
        return self._become("down", error)

    def degraded(self, error: str) -> bool:
        return self._become("degraded", error)

    def off(self, why: str) -> bool:
        return self._become("off", why)

    def anew(self) -> None:
        """As before the first try: whoever reports here has been started again by a person."""
        self._become("down", _NOT_TRIED)
        self.tried = False

    def _become(self, state: State, error: str | None) -> bool:
        changed = state != self.state or not self.tried  # the first failure is news as well
        self.tried = True
        if changed:
            self.since = time_.zulu(self.clock.now())
        self.state, self.error = state, error
        return changed


class Health:
    """All links by name. A link is made once, by whoever builds the part that reports on it."""

    def __init__(self, clock: time_.Clock) -> None:
        self._clock = clock
        self._links: dict[str, Link] = {}
        self._problems: list[Callable[[], str | None]] = []

    def link(self, name: str) -> Link:
        return self._links.setdefault(name, Link(name, self._clock))

    def forget(self, name: str) -> None:
        self._links.pop(name, None)

    def watch(self, problem: Callable[[], str | None]) -> None:
        """`problem()` says what is wrong with the core right now, or None."""
        self._problems.append(problem)

    def problems(self) -> list[str]:
        return [text for problem in self._problems if (text := problem())]

    def __iter__(self) -> Iterator[Link]:
        return iter(self._links.values())
