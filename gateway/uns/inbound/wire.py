"""What a device says, as what the machines' rules take. Pure: topic and payload in, a value out, or an error by name.

Small PLC clients cannot build JSON: a bare number, a bare word, a string that is padded with NUL are all fine.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.kernel import clock as time_
from gateway.kernel.errors import BadRequest, Invalid, MalformedPayload, NotFound, TooLarge
from gateway.machines import values
from gateway.machines.model import Badge, Cycle, Reading, Request
from gateway.uns.payloads import PAYLOAD_BYTES_MAX
from gateway.web import body

LEVELS_MAX = 16  # of JSON
REQUEST_ID_CHARACTERS_MAX = 128
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,63}")  # `running`, as it is written without quotes
_PADDING = b"\0 \t\r\n"


@dataclass(frozen=True, slots=True)
class Online:
    """The device's own birth or last will."""

    device: str
    online: bool


Said = Reading | Cycle | Badge | Online
STATUS, STATE, CYCLE, BADGE = "status", "in/state", "in/cycle", "in/badge"
INPUTS, COUNTERS, TAGS, COMMANDS = "in/", "in/counter/", "in/tag/", "cmd/"


def inward(rest: str) -> bool:
    """Of what is below a device, what the device says."""
    return rest == STATUS or rest.partition("/")[0] in ("in", "cmd")


def absolute(rest: str) -> bool:
    """Says how something stands, so that the newest word is enough."""
    return rest in (STATUS, STATE) or rest.startswith(COUNTERS)


def happens_once(rest: str) -> bool:
    """Something that happened, or a wish: kept by the broker it would happen again at every start."""
    return rest in (CYCLE, BADGE) or rest.startswith(COMMANDS)


def said(device: str, rest: str, payload: bytes, *, kept: bool = False) -> Said:
    """`rest`: the topic below the device; `kept`: it waited at the broker while we were away.

    Raises MalformedPayload, TooLarge, Invalid, NotFound.
    """
    if rest == BADGE:
        return _badge(device, payload)
    if rest == STATE or rest.startswith((COUNTERS, TAGS)):
        value, at = _reading(_parsed(payload, words=not rest.startswith(COUNTERS)))
        return Reading(device, rest.removeprefix(INPUTS), value, at, kept)
    if rest == CYCLE:
        return _cycle(device, _parsed(payload))
    if rest == STATUS:
        return Online(device, _online(_parsed(payload, words=True)))
    raise NotFound(
        f'there is no input "{rest.removeprefix(INPUTS)}": state, counter/NAME, cycle, badge and tag/NAME are'
    )


def mapped(device: str, topic: str, payload: bytes, *, kept: bool = False) -> Reading:
    """What equipment with topics of its own says; its mapping knows where in it the value is. Raises as `said`."""
    return Reading(device, topic, _parsed(payload, words=True), None, kept)


def request(device: str, verb: str, payload: bytes, correlation: bytes | None, *, queued: bool) -> Request:
    """`queued`: waited at the broker while we were away. Raises MalformedPayload, TooLarge, Invalid."""
    given = _object(_parsed(payload))
    rest = {name: value for name, value in given.items() if name != "request_id"}
    return Request(device, verb, _request_id(given.get("request_id"), correlation), rest, queued)


def request_id_of(payload: bytes, correlation: bytes | None) -> str | None:
    """As far as it can be told, for the answer to a request that is refused."""
    try:
        return _request_id(_object(_parsed(payload)).get("request_id"), correlation)
    except (BadRequest, TooLarge, Invalid):
        return None


# ------------------------------------------------------------------ single payloads


def _reading(value: Any) -> tuple[Any, datetime | None]:
    """`{"v":4,"ts":...}`, `{"state":"running"}`, a bare value; another object as it is, for a mapping with a path."""
    if isinstance(value, dict):
        for name in ("v", "state"):
            if name in value:
                return value[name], _instant(value.get("ts"))
    return value, None


def _cycle(device: str, value: Any) -> Cycle:
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        value = {"good": value}  # a counter of its own kind: the pieces of this cycle
    given = _object(value)
    known = {name: given[name] for name in ("good", "scrap", "program", "duration_s") if name in given}
    own = given.get("id")
    return Cycle(device, None if own is None else _identity("id", own), **known, occurred_at=_instant(given.get("ts")))


def _badge(device: str, payload: bytes) -> Badge:
    """A bare badge is read letter by letter: `041230` is no number."""
    text = payload.strip(_PADDING)
    if _WORD.fullmatch(text.decode(errors="replace")):
        return Badge(device, text.decode(), on=True)
    given = _parsed(payload)
    if isinstance(given, str):
        given = {"badge": given}
    given = _object(given)
    return Badge(device, _identity("badge", given.get("badge")), on=values.switch(given.get("on", True), "on"))


def _online(value: Any) -> bool:
    given = value.get("online") if isinstance(value, dict) else value
    if isinstance(given, str) and given.lower() in ("online", "offline"):
        return given.lower() == "online"
    return values.switch(given, "online")


def _request_id(given: Any, correlation: bytes | None) -> str | None:
    if given is None and correlation:
        given = base64.b64encode(correlation).decode()
    if given is None:
        return None
    found = _identity("request_id", given)
    if len(found) > REQUEST_ID_CHARACTERS_MAX:
        raise _wrong(
            "request_id", f"must have at most {REQUEST_ID_CHARACTERS_MAX} characters (correlation data: 96 bytes)"
        )
    return found


# ------------------------------------------------------------------ values


def _parsed(payload: bytes, *, words: bool = False) -> Any:
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise TooLarge(f"a payload may have {PAYLOAD_BYTES_MAX} bytes, this one has {len(payload)}")
    text = payload.rstrip(_PADDING)
    try:
        return body.parse(text, LEVELS_MAX)
    except BadRequest as exc:
        word = text.decode(errors="replace").strip()
        if words and _WORD.fullmatch(word):
            return word
        raise MalformedPayload(exc.message.replace("the body", "the payload", 1)) from None


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedPayload("the payload must be a JSON object")
    return value


def _identity(name: str, given: Any) -> str:
    """Text; a number is one that a small client could not put in quotes."""
    if isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if not isinstance(given, str) or not given:
        raise _wrong(name, "must be a text that is not empty")
    return given


def _instant(given: Any) -> datetime | None:
    if given is None:
        return None
    try:
        return time_.parse(given)
    except (TypeError, ValueError, OverflowError):
        raise _wrong("ts", "must be an instant in ISO 8601, as 2026-02-03T09:15:04Z") from None


def _wrong(field: str, words: str) -> Invalid:
    """Without the value: what is refused is told to everybody who listens."""
    return Invalid(f"{field} {words}", [body.detail(field, f"{field} {words}", "TYPE_MISMATCH")])
