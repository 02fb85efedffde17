"""Looks into the folder, waits until a file stands still, has it taken over, puts it away."""

import asyncio
import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import structlog

from gateway.plugin_api import Context, Outcome, Unavailable
from plugins.csv_dropbox import folder as folder_
from plugins.csv_dropbox.folder import DONE, FAILED, Lying, Read
from plugins.csv_dropbox.orders import Tally, Unusable, report, requests

LOOK_EVERY_S = 1.0
STILL_S = (
    3.0  # for which size and time have to stand still: whoever writes slower writes under another name and renames
)
SWEEP_EVERY_S = 3600.0
NAMED_MAX = 5  # files, in one error
# Not the file's fault: it stays, and is tried again.
LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE})
STILL_RUNNING = "STILL_RUNNING"

T = TypeVar("T")

log = structlog.get_logger(__name__)


class DropBox:
    def __init__(self, folder: Path, external_source: str, context: Context[Any]) -> None:
        self._folder = folder
        self._external_source = external_source
        self._context = context
        self._seen: dict[Lying, float] = {}  # as it was seen -> since when
        context.link.facts |= {"files_done": 0, "files_failed": 0, "files_waiting": 0}

    async def run(self) -> None:
        """For ever. Raises Unavailable when the folder or the gateway cannot be used now."""
        clock = self._context.clock
        await self._on_disk(folder_.ready, self._folder)
        swept_s = -SWEEP_EVERY_S
        while True:
            unreadable = await self._round()
            if unreadable:
                self._context.link.degraded(f"cannot be read: {', '.join(unreadable[:NAMED_MAX])}")
            else:
                self._context.link.up()
            if clock.monotonic() - swept_s > SWEEP_EVERY_S:
                await self._on_disk(folder_.sweep, self._folder, clock.now().timestamp())
                swept_s = clock.monotonic()
            await clock.sleep(LOOK_EVERY_S)

    async def _round(self) -> list[str]:
        """The names of files that cannot be read: they are nobody else's error."""
        now_s = self._context.clock.monotonic()
        lying = await self._on_disk(folder_.look, self._folder)
        self._seen = {one: self._seen.get(one, now_s) for one in lying}
        self._context.link.facts["files_waiting"] = len(lying)
        moving = [one for one in lying if now_s - self._seen[one] < STILL_S]
        unreadable = []
        for one in lying:
            if one in moving or _waits_for(one, moving):
                continue
            try:
                read = await asyncio.to_thread(folder_.read, one)
            except FileNotFoundError:
                continue
            except OSError as exc:
                unreadable.append(f"{one.path.name} ({exc.strerror})")
                continue
            if read is not None:  # else it was not at rest after all
                await self._take(read)
        return unreadable

    async def _take(self, one: Read) -> None:
        tally = Tally()
        try:
            for request in await asyncio.to_thread(requests, one, self._external_source):
                outcome = await self._context.api.call(request, self._context.caller)
                _not_later(outcome)
                await asyncio.to_thread(tally.add, outcome)
        except Unusable as exc:
            tally.errors.append(str(exc))
        await self._put_away(one, tally)

    async def _put_away(self, one: Read, tally: Tally) -> None:
        where, fact = (FAILED, "files_failed") if tally.failed else (DONE, "files_done")
        goal = await self._on_disk(folder_.put_away, one, where, report(one, tally))
        facts = self._context.link.facts
        facts[fact] += 1
        facts["files_waiting"] -= 1
        facts["last_file"] = f"{where}/{goal.name}"
        log.info("dropbox.taken", file=goal.name, where=where, created=tally.created, refused=tally.refused)

    async def _on_disk(self, act: Callable[..., T], *given: Any) -> T:
        """A share on another machine may let one wait. Raises Unavailable."""
        try:
            return await asyncio.to_thread(act, *given)
        except OSError as exc:
            where = exc.filename or self._folder
            raise Unavailable(f"{where} cannot be used ({exc.strerror}): see [plugins.csv_dropbox] folder") from exc


def _waits_for(one: Lying, moving: Sequence[Lying]) -> bool:
    """What it may refer to is still being written."""
    return any(other.turn[0] < one.turn[0] for other in moving)


def _not_later(outcome: Outcome) -> None:
    """Raises Unavailable."""
    if outcome.status in LATER or (not outcome.good and json.loads(outcome.body)["error"]["code"] == STILL_RUNNING):
        raise Unavailable(json.loads(outcome.body)["error"]["message"])
