"""GatewayError -> status and error envelope. The only place that knows both."""

from typing import Any

from gateway.kernel import errors
from gateway.kernel.errors import GatewayError
from gateway.outbox.event import encode

_STATUS: dict[type[GatewayError], int] = {
    errors.BadRequest: 400,
    errors.InvalidTransition: 400,
    errors.Unauthorized: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.NotAllowed: 405,
    errors.Expired: 408,
    errors.Conflict: 409,
    errors.CursorExpired: 410,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.Unsupported: 415,
    errors.Misdirected: 421,
    errors.Invalid: 422,
    errors.Refused: 422,
    errors.PinLocked: 423,
    errors.NotRun: 424,
    errors.TooFast: 429,
    errors.NotOffered: 501,
    errors.Unavailable: 503,
    errors.StorageFull: 507,
}
# What each means, in one line for programs and people who read the description of the API.
MEANINGS = {
    400: "Not JSON, an id missing, a state or a method that does not fit",
    401: "No key, or none that is known",
    403: "The key's scope is too small, or a write in a cell that is not the key's",
    404: "No such row, or not to be seen with this key",
    405: "Another method is needed",
    408: "A command that came too late: it was not carried out",
    409: "Another row is in the way, or the first request with this key has no answer yet",
    410: "What came after that position in the journal is not known any more: take a snapshot",
    412: "The row has another version than If-Match names; `details.current` is the row as it is now",
    413: "Too large: send less at once",
    415: "A format that cannot be read here",
    421: "Called by a name that this gateway does not know: use one of its addresses, or [http] hosts",
    422: "Wrong fields; `details` names them. Or an Idempotency-Key that was used for another request",
    423: "Too many wrong PINs: `details.locked_for_s` says for how long",
    424: "Of one call among several: what it hangs on was refused",
    429: "Too fast: wait for as long as Retry-After says",
    500: "A defect of ours",
    501: "A gateway does not have this function of the cloud's",
    503: "Not now: try again",
    507: "The disk is full, or what is left is kept for bookings; nothing was written",
}
STATUSES = frozenset(MEANINGS)
RETRY_AFTER_S = 2  # for 503, 507 and what is still running: over in seconds, or a matter for a person


def status_of(error: GatewayError) -> int:
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500


def envelope(error: GatewayError, request_id: str) -> str:
    """The body of an error answer, JSON text."""
    inner: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "statusCode": status_of(error),
        "request_id": request_id,
    }
    if error.details is not None:
        inner["details"] = error.details
    if isinstance(error, errors.TooFast):
        inner["rateLimitInfo"] = error.details  # where the cloud has them
    return encode({"success": False, "error": inner})
