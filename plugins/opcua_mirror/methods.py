"""The methods: Job Control for MES, simple ones for SCADA. Arguments in, the desk asked, a result out; nothing raises."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from asyncua import ua

from gateway.plugin_api import GatewayError
from plugins.opcua_mirror.arguments import COMMENT_MAX, Argument, checked, done, refused
from plugins.opcua_mirror.desk import FORBIDDEN, UNKNOWN, Answer, Desk
from plugins.opcua_mirror.model import (
    HELD,
    READY,
    RUNNING,
    SUSPENDED,
    WAITING,
    Cell,
    Operation,
    State,
)
from plugins.opcua_mirror.server import CURRENT
from plugins.opcua_mirror.users import User

# ReturnStatus of Job Control; the last one is ours.
DONE, NOT_KNOWN, WRONG_STATE, NOT_ACCEPTED = 1 << 0, 1 << 1, 1 << 3, 1 << 4
MALFORMED, NOT_ALLOWED = 1 << 32, 1 << 33
COUNT_MAX = 10_000_000
_FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_FAST, _SERVER_ERRORS = 403, 404, 409, 429, 500
# method -> (what it does, from which states; from the others it is refused)
_STATES = {
    "Start": ("start", (READY,)),
    "Pause": ("pause", (RUNNING,)),
    "Resume": ("resume", (SUSPENDED,)),
    "Stop": ("complete", (RUNNING, SUSPENDED)),
}
TEXT = ua.VariantType.String
JOB_ORDER = (
    Argument("JobOrderID", TEXT),
    Argument("Comment", ua.VariantType.LocalizedText, array=True, nullable=True),
)
ORDER_ID = (Argument("JobOrderID", TEXT),)
ORDER_STATE = (Argument("JobOrderState", ua.VariantType.ExtensionObject, array=True, structure="ISA95StateDataType"),)
ACTION = (
    Argument("OperationId", TEXT, nullable=True, about="Empty: the active one"),
    Argument("Operator", TEXT, nullable=True, about="The id of a profile. Empty: that of the user"),
)
REPORT = (
    Argument("OperationId", TEXT, nullable=True, about="Empty: the active one"),
    Argument("Good", ua.VariantType.Int32),
    Argument("Scrap", ua.VariantType.Int32),
    Argument("Rework", ua.VariantType.Int32),
    Argument("ScrapReason", TEXT, nullable=True, about="Code or id"),
    Argument("RequestId", TEXT, nullable=True, about="The same one is booked once"),
)
OUTCOME = (
    Argument("Ok", ua.VariantType.Boolean),
    Argument("Code", TEXT, about="Empty, or the REST API's code of the error"),
    Argument("Message", TEXT),
)
ACTIONS = {"Start": "start", "Pause": "pause", "Resume": "resume", "Complete": "complete"}

Call = Callable[..., Awaitable[ua.CallMethodResult]]
_Body = Callable[[User, str, Sequence[Any]], Awaitable[ua.CallMethodResult]]


class Methods:
    """`cells`: which cell an object is of. A client may call the method of the type on it, so the object says what is meant."""

    def __init__(self, desk: Desk, *, stop_means: str, start_head: bool) -> None:
        self._desk = desk
        self._stop = stop_means
        self._start_head = start_head
        self.cells: dict[ua.NodeId, str] = {}

    # ------------------------------------------------------------------ Job Control

    def job_order(self, name: str) -> Call:
        verb, allowed = _STATES[name]
        if name == "Stop" and self._stop == "pause":
            verb, allowed = "pause", (RUNNING,)

        async def run(user: User, cell_id: str, given: Sequence[Any]) -> ua.CallMethodResult:
            operation_id, comments = given
            notes = next((one.Text for one in comments if one.Text), "")
            if not operation_id or len(notes) > COMMENT_MAX:
                return _status(MALFORMED)
            cell = await self._desk.cell(cell_id)
            operation = cell.operation(operation_id.lower()) if cell else None
            if cell is None or operation is None:
                return _status(NOT_KNOWN)
            if not self._desk.may(user, cell):
                return _status(NOT_ALLOWED)
            return _status(await self._moved(user, cell, operation, verb, allowed, notes))

        return self._guarded(JOB_ORDER, run)

    async def _moved(
        self, user: User, cell: Cell, operation: Operation, verb: str, allowed: Sequence[State], notes: str
    ) -> int:
        if operation.state not in allowed:
            repeated = self._desk.has_just_done(user, verb, operation.id, operation.status)
            return DONE if repeated else WRONG_STATE
        if verb == "complete" and operation.state is not RUNNING:
            resumed = await self._desk.change(user, cell, "resume", operation.id)
            if not resumed.ok:
                return return_status(resumed)
        return return_status(await self._desk.change(user, cell, verb, operation.id, notes=notes))

    def response_of(self, response: Callable[[Operation], Any], nothing: Callable[[], Any]) -> Call:
        """RequestJobResponseByJobOrderID."""

        async def run(_user: User, cell_id: str, given: Sequence[Any]) -> ua.CallMethodResult:
            cell = await self._desk.cell(cell_id)
            operation = cell.operation(given[0].lower()) if cell else None
            found = operation is not None and operation.begun
            told = response(operation) if operation is not None and found else nothing()
            return done(ua.Variant(told, ua.VariantType.ExtensionObject), _bits(DONE if found else NOT_KNOWN))

        return self._guarded(ORDER_ID, run)

    def responses_in(self, responses: Callable[[Sequence[Operation]], ua.Variant]) -> Call:
        """RequestJobResponseByJobOrderState: of those that are in the first, the top level state."""

        async def run(_user: User, cell_id: str, given: Sequence[Any]) -> ua.CallMethodResult:
            if not given[0]:
                return done(responses(()), _bits(MALFORMED))
            number = given[0][0].StateNumber
            cell = await self._desk.cell(cell_id)
            found = [one for one in (cell.operations if cell else ()) if one.state.number == number]
            return done(responses(found), _bits(DONE))

        return self._guarded(ORDER_STATE, run)

    # ------------------------------------------------------------------ simple ones

    def action(self, name: str) -> Call:
        verb = ACTIONS[name]

        async def run(user: User, cell_id: str, given: Sequence[Any]) -> ua.CallMethodResult:
            operation_id, operator_id = given
            cell = await self._desk.cell(cell_id)
            if cell is None:
                return _outcome(UNKNOWN)
            if not self._desk.may(user, cell):
                return _outcome(FORBIDDEN)
            operation = self._meant(cell, verb, operation_id)
            if operation is None:
                return _outcome(UNKNOWN)
            if self._desk.has_just_done(user, verb, operation.id, operation.status):
                return _outcome(Answer())
            if verb == "start" and operation.state is WAITING:
                why = "an earlier operation of its part is not completed, or its job is on hold"
                return _outcome(Answer("INVALID_STATE_TRANSITION", why, _CONFLICT))
            return _outcome(await self._desk.change(user, cell, verb, operation.id, operator_id=operator_id))

        return self._guarded(ACTION, run)

    def report(self) -> Call:
        async def run(user: User, cell_id: str, given: Sequence[Any]) -> ua.CallMethodResult:
            operation_id, good, scrap, rework, reason, request_id = given
            cell = await self._desk.cell(cell_id)
            operation = self._meant(cell, "report", operation_id) if cell else None
            if cell is None or operation is None:
                return _outcome(UNKNOWN)
            if not self._desk.may(user, cell):
                return _outcome(FORBIDDEN)
            counts = {"quantity_good": good, "quantity_scrap": scrap, "quantity_rework": rework}
            if not any(counts.values()) or not all(0 <= one <= COUNT_MAX for one in counts.values()):
                return _outcome(Answer("VALIDATION_ERROR", f"pieces: 1 to {COUNT_MAX}, none of them negative", 422))
            answer = await self._desk.report(user, cell, operation.id, counts, reason=reason, request_id=request_id)
            return _outcome(answer)

        return self._guarded(REPORT, run)

    def _meant(self, cell: Cell, verb: str, operation_id: str) -> Operation | None:
        """The one that is named; else the active one, to resume the only one on hold, to start the head of the queue."""
        if operation_id:
            return cell.operation(operation_id.lower())
        if verb == "start":
            return next((one for one in cell.queue if one.state is READY), None) if self._start_head else None
        if verb == "resume":
            held = [one for one in cell.operations if one.state in (SUSPENDED, HELD)]
            return held[0] if len(held) == 1 else None
        return cell.active

    # ------------------------------------------------------------------ around each of them

    def _guarded(self, wanted: Sequence[Argument], body: _Body) -> Call:
        async def call(parent: ua.NodeId, *given: ua.Variant) -> ua.CallMethodResult:
            person, cell_id = CURRENT.get(), self.cells.get(parent)
            if person is None or person.user is None:
                return refused(ua.StatusCodes.BadUserAccessDenied)
            if cell_id is None:
                return refused(ua.StatusCodes.BadMethodInvalid)
            values = checked(wanted, given)
            if isinstance(values, ua.CallMethodResult):
                return values
            try:
                return await body(person.user, cell_id, values)
            except GatewayError:
                return refused(ua.StatusCodes.BadResourceUnavailable)

        return call


def return_status(answer: Answer) -> int:
    if answer.ok:
        return DONE
    if answer.status == _FORBIDDEN:
        return NOT_ALLOWED
    if answer.status == _NOT_FOUND:
        return NOT_KNOWN
    if answer.status >= _SERVER_ERRORS or answer.status == _TOO_FAST:
        return NOT_ACCEPTED
    if answer.status == _CONFLICT or answer.code == "INVALID_STATE_TRANSITION":
        return WRONG_STATE
    return MALFORMED


def _status(bits: int) -> ua.CallMethodResult:
    return done(_bits(bits))


def _bits(bits: int) -> ua.Variant:
    return ua.Variant(bits, ua.VariantType.UInt64)


def _outcome(answer: Answer) -> ua.CallMethodResult:
    return done(
        ua.Variant(answer.ok, ua.VariantType.Boolean),
        ua.Variant(answer.code, ua.VariantType.String),
        ua.Variant(answer.message, ua.VariantType.String),
    )
