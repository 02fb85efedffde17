"""Carries out the steps of a plan: rows to where they should be, fresh transitions through the cloud's lifecycle calls.

The cloud's calls stamp their own clock and forget to compute the time when nobody is booked any more: so our own entries and
the true sum go first, and stamps that are off are set right afterwards, in the same step.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from gateway.cloud import mapping, plan, store
from gateway.cloud.before import Before
from gateway.cloud.files import Files
from gateway.cloud.listed import PART_IMAGES
from gateway.cloud.mapping import Wanted
from gateway.cloud.merge import COMPLETED
from gateway.cloud.outcome import Kind, Outcome, told
from gateway.cloud.plan import EFFECTS, Intent, Step
from gateway.cloud.rows import Again, No, Rows
from gateway.cloud.store import CloudRow
from gateway.kernel import clock as time_
from gateway.kernel.clock import Clock
from gateway.kernel.db import Database

log = structlog.get_logger(__name__)

STAMP_TOLERANCE = timedelta(seconds=2)
EXECUTION = frozenset(
    "status started_at paused_at resumed_at completed_at actual_time completion_percentage".split()
)  # columns that the events tell, not the row as it stands now
_STATES = {Kind.PLAN_LIMIT: store.BLOCKED, Kind.DOWN: store.BLOCKED_FUNCTION}
_CLOSED = ("end_time", "duration")  # what a call writes into an entry that is open


@dataclass(frozen=True, slots=True)
class Parked:
    """An intent that the cloud refused, and the entries that wanted it. `aggregate`: what waits for it, if not all that happens
    to their own.
    """

    seqs: tuple[int, ...]
    reason: str
    state: str
    request: Mapping[str, Any]
    aggregate: str = ""


class Waits(Exception):
    """What is left of a step has to wait for its turn: what is done of it is known, and costs nothing when it comes again."""


class Sender:
    def __init__(self, rows: Rows, files: Files, db: Database, clock: Clock) -> None:
        self._rows = rows
        self._before = Before(rows)
        self._files = files
        self._db = db
        self._clock = clock

    async def send(
        self, step: Step, lane: str, *, suspect: bool, waits: Callable[[], bool], doubtful_up_to: int = 0
    ) -> Parked | None:
        """One step, up to the first refusal: what comes after it may hang on what was refused, and is planned anew. Asked before
        each row: `waits()`, and then Waits is raised.

        `suspect`: an earlier self may have sent some of it just before it died, so it may still arrive. `doubtful_up_to`: up to
        here it was written before the box was restored, and whoever it was then may have gone on with it. Raises Again. In
        neither case the step counts as done; all of it can be repeated, and what is done already costs nothing.
        """
        if step.verb:
            return await self._guarded(step.intents[0].seqs if step.intents else (), self._live(step, lane))
        for intent in step.intents:
            if waits():
                raise Waits
            if refused := await self._guarded(
                intent.seqs, self._fold(step, intent, lane, suspect=suspect, doubtful_up_to=doubtful_up_to)
            ):
                return refused
        for intent in step.intents:  # files last: they take their time
            last = intent.files[-1:]  # parked, it stands for the file: the others have nothing left to ask for
            if last and waits():
                raise Waits
            if last and (refused := await self._guarded(last, self._bring(intent, lane))):
                return refused
        return None

    async def settle(self, rows: Sequence[tuple[str, str]], lane: str) -> None:
        """Write the state that we want once more, whatever late requests have made of it. Raises Again.

        What the cloud refuses is told and left: it has refused the late request as well.
        """
        done: list[CloudRow] = []
        try:
            for table, row_id in rows:
                row = await self._rows.known(table, row_id, lane)
                try:
                    await (self._files.settle(row) if table == PART_IMAGES else self._rewrite(row))
                except No as refusal:
                    if refusal.outcome.kind is Kind.DOWN:
                        continue
                    log.warning("settle.refused", table=table, id=row_id, error=refusal.outcome.text)
                except Again as again:
                    if again.outcome.kind is not Kind.UNKNOWN:
                        raise
                    continue  # this row's time has begun anew; the others need not wait for it
                done.append(row)
        finally:
            await self._rows.settled(done)

    @property
    def uploading(self) -> int:
        """So many lanes are busy with a file."""
        return self._files.sending

    def taken(self, lane: str) -> int:
        """How many changes of a lane were confirmed since somebody asked."""
        return self._rows.taken(lane)

    def calls(self) -> bool:
        """Are lifecycle calls possible there?"""
        return not self._rows.client.functions.bare

    async def answers(self, table: str) -> bool:
        """Can the cloud read this table at all? Tells an entry that it will never take from an outage."""
        return (await self._rows.client.page(table, {"limit": "1"})).kind is Kind.OK

    async def _rewrite(self, row: CloudRow) -> None:
        table, row_id = row.table, row.id
        owner = await self._db.read(store.entry_of_segment, row_id) if table == "time_entries" else row_id
        found = await self._db.read(store.local, table, owner)
        if row.deleted:
            await self._rows.remove(row, (found[0] if found else {}), self._now())
        elif found is not None and row.base and row.written:
            values = next((want.values for want in mapping.wanted(table, *found) if want.id == row_id), {})
            body = self._possible(table, {name: values[name] for name in row.written if name in values})
            if body:
                await self._rows.change(row, body, found[0].get("updated_at") or self._now())

    async def _guarded(self, seqs: Sequence[int], doing: Awaitable[None]) -> Parked | None:
        """`seqs`: the entries that ask for it."""
        try:
            await doing
        except Again as again:
            again.seqs = tuple(seqs)
            raise
        except No as refusal:
            state = _STATES.get(refusal.outcome.kind, "parked")
            return Parked(tuple(seqs), told(refusal.outcome), state, refusal.request, refusal.aggregate)
        return None

    async def _bring(self, intent: Intent, lane: str) -> None:
        row = await self._rows.known(intent.table, intent.id, lane)
        if row.base and not row.deleted:
            await self._files.bring(row)

    # ------------------------------------------------------------------ folded

    async def _fold(self, step: Step, intent: Intent, lane: str, *, suspect: bool, doubtful_up_to: int = 0) -> None:
        found = await self._db.read(store.local, intent.table, intent.id)
        if intent.op == "delete" or found is None or found[0].get("deleted_at"):
            await self._delete(intent, found[0] if found else intent.old or {}, lane, suspect=suspect)
            return
        updated_at = found[0].get("updated_at") or self._now()
        earlier = bool(intent.seqs) and intent.seqs[-1] <= doubtful_up_to
        for want in mapping.wanted(intent.table, *found):
            row = await self._rows.known(want.table, want.id, lane)
            body = dict(self._possible(want.table, self._chosen(want, intent, step.execution.get(intent.id), row)))
            if intent.files and row.base:
                body.pop(mapping.LISTS[intent.table], None)  # it follows its files
            if row.deleted or not body or (want.empty and not row.base and row.attempted is None):
                continue
            doubtful = body.keys() if row.unsettled_until else intent.decided
            if suspect:
                await self._rows.suspect(row, body.keys())
            earlier_at = updated_at if earlier else ""
            body = dict(await self._before.look(row, want.values, body, doubtful, earlier_at=earlier_at))
            if intent.table == "time_entries":
                await self._endangered(row, want)
            await self._rows.put(row, body, updated_at, earlier=earlier)

    def _chosen(
        self, want: Wanted, intent: Intent, execution: Mapping[str, Any] | None, row: CloudRow
    ) -> dict[str, Any]:
        """What to send: all of a new row, of a known one what differs; an operation's state as the events left it."""
        values, fields = dict(want.values), intent.fields
        if execution is not None:
            told = EXECUTION - plan.SUMS
            if execution.get("status") == COMPLETED:
                # Somebody else's start may stand there; ours does not change any more.
                execution = {"started_at": values["started_at"], **execution}
            values = {name: value for name, value in values.items() if name not in told} | dict(execution)
            fields = None if fields is None else (fields - told) | execution.keys()
        if not row.base:
            return values
        whole = fields is None or intent.op == "insert" or intent.table in mapping.WHOLE
        return {
            name: value
            for name, value in values.items()
            if name in intent.decided
            or ((whole or name in (fields or ())) and not mapping.same(value, row.base.get(name)))
        }

    def _possible(self, table: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return mapping.without_hosted(table, body) if self._rows.client.functions.bare else body

    async def _endangered(self, row: CloudRow, want: Wanted) -> None:
        """A call on its operation that nobody answered may still run: it would close this entry too."""
        operation = await self._rows.known("operations", want.values["operation_id"], row.lane)
        if operation.unsettled_until and not row.unsettled_until:
            await self._rows.unsettle(row, _CLOSED)

    async def _delete(self, intent: Intent, old: Mapping[str, Any], lane: str, *, suspect: bool) -> None:
        ids = [intent.id]
        if old and intent.table == "time_entries":  # one entry for each stretch of work
            ids = [want.id for want in mapping.wanted(intent.table, old, old.get("pauses", ()))]
        for row_id in ids:
            row = await self._rows.known(intent.table, row_id, lane)
            if suspect:
                await self._rows.suspect(row, ())
            if row.deleted and row.unsettled_until is None:
                continue
            if not row.base and not row.deleted and await self._db.read(store.booked_on, intent.table, row_id):
                (want,) = mapping.wanted(intent.table, old)
                await self._rows.bury(row, self._possible(want.table, want.values), old, self._now())
            else:
                await self._rows.remove(row, old, self._now())

    # ------------------------------------------------------------------ live

    async def _live(self, step: Step, lane: str) -> None:
        """A fresh transition: true times first, then the lifecycle call, then what it got wrong."""
        entry, verb = step.entries[0], step.verb or ""
        operation_id = entry.aggregate.partition(":")[2]
        row = await self._rows.known("operations", operation_id, lane)
        if row.deleted:
            await self._entries(step, lane)  # the cloud takes them, and they were worked
            return
        stamps = plan.stamps(entry)
        if verb in ("pause", "complete"):
            await self._entries(step, lane)
            if (worked := stamps.get("actual_time")) and worked != row.base.get("actual_time"):
                await self._rows.change(row, {"actual_time": worked}, entry.occurred_at)
        elif verb == "start" and not row.base.get("started_at"):
            await self._rows.change(row, {"started_at": stamps["started_at"]}, entry.occurred_at)
        if not row.deleted:
            await self._call(row, verb, stamps, entry.occurred_at)
        if verb in ("start", "resume"):
            await self._entries(step, lane)

    async def _entries(self, step: Step, lane: str) -> None:
        for intent in step.intents:
            if intent.table == "time_entries":
                await self._fold(step, intent, lane, suspect=False)

    async def _call(self, row: CloudRow, verb: str, stamps: Mapping[str, Any], occurred_at: str) -> None:
        target, column, _ = EFFECTS[verb]
        outcome = await self._rows.client.lifecycle(verb, row.id)
        if verb in ("pause", "complete") and outcome.kind in (Kind.OK, Kind.UNKNOWN, Kind.WRONG_STATE):
            await self._closed_by_call(row)
        if outcome.kind is Kind.OK:
            echo = (outcome.data or {}).get("operation", {})
            row.base.update({name: echo.get(name) for name in EXECUTION if name in echo})
            off = {column: stamps[column]} if column in stamps and _off(echo.get(column), stamps[column]) else {}
            if off:
                await self._rows.change(row, off, occurred_at)
            self._rows.keep(row)
            return
        if outcome.kind is Kind.UNKNOWN:
            await self._unsettle_all(row)
            outcome = await self._asked(row, outcome, target)
        reached = outcome.kind is Kind.WRONG_STATE and outcome.state == target
        if outcome.kind is Kind.WRONG_STATE and outcome.state == "completed" and not reached:
            await self._before.dropped(row, target)
            return
        if outcome.kind in (Kind.WRONG_STATE, Kind.GONE, Kind.DOWN):
            # Absolute, so also right when it was reached already.
            await self._rows.change(row, await self._whole(row, stamps), occurred_at)
            return
        if outcome.kind is Kind.REFUSED:
            raise No(outcome, "POST", f"api-operation-lifecycle/{verb}", None)
        raise Again(outcome, row.table)

    async def _whole(self, row: CloudRow, stamps: Mapping[str, Any]) -> dict[str, Any]:
        """Completed by us, though somebody else was quicker: the start of his is not that of ours."""
        found = await self._db.read(store.local, row.table, row.id) if stamps["status"] == COMPLETED else None
        return {**({"started_at": found[0]["started_at"]} if found else {}), **stamps}

    async def _asked(self, row: CloudRow, unknown: Outcome, target: str) -> Outcome:
        """Nobody answered: ask how the operation stands. Never repeat blindly, `start` after a pause would be legal."""
        answer = await self._rows.client.get("operations", row.id)
        if answer.kind is not Kind.OK or answer.row is None:
            return answer if answer.kind is Kind.GONE else unknown
        state = str(answer.row.get("status"))
        return Outcome(Kind.WRONG_STATE, unknown.text, state=state) if state == target else unknown

    async def _closed_by_call(self, row: CloudRow) -> None:
        """The call has closed every entry that was open over there, also those of work that was resumed since: what
        comes after it opens them again.
        """
        for entry in await self._entries_there(row):
            if entry.base.get("end_time") is None:
                entry.base |= dict.fromkeys(_CLOSED, "closed by a call")
                self._rows.keep(entry)

    async def _unsettle_all(self, row: CloudRow) -> None:
        """The call may still run: it would change the operation and close every open entry on it."""
        await self._rows.unsettle(row, EXECUTION)
        for entry in await self._entries_there(row):
            await self._rows.unsettle(entry, _CLOSED)

    async def _entries_there(self, row: CloudRow) -> list[CloudRow]:
        ids = await self._db.read(store.entries_of, row.id)
        known = [await self._rows.known("time_entries", entry_id, row.lane) for entry_id in ids]
        return [entry for entry in known if entry.base]

    def _now(self) -> str:
        return time_.text(self._clock.now())


def _off(theirs: str | None, ours: str) -> bool:
    if theirs is None:
        return True
    return abs(datetime.fromisoformat(theirs) - datetime.fromisoformat(ours)) > STAMP_TOLERANCE
