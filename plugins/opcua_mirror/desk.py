"""What a client may do to the work: the same calls of the REST API that anybody makes, as the person who has logged in."""

import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.plugin_api import Api, Caller, Clock, Request, Scope
from plugins.opcua_mirror.model import COMPLETED, IN_PROGRESS, ON_HOLD, Cell
from plugins.opcua_mirror.users import ALL, User

AGAIN_S = 60.0  # a client that has lost the line may repeat a call within that time
REMEMBERED_MAX = 1_000
REASONS_LISTED = 100
TARGETS = {"start": IN_PROGRESS, "pause": ON_HOLD, "resume": IN_PROGRESS, "complete": COMPLETED}

Look = Callable[[str], Awaitable[Cell | None]]  # a cell as it is now


@dataclass(frozen=True, slots=True)
class Answer:
    """`code` is empty when it was done, else one of the REST API's."""

    code: str = ""
    message: str = ""
    status: int = 200

    @property
    def ok(self) -> bool:
        return not self.code


UNKNOWN = Answer("NOT_FOUND", "no such operation in this cell, or none that could be meant", 404)
FORBIDDEN = Answer("CELL_NOT_ALLOWED", "this user may not work in that cell", 403)


class Desk:
    def __init__(self, api: Api, clock: Clock, look: Look) -> None:
        self._api = api
        self._clock = clock
        self._look = look
        self._done: OrderedDict[tuple[str, str, str], float] = OrderedDict()

    async def cell(self, cell_id: str) -> Cell | None:
        return await self._look(cell_id)

    def may(self, user: User, cell: Cell) -> bool:
        return ALL in user.cells or cell.id in user.cells or cell.name in user.cells

    def has_just_done(self, user: User, verb: str, operation_id: str, status: str) -> bool:
        """The same person did it a moment ago, and it is still so."""
        at_s = self._done.get((user.name, verb, operation_id))
        return at_s is not None and self._clock.monotonic() - at_s < AGAIN_S and status == TARGETS[verb]

    async def change(
        self, user: User, cell: Cell, verb: str, operation_id: str, *, operator_id: str = "", notes: str = ""
    ) -> Answer:
        body = {"operation_id": operation_id, "action": verb}
        given = {"operator_id": operator_id, "notes": notes}
        body |= {name: value for name, value in given.items() if value}
        answer = await self._call(user, cell, Request("POST", "/api-operation-lifecycle", body=body))
        if answer.ok:
            self._done[user.name, verb, operation_id] = self._clock.monotonic()
            self._done.move_to_end((user.name, verb, operation_id))
            while len(self._done) > REMEMBERED_MAX:
                self._done.popitem(last=False)
        return answer

    async def report(
        self, user: User, cell: Cell, operation_id: str, counts: Mapping[str, int], *, reason: str, request_id: str
    ) -> Answer:
        """`reason`: the code or the id of a scrap reason. The same `request_id` by the same user is booked once."""
        body: dict[str, Any] = {"operation_id": operation_id, **counts}
        if reason:
            found = await self._reason(user, cell, reason)
            if found is None:
                return Answer("NOT_FOUND", f'there is no scrap reason "{reason}"', 404)
            body["scrap_reason_id"] = found
        request = Request("POST", "/api-operation-quantities", body=body, key=request_id or None)
        return await self._call(user, cell, request)

    async def _reason(self, user: User, cell: Cell, reason: str) -> str | None:
        query = {"search": reason, "limit": str(REASONS_LISTED)}
        outcome = await self._api.call(Request("GET", "/api-scrap-reasons", query), _caller(user, cell))
        rows = json.loads(outcome.body)["data"]["scrap_reasons"] if outcome.good else []
        return next((row["id"] for row in rows if row["code"] == reason), reason if _is_id(reason) else None)

    async def _call(self, user: User, cell: Cell, request: Request) -> Answer:
        outcome = await self._api.call(request, _caller(user, cell))
        if outcome.good:
            return Answer()
        error = json.loads(outcome.body)["error"]
        return Answer(error["code"], error["message"], outcome.status)


def _caller(user: User, cell: Cell) -> Caller:
    return Caller(f"opcua:{user.name}", user.name, Scope.OPERATE, frozenset({cell.id}), user.operator_id)


def _is_id(text: str) -> bool:
    return len(text) == 36 and text.count("-") == 4  # noqa: PLR2004 -- the form of a UUID
