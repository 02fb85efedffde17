"""Looks at a row over there before it is changed. The cloud has no versions: what somebody else has done meanwhile shows in no
answer to a change.

Asked for are an operation whose state goes up late, and a row whose plan people have changed here. Roll-ups and what is booked
cost no such request.
"""

from collections.abc import Collection, Mapping
from typing import Any

from gateway.cloud import adopt
from gateway.cloud.merge import COMPLETED, COMPLETED_THERE, EXECUTION, merge
from gateway.cloud.outcome import Kind
from gateway.cloud.rows import Rows, verdict
from gateway.cloud.store import CloudRow
from gateway.kernel import clock as time_

NOT_STARTED = "not_started"
# [U] the columns of the plan that a GET shows: of the others nobody can tell whether they were changed
_SHOWN: Mapping[str, frozenset[str]] = {
    "cells": frozenset(("name", "color", "sequence", "active")),
    "resources": frozenset("name type description identifier location status metadata active external_id".split()),
    "jobs": frozenset("job_number customer due_date due_date_override notes metadata".split()),
    "parts": frozenset("job_id part_number material quantity notes drawing_no cnc_program_name is_bullet_card".split()),
    "operations": frozenset("operation_name sequence estimated_time cell_id part_id planned_start planned_end".split()),
}


class Before:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def look(
        self,
        row: CloudRow,
        ours: Mapping[str, Any],
        body: Mapping[str, Any],
        decided: Collection[str],
        *,
        earlier_at: str = "",
    ) -> Mapping[str, Any]:
        """What of `body` may go up. `decided`: columns that a person has decided about, or of which nobody can say whose value
        stands there. `earlier_at`: when this was written, if that was in an earlier life of this box. Raises Again, No.
        """
        late = row.table == "operations" and "status" in body
        plan = _SHOWN.get(row.table, frozenset()).intersection(body).difference(decided)
        if not row.base or not (late or plan) or not self._rows.by_id(row.table):
            return body
        answer = await self._rows.client.get(row.table, row.id)
        if answer.kind is Kind.GONE:
            await self._rows.gone(row, answer)
            return {}
        if answer.kind is not Kind.OK or answer.row is None:
            raise verdict(answer, "GET", row.table, None)
        await self._compare(row, ours, answer.row, plan)
        if late and earlier_at and _gone_on(answer.row, str(body["status"]), earlier_at):
            return self._went_on(row, body)
        if not late or answer.row.get("status") != COMPLETED or body.get("status") == COMPLETED:
            return body
        await self.dropped(row, body.get("status"))
        return {name: value for name, value in body.items() if name not in EXECUTION[row.table]}

    async def dropped(self, row: CloudRow, ours: Any) -> None:
        """Completed over there is never taken back: a person decides. Told once, by us or by a pull that saw it first."""
        known, row.base["status"] = row.base.get("status"), COMPLETED
        row.written -= EXECUTION[row.table]  # nor by settling
        self._rows.keep(row)
        if known == COMPLETED:
            return
        await self._rows.conflict(row, "status", ours, COMPLETED, COMPLETED_THERE, None)

    def _went_on(self, row: CloudRow, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ours was sent before this box was restored, and what came then is not known here. The next pull finds that somebody has
        gone on with it, takes it over, or asks a person if time runs on it here.
        """
        execution = EXECUTION[row.table]
        row.base |= {name: value for name, value in body.items() if name in execution}
        row.written -= execution
        self._rows.keep(row)
        return {name: value for name, value in body.items() if name not in execution}

    async def _compare(
        self, row: CloudRow, ours: Mapping[str, Any], shown: Mapping[str, Any], plan: Collection[str]
    ) -> None:
        """Ours goes up all the same; theirs is kept where people see it."""
        theirs = {name: value for name, value in adopt.named(adopt.TABLES[row.table], shown).items() if name in plan}
        for one in merge(row.table, ours, theirs, row.base, plan, owned=True).differences:
            await self._rows.conflict(row, one.field, one.ours, one.theirs, one.reason, one.resolution)
            row.base[one.field] = one.theirs  # told once, however often the change has to be tried


def _gone_on(there: Mapping[str, Any], wanted: str, written_at: str) -> bool:
    """Does the cloud show a later state than the one that an earlier life of this box may have sent?"""
    touched = there.get("updated_at")
    other = there.get("status") not in (wanted, NOT_STARTED)
    return other and touched is not None and time_.parse(str(touched)) > time_.parse(written_at)
