"""A subscriber in a process of its own, for the MQTT bench: notes when each message came, and does nothing else meanwhile.

Prints `ready`; when its stdin says anything, a JSON list of [nanoseconds, number or topic]. QoS 0: it answers nothing.
"""

import argparse
import asyncio
import json
import re
import struct
import sys
import time

import uvloop

_NUMBER = re.compile(rb'"bench":(\d+)')
_CONNACK, _PUBLISH, _SUBACK = 2, 3, 9
KEEPALIVE_S = 600


class Ear(asyncio.Protocol):
    def __init__(self, user: str, password: str, wanted: str) -> None:
        self._user, self._password, self._wanted = user, password, wanted
        self._rest = b""
        self.heard: list[tuple[int, bytes]] = []
        self.subscribed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        words = (b"", self._user.encode(), self._password.encode())
        body = b"\x00\x04MQTT\x04\xc2" + struct.pack(">H", KEEPALIVE_S) + b"".join(map(_text, words))
        transport.write(b"\x10" + _size(len(body)) + body)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        data = self._rest + data
        place = 0
        while (found := _packet(data, place)) is not None:
            begin, end = found
            kind = data[place] >> 4
            if kind == _PUBLISH:
                self.heard.append((now, data[begin:end]))
            elif kind == _CONNACK:
                body = b"\x00\x01" + _text(self._wanted.encode()) + b"\x00"
                self._transport.write(b"\x82" + _size(len(body)) + body)
            elif kind == _SUBACK:
                self.subscribed.set_result(None)
            place = end
        self._rest = data[place:]


def _text(word: bytes) -> bytes:
    return struct.pack(">H", len(word)) + word


def _size(length: int) -> bytes:
    made = bytearray()
    while length > 0x7F:
        made.append(length & 0x7F | 0x80)
        length >>= 7
    made.append(length)
    return bytes(made)


def _packet(data: bytes, place: int) -> tuple[int, int] | None:
    """Where the body of the packet at `place` begins and ends; None when it is not whole yet."""
    length, shift, begin = 0, 0, place + 1
    while begin < len(data):
        byte = data[begin]
        length |= (byte & 0x7F) << shift
        shift += 7
        begin += 1
        if byte < 0x80:
            return (begin, begin + length) if begin + length <= len(data) else None
    return None


def _named(body: bytes) -> int | str:
    number = _NUMBER.search(body)
    return int(number[1]) if number else body[2 : 2 + int.from_bytes(body[:2])].decode()


async def main(port: int, user: str, password: str, wanted: str) -> None:
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_connection(lambda: Ear(user, password, wanted), "127.0.0.1", port)
    await ear.subscribed
    print("ready", flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        heard, ear.heard = ear.heard, []
        print(json.dumps([(at, _named(body)) for at, body in heard]), flush=True)
    transport.close()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int)
    arguments.add_argument("--user")
    arguments.add_argument("--password")
    arguments.add_argument("--topic")
    given = arguments.parse_args()
    uvloop.run(main(given.port, given.user, given.password, given.topic))
