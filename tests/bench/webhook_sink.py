"""Takes every request and answers 200; its own process.

Prints its port, then for each line on stdin how many it has taken, and when the first and the last came, in ns of the
monotonic clock. The line `anew` begins anew.
"""

import asyncio
import sys
import time

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Sink:
    def __init__(self) -> None:
        self.taken = self.first_ns = self.last_ns = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
                await reader.readexactly(length)
                writer.write(ANSWER)
                self.taken += 1
                self.last_ns = time.monotonic_ns()
                self.first_ns = self.first_ns or self.last_ns
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


async def main() -> None:
    sink = Sink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line == "anew\n":
            sink.taken = sink.first_ns = 0
        print(sink.taken, sink.first_ns, sink.last_ns, flush=True)


if __name__ == "__main__":
    uvloop.run(main())
