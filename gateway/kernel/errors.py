"""Everything that can go wrong on purpose.

GatewayError                    code                        what the caller can do
+- BadRequest                   BAD_REQUEST                 send it in another form
|  +- MalformedPayload          MALFORMED_PAYLOAD           send a JSON object
|  +- RetainedCommand           RETAINED_COMMAND            send it without the retain flag
+- Invalid                      VALIDATION_ERROR            correct the named fields
|  +- KeyReused                 IDEMPOTENCY_KEY_REUSED      take a fresh key for a new request
+- InvalidTransition            INVALID_STATE_TRANSITION    look at the state, choose another verb
+- NotFound                     NOT_FOUND                   check the id
|  +- OperatorUnknown           OPERATOR_UNKNOWN            give the badge's number to a profile, or pick a name
|  +- UnknownVerb               UNKNOWN_VERB                use one of the verbs that there are
|  +- UnknownDevice             UNKNOWN_DEVICE              add the device to the settings
+- Unauthorized                 UNAUTHORIZED                bring a valid key
|  +- TerminalUnknown           TERMINAL_UNKNOWN            pair the terminal again
|  +- SessionEnded              SESSION_ENDED               sign in again
|  +- PinWrong                  PIN_WRONG                   type it again
+- PinLocked                    PIN_LOCKED                  wait as long as it says
+- Forbidden                    FORBIDDEN                   ask for a key with that scope
|  +- CellNotAllowed            CELL_NOT_ALLOWED            ask for a key with that cell
|  +- UnknownBadge              UNKNOWN_BADGE               give the badge's number to a profile
|  +- OperatorInactive          OPERATOR_INACTIVE           ask who keeps the profiles
+- Misdirected                  MISDIRECTED                 call the gateway by a name that it has
+- NotAllowed                   METHOD_NOT_ALLOWED          use another method
+- NotOffered                   NOT_IMPLEMENTED             use the cloud for it
+- Conflict                     CONFLICT                    look at the row that is in the way
|  +- OperatorBusy              OPERATOR_BUSY               stop the operator's other work first
|  +- EpochFenced               EPOCH_FENCED                nothing: this box was replaced by another
|  +- SyncConflict              SYNC_CONFLICT               look at the row as it is now, merge, send that with its version
|  +- StillRunning              STILL_RUNNING               wait: the first request with this key has no answer yet
|  +- NoActiveOperation         NO_ACTIVE_OPERATION         start one, or name the operation
|  +- AmbiguousTarget           AMBIGUOUS_TARGET            name one of the candidates
|  +- PinNotSet                 PIN_NOT_SET                 ask a supervisor to set one
|  +- ConfirmationNeeded        CONFIRMATION_NEEDED         look at `details`, send it again with what may be confirmed
+- Expired                      EXPIRED                     send it again with a new id, if it is still wanted
+- CursorExpired                CURSOR_EXPIRED              take a snapshot, go on from there
+- PreconditionFailed           PRECONDITION_FAILED         look at the row as it is now, then decide again
+- NotRun                       NOT_RUN                     settle what was refused before it, send it again
+- TooLarge                     PAYLOAD_TOO_LARGE           send less
+- TooFast                      RATE_LIMIT_EXCEEDED         wait as long as it says
+- Unsupported                  UNSUPPORTED_MEDIA_TYPE      send another format
+- Unavailable                  UNAVAILABLE                 try again later; the other side cannot be reached
|  +- Busy                      BUSY                        try again in a moment; a queue is full
|  +- StorageFailed             STORAGE_FAILED              try again; the disk gave an error, nothing was written
|  +- ReadOnly                  READ_ONLY                   call somebody: the disk failed again and again
|  +- StorageFull               INSUFFICIENT_STORAGE        free some space; nothing was written
|     +- RoomKept               INSUFFICIENT_STORAGE        the same; what is left is kept for bookings
+- Refused                      REFUSED                     nothing: the other side will never take this
+- StartupError                 STARTUP                     read the text; the gateway does not start like this
   +- Damaged                   STARTUP                     restore a backup

The kernel knows no HTTP: `web/errors.py` turns these into status codes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Details = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class GatewayError(Exception):
    """`message` says the wrong value and the way out; `details` is JSON for programs."""

    code: str = "INTERNAL_ERROR"

    def __init__(self, message: str, details: Details | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class BadRequest(GatewayError):
    """`code` may be narrowed by the caller where the contract names its own (`INVALID_OPERATION`)."""

    code = "BAD_REQUEST"

    def __init__(self, message: str, details: Details | None = None, *, code: str = "BAD_REQUEST") -> None:
        super().__init__(message, details)
        self.code = code


class Invalid(GatewayError):
    """`details` is a list of `{field, message, constraint, value?}`."""

    code = "VALIDATION_ERROR"


class KeyReused(Invalid):
    code = "IDEMPOTENCY_KEY_REUSED"


class MalformedPayload(BadRequest):
    def __init__(self, message: str, details: Details | None = None) -> None:
        super().__init__(message, details, code="MALFORMED_PAYLOAD")


class RetainedCommand(BadRequest):
    def __init__(self, message: str, details: Details | None = None) -> None:
        super().__init__(message, details, code="RETAINED_COMMAND")


class InvalidTransition(GatewayError):
    code = "INVALID_STATE_TRANSITION"


class NotFound(GatewayError):
    code = "NOT_FOUND"


class UnknownVerb(NotFound):
    code = "UNKNOWN_VERB"


class UnknownDevice(NotFound):
    code = "UNKNOWN_DEVICE"


class OperatorUnknown(NotFound):
    code = "OPERATOR_UNKNOWN"


class Unauthorized(GatewayError):
    code = "UNAUTHORIZED"


class TerminalUnknown(Unauthorized):
    """Never paired, or revoked since: which of them is not told."""

    code = "TERMINAL_UNKNOWN"


class SessionEnded(Unauthorized):
    code = "SESSION_ENDED"


class PinWrong(Unauthorized):
    """`details` holds `attempts_left`."""

    code = "PIN_WRONG"


class PinLocked(GatewayError):
    """`details` holds `locked_for_s`."""

    code = "PIN_LOCKED"


class Forbidden(GatewayError):
    code = "FORBIDDEN"


class CellNotAllowed(Forbidden):
    code = "CELL_NOT_ALLOWED"


class UnknownBadge(Forbidden):
    """Never says which badge."""

    code = "UNKNOWN_BADGE"


class OperatorInactive(Forbidden):
    code = "OPERATOR_INACTIVE"


class Misdirected(GatewayError):
    code = "MISDIRECTED"


class NotAllowed(GatewayError):
    code = "METHOD_NOT_ALLOWED"


class NotOffered(GatewayError):
    """A function of the cloud that a gateway does not have."""

    code = "NOT_IMPLEMENTED"


class Conflict(GatewayError):
    code = "CONFLICT"


class OperatorBusy(Conflict):
    code = "OPERATOR_BUSY"


class EpochFenced(Conflict):
    """`details` holds the highest `epoch` that was seen."""

    code = "EPOCH_FENCED"


class SyncConflict(Conflict):
    """`details` holds `current`, the row as it is now with its `row_version`, the `base_version` that the change was made on, and
    the `fields` that have changed since.
    """

    code = "SYNC_CONFLICT"


class StillRunning(Conflict):
    """Of imports and uploads only; everything else waits its turn."""

    code = "STILL_RUNNING"


class NoActiveOperation(Conflict):
    code = "NO_ACTIVE_OPERATION"


class AmbiguousTarget(Conflict):
    """`details` holds `candidates`, the operations that could be meant."""

    code = "AMBIGUOUS_TARGET"


class PinNotSet(Conflict):
    code = "PIN_NOT_SET"


class ConfirmationNeeded(Conflict):
    """`details` holds `blockers`: each has a `kind`, what is in the way, and whether it `may_confirm`."""

    code = "CONFIRMATION_NEEDED"


class Expired(GatewayError):
    """A command that reached us too late: it is not carried out."""

    code = "EXPIRED"


class CursorExpired(GatewayError):
    """A position in the journal that nothing can be told from; `details` holds `epoch` and `head`, the end of the journal."""

    code = "CURSOR_EXPIRED"


class PreconditionFailed(GatewayError):
    """`details` holds `row_version` and `current`, the row as it is now."""

    code = "PRECONDITION_FAILED"


class NotRun(GatewayError):
    """`details` holds `refused`, the key of what came before it."""

    code = "NOT_RUN"


class TooLarge(GatewayError):
    code = "PAYLOAD_TOO_LARGE"


class TooFast(GatewayError):
    """`details` holds `limit`, `remaining`, `resetAt` and `retryAfter` in seconds."""

    code = "RATE_LIMIT_EXCEEDED"


class Unsupported(GatewayError):
    code = "UNSUPPORTED_MEDIA_TYPE"


class Unavailable(GatewayError):
    code = "UNAVAILABLE"


class Busy(Unavailable):
    code = "BUSY"


class StorageFailed(Unavailable):
    code = "STORAGE_FAILED"


class ReadOnly(Unavailable):
    code = "READ_ONLY"


class StorageFull(Unavailable):
    code = "INSUFFICIENT_STORAGE"


class RoomKept(StorageFull):
    """By rule, while bookings still find room. `details` holds `class`, `free_bytes` and `kept_bytes`."""


class Refused(GatewayError):
    """Somebody else's final no; a journal reader parks what got it."""

    code = "REFUSED"


class StartupError(GatewayError):
    code = "STARTUP"


class Damaged(StartupError):
    """The database cannot be read as a whole."""
