"""Load: keep-alive connections that send the next prepared request when the last is answered, or at a steady rate."""

import argparse
import asyncio
import json
import statistics
import time

import uvloop

HEAD = (
    "POST /functions/v1/api-operation-lifecycle/{verb}?id={id} HTTP/1.1\r\nHost: gateway\r\n"
    "Authorization: Bearer {key}\r\nContent-Length: 0\r\n\r\n"
)
VERBS = ("start", "pause", "resume", "complete")  # the life of an operation: always a legal next step


class Station(asyncio.Protocol):
    """One connection with operations of its own, so that every request is a transition that is really written."""

    def __init__(self, operations: list[str], key: str, until: float, done: asyncio.Future) -> None:
        self._operations = operations
        self._key = key
        self._until = until
        self._done = done
        self._sent = 0
        self._buffer = b""
        self.latencies_s: list[float] = []
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, _, body = self._buffer.partition(b"\r\n\r\n")
        place = head.lower().find(b"content-length: ")
        if place < 0 or len(body) < int(head[place + 16 :].split(b"\r\n", 1)[0]):
            return
        self.latencies_s.append(time.perf_counter() - self._began_s)
        self.refused += not head.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        if time.perf_counter() < self._until:
            self._next()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _next(self) -> None:
        place, step = divmod(self._sent, len(VERBS))
        operation = self._operations[place % len(self._operations)]  # the bare handler gets through all of them
        self._sent += 1
        self._began_s = time.perf_counter()
        self._transport.write(HEAD.format(verb=VERBS[step], id=operation, key=self._key).encode())


class Paced(Station):
    """Sends at its own times, and counts from then, also when the last answer was late."""

    def __init__(self, *given, first_s: float, every_s: float) -> None:
        super().__init__(*given)
        self._due_s, self._every_s = first_s - every_s, every_s

    def _next(self) -> None:
        self._due_s += self._every_s
        asyncio.get_running_loop().call_later(max(0.0, self._due_s - time.perf_counter()), self._send)

    def _send(self) -> None:
        super()._next()
        self._began_s = self._due_s


async def main(
    port: int, connections: int, seconds: float, operations: list[str], key: str, rate: float | None
) -> dict:
    """`rate`: requests a second of all together; None: as many as are answered."""
    loop = asyncio.get_running_loop()
    share = len(operations) // connections
    began = time.perf_counter()
    stations, ends = [], []
    for place in range(connections):
        done = loop.create_future()
        given = (operations[place * share : (place + 1) * share], key, began + seconds, done)
        times = {} if rate is None else {"first_s": began + place / rate, "every_s": connections / rate}
        station = Paced(*given, **times) if times else Station(*given)
        await loop.create_connection(lambda station=station: station, "127.0.0.1", port)
        stations.append(station)
        ends.append(done)
    await asyncio.gather(*ends)
    took_s = time.perf_counter() - began
    latencies = sorted(one for station in stations for one in station.latencies_s)
    return {
        "per_s": len(latencies) / took_s,
        "p50_ms": statistics.median(latencies) * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "refused": sum(station.refused for station in stations),
    }


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int)
    arguments.add_argument("--connections", type=int)
    arguments.add_argument("--seconds", type=float)
    arguments.add_argument("--operations", type=argparse.FileType())
    arguments.add_argument("--key")
    arguments.add_argument("--rate", type=float)
    given = arguments.parse_args()
    ids = json.load(given.operations)
    print(json.dumps(uvloop.run(main(given.port, given.connections, given.seconds, ids, given.key, given.rate))))
