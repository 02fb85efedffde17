"""Lists of 100 operations with their part and job, over HTTP, from a small and from a large database.

Each as a ratio to a handler that answers the same bytes as a constant (`/bare`, in the same process), and to the small one. The
rows of a cell lie scattered: `hot` asks for one cell again and again, `any` for cells at random, which is mostly the page
cache missing. Floors, of the large database: page by cursor at least 1/1.3 of the small one's, and at half depth of its own
first page of everything; first page of a cell (hot) at least 1/1.5 of the small one's (its rows come from twice as many
pages: 1.2 in the process alone, more where caches are shared); 304 at least 0.4 of the constant and 4x the page.
Noise is large on shared machines: the medians of interleaved rounds are shown.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import uvloop
from bench_write import free_port
from lists_server import KEY, an_id, cells

HERE = Path(__file__).parent
SMALL, LARGE = 10_000, 1_000_000
CONNECTIONS = 16
ANY = 500  # requests that differ
FLOOR, FLOOR_HOT = 1 / 1.3, 1 / 1.5
FLOOR_SAME, FLOOR_SAVED = 0.4, 4.0
HEAD = "GET {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {key}\r\n{more}\r\n"
LIST = "/api-operations?"

# What is asked for -> what it is.
CASES = {
    "bare": "the bytes of a cell's page as a constant",
    "hot": "first page of one cell",
    "any": "first page of cells at random",
    "304": "one cell, unchanged",
    "all": "first page of everything",
    "cursor": "everything from half depth, by cursor",
    "offset": "the same page by offset",
}


class Client(asyncio.Protocol):
    """One connection that sends the next prepared request when the last is answered."""

    def __init__(self, requests: Sequence[bytes], until: float, done: asyncio.Future) -> None:
        self._requests = requests
        self._until = until
        self._done = done
        self._left = -1  # bytes of the answer that are still to come; -1: its head is
        self._head = b""
        self._sent = 0
        self.latencies_s: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        if self._left < 0:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            if head[9:12] not in (b"200", b"304"):
                raise SystemExit(f"the bench is wrong: {head!r}")
            place = head.lower().find(b"content-length: ")
            self._left = int(head[place + 16 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        self._left -= len(data)
        if self._left > 0:
            return
        now = time.perf_counter()
        self.latencies_s.append(now - self._began_s)
        if now < self._until:
            self._next()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_result(None)

    def _next(self) -> None:
        self._left, self._head = -1, b""
        request = self._requests[self._sent % len(self._requests)]
        self._sent += 1
        self._began_s = time.perf_counter()
        self._transport.write(request)


async def load(port: int, requests: Sequence[bytes], seconds: float) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    clients, ends = [], []
    for place in range(CONNECTIONS):
        start = place * len(requests) // CONNECTIONS
        done = loop.create_future()
        client = Client([*requests[start:], *requests[:start]], began + seconds, done)
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
        clients.append(client)
        ends.append(done)
    await asyncio.gather(*ends)
    took_s = time.perf_counter() - began
    latencies = sorted(one for client in clients for one in client.latencies_s)
    return {
        "per_s": len(latencies) / took_s,
        "p50_ms": statistics.median(latencies) * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
    }


class Served:
    """One server on a database of its own, and what is asked of it."""

    def __init__(self, operations: int, folder: Path) -> None:
        self.operations, self.port = operations, free_port()
        command = [sys.executable, HERE / "lists_server.py", "--port", str(self.port), "--folder", folder]
        self.process = subprocess.Popen([*command, "--operations", str(operations)], stdout=subprocess.PIPE)
        if not any(b'"ready"' in line for line in iter(self.process.stdout.readline, b"")):
            raise SystemExit("the server did not start: see above")
        self.requests = self._prepared()

    def _prepared(self) -> dict[str, list[bytes]]:
        count, rng = cells(self.operations), random.Random(1)
        hot = f"{LIST}cell_id={an_id(1, count // 2)}"
        body, etag = self._get(hot)
        self._put("/bare", body)
        depth = self.operations // 2
        told = json.loads(self._get(f"{LIST}limit=1&offset={depth - 1}")[0])["data"]["pagination"]
        by_cursor, by_offset = (
            json.loads(self._get(f"{LIST}{place}")[0])["data"]["operations"]
            for place in (f"cursor={told['next_cursor']}", f"offset={depth}")
        )
        if by_cursor != by_offset or len(by_cursor) != 100:
            raise SystemExit("the bench is wrong: the cursor leads elsewhere")
        return {
            "bare": [_request("/bare")],
            "hot": [_request(hot)],
            "any": [_request(f"{LIST}cell_id={an_id(1, rng.randrange(count))}") for _ in range(ANY)],
            "304": [_request(hot, f"If-None-Match: {etag}\r\n")],
            "all": [_request(LIST)],
            "cursor": [_request(f"{LIST}cursor={told['next_cursor']}")],
            "offset": [_request(f"{LIST}offset={depth}")],
        }

    def _get(self, path: str) -> tuple[bytes, str]:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": f"Bearer {KEY}"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 -- our own server
            return answer.read(), answer.headers["ETag"]

    def _put(self, path: str, body: bytes) -> None:
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method="PUT")
        urllib.request.urlopen(asked, timeout=30).close()  # noqa: S310 -- as above

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def _request(path: str, more: str = "") -> bytes:
    return HEAD.format(path=path, key=KEY, more=more).encode()


def measured(servers: Sequence[Served], rounds: int, seconds: float) -> dict[tuple[int, str], dict[str, float]]:
    """(operations, case) -> the medians of the rounds; every round asks everybody for everything."""
    results: dict[tuple[int, str], list[dict]] = {}
    for _ in range(rounds):
        for case in CASES:
            for server in servers:
                one = uvloop.run(load(server.port, server.requests[case], seconds))
                results.setdefault((server.operations, case), []).append(one)
    return {
        key: {name: statistics.median(one[name] for one in ones) for name in ones[0]} for key, ones in results.items()
    }


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--large", type=int, default=LARGE)
    arguments.add_argument("--folder", type=Path, default=Path.cwd() / ".cache")
    given = arguments.parse_args()
    given.folder.mkdir(exist_ok=True)
    servers: list[Served] = []
    with (
        tempfile.TemporaryDirectory(dir=given.folder, prefix="bench-") as small,
        tempfile.TemporaryDirectory(dir=given.folder, prefix="bench-") as large,
    ):
        try:
            servers += [Served(SMALL, Path(small)), Served(given.large, Path(large))]
            found = measured(servers, given.rounds, given.seconds)
        finally:
            for server in servers:
                server.stop()
    print("operations  case      req/s   p50 ms   p99 ms   of bare   of small")
    for case, about in CASES.items():
        for size in (SMALL, given.large):
            one = found[size, case]
            of_bare, of_small = (one["per_s"] / found[key]["per_s"] for key in ((size, "bare"), (SMALL, case)))
            print(
                f"{size:10}  {case:6} {one['per_s']:8.0f} {one['p50_ms']:8.2f} {one['p99_ms']:8.2f} "
                f"{of_bare:8.2f}x {of_small:9.2f}x  {about if size == SMALL else ''}"
            )

    def ratio(case: str, other: str, size: int = given.large) -> float:
        return found[given.large, case]["per_s"] / found[size, other]["per_s"]

    floors = (
        ("first page of a cell, of the small database's", ratio("hot", "hot", SMALL), FLOOR_HOT),
        ("page by cursor, of the small database's", ratio("cursor", "cursor", SMALL), FLOOR),
        ("page by cursor at half depth, of the first page", ratio("cursor", "all"), FLOOR),
        ("304, of the constant answer", ratio("304", "bare"), FLOOR_SAME),
        ("304, of the page", ratio("304", "hot"), FLOOR_SAVED),
    )
    print(f"by cursor at half depth: {ratio('cursor', 'offset'):.0f}x by offset")
    for what, seen, floor in floors:
        print(f"{what}: {seen:.2f} (floor {floor:.2f})")
    ok = all(seen >= floor for _, seen, floor in floors)
    print("all floors held" if ok else "A FLOOR WAS MISSED")
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
