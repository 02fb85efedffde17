"""The one place that speaks to an agent: `current` and `sample`, of the items that are wanted, within bounds."""

from collections.abc import Iterable

import aiohttp

from gateway.plugin_api import Unavailable
from plugins.mtconnect.document import Document, Malformed, parse

BODY_BYTES_MAX = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
SAMPLES_MAX = 1_000  # observations of one answer


class AgentClient:
    """Everything raises Unavailable. `session` is the caller's."""

    def __init__(self, session: aiohttp.ClientSession, url: str, items: Iterable[str]) -> None:
        self._session = session
        self._url = url
        self._path = "//DataItem[" + " or ".join(f'@id="{one}"' for one in items) + "]"

    async def current(self) -> Document:
        """How everything stands now."""
        found = await self._get("current", {"path": self._path})
        if found.errors:
            raise Unavailable(f"the agent at {self._url} refuses `current`: {', '.join(found.errors)}")
        return found

    async def sample(self, since: int) -> Document:
        """What has happened from this sequence on; with `errors` when the agent does not have that."""
        return await self._get("sample", {"path": self._path, "from": str(since), "count": str(SAMPLES_MAX)})

    async def _get(self, what: str, query: dict[str, str]) -> Document:
        try:
            async with self._session.get(f"{self._url}/{what}", params=query, allow_redirects=False) as answer:
                body = await _read(answer)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise Unavailable(f"the agent at {self._url} cannot be reached: {exc or type(exc).__name__}") from exc
        try:
            return parse(body)
        except Malformed as exc:
            raise Unavailable(f"the agent at {self._url} answered {what} with {status}, and {exc}") from exc


def connected(timeout_s: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s), cookie_jar=aiohttp.DummyCookieJar())


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise Unavailable(f"{answer.url.path}: the agent's answer is larger than {BODY_BYTES_MAX} bytes")
    return bytes(body)
