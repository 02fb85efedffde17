"""An MTConnect agent with a small buffer: it can be away, start anew, forget."""

import re
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from aiohttp import web

HOST = "127.0.0.1"
ITEMS = ("parts", "exec", "system", "bad")
NAMESPACE = "urn:mtconnect.org:MTConnectStreams:2.0"


class Agent:
    """`asked`: paths and their `from`. `said` replaces every answer."""

    def __init__(self, buffer: int = 1_000) -> None:
        self.port = 0
        self.instance = 1_700_000_000
        self.asked: list[tuple[str, int | None]] = []
        self.said: tuple[int, bytes] | None = None
        self._size = buffer
        self._buffer: list[tuple[int, str, str, str]] = []  # (sequence, item, instant, value)
        self._latest: dict[str, tuple[int, str, str, str]] = {}
        self._next = 1
        self._runner: web.AppRunner | None = None
        self._begin()

    # ------------------------------------------------------------------ the machine

    def say(self, at: datetime | None = None, **values: object) -> None:
        """item=value, in this order."""
        instant = (at or datetime.now(UTC)).isoformat().replace("+00:00", "Z")
        for item, value in values.items():
            entry = (self._next, item, instant, str(value))
            self._next += 1
            self._latest[item] = entry
            self._buffer = [*self._buffer, entry][-self._size :]

    def starts_anew(self) -> None:
        """Everything is forgotten; sequences begin again."""
        self.instance += 1
        self._buffer, self._latest, self._next = [], {}, 1
        self._begin()

    def _begin(self) -> None:
        """As every agent: it knows all its items, and nothing of them yet."""
        self.say(**dict.fromkeys(ITEMS, "UNAVAILABLE"))

    # ------------------------------------------------------------------ the network

    async def on(self) -> None:
        app = web.Application()
        app.router.add_get("/Mill/{what}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def off(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        what, since = request.match_info["what"], request.query.get("from")
        self.asked.append((what, None if since is None else int(since)))
        if self.said is not None:
            return web.Response(status=self.said[0], body=self.said[1], content_type="text/xml")
        wanted = set(re.findall(r'@id="([^"]+)"', request.query["path"]))
        if what == "current":
            return self._streams([one for one in self._latest.values() if one[1] in wanted], self._next)
        first, start = self._first, int(since or 0)
        if not first <= start <= self._next:
            body = f'<MTConnectError xmlns="{NAMESPACE}"><Header instanceId="{self.instance}"/><Errors>'
            body += '<Error errorCode="OUT_OF_RANGE">from is out of range</Error></Errors></MTConnectError>'
            return web.Response(status=404, text=body, content_type="text/xml")
        found = [one for one in self._buffer if one[0] >= start and one[1] in wanted]
        cut = found[: int(request.query["count"])]
        return self._streams(cut, cut[-1][0] + 1 if len(cut) < len(found) else self._next)

    @property
    def _first(self) -> int:
        return self._buffer[0][0] if self._buffer else self._next

    def _streams(self, entries: list[tuple[int, str, str, str]], next_: int) -> web.Response:
        """Grouped by item, as agents do: not in the order of the sequence."""
        rows = "".join(
            f"<{_element(item, value)} dataItemId={quoteattr(item)} sequence='{sequence}' timestamp='{instant}'>"
            f"{value}</{_element(item, value)}>"
            for sequence, item, instant, value in sorted(entries, key=lambda one: one[1])
        )
        head = f"instanceId='{self.instance}' firstSequence='{self._first}' lastSequence='{self._next - 1}' nextSequence='{next_}'"
        body = f"<?xml version='1.0'?><MTConnectStreams xmlns='{NAMESPACE}'><Header {head}/>"
        body += f"<Streams><DeviceStream><ComponentStream><Events>{rows}</Events></ComponentStream></DeviceStream></Streams>"
        return web.Response(text=f"{body}</MTConnectStreams>", content_type="text/xml")


def _element(item: str, value: str) -> str:
    return value.capitalize() if item == "system" else "PartCount"
