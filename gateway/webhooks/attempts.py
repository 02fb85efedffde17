"""When a delivery is tried again, and what its log says. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

QUICK_TRIES = 3
QUICK_BASE_S, QUICK_CAP_S = 0.5, 2.0
FIRST_DELAYS_S = (60.0, 300.0, 1_800.0, 7_200.0)  # between rounds of quick tries
DELAY_S = 6 * 3_600.0
GIVE_UP_S = 72 * 3_600.0
TEXT_MAX = 1_000  # characters of one failure in the log

OK = range(200, 300)
_AGAIN_AT_ONCE = frozenset((408, 429))  # beside every 5xx and no answer at all
_AWAY = frozenset((408, 429, 502, 503, 504))


class Kind(Enum):
    """What an answer says of the endpoint and of this event."""

    DELIVERED = auto()
    AWAY = auto()  # nobody is there, or he is busy: nothing else would arrive either
    LATER = auto()  # it stumbles over this event
    NEVER = auto()  # it does not want this event


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one try. `status` None: no answer. `error` None: it was taken."""

    status: int | None
    error: str | None = None

    @property
    def again(self) -> bool:
        """Is it worth a further quick try?"""
        return self.status is None or self.status in _AGAIN_AT_ONCE or self.status >= 500  # noqa: PLR2004 -- 5xx

    @property
    def kind(self) -> Kind:
        if self.status is not None and self.status in OK:
            return Kind.DELIVERED
        if self.status is None or self.status in _AWAY:
            return Kind.AWAY
        return Kind.LATER if self.again else Kind.NEVER


@dataclass(frozen=True, slots=True)
class Round:
    """Up to three quick tries. `failures` are those before the last reply."""

    last: Reply
    failures: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return self.last.kind


def refused(status: int, body: str) -> Reply:
    return Reply(status, f"HTTP {status}: {body}"[:TEXT_MAX])


def quick_pause_s(tries: int) -> float:
    """After so many of them."""
    return min(QUICK_BASE_S * 2.0 ** (tries - 1), QUICK_CAP_S)


def pause_s(rounds: int) -> float | None:
    """After so many rounds that failed, the first counts 0; None: 72 h are over.

    Pauses are added up, not read off the wall clock: whoever sets that neither shortens nor lengthens the 72 h.
    """
    waited_s = _waited_s(rounds)
    if waited_s >= GIVE_UP_S:
        return None
    return min(_delay_s(rounds), GIVE_UP_S - waited_s)


def _delay_s(rounds: int) -> float:
    return FIRST_DELAYS_S[rounds] if rounds < len(FIRST_DELAYS_S) else DELAY_S


def _waited_s(rounds: int) -> float:
    return sum(_delay_s(one) for one in range(rounds))


def told(tried: Round, earlier: Sequence[str] = (), rounds: int = 0) -> str | None:
    """The `error_message` of the log, word for word as the cloud has it; None: delivered at the first try.

    `earlier`: the last failures of the `rounds` before this one.
    """
    number = len(tried.failures) + 1
    before = " | ".join((*earlier, *tried.failures))
    if tried.kind is Kind.DELIVERED:
        again = rounds * QUICK_TRIES + number - 1
        if not again:
            return None
        return (
            f"Recovered after {again} retries; final attempt {number}/{QUICK_TRIES} succeeded. Prior failures: {before}"
        )
    if number == QUICK_TRIES:
        return f"Exhausted retries after {QUICK_TRIES} attempts. Last failure: {tried.last.error}. Prior failures: {before}"
    return tried.last.error
