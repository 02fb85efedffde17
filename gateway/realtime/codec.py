"""Both spellings of the Phoenix protocol that Supabase's realtime clients speak, and the WebSocket frames it travels in. Pure.

1.0.0: `{"topic":T,"event":E,"payload":P,"ref":R,"join_ref":J}`. 2.0.0: `[J,R,T,E,P]`, and a client's broadcast as bytes.
"""

import functools
import struct
from dataclasses import dataclass
from typing import Any

from gateway.kernel.errors import BadRequest
from gateway.outbox.event import encode
from gateway.web import body

V1, V2 = "1.0.0", "2.0.0"
VERSIONS = (V1, V2)
BROADCAST, CHANGES, REPLY, SYSTEM, CLOSED = "broadcast", "postgres_changes", "phx_reply", "system", "phx_close"
AROUND_KEPT = 1_024  # beginnings and ends of frames with changes

_TEXT, _BINARY, _WHOLE = 0x1, 0x2, 0x80  # of a WebSocket frame
_LENGTH_7_MAX, _LENGTH_16_MAX = 125, 0xFFFF
_PUSHED, _TOLD = 0x03, 0x04  # a client's broadcast, and the same on its way to others
_RAW, _JSON = 0, 1  # how its payload is encoded
_PUSH_HEAD = struct.Struct("!7B")  # kind, lengths of join_ref, ref, topic, event and meta, encoding
_TOLD_HEAD = struct.Struct("!5B")  # kind, lengths of topic, event and meta, encoding


class Unreadable(Exception):
    """Not in the protocol; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Message:
    """`ref` and `join_ref` are the client's own: sent back as they came. `payload` is JSON, or that of a broadcast with bytes
    in it.
    """

    topic: str
    event: str
    payload: Any
    ref: Any = None
    join_ref: Any = None


def read(version: str, text: str) -> Message:
    """Raises Unreadable."""
    try:
        found = body.parse(text.encode())
    except (BadRequest, UnicodeEncodeError) as exc:
        raise Unreadable(str(exc)) from None
    if version == V1 and isinstance(found, dict):
        found = [found.get(name) for name in ("join_ref", "ref", "topic", "event", "payload")]
    match found:
        case [(None | str() | int()) as join_ref, (None | str() | int()) as ref, str(topic), str(event), payload]:
            return Message(topic, event, payload, ref, join_ref)
    raise Unreadable(f"not a frame of the protocol {version}")


def read_pushed(data: bytes) -> Message:
    """A client's broadcast in the protocol 2.0.0. Raises Unreadable."""
    if len(data) < _PUSH_HEAD.size or data[0] != _PUSHED:
        raise Unreadable("bytes that are no broadcast")
    _, *lengths, encoding = _PUSH_HEAD.unpack_from(data)
    texts, start = list[str](), _PUSH_HEAD.size
    try:
        for length in lengths:
            texts.append(data[start : start + length].decode())
            start += length
        payload: Any = data[start:] if encoding == _RAW else body.parse(data[start:])
    except (UnicodeDecodeError, BadRequest) as exc:
        raise Unreadable(str(exc)) from None
    if start > len(data) or encoding not in (_RAW, _JSON):
        raise Unreadable("a broadcast that is cut off, or encoded in an unknown way")
    join_ref, ref, topic, event, _meta = texts
    return Message(topic, BROADCAST, broadcast(event, payload), ref or None, join_ref or None)


def broadcast(event: str, payload: Any) -> dict[str, Any]:
    return {"type": BROADCAST, "event": event, "payload": payload}


# ------------------------------------------------------------------ to the client, as whole WebSocket frames


def written(version: str, message: Message) -> bytes:
    one = message
    if version == V2:
        return _text_frame(encode([one.join_ref, one.ref, one.topic, one.event, one.payload]))
    named = {"topic": one.topic, "event": one.event, "payload": one.payload, "ref": one.ref, "join_ref": one.join_ref}
    return _text_frame(encode(named))


def written_change(version: str, topic: str, ids: tuple[int, ...], data: bytes) -> bytes:
    """`data` is JSON in UTF-8, written once for everybody who is told."""
    before, after = _around(version, topic, ids)
    return _head(_TEXT, len(before) + len(data) + len(after)) + before + data + after


@functools.lru_cache(AROUND_KEPT)
def _around(version: str, topic: str, ids: tuple[int, ...]) -> tuple[bytes, bytes]:
    payload = f'{{"ids":[{",".join(map(str, ids))}],"data":'
    if version == V2:
        return f'[null,null,{encode(topic)},"{CHANGES}",{payload}'.encode(), b"}]"
    before = f'{{"topic":{encode(topic)},"event":"{CHANGES}","payload":{payload}'
    return before.encode(), b'},"ref":null,"join_ref":null}'


def written_broadcast(version: str, topic: str, event: str, payload: Any) -> bytes | None:
    """As text, which every version reads. Bytes can be told in 2.0.0 only: None where they cannot."""
    if not isinstance(payload, bytes):
        return written(version, Message(topic, BROADCAST, broadcast(event, payload)))
    name, what = topic.encode(), event.encode()
    if version == V1:
        return None
    return _frame(_BINARY, _TOLD_HEAD.pack(_TOLD, len(name), len(what), 0, _RAW) + name + what + payload)


def _text_frame(text: str) -> bytes:
    return _frame(_TEXT, text.encode())


def _frame(kind: int, payload: bytes) -> bytes:
    return _head(kind, len(payload)) + payload


def _head(kind: int, size: int) -> bytes:
    """RFC 6455, from a server: one piece, no mask. So a frame that is written once goes to any number of sockets."""
    if size <= _LENGTH_7_MAX:
        return struct.pack("!BB", _WHOLE | kind, size)
    if size <= _LENGTH_16_MAX:
        return struct.pack("!BBH", _WHOLE | kind, 126, size)
    return struct.pack("!BBQ", _WHOLE | kind, 127, size)
