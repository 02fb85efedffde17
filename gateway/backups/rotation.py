"""Which backups stay. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

AHEAD_MAX = timedelta(days=1)  # a name further in the future was given by a clock that was wrong


@dataclass(frozen=True, slots=True)
class Kept:
    """One that is there."""

    name: str
    at: datetime
    bytes: int


def superfluous(
    there: Collection[Kept], *, made: Kept, keep_daily: int, keep_weekly: int, max_bytes: int | None
) -> list[str]:
    """The names of those that go. The newest of each of the last days and weeks on which one was made stay, as long as they fit
    into `max_bytes`, newest first; the one `made` now always stays, and what a wrong clock has dated after it counts as old.
    """
    newest_first = sorted(
        there, key=lambda one: (one == made, one.at <= made.at + AHEAD_MAX, one.at, one.name), reverse=True
    )
    days = _first_of(newest_first, (one.at.date() for one in newest_first), keep_daily)
    weeks = _first_of(newest_first, (one.at.isocalendar()[:2] for one in newest_first), keep_weekly)
    stay, size, full = set[str](), 0, False
    for place, one in enumerate(newest_first):
        wanted = place == 0 or one.name in days | weeks
        full = full or (wanted and place > 0 and max_bytes is not None and size + one.bytes > max_bytes)
        if wanted and not full:
            stay.add(one.name)
            size += one.bytes
    return [one.name for one in newest_first if one.name not in stay]


def _first_of(ordered: Iterable[Kept], periods: Iterable[object], count: int) -> set[str]:
    first: dict[object, str] = {}
    for one, period in zip(ordered, periods, strict=True):
        first.setdefault(period, one.name)
    return {*[*first.values()][:count]}
