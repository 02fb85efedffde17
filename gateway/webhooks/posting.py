"""One try: an HTTP POST to where somebody wants to be told. No redirects, no cookies, no proxy, a limit on everything."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping

import aiohttp
from yarl import URL

from gateway.kernel.egress import guarded
from gateway.kernel.secrets import kept_back
from gateway.webhooks.attempts import OK, Reply, refused
from gateway.webhooks.lookup import Lookup
from gateway.webhooks.rules import Targets

ANSWER_MAX_S = 10.0
TEXT_MAX_BYTES = 64 * 1024  # of an answer; the rest is not read
TEXT_MAX_S = 5.0  # in which its text has to come
CONNECTIONS_MAX = 400  # of all webhooks: each has a few
NO_HEADERS = ("Accept", "Accept-Encoding")


class Post:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(self, url: str, body: bytes, headers: Mapping[str, str], secret: str) -> Reply:
        """What came of it, for a log that many read: without the secret, which the other side knows. Nothing is raised: whoever
        does not answer has not been reached.
        """
        try:
            async with self._session.post(URL(url), data=body, headers=headers, allow_redirects=False) as answer:
                return await _reply(answer, secret)
        except TimeoutError:
            return Reply(None, f"no answer within {ANSWER_MAX_S:.0f} s")
        except aiohttp.ClientConnectorError as exc:
            return Reply(None, f"{exc.host}:{exc.port} cannot be reached ({_why(exc.os_error)})")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Reply(None, f"the connection broke off ({type(exc).__name__})")


async def _reply(answer: aiohttp.ClientResponse, secret: str) -> Reply:
    """The status is the answer; its text is for the log, and may break off."""
    said = bytearray()
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(TEXT_MAX_S):
            async for piece in answer.content.iter_any():
                said += piece
                if len(said) >= TEXT_MAX_BYTES:
                    break
    if answer.status in OK:
        return Reply(answer.status)
    return refused(answer.status, kept_back(said.decode(errors="replace"), (secret,)))


@contextlib.asynccontextmanager
async def posting(targets: Targets) -> AsyncIterator[Post]:
    """Only to addresses that are allowed, looked at when the connection is made."""
    guard = guarded(targets.allowed)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, resolver=Lookup(), socket_factory=guard)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=ANSWER_MAX_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=NO_HEADERS,
        trust_env=False,
        auto_decompress=False,
    ) as session:
        yield Post(session)


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    return error.strerror or str(error) or type(error).__name__
